//! Key distribution: wraps are made, wait for their KEY record, are opened, requested and sent
//! again.

use serde_json::Value;

use crate::channel::ChannelState;
use crate::crypto::{self, ChannelKey};
use crate::envelope::{Domain, Envelope};
use crate::identity::Card;
use crate::ids::{ActorId, ChannelId, Epoch, Hash, KeyId, Millis};
use crate::keys::{EpochInfo, EpochKey, Offer};
use crate::log::Fold;
use crate::node::channel::member::outbox::CLOCK;
use crate::node::channel::recovery::backfill::Backfill;
use crate::node::channel::{Channel, Phase};
use crate::node::ctx::Ctx;
use crate::node::pending::PendingOp;
use crate::node::rpc::open_request;

/// How long to wait for a key before asking for it, ms.
const ASK_AFTER: Millis = 700;

/// The hash by which a KEY record names a wrap.
fn wrap_hash(ct: &str) -> Hash {
    Hash::of("kirc.v1.wrap", &[ct.as_bytes()])
}

/// The key that a record or a request names.
fn key_of(e: &Envelope) -> Option<EpochKey> {
    Some((Epoch(e.meta_u64("epoch")?), KeyId::parse(e.meta_str("kid")?).ok()?))
}

impl Channel {
    /// Wraps a key for each of these, as records for their `rpc-in`.
    pub fn make_wraps(
        &self,
        cx: &mut Ctx,
        key: &ChannelKey,
        epoch: Epoch,
        kid: KeyId,
        cards: &[Card],
    ) -> Vec<(Card, Hash, Vec<u8>)> {
        let Some(replica) = &self.replica else {
            return Vec::new();
        };
        let channel = replica.fold.channel;
        let mut out = Vec::with_capacity(cards.len());
        for card in cards {
            let label = crypto::wrap_label(&channel, epoch, &kid, &cx.me(), &card.actor());
            let ct = crypto::wrap(key, card.keys(), &label, &mut cx.rng);
            let hash = wrap_hash(&ct);
            let id = cx.new_id();
            let e = Envelope::new("WRAP")
                .from(cx.me().to_string())
                .to(card.actor().to_string())
                .meta("channel", self.room.as_str())
                .meta("ch", channel.to_string())
                .meta("epoch", epoch.0)
                .meta("kid", kid.to_string())
                .field("alg", "rsa-oaep-sha256")
                .field("ct", ct);
            let e = Envelope { id: Some(id.to_string()), ..e }.sign(Domain::Wrap, &cx.id);
            out.push((card.clone(), hash, e.to_canonical()));
        }
        out
    }

    /// A wrap arrived in our `rpc-in`.
    pub fn on_wrap(&mut self, cx: &mut Ctx, e: &Envelope) {
        let Some(replica) = &self.replica else { return };
        let parsed = (
            e.from.as_deref().and_then(|f| ActorId::parse(f).ok()),
            key_of(e),
            e.get("ct").and_then(Value::as_str),
        );
        let (Some(from), Some((epoch, kid)), Some(ct)) = parsed else {
            return;
        };
        let for_us = e.to.as_deref() == Some(cx.me().to_string().as_str());
        let here = e.meta_str("ch") == Some(replica.fold.channel.to_string().as_str());
        let known = e.get("alg").and_then(Value::as_str) == Some("rsa-oaep-sha256");
        let Some(card) = replica.state.actors.get(&from) else {
            return;
        };
        if !for_us || !here || !known || self.ring.get((epoch, kid)).is_some() {
            return;
        }
        if e.verify(Domain::Wrap, card.keys()).is_err() {
            return;
        }
        self.ring.offer(kid, Offer { from, epoch, ct: ct.to_owned() });
        if self.ring.info((epoch, kid)).is_some() {
            self.open_offers(cx, (epoch, kid));
        }
    }

    /// The same for an epoch of a log that is gone.
    pub(in crate::node::channel) fn open_backfill_key(&mut self, cx: &mut Ctx, key: EpochKey) {
        self.store_epoch(cx, key);
        self.open_offers(cx, key);
    }

    /// Opens what waits for an announced key.
    fn open_offers(&mut self, cx: &mut Ctx, name: EpochKey) {
        let Some(channel) = self.replica.as_ref().map(|r| r.fold.channel) else {
            return;
        };
        let (epoch, kid) = name;
        for offer in self.ring.offers(&kid) {
            if self.ring.get(name).is_some() {
                break;
            }
            let first = self.ring.info(name).is_some_and(|i| i.wraps.contains(&wrap_hash(&offer.ct)));
            // A first wrap must be the one that the record names; a later one was asked for, and
            // the KeyID commits to the key.
            if offer.epoch != epoch || (!first && self.key_asked == 0) {
                continue;
            }
            let label = crypto::wrap_label(&channel, epoch, &kid, &offer.from, &cx.me());
            if let Ok(key) = crypto::unwrap(&offer.ct, &cx.id, &label) {
                self.ring.accept(&channel, epoch, key);
            }
        }
        if self.ring.get(name).is_some() {
            self.store_epoch(cx, name);
            self.on_key_here(cx);
        }
    }

    fn on_key_here(&mut self, cx: &mut Ctx) {
        self.want_no_key(cx);
        cx.status_dirty = true;
        self.come_in(cx);
        if !self.awaiting_key.is_empty() {
            self.resume_reading(cx);
        }
        if self.late.as_ref().is_some_and(Backfill::waits) && self.late_key().is_none() {
            self.continue_backfill(cx);
        }
        self.watch_key(cx);
        self.requeue_if_stale();
        self.pump(cx);
    }

    fn requeue_if_stale(&mut self) {
        if self.lead.is_none() {
            self.requeue();
        }
    }

    /// A KEY record counts: a new epoch.
    pub fn on_keyed(
        &mut self,
        cx: &mut Ctx,
        epoch: Epoch,
        kid: KeyId,
        reason: &str,
        wraps: Vec<Hash>,
        snapshot: Option<(Fold, ChannelState)>,
    ) {
        let Some(replica) = &self.replica else { return };
        let members = replica.state.actors.keys().copied().collect();
        let info = EpochInfo { kid, members, term: replica.fold.term, wraps };
        let here = self.ring.announce(epoch, info);
        let name = (epoch, kid);
        self.store_epoch(cx, name);
        cx.status_dirty = true;
        if self.phase == Phase::Joining {
            if let Some(join) = self.join.as_mut() {
                join.proven(cx.now.mono);
            }
            if !here {
                self.key_wanted.get_or_insert(cx.now.mono + ASK_AFTER);
                self.open_offers(cx, name);
            }
            self.come_in(cx);
            return;
        }
        let e = Envelope::new("EPOCH").to(self.name.as_str()).param(epoch.to_string()).param(reason);
        cx.broadcast_cap("status", &e);
        let at = self.next.saturating_sub(1);
        self.welcome(cx, name, snapshot, at);
        self.open_offers(cx, name);
        if self.ring.get(name).is_none() {
            self.key_wanted.get_or_insert(cx.now.mono + ASK_AFTER);
        } else {
            self.want_no_key(cx);
            match self.lead {
                // If nobody else is in, nobody else has to say that it has the key.
                Some(_) => self.go_on_with_key(cx),
                None => self.requeue(),
            }
            self.pump(cx);
        }
    }

    /// The next record can't be read without a key.
    pub fn want_key(&mut self, cx: &mut Ctx) {
        self.key_wanted.get_or_insert(cx.now.mono + ASK_AFTER);
        cx.status_dirty = true;
    }

    /// All keys of this log are here; those of the log before may still be missing.
    fn want_no_key(&mut self, cx: &Ctx) {
        self.key_wanted = self.late_key().map(|_| cx.now.mono + ASK_AFTER);
        self.key_asked = 0;
    }

    /// Asks for the missing key: the leader first, then the others in turn.
    pub fn tick_keys(&mut self, cx: &mut Ctx) {
        if self.key_wanted.is_none_or(|at| cx.now.mono < at) {
            return;
        }
        self.key_wanted = None;
        let Some(replica) = &self.replica else { return };
        let missing = |key: &EpochKey| self.ring.get(*key).is_none();
        // First what is said now, then what was said before the log was lost.
        let mut keys = replica.fold.use_of.keys().chain(self.late_key());
        let Some(name) = keys.find(missing) else {
            return;
        };
        let Some(info) = self.ring.info(name) else {
            return;
        };
        let me = cx.me();
        let others: Vec<Card> = replica
            .state
            .actors
            .iter()
            .filter(|(a, _)| **a != me && info.members.contains(a))
            .map(|(_, card)| card.clone())
            .collect();
        // The leader made it, and somebody has said that it has it.
        let first = [Some(replica.fold.leader), replica.fold.use_of.held()];
        let at = |actor: Option<ActorId>| others.iter().position(|c| Some(c.actor()) == actor);
        let at = match self.key_asked as usize {
            asked @ 0..2 => at(first[asked]).unwrap_or(asked),
            asked => asked - 2,
        };
        let Some(card) = others.get(at % others.len().max(1)).cloned() else {
            return;
        };
        let id = cx.new_id();
        let e = Envelope::new("KEYREQ")
            .from(me.to_string())
            .to(card.actor().to_string())
            .meta("channel", self.room.as_str())
            .meta("ch", replica.fold.channel.to_string())
            .meta("epoch", name.0.0)
            .meta("kid", info.kid.to_string())
            .field("card", serde_json::to_value(cx.card.envelope()).unwrap_or_default());
        let e = Envelope { id: Some(id.to_string()), ts: Some(cx.ts()), ..e }.sign(Domain::Request, &cx.id);
        self.key_asked += 1;
        let wait = (ASK_AFTER << self.key_asked.min(4)).min(10_000);
        self.key_wanted = Some(cx.now.mono + wait);
        cx.append_rpc(&card, e.to_canonical(), PendingOp::Nothing);
    }

    /// Somebody misses a key: whoever was a member at its record may have it.
    pub fn on_key_request(&mut self, cx: &mut Ctx, e: &Envelope) {
        let Some(replica) = &self.replica else { return };
        let parsed = (
            e.from.as_deref().and_then(|f| ActorId::parse(f).ok()),
            key_of(e),
            e.meta_str("ch").and_then(|c| ChannelId::parse(c).ok()),
        );
        let (Some(from), Some(name), Some(channel)) = parsed else {
            return;
        };
        if channel != replica.fold.channel || e.to.as_deref() != Some(cx.me().to_string().as_str()) {
            return;
        }
        let Some(info) = self.ring.info(name) else {
            return;
        };
        // Who left meanwhile still has a right to the epochs of its time, and needs them to read
        // that it left.
        let member = replica.state.actors.get(&from).cloned();
        let given = || {
            let card = serde_json::from_value(e.get("card")?.clone()).ok()?;
            Card::parse(&card).ok().filter(|c| c.actor() == from)
        };
        let Some(card) = member.or_else(given) else {
            return;
        };
        let entitled = info.members.contains(&from) && e.verify(Domain::Request, card.keys()).is_ok();
        let (epoch, kid) = name;
        let Some(key) = self.ring.get(name).filter(|_| entitled) else {
            return;
        };
        let key = key.duplicate();
        for (card, _, bytes) in self.make_wraps(cx, &key, epoch, kid, std::slice::from_ref(&card)) {
            cx.append_rpc(&card, bytes, PendingOp::Nothing);
        }
    }

    /// The leader refuses somebody's act: tells it, under the channel's key.
    pub fn refuse(
        &mut self,
        cx: &mut Ctx,
        author: ActorId,
        (id, n): (crate::ids::MsgId, crate::ids::Count),
        refusal: &crate::channel::Refusal,
    ) {
        if refusal.code != CLOCK {
            self.refusals.add(author, (id, n), refusal.clone());
        }
        let Some(replica) = &self.replica else { return };
        let Some(card) = replica.state.actors.get(&author).cloned() else {
            return;
        };
        let Some((epoch, kid)) = replica.fold.usable_key() else { return };
        let Some(key) = self.ring.get((epoch, kid)) else { return };
        let inner = Envelope {
            id: Some(id.to_string()),
            params: refusal.params.clone(),
            ..Envelope::new(refusal.code.clone())
                .from(cx.me().to_string())
                .to(author.to_string())
                .meta("ch", replica.fold.channel.to_string())
                .line(refusal.text.clone())
        };
        let token = key.encrypt(&inner.sign(Domain::Request, &cx.id).to_canonical());
        let e = Envelope::new("NAK")
            .from(cx.me().to_string())
            .to(author.to_string())
            .meta("channel", self.room.as_str())
            .meta("epoch", epoch.0)
            .meta("kid", kid.to_string())
            .field("ct", token);
        cx.append_rpc(&card, e.to_canonical(), PendingOp::Nothing);
    }

    /// The leader refused an act of ours.
    pub fn on_nak(&mut self, cx: &mut Ctx, e: &Envelope) {
        let Some(replica) = &self.replica else { return };
        let Some(leader) = replica.state.actors.get(&replica.fold.leader) else {
            return;
        };
        let Some(key) = key_of(e).and_then(|key| self.ring.get(key)) else {
            return;
        };
        let Some(inner) = open_request(key, e, &cx.me(), leader.keys()) else { return };
        if inner.meta_str("ch") != Some(replica.fold.channel.to_string().as_str()) {
            return;
        }
        let Some(id) = inner.id.as_deref().and_then(|i| crate::ids::MsgId::parse(i).ok()) else {
            return;
        };
        let known = crate::numeric::refuses(&inner.command) || inner.command == CLOCK;
        let refusal = crate::channel::Refusal {
            // A leader says no; it says nothing else to our sessions.
            code: if known {
                inner.command.clone()
            } else {
                crate::numeric::ERR_UNKNOWNERROR.code.to_owned()
            },
            params: inner.params.clone(),
            text: inner.lines().concat(),
        };
        self.refused(cx, id, &refusal);
        if refusal.code != CLOCK {
            self.pump(cx);
        }
    }
}
