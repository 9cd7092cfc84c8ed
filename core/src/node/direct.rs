//! Direct messages: one key per pair and direction, wrapped in the messages that use it first;
//! receipts; order; no repeats.
//!
//! A stream is one sender's sequence of numbered messages to one receiver. A sender that lost its
//! store starts a new stream.

mod keys;
mod place;
mod receipts;
mod redelivery;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::place::{Arrival, Place};
use super::awake::Wakes;
use super::channel::fit;
use super::contacts::Trust;
use super::ctx::{Ctx, Origin};
use super::mark::Mark;
use super::pending::PendingOp;
use crate::channel::{ActKind, Refusal};
use crate::crypto::ChannelKey;
use crate::envelope::{Domain, Envelope};
use crate::identity::Card;
use crate::ids::{ActorId, KeyId, Millis, MsgId};
use crate::port::{MessageRow, OutboxRow, StoreOp, Table};

/// Maximum number of messages that wait for an earlier one.
const HELD: usize = 256;
/// Streams of one sender that the node remembers.
const STREAMS: usize = 64;

#[derive(Serialize, Deserialize, Default)]
struct Row {
    stream: String,
    next: u64,
    #[serde(default)]
    kid: Option<KeyId>,
    #[serde(default)]
    used: u64,
    #[serde(default)]
    since: Millis,
    #[serde(default)]
    wrap: Option<String>,
    seen: BTreeMap<String, place::Place>,
    arrivals: u64,
    #[serde(default)]
    mark: Mark,
    /// The last of our messages that the peer has read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    read_to: Option<MsgId>,
    /// The first of our messages from which on the node tracks which ones the peer has not
    /// confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept_from: Option<MsgId>,
}

struct DmOut {
    id: MsgId,
    template: Envelope,
    origin: Option<Origin>,
    n: Option<u64>,
    sent: Option<Millis>,
}

/// A message that arrived, and how many minutes its author's clock is off, if that is too much.
struct Arrived {
    inner: Envelope,
    id: MsgId,
    apart: Option<u64>,
}

/// A conversation with one peer.
#[derive(Default)]
pub(crate) struct Direct {
    row: Row,
    key: Option<ChannelKey>,
    keys: BTreeMap<KeyId, ChannelKey>,
    order: VecDeque<KeyId>,
    out: VecDeque<DmOut>,
    sent: redelivery::Unconfirmed,
    held: BTreeMap<(String, u64), Arrived>,
    retry: Option<Millis>,
    /// The user was told that the peer's clock is off.
    clock_told: bool,
}

pub(crate) fn target(peer: &ActorId) -> String {
    format!("@{peer}")
}

impl Wakes for Direct {
    fn wake(&self) -> Option<Millis> {
        [self.retry, self.sent.at].into_iter().flatten().min()
    }
}

impl Direct {
    pub fn restore(
        cx: &Ctx,
        peer: &ActorId,
        value: &[u8],
        keys: &[(String, Vec<u8>)],
    ) -> Result<Self, String> {
        let row: Row = serde_json::from_slice(value).map_err(|e| e.to_string())?;
        let mut direct = Self { row, ..Self::default() };
        let prefix = format!("@{peer}/");
        for (name, value) in keys.iter().filter(|(n, _)| n.starts_with(&prefix)) {
            let kid = KeyId::parse(&name[prefix.len()..]).map_err(|e| e.to_string())?;
            let plain = cx.id.open_local(value).map_err(|e| e.to_string())?;
            let bytes: [u8; 32] = plain.try_into().map_err(|_| "a key of the wrong size".to_owned())?;
            direct.remember(kid, ChannelKey::from_bytes(bytes));
        }
        direct.key = direct.row.kid.and_then(|kid| direct.keys.get(&kid).map(ChannelKey::duplicate));
        Ok(direct)
    }

    fn save(&self, cx: &mut Ctx, peer: &ActorId) {
        cx.put(Table::Direct, peer.to_string(), &self.row);
    }

    /// Updates the read mark when the sessions are shown a message that was held.
    pub fn shown(&mut self, cx: &mut Ctx, peer: &ActorId, e: &Envelope) {
        self.row.mark.shown(e);
        self.save(cx, peer);
    }

    /// The user has read up to this message.
    pub fn read(&mut self, cx: &mut Ctx, peer: &ActorId, id: MsgId) {
        self.row.mark.read(id);
        self.save(cx, peer);
    }

    /// Whether the peer has read a message of ours. A peer that has read one has read those before
    /// it.
    pub fn has_read(&self, id: MsgId) -> bool {
        self.row.read_to.is_some_and(|read| id <= read)
    }

    /// How far the user has read.
    pub fn mark(&self) -> &Mark {
        &self.row.mark
    }

    /// Stops sending, because the peer is no longer known.
    pub fn rest(&mut self) {
        (self.retry, self.sent.at) = (None, None);
    }

    pub fn waiting(&self) -> usize {
        self.out.len()
    }

    /// Restores a message that was unsettled when the node stopped.
    pub fn restore_out(&mut self, id: MsgId, template: Envelope) {
        self.out.push_back(DmOut { id, template, origin: None, n: None, sent: None });
    }

    /// Accepts a message to send.
    pub fn submit(
        &mut self,
        cx: &mut Ctx,
        card: &Card,
        template: Envelope,
        origin: Origin,
        id: Option<MsgId>,
    ) {
        if self.out.len() >= crate::limits::WAITING {
            return cx.too_many(&origin, card.nick().as_str(), id);
        }
        let peer = card.actor();
        let id = match id {
            Some(id) => {
                cx.last_id = cx.last_id.max(id);
                id
            }
            None => cx.new_id(),
        };
        let out = DmOut { id, template, origin: Some(origin), n: None, sent: None };
        if !mutant!(cx.cfg, ForgetOutbox) {
            let sealed = cx.id.seal_local(&serde_json::to_vec(&out.template).unwrap_or_default());
            cx.store(StoreOp::Outbox(OutboxRow { id: id.to_string(), target: target(&peer), sealed }));
        }
        cx.sent_by(out.origin.as_ref());
        let shown = own(cx, card, &out, "sending");
        cx.broadcast_cap("state", &shown);
        self.out.push_back(out);
        cx.status_dirty = true;
        self.pump(cx, card);
    }

    /// Sends waiting messages.
    pub fn pump(&mut self, cx: &mut Ctx, card: &Card) {
        let peer = card.actor();
        if self.row.stream.is_empty() {
            self.row.stream = format!("{:016x}", cx.random());
            self.row.next = 1;
        }
        let window = cx.cfg.window;
        self.drop_unfit(cx, card);
        let mut first = self.row.next;
        for i in 0..self.out.len().min(window) {
            if self.out.get(i).is_none_or(|o| o.sent.is_some()) {
                first += 1;
                continue;
            }
            let n = first;
            first += 1;
            let Some(out) = self.out.get_mut(i) else {
                break;
            };
            out.n = Some(n);
            out.sent = Some(cx.now.mono);
            let (id, template) = (out.id, out.template.clone());
            self.append(cx, card, id, n, template);
        }
        if !self.out.is_empty() {
            self.save(cx, &peer);
        }
    }

    /// Removes messages that nobody could read, which an older version had accepted. Those after
    /// them move up.
    fn drop_unfit(&mut self, cx: &mut Ctx, card: &Card) {
        let next = |o: &DmOut| o.sent.is_none().then(|| fit(&o.template).err()).flatten();
        while let Some((i, why)) =
            self.out.iter().take(cx.cfg.window).enumerate().find_map(|(i, o)| Some((i, next(o)?)))
        {
            let Some(out) = self.out.remove(i) else { return };
            for later in self.out.iter_mut().skip(i) {
                later.sent = None;
            }
            cx.store(StoreOp::Settled { id: out.id.to_string() });
            if let Some(origin) = &out.origin {
                let no = Refusal::unfit(card.nick().as_str(), &why).to_envelope(cx.nick().as_str());
                cx.reply(origin, no.meta("id", out.id.to_string()));
            }
            let state = Envelope::new("STATE").to(card.nick().as_str()).param("failed").line(why.to_string());
            cx.broadcast_cap("state", &Envelope { id: Some(out.id.to_string()), ..state });
            cx.settled_by(out.origin.as_ref());
            cx.status_dirty = true;
        }
    }

    /// Appends a message to the peer's mailbox, with its position in the stream.
    fn append(&mut self, cx: &mut Ctx, card: &Card, id: MsgId, n: u64, template: Envelope) {
        let (me, peer) = (cx.me().to_string(), card.actor());
        let topic = cx.topic(card.address(), &card.address().data_in, me.as_bytes());
        let (kid, key) = self.current_key(cx, card);
        self.row.used += 1;
        let wrap = self.row.wrap.as_deref().and_then(|w| serde_json::from_str::<Value>(w).ok());
        let mut inner = Envelope {
            id: Some(id.to_string()),
            ts: Some(cx.ts()),
            ..template.from(me.as_str()).to(peer.to_string())
        };
        inner = inner.meta("kid", kid.to_string()).meta("stream", self.row.stream.as_str()).meta("n", n);
        let plain = inner.sign(Domain::Message, &cx.id).to_canonical();
        let token = if mutant!(cx.cfg, PlainBodies) {
            String::from_utf8_lossy(&plain).into_owned()
        } else {
            key.encrypt(&plain)
        };
        let mut e = Envelope {
            id: Some(id.to_string()),
            ..Envelope::new("DM")
                .from(me.as_str())
                .to(peer.to_string())
                .meta("kid", kid.to_string())
                .field("ct", token)
        };
        if let Some(wrap) = wrap {
            // The peer has not said yet that it has the key; nor, perhaps, who we are.
            e = e.field("wrap", wrap).field("card", json!(cx.card.envelope()));
        }
        cx.append(topic, me.as_bytes(), e.to_canonical(), PendingOp::Direct(peer, id));
    }

    /// Handles the outcome of appending a message to the peer's mailbox.
    pub fn on_appended(&mut self, cx: &mut Ctx, card: &Card, id: MsgId, ok: bool) {
        let Some(i) = self.out.iter().position(|o| o.id == id) else {
            return;
        };
        if !ok || i > 0 {
            // What comes behind a lost one is sent again too: the peer takes them in order, and
            // each once.
            if !ok {
                for out in self.out.iter_mut().skip(i) {
                    out.sent = None;
                }
                self.retry = Some(cx.now.mono + cx.jitter(400, 900));
            }
            return;
        }
        let Some(out) = self.out.pop_front() else {
            return;
        };
        let n = out.n.unwrap_or(self.row.next);
        self.row.next = n + 1;
        self.await_word(cx, &card.actor(), id, n, out.template.clone());
        cx.store(StoreOp::Settled { id: id.to_string() });
        self.row.arrivals += 1;
        let shown = own(cx, card, &out, "sent");
        self.row.mark.shown(&shown);
        self.save(cx, &card.actor());
        if let Some(row) = row(cx, &card.actor(), cx.me(), &shown, self.row.arrivals, "sent") {
            cx.store(StoreOp::Message(row));
        }
        cx.broadcast(&shown, out.origin.as_ref());
        cx.settled_by(out.origin.as_ref());
        cx.status_dirty = true;
        // The next one behind the window has waited for this.
        if self.out.get(cx.cfg.window.saturating_sub(1)).is_some_and(|o| o.sent.is_none()) {
            self.pump(cx, card);
        }
    }

    pub fn tick(&mut self, cx: &mut Ctx, card: &Card) {
        if self.retry.is_some_and(|at| cx.now.mono >= at) {
            self.retry = None;
            self.pump(cx, card);
        }
        self.tick_sent(cx, card);
    }

    /// Opens a message and returns the signed envelope, its id, its stream and its number in the
    /// stream.
    fn open(
        &mut self,
        cx: &mut Ctx,
        card: &Card,
        e: &Envelope,
    ) -> Result<(Envelope, MsgId, String, u64), &'static str> {
        const FORM: &str = "not of their form";
        let kid = e.meta_str("kid").and_then(|k| KeyId::parse(k).ok()).ok_or(FORM)?;
        if !self.keys.contains_key(&kid) {
            let key = keys::unwrap_direct(cx, card, e, kid).ok_or("without a key that fits")?;
            self.keep_key(cx, &card.actor(), kid, key);
        }
        let key = self.keys.get(&kid).ok_or("without a key that fits")?;
        let token = e.get("ct").and_then(Value::as_str).ok_or(FORM)?;
        let plain = key.decrypt(token).map_err(|_| "not encrypted under their key")?;
        let inner = Envelope::from_canonical(&plain).map_err(|_| FORM)?;
        let same = inner.from == e.from && inner.to == e.to && inner.id == e.id;
        if !same || inner.meta_str("kid") != e.meta_str("kid") {
            return Err("not what stands around them");
        }
        if inner.verify(Domain::Message, card.keys()).is_err() && !mutant!(cx.cfg, TrustLeader) {
            return Err("not signed by their author");
        }
        let id = inner.id.as_deref().and_then(|i| MsgId::parse(i).ok()).ok_or(FORM)?;
        let stream = inner.meta_str("stream").filter(|s| s.len() == 16).ok_or(FORM)?.to_owned();
        let n = inner.meta_u64("n").ok_or(FORM)?;
        Ok((inner, id, stream, n))
    }

    /// Handles a message that arrived in the mailbox at this log time. `trust` says whether it may
    /// be shown.
    pub fn receive(
        &mut self,
        cx: &mut Ctx,
        card: &Card,
        e: &Envelope,
        trust: Trust,
        at: Millis,
    ) -> Result<(), &'static str> {
        let (inner, id, stream, n) = self.open(cx, card, e)?;
        let place = self.row.seen.get(&stream);
        let arrival = place.map_or_else(|| Place::default().judge(n, id), |place| place.judge(n, id));
        if arrival == Arrival::Repeated {
            // What is held is not shown yet: its author hears of it when it is sent again after
            // that.
            if trust != Trust::Held {
                self.receipt(cx, card, "delivered", &[id.to_string()]);
            }
            return Ok(());
        }
        let arrived = Arrived { apart: apart(cx, &inner, at), inner, id };
        if arrival == Arrival::Early {
            if self.held.len() < HELD {
                self.held.insert((stream, n), arrived);
            }
            return Ok(());
        }
        self.take(cx, card, arrived, &stream, n, trust);
        let next = |row: &Row| row.seen.get(&stream).map_or(1, Place::next);
        while let Some(arrived) = self.held.remove(&(stream.clone(), next(&self.row))) {
            let n = next(&self.row);
            self.take(cx, card, arrived, &stream, n, trust);
        }
        self.save(cx, &card.actor());
        Ok(())
    }

    fn take(&mut self, cx: &mut Ctx, card: &Card, arrived: Arrived, stream: &str, n: u64, trust: Trust) {
        let Arrived { inner, id, apart } = arrived;
        for (_, other) in self.row.seen.iter_mut().filter(|(name, _)| *name != stream) {
            other.rest();
        }
        if self.row.seen.len() >= STREAMS && !self.row.seen.contains_key(stream) {
            self.row.seen.pop_first();
        }
        self.row.seen.entry(stream.to_owned()).or_default().take(n, id);
        if !ActKind::parse(&inner).is_ok_and(|kind| kind.is_said()) {
            // It has its place, so what comes behind it is read. What it is, only this node says to
            // its sessions.
            return;
        }
        self.row.arrivals += 1;
        let peer = card.actor();
        let state = match (trust, apart) {
            (Trust::Held, _) => "held",
            // Its author has let go of it: to refuse it would lose it. It is shown for what it is.
            (_, Some(_)) => "unverified",
            _ => "sent",
        };
        let mut shown = Envelope {
            body: inner.body.clone(),
            id: inner.id.clone(),
            ts: inner.ts.clone(),
            meta: super::border::user_meta(&inner),
            ..Envelope::new(inner.command.clone()).from(card.nick().as_str()).to(cx.nick().as_str())
        };
        shown = shown
            .meta("actor", peer.to_string())
            .meta("state", state)
            .meta("mention", true)
            .meta("verified", trust == Trust::Verified && apart.is_none());
        if let Some(minutes) = apart {
            let text = format!(
                "the clock of {} and yours were {minutes} minutes apart when this was said",
                card.nick()
            );
            shown = shown.meta("reason", text.as_str());
            if !std::mem::replace(&mut self.clock_told, true) {
                let what = "what it says is marked until one of you sets the clock";
                cx.alarm(card.nick().as_str(), "clock", format!("{text}; {what}"));
            }
        }
        if let Some(row) = row(cx, &peer, peer, &shown, self.row.arrivals, state) {
            cx.store(StoreOp::Message(row));
        }
        if trust != Trust::Held {
            self.row.mark.shown(&shown);
            cx.broadcast(&shown, None);
            self.receipt(cx, card, "delivered", &[id.to_string()]);
        }
    }
}

/// How many minutes a message's time is too far from its arrival: ahead of now, or behind its log's
/// time (a message may wait in a log for days, and a log's clock may be ahead).
fn apart(cx: &Ctx, inner: &Envelope, at: Millis) -> Option<u64> {
    let ts = inner.ts.as_deref().and_then(crate::envelope::parse_ts).unwrap_or(0);
    let apart = ts.saturating_sub(cx.now.wall).max(at.min(cx.now.wall).saturating_sub(ts));
    (apart > cx.cfg.clock_skew).then_some(apart / 60_000)
}

fn own(cx: &Ctx, card: &Card, out: &DmOut, state: &str) -> Envelope {
    let mut e = out.template.clone().from(cx.nick().as_str()).to(card.nick().as_str());
    e.id = Some(out.id.to_string());
    e.ts = Some(cx.ts());
    e.meta("actor", cx.me().to_string()).meta("self", true).meta("state", state)
}

fn row(
    cx: &Ctx,
    peer: &ActorId,
    author: ActorId,
    shown: &Envelope,
    seq: u64,
    state: &str,
) -> Option<MessageRow> {
    Some(MessageRow {
        target: target(peer),
        id: shown.id.clone()?,
        author: author.to_string(),
        seq,
        ts: shown.ts.as_deref().and_then(crate::envelope::parse_ts).unwrap_or(cx.now.wall),
        state: state.to_owned(),
        sealed: cx.id.seal_local(&serde_json::to_vec(shown).ok()?),
    })
}
