//! The border of the core: what comes in ([`Input`]) and what it wants done ([`Effect`]).
//!
//! It owns the shapes only. It may not know Kafka, SQL or a terminal.

mod figures;
mod signal;

use std::collections::BTreeMap;

pub use figures::{Figures, Room, Traffic};
pub use signal::{SignalOp, SignalReply};

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
pub struct Ticket(pub u64);

/// One partition of one topic of one cluster. A topic's name on a cluster; partitions are chosen by the core.
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
pub enum From {
    /// At this offset. If the log no longer (or does not yet) hold it, `Input::Reading` says what it holds, and
    /// reading starts at the nearest offset that it does hold.
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

/// Why a port could not do what it was asked to. The text is a sentence for the user and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PortError(pub String);

/// A table of small things: each is a key and a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Contacts, by actor.
    Contact,
    /// Channels: the replica of their state, by name.
    Channel,
    /// Heads of logs: term, sequence, hash, offset; by channel name.
    Head,
    /// What each author has said last in a channel, by channel name and actor.
    Counter,
    /// Channel keys (sealed), by channel id and epoch; direct-message keys by KeyID.
    Key,
    /// Read positions of the mailbox, by topic and partition.
    Position,
    /// State of direct conversations, by actor.
    Direct,
    /// Settings and small facts of the node.
    Setting,
    /// Profiles, own and others'.
    Profile,
    /// Credentials (sealed).
    Credential,
    /// Local accounts.
    Account,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 11] = [
        Self::Contact,
        Self::Channel,
        Self::Head,
        Self::Counter,
        Self::Key,
        Self::Position,
        Self::Direct,
        Self::Setting,
        Self::Profile,
        Self::Credential,
        Self::Account,
    ];

    /// Its name in a database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Channel => "channel",
            Self::Head => "head",
            Self::Counter => "counter",
            Self::Key => "key",
            Self::Position => "position",
            Self::Direct => "direct",
            Self::Setting => "setting",
            Self::Profile => "profile",
            Self::Credential => "credential",
            Self::Account => "account",
        }
    }
}

/// One line of a conversation as the store keeps it. `sealed` is the envelope, encrypted under the profile's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// The conversation: a channel's name, or `@` and the peer's actor id.
    pub target: String,
    /// The message's id.
    pub id: String,
    /// Who wrote it: an actor id.
    pub author: String,
    /// Its place: the sequence number in a channel, the order of arrival in a direct conversation.
    pub seq: u64,
    /// Its time, milliseconds since 1970.
    pub ts: Millis,
    /// `sent`, `delivered`, `read`, `held`, `failed`, ….
    pub state: String,
    /// The envelope, sealed.
    pub sealed: Vec<u8>,
}

/// Something of one's own that is not settled yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The message's id. Rows are kept and loaded in the order of ids: a node's ids only ever grow.
    pub id: String,
    /// The conversation, as in [`MessageRow::target`].
    pub target: String,
    /// The envelope, sealed.
    pub sealed: Vec<u8>,
}

/// A record of a channel's log, as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// The channel's id (text form): a channel of the same name with another identity is another log.
    pub channel: String,
    /// Its place among the kept records of this channel: dense, growing; claims and challenges count too.
    pub index: u64,
    /// The sequence number that holds after it.
    pub seq: u64,
    /// The log's time for it.
    pub time: Millis,
    /// Its bytes.
    pub value: Vec<u8>,
}

/// A change to the store. All of one `handle` commit in one transaction, before any other effect of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreOp {
    /// Sets a value.
    Put {
        /// The table.
        table: Table,
        /// The key.
        key: String,
        /// The value.
        value: Vec<u8>,
    },
    /// Takes a value away.
    Delete {
        /// The table.
        table: Table,
        /// The key.
        key: String,
    },
    /// Takes away all values whose key starts with a prefix.
    DeletePrefix {
        /// The table.
        table: Table,
        /// The prefix.
        prefix: String,
    },
    /// Adds a message; one with the same target, author and id changes nothing.
    Message(MessageRow),
    /// Changes a message's state.
    MessageState {
        /// The conversation.
        target: String,
        /// The message's id.
        id: String,
        /// The new state.
        state: String,
    },
    /// Adds to the outbox, or replaces what has the same id.
    Outbox(OutboxRow),
    /// Takes from the outbox.
    Settled {
        /// The message's id.
        id: String,
    },
    /// Keeps a record of a log; the same channel and index again changes nothing.
    Log(LogRow),
}

/// A question to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// Messages of a conversation, newest `limit` before the one with this id (or the newest of all).
    History {
        /// The conversation.
        target: String,
        /// Only what stands before this message.
        before: Option<String>,
        /// How many at the most.
        limit: u32,
    },
    /// Kept records of a log whose `seq` is in `from..=to`, in the order of `index`, `limit` bytes at the most.
    Log {
        /// The channel's id.
        channel: String,
        /// First sequence number.
        from: u64,
        /// Last sequence number.
        to: u64,
        /// Bytes at the most (at least one record is answered).
        limit: u64,
    },
}

/// The answer to a [`Query`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Messages, oldest first; `more` if older ones exist.
    History {
        /// The messages.
        rows: Vec<MessageRow>,
        /// Whether there are older ones.
        more: bool,
    },
    /// Records of a log.
    Log {
        /// The records.
        rows: Vec<LogRow>,
    },
}

/// Everything a node needs of its store to start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// All small things.
    pub values: BTreeMap<(Table, String), Vec<u8>>,
    /// What is not settled, in the order of ids.
    pub outbox: Vec<OutboxRow>,
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
    /// The outcome of [`Effect::Append`]. Appends to one partition succeed in the order they were asked for; after one
    /// failed, those behind it may still succeed.
    Appended {
        /// Which.
        ticket: Ticket,
        /// The record's offset, or why not. An append that failed may still land later.
        result: Result<Offset, PortError>,
    },
    /// The outcome of [`Effect::Create`].
    Created {
        /// Which.
        ticket: Ticket,
        /// It is there, or why it can't be made.
        result: Result<(), PortError>,
    },
    /// The outcome of [`Effect::End`].
    End {
        /// Which.
        ticket: Ticket,
        /// The offset behind the last record.
        result: Result<Offset, PortError>,
    },
    /// The outcome of [`Effect::Signal`].
    Signalled {
        /// Which.
        ticket: Ticket,
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
        ticket: Ticket,
        /// The answer.
        result: Result<Answer, PortError>,
    },
    /// The outcome of [`Effect::Grant`]: how the grid is reached, and whether only by whom it was made for.
    Granted {
        /// Which.
        ticket: Ticket,
        /// The way, and whether the user is of that name alone.
        result: Result<(serde_json::Value, bool), PortError>,
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

    /// Whether what is early must wait if it stands behind this: it may need what this does, or its order with this counts.
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

/// What a node wants done. The effects of one `handle` are carried out in their order, the store's first (but see `early`).
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Change the store.
    Store(StoreOp),
    /// Ask the store. Outcome: [`Input::Queried`].
    Query {
        /// Names the outcome.
        ticket: Ticket,
        /// The question.
        query: Query,
    },
    /// Append a record. Outcome: [`Input::Appended`].
    Append {
        /// Names the outcome.
        ticket: Ticket,
        /// Where.
        topic: Topic,
        /// The key.
        key: Vec<u8>,
        /// The bytes.
        value: Vec<u8>,
        /// It need not wait for the store: if nothing that must wait stands before it, it may be carried out beside the commit
        /// of what stands with it. A crash in between leaves a record that its author does not remember, which does no harm.
        early: bool,
    },
    /// Make the topic of this partition, with so many partitions, if it is not there; and again when its service has lost
    /// it. Outcome: [`Input::Created`].
    Create {
        /// Names the outcome.
        ticket: Ticket,
        /// Any partition of it.
        topic: Topic,
        /// How many it is to have.
        partitions: u32,
    },
    /// Read a partition from here on; a reader that there is moves. Outcome: [`Input::Reading`], then records.
    Read {
        /// What.
        topic: Topic,
        /// From where.
        from: From,
    },
    /// Stop reading a partition.
    StopRead {
        /// Which.
        topic: Topic,
    },
    /// Ask where a partition ends. Outcome: [`Input::End`].
    End {
        /// Names the outcome.
        ticket: Ticket,
        /// Which.
        topic: Topic,
    },
    /// Ask the signal service of a grid. Outcome: [`Input::Signalled`].
    Signal {
        /// The grid: a cluster's id.
        grid: String,
        /// Names the outcome.
        ticket: Ticket,
        /// What.
        op: SignalOp,
    },
    /// How another grid is reached, from now on: again at each start, and when it changes.
    Reach {
        /// The cluster's id.
        cluster: String,
        /// What its owner or a member said: `kafka`, perhaps `valkey` and `log`, perhaps with credentials.
        way: serde_json::Value,
    },
    /// Make a way for somebody new to one's own grid. Outcome: [`Input::Granted`].
    Grant {
        /// Names the outcome.
        ticket: Ticket,
        /// A name for the new user, where each contact gets one.
        name: String,
    },
    /// End what was granted under this name.
    Revoke {
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
    /// Something that who looks after the node should find in its log. No text of anybody's is in it.
    Warn {
        /// The sentence.
        text: String,
    },
    /// The shutdown is complete.
    Stopped,
}
