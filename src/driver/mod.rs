//! Drives a node: delivers inputs to it and carries out its effects.
//!
//! This module owns the event loop, the order in which effects are carried out, the session queues
//! and the clocks. It makes no decisions about channels and is independent of the adapters behind
//! the ports.
//!
//! One task owns the node. Its rules:
//!
//! - The task handles up to [`BATCH`] pending inputs in a row. Their store effects then commit in
//!   one transaction, and only after that are the other effects carried out, in order. While the
//!   store fails, no other effect is carried out: the commit is retried until it succeeds, and
//!   sessions are notified.
//! - Appends to one partition are started in order and answered in order, without waiting in
//!   between.
//! - A reader that was moved or stopped delivers nothing more.
//! - Queues: front ends wait for the node ([`crate::session::TO_NODE`] each, [`EVENTS`] in total);
//!   the node never waits for them ([`crate::session::TO_DOOR`]).

mod appends;
mod clock;
mod commit;
mod effects;
mod engine;
mod figures;
mod grids;
mod hub;
mod outgoing;
mod readers;
mod sessions;
mod trace;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use kirc_core::ids::Millis;
use kirc_core::node::Node;
use kirc_core::port::{Effect, Input, Now};
use tokio::sync::mpsc;

use crate::mailbox::Mailbox;
use crate::remote_grids::Abroad;
use crate::signals::{Published, Signals};
use crate::store::Store;

pub use clock::now;
pub use engine::{Driver, start};
pub use hub::Hub;

/// Inputs that are handled before their effects are carried out.
pub const BATCH: usize = 256;
/// What waits for the node's task.
pub const EVENTS: usize = 1024;

/// What a driver drives. A node; in tests, something smaller.
pub trait Machine: Send + 'static {
    /// Something happens; what is to be done about it is added to `out`.
    fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Effect>);
    /// When (monotonic) a `Tick` is due.
    fn next_wake(&self) -> Option<Millis>;
}

impl Machine for Node {
    fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Effect>) {
        Node::handle(self, now, input, out);
    }
    fn next_wake(&self) -> Option<Millis> {
        Node::next_wake(self)
    }
}

/// The services that a node stands on.
#[derive(Debug)]
pub struct Ports {
    /// The mailbox service of the home grid.
    pub mailbox: Arc<dyn Mailbox>,
    /// The signal service.
    pub signals: Arc<dyn Signals>,
    /// What is published on it.
    pub published: mpsc::Receiver<Published>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The way to other grids.
    pub abroad: Arc<dyn Abroad>,
}
