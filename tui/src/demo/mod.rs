//! Fixed data for a demo without a network, for screenshots, and for tests.
//!
//! Owns: a made-up conversation and a fake node that replies. Must not: use random numbers or the
//! current time.
mod data;
mod node;

pub use data::{NOW, script};
pub use node::DemoNode;
