//! What a node is told: its name, its grid, its times. It decides nothing.

use crate::identity::Address;
use crate::ids::{ActorId, Millis, base32, digest};
use crate::names::Nick;

/// The grid that a node lives on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The cluster's id.
    pub cluster: String,
    /// The topic that holds the channels' logs; with [`CHANNEL`] in it, a template: each channel
    /// has a topic of its own.
    pub log: String,
    /// How many partitions each topic has.
    pub partitions: u32,
}

/// What stands for a channel in the name of its topic.
pub const CHANNEL: &str = "{channel}";
/// How long that is when it is filled in.
pub const CHANNEL_LEN: usize = 32;

impl Home {
    /// Whether each channel has a topic of its own.
    pub fn has_topic_each(&self) -> bool {
        self.log.contains(CHANNEL)
    }

    /// The topic of a channel's log. In a template the channel stands as a hash of its folded name:
    /// 160 bits in base32. So any name gives one that a service takes, two channels never meet in
    /// one topic, whoever knows the name comes to the same topic from whatever cluster, and who may
    /// only list topics learns no names.
    pub fn log_of(&self, wire: &str) -> String {
        if !self.has_topic_each() {
            return self.log.clone();
        }
        let mut hash = [0; 20];
        hash.copy_from_slice(&digest("kirc.v1.topic", &[wire.as_bytes()])[..20]);
        self.log.replace(CHANNEL, &base32(&hash))
    }

    /// Whether a topic of this name holds a log, of a channel that may not be known here.
    pub fn is_log(&self, name: &str) -> bool {
        let Some((before, after)) = self.log.split_once(CHANNEL) else {
            return name == self.log;
        };
        let middle = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        // The form is that of an actor's id.
        middle.is_some_and(|m| ActorId::parse(m).is_ok())
    }
}

/// What a node is told about itself and its times.
#[derive(Debug, Clone)]
pub struct Config {
    /// The nick.
    pub nick: Nick,
    /// Its own mailbox.
    pub address: Address,
    /// The grid.
    pub home: Home,
    /// How members of a channel reach one's own mailbox from other clusters; none where all share
    /// one.
    pub peer_way: Option<serde_json::Value>,
    /// Whether peers learn that their direct messages were read.
    pub read_receipts: bool,
    /// Whether others learn that one is typing.
    pub send_typing: bool,
    /// Life of a leader key, ms.
    pub lease: Millis,
    /// A challenge that goes unanswered for this long lets others claim, ms of the log's time.
    pub challenge: Millis,
    /// How long an author waits for its message to come back before it challenges, ms.
    pub ack_timeout: Millis,
    /// Messages in an epoch at the most.
    pub epoch_messages: u64,
    /// Life of an epoch, ms.
    pub epoch_age: Millis,
    /// How far an author's clock may be from the leader's, ms.
    pub clock_skew: Millis,
    /// Own messages on their way to one leader at once.
    pub window: usize,
    /// Records of a leader on their way into a log: while so many are, what people say is gathered
    /// for the next.
    pub max_in_flight: usize,
    /// A deliberately broken rule, for the simulation.
    #[cfg(feature = "mutants")]
    pub mutant: Option<Mutant>,
}

/// A deliberately broken rule: the simulation must catch each.
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
    /// No new epoch when somebody leaves or is kicked (promise 5).
    KeepEpochOnLeave,
    /// A key may be used as soon as the leader says that there is one.
    TrustKey,
    /// The joiner is handed all former keys (promise 5).
    HandOutOldKeys,
    /// Bodies are not encrypted (promise 6).
    PlainBodies,
    /// Messages under a key that is not there are dropped instead of waited for (promise 3).
    DropUnreadable,
    /// The read position is stored before the messages (promise 3: skipped after a crash).
    PositionFirst,
    /// The chain is not checked (promise 3/4: a leader may leave out or reorder).
    IgnoreChain,
    /// A claim counts without an unanswered challenge (needless voids, promise 1 holds; liveness
    /// suffers).
    ClaimAtWill,
    /// A leader keeps to itself what it says, though others are there (promise 1).
    KeepToOneself,
    /// How other clusters are reached is learnt from invites only, not from members (promise 2:
    /// what is said waits).
    DoubtWays,
}

impl Config {
    /// The usual times and sizes.
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
