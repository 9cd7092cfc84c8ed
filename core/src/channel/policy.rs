//! Whether an act is allowed. The leader and the readers check all permissions of a channel here.
//!
//! It answers yes or returns a refusal. It changes nothing and uses only the state and the act.
use super::mode::{ModeKind, bad_param, param_error, setter, unknown_mode};
use super::{Act, ActKind, ChannelState, Member, ModeChange, Rank, Refusal, Who};
use crate::identity::Card;
use crate::ids::UserId;
use crate::names::Nick;
use crate::numeric as num;
use crate::{limits, mask, names};

type Verdict = Result<(), Refusal>;

fn nick_in_use(state: &ChannelState, nick: &Nick) -> Refusal {
    let (nick, channel) = (nick.as_str(), state.name.as_str());
    let text = format!("Somebody on {channel} bears the nick {nick}");
    Refusal::new(num::ERR_NICKNAMEINUSE, &[nick], &text)
}

fn member<'a>(state: &'a ChannelState, target: &UserId) -> Result<&'a Member, Refusal> {
    state.members.get(target).ok_or_else(|| {
        let id = target.to_string();
        Refusal::new(num::ERR_USERNOTINCHANNEL, &[&id, state.name.as_str()], "")
    })
}

fn protected(state: &ChannelState, other: &UserId) -> Refusal {
    let nick = state.nick(other).map_or("", Nick::as_str);
    state.denied(&format!("{nick} ranks too high for that"))
}

impl ChannelState {
    /// Whether the act is allowed in this state. It does not check the author's order.
    pub fn check(&self, act: &Act) -> Result<(), Refusal> {
        if matches!(act.kind, ActKind::Join { .. }) {
            return self.can_join(act);
        }
        let channel = self.name.as_str();
        let Some(me) = self.members.get(&act.author).filter(|me| me.actor == act.actor) else {
            return Err(match act.kind {
                ActKind::Message | ActKind::Notice => self.mute("you are not on it"),
                _ => Refusal::new(num::ERR_NOTONCHANNEL, &[channel], ""),
            });
        };
        if let Some(rank) = act.kind.needs() {
            self.needs(me, rank, act.kind.command())?;
        }
        match &act.kind {
            ActKind::Message | ActKind::Notice => self.can_speak(&act.author, me),
            ActKind::Kick { target, .. } => self.can_kick(act.author, me, target),
            ActKind::Mode { changes } => self.can_change_modes(act.author, me, changes),
            ActKind::Topic { .. } => self.can_set_topic(&act.author, me),
            ActKind::Card { card } => self.can_take_card(act, me, card),
            ActKind::User { user } => self.can_take_nick(act.author, me, &user.nick),
            ActKind::Invite { target } => self.can_invite(me, target),
            ActKind::Join { .. } | ActKind::Part { .. } | ActKind::Nothing { .. } => Ok(()),
        }
    }

    fn mute(&self, why: &str) -> Refusal {
        let channel = self.name.as_str();
        let text = format!("Cannot send to {channel}: {why}");
        Refusal::new(num::ERR_CANNOTSENDTOCHAN, &[channel], &text)
    }

    fn needs(&self, me: &Member, rank: Rank, what: &str) -> Verdict {
        if me.at_least(rank) {
            return Ok(());
        }
        let whom = match rank {
            Rank::Voice => "voice (+v)",
            Rank::Halfop => "a half-operator (+h)",
            Rank::Op => "an operator (+o)",
            Rank::Admin => "an admin (+a)",
            Rank::Owner => "an owner (+q)",
        };
        Err(self.denied(&format!("{what} needs {whom} of this channel, or above")))
    }

    fn denied(&self, text: &str) -> Refusal {
        Refusal::new(num::ERR_CHANOPRIVSNEEDED, &[self.name.as_str()], text)
    }

    /// The join checks, in IRC's order. An invite by a half-operator or above bypasses `+b` and
    /// `+i`. An owner of a registered channel passes all checks but those that protect messages
    /// (`+R`, `+Z`).
    fn can_join(&self, act: &Act) -> Verdict {
        let ActKind::Join { card, hosted, key, registered, tls } = &act.kind else { return Ok(()) };
        let channel = self.name.as_str();
        let fail = |text| Err(Refusal::new(num::ERR_UNKNOWNERROR, &["JOIN"], text));
        let Some(card) = card.as_deref().or_else(|| self.actors.get(&act.actor)) else {
            return fail("The JOIN has no card, and nobody of that node is here");
        };
        if card.actor() != act.actor {
            return fail("The card of the JOIN is somebody else's");
        }
        if act.id <= self.last_of_stranger(&act.author) {
            return fail("The JOIN is older than the last departure");
        }
        let who = Who::joining(hosted.as_deref());
        let nick = who.nick(card);
        if self.members.contains_key(&act.author) {
            return Err(Refusal::new(num::ERR_USERONCHANNEL, &[nick.as_str(), channel], ""));
        }
        let owner = self.has('r') && self.owners.contains(&act.author);
        let invited = owner || self.is_invited(&act.author);
        let closed = |numeric| Err(Refusal::new(numeric, &[channel], ""));
        if !invited && self.is_banned(&who, card) {
            return closed(num::ERR_BANNEDFROMCHAN);
        }
        if !invited && self.has('i') && !self.listed('I', &who.prefixes(card)) {
            return closed(num::ERR_INVITEONLYCHAN);
        }
        if !owner && self.key.is_some() && self.key != *key {
            return closed(num::ERR_BADCHANNELKEY);
        }
        if !owner && self.limit.is_some_and(|limit| self.members.len() >= limit as usize) {
            return closed(num::ERR_CHANNELISFULL);
        }
        if self.has('R') && !*registered {
            return closed(num::ERR_NEEDREGGEDNICK);
        }
        if self.has('Z') && !*tls {
            return closed(num::ERR_SECUREONLYCHAN);
        }
        if self.by_nick(nick).is_some() {
            return Err(nick_in_use(self, nick));
        }
        if self.members.len() >= limits::MEMBERS {
            let text = format!("A channel has at most {} members", limits::MEMBERS);
            return Err(Refusal::new(num::ERR_CHANNELISFULL, &[channel], &text));
        }
        Ok(())
    }

    /// Voice and above may always speak, except that under `+E` nobody with an unregistered account
    /// may speak.
    fn can_speak(&self, author: &UserId, me: &Member) -> Verdict {
        if !me.registered && self.has('E') {
            return Err(self.mute("its clients encrypt (+E), which takes a registered account"));
        }
        if me.at_least(Rank::Voice) {
            return Ok(());
        }
        if self.has('m') {
            return Err(self.mute("it is moderated (+m), and you have no voice"));
        }
        if !me.registered && self.has('R') {
            return Err(self.mute("it is for registered accounts (+R)"));
        }
        if self.index.is_banned(self, author) {
            return Err(self.mute("you are banned (+b)"));
        }
        Ok(())
    }

    fn can_kick(&self, author: UserId, me: &Member, target: &UserId) -> Verdict {
        let other = member(self, target)?;
        let (mine, theirs) = (me.rank(), other.rank());
        // A half-operator stands in for operators, so it removes only who stands below it.
        let enough = if mine == Some(Rank::Halfop) { theirs < mine } else { theirs <= mine };
        if *target == author || enough {
            return Ok(());
        }
        Err(protected(self, target))
    }

    fn can_change_modes(&self, author: UserId, me: &Member, changes: &[ModeChange]) -> Verdict {
        let channel = self.name.as_str();
        let mut clients_encrypt = self.has('E');
        let mut added: Vec<(char, String)> = Vec::new();
        for change in changes {
            let (add, letter) = (change.add, change.letter);
            let kind = ModeKind::of(letter).ok_or_else(|| unknown_mode(letter))?;
            let param = change.param.as_deref().unwrap_or_default();
            if let Some(why) = param_error(kind, add, change.param.as_deref()) {
                return Err(bad_param(channel, letter, param, &why));
            }
            if let ModeKind::Rank(rank) = kind {
                self.can_change_rank(author, me, add, rank, param)?;
                continue;
            }
            self.needs(me, setter(letter), &format!("Mode {letter}"))?;
            if kind == ModeKind::List && add {
                let whole = names::casefold(&mask::normalise(param));
                let known = self.entries(letter).iter().any(|e| names::casefold(&e.mask) == whole);
                if !known && !added.contains(&(letter, whole.clone())) {
                    added.push((letter, whole));
                }
                let fresh = added.iter().filter(|(l, _)| *l == letter).count();
                if self.entries(letter).len() + fresh > limits::MASKS {
                    let text = format!("List {letter} of {channel} is full: it has {} masks", limits::MASKS);
                    let shown = letter.to_string();
                    return Err(Refusal::new(num::ERR_BANLISTFULL, &[channel, &shown], &text));
                }
            }
            clients_encrypt |= add && letter == 'E';
            if clients_encrypt && !add && matches!(letter, 'E' | 'R' | 'Z') {
                return Err(
                    self.denied("A channel whose clients encrypt (+E) stays so, and stays +R and +Z with it")
                );
            }
        }
        Ok(())
    }

    fn can_change_rank(&self, author: UserId, me: &Member, add: bool, rank: Rank, param: &str) -> Verdict {
        let target = UserId::parse(param)
            .map_err(|e| bad_param(self.name.as_str(), rank.letter(), param, &e.to_string()))?;
        let other = member(self, &target)?;
        if !add && target == author {
            return Ok(());
        }
        self.needs(me, rank.giver(), &format!("Mode {}", rank.letter()))?;
        if !add && other.rank() > me.rank() {
            return Err(protected(self, &target));
        }
        Ok(())
    }

    fn can_set_topic(&self, author: &UserId, me: &Member) -> Verdict {
        if self.has('t') {
            return self.needs(me, Rank::Halfop, "The topic (+t)");
        }
        if !me.at_least(Rank::Voice) && self.index.is_banned(self, author) {
            return Err(self.denied("You are banned (+b) and can't set the topic"));
        }
        Ok(())
    }

    fn can_take_card(&self, act: &Act, me: &Member, card: &Card) -> Verdict {
        let fail = |text| Err(Refusal::new(num::ERR_UNKNOWNERROR, &["NICK"], text));
        if card.actor() != act.actor || !me.who.is_owner() {
            return fail("The card is somebody else's");
        }
        if self.actors.get(&act.actor).is_some_and(|known| card.rev() <= known.rev()) {
            return fail("The card is older than the one that is known");
        }
        self.can_take_nick(act.author, me, card.nick())
    }

    fn can_take_nick(&self, author: UserId, me: &Member, nick: &Nick) -> Verdict {
        if self.nick(&author) == Some(nick) {
            return Ok(());
        }
        if self.by_nick(nick).is_some() {
            return Err(nick_in_use(self, nick));
        }
        if !me.at_least(Rank::Voice) && self.index.is_banned(self, &author) {
            let (nick, channel) = (nick.as_str(), self.name.as_str());
            let text = format!("You can't change your nick while you are banned from {channel}");
            return Err(Refusal::new(num::ERR_UNAVAILRESOURCE, &[nick], &text));
        }
        Ok(())
    }

    fn can_invite(&self, me: &Member, target: &UserId) -> Verdict {
        if self.has('i') {
            self.needs(me, Rank::Halfop, "INVITE to a channel that is invite-only (+i)")?;
        }
        if let Some(nick) = self.nick(target) {
            return Err(Refusal::new(num::ERR_USERONCHANNEL, &[nick.as_str(), self.name.as_str()], ""));
        }
        Ok(())
    }
}
