//! What a node is told: its name, its grid, its times. It decides nothing.

use crate::identity::Address;
use crate::ids::Millis;
use crate::names::Nick;

/// The grid that a node lives on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The cluster's id.
    pub cluster: String,
    /// The topic that holds the channels' logs.
    pub log: String,
    /// How many partitions each topic has.
    pub partitions: u32,
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
    /// How members of a channel reach one's own mailbox from other clusters; none where all share one.
    pub peer_way: Option<serde_json::Value>,
    /// Whether peers learn that their direct messages were read.
    pub read_receipts: bool,
    /// Whether others learn that one is typing.
    pub send_typing: bool,
    /// Life of a leader key, ms.
    pub lease: Millis,
    /// A challenge that goes unanswered for this long lets others claim, ms of the log's time.
    pub challenge: Millis,
    /// An author's patience before it challenges, ms.
    pub patience: Millis,
    /// Messages in an epoch at the most.
    pub epoch_messages: u64,
    /// Life of an epoch, ms.
    pub epoch_age: Millis,
    /// How far an author's clock may be from the leader's, ms.
    pub clock_skew: Millis,
    /// Own messages on their way to one leader at once.
    pub window: usize,
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
    /// A claim counts without an unanswered challenge (needless voids, promise 1 holds; liveness suffers).
    ClaimAtWill,
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
            patience: 3_000,
            epoch_messages: 5_000,
            epoch_age: 24 * 3600 * 1000,
            clock_skew: crate::limits::CLOCK_SKEW,
            window: 512,
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }
}
