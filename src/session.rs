//! A front door's two ends of an attachment to a node, and who can hand them out.
//!
//! It owns the shape and the sizes of the queues. It may not know whether the node is in this process.

use kirc_core::Envelope;
use tokio::sync::mpsc;

/// Envelopes that wait on the way from a door to its node. When it is full, the door waits.
pub const TO_NODE: usize = 1024;
/// Envelopes that wait for a door of this process. When it is full, the node waits (see [`Kind`]).
pub const TO_DOOR: usize = 16 * 1024;
/// Envelopes that wait for a door behind a socket. When it is full, the door is cut off (see [`Kind`]).
pub const TO_GUEST: usize = 4096;

/// What kind of door attaches; it decides what happens when the door does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A door in the node's own process. If it stops reading, the node waits for it for up to 10 s, then ends the
    /// session: the process belongs to that door.
    Inside,
    /// A door behind the socket. It may hold the node up for 250 ms, then its session ends: a stranger's terminal that
    /// stands still may not stop the node of all others.
    Guest,
}

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
    fn attach(&self, kind: Kind) -> impl Future<Output = Option<Session>> + Send;
}
