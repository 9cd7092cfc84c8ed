//! Applies an allowed act to the channel state and reports what changed.
//!
//! This is the only module that changes a channel. It does not check permissions (`policy` does)
//! and never fails: an act that makes no sense here changes nothing.
use super::index::Index;
use super::mode::{ModeKind, parse_limit};
use super::state::Invitation;
use super::{Act, ActKind, ChannelState, MaskEntry, Member, ModeChange, Rank, Topic, Who};
use crate::ids::{ActorId, Count, MsgId, UserId};
use crate::names::{Nick, casefold};
use crate::{limits, mask};

/// What an applied act changed, for the front ends and for key management.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// An actor came or left, or a member was kicked: a new epoch is due.
    pub membership: bool,
    /// The member that joined.
    pub joined: Option<UserId>,
    /// The member that left.
    pub left: Option<UserId>,
    /// The former member that is remembered no more, since there are too many.
    pub forgotten: Option<UserId>,
    /// The actor whose last user left.
    pub actor_left: Option<ActorId>,
    /// The mode changes that took effect.
    pub modes: Vec<ModeChange>,
    /// The prefix of the author, as it was before the act (of a joiner: as it is now).
    pub source: Option<String>,
    /// The nick of the member that left, because the state no longer has it.
    pub left_nick: Option<Nick>,
    /// Whether the member in `left` was kicked.
    pub kicked: bool,
    /// The author has a new card, or others see something else of it.
    pub card: bool,
    /// The author's old and new nick, if it changed.
    pub nick: Option<(Nick, Nick)>,
    /// Whether the topic was set or cleared.
    pub topic: bool,
    /// The invited user.
    pub invited: Option<UserId>,
}

/// Acts of a batch that is no good are not counted after all: what their authors had done
/// before it, newest first.
pub(crate) fn uncount(state: &mut ChannelState, before: impl Iterator<Item = (UserId, Count, MsgId)>) {
    for (author, n, last) in before {
        if let Some(member) = state.members.get_mut(&author) {
            (member.n, member.last) = (n, last);
        }
    }
    state.index.0 = None;
}

fn change(state: &mut ChannelState, act: &Act) -> Change {
    if let ActKind::Join { .. } = &act.kind {
        return state.join(act);
    }
    let Some((member, card)) = state.seen(&act.author) else {
        return Change::default();
    };
    let nick = member.who.nick(card).clone();
    let mut change = Change { source: Some(member.who.prefix(card)), ..Change::default() };
    if let Some(me) = state.members.get_mut(&act.author) {
        (me.n, me.last) = (act.n, act.id);
    }
    match &act.kind {
        ActKind::Part { .. } => state.remove(&act.author, &mut change),
        ActKind::Kick { target, .. } => {
            state.remove(target, &mut change);
            change.kicked = change.left.is_some();
            change.membership = change.kicked;
            state.owners.remove(target);
            state.invited.retain(|_, invitation| invitation.by != *target);
        }
        ActKind::Mode { changes } => {
            for one in changes {
                state.change_mode(act, nick.as_str(), one, &mut change.modes);
            }
        }
        ActKind::Topic { text } => {
            let topic =
                (!text.is_empty()).then(|| Topic { text: text.clone(), by: nick.to_string(), ts: act.ts });
            change.topic = topic.is_some() || state.topic.is_some();
            state.topic = topic;
        }
        ActKind::Card { card } => {
            state.actors.insert(act.actor, (**card).clone());
            change.nick = renamed(&nick, card.nick());
            change.card = true;
        }
        ActKind::User { user } => {
            if let Some(me) = state.members.get_mut(&act.author) {
                me.who = Who::Hosted(user.clone());
                me.registered = user.account.is_some();
            }
            change.nick = renamed(&nick, &user.nick);
            change.card = true;
        }
        ActKind::Invite { target } => {
            state.invite(act, *target);
            change.invited = Some(*target);
        }
        ActKind::Join { .. } | ActKind::Message | ActKind::Notice | ActKind::Nothing { .. } => {}
    }
    change
}

fn renamed(old: &Nick, new: &Nick) -> Option<(Nick, Nick)> {
    (old.as_str() != new.as_str()).then(|| (old.clone(), new.clone()))
}

impl ChannelState {
    /// Applies an act that passed the checks.
    pub fn apply(&mut self, act: &Act) -> Change {
        let mut index = self.index.0.take().unwrap_or_else(|| Index::of(self));
        let change = change(self, act);
        index.follow(self, act, &change);
        self.index.0 = Some(index);
        change
    }

    fn join(&mut self, act: &Act) -> Change {
        let ActKind::Join { card, hosted, registered, tls, .. } = &act.kind else {
            return Change::default();
        };
        let known = self.actors.get(&act.actor);
        let newer = card.as_deref().filter(|c| known.is_none_or(|known| c.rev() > known.rev()));
        let Some(card) = newer.or(known).filter(|c| c.actor() == act.actor).cloned() else {
            return Change::default();
        };
        if self.members.contains_key(&act.author) {
            return Change::default();
        }
        let who = Who::joining(hosted.as_deref());
        let mut change = Change {
            membership: known.is_none(),
            joined: Some(act.author),
            source: Some(who.prefix(&card)),
            ..Change::default()
        };
        let mut member = Member {
            actor: act.actor,
            who,
            ranks: Default::default(),
            n: act.n,
            last: act.id,
            registered: *registered,
            tls: *tls,
        };
        if self.owners.contains(&act.author) {
            for rank in [Rank::Owner, Rank::Op] {
                member.ranks.insert(rank);
                change.modes.push(ModeChange::new(true, rank.letter(), &act.author.to_string()));
            }
        }
        self.actors.insert(act.actor, card);
        self.members.insert(act.author, member);
        self.gone.remove(&act.author);
        self.invited.remove(&act.author);
        change
    }

    fn remove(&mut self, user: &UserId, change: &mut Change) {
        change.left_nick = self.nick(user).cloned();
        let Some(member) = self.members.remove(user) else {
            return;
        };
        self.gone.insert(*user, member.last);
        if self.gone.len() > limits::GONE
            && let Some((oldest, last)) =
                self.gone.iter().map(|(a, id)| (*a, *id)).min_by_key(|(a, id)| (*id, *a))
        {
            self.gone.remove(&oldest);
            change.forgotten = Some(oldest);
            self.floor = self.floor.max(last);
        }
        if !self.has('r') {
            self.owners.remove(user);
        }
        change.left = Some(*user);
        if !self.members.values().any(|other| other.actor == member.actor) {
            self.actors.remove(&member.actor);
            change.actor_left = Some(member.actor);
            change.membership = true;
        }
    }

    /// An invite by a half-operator or above lets the invitee pass the join checks; any other
    /// invite is only a notification.
    fn invite(&mut self, act: &Act, target: UserId) {
        let opens = |m: &Member| m.at_least(Rank::Halfop);
        if !self.members.get(&act.author).is_some_and(opens) || self.members.contains_key(&target) {
            return;
        }
        let invitation = Invitation { id: act.id, by: act.author };
        self.invited.insert(target, invitation);
        if self.invited.len() > limits::INVITES {
            let oldest = self
                .invited
                .iter()
                .filter(|(who, _)| **who != target)
                .min_by_key(|(who, invitation)| (**invitation, **who));
            if let Some(oldest) = oldest.map(|(who, _)| *who) {
                self.invited.remove(&oldest);
            }
        }
    }

    fn change_mode(&mut self, act: &Act, by: &str, change: &ModeChange, done: &mut Vec<ModeChange>) {
        let (add, letter) = (change.add, change.letter);
        let param = change.param.as_deref().unwrap_or_default();
        let report = match ModeKind::of(letter) {
            None => None,
            Some(ModeKind::Flag) => {
                self.change_flag(add, letter, done);
                None
            }
            Some(ModeKind::Key) => self.change_key(add, param),
            Some(ModeKind::Limit) => self.change_limit(add, param),
            Some(ModeKind::List) => self.change_list(act, by, add, letter, param),
            Some(ModeKind::Rank(rank)) => self.change_rank(add, rank, param),
        };
        if let Some(param) = report {
            done.push(ModeChange::new(add, letter, &param));
        }
    }

    fn change_flag(&mut self, add: bool, letter: char, done: &mut Vec<ModeChange>) {
        let mut set = |flags: &mut std::collections::BTreeSet<char>, add, letter| {
            let changed = if add { flags.insert(letter) } else { flags.remove(&letter) };
            if changed {
                done.push(ModeChange::new(add, letter, ""));
            }
        };
        // Private and secret exclude each other: the later one counts.
        match (add, letter) {
            (true, 'p') => set(&mut self.flags, false, 's'),
            (true, 's') => set(&mut self.flags, false, 'p'),
            _ => {}
        }
        set(&mut self.flags, add, letter);
        if add && letter == 'E' {
            set(&mut self.flags, true, 'R');
            set(&mut self.flags, true, 'Z');
        }
        if !add && letter == 'r' {
            let members = &self.members;
            self.owners.retain(|owner| members.contains_key(owner));
        }
    }

    fn change_key(&mut self, add: bool, param: &str) -> Option<String> {
        if !add {
            return self.key.take().map(|_| "*".to_owned());
        }
        if param.is_empty() || self.key.as_deref() == Some(param) {
            return None;
        }
        self.key = Some(param.to_owned());
        self.key.clone()
    }

    fn change_limit(&mut self, add: bool, param: &str) -> Option<String> {
        if !add {
            return self.limit.take().map(|_| String::new());
        }
        let limit = parse_limit(param)?;
        (self.limit.replace(limit) != Some(limit)).then(|| limit.to_string())
    }

    fn change_list(&mut self, act: &Act, by: &str, add: bool, letter: char, param: &str) -> Option<String> {
        let whole = mask::normalise(param);
        let folded = casefold(&whole);
        let list = self.lists.entry(letter).or_default();
        let at = list.iter().position(|e| casefold(&e.mask) == folded);
        let report = match (add, at) {
            (true, None) if list.len() < limits::MASKS => {
                list.push(MaskEntry { mask: whole.clone(), by: by.to_owned(), ts: act.ts });
                Some(whole)
            }
            (false, Some(at)) => Some(list.remove(at).mask),
            _ => None,
        };
        if list.is_empty() {
            self.lists.remove(&letter);
        }
        report
    }

    fn change_rank(&mut self, add: bool, rank: Rank, param: &str) -> Option<String> {
        let target = UserId::parse(param).ok()?;
        let member = self.members.get_mut(&target)?;
        let changed = if add { member.ranks.insert(rank) } else { member.ranks.remove(&rank) };
        if changed && rank == Rank::Owner {
            if add {
                self.owners.insert(target);
            } else {
                self.owners.remove(&target);
            }
        }
        changed.then(|| param.to_owned())
    }
}
