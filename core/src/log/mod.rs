//! The log of a channel: who leads, and what counts.
