//! The interface of the core: its inputs ([`Input`]) and its requests ([`Effect`]).
//!
//! It owns the types only. It must not know Kafka, SQL or a terminal.

mod figures;
mod signal;
mod store;

pub use figures::{Figures, Room, Traffic};
pub use signal::{SignalOp, SignalReply};
pub use store::{Answer, LogRow, MessageRow, OutboxRow, Point, Query, Snapshot, StoreOp, Table, Window};

use crate::envelope::Envelope;
use crate::ids::{Millis, Offset};

/// The readings of the node's two clocks, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Time since 1970 (UTC), as the machine believes it. It may jump.
    pub wall: Millis,
    /// A clock that never runs backwards and keeps running during suspend (CLOCK_BOOTTIME).
    pub mono: Millis,
}

/// A front end's attachment to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// Links the outcome of an effect to the effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// One partition of one topic on one cluster. The core chooses the partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Topic {
    /// The cluster's id: the grid's own, or one that an invite named.
    pub cluster: String,
    /// The topic's name there.
    pub name: String,
    /// The partition.
    pub partition: u32,
}

/// A record as a mailbox service delivers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecord {
    /// Its offset in the partition.
    pub offset: Offset,
    /// The key that it was appended under: records of one channel share one.
    pub key: Vec<u8>,
    /// Its bytes.
    pub value: Vec<u8>,
    /// When the log accepted it (Kafka's `LogAppendTime`), milliseconds since 1970.
    pub time: Millis,
}

/// Where a reader starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// At this offset. If the log does not (or no longer) hold it, `Input::Reading` says what it
    /// holds, and reading starts at the nearest offset that it holds.
    At(Offset),
    /// After the record that is the last one now.
    End,
}

/// A service that a node needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Topics.
    Mailbox,
    /// Leader keys, presence, hints.
    Signals,
    /// The user's stored data.
    Store,
}

/// Why a port could not carry out a request. The text is a sentence for the user and holds no
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PortError(pub String);

/// A route to the user's own grid, for a new contact.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// How the grid is reached.
    pub way: serde_json::Value,
    /// Whether it has its own user, which can be removed again.
    pub own: bool,
    /// A note about it for the user.
    pub note: Option<String>,
}

/// An event for a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The node was restored and starts.
    Start,
    /// Time has passed: [`crate::node::Node::next_wake`] was reached.
    Tick,
    /// A session attaches. It announces its capabilities in `HELLO`.
    Attach {
        /// The session.
        session: SessionId,
    },
    /// A session detached.
    Detach {
        /// The session.
        session: SessionId,
    },
    /// A session sent a command.
    Command {
        /// The session.
        session: SessionId,
        /// The command.
        envelope: Envelope,
    },
    /// A reader started, or was moved: the outcome of [`Effect::Read`].
    Reading {
        /// What is read.
        topic: Topic,
        /// A random id of this incarnation of the log.
        incarnation: String,
        /// The first offset that the log holds.
        start: Offset,
        /// The offset after the last record.
        end: Offset,
        /// The offset where reading continues.
        at: Offset,
    },
    /// A record was read.
    Record {
        /// The partition.
        topic: Topic,
        /// The record.
        record: RawRecord,
    },
    /// The outcome of [`Effect::Append`]. Appends to one partition succeed in the order of their
    /// requests; after one failed, later ones may still succeed.
    Appended {
        /// The id of the request.
        request_id: RequestId,
        /// The record's offset, or why it failed. A failed append may still take effect later.
        result: Result<Offset, PortError>,
    },
    /// The outcome of [`Effect::Create`].
    Created {
        /// The id of the request.
        request_id: RequestId,
        /// The topic exists, or why it can't be created.
        result: Result<(), PortError>,
    },
    /// The outcome of [`Effect::End`].
    End {
        /// The id of the request.
        request_id: RequestId,
        /// The offset after the last record.
        result: Result<Offset, PortError>,
    },
    /// The outcome of [`Effect::Signal`].
    Signalled {
        /// The id of the request.
        request_id: RequestId,
        /// The answer.
        result: Result<SignalReply, PortError>,
    },
    /// A message was published.
    Published {
        /// The grid: a cluster's id.
        grid: String,
        /// The pub/sub channel.
        channel: String,
        /// The payload.
        payload: String,
    },
    /// The outcome of [`Effect::Query`].
    Queried {
        /// The id of the request.
        request_id: RequestId,
        /// The answer.
        result: Result<Answer, PortError>,
    },
    /// The outcome of [`Effect::Grant`].
    Granted {
        /// The id of the request.
        request_id: RequestId,
        /// The route, or why there is none.
        result: Result<Grant, PortError>,
    },
    /// The outcome of [`Effect::Revoke`].
    Revoked {
        /// The id of the request.
        request_id: RequestId,
        /// Everything was removed, or why something is left.
        result: Result<(), PortError>,
    },
    /// A service became reachable or unreachable.
    Service {
        /// The service.
        service: Service,
        /// Whether it can be reached.
        up: bool,
        /// The reason for the user.
        reason: String,
    },
    /// Resource usage.
    Figures(Figures),
    /// The node must shut down cleanly: hand over leadership and say goodbye. [`Effect::Stopped`]
    /// follows.
    Shutdown,
}

impl Effect {
    /// Whether it may run in parallel with the commit of the effects around it.
    pub fn is_early(&self) -> bool {
        matches!(self, Self::Append { early: true, .. })
    }

    /// Whether an early effect must wait if it follows this one, because it may need the result or
    /// because their order matters.
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

/// A request from a node. The effects of one `handle` are carried out in order, those of the store
/// first (but see `early`).
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Change the store.
    Store(StoreOp),
    /// Ask the store. Outcome: [`Input::Queried`].
    Query {
        /// The id that the outcome repeats.
        request_id: RequestId,
        /// The question.
        query: Query,
    },
    /// Append a record. Outcome: [`Input::Appended`].
    Append {
        /// The id that the outcome repeats.
        request_id: RequestId,
        /// The partition.
        topic: Topic,
        /// The key.
        key: Vec<u8>,
        /// The bytes.
        value: Vec<u8>,
        /// It need not wait for the store. If no effect before it must wait, it may run in parallel
        /// with the commit of the effects around it. A crash in between leaves a record that its
        /// author does not remember, which does no harm.
        early: bool,
    },
    /// Create the topic of this partition, with this number of partitions, if it does not exist;
    /// and again if its service lost it. Outcome: [`Input::Created`].
    Create {
        /// The id that the outcome repeats.
        request_id: RequestId,
        /// Any partition of it.
        topic: Topic,
        /// Its number of partitions.
        partitions: u32,
    },
    /// Read a partition from here on; an existing reader moves. Outcome: [`Input::Reading`], then
    /// records.
    Read {
        /// The partition.
        topic: Topic,
        /// Where reading starts.
        from: ReadFrom,
    },
    /// Stop reading a partition.
    StopRead {
        /// The partition.
        topic: Topic,
    },
    /// Ask where a partition ends. Outcome: [`Input::End`].
    End {
        /// The id that the outcome repeats.
        request_id: RequestId,
        /// The partition.
        topic: Topic,
    },
    /// Ask the signal service of a grid. Outcome: [`Input::Signalled`].
    Signal {
        /// The grid: a cluster's id.
        grid: String,
        /// The id that the outcome repeats.
        request_id: RequestId,
        /// The request.
        op: SignalOp,
    },
    /// Set the route to another grid. It is repeated at each start and when the route changes.
    Reach {
        /// The cluster's id.
        cluster: String,
        /// The route as its owner or a member gave it: `kafka`, perhaps `valkey` and `log`, perhaps
        /// with credentials.
        way: serde_json::Value,
    },
    /// Create a route to the user's own grid for a new contact. Outcome: [`Input::Granted`].
    Grant {
        /// The id that the outcome repeats.
        request_id: RequestId,
        /// A name for the new user, if each contact gets its own user.
        name: String,
    },
    /// Revoke the access granted under this name; if it was revoked before, that is success.
    /// Outcome: [`Input::Revoked`].
    Revoke {
        /// The id that the outcome repeats.
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
    /// A warning for the node's administrator, for the node's log. It holds no text from any
    /// message.
    Warn {
        /// The sentence.
        text: String,
    },
    /// The shutdown is complete.
    Stopped,
}
