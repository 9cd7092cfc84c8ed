//! What sessions see of the log: each act as IRC would show it. It changes nothing in the channel.

use serde_json::{Value, json};

use crate::channel::{ActKind, Change, render_modes};
use crate::envelope::{Envelope, format_ts};
use crate::ids::{ActorId, MsgId, Seq};
use crate::log::{AppliedAct, Opened};
use crate::names::casefold;
use crate::node::border::user_meta;
use crate::node::channel::{Channel, Out};
use crate::node::ctx::{Ctx, Origin, notice};
use crate::numeric;
use crate::port::StoreOp;

impl Channel {
    /// Shows an act that counts, settles it if it is our own, and keeps it.
    pub fn show(&mut self, cx: &mut Ctx, AppliedAct { opened, change, seq }: &AppliedAct) {
        let own = opened.act.author == cx.me().owner();
        let out = if own { self.settle(cx, opened.act.id) } else { None };
        if own && out.is_none() {
            self.remember(cx, opened.act.id);
        }
        if let (false, Some(way)) = (own, opened.envelope.get("way"))
            && let Some(card) = self.replica.as_ref().and_then(|r| r.state.actors.get(&opened.act.actor))
        {
            let cluster = card.address().cluster.clone();
            cx.learn(&cluster, opened.act.actor, false, way);
        }
        if let (false, ActKind::Card { card }) = (own, &opened.act.kind) {
            // Also if nothing of it is shown here: who asks for it reads it.
            cx.meet(card);
        }
        let message = opened.act.kind.is_said();
        let before = message && self.shown_before(cx, opened);
        let shown = self.shown(cx, opened, change, *seq).filter(|_| !before);
        let Some(e) = shown else {
            if let Some(origin) = out.as_ref().and_then(|o| o.origin.as_ref())
                && matches!(opened.act.kind, ActKind::Mode { .. })
            {
                // It changed nothing: the answer is what there is.
                self.mode_line(cx, origin);
            }
            self.settled(cx, out.as_ref(), opened);
            return;
        };
        if let Some(row) = self.row(cx, &opened.act.author, &e, *seq, "sent") {
            cx.store(StoreOp::Message(row));
        }
        self.mark.shown(&e);
        cx.broadcast(&e, out.as_ref().and_then(|o| o.origin.as_ref()));
        if let (false, ActKind::Join { card: Some(card), .. }) = (own, &opened.act.kind) {
            self.on_joined(cx, card);
        }
        self.settled(cx, out.as_ref(), opened);
    }

    /// What an act is called at the doors.
    pub(in crate::node::channel) fn shown(
        &self,
        cx: &Ctx,
        opened: &Opened,
        change: &Change,
        seq: Seq,
    ) -> Option<Envelope> {
        let act = &opened.act;
        let source = change.source.as_deref().unwrap_or_default();
        let nick = source.split('!').next().unwrap_or_default();
        let mut e = Envelope::new(act.kind.command())
            .from(nick)
            .to(self.name.as_str())
            .meta("actor", act.actor.to_string())
            .meta("seq", seq.0);
        e.id.clone_from(&opened.envelope.id);
        e.ts.clone_from(&opened.envelope.ts);
        if act.author != act.actor.owner() {
            e.meta.insert("user".into(), json!(act.author));
        }
        if act.author == cx.me().owner() {
            e.meta.insert("self".into(), Value::Bool(true));
        }
        match &act.kind {
            ActKind::Message | ActKind::Notice => {
                e.body.clone_from(&opened.envelope.body);
                e.meta.extend(user_meta(&opened.envelope));
                if act.author == cx.me().owner() && opened.envelope.meta.contains_key("alone") {
                    // Nobody else can say it of what stands in the log.
                    e.meta.insert("alone".into(), Value::Bool(true));
                }
                e.meta.insert("state".into(), json!("sent"));
                // Keys are compared with owners. What a node hosts, it vouches for.
                let owner = act.author == act.actor.owner();
                e.meta.insert("verified".into(), json!(owner && cx.contacts.verified(&act.actor)));
                if let Some(other) = cx.contacts.namesake_of(&act.actor).filter(|_| owner) {
                    e.meta.insert("namesake".into(), Value::Bool(true));
                    if casefold(nick) != other.as_folded() {
                        e.meta.insert("looks_like".into(), json!(other.as_str()));
                    }
                }
                let own = casefold(cx.nick().as_str());
                if act.author != cx.me().owner() && mentions(&opened.envelope, &own) {
                    e.meta.insert("mention".into(), Value::Bool(true));
                }
            }
            ActKind::Join { .. } => {}
            ActKind::Part { reason } => e = with_reason(e, reason),
            ActKind::Kick { target, reason } => {
                let left = change.left_nick.as_ref().map(|n| n.as_str().to_owned());
                e = e.param(left.unwrap_or_else(|| self.nick_of(cx, target)));
                e = with_reason(e, reason);
                e = e.meta("target", target.to_string());
            }
            ActKind::Mode { .. } => {
                if change.modes.is_empty() {
                    return None;
                }
                let (modes, params) = render_modes(&change.modes, |a| Some(self.nick_of(cx, a)));
                e = e.param(modes);
                e.params.extend(params);
            }
            ActKind::Topic { text } => e = e.line(text.as_str()),
            ActKind::Card { card } => {
                change.nick.as_ref()?;
                e = e.param(card.nick().as_str());
            }
            ActKind::User { user } => {
                change.nick.as_ref()?;
                e = e.param(user.nick.as_str());
            }
            ActKind::Invite { target } => {
                e = e.param(self.nick_of(cx, target)).meta("target", target.to_string());
            }
            ActKind::Nothing { .. } => return None,
        }
        Some(e)
    }

    /// What else the asker is told of its own act, and what follows from it.
    fn settled(&mut self, cx: &mut Ctx, out: Option<&Out>, opened: &Opened) {
        let Some(out) = out else { return };
        if let (ActKind::Invite { target }, Some(origin)) = (&opened.act.kind, &out.origin) {
            let nick = self.nick_of(cx, target);
            cx.numeric(origin, numeric::RPL_INVITING, &[&nick, self.name.as_str()], "");
        }
        if let ActKind::Invite { target } = &opened.act.kind {
            let channel = self.target();
            cx.tell_invited(ActorId(target.0), &self.room, &self.grid, &channel);
        }
        if opened.act.kind.command() == "ROTATE" {
            self.rotate_asked(cx, out.origin.as_ref());
        }
        cx.settled_by(out.origin.as_ref());
    }

    /// An operator asked for a new epoch, and the log has it: the leader begins one.
    fn rotate_asked(&mut self, cx: &mut Ctx, origin: Option<&Origin>) {
        if let Some(origin) = origin {
            let text = format!("a new key for {} is on its way", self.name);
            let e = notice(self.name.as_str(), text);
            cx.reply(origin, e);
        }
    }

    fn on_joined(&mut self, cx: &mut Ctx, card: &crate::identity::Card) {
        cx.meet(card);
        cx.look_at_people(std::iter::once(card.actor()));
    }

    /// Our own JOIN, as sessions hear it. It stands at the place from which on we read: where it
    /// stood in the log we never see.
    pub(in crate::node::channel) fn said_join(&self, cx: &Ctx, id: Option<MsgId>) -> Envelope {
        let seq = self.replica.as_ref().map_or(Seq(0), |r| r.fold.seq);
        let e = Envelope::new("JOIN")
            .from(cx.nick().as_str())
            .to(self.name.as_str())
            .meta("actor", cx.me().to_string())
            .meta("self", true)
            .meta("seq", seq.0);
        Envelope { id: id.map(|i| i.to_string()), ts: id.map(|i| format_ts(i.millis())), ..e }
    }

    /// What a session gets that comes to a channel that we are in: the channel, and how far it is
    /// read.
    pub fn show_replay(&mut self, cx: &mut Ctx, origin: &Origin) {
        let said = self.said_join(cx, None);
        self.show_entered(cx, std::slice::from_ref(origin), said, true);
        cx.deliver(origin.session, self.mark.told(self.name.as_str()));
    }

    /// What a session gets when it is in: JOIN, topic, names.
    pub(in crate::node::channel) fn show_entered(
        &mut self,
        cx: &mut Ctx,
        origins: &[Origin],
        said: Envelope,
        replay: bool,
    ) {
        let mut lines = vec![said];
        lines.extend(self.topic_lines(cx).into_iter().filter(|e| e.command != "331"));
        lines.extend(self.names_lines(cx));
        let targets: Vec<crate::port::SessionId> = if replay {
            origins.iter().map(|o| o.session).collect()
        } else {
            cx.sessions.keys().copied().collect()
        };
        for session in targets {
            let label = origins.iter().find(|o| o.session == session).and_then(|o| o.label.clone());
            for line in &lines {
                let mut line = line.clone();
                if replay {
                    line.meta.insert("replay".into(), Value::Bool(true));
                }
                if let Some(label) = &label {
                    line.meta.insert("label".into(), label.clone());
                }
                cx.deliver(session, line);
            }
        }
    }

    /// 332 and 333, or 331.
    pub fn topic_lines(&self, cx: &Ctx) -> Vec<Envelope> {
        let nick = cx.nick().as_str();
        let name = self.name.as_str();
        match self.replica.as_ref().and_then(|r| r.state.topic()) {
            Some((text, by, at)) => vec![
                numeric::reply(numeric::RPL_TOPIC, nick, &[name], text),
                numeric::reply(numeric::RPL_TOPICWHOTIME, nick, &[name, by, &(at / 1000).to_string()], ""),
            ],
            None => vec![numeric::reply(numeric::RPL_NOTOPIC, nick, &[name], "")],
        }
    }

    /// 353, as many as it takes, and 366.
    pub fn names_lines(&self, cx: &Ctx) -> Vec<Envelope> {
        let nick = cx.nick().as_str();
        let name = self.name.as_str();
        let mut out = Vec::new();
        if let Some(replica) = &self.replica {
            let kind = if replica.state.has('s') {
                "@"
            } else if replica.state.has('p') {
                "*"
            } else {
                "="
            };
            let state = &replica.state;
            let names: Vec<String> = state
                .all_seen()
                .map(|(user, m, card)| format!("{}{}", state.rank_prefixes(user), m.who.nick(card)))
                .collect();
            for chunk in names.chunks(50) {
                let mut e = Envelope::new("353").to(nick).param(kind).param(name);
                for name in chunk {
                    e = e.line(name.as_str());
                }
                out.push(e);
            }
        }
        out.push(numeric::reply(numeric::RPL_ENDOFNAMES, nick, &[name], ""));
        out
    }
}

fn with_reason(e: Envelope, reason: &str) -> Envelope {
    if reason.is_empty() { e } else { e.line(reason) }
}

/// Whether a text names a nick, as a word of its own.
fn mentions(e: &Envelope, folded: &str) -> bool {
    let part_of_nick = |c: char| c.is_ascii_alphanumeric() || "[]\\`_^{|}-~".contains(c);
    e.lines().iter().any(|line| casefold(line).split(|c: char| !part_of_nick(c)).any(|word| word == folded))
}
