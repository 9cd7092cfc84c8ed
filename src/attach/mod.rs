//! How several processes share one node: a lock determines which process is the node, and a socket
//! lets the others attach to it.
//!
//! This module owns the lock, the socket, the lines on it, and the recovery when the node's process
//! ends. It is independent of the meaning of envelopes, apart from `HELLO`, which it sends again
//! after it reattaches.

mod connection;
mod election;
mod link;
mod lock;
mod server;
mod socket;

pub use connection::{Ended, Memory, run as run_connection};
pub use election::{Seat, take as take_seat};
pub use link::{Host, Link, Rest, Starter};
pub use lock::{Lock, holder, try_lock};
pub use server::{line, next as next_envelope, serve};
pub use socket::{bind, connect};

/// Why a process could neither be the node nor attach to it. The text is a sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The lock file can't be used.
    #[error("the lock file {} can't be used: {source}", path.display())]
    Lock {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The socket can't be made.
    #[error("the socket {} can't be made: {source}", path.display())]
    Socket {
        /// The socket.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody holds the lock and does not answer.
    #[error("another kirc process{} has this profile open and does not answer; end it and try again", pid.map(|p| format!(" ({p})")).unwrap_or_default())]
    Silent {
        /// The process.
        pid: Option<u32>,
    },
    /// The node could not be started.
    #[error("{0}")]
    Start(String),
}

/// Bytes of a line that a node takes from a door: an envelope, with room for other spellings of the
/// same JSON.
pub const LINE_IN: usize = 4 * kirc_core::limits::ENVELOPE;
/// Bytes of a line that a door takes from its node: a long history.
pub const LINE_OUT: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests;
