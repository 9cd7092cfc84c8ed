//! The sequencer: gives acts their place in the log, and starts epochs.
//!
//! What it appends is a proposal. It counts once the log returns it.

use std::sync::Arc;

use crate::channel::{Act, ActKind, Change, Order, Refusal};
use crate::crypto::ChannelKey;
use crate::envelope::Envelope;
use crate::identity::Card;
use crate::ids::{Hash, Seq};
use crate::log::{Fold, LogRecord, Opened, hash_record};
use crate::node::channel::Channel;
use crate::node::channel::election::status_key;
use crate::node::channel::member::outbox::CLOCK;
use crate::node::channel::member::sign::{Stamp, seal_act};
use crate::node::ctx::Ctx;
use crate::node::pending::PendingOp;
use crate::port::SignalOp;
use serde_json::json;

use crate::node::channel::leader::{HANDING, HANDING_IN, Mode, Pending};

/// How an act comes to be relayed.
pub(in crate::node::channel) enum Taken {
    /// For the first time, with the token that its author made of it.
    New(Option<String>),
    /// It had its place, and the record was lost.
    Again,
}

impl Channel {
    /// What an act of the leader's own is stamped with.
    pub fn lead_stamp(&self, cx: &Ctx) -> Option<Stamp> {
        let (replica, lead) = (self.replica.as_ref()?, self.lead.as_ref()?);
        let me = lead.speculative_state.members.get(&cx.me().owner())?;
        Some(Stamp {
            channel: replica.fold.channel,
            epoch: lead.epoch,
            kid: lead.kid?,
            n: me.n.next(),
            after: me.last,
            seen: (replica.fold.seq, replica.fold.head),
        })
    }

    /// Gives an act its place: the act is signed and its signature was checked.
    pub(in crate::node::channel) fn relay(
        &mut self,
        cx: &mut Ctx,
        opened: Arc<Opened>,
        taken: Taken,
    ) -> Result<(), Refusal> {
        let Some(lead) = self.lead.as_mut().filter(|lead| lead.active()) else {
            // A new key is being handed out: nothing may stand under any.
            return Ok(());
        };
        match lead.speculative_state.order(&opened.act) {
            Order::Seen => return Ok(()),
            // Something before it got lost: its author sends that again, and this behind it. A copy
            // that was kept here could bear a number that its author has given up.
            Order::Ahead => return Ok(()),
            Order::Next => {}
        }
        if opened.act.kind.needs_fresh_key() && !lead.fresh {
            // Its author sends it again once somebody has the new key.
            return Ok(());
        }
        lead.speculative_state.check(&opened.act)?;
        let token = match taken {
            // Its time fitted once. Our clock may have been set since, and nobody would tell its
            // author.
            Taken::Again => None,
            Taken::New(token) => match self.far_in_time(cx, &opened.act) {
                Some(refusal) => return Err(refusal),
                None => token,
            },
        };
        let Some(lead) = self.lead.as_mut() else {
            return Ok(());
        };
        let (Some(key), Some(kid)) = (lead.key.as_ref(), lead.kid) else {
            return Ok(());
        };
        let token = token.unwrap_or_else(|| seal_act(cx, &opened.envelope, key));
        let (from, id, epoch) = (opened.act.actor, opened.act.id, lead.epoch);
        let sealed = crate::log::SealedAct { from, id, epoch, kid, token };
        if !matches!(opened.act.kind, ActKind::Join { .. })
            && opened.envelope.meta_u64("epoch") != Some(lead.epoch.0)
        {
            // Signed for an epoch that has ended: its author stamps it anew when it reads the KEY
            // record.
            return Ok(());
        }
        let change = lead.speculative_state.apply(&opened.act);
        let asked = opened.act.kind.command() == "ROTATE";
        lead.epoch_acts += 1;
        self.gather(cx, sealed, opened);
        if asked {
            self.rotate(cx, "command");
        } else {
            self.rotate_for(cx, &change);
        }
        Ok(())
    }

    /// An act whose time is too far from ours is not taken in.
    pub(in crate::node::channel) fn far_in_time(&self, cx: &Ctx, act: &Act) -> Option<Refusal> {
        let apart = cx.now.wall.abs_diff(act.ts);
        if apart <= cx.cfg.clock_skew {
            return None;
        }
        let then = match act.kind {
            ActKind::Join { .. } => "set your clock and join again",
            _ => "set your clock; the message waits",
        };
        let text = format!(
            "your clock and that of {}, who leads {}, are {} minutes apart: {then}",
            cx.nick(),
            self.name,
            apart / 60_000
        );
        Some(Refusal { code: CLOCK.into(), params: vec![self.name.as_str().to_owned()], text })
    }

    pub(in crate::node::channel) fn rotate_for(&mut self, cx: &mut Ctx, change: &Change) {
        let Some(lead) = &self.lead else { return };
        let reason = match change {
            Change { joined: Some(_), membership: true, .. } => "join",
            Change { kicked: true, .. } => "kick",
            Change { actor_left: Some(_), .. } => "part",
            _ if lead.epoch_acts >= cx.cfg.epoch_messages => "count",
            _ => return,
        };
        if change.left.is_some() && mutant!(cx.cfg, KeepEpochOnLeave) {
            return;
        }
        if lead.speculative_state.members.is_empty() {
            self.resign(cx, true);
            return;
        }
        if !lead.speculative_state.actors.contains_key(&cx.me()) {
            // The leader itself has left: the next one begins the epoch.
            self.resign(cx, false);
            return;
        }
        let letting_in = self.lead.as_ref().is_some_and(|lead| lead.letting_in);
        if reason != "join" || !letting_in {
            self.rotate(cx, reason);
        }
    }

    /// Relays somebody's act, or tells them why not.
    pub(in crate::node::channel) fn relay_for(&mut self, cx: &mut Ctx, opened: Arc<Opened>, token: String) {
        let (author, act) = (opened.act.actor, (opened.act.id, opened.act.n));
        if let Err(refusal) = self.relay(cx, opened, Taken::New(Some(token))) {
            self.refuse(cx, author, act, &refusal);
        }
    }

    pub(in crate::node::channel) fn append_log(
        &mut self,
        cx: &mut Ctx,
        bytes: Vec<u8>,
        opened: Vec<Arc<Opened>>,
    ) {
        let hash = hash_record(&bytes);
        let (log, key) = (self.log.clone(), self.wire.clone());
        let waiting = PendingOp::Relay(self.key.clone());
        let request_id = match opened.is_empty() {
            false => cx.append_early(log, key.as_bytes(), bytes, waiting),
            // The key of a new epoch is kept before others hear of it.
            true => cx.append(log, key.as_bytes(), bytes, waiting),
        };
        let Some(lead) = self.lead.as_mut() else {
            return;
        };
        lead.seq = Seq(lead.seq.0 + opened.len().max(1) as u64);
        lead.head = hash;
        lead.pending.push_back(Pending { hash, opened });
        lead.inflight.insert(request_id);
    }

    /// Begins a new epoch: KEY into the log, the wraps to the members.
    pub fn rotate(&mut self, cx: &mut Ctx, reason: &str) {
        self.append_all_gathered(cx);
        let (Some(replica), Some(lead)) = (&self.replica, self.lead.as_mut()) else {
            return;
        };
        let channel = replica.fold.channel;
        let (term, claim) = (replica.fold.term, replica.fold.claim);
        let epoch = lead.last.next();
        let key = ChannelKey::generate(&mut cx.rng);
        let kid = key.id(&channel.0, epoch);
        let staged = cx.id.seal_local(key.expose());
        cx.store(crate::port::StoreOp::Put {
            table: crate::port::Table::Key,
            key: format!("{channel}/staged/{kid}"),
            value: staged,
        });
        self.ring.stage(kid, key.duplicate());
        lead.last = epoch;
        if lead.speculative_state.actors.keys().any(|actor| *actor != cx.me()) {
            let long = if lead.joiners.is_empty() { HANDING } else { HANDING_IN };
            lead.mode = Mode::Handing(cx.now.mono + long);
        } else {
            lead.key = Some(key.duplicate());
            lead.epoch = epoch;
            lead.kid = Some(kid);
            lead.fresh = true;
        }
        lead.readers = lead.speculative_state.actors.keys().copied().collect();
        lead.epoch_acts = 0;
        lead.epoch_began = cx.now.mono;
        let cards: Vec<Card> = lead
            .speculative_state
            .actors
            .iter()
            .filter(|(a, _)| **a != cx.me())
            .map(|(_, card)| card.clone())
            .collect();
        // The state that the record commits to is the one that is there when it is read: all that
        // was appended before.
        let state = Fold { term, claim, ..replica.fold.clone() }.state_hash(&lead.speculative_state);
        let wraps = self.make_wraps(cx, &key, epoch, kid, &cards);
        let mut hashes: Vec<Hash> = wraps.iter().map(|(_, hash, _)| *hash).collect();
        while hashes.is_empty() || !hashes.len().is_multiple_of(16) {
            hashes.push(Hash::of("kirc.v1.pad", &[&cx.random().to_be_bytes()]));
        }
        hashes.sort_unstable();
        let envelope = LogRecord::key_envelope(epoch, kid, reason, state, &hashes);
        let Some(lead) = self.lead.as_mut() else {
            return;
        };
        let bytes = LogRecord::leader(envelope, &cx.id, &self.room, term, lead.seq.next(), lead.head);
        self.append_log(cx, bytes, Vec::new());
        for (card, _, bytes) in wraps {
            cx.append_rpc(&card, bytes, PendingOp::Nothing);
        }
        let name = self.wire.clone();
        self.hint(
            cx,
            SignalOp::Publish {
                channel: format!("rotation:{name}"),
                payload: json!({"epoch": epoch.0, "kid": kid.to_string()}).to_string(),
            },
        );
    }

    /// Says goodbye in the log.
    pub fn resign(&mut self, cx: &mut Ctx, empty: bool) {
        self.append_all_gathered(cx);
        let (Some(replica), Some(lead)) = (&self.replica, self.lead.as_mut()) else {
            return;
        };
        let envelope = Envelope::new("RESIGN").field("empty", empty);
        let bytes =
            LogRecord::leader(envelope, &cx.id, &self.room, replica.fold.term, lead.seq.next(), lead.head);
        self.append_log(cx, bytes, Vec::new());
        self.release_key(cx);
        if empty {
            self.hint(cx, SignalOp::Delete { key: status_key(&self.wire) });
        }
    }
}
