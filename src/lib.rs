//! kirc: the program around the core.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod embedded;
pub mod mailbox;
pub mod ports;
pub mod signals;

pub mod store;
