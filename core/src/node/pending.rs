//! The operations that wait for an outcome, and what is done with it. Holds no rule.

use std::collections::BTreeMap;

use super::ctx::Origin;
use crate::ids::{ActorId, MsgId};

/// The meaning of an outcome. Channels are named by their folded name.
#[derive(Debug, Clone)]
pub(crate) enum PendingOp {
    /// Of no interest.
    Nothing,
    /// The topic of a channel that is being joined.
    Topic(String),
    /// A leader's record.
    Relay(String),
    /// A challenge.
    Challenge(String),
    /// An own act on its way to the leader.
    Send(String, MsgId),
    /// The end of the log, for a leader that lost a record.
    Resync(String),
    /// The hints of a channel whose log is empty, before founding it.
    HeardOf(String),
    /// The leader key, before founding or claiming.
    Lease(String),
    /// The leader key, looked at.
    LeaderKey(String),
    /// The leader key, renewed.
    Renewed(String),
    /// A direct message in the peer's mailbox.
    Direct(ActorId, MsgId),
    /// A conversation's history.
    History(Origin, String),
    /// Kept records of a log that somebody asked for: who asks, and the request.
    Fetch(Box<crate::identity::Card>, MsgId),
    /// Kept records of a log that is gone, to be offered to others.
    Offer(String),
    /// Messages held because of a changed key.
    Held(ActorId),
    /// The names of status hashes, for LIST.
    ListNames(Origin),
    /// One status hash, for LIST.
    ListEntry(u64, String),
    /// A way to one's own grid for somebody new.
    Grant(Box<super::invites::PendingGrant>),
    /// The end of what was granted under this name.
    Revoked(String),
    /// A member's presence.
    Presence(ActorId),
    /// A public profile: who asked and what is done with it.
    Profile(Origin, String),
}

impl PendingOp {
    /// Whose question it is, if a session asked it: until it is answered not all of that session is
    /// settled.
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Self::History(origin, _) | Self::ListNames(origin) | Self::Profile(origin, _) => Some(origin),
            Self::Grant(wish) => Some(&wish.origin),
            _ => None,
        }
    }
}

/// A LIST that gathers its entries.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    pub origin: Origin,
    pub left: usize,
    pub found: BTreeMap<String, BTreeMap<String, String>>,
}
