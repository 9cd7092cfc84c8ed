//! The outbox: a member's own acts in order, sent to the leader, settled when they appear in the
//! log, and sent again until then.

use std::sync::Arc;

use serde_json::json;

use crate::channel::{Act, ActKind, Refusal};
use crate::envelope::{Envelope, EnvelopeError};
use crate::ids::{Count, Millis, MsgId, Seq};
use crate::limits;
use crate::log::{Opened, RelayRequest, SealedAct};
use crate::node::channel::leader::sequencer::Taken;
use crate::node::channel::member::command::fit;
use crate::node::channel::member::sign::{Stamp, seal_act, sign_act};
use crate::node::channel::{Channel, Phase};
use crate::node::ctx::{Ctx, Origin, notice};
use crate::node::pending::PendingOp;
use crate::port::{MessageRow, OutboxRow, StoreOp};

/// How a leader says that an author's clock is too far from its own. No numeric: the act waits.
pub(in crate::node::channel) const CLOCK: &str = "CLOCK";

/// Whether an own act survives a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutKind {
    /// It is kept until it is settled.
    Kept,
    /// It matters only now (an answer to a challenge).
    Passing,
}

/// Something of one's own that is not in the log yet.
#[derive(Debug, Clone)]
pub(crate) struct Out {
    pub id: MsgId,
    /// Command, params, body and the user's own `meta`.
    pub template: Envelope,
    pub origin: Option<Origin>,
    pub kind: OutKind,
    /// When (monotonic) it was sent last.
    pub sent: Option<Millis>,
    /// What was sent last: the token, and what is in it.
    pub signed: Option<(String, Arc<Opened>)>,
    /// Behind a PART: a JOIN that came before it was done, and what came behind that.
    pub after: Vec<(Origin, Envelope)>,
}

impl Out {
    pub fn is_message(&self) -> bool {
        is_message(&self.template)
    }
}

fn is_message(template: &Envelope) -> bool {
    matches!(template.command.as_str(), "PRIVMSG" | "NOTICE")
}

impl Channel {
    /// Takes an act in: from here on it is *sending*.
    pub fn submit(
        &mut self,
        cx: &mut Ctx,
        template: Envelope,
        origin: Option<Origin>,
        kind: OutKind,
        id: Option<MsgId>,
    ) {
        if let Err(why) = fit(&template) {
            return self.unfit(cx, origin.as_ref(), id, &why);
        }
        let full = is_message(&template) && self.outbox.len() >= limits::WAITING;
        if let Some(origin) = origin.as_ref().filter(|_| full) {
            return cx.too_many(origin, self.name.as_str(), id);
        }
        let id = match id {
            Some(id) => {
                cx.last_id = cx.last_id.max(id);
                id
            }
            None => cx.new_id(),
        };
        if template.command == "PART" {
            self.leave_without_key(cx);
        }
        let out = Out { id, template, origin, kind, sent: None, signed: None, after: Vec::new() };
        if kind == OutKind::Kept {
            if !mutant!(cx.cfg, ForgetOutbox) {
                let plain = serde_json::to_vec(&out.template).unwrap_or_default();
                let sealed = cx.id.seal_local(&plain);
                cx.store(StoreOp::Outbox(OutboxRow { id: id.to_string(), target: self.key.clone(), sealed }));
            }
            cx.sent_by(out.origin.as_ref());
        }
        if out.is_message() {
            let shown = self.own_message(cx, &out, "sending");
            cx.broadcast_cap("state", &shown);
        }
        self.outbox.push_back(out);
        cx.status_dirty = true;
        self.pump(cx);
        self.say_waiting(cx, id);
    }

    /// What nobody could read is refused before it is taken in.
    pub(in crate::node::channel) fn unfit(
        &self,
        cx: &mut Ctx,
        origin: Option<&Origin>,
        id: Option<MsgId>,
        why: &EnvelopeError,
    ) {
        if let Some(origin) = origin {
            cx.never_taken_in(origin, self.name.as_str(), id, &Refusal::unfit(self.name.as_str(), why));
        }
    }

    /// An own message as sessions see it before it is settled.
    fn own_message(&self, cx: &Ctx, out: &Out, state: &str) -> Envelope {
        let mut e = out.template.clone();
        e.from = Some(cx.nick().as_str().to_owned());
        e.to = Some(self.name.as_str().to_owned());
        e.id = Some(out.id.to_string());
        e.ts = Some(cx.ts());
        if let Some(label) = out.origin.as_ref().and_then(|o| o.label.clone()) {
            e.meta.insert("label".into(), label);
        }
        e.meta("actor", cx.me().to_string()).meta("self", true).meta("state", state)
    }

    /// Why nothing can be sent now, if so.
    pub fn obstacle(&self, cx: &Ctx) -> Option<&'static str> {
        let Some(replica) = &self.replica else {
            return Some("joining");
        };
        if self.phase != Phase::Joined {
            return Some("joining");
        }
        if replica.fold.resigned || !replica.state.actors.contains_key(&replica.fold.leader) {
            return Some("waiting for a leader");
        }
        if replica.fold.leader == cx.me() && self.lead.is_none() {
            // What is sent to oneself meanwhile would be done twice: as soon as we lead it goes
            // another way.
            return Some("taking over");
        }
        if !self.awaiting_key.is_empty() {
            return Some("waiting for a key");
        }
        if replica.fold.use_of.is_handing() {
            return Some("a new key is being handed out");
        }
        let fresh = replica.fold.fresh_key();
        let overheard = |out: &Out| ActKind::parse(&out.template).is_ok_and(|kind| !kind.needs_fresh_key());
        if fresh.is_none() && !self.outbox.front().is_some_and(overheard) {
            return Some("somebody has left, and nobody else here has the new key yet");
        }
        let usable = fresh.or_else(|| replica.fold.usable_key());
        if usable.is_none_or(|key| self.ring.get(key).is_none()) {
            return Some("waiting for the key");
        }
        if self.lead.as_ref().is_some_and(|l| !l.active()) {
            return Some("taking over");
        }
        if self.clock_wait.is_some_and(|until| cx.now.mono < until) {
            return Some("your clock and the leader's differ too much: set your clock");
        }
        if !cx.service_up(crate::port::Service::Mailbox) {
            return Some("the mailbox service can't be reached");
        }
        None
    }

    fn say_waiting(&mut self, cx: &mut Ctx, id: MsgId) {
        // It is the last, if it is still there.
        if self.outbox.back().is_none_or(|o| o.id != id) {
            return;
        }
        if let Some(why) = self.obstacle(cx) {
            let reason =
                cx.services.get(&crate::port::Service::Mailbox).filter(|s| !s.up && !s.reason.is_empty());
            let why = reason.map_or_else(|| why.to_owned(), |s| format!("{why}: {}", s.reason));
            let e = Envelope::new("STATE").to(self.name.as_str()).param("waiting").line(why);
            let e = Envelope { id: Some(id.to_string()), ..e };
            cx.broadcast_cap("state", &e);
        }
    }

    /// Everything not settled is to be stamped and sent anew.
    pub fn requeue(&mut self) {
        for out in self.outbox.iter_mut().take_while(|out| out.sent.is_some()) {
            out.sent = None;
        }
    }

    /// Sends what may be sent.
    pub fn pump(&mut self, cx: &mut Ctx) {
        self.settle_alone(cx);
        if self.outbox.is_empty() {
            return;
        }
        if self.obstacle(cx).is_some() {
            if self.clock_wait.is_some() {
                self.retry = self.retry.max(self.clock_wait);
            }
            return;
        }
        while self.drop_unfit(cx) {}
        if self.lead.is_some() {
            self.pump_leading(cx);
            return;
        }
        let Some(replica) = &self.replica else { return };
        let (Some(me), Some(leader)) =
            (replica.state.members.get(&cx.me().owner()), replica.state.actors.get(&replica.fold.leader))
        else {
            return;
        };
        let Some((epoch, kid)) = replica.fold.usable_key() else { return };
        let Some(key) = self.ring.get((epoch, kid)) else { return };
        let fresh = replica.fold.fresh_key().is_some();
        let address = leader.address().clone();
        let topic = cx.topic(&address, &address.data_in, self.wire.as_bytes());
        let first = me.n;
        let sent = self.outbox.partition_point(|o| o.sent.is_some());
        let before = sent.checked_sub(1).and_then(|i| self.outbox.get(i));
        let mut before = before.map_or(me.last, |out| out.id);
        for (i, out) in self.outbox.iter_mut().enumerate().take(cx.cfg.window).skip(sent) {
            let stamp = Stamp {
                channel: replica.fold.channel,
                epoch,
                kid,
                n: Count(first.0 + 1 + i as u64),
                after: std::mem::replace(&mut before, out.id),
                seen: (replica.fold.seq, replica.fold.head),
            };
            let signed = sign_act(cx, self.room.as_str(), &out.template, out.id, &stamp);
            let act = Act::parse(&signed).ok();
            if !fresh && act.as_ref().is_none_or(|act| act.kind.needs_fresh_key()) {
                break;
            }
            let token = seal_act(cx, &signed, key);
            let opened = act.map(|act| Arc::new(Opened { act, envelope: signed }));
            out.signed = opened.map(|opened| (token.clone(), opened));
            let act = SealedAct { from: cx.me(), id: out.id, epoch: stamp.epoch, kid, token };
            let bytes = RelayRequest { name: self.room.clone(), act }.to_bytes();
            out.sent = Some(cx.now.mono);
            let waiting = PendingOp::Send(self.key.clone(), out.id);
            cx.append_early(topic.clone(), self.wire.as_bytes(), bytes, waiting);
        }
        if self.retry.is_none() {
            self.retry = Some(cx.now.mono + self.ack_timeout(cx));
        }
    }

    /// The leader sends its own acts into the log itself.
    fn pump_leading(&mut self, cx: &mut Ctx) {
        let window = cx.cfg.window;
        let sent = self.outbox.partition_point(|o| o.sent.is_some());
        for i in sent..self.outbox.len().min(window) {
            let Some(out) = self.outbox.get(i) else {
                return;
            };
            let Some(stamp) = self.lead_stamp(cx) else {
                return;
            };
            let out = out.clone();
            let envelope = sign_act(cx, self.room.as_str(), &out.template, out.id, &stamp);
            match Act::parse(&envelope) {
                Ok(act) => {
                    if let Some(out) = self.outbox.get_mut(i) {
                        out.sent = Some(cx.now.mono);
                    }
                    if let Err(refusal) = self.relay(cx, Arc::new(Opened { act, envelope }), Taken::New(None))
                    {
                        self.refused(cx, out.id, &refusal);
                        // The queue has moved up: go on with a fresh look.
                        return self.pump(cx);
                    }
                    let me = self
                        .lead
                        .as_ref()
                        .and_then(|lead| lead.speculative_state.members.get(&cx.me().owner()));
                    if me.is_some_and(|me| me.last != out.id) {
                        // It has no place yet, since nobody else has the new key, say: it waits,
                        // and what is behind it.
                        if let Some(out) = self.outbox.get_mut(i) {
                            out.sent = None;
                        }
                        return;
                    }
                }
                Err(why) => {
                    let refusal = Refusal { code: "400".into(), params: vec![], text: why.to_string() };
                    self.refused(cx, out.id, &refusal);
                    return self.pump(cx);
                }
            }
        }
    }

    /// What a record from the log holds, if it is just what was sent last: no need to open and
    /// check one's own work.
    pub fn sent_as(&self, sealed: &SealedAct) -> Option<Arc<Opened>> {
        let (token, opened) = self.outbox.iter().find(|out| out.id == sealed.id)?.signed.as_ref()?;
        let meta = &opened.envelope;
        let same = *token == sealed.token
            && meta.meta_u64("epoch") == Some(sealed.epoch.0)
            && meta.meta_str("kid") == Some(sealed.kid.to_string().as_str());
        same.then(|| opened.clone())
    }

    /// How long an author waits before it doubts the leader.
    pub fn ack_timeout(&self, cx: &Ctx) -> Millis {
        cx.cfg.ack_timeout.max(4 * self.latency_estimate)
    }

    /// An append to the leader's mailbox came to its end.
    pub fn on_send_appended(&mut self, cx: &mut Ctx, id: MsgId, ok: bool) {
        if ok {
            if mutant!(cx.cfg, SettleEarly)
                && let Some(i) = self.outbox.iter().position(|o| o.id == id)
                && let Some(out) = self.outbox.remove(i)
            {
                let shown = self.own_message(cx, &out, "sent");
                cx.broadcast(&shown, out.origin.as_ref());
                cx.store(StoreOp::Settled { id: id.to_string() });
                cx.settled_by(out.origin.as_ref());
            }
            return;
        }
        let mut behind = false;
        for out in &mut self.outbox {
            behind |= out.id == id;
            if behind {
                out.sent = None;
            }
        }
        if behind {
            let soon = cx.now.mono + cx.jitter(300, 600);
            self.retry = Some(self.retry.map_or(soon, |r| r.min(soon)));
        }
    }

    /// An own act is in the log. Answers who asked for it.
    pub fn settle(&mut self, cx: &mut Ctx, id: MsgId) -> Option<Out> {
        let i = self.outbox.iter().position(|o| o.id == id)?;
        let mut out = self.outbox.remove(i)?;
        cx.after_join.append(&mut out.after);
        if out.kind == OutKind::Kept {
            cx.store(StoreOp::Settled { id: id.to_string() });
        }
        if let Some(sent) = out.sent {
            // What took so long that it was doubted tells of a fault, not of what is usual: many of
            // those, after one, would make the next wait for ever longer.
            let took = cx.now.mono.saturating_sub(sent).min(cx.cfg.ack_timeout);
            self.latency_estimate = (self.latency_estimate * 7 + took) / 8;
        }
        self.retry = if self.outbox.is_empty() { None } else { Some(cx.now.mono + self.ack_timeout(cx)) };
        cx.status_dirty = true;
        Some(out)
    }

    /// Refills the window once half of it has been settled, or if what was in it is to be stamped
    /// anew.
    pub fn refill(&mut self, cx: &mut Ctx) {
        let unsent = |at: usize| self.outbox.get(at).is_some_and(|o| o.sent.is_none());
        if unsent(0) || unsent(cx.cfg.window / 2) {
            self.pump(cx);
        }
    }

    /// An own act was refused: those behind it move up.
    pub fn refused(&mut self, cx: &mut Ctx, id: MsgId, refusal: &Refusal) {
        let Some(i) = self.outbox.iter().position(|o| o.id == id) else {
            return;
        };
        for later in self.outbox.iter_mut().skip(i) {
            later.sent = None;
        }
        if refusal.code == CLOCK {
            if self.clock_wait.is_none() {
                cx.alarm(self.name.as_str(), "clock", refusal.text.clone());
            }
            self.clock_wait = Some(cx.now.mono + 30_000);
            self.retry = self.clock_wait;
            cx.status_dirty = true;
            return;
        }
        let Some(out) = self.outbox.remove(i) else {
            return;
        };
        self.fail_with(cx, out, refusal);
    }

    /// An own act will not be done.
    pub fn fail(&mut self, cx: &mut Ctx, out: Out, code: &str, text: &str) {
        let refusal =
            Refusal { code: code.into(), params: vec![self.name.as_str().to_owned()], text: text.into() };
        self.fail_with(cx, out, &refusal);
    }

    fn fail_with(&mut self, cx: &mut Ctx, mut out: Out, refusal: &Refusal) {
        cx.after_join.append(&mut out.after);
        if out.kind == OutKind::Kept {
            cx.store(StoreOp::Settled { id: out.id.to_string() });
        }
        let nick = cx.nick().as_str().to_owned();
        if let Some(origin) = &out.origin {
            let mut e = refusal.to_envelope(&nick);
            e.meta.insert("id".into(), json!(out.id));
            cx.reply(origin, e);
        }
        if out.template.command == "NICK" && out.origin.is_none() {
            let old = self.replica.as_ref().and_then(|r| r.state.nick(&cx.me().owner()));
            let old = old.map(|nick| nick.as_str().to_owned()).unwrap_or_default();
            let text = format!("You go by {old} in {} on: {}", self.name, refusal.text);
            cx.broadcast(&notice(self.name.as_str(), text), None);
        }
        if out.is_message() {
            let shown = self.own_message(cx, &out, "failed");
            if let Some(row) = self.row(cx, &cx.me(), &shown, Seq(0), "failed") {
                cx.store(StoreOp::Message(row));
            }
            let e = Envelope::new("STATE").to(self.name.as_str()).param("failed").line(refusal.text.clone());
            cx.broadcast_cap("state", &Envelope { id: Some(out.id.to_string()), ..e });
        }
        cx.settled_by(out.origin.as_ref());
        cx.status_dirty = true;
    }

    /// A line of history.
    pub fn row(
        &self,
        cx: &Ctx,
        author: &impl std::fmt::Display,
        shown: &Envelope,
        seq: Seq,
        state: &str,
    ) -> Option<MessageRow> {
        let plain = serde_json::to_vec(shown).ok()?;
        Some(MessageRow {
            target: self.target(),
            id: shown.id.clone()?,
            author: author.to_string(),
            seq: seq.0,
            ts: shown.ts.as_deref().and_then(crate::envelope::parse_ts).unwrap_or(cx.now.wall),
            state: state.to_owned(),
            sealed: cx.id.seal_local(&plain),
        })
    }

    /// Sends again what has waited for too long, and doubts the leader.
    pub fn tick_outbox(&mut self, cx: &mut Ctx) {
        if self.retry.is_none_or(|at| cx.now.mono < at) {
            return;
        }
        self.retry = None;
        let asked_again = self.clock_wait.take().is_some();
        if self.outbox.is_empty() || self.phase != Phase::Joined {
            return;
        }
        let ack_timeout = self.ack_timeout(cx);
        let waited =
            self.outbox.front().and_then(|o| o.sent).is_some_and(|at| cx.now.mono >= at + ack_timeout);
        if waited && self.lead.is_none() {
            self.challenge_now(cx);
        }
        if waited && self.lead.is_none() {
            self.requeue();
        }
        if asked_again {
            // Told once: a refusal that comes again in a moment renews the wait, not the alarm.
            self.clock_wait = Some(cx.now.mono);
        }
        self.pump(cx);
        self.retry = Some(cx.now.mono + ack_timeout);
    }
}

/// The act of a command that changes the channel.
pub(crate) fn template(kind: &ActKind) -> Envelope {
    kind.to_envelope()
}
