//! Whether a state that another node handed over is possible: the invariants that hold after any
//! sequence of acts.
//!
//! It finds states that no acts can produce and that would harm the node that holds them. It does
//! not show that a state is the right one: its hash in the log does.
use std::collections::BTreeSet;

use super::mode::{FLAGS, LISTS, ModeKind, param_error};
use super::{ChannelState, Rank, Who};
use crate::envelope::line_end;
use crate::{limits, mask};

impl ChannelState {
    /// Checks the invariants; the error is a sentence that names the broken one.
    pub fn sound(&self) -> Result<(), &'static str> {
        let all = [
            (self.members_sound(), "a member's card is somebody else's, or two bear one nick"),
            (self.ranks_sound(), "who owns the channel is not who ranks as owner"),
            (self.departures_sound(), "somebody is a member and gone or invited at once"),
            (self.modes_sound(), "a mode is unknown, excludes another, or has a bad parameter"),
            (self.lists_sound(), "a list of masks is too long, or has a mask that can't be"),
            (self.topic_sound(), "the topic is too long or has a line break"),
        ];
        match all.into_iter().find(|(sound, _)| !sound) {
            Some((_, why)) => Err(why),
            None => Ok(()),
        }
    }

    fn members_sound(&self) -> bool {
        let nicks: BTreeSet<_> = self.all_seen().map(|(_, m, card)| m.who.nick(card)).collect();
        let with_members: BTreeSet<_> = self.members.values().map(|m| m.actor).collect();
        nicks.len() == self.members.len()
            && self.members.len() <= limits::MEMBERS
            && self.actors.iter().all(|(actor, card)| card.actor() == *actor)
            && self.actors.keys().eq(with_members.iter())
            && self.members.iter().all(|(user, m)| match &m.who {
                Who::Owner => *user == m.actor.owner(),
                Who::Hosted(hosted) => *user != m.actor.owner() && hosted.check().is_ok(),
            })
    }

    fn ranks_sound(&self) -> bool {
        let ranked =
            |(user, m): (_, &super::Member)| m.ranks.contains(&Rank::Owner) == self.owners.contains(user);
        self.members.iter().all(ranked)
            && (self.has('r') || self.owners.iter().all(|owner| self.members.contains_key(owner)))
    }

    fn departures_sound(&self) -> bool {
        let inside = |user| self.gone.contains_key(user) || self.invited.contains_key(user);
        self.invited.len() <= limits::INVITES
            && self.gone.len() <= limits::GONE
            && !self.members.keys().any(inside)
    }

    fn modes_sound(&self) -> bool {
        let key_fits = |key: &String| param_error(ModeKind::Key, true, Some(key)).is_none();
        self.flags.iter().all(|flag| FLAGS.contains(flag))
            && !(self.has('p') && self.has('s'))
            && (!self.has('E') || (self.has('R') && self.has('Z')))
            && self.key.as_ref().is_none_or(key_fits)
            && self.limit != Some(0)
    }

    fn lists_sound(&self) -> bool {
        self.lists.iter().all(|(letter, list)| {
            LISTS.contains(letter)
                && (1..=limits::MASKS).contains(&list.len())
                && list.iter().all(|entry| {
                    mask::normalise(&entry.mask) == entry.mask
                        && param_error(ModeKind::List, true, Some(&entry.mask)).is_none()
                        && entry.by.len() <= limits::NICK
                })
        })
    }

    fn topic_sound(&self) -> bool {
        self.topic.as_ref().is_none_or(|topic| {
            (1..=limits::TOPIC).contains(&topic.text.len())
                && line_end(&topic.text).is_none()
                && topic.by.len() <= limits::NICK
        })
    }
}
