//! The data that a node stores, queries and restores: the rows and the operations on them.

use std::collections::BTreeMap;

use crate::ids::Millis;

/// A table of small entries, each a key and a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Contacts, by actor.
    Contact,
    /// Channels: the replica of their state, by name.
    Channel,
    /// Heads of logs: term, sequence, hash, offset; by channel name.
    Head,
    /// Each author's last act in a channel, by channel name and actor.
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

/// One message of a conversation as the store keeps it. `sealed` is the envelope, encrypted under
/// the profile's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// The conversation: a channel's name, or `@` and the peer's actor id.
    pub target: String,
    /// The message's id.
    pub id: String,
    /// Who wrote it: an actor id.
    pub author: String,
    /// Its position: the sequence number in a channel, the order of arrival in a direct
    /// conversation.
    pub seq: u64,
    /// Its time, milliseconds since 1970.
    pub ts: Millis,
    /// `sent`, `delivered`, `read`, `held`, `failed`, ….
    pub state: String,
    /// The envelope, sealed.
    pub sealed: Vec<u8>,
}

/// A message of the user that is not settled yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The message's id. Rows are stored and loaded in the order of ids: a node's ids always grow.
    pub id: String,
    /// The conversation, as in [`MessageRow::target`].
    pub target: String,
    /// The envelope, sealed.
    pub sealed: Vec<u8>,
}

/// A record of a channel's log, in its signed form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// The channel's id (text form): a channel with the same name and another identity has another
    /// log.
    pub channel: String,
    /// Its position among the stored records of this channel: consecutive and growing; claims and
    /// challenges count too.
    pub index: u64,
    /// The sequence number after it.
    pub seq: u64,
    /// The log's time for it.
    pub time: Millis,
    /// Its bytes.
    pub value: Vec<u8>,
}

/// A change to the store. All changes of one `handle` commit in one transaction, before any other
/// effect of it.
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
    /// Deletes a value.
    Delete {
        /// The table.
        table: Table,
        /// The key.
        key: String,
    },
    /// Deletes all values whose key starts with a prefix.
    DeletePrefix {
        /// The table.
        table: Table,
        /// The prefix.
        prefix: String,
    },
    /// Adds a message. It changes nothing if one with the same target, author and id exists, unless
    /// that one has `failed`: then the new one replaces it.
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
    /// Adds to the outbox, or replaces the row with the same id.
    Outbox(OutboxRow),
    /// Removes from the outbox.
    Settled {
        /// The message's id.
        id: String,
    },
    /// Stores a record of a log; repeating a channel and index changes nothing.
    Log(LogRow),
}

/// A query to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// Messages of a conversation.
    History {
        /// The conversation.
        target: String,
        /// Which of them.
        window: Window,
        /// The maximum number.
        limit: u32,
    },
    /// Stored records of a log whose `seq` is in `from..=to`, in the order of `index`, at most
    /// `limit` bytes.
    Log {
        /// The channel's id.
        channel: String,
        /// First sequence number.
        from: u64,
        /// Last sequence number.
        to: u64,
        /// The maximum bytes (at least one record is returned).
        limit: u64,
    },
}

/// A point in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point {
    /// A message, by its id. If there is no such message, nothing is on either side of it.
    Message(String),
    /// A time, milliseconds since 1970. Conversations are ordered by position; the point stands
    /// before the first message of this time or later.
    Time(Millis),
}

/// A part of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Window {
    /// The newest messages between two points, which are not part of it.
    Newest {
        /// The point that they come after.
        after: Option<Point>,
        /// The point that they come before.
        before: Option<Point>,
    },
    /// The oldest messages between two points, which are not part of it.
    Oldest {
        /// The point that they come after.
        after: Option<Point>,
        /// The point that they come before.
        before: Option<Point>,
    },
    /// Half of them up to the point (if it is a message, with it), and the rest behind it.
    Around(Point),
}

impl Window {
    /// The newest messages before a message, or of all.
    pub fn before(id: Option<String>) -> Self {
        Self::Newest { after: None, before: id.map(Point::Message) }
    }

    /// Whether nothing but the beginning of the conversation ends it: only then an answer says that
    /// older messages are no longer kept.
    pub fn is_open_to_the_past(&self) -> bool {
        matches!(self, Self::Newest { after: None, .. } | Self::Around(_))
    }
}

/// The answer to a [`Query`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Messages, oldest first.
    History {
        /// The messages.
        rows: Vec<MessageRow>,
        /// Whether the window has more of them: older ones, or for [`Window::Oldest`] newer ones.
        more: bool,
        /// There are no older ones now: the store removed them to stay within its size limit.
        trimmed: bool,
    },
    /// Records of a log.
    Log {
        /// The records.
        rows: Vec<LogRow>,
    },
}

/// Everything a node needs from its store to start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// All small entries.
    pub values: BTreeMap<(Table, String), Vec<u8>>,
    /// The unsettled messages, in the order of ids.
    pub outbox: Vec<OutboxRow>,
}
