//! A channel's state with a digest in place of each card. A node hashes and stores this form when a
//! member joins or leaves.
//!
//! A card takes about 1.5 KB, and a channel has one for each member. Processing all of them at
//! every JOIN and KICK made large channels slow. The form is part of the protocol: a change to it
//! changes the hash in KEY records.
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::state::{Invitation, MaskEntry};
use super::{ChannelState, Member, Topic};
use crate::ids::{ActorId, Hash, MsgId, UserId};
use crate::names::ChannelName;

/// A state, written like [`ChannelState`] but with digests for the cards. All fields are named
/// below: a field that is added to the state does not compile until it is added here.
#[derive(Serialize)]
pub(crate) struct StateBrief<'a> {
    name: &'a ChannelName,
    actors: BTreeMap<&'a ActorId, Hash>,
    members: &'a BTreeMap<UserId, Member>,
    gone: &'a BTreeMap<UserId, MsgId>,
    floor: MsgId,
    flags: &'a BTreeSet<char>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: &'a Option<u32>,
    lists: &'a BTreeMap<char, Vec<MaskEntry>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: &'a Option<Topic>,
    invited: &'a BTreeMap<UserId, Invitation>,
    owners: &'a BTreeSet<UserId>,
}

impl ChannelState {
    /// The state with a digest for each card.
    pub(crate) fn brief(&self) -> StateBrief<'_> {
        let Self {
            name,
            actors,
            members,
            gone,
            floor,
            flags,
            key,
            limit,
            lists,
            topic,
            invited,
            owners,
            index: _,
        } = self;
        let actors = actors.iter().map(|(actor, card)| (actor, card.digest())).collect();
        let floor = *floor;
        StateBrief { name, actors, members, gone, floor, flags, key, limit, lists, topic, invited, owners }
    }
}
