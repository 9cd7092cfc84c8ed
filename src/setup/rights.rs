//! The topics of a mailbox and who may do what with them: one table for all who make topics or rights.
//!
//! `terraform/` says the same in its own language, and `tests/terraform.rs` holds it to this. It talks to no service.

use std::time::Duration;

use kirc_core::identity::Address;

use crate::mailbox::{self, Acl};
use crate::services::LOG_TOPIC;
pub use crate::services::PARTITIONS;

/// What somebody may do with a topic, by Kafka's own names. The right to read or write brings the right to look at the
/// topic with it (Kafka's rule), and an idempotent producer needs no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Everything, making and deleting the topic included.
    All,
    /// Reading records.
    Read,
    /// Appending records.
    Write,
}

impl Operation {
    /// As Kafka writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Read => "Read",
            Self::Write => "Write",
        }
    }
}

/// Whose clock stamps the records of a topic: the setting [`TIMESTAMPS`] of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timestamps {
    /// The producer's.
    CreateTime,
    /// The broker's, when it appends.
    LogAppendTime,
}

impl Timestamps {
    /// As Kafka writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreateTime => "CreateTime",
            Self::LogAppendTime => "LogAppendTime",
        }
    }
}

/// A kind of topic. Each mailbox has one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// What stands for `{kind}` in a template of topic names.
    pub name: &'static str,
    /// What a contact may do with it. Nobody but the owner and the contacts may do anything.
    pub peer: &'static [Operation],
    /// Whose clock stamps its records.
    pub timestamps: Timestamps,
}

/// All kinds. There is nothing on consumer groups: kirc keeps its positions in its store and never joins a group.
pub const KINDS: [Kind; 4] = [
    // What others send. They may not read what others sent.
    Kind { name: "data-in", peer: &[Operation::Write], timestamps: Timestamps::CreateTime },
    // The logs: every member reads and appends claims and, when it leads, all the rest. Who leads is judged by the log's
    // own time, which must not be a time that a member can choose.
    Kind {
        name: LOG_TOPIC,
        peer: &[Operation::Read, Operation::Write],
        timestamps: Timestamps::LogAppendTime,
    },
    // What others ask.
    Kind { name: "rpc-in", peer: &[Operation::Write], timestamps: Timestamps::CreateTime },
    // Answers, sealed to who asked. Who may write here could answer in the owner's place, if only with nonsense.
    Kind { name: "rpc-out", peer: &[Operation::Read], timestamps: Timestamps::CreateTime },
];

/// What the owner may do with each of its topics: all, since it makes them anew where a cloud lost them.
pub const OWNER: &[Operation] = &[Operation::All];

/// How long a topic keeps its records unless `KIRC_KAFKA_RETENTION` says otherwise.
pub const RETENTION: Duration = Duration::from_secs(72 * 60 * 60);

/// The setting of a topic that says whose clock stamps its records.
pub const TIMESTAMPS: &str = "message.timestamp.type";

/// The setting of a topic that says how long it keeps its records, in milliseconds.
pub const RETENTION_MS: &str = "retention.ms";

/// The rules that let a contact's user at a mailbox and at the grid's log.
pub fn of_peer(user: &str, address: &Address, log: &str) -> Vec<Acl> {
    let topics = |kind: &Kind| match kind.name {
        "data-in" => vec![address.data_in.clone()],
        "rpc-in" => vec![address.rpc_in.clone()],
        "rpc-out" => vec![address.rpc_out.clone()],
        _ => vec![log.to_owned()],
    };
    let rule = |topic: String, operation: Operation| {
        let operation = match operation {
            Operation::All => mailbox::Operation::All,
            Operation::Read => mailbox::Operation::Read,
            Operation::Write => mailbox::Operation::Write,
        };
        Acl::allow(user, operation, &topic)
    };
    KINDS
        .iter()
        .flat_map(|kind| {
            topics(kind).into_iter().flat_map(|t| kind.peer.iter().map(move |o| (t.clone(), *o)))
        })
        .map(|(topic, operation)| rule(topic, operation))
        .collect()
}
