//! The signals port: who should lead, who is online, what has just happened. All of it is hints,
//! never the truth.
//!
//! This module owns the trait, its embedded adapter and the conformance suite that every adapter
//! must pass. It is independent of the meaning of the hints. An adapter behaves as Valkey does for
//! the same commands.

mod embedded;
mod sql;
mod valkey;
mod worker;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;

use kirc_core::port::{SignalOp, SignalReply};
use tokio::sync::watch;

use crate::ports::{Health, Pending};

pub use embedded::EmbeddedSignals;
pub use valkey::{ValkeySettings, ValkeySignals, ValkeyTold};

/// Events that wait for a slow listener.
pub const EVENTS: usize = 1_024;

/// Something that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The pub/sub channel.
    pub channel: String,
    /// The payload.
    pub payload: String,
}

/// A signal service. What is published on channels that were subscribed to comes by the receiver
/// that the adapter hands out when it is opened, one's own included.
pub trait Signals: Send + Sync + std::fmt::Debug {
    /// Does something. The order of calls is the order of work; see [`Pending`].
    fn call(&self, op: SignalOp) -> Pending<SignalReply>;

    /// How the service is.
    fn health(&self) -> watch::Receiver<Health>;

    /// Finishes what was asked for and lets go of the service.
    fn close(&self) -> Pending<()>;
}
