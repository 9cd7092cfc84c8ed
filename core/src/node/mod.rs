//! The actor that puts the rooms together: sessions, channels, leadership, keys, outbox, direct messages, presence.
//!
//! It is a state machine: an input comes in with the time, effects go out. It waits for nothing and reads no clock.

use crate::crypto::Rng;
use crate::identity::{Address, Identity};
use crate::ids::Millis;
use crate::names::Nick;
use crate::port::{Effect, Input, Now, Snapshot};

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

/// Why a node can't start. The text is a sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The store holds something that can't be read.
    #[error(
        "the store of this profile holds something that can't be read ({0}); if the keys were replaced, the store belongs to the old ones"
    )]
    Store(String),
}

/// One actor at work.
///
/// How it is driven: `restore`, then `handle(Start)`, then whatever happens. The effects of one `handle` (or of several in
/// a row) are carried out like this: all `Store` effects are committed in one transaction first; only then the others, in
/// their order. After [`Node::next_wake`] is reached on the monotonic clock, `handle(Tick)` is due.
pub struct Node {
    _rng: Rng,
}

impl Node {
    /// A node from what its store holds. `seed` feeds its random numbers.
    pub fn restore(
        config: Config,
        identity: Identity,
        snapshot: &Snapshot,
        seed: [u8; 32],
        now: Now,
    ) -> Result<Self, NodeError> {
        let _ = (config, identity, snapshot, seed, now);
        todo!()
    }

    /// Something happens at this time; what is to be done about it is added to `out`.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Effect>) {
        let _ = (now, input, out);
        todo!()
    }

    /// When (monotonic) a `Tick` is due at the latest.
    pub fn next_wake(&self) -> Option<Millis> {
        todo!()
    }

    /// The topics and partitions that must exist before the node starts: its own four and the grid's log.
    pub fn topics(config: &Config) -> Vec<(String, u32)> {
        let _ = config;
        todo!()
    }
}
