//! The parts of `kirc pipe`: lines in, lines out, and the list of unanswered envelopes.
//!
//! This module is independent of where the node runs.

mod lines;
mod pending;
mod writer;

pub use lines::Lines;
pub use pending::Pending;
pub use writer::Writer;
