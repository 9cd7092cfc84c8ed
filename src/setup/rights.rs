//! The topics of a mailbox and who may do what with them: one table for everything that creates
//! topics or ACLs.
//!
//! `terraform/` contains the same in its own language, and `tests/terraform.rs` compares it with
//! this table. This module opens no connection.

use std::time::Duration;

use kirc_core::identity::Address;
use kirc_core::node::CHANNEL;

use crate::mailbox::{self, Acl, Pattern, Permission, Resource};
use crate::services::LOG_TOPIC;
pub use crate::services::PARTITIONS;

/// What somebody may do with a topic, by Kafka's own names. The right to read or write brings the
/// right to look at the topic with it (Kafka's rule), and an idempotent producer needs no other.
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

    /// As rules and answers of Kafka have it.
    pub const fn of_kafka(self) -> mailbox::Operation {
        match self {
            Self::All => mailbox::Operation::All,
            Self::Read => mailbox::Operation::Read,
            Self::Write => mailbox::Operation::Write,
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

/// All kinds. There is nothing on consumer groups: kirc keeps its positions in its store and never
/// joins a group.
pub const KINDS: [Kind; 4] = [
    // What others send. They may not read what others sent.
    Kind { name: "data-in", peer: &[Operation::Write], timestamps: Timestamps::CreateTime },
    // The logs: every member reads and appends claims and, when it leads, all the rest. Who leads
    // is judged by the log's own time, which must not be a time that a member can choose.
    Kind {
        name: LOG_TOPIC,
        peer: &[Operation::Read, Operation::Write],
        timestamps: Timestamps::LogAppendTime,
    },
    // What others ask.
    Kind { name: "rpc-in", peer: &[Operation::Write], timestamps: Timestamps::CreateTime },
    // Answers, sealed to who asked. Who may write here could answer in the owner's place, if only
    // with nonsense.
    Kind { name: "rpc-out", peer: &[Operation::Read], timestamps: Timestamps::CreateTime },
];

/// What the owner may do with each of its topics: all, since it makes them anew where a cloud lost
/// them.
pub const OWNER: &[Operation] = &[Operation::All];

/// How long a topic keeps its records unless `KIRC_KAFKA_RETENTION` says otherwise.
pub const RETENTION: Duration = Duration::from_secs(72 * 60 * 60);

/// The setting of a topic that says whose clock stamps its records.
pub const TIMESTAMPS: &str = "message.timestamp.type";

/// The setting of a topic that says how long it keeps its records, in milliseconds.
pub const RETENTION_MS: &str = "retention.ms";

/// The rules that let a contact's user at a mailbox and at the grid's log.
pub fn of_peer(user: &str, address: &Address, log: &str) -> Vec<Acl> {
    let literal = |name: &String| Named { name: name.clone(), pattern: Pattern::Literal };
    let at = |kind: &Kind| match kind.name {
        "data-in" => literal(&address.data_in),
        "rpc-in" => literal(&address.rpc_in),
        "rpc-out" => literal(&address.rpc_out),
        _ => logs(log),
    };
    let rules = KINDS.iter().map(|kind| (kind, at(kind)));
    rules.flat_map(|(kind, at)| kind.peer.iter().map(move |o| rule(user, *o, &at))).collect()
}

/// A topic by its name, or all whose names begin so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The name, or its beginning.
    pub name: String,
    /// Which of the two.
    pub pattern: Pattern,
}

/// The topics of a kind in a template of names, whoever the user is: nothing where the template
/// begins with the user.
pub fn named(kind: &str, template: &str) -> Option<Named> {
    let text = template.replace("{kind}", kind);
    let (name, pattern) = match text.split_once("{user}") {
        None => (text.as_str(), Pattern::Literal),
        Some((before, _)) => (before, Pattern::Prefixed),
    };
    (!name.is_empty()).then(|| Named { name: name.to_owned(), pattern })
}

/// The topics that hold the channels' logs: the one of this name, or all that a template with
/// `{channel}` gives. Nobody can know their names beforehand, so the rules are for how they begin.
pub fn logs(log: &str) -> Named {
    let (name, pattern) = match log.split_once(CHANNEL) {
        None => (log, Pattern::Literal),
        Some((before, _)) => (before, Pattern::Prefixed),
    };
    Named { name: name.to_owned(), pattern }
}

/// Whether rules for how the names of logs begin would be rules for other topics of a mailbox too:
/// which of them.
pub fn caught(template: &str, log: &str) -> Option<&'static str> {
    let logs = logs(log);
    let meets = |kind: &&Kind| match named(kind.name, template) {
        Some(Named { name, pattern: Pattern::Literal }) => name.starts_with(&logs.name),
        Some(Named { name, pattern: Pattern::Prefixed }) => {
            name.starts_with(&logs.name) || logs.name.starts_with(&name)
        }
        None => false,
    };
    let others = KINDS.iter().filter(|k| logs.pattern == Pattern::Prefixed && k.name != LOG_TOPIC);
    others.filter(meets).map(|k| k.name).next()
}

/// The rules of the user that contacts share, at all mailboxes of a template and at the grid's log.
pub fn of_shared_peer(user: &str, template: &str, log: &str) -> Vec<Acl> {
    let at = |kind: &Kind| match kind.name {
        LOG_TOPIC => Some(logs(log)),
        name => named(name, template),
    };
    let rules = KINDS.iter().filter_map(|kind| Some((kind, at(kind)?)));
    rules.flat_map(|(kind, at)| kind.peer.iter().map(move |o| rule(user, *o, &at))).collect()
}

/// The rules of the owner of a mailbox: all with its own topics and with the grid's log.
pub fn of_owner(user: &str, template: &str, log: &str) -> Vec<Acl> {
    let log = logs(log);
    let mut all: Vec<Named> = KINDS.iter().filter_map(|kind| named(kind.name, template)).collect();
    if !all.contains(&log) {
        all.push(log);
    }
    all.iter().flat_map(|at| OWNER.iter().map(|o| rule(user, *o, at))).collect()
}

fn rule(user: &str, operation: Operation, at: &Named) -> Acl {
    Acl { pattern: at.pattern, ..Acl::allow(user, operation.of_kafka(), &at.name) }
}

/// Whether a rule allows all that another one would.
pub fn covers(rule: &Acl, wanted: &Acl) -> bool {
    let name = match rule.pattern {
        Pattern::Literal => {
            rule.name == "*" || rule.name == wanted.name && wanted.pattern == Pattern::Literal
        }
        Pattern::Prefixed => wanted.name.starts_with(&rule.name),
    };
    name && rule.permission == Permission::Allow
        && (rule.resource, wanted.resource) == (Resource::Topic, Resource::Topic)
        && (rule.principal == wanted.principal || rule.principal == "User:*")
        && rule.host == "*"
        && (rule.operation == wanted.operation || rule.operation == mailbox::Operation::All)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(acls: &[Acl]) -> Vec<String> {
        let one = |a: &Acl| format!("{:?} {:?} {}", a.operation, a.pattern, a.name);
        acls.iter().map(one).collect()
    }

    #[test]
    fn a_template_becomes_rules() {
        let own = of_shared_peer("peer", "{kind}", "data-out");
        let all = [
            "Write Literal data-in",
            "Read Literal data-out",
            "Write Literal data-out",
            "Write Literal rpc-in",
            "Read Literal rpc-out",
        ];
        assert_eq!(shown(&own), all);
        let shared = of_shared_peer("peer", "{kind}-{user}", "log");
        let all = [
            "Write Prefixed data-in-",
            "Read Literal log",
            "Write Literal log",
            "Write Prefixed rpc-in-",
            "Read Prefixed rpc-out-",
        ];
        assert_eq!(shown(&shared), all);
        assert_eq!(of_shared_peer("peer", "{user}.{kind}", "log").len(), 2);
        assert_eq!(
            shown(&of_owner("o", "{kind}", "data-out"))[1..2],
            ["All Literal data-out"],
            "the log is one of the four and stands once"
        );
        assert_eq!(of_owner("o", "{kind}", "data-out").len(), 4);
        assert_eq!(of_owner("o", "{kind}-{user}", "data-out").len(), 5);
    }

    #[test]
    fn a_topic_for_each_channel_is_reached_by_how_its_name_begins() {
        let log = "data-out-{channel}";
        let address = crate::services::address(kirc_core::ids::ActorId([7; 20]), "c", "{kind}");
        let all = [
            "Write Literal data-in",
            "Read Prefixed data-out-",
            "Write Prefixed data-out-",
            "Write Literal rpc-in",
            "Read Literal rpc-out",
        ];
        assert_eq!(shown(&of_peer("peer", &address, log)), all);
        assert_eq!(shown(&of_shared_peer("peer", "{kind}", log)), all);
        // Making them is with all, and all is the owner's alone.
        assert_eq!(shown(&of_owner("o", "{kind}", log))[4], "All Prefixed data-out-");
        assert_eq!(of_owner("o", "{kind}-{user}", log).len(), 4, "the mailboxes' own begin so too");
    }

    #[test]
    fn logs_whose_names_begin_as_other_topics_do_are_found() {
        for (template, log, caught_by) in [
            ("{kind}-{user}", "data-out-{channel}", None),
            ("{kind}", "data-out-{channel}", None),
            ("{kind}", "d{channel}", Some("data-in")),
            ("{kind}-{user}", "rpc-in-x{channel}", Some("rpc-in")),
            ("{kind}-{user}", "rpc-{channel}", Some("rpc-in")),
            ("{user}.{kind}", "log-{channel}", None),
            ("{kind}", "data-in", None),
        ] {
            assert_eq!(caught(template, log), caught_by, "{template} {log}");
        }
    }

    #[test]
    fn a_wider_rule_covers_a_narrower_one() {
        let wanted = Acl::allow("a", mailbox::Operation::Read, "data-out");
        let prefix =
            |name: &str, operation| Acl { pattern: Pattern::Prefixed, ..Acl::allow("a", operation, name) };
        assert!(covers(&wanted, &wanted));
        assert!(covers(&prefix("data-", mailbox::Operation::All), &wanted));
        assert!(covers(&Acl::allow("*", mailbox::Operation::All, "*"), &wanted));
        for other in [
            prefix("data-outer", mailbox::Operation::Read),
            prefix("data-", mailbox::Operation::Write),
            Acl::allow("b", mailbox::Operation::Read, "data-out"),
            Acl { permission: Permission::Deny, ..wanted.clone() },
            Acl { resource: Resource::Group, ..wanted.clone() },
            Acl { host: "10.0.0.1".to_owned(), ..wanted.clone() },
        ] {
            assert!(!covers(&other, &wanted), "{other:?}");
        }
        assert!(!covers(&wanted, &prefix("data-out", mailbox::Operation::Read)));
    }
}
