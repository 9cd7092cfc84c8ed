//! The whole network of kirc in one thread: nodes of the core on models of their services, with a
//! seeded schedule and seeded faults. After a run, the promises of the design are checked.
//!
//! This crate owns no rule of the chat: each node makes its own decisions; this crate contains only
//! what the world does to it.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod carry;
pub mod check;
pub mod faults;
pub mod host;
pub mod hostile;
pub mod keys;
pub mod mailbox;
pub mod mutants;
pub mod network;
pub mod people;
pub mod plan;
pub mod pool;
pub mod process;
pub mod remote_grids;
pub mod rng;
pub mod run;
pub mod signals;
pub mod store;
pub mod trace;
pub mod witness;
pub mod world;
