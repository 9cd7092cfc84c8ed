//! The border of the core: what comes in ([`Input`]) and what it wants done ([`Effect`]).
//!
//! It owns the shapes only. It may not know Kafka, SQL or a terminal.

mod figures;
mod signal;
mod store;

pub use figures::{Figures, Room, Traffic};
pub use signal::{SignalOp, SignalReply};
pub use store::{Answer, LogRow, MessageRow, OutboxRow, Query, Snapshot, StoreOp, Table};

use crate::envelope::Envelope;
use crate::ids::{Millis, Offset};

/// The two clocks that a node is told, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Time since 1970 (UTC), as the machine believes it. It may jump.
    pub wall: Millis,
    /// A clock that never runs backwards and runs on through suspend (CLOCK_BOOTTIME).
    pub mono: Millis,
}

/// A front door's attachment to an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// Ties the outcome of an effect to the effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// One partition of one topic of one cluster. A topic's name on a cluster; partitions are chosen by
/// the core.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Topic {
    /// The cluster's id: the grid's own, or one that an invite named.
    pub cluster: String,
    /// The topic's name there.
    pub name: String,
    /// The partition.
    pub partition: u32,
}

/// A record as a mailbox service hands it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecord {
    /// Its place in the partition.
    pub offset: Offset,
    /// The key that it was appended under: records of one channel share one.
    pub key: Vec<u8>,
    /// Its bytes.
    pub value: Vec<u8>,
    /// When the log took it in (Kafka's `LogAppendTime`), milliseconds since 1970.
    pub time: Millis,
}

/// Where a reader starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// At this offset. If the log no longer (or does not yet) hold it, `Input::Reading` says what
    /// it holds, and reading starts at the nearest offset that it does hold.
    At(Offset),
    /// Behind the last record of this moment.
    End,
}

/// A service that a node needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Topics.
    Mailbox,
    /// Leader keys, presence, hints.
    Signals,
    /// What the user keeps.
    Store,
}

/// Why a port could not do what it was asked to. The text is a sentence for the user and holds no
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PortError(pub String);

/// A way to one's own grid, for somebody new.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// How the grid is reached.
    pub way: serde_json::Value,
    /// Whether a user was made for it, which can be taken away again.
    pub own: bool,
    /// What the user is to know of it.
    pub note: Option<String>,
}

/// What can happen to a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// It was restored and may begin.
    Start,
    /// Time has passed: [`crate::node::Node::next_wake`] was reached.
    Tick,
    /// A session attaches. It names what it understands in `HELLO`.
    Attach {
        /// The session.
        session: SessionId,
    },
    /// A session is gone.
    Detach {
        /// The session.
        session: SessionId,
    },
    /// A session says something.
    Command {
        /// The session.
        session: SessionId,
        /// What it says.
        envelope: Envelope,
    },
    /// A reader started, or was moved: the outcome of [`Effect::Read`].
    Reading {
        /// What is read.
        topic: Topic,
        /// A random id of this life of the log.
        incarnation: String,
        /// The first offset that the log holds.
        start: Offset,
        /// The offset behind the last record.
        end: Offset,
        /// Where reading goes on.
        at: Offset,
    },
    /// A record was read.
    Record {
        /// Where.
        topic: Topic,
        /// The record.
        record: RawRecord,
    },
    /// The outcome of [`Effect::Append`]. Appends to one partition succeed in the order they were
    /// asked for; after one failed, those behind it may still succeed.
    Appended {
        /// Which.
        request_id: RequestId,
        /// The record's offset, or why not. An append that failed may still land later.
        result: Result<Offset, PortError>,
    },
    /// The outcome of [`Effect::Create`].
    Created {
        /// Which.
        request_id: RequestId,
        /// It is there, or why it can't be made.
        result: Result<(), PortError>,
    },
    /// The outcome of [`Effect::End`].
    End {
        /// Which.
        request_id: RequestId,
        /// The offset behind the last record.
        result: Result<Offset, PortError>,
    },
    /// The outcome of [`Effect::Signal`].
    Signalled {
        /// Which.
        request_id: RequestId,
        /// The answer.
        result: Result<SignalReply, PortError>,
    },
    /// Somebody published.
    Published {
        /// On which grid: a cluster's id.
        grid: String,
        /// The pub/sub channel.
        channel: String,
        /// The payload.
        payload: String,
    },
    /// The outcome of [`Effect::Query`].
    Queried {
        /// Which.
        request_id: RequestId,
        /// The answer.
        result: Result<Answer, PortError>,
    },
    /// The outcome of [`Effect::Grant`].
    Granted {
        /// Which.
        request_id: RequestId,
        /// The way, or why there is none.
        result: Result<Grant, PortError>,
    },
    /// The outcome of [`Effect::Revoke`].
    Revoked {
        /// Which.
        request_id: RequestId,
        /// Nothing of it is left, or why something is.
        result: Result<(), PortError>,
    },
    /// A service became reachable, or ceased to be.
    Service {
        /// Which.
        service: Service,
        /// Whether it can be reached.
        up: bool,
        /// What the user is told.
        reason: String,
    },
    /// How much is in use.
    Figures(Figures),
    /// The node is to end in order: hand leadership over, say goodbye. [`Effect::Stopped`] follows.
    Shutdown,
}

impl Effect {
    /// Whether it may be carried out beside the commit of what stands with it.
    pub fn is_early(&self) -> bool {
        matches!(self, Self::Append { early: true, .. })
    }

    /// Whether what is early must wait if it stands behind this: it may need what this does, or its
    /// order with this counts.
    pub fn holds_back(&self) -> bool {
        let free = matches!(
            self,
            Self::Store(_)
                | Self::Query { .. }
                | Self::Deliver { .. }
                | Self::Signal { .. }
                | Self::Warn { .. }
        );
        !free && !self.is_early()
    }
}

/// What a node wants done. The effects of one `handle` are carried out in their order, the store's
/// first (but see `early`).
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Change the store.
    Store(StoreOp),
    /// Ask the store. Outcome: [`Input::Queried`].
    Query {
        /// Names the outcome.
        request_id: RequestId,
        /// The question.
        query: Query,
    },
    /// Append a record. Outcome: [`Input::Appended`].
    Append {
        /// Names the outcome.
        request_id: RequestId,
        /// Where.
        topic: Topic,
        /// The key.
        key: Vec<u8>,
        /// The bytes.
        value: Vec<u8>,
        /// It need not wait for the store: if nothing that must wait stands before it, it may be
        /// carried out beside the commit of what stands with it. A crash in between leaves a record
        /// that its author does not remember, which does no harm.
        early: bool,
    },
    /// Make the topic of this partition, with so many partitions, if it is not there; and again
    /// when its service has lost it. Outcome: [`Input::Created`].
    Create {
        /// Names the outcome.
        request_id: RequestId,
        /// Any partition of it.
        topic: Topic,
        /// How many it is to have.
        partitions: u32,
    },
    /// Read a partition from here on; a reader that there is moves. Outcome: [`Input::Reading`],
    /// then records.
    Read {
        /// What.
        topic: Topic,
        /// From where.
        from: ReadFrom,
    },
    /// Stop reading a partition.
    StopRead {
        /// Which.
        topic: Topic,
    },
    /// Ask where a partition ends. Outcome: [`Input::End`].
    End {
        /// Names the outcome.
        request_id: RequestId,
        /// Which.
        topic: Topic,
    },
    /// Ask the signal service of a grid. Outcome: [`Input::Signalled`].
    Signal {
        /// The grid: a cluster's id.
        grid: String,
        /// Names the outcome.
        request_id: RequestId,
        /// What.
        op: SignalOp,
    },
    /// How another grid is reached, from now on: again at each start, and when it changes.
    Reach {
        /// The cluster's id.
        cluster: String,
        /// What its owner or a member said: `kafka`, perhaps `valkey` and `log`, perhaps with
        /// credentials.
        way: serde_json::Value,
    },
    /// Make a way for somebody new to one's own grid. Outcome: [`Input::Granted`].
    Grant {
        /// Names the outcome.
        request_id: RequestId,
        /// A name for the new user, where each contact gets one.
        name: String,
    },
    /// End what was granted under this name; what has ended already is as good. Outcome:
    /// [`Input::Revoked`].
    Revoke {
        /// Names the outcome.
        request_id: RequestId,
        /// The name.
        name: String,
    },
    /// Hand an envelope to a session.
    Deliver {
        /// The session.
        session: SessionId,
        /// The envelope.
        envelope: Envelope,
    },
    /// Something that who looks after the node should find in its log. No text of anybody's is in
    /// it.
    Warn {
        /// The sentence.
        text: String,
    },
    /// The shutdown is complete.
    Stopped,
}
