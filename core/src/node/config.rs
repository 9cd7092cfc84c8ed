//! The configuration of a node: its name, its grid, its times. It decides nothing.

use crate::identity::Address;
use crate::ids::{ActorId, Millis, base32, digest};
use crate::names::Nick;

/// The grid that a node lives on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The cluster's id.
    pub cluster: String,
    /// The topic that holds the channels' logs. If it contains [`CHANNEL`], it is a template: each
    /// channel has its own topic.
    pub log: String,
    /// How many partitions each topic has.
    pub partitions: u32,
}

/// The placeholder for a channel in a topic name template.
pub const CHANNEL: &str = "{channel}";
/// The length of the text that replaces it.
pub const CHANNEL_LEN: usize = 32;

impl Home {
    /// Whether each channel has its own topic.
    pub fn has_topic_each(&self) -> bool {
        self.log.contains(CHANNEL)
    }

    /// The topic of a channel's log. In a template, a hash of the channel's folded name (160 bits
    /// in base32) replaces the placeholder. So every name gives a topic name that a service
    /// accepts, two channels never share a topic, everybody who knows the name gets the same topic
    /// from any cluster, and a user who may only list topics learns no names.
    pub fn log_of(&self, wire: &str) -> String {
        if !self.has_topic_each() {
            return self.log.clone();
        }
        let mut hash = [0; 20];
        hash.copy_from_slice(&digest("kirc.v1.topic", &[wire.as_bytes()])[..20]);
        self.log.replace(CHANNEL, &base32(&hash))
    }

    /// Whether a topic with this name holds a log; its channel may be unknown here.
    pub fn is_log(&self, name: &str) -> bool {
        let Some((before, after)) = self.log.split_once(CHANNEL) else {
            return name == self.log;
        };
        let middle = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        // The form is that of an actor's id.
        middle.is_some_and(|m| ActorId::parse(m).is_ok())
    }
}

/// The configuration of a node.
#[derive(Debug, Clone)]
pub struct Config {
    /// The nick.
    pub nick: Nick,
    /// Its own mailbox.
    pub address: Address,
    /// The grid.
    pub home: Home,
    /// How members of a channel reach this node's mailbox from other clusters; none if all share
    /// one cluster.
    pub peer_way: Option<serde_json::Value>,
    /// Whether peers learn that their direct messages were read.
    pub read_receipts: bool,
    /// Whether others learn that the user is typing.
    pub send_typing: bool,
    /// TTL of a leader key, ms.
    pub lease: Millis,
    /// After this time an unanswered challenge lets others claim, ms of log time.
    pub challenge: Millis,
    /// How long an author waits to see its message in the log before it challenges, ms.
    pub ack_timeout: Millis,
    /// Maximum number of messages in an epoch.
    pub epoch_messages: u64,
    /// Maximum age of an epoch, ms.
    pub epoch_age: Millis,
    /// How far an author's clock may be from the leader's, ms.
    pub clock_skew: Millis,
    /// Maximum number of own messages in flight to one leader.
    pub window: usize,
    /// Maximum number of a leader's records in flight to a log. At this number the leader collects
    /// messages for the next record.
    pub max_in_flight: usize,
    /// A deliberately broken rule, for the simulation.
    #[cfg(feature = "mutants")]
    pub mutant: Option<Mutant>,
}

/// A deliberately broken rule. The simulation must catch each one.
#[cfg(feature = "mutants")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// Readers accept records of a leader that was replaced (promise 3).
    AcceptOldTerm,
    /// Readers don't check the author's signature (promise 4).
    TrustLeader,
    /// Readers don't check the author's count (promise 3: shown twice).
    AcceptRepeats,
    /// The outbox is not stored (promise 2).
    ForgetOutbox,
    /// A message counts as sent once it was appended to the leader's mailbox (promise 1).
    SettleEarly,
    /// No new epoch when a member leaves or is kicked (promise 5).
    KeepEpochOnLeave,
    /// A key may be used as soon as the leader announces it.
    TrustKey,
    /// The joiner receives all former keys (promise 5).
    HandOutOldKeys,
    /// Bodies are not encrypted (promise 6).
    PlainBodies,
    /// Messages under a missing key are dropped instead of waiting for it (promise 3).
    DropUnreadable,
    /// The read position is stored before the messages (promise 3: skipped after a crash).
    PositionFirst,
    /// The chain is not checked (promise 3/4: a leader may leave out or reorder).
    IgnoreChain,
    /// A claim counts without an unanswered challenge (needless voids, promise 1 holds; liveness
    /// suffers).
    ClaimAtWill,
    /// A leader keeps its own messages to itself, though other members are present (promise 1).
    KeepToOneself,
    /// The node learns routes to other clusters only from invites, not from members (promise 2:
    /// messages wait).
    DoubtWays,
}

impl Config {
    /// The default times and sizes.
    pub fn new(nick: Nick, address: Address, home: Home) -> Self {
        Self {
            nick,
            address,
            home,
            peer_way: None,
            read_receipts: true,
            send_typing: true,
            lease: 30_000,
            challenge: 3_000,
            ack_timeout: 3_000,
            epoch_messages: 5_000,
            epoch_age: 24 * 3600 * 1000,
            clock_skew: crate::limits::CLOCK_SKEW,
            window: 512,
            max_in_flight: 4,
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(log: &str) -> Home {
        Home { cluster: "c".into(), log: log.into(), partitions: 2 }
    }

    #[test]
    fn a_template_gives_each_channel_a_topic() {
        let each = home("data-out-{channel}.v1");
        let names: Vec<String> = ["#net", "#Net", "#n\u{e4}t \u{1f600}", "#", &"#x".repeat(200)]
            .iter()
            .map(|wire| each.log_of(wire))
            .collect();
        for name in &names {
            assert!(name.len() <= 249 && each.is_log(name), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b"0123456789-.".contains(&b)), "{name}");
        }
        let mut unlike = names.clone();
        unlike.sort();
        unlike.dedup();
        assert_eq!(unlike.len(), names.len());
        // The same in every program, on every machine, for ever.
        assert_eq!(each.log_of("#net"), "data-out-o66ztryx5ohiqhqomb7zoi6rsrwpmhxf.v1");
        for other in ["data-out-net.v1", "data-out-.v1", "data-out-{channel}.v1", "data-out", "data-in"] {
            assert!(!each.is_log(other), "{other}");
        }
    }

    #[test]
    fn without_a_template_all_share_one() {
        let shared = home("data-out");
        assert_eq!((shared.log_of("#a"), shared.log_of("#b")), ("data-out".into(), "data-out".into()));
        assert!(shared.is_log("data-out") && !shared.is_log("data-out-x") && !shared.has_topic_each());
    }
}
