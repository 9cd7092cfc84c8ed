//! Commands of sessions, dispatched to the modules that handle them. It decides nothing about
//! channels or keys.

use super::channel::{Join, given_id};
use super::config::Home;
use super::ctx::Origin;
use super::*;
use crate::channel::Refusal;
use crate::envelope::{Body, EnvelopeError};
use crate::identity::Card;
use crate::ids::MsgId;
use crate::names::ChannelName;
use crate::numeric;
use crate::port::{MessageRow, SessionId, SignalOp, StoreOp, Table};

impl Node {
    pub(super) fn on_command(&mut self, session: SessionId, e: Envelope) {
        let origin = Origin { session, label: e.meta.get("label").cloned() };
        if let Err(why) = e.check() {
            return self.unfit(&origin, &e, &why);
        }
        // Of what people say the text is checked where all of it is.
        let said = matches!(e.command.as_str(), "PRIVMSG" | "NOTICE");
        if let (false, Some(Body::Array(lines))) = (said, &e.body)
            && !lines.iter().all(Value::is_string)
        {
            let why = EnvelopeError::Form("its body holds something that is no text".into());
            return self.unfit(&origin, &e, &why);
        }
        if self.waits_for_join(&origin, &e) {
            return;
        }
        match e.command.as_str() {
            "HELLO" => self.hello(&origin, &e),
            "JOIN" => self.join(&origin, &e),
            "PRIVMSG" | "NOTICE" | "TYPING" | "NAMES" | "WHO" | "MODE" | "TOPIC" | "PART" | "KICK"
            | "ROTATE" => {
                self.say_to(&origin, &e);
            }
            "INVITE" => self.invite(&origin, &e),
            "WHOIS" => self.whois(&origin, &e),
            "LIST" => {
                self.cx.signal(SignalOp::Keys { prefix: "channel:".into() }, PendingOp::ListNames(origin))
            }
            "AWAY" => self.set_away(&origin, &e),
            "NICK" => self.nick(&origin, &e),
            "HISTORY" => self.history(&origin, &e),
            "MARKREAD" => self.markread(&origin, &e),
            "STATUS" => {
                let status = self.status();
                self.cx.reply(&origin, status);
            }
            "PING" => {
                let mut pong = Envelope::new("PONG");
                pong.params = e.params;
                self.cx.reply(&origin, pong);
            }
            "FLUSH" => match self.cx.sessions.get_mut(&session) {
                Some(s) if s.unsettled > 0 => s.flush = Some(origin),
                _ => self.cx.reply(&origin, Envelope::new("FLUSH")),
            },
            "VERIFY" => self.verify(&origin, &e),
            "CONTACT" => self.contact(&origin, &e),
            "INVITATION" => self.invitation(&origin, &e),
            "PROFILE" => self.on_profile(&origin, &e),
            "CARD" => {
                let card = serde_json::to_value(self.cx.card.envelope()).unwrap_or_default();
                self.cx.reply(&origin, Envelope::new("CARD").field("card", card));
            }
            "QUIT" => {
                self.cx.sessions.remove(&session);
            }
            other => {
                let text = format!("{other} is not a command that is known here");
                self.cx.numeric(&origin, numeric::ERR_UNKNOWNCOMMAND, &[other], &text);
            }
        }
    }

    /// Refuses an envelope that is too large or malformed, whatever it is: nobody could read it.
    fn unfit(&mut self, origin: &Origin, e: &Envelope, why: &EnvelopeError) {
        let error = Envelope::new("ERROR").line(format!("{} was not done: {why}", e.command));
        let error = match &e.id {
            Some(id) => error.meta("id", id.as_str()),
            None => error,
        };
        self.cx.reply(origin, error);
        self.refused_at_once(origin, e);
    }

    /// Whether a command to a channel must wait for the JOIN before it, or a JOIN for the PART.
    /// What waits keeps its order.
    fn waits_for_join(&mut self, origin: &Origin, e: &Envelope) -> bool {
        let name = match e.command.as_str() {
            "INVITE" => e.params.first(),
            "HISTORY" if e.to.as_deref().is_none_or(|to| self.history_target(to).is_none()) => e.to.as_ref(),
            "JOIN" | "PRIVMSG" | "NOTICE" | "TYPING" | "NAMES" | "WHO" | "MODE" | "TOPIC" | "PART"
            | "KICK" | "ROTATE" => e.to.as_ref(),
            _ => None,
        };
        let Some(name) = name.cloned().filter(|n| n.starts_with('#')) else { return false };
        self.channel(&name).is_some_and(|(channel, cx)| channel.wait_for_join(cx, origin, e))
    }

    fn hello(&mut self, origin: &Origin, e: &Envelope) {
        let caps = e.meta.get("caps").and_then(Value::as_array);
        let caps: Vec<String> =
            caps.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let Some(session) = self.cx.sessions.get_mut(&origin.session) else {
            return;
        };
        session.caps = caps;
        let (status, replay) = (session.has("status"), session.has("replay"));
        let nick = self.cx.nick().as_str().to_owned();
        let welcome = numeric::reply(numeric::RPL_WELCOME, &nick, &[], &format!("Welcome to kirc, {nick}"));
        let welcome = welcome.meta("actor", self.cx.me().to_string());
        self.cx.reply(origin, welcome);
        self.tell_home(origin);
        self.tell_endings(origin);
        if status {
            let e = self.status();
            self.cx.deliver(origin.session, e);
        }
        if replay {
            let plain = Origin { session: origin.session, label: None };
            for channel in self.channels.values_mut().filter(|c| c.phase == Phase::Joined) {
                channel.show_replay(&mut self.cx, &plain);
            }
            self.tell_marks(origin.session);
        }
    }

    fn join(&mut self, origin: &Origin, e: &Envelope) {
        let to = e.to.clone().unwrap_or_default();
        let name = match ChannelName::parse(&to) {
            Ok(name) => name,
            Err(why) => {
                return self.cx.numeric(origin, numeric::ERR_BADCHANMASK, &[&to], &why.to_string());
            }
        };
        let (name, home) = match self.place_of(name) {
            Ok(place) => place,
            Err(text) => return self.cx.numeric(origin, numeric::ERR_NOSUCHCHANNEL, &[&to], &text),
        };
        if self.cx.stopping {
            return self.cx.error(origin, "The node is ending: join again when it is back");
        }
        let key = name.folded();
        if let Some(channel) = self.channels.get_mut(&key) {
            if let Some(refusal) = unfit_key(&to, e.params.first()) {
                let nick = self.cx.nick().as_str().to_owned();
                return self.cx.reply(origin, refusal.to_envelope(&nick));
            }
            channel.rejoin(&mut self.cx, origin, e.params.first());
            return;
        }
        if self.channels.len() >= crate::limits::CHANNELS {
            let text = format!("You are in {} channels, the most that a node can be in", self.channels.len());
            return self.cx.numeric(origin, numeric::ERR_TOOMANYCHANNELS, &[&to], &text);
        }
        if let Some(refusal) = unfit_key(&to, e.params.first()) {
            let nick = self.cx.nick().as_str().to_owned();
            return self.cx.reply(origin, refusal.to_envelope(&nick));
        }
        self.cx.sent_by(Some(origin));
        if home.cluster == self.cx.cfg.home.cluster {
            self.settle_home();
        }
        let mut channel = Channel::new(&home, name);
        channel.begin_join(&mut self.cx, Join::new(vec![origin.clone()], e.params.first().cloned()));
        self.channels.insert(key, channel);
    }

    /// The channel's name here and the grid that it is on.
    fn place_of(&self, name: ChannelName) -> Result<(ChannelName, Home), String> {
        let Some(nick) = name.contact() else {
            return Ok((name, self.cx.cfg.home.clone()));
        };
        let owner = self.find(nick).and_then(|a| self.cx.contacts.card(&a));
        let Some(owner) = owner else {
            return Err(format!("{nick} is nobody you know: accept an invite by {nick} first"));
        };
        let cluster = &owner.address().cluster;
        if *cluster == self.cx.cfg.home.cluster {
            // It is the same grid: so is the channel.
            let local = ChannelName::parse(name.local()).map_err(|e| e.to_string())?;
            return Ok((local, self.cx.cfg.home.clone()));
        }
        match self.cx.place(cluster) {
            Some(home) => Ok((name, home)),
            None => {
                Err(format!("How to reach the grid of {nick} is not known: accept an invite by {nick} first"))
            }
        }
    }

    fn say_to(&mut self, origin: &Origin, e: &Envelope) {
        let to = e.to.clone().unwrap_or_default();
        if to.is_empty() {
            return self.cx.numeric(origin, numeric::ERR_NORECIPIENT, &[&e.command], "");
        }
        if to.starts_with('#') {
            match self.channel(&to) {
                Some((channel, cx)) => channel.command(cx, origin, e),
                None => {
                    let text = format!("You are not in {to}: join it first");
                    self.cx.numeric(origin, numeric::ERR_NOTONCHANNEL, &[&to], &text);
                    self.refused_at_once(origin, e);
                }
            }
            return;
        }
        match e.command.as_str() {
            "PRIVMSG" | "NOTICE" => self.direct(origin, &to, e),
            "TYPING" => {
                if let Some(actor) = self.find(&to).filter(|_| self.cx.cfg.send_typing) {
                    let state = e.params.first().map_or("active", String::as_str).to_owned();
                    self.cx.send_direct_typing(actor, &state);
                }
            }
            "WHO" => self.who(origin, &to),
            _ => self.cx.numeric(origin, numeric::ERR_NOSUCHCHANNEL, &[&to], ""),
        }
    }

    /// Reports the refusal of a message that was never accepted, with its id.
    fn refused_at_once(&mut self, _origin: &Origin, e: &Envelope) {
        if let Some(id) = &e.id {
            let state = Envelope::new("STATE").to(e.to.clone().unwrap_or_default()).param("failed");
            self.cx.broadcast_cap("state", &Envelope { id: Some(id.clone()), ..state });
        }
    }

    fn direct(&mut self, origin: &Origin, to: &str, e: &Envelope) {
        let Ok(found) = self.whom(origin, to) else {
            return self.refused_at_once(origin, e);
        };
        let Some(actor) = found else {
            let text = format!(
                "{to} is nobody you know: meet in a channel, accept an invite, or look for a published profile with /profile find {to}"
            );
            // A NOTICE is answered by no numeric (RFC 2812, section 3.3.2): whoever asked is told
            // all the same.
            return match e.command.as_str() {
                "NOTICE" => self.cx.error(origin, text),
                _ => self.cx.numeric(origin, numeric::ERR_NOSUCHNICK, &[to], &text),
            };
        };
        if e.lines().iter().all(|l| l.is_empty()) {
            return self.cx.numeric(origin, numeric::ERR_NOTEXTTOSEND, &[to], "");
        }
        if actor == self.cx.me() {
            return self.cx.numeric(origin, numeric::ERR_NOSUCHNICK, &[to], "That is you");
        }
        let id = match given_id(&self.cx, e) {
            Ok(id) => id,
            Err(text) => return self.cx.error(origin, text),
        };
        let Some(card) = self.cx.contacts.card(&actor).cloned() else {
            return;
        };
        self.remember_contact(&card);
        let mut template = Envelope { body: e.body.clone(), ..Envelope::new(e.command.clone()) };
        template.meta = border::user_meta(e);
        if let Err(why) = border::strange_meta(e).map_or_else(|| channel::fit(&template), Err) {
            let mut no = Refusal::unfit(to, &why).to_envelope(self.cx.nick().as_str());
            if let Some(id) = &e.id {
                no.meta.insert("id".into(), id.as_str().into());
            }
            self.cx.reply(origin, no);
            return self.refused_at_once(origin, e);
        }
        let direct = self.directs.or_default(actor);
        direct.submit(&mut self.cx, &card, template, origin.clone(), id);
        if self.cx.contacts.is_away(&actor) && e.command != "NOTICE" {
            let text = self.cx.contacts.presence.get(&actor).map(|p| p.text.clone()).unwrap_or_default();
            let nick = card.nick().as_str().to_owned();
            self.cx.numeric(
                origin,
                numeric::RPL_AWAY,
                &[&nick],
                if text.is_empty() { "away" } else { &text },
            );
        }
    }

    /// Handles WHO for a nick: one line, if the person is known.
    fn who(&mut self, origin: &Origin, nick: &str) {
        if let Some(actor) = self.find(nick)
            && let Some(card) = self.cx.contacts.card(&actor).cloned()
        {
            let here = if self.cx.contacts.is_away(&actor) { "G" } else { "H" };
            let (actor, nick) = (actor.to_string(), card.nick().as_str());
            let params = ["*", &actor, card.address().cluster.as_str(), "kirc", nick, here];
            self.cx.numeric(origin, numeric::RPL_WHOREPLY, &params, &format!("0 {nick}"));
        }
        self.cx.numeric(origin, numeric::RPL_ENDOFWHO, &[nick], "");
    }

    pub(super) fn pump_direct(&mut self, peer: &ActorId) {
        let card: Option<Card> = self.cx.contacts.card(peer).cloned();
        if let (Some(direct), Some(card)) = (self.directs.get_mut(peer), card) {
            direct.pump(&mut self.cx, &card);
        }
    }

    fn invite(&mut self, origin: &Origin, e: &Envelope) {
        let nick = e.to.clone().unwrap_or_default();
        let Some(name) = e.params.first().cloned() else {
            return self.cx.numeric(origin, numeric::ERR_NEEDMOREPARAMS, &["INVITE"], "");
        };
        let Ok(target) = self.whom(origin, &nick) else { return };
        let Some(target) = target else {
            return self.cx.numeric(origin, numeric::ERR_NOSUCHNICK, &[&nick], "");
        };
        match self.channel(&name) {
            Some((channel, cx)) if channel.phase == Phase::Joined => channel.invite(cx, origin, target),
            _ => self.cx.numeric(origin, numeric::ERR_NOTONCHANNEL, &[&name], ""),
        }
    }

    fn set_away(&mut self, origin: &Origin, e: &Envelope) {
        let text =
            e.lines().first().map(|t| channel::cut(t, crate::limits::REASON)).filter(|t| !t.is_empty());
        self.away.clone_from(&text);
        match &text {
            Some(text) => self.cx.put_sealed(Table::Setting, "away", text),
            None => self.cx.store(StoreOp::Delete { table: Table::Setting, key: "away".into() }),
        }
        let numeric = if text.is_some() { numeric::RPL_NOWAWAY } else { numeric::RPL_UNAWAY };
        self.cx.numeric(origin, numeric, &[], "");
        self.cx.say_presence(text.as_deref(), true);
        self.cx.status_dirty = true;
    }

    pub(super) fn unseal(&self, row: &MessageRow) -> Option<Envelope> {
        let plain = self.cx.id.open_local(&row.sealed).ok()?;
        let mut e: Envelope = serde_json::from_slice(&plain).ok()?;
        if e.meta.contains_key("state") {
            let state = if self.peer_has_read(row) { "read" } else { row.state.as_str() };
            e.meta.insert("state".into(), Value::String(state.to_owned()));
        }
        e.meta.remove("label");
        Some(e)
    }

    /// Whether it is a direct message of ours that the peer has read, according to a receipt for it
    /// or a later one.
    fn peer_has_read(&self, row: &MessageRow) -> bool {
        let settled =
            matches!(row.state.as_str(), "sent" | "delivered") && row.author == self.cx.me().to_string();
        let peer =
            row.target.strip_prefix('@').filter(|_| settled).and_then(|peer| ActorId::parse(peer).ok());
        let direct = peer.and_then(|peer| self.directs.get(&peer));
        MsgId::parse(&row.id).is_ok_and(|id| direct.is_some_and(|direct| direct.has_read(id)))
    }

    /// Handles the held messages of a person whose new key was accepted.
    pub(super) fn on_held(&mut self, actor: ActorId, result: Result<Answer, PortError>) {
        let Ok(Answer::History { rows, .. }) = result else {
            return;
        };
        for row in rows.iter().filter(|r| r.state == "held") {
            let Some(mut e) = self.unseal(row) else {
                continue;
            };
            e.meta.insert("state".into(), Value::String("sent".into()));
            if let Some(direct) = self.directs.get_mut(&actor) {
                direct.shown(&mut self.cx, &actor, &e);
            }
            self.cx.broadcast(&e, None);
            let target = start::direct_target(&actor);
            let op = StoreOp::MessageState { target, id: row.id.clone(), state: "sent".into() };
            self.cx.store(op);
        }
    }
}

/// The refusal of a key that no channel can have: it counts as a wrong key.
fn unfit_key(channel: &str, key: Option<&String>) -> Option<Refusal> {
    key.filter(|k| k.len() > crate::limits::KEY).map(|key| {
        let why = format!("A channel's key has at most {} bytes, this one {}", crate::limits::KEY, key.len());
        Refusal::new(numeric::ERR_BADCHANNELKEY, &[channel], &why)
    })
}
