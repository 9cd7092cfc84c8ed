//! Commands of sessions: queries are answered from the replica, changes become acts.

use serde_json::Value;

use crate::channel::{ActKind, Refusal, Who};
use crate::envelope::{Envelope, EnvelopeError};
use crate::ids::{ActorId, MsgId, UserId};
use crate::names::Nick;
use crate::node::border::{strange_meta, user_meta};
use crate::node::channel::{Channel, OutKind, Phase};
use crate::node::ctx::{Ctx, Origin};
use crate::numeric;

/// What may wait for a JOIN to be answered.
const LATER: usize = 20_000;

impl Channel {
    /// A command that names this channel.
    pub fn command(&mut self, cx: &mut Ctx, origin: &Origin, e: &Envelope) {
        if self.phase != Phase::Joined && e.command != "PART" {
            self.not_in(cx, origin, e);
            return;
        }
        match e.command.as_str() {
            "PRIVMSG" | "NOTICE" => self.say(cx, origin, e),
            "PART" => self.part(cx, origin, e),
            "TOPIC" => match e.lines().first() {
                None => {
                    for line in self.topic_lines(cx) {
                        cx.reply(origin, line);
                    }
                }
                Some(text) => {
                    let text = (*text).to_owned();
                    if text.len() > crate::limits::TOPIC {
                        let why = format!("A topic has at most {} bytes", crate::limits::TOPIC);
                        cx.numeric(origin, numeric::ERR_INPUTTOOLONG, &[self.name.as_str()], &why);
                        return;
                    }
                    self.do_act(cx, origin, &ActKind::Topic { text });
                }
            },
            "MODE" => self.mode(cx, origin, e),
            "KICK" => self.kick(cx, origin, e),
            "NAMES" => {
                for line in self.names_lines(cx) {
                    cx.reply(origin, line);
                }
            }
            "WHO" => self.who(cx, origin),
            "ROTATE" => self.do_act(cx, origin, &ActKind::Nothing { command: "ROTATE".into() }),
            "TYPING" => {
                if cx.cfg.send_typing {
                    self.send_typing(cx, e.params.first().map_or("active", String::as_str));
                }
            }
            _ => cx.numeric(origin, numeric::ERR_UNKNOWNCOMMAND, &[&e.command], ""),
        }
    }

    /// Lets something wait for the JOIN that is on its way, if one is, or a JOIN for our PART. PART
    /// waits only behind something that waits, and not once the user was told that nobody is there:
    /// to leave is to give up.
    pub fn wait_for_join(&mut self, cx: &mut Ctx, origin: &Origin, e: &Envelope) -> bool {
        let joins = |(_, e): &(Origin, Envelope)| e.command == "JOIN";
        let name = self.name.as_str();
        let waiting = match self.join.as_mut() {
            // Nobody there could be told, and nobody needs to be later.
            Some(_) if e.command == "TYPING" => return true,
            Some(join) if join.leave.is_some() => return false,
            Some(join) => {
                let again = join.later.iter().any(joins);
                if e.command == "PART" && (join.later.is_empty() || (join.waits_long() && !again)) {
                    return false;
                }
                &mut join.later
            }
            None => match self.outbox.iter_mut().rev().find(|out| out.template.command == "PART") {
                Some(part) if e.command == "JOIN" || !part.after.is_empty() => &mut part.after,
                _ => return false,
            },
        };
        if waiting.len() >= LATER {
            let text = format!("{LATER} commands wait for the JOIN of {name}: {} was not done", e.command);
            cx.numeric(origin, numeric::ERR_UNAVAILRESOURCE, &[name], &text);
            return true;
        }
        waiting.push((origin.clone(), e.clone()));
        cx.sent_by(Some(origin));
        true
    }

    /// The channel is not one that we are in.
    pub fn not_in(&self, cx: &mut Ctx, origin: &Origin, e: &Envelope) {
        let text = format!("You are not in {}: {} was not done", self.name, e.command);
        cx.numeric(origin, numeric::ERR_NOTONCHANNEL, &[self.name.as_str()], &text);
    }

    fn say(&mut self, cx: &mut Ctx, origin: &Origin, e: &Envelope) {
        if e.lines().iter().all(|l| l.is_empty()) {
            cx.numeric(origin, numeric::ERR_NOTEXTTOSEND, &[self.name.as_str()], "");
            return;
        }
        let id = match given_id(cx, e) {
            Ok(id) => id,
            Err(text) => return cx.error(origin, text),
        };
        let mut template = Envelope { body: e.body.clone(), ..Envelope::new(e.command.clone()) };
        template.meta = user_meta(e);
        if let Some(why) = strange_meta(e) {
            return self.unfit(cx, Some(origin), id, &why);
        }
        self.submit(cx, template, Some(origin.clone()), OutKind::Kept, id);
    }

    fn part(&mut self, cx: &mut Ctx, origin: &Origin, e: &Envelope) {
        if self.phase == Phase::Joining {
            self.leave_early(cx, origin);
            return;
        }
        let reason = e.lines().first().map(|r| cut(r, crate::limits::REASON)).unwrap_or_default();
        self.do_act(cx, origin, &ActKind::Part { reason });
    }

    /// Submits an act, or says at once why it would be refused.
    fn do_act(&mut self, cx: &mut Ctx, origin: &Origin, kind: &ActKind) {
        if let Some(replica) = &self.replica
            && let Err(refusal) = replica.state.allows(cx.me().owner(), kind.clone())
        {
            self.say_no(cx, origin, &refusal);
            return;
        }
        self.submit(
            cx,
            crate::node::channel::member::outbox::template(kind),
            Some(origin.clone()),
            OutKind::Kept,
            None,
        );
    }

    fn say_no(&self, cx: &mut Ctx, origin: &Origin, refusal: &Refusal) {
        let nick = cx.nick().as_str().to_owned();
        cx.reply(origin, refusal.to_envelope(&nick));
    }

    fn mode(&mut self, cx: &mut Ctx, origin: &Origin, e: &Envelope) {
        let Some(replica) = &self.replica else { return };
        if e.params.is_empty() {
            self.mode_line(cx, origin);
            let created = (replica.fold.created / 1000).to_string();
            cx.numeric(origin, numeric::RPL_CREATIONTIME, &[self.name.as_str(), &created], "");
            return;
        }
        match replica.state.parse_modes(&e.params) {
            Err(refusal) => self.say_no(cx, origin, &refusal),
            Ok(request) => {
                for letter in &request.lists {
                    self.list(cx, origin, *letter);
                }
                if request.lists.is_empty() && request.changes.is_empty() {
                    return self.mode_line(cx, origin);
                }
                if !request.changes.is_empty() {
                    self.do_act(cx, origin, &ActKind::Mode { changes: request.changes });
                }
            }
        }
    }

    /// The modes that are set: what there is, and what answers a MODE that changed nothing.
    pub(in crate::node::channel) fn mode_line(&self, cx: &mut Ctx, origin: &Origin) {
        let Some(replica) = &self.replica else { return };
        let (modes, params) = replica.state.mode_string(true);
        let mut all: Vec<&str> = vec![self.name.as_str(), &modes];
        all.extend(params.iter().map(String::as_str));
        cx.numeric(origin, numeric::RPL_CHANNELMODEIS, &all, "");
    }

    fn list(&self, cx: &mut Ctx, origin: &Origin, letter: char) {
        let Some(replica) = &self.replica else { return };
        let (entry, end) = match letter {
            'e' => (numeric::RPL_EXCEPTLIST, numeric::RPL_ENDOFEXCEPTLIST),
            'I' => (numeric::RPL_INVEXLIST, numeric::RPL_ENDOFINVEXLIST),
            _ => (numeric::RPL_BANLIST, numeric::RPL_ENDOFBANLIST),
        };
        for (mask, by, at) in replica.state.list(letter) {
            cx.numeric(origin, entry, &[self.name.as_str(), &mask, &by, &(at / 1000).to_string()], "");
        }
        cx.numeric(origin, end, &[self.name.as_str()], "");
    }

    fn kick(&mut self, cx: &mut Ctx, origin: &Origin, e: &Envelope) {
        // One after the other, or with commas as IRC has them (RFC 2812, section 3.2.8).
        let nicks: Vec<&str> = e.params.iter().flat_map(|p| p.split(',')).filter(|n| !n.is_empty()).collect();
        if nicks.is_empty() {
            cx.numeric(origin, numeric::ERR_NEEDMOREPARAMS, &["KICK"], "");
            return;
        }
        if nicks.len() > crate::limits::TARGETS {
            let text = format!("One KICK has at most {} nicks: nobody was kicked", crate::limits::TARGETS);
            cx.numeric(origin, numeric::ERR_TOOMANYTARGETS, &[self.name.as_str()], &text);
            return;
        }
        let reason = e.lines().first().map(|r| cut(r, crate::limits::REASON)).unwrap_or_default();
        for nick in nicks {
            match self.member(nick) {
                Some(target) => {
                    self.do_act(cx, origin, &ActKind::Kick { target, reason: reason.clone() });
                }
                None => {
                    cx.numeric(origin, numeric::ERR_USERNOTINCHANNEL, &[nick, self.name.as_str()], "");
                }
            }
        }
    }

    /// INVITE: the target is known by now.
    pub fn invite(&mut self, cx: &mut Ctx, origin: &Origin, target: ActorId) {
        self.do_act(cx, origin, &ActKind::Invite { target: target.owner() });
    }

    /// A member by nick or user id.
    pub fn member(&self, nick: &str) -> Option<UserId> {
        let replica = self.replica.as_ref()?;
        if let Ok(user) = UserId::parse(nick) {
            return replica.state.members.contains_key(&user).then_some(user);
        }
        replica.state.by_nick(&Nick::parse(nick).ok()?).map(|(user, _)| *user)
    }

    fn who(&self, cx: &mut Ctx, origin: &Origin) {
        let name = self.name.as_str();
        if let Some(replica) = &self.replica {
            for (user, member, card) in replica.state.all_seen() {
                let away = member.who.is_owner() && cx.contacts.is_away(&member.actor);
                let here = if away { "G" } else { "H" };
                let flags = format!("{here}{}", replica.state.rank_prefixes(user));
                let prefix = member.who.prefix(card);
                let (nick, address) = prefix.split_once('!').unwrap_or((&prefix, ""));
                let (login, host) = address.split_once('@').unwrap_or((address, ""));
                let real = match &member.who {
                    Who::Hosted(hosted) if !hosted.realname.is_empty() => hosted.realname.as_str(),
                    _ => nick,
                };
                let params = [name, login, host, "kirc", nick, &flags];
                cx.numeric(origin, numeric::RPL_WHOREPLY, &params, &format!("0 {real}"));
            }
        }
        cx.numeric(origin, numeric::RPL_ENDOFWHO, &[name], "");
    }

    /// The channel in a STATUS.
    pub fn status(&self, cx: &Ctx) -> Value {
        let fold = self.replica.as_ref().map(|r| &r.fold);
        let phase = match self.phase {
            Phase::Left => "left",
            Phase::Joining if self.join.as_ref().is_some_and(crate::node::channel::Join::waits_long) => {
                "leaderless"
            }
            Phase::Joining => "joining",
            Phase::Joined if !self.awaiting_key.is_empty() => "waiting-for-key",
            Phase::Joined if self.catch_up_end.is_some() => "catching-up",
            Phase::Joined if fold.is_some_and(|f| f.resigned) => "leaderless",
            Phase::Joined => "joined",
        };
        let waiting = self.outbox.iter().filter(|o| o.kind == OutKind::Kept).count();
        let why = if waiting > 0 || phase != "joined" { self.obstacle(cx).unwrap_or_default() } else { "" };
        serde_json::json!({
            "phase": phase,
            "leader": fold.map(|f| self.nick_of(cx, &f.leader.owner())),
            "leading": self.leading(),
            "term": fold.map_or(0, |f| f.term.0),
            "epoch": fold.map_or(0, |f| f.epoch.0),
            "members": self.replica.as_ref().map_or(0, |r| r.state.members.len()),
            "waiting": waiting,
            "since": Value::Null,
            "why": why,
        })
    }
}

/// An id that a session chose: a UUID that is larger than all before, or none.
pub(crate) fn given_id(cx: &Ctx, e: &Envelope) -> Result<Option<MsgId>, String> {
    let Some(text) = &e.id else { return Ok(None) };
    let id = MsgId::parse(text).map_err(|e| e.to_string())?;
    let fresh = id > cx.last_id && text.as_bytes().get(14) == Some(&b'7');
    if !fresh || id.millis() > cx.now.wall + cx.cfg.clock_skew {
        return Err(format!(
            "the id {text} is not a UUIDv7 of now that is larger than all before: leave it out, and one is made"
        ));
    }
    Ok(Some(id))
}

/// Whether what an author hands in can be read by others, by the same rules by which they will read
/// it.
pub(crate) fn fit(template: &Envelope) -> Result<(), EnvelopeError> {
    template.check()?;
    ActKind::parse(template).map(drop)
}

/// At most this many bytes, cut at a character.
pub(crate) fn cut(text: &str, bytes: usize) -> String {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
