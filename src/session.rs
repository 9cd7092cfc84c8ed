//! The front end's two ends of a session with a node, and the trait for opening sessions.
//!
//! This module owns the types and the queue sizes. It is independent of whether the node is in this
//! process.

use kirc_core::Envelope;
use tokio::sync::mpsc;

/// Envelopes that wait on the way from a door to its node. When it is full, the door waits.
pub const TO_NODE: usize = 1024;
/// Envelopes that wait for a door, one way or another. A door that lets more wait does not read,
/// and its session is ended: it holds up neither the node nor another door.
pub const TO_DOOR: usize = 16 * 1024;

/// A door's ends. The session ends when either is dropped.
#[derive(Debug)]
pub struct Session {
    /// What the door says.
    pub to_node: mpsc::Sender<Envelope>,
    /// What the door hears; closed when the session or the node ends.
    pub from_node: mpsc::Receiver<Envelope>,
}

/// Who can attach doors to a node.
pub trait Attach: Clone + Send + Sync + 'static {
    /// Attaches; `None` if the node has ended.
    fn attach(&self) -> impl Future<Output = Option<Session>> + Send;
}
