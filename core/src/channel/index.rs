//! What follows from a channel's state and is looked up with each act: kept as acts change it,
//! never sent, and no part of what two states are compared by.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Act, Change, ChannelState, Member, prefix_of};
use crate::ids::{ActorId, MsgId};
use crate::mask::Mask;
use crate::names::Nick;

/// The look-ups of a state, if an act was applied to it. They follow from the rest, so no two
/// states differ by them.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept(pub(super) Option<Index>);

impl PartialEq for Kept {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// The look-ups. Copies share them until the next member comes or goes.
#[derive(Debug, Clone)]
pub(super) struct Index {
    people: Arc<People>,
    newest: MsgId,
}

#[derive(Debug, Clone, Default)]
struct People {
    nicks: BTreeMap<Nick, ActorId>,
    banned: BTreeSet<ActorId>,
}

impl Kept {
    pub(super) fn by_nick(&self, state: &ChannelState, nick: &Nick) -> Option<ActorId> {
        match &self.0 {
            Some(index) => index.people.nicks.get(nick).copied(),
            None => state.members.iter().find(|(_, m)| m.card.nick() == nick).map(|(actor, _)| *actor),
        }
    }

    pub(super) fn newest(&self, state: &ChannelState) -> MsgId {
        self.0.as_ref().map_or_else(|| newest(state), |index| index.newest)
    }

    /// Whether a member is banned and not excepted.
    pub(super) fn is_banned(&self, state: &ChannelState, member: &Member) -> bool {
        match &self.0 {
            Some(index) => index.people.banned.contains(&member.card.actor()),
            None => state.is_banned(&prefix_of(&member.card)),
        }
    }
}

fn newest(state: &ChannelState) -> MsgId {
    let members = state.members.values().map(|member| member.last);
    members.chain(state.gone.values().copied()).fold(state.floor, MsgId::max)
}

impl Index {
    pub(super) fn of(state: &ChannelState) -> Self {
        let nicks = state.members.iter().map(|(actor, m)| (m.card.nick().clone(), *actor)).collect();
        let people = Arc::new(People { nicks, banned: BTreeSet::new() });
        let mut index = Self { people, newest: newest(state) };
        index.judge_all(state);
        index
    }

    /// An act has changed the state.
    pub(super) fn follow(&mut self, state: &ChannelState, act: &Act, change: &Change) {
        // What did nothing has no source.
        if change.source.is_some() {
            self.newest = self.newest.max(act.id);
        }
        if let (Some(actor), Some(nick)) = (change.left, &change.left_nick) {
            let people = Arc::make_mut(&mut self.people);
            people.nicks.remove(nick);
            people.banned.remove(&actor);
        }
        if let Some((old, _)) = &change.nick {
            Arc::make_mut(&mut self.people).nicks.remove(old);
        }
        if (change.joined.is_some() || change.card)
            && let Some(member) = state.members.get(&act.author)
        {
            Arc::make_mut(&mut self.people).nicks.insert(member.card.nick().clone(), act.author);
            self.judge(state, act.author, member);
        }
        if change.modes.iter().any(|mode| matches!(mode.letter, 'b' | 'e')) {
            self.judge_all(state);
        }
    }

    fn judge(&mut self, state: &ChannelState, actor: ActorId, member: &Member) {
        let people = Arc::make_mut(&mut self.people);
        if state.is_banned(&prefix_of(&member.card)) {
            people.banned.insert(actor);
        } else {
            people.banned.remove(&actor);
        }
    }

    /// The masks have changed: compares each of them with each member once.
    fn judge_all(&mut self, state: &ChannelState) {
        let compiled = |letter| state.entries(letter).iter().map(|e| Mask::new(&e.mask)).collect::<Vec<_>>();
        let (bans, excepted) = (compiled('b'), compiled('e'));
        let banned = state.members.iter().filter(|(_, m)| {
            let prefix = crate::mask::folded(&prefix_of(&m.card));
            let listed = |masks: &[Mask]| masks.iter().any(|mask| mask.matches(&prefix));
            listed(&bans) && !listed(&excepted)
        });
        let banned = if bans.is_empty() { BTreeSet::new() } else { banned.map(|(a, _)| *a).collect() };
        if self.people.banned != banned {
            Arc::make_mut(&mut self.people).banned = banned;
        }
    }
}
