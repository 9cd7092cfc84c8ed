//! The deliberately broken rules: which kind of run reveals each, and which promise it breaks.

use kirc_core::node::Mutant;

use crate::check::Promise;
use crate::plan::Kind;

/// A broken rule, where to look for it, and what it breaks.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The rule.
    pub mutant: Mutant,
    /// Its name on the command line.
    pub name: &'static str,
    /// The kind of run that shows it.
    pub kind: Kind,
    /// The promises that may be named.
    pub breaks: &'static [Promise],
}

/// All of them.
pub const CASES: [Case; 14] = [
    case(Mutant::AcceptOldTerm, "accept-old-term", Kind::Pauses, &[Promise::Order, Promise::Sent]),
    case(Mutant::TrustLeader, "trust-leader", Kind::Hostile, &[Promise::Author]),
    case(Mutant::AcceptRepeats, "accept-repeats", Kind::Hostile, &[Promise::Order]),
    case(Mutant::ForgetOutbox, "forget-outbox", Kind::Crashes, &[Promise::Kept]),
    case(Mutant::SettleEarly, "settle-early", Kind::Crashes, &[Promise::Sent]),
    case(Mutant::KeepEpochOnLeave, "keep-epoch-on-leave", Kind::Churn, &[Promise::Secret]),
    case(Mutant::HandOutOldKeys, "hand-out-old-keys", Kind::Churn, &[Promise::Secret]),
    case(Mutant::PlainBodies, "plain-bodies", Kind::Calm, &[Promise::Blind]),
    case(Mutant::DropUnreadable, "drop-unreadable", Kind::Appends, &[Promise::Order, Promise::Sent]),
    case(Mutant::PositionFirst, "position-first", Kind::Crashes, &[Promise::Order, Promise::Sent]),
    case(
        Mutant::IgnoreChain,
        "ignore-chain",
        Kind::Hostile,
        &[Promise::Order, Promise::Author, Promise::Sent],
    ),
    case(Mutant::ClaimAtWill, "claim-at-will", Kind::Hostile, &[Promise::Live]),
    case(Mutant::KeepToOneself, "keep-to-oneself", Kind::Calm, &[Promise::Sent]),
    case(Mutant::DoubtWays, "doubt-ways", Kind::Clusters, &[Promise::Kept]),
];

const fn case(mutant: Mutant, name: &'static str, kind: Kind, breaks: &'static [Promise]) -> Case {
    Case { mutant, name, kind, breaks }
}

/// The case of this name.
pub fn parse(name: &str) -> Option<Case> {
    CASES.into_iter().find(|c| c.name == name)
}
