//! What follows from a channel's state and is looked up with each act: kept as acts change it,
//! never sent, and no part of what two states are compared by.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Act, Change, ChannelState, Member};
use crate::identity::Card;
use crate::ids::{MsgId, UserId};
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
    nicks: BTreeMap<Nick, UserId>,
    banned: BTreeSet<UserId>,
}

impl Kept {
    pub(super) fn by_nick(&self, state: &ChannelState, nick: &Nick) -> Option<UserId> {
        match &self.0 {
            Some(index) => index.people.nicks.get(nick).copied(),
            None => state.all_seen().find(|(_, m, card)| m.who.nick(card) == nick).map(|(user, ..)| *user),
        }
    }

    pub(super) fn newest(&self, state: &ChannelState) -> MsgId {
        self.0.as_ref().map_or_else(|| newest(state), |index| index.newest)
    }

    /// Whether a member is banned and not excepted.
    pub(super) fn is_banned(&self, state: &ChannelState, user: &UserId) -> bool {
        match &self.0 {
            Some(index) => index.people.banned.contains(user),
            None => state.seen(user).is_some_and(|(member, card)| state.is_banned(&member.who, card)),
        }
    }
}

fn newest(state: &ChannelState) -> MsgId {
    let members = state.members.values().map(|member| member.last);
    members.chain(state.gone.values().copied()).fold(state.floor, MsgId::max)
}

impl Index {
    pub(super) fn of(state: &ChannelState) -> Self {
        let nicks = state.all_seen().map(|(user, m, card)| (m.who.nick(card).clone(), *user)).collect();
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
        if let (Some(user), Some(nick)) = (change.left, &change.left_nick) {
            let people = Arc::make_mut(&mut self.people);
            people.nicks.remove(nick);
            people.banned.remove(&user);
        }
        if let Some((old, _)) = &change.nick {
            Arc::make_mut(&mut self.people).nicks.remove(old);
        }
        if (change.joined.is_some() || change.card)
            && let Some((member, card)) = state.seen(&act.author)
        {
            Arc::make_mut(&mut self.people).nicks.insert(member.who.nick(card).clone(), act.author);
            self.judge(state, act.author, member, card);
        }
        if change.modes.iter().any(|mode| matches!(mode.letter, 'b' | 'e')) {
            self.judge_all(state);
        }
    }

    fn judge(&mut self, state: &ChannelState, user: UserId, member: &Member, card: &Card) {
        let people = Arc::make_mut(&mut self.people);
        if state.is_banned(&member.who, card) {
            people.banned.insert(user);
        } else {
            people.banned.remove(&user);
        }
    }

    /// The masks have changed: compares each of them with each member once.
    fn judge_all(&mut self, state: &ChannelState) {
        let compiled = |letter| state.entries(letter).iter().map(|e| Mask::new(&e.mask)).collect::<Vec<_>>();
        let (bans, excepted) = (compiled('b'), compiled('e'));
        let banned = state.all_seen().filter(|(_, member, card)| {
            let prefixes = member.who.prefixes(card);
            let prefixes: Vec<_> = prefixes.iter().map(|prefix| crate::mask::folded(prefix)).collect();
            let listed = |masks: &[Mask]| masks.iter().any(|mask| prefixes.iter().any(|p| mask.matches(p)));
            listed(&bans) && !listed(&excepted)
        });
        let banned = if bans.is_empty() { BTreeSet::new() } else { banned.map(|(user, ..)| *user).collect() };
        if self.people.banned != banned {
            Arc::make_mut(&mut self.people).banned = banned;
        }
    }
}
