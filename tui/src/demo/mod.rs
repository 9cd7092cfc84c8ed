//! Fixed data for a look without a network, for screenshots, and for tests.
//!
//! Owns: a made-up conversation and a node made of paper that answers. May not: be random, or ask
//! for the time.
mod data;
mod node;

pub use data::{NOW, script};
pub use node::DemoNode;
