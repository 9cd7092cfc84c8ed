//! A channel's state with a digest in the place of each card: what is hashed, and what a node
//! keeps, when somebody comes or goes.
//!
//! A card is some 1.5 KB, and a channel has one for each member; to go through all of them at every
//! JOIN and KICK made large channels slow. The form is part of the protocol: a change of it changes
//! the hash in KEY records.
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::state::{Invitation, MaskEntry};
use super::{ChannelState, Rank, Topic};
use crate::ids::{ActorId, Count, Hash, MsgId};
use crate::names::ChannelName;

/// A member, as [`super::Member`] is written but for its card.
#[derive(Serialize)]
struct Brief<'a> {
    card: Hash,
    ranks: &'a BTreeSet<Rank>,
    n: Count,
    last: MsgId,
    registered: bool,
    tls: bool,
}

/// A state, as [`ChannelState`] is written but for the cards. All fields are named below: one that
/// is added there does not compile until it is added here.
#[derive(Serialize)]
pub(crate) struct StateBrief<'a> {
    name: &'a ChannelName,
    members: BTreeMap<&'a ActorId, Brief<'a>>,
    gone: &'a BTreeMap<ActorId, MsgId>,
    floor: MsgId,
    flags: &'a BTreeSet<char>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: &'a Option<u32>,
    lists: &'a BTreeMap<char, Vec<MaskEntry>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: &'a Option<Topic>,
    invited: &'a BTreeMap<ActorId, Invitation>,
    owners: &'a BTreeSet<ActorId>,
}

impl ChannelState {
    /// The state with digests for cards.
    pub(crate) fn brief(&self) -> StateBrief<'_> {
        let Self { name, members, gone, floor, flags, key, limit, lists, topic, invited, owners } = self;
        let members = members
            .iter()
            .map(|(actor, m)| {
                let super::Member { card, ranks, n, last, registered, tls } = m;
                let (n, last, registered, tls) = (*n, *last, *registered, *tls);
                (actor, Brief { card: card.digest(), ranks, n, last, registered, tls })
            })
            .collect();
        StateBrief { name, members, gone, floor: *floor, flags, key, limit, lists, topic, invited, owners }
    }
}
