//! A channel's state with a digest in place of each card, which nodes hash when a member joins or
//! leaves; and its parts, which they store.
//!
//! A card takes about 1.5 KB, and a channel has one for each member. Processing all of them at
//! every JOIN and KICK made large channels slow. The form is part of the protocol: a change to it
//! changes the hash in KEY records.
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::state::{Invitation, MaskEntry};
use super::{ChannelState, Member, Topic};
use crate::identity::Card;
use crate::ids::{ActorId, Hash, MsgId, UserId};
use crate::names::ChannelName;

/// What a state holds beside its members. [`head`] names all fields of the state: one that is added
/// to it does not compile until it is named there.
#[derive(Serialize)]
pub(crate) struct StateHead<'a> {
    name: &'a ChannelName,
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

/// A state, written like [`ChannelState`] but with digests for the cards.
#[derive(Serialize)]
pub(crate) struct StateBrief<'a> {
    actors: BTreeMap<&'a ActorId, Hash>,
    members: &'a BTreeMap<UserId, Member>,
    gone: &'a BTreeMap<UserId, MsgId>,
    #[serde(flatten)]
    head: StateHead<'a>,
}

impl ChannelState {
    /// The state with a digest for each card.
    pub(crate) fn brief(&self) -> StateBrief<'_> {
        let actors = self.actors.iter().map(|(actor, card)| (actor, card.digest())).collect();
        StateBrief { actors, members: &self.members, gone: &self.gone, head: head(self) }
    }
}

/// The state without its members, former members and their actors.
pub(crate) fn head(state: &ChannelState) -> StateHead<'_> {
    let ChannelState {
        name,
        actors: _,
        members: _,
        gone: _,
        floor,
        flags,
        key,
        limit,
        lists,
        topic,
        invited,
        owners,
        index: _,
    } = state;
    StateHead { name, floor: *floor, flags, key, limit, lists, topic, invited, owners }
}

/// A state of a head and its members, as they were written one by one.
pub(crate) fn from_parts(
    mut head: Value,
    actors: BTreeMap<ActorId, Card>,
    members: BTreeMap<UserId, Member>,
    gone: BTreeMap<UserId, MsgId>,
) -> Result<ChannelState, serde_json::Error> {
    for empty in ["actors", "members", "gone"] {
        if let Some(head) = head.as_object_mut() {
            head.insert(empty.to_owned(), Value::Object(Default::default()));
        }
    }
    let head: ChannelState = serde_json::from_value(head)?;
    Ok(ChannelState { actors, members, gone, ..head })
}
