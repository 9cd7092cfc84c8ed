//! The pending operations: what to do with the outcome of each. It contains no rules.

use std::collections::BTreeMap;

use super::ctx::Origin;
use crate::ids::{ActorId, MsgId};

/// The meaning of an outcome. Channels are named by their folded name.
#[derive(Debug, Clone)]
pub(crate) enum PendingOp {
    /// The outcome does not matter.
    Nothing,
    /// The topic of a channel that is being joined.
    Topic(String),
    /// A leader's record.
    Relay(String),
    /// A challenge.
    Challenge(String),
    /// One of the node's own acts, sent to the leader.
    Send(String, MsgId),
    /// The end of the log, for a leader that lost a record.
    Resync(String),
    /// The hints of a channel whose log is empty, before founding it.
    HeardOf(String),
    /// The leader key, before founding or claiming.
    Lease(String),
    /// The leader key, read.
    LeaderKey(String),
    /// The leader key, renewed.
    Renewed(String),
    /// A direct message in the peer's mailbox.
    Direct(ActorId, MsgId),
    /// A conversation's history.
    History(Origin, String),
    /// Stored records of a log that a member requested: the member and the request.
    Fetch(Box<crate::identity::Card>, MsgId),
    /// Stored records of a lost log, to offer to others.
    Offer(String),
    /// Messages held because of a changed key.
    Held(ActorId),
    /// The names of status hashes, for LIST.
    ListNames(Origin),
    /// One status hash, for LIST.
    ListEntry(u64, String),
    /// A route to the user's own grid for a new contact.
    Grant(Box<super::invites::PendingGrant>),
    /// The revocation of the access granted under this name.
    Revoked(String),
    /// A member's presence.
    Presence(ActorId),
    /// A public profile: the request, and what to do with the profile.
    Profile(Origin, String),
}

impl PendingOp {
    /// The session that waits for the outcome, if any. Until it gets the answer, the session has
    /// unsettled messages.
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Self::History(origin, _) | Self::ListNames(origin) | Self::Profile(origin, _) => Some(origin),
            Self::Grant(wish) => Some(&wish.origin),
            _ => None,
        }
    }
}

/// A LIST that collects its entries.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    pub origin: Origin,
    pub left: usize,
    pub found: BTreeMap<String, BTreeMap<String, String>>,
}
