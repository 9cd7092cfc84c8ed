//! kirc-core: everything that decides, nothing that waits.
//!
//! The room behind all doors. It owns the rules about channels, keys, delivery and identities. It may not
//! read a clock, a file, a socket or the system's random numbers: time, randomness and every outcome of I/O
//! come in as [`port::Input`], and what it wants done goes out as [`port::Effect`].
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod channel;
pub mod crypto;
pub mod envelope;
pub mod identity;
pub mod ids;
pub mod limits;
pub mod log;
pub mod mask;
pub mod names;
pub mod node;
pub mod numeric;
pub mod port;

pub use envelope::{Body, Envelope};
