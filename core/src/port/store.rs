//! What a node keeps, asks for and finds again in its store: the rows, and what may be done with
//! them.

use std::collections::BTreeMap;

use crate::ids::Millis;

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

/// One line of a conversation as the store keeps it. `sealed` is the envelope, encrypted under the
/// profile's key.
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
    /// The channel's id (text form): a channel of the same name with another identity is another
    /// log.
    pub channel: String,
    /// Its place among the kept records of this channel: dense, growing; claims and challenges
    /// count too.
    pub index: u64,
    /// The sequence number that holds after it.
    pub seq: u64,
    /// The log's time for it.
    pub time: Millis,
    /// Its bytes.
    pub value: Vec<u8>,
}

/// A change to the store. All of one `handle` commit in one transaction, before any other effect of
/// it.
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
    /// Adds a message; one with the same target, author and id changes nothing, unless the one that
    /// is there has `failed`: then it takes its place.
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
    /// Messages of a conversation, newest `limit` before the one with this id (or the newest of
    /// all).
    History {
        /// The conversation.
        target: String,
        /// Only what stands before this message.
        before: Option<String>,
        /// How many at the most.
        limit: u32,
    },
    /// Kept records of a log whose `seq` is in `from..=to`, in the order of `index`, `limit` bytes
    /// at the most.
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
    /// Messages, oldest first.
    History {
        /// The messages.
        rows: Vec<MessageRow>,
        /// Whether there are older ones.
        more: bool,
        /// There are no older ones, but there were: they went to keep the store to its size.
        trimmed: bool,
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
