//! What the simulation observed: people's messages, what they were shown, and appended records. The
//! checks read only this.

use std::collections::BTreeMap;

use kirc_core::Envelope;
use kirc_core::port::{SessionId, Topic};

/// A command that a person gave.
#[derive(Debug, Clone)]
pub struct Said {
    /// When.
    pub at: u64,
    /// On which machine.
    pub host: usize,
    /// In which life of its node.
    pub life: u64,
    /// What.
    pub envelope: Envelope,
}

/// An envelope that a node handed to a session.
#[derive(Debug, Clone)]
pub struct Heard {
    /// When.
    pub at: u64,
    /// On which machine.
    pub host: usize,
    /// In which life of its node.
    pub life: u64,
    /// To which session.
    pub session: SessionId,
    /// Whether it is the owner's session, attached from the start of that life.
    pub main: bool,
    /// The id of the channel that it is about, as its node knew it.
    pub channel: Option<String>,
    /// Whether it got there, or the node crashed between the commit and this.
    pub reached: bool,
    /// What.
    pub envelope: Envelope,
}

/// All that was seen in a run.
#[derive(Default)]
pub struct Witness {
    /// What people said.
    pub said: Vec<Said>,
    /// What they were shown.
    pub heard: Vec<Heard>,
    /// When a message id first stood in a topic.
    pub landed: BTreeMap<String, Vec<(u64, Topic)>>,
    /// Where a secret word was seen, and when.
    pub leaks: Vec<(u64, String)>,
    /// A node that woke without end.
    pub spinning: Option<(u64, usize)>,
    /// An end in order that was never completed.
    pub unstopped: Vec<(u64, usize)>,
    /// When the mailbox service lost all that it held.
    pub vanished: Vec<u64>,
    /// How many records landed in the log.
    pub appended: u64,
    /// Those of them that hold several acts.
    pub batches: u64,
    /// How many inputs nodes have handled.
    pub handled: u64,
}
