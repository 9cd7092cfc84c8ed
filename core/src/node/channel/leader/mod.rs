//! The leader: takes acts in, gives them their place, signs and appends them, and starts epochs.

pub(super) mod admission;
pub(super) mod batch;
pub(super) mod join_request;
pub(super) mod nak;
pub(super) mod sequencer;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::channel::{Change, ChannelState, Refusal};
use crate::crypto::ChannelKey;
use crate::envelope::Envelope;
use crate::identity::Card;
use crate::ids::{ActorId, Count, Epoch, Hash, KeyId, Millis, MsgId, Offset, Seq};
use crate::log::{Fold, Kept, Opened, RelayRequest};
use crate::node::channel::leader::batch::Batch;
use crate::node::channel::leader::nak::Known;
use crate::node::channel::leader::sequencer::Taken;
use crate::node::channel::{Channel, OutKind, Phase};
use crate::node::ctx::Ctx;
use crate::node::pending::PendingOp;
use crate::port::RequestId;

/// Acts and joiners that may wait while the leader reads its own records back.
pub(in crate::node::channel) const BACKLOG: usize = 8_192;
/// How long nothing is put into the log while a new key is handed out, ms. Then the one before is
/// used on. Who is let in is given longer: it would have to come in again.
pub(in crate::node::channel) const HANDING: Millis = 2_000;
pub(in crate::node::channel) const HANDING_IN: Millis = 5_000;
/// Of how many strangers it is remembered what they asked.
const STRANGERS: usize = 4_096;

/// What the leader does with what comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node::channel) enum Mode {
    /// Relays.
    Active,
    /// An append failed: waits for the others to come to their ends.
    Draining,
    /// Asked for the end of the log.
    FindingEnd,
    /// Reads up to here.
    Reading(Offset),
    /// Waits until a member has the key of the new epoch; not longer than this (monotonic).
    Handing(Millis),
}

/// A record that was appended and has not come back.
pub(in crate::node::channel) struct Pending {
    pub(in crate::node::channel) hash: Hash,
    /// The acts in it.
    pub(in crate::node::channel) opened: Vec<Arc<Opened>>,
}

/// Somebody who waits to be let in: the request and the card, and whether it could only ask in the
/// log.
#[derive(Clone)]
pub(crate) struct Joiner {
    pub ask: MsgId,
    pub card: Card,
    pub by_log: bool,
}

pub(in crate::node::channel) enum Backlog {
    Sent(RelayRequest),
    /// Had its place, and the record was lost.
    Lost(Arc<Opened>),
    Join(Box<(Joiner, Envelope)>),
    Offer(Vec<Kept>),
}

/// A term of one's own.
pub(crate) struct Leader {
    pub(in crate::node::channel) mode: Mode,
    pub(in crate::node::channel) speculative_state: ChannelState,
    pub(in crate::node::channel) seq: Seq,
    pub(in crate::node::channel) head: Hash,
    /// The key under which acts are put.
    pub(in crate::node::channel) epoch: Epoch,
    pub(in crate::node::channel) kid: Option<KeyId>,
    pub(in crate::node::channel) key: Option<ChannelKey>,
    /// Nobody has it who has left.
    pub(in crate::node::channel) fresh: bool,
    /// The epoch that was begun last.
    pub(in crate::node::channel) last: Epoch,
    /// A new epoch is due, with the first who is there to say that it has the key: this one was
    /// begun by another leader.
    pub(in crate::node::channel) due: bool,
    /// Several are let in one after the other, and one epoch begins for all of them.
    pub(in crate::node::channel) letting_in: bool,
    /// Who has the key of that epoch.
    pub(in crate::node::channel) readers: BTreeSet<ActorId>,
    pub(in crate::node::channel) pending: VecDeque<Pending>,
    /// Acts that have their place and wait for the next record.
    pub(in crate::node::channel) gathered: Batch,
    pub(in crate::node::channel) inflight: BTreeSet<RequestId>,
    pub(in crate::node::channel) backlog: VecDeque<Backlog>,
    /// Joiners whose answer waits for the next KEY to come back.
    pub(in crate::node::channel) joiners: Vec<(Epoch, Joiner)>,
    pub(in crate::node::channel) epoch_acts: u64,
    pub(in crate::node::channel) epoch_began: Millis,
    pub(in crate::node::channel) renew_at: Millis,
    pub(in crate::node::channel) retry_at: Option<Millis>,
    /// The place of the last record of ours that landed.
    pub(in crate::node::channel) landed: Option<Offset>,
    /// The last request of each who asked to be let in.
    pub(in crate::node::channel) asks: BTreeMap<ActorId, Asked>,
}

/// What somebody asked last, and when (monotonic) a member was let in anew on its account.
pub(in crate::node::channel) struct Asked {
    id: MsgId,
    pub(in crate::node::channel) anew: Option<Millis>,
    /// How often in a row that was for nothing.
    pub(in crate::node::channel) tries: u32,
}

impl Leader {
    pub fn active(&self) -> bool {
        self.mode == Mode::Active
    }

    /// Whether it wants to know how far the log was read.
    pub fn follows_log(&self) -> bool {
        matches!(self.mode, Mode::Reading(_)) || !self.pending.is_empty()
    }

    /// Puts acts under the key that the log says may be used.
    pub(in crate::node::channel) fn take_key(&mut self, fold: &Fold, ring: &crate::keys::KeyRing) {
        let usable = fold.usable_key();
        self.epoch = usable.map_or(Epoch(0), |(epoch, _)| epoch);
        self.kid = usable.map(|(_, kid)| kid);
        self.key = usable.and_then(|key| ring.get(key)).map(ChannelKey::duplicate);
        self.fresh = fold.fresh_key().is_some();
    }

    /// Nothing is on its way into the log, and nobody waits for that.
    pub fn quiet(&self) -> bool {
        self.pending.is_empty()
            && self.gathered.is_empty()
            && self.inflight.is_empty()
            && self.backlog.is_empty()
            && self.joiners.is_empty()
    }

    pub fn wake(&self) -> Option<Millis> {
        let handing = match self.mode {
            Mode::Handing(until) => Some(until),
            _ => None,
        };
        [Some(self.renew_at), self.retry_at, handing].into_iter().flatten().min()
    }

    /// What a record of this hash holds, if it is the one that is to come back next.
    pub fn coming_back(&self, hash: &Hash) -> Option<Vec<Arc<Opened>>> {
        self.pending.front().filter(|p| p.hash == *hash && !p.opened.is_empty()).map(|p| p.opened.clone())
    }

    pub fn is_next(&self, hash: &Hash) -> bool {
        self.pending.front().is_some_and(|p| p.hash == *hash)
    }

    /// Whether somebody's request was heard before; if not, it is from now on.
    pub(in crate::node::channel) fn heard(&mut self, actor: ActorId, id: MsgId) -> bool {
        if self.asks.len() >= STRANGERS + self.speculative_state.actors.len() {
            let actors = &self.speculative_state.actors;
            self.asks.retain(|actor, _| actors.contains_key(actor));
        }
        match self.asks.get_mut(&actor) {
            Some(asked) if id <= asked.id => true,
            Some(asked) => {
                asked.id = id;
                false
            }
            None => self.asks.insert(actor, Asked { id, anew: None, tries: 0 }).is_some(),
        }
    }

    /// The channel as it is before a KEY record, if somebody waits to be let in.
    pub fn snapshot(&self, replica: &crate::node::channel::Replica) -> Option<(Fold, ChannelState)> {
        let next = replica.fold.epoch.next();
        let due = self.joiners.iter().any(|waiting| is_due(waiting, next, &replica.state));
        due.then(|| (replica.fold.clone(), replica.state.clone()))
    }
}

/// Whether somebody who waits to be let in is answered with an epoch that begins on this state. An
/// epoch that was lost on its way has the number of another one by then, and who waits for it may
/// have come in behind that one.
pub(in crate::node::channel) fn is_due(
    (epoch, joiner): &(Epoch, Joiner),
    begins: Epoch,
    state: &ChannelState,
) -> bool {
    *epoch <= begins && state.actors.contains_key(&joiner.card.actor())
}

impl Channel {
    /// The log says that we lead: begin, from what has been read.
    pub fn begin_lead(&mut self, cx: &mut Ctx) {
        let Some(replica) = &self.replica else { return };
        self.lead = Some(Leader {
            mode: Mode::Active,
            speculative_state: replica.state.clone(),
            seq: Seq(0),
            head: Hash::ZERO,
            epoch: Epoch(0),
            kid: None,
            key: None,
            fresh: false,
            last: Epoch(0),
            due: false,
            letting_in: false,
            readers: BTreeSet::new(),
            pending: VecDeque::new(),
            gathered: Batch::default(),
            inflight: BTreeSet::new(),
            backlog: VecDeque::new(),
            joiners: Vec::new(),
            epoch_acts: 0,
            epoch_began: cx.now.mono,
            renew_at: cx.now.mono,
            retry_at: None,
            landed: None,
            asks: BTreeMap::new(),
        });
        self.resume_lead(cx);
        self.publish_status(cx);
    }

    /// What was read is what counts: go on from there.
    fn resume_lead(&mut self, cx: &mut Ctx) {
        let (Some(replica), Some(lead)) = (&self.replica, &mut self.lead) else {
            return;
        };
        lead.mode = Mode::Active;
        lead.retry_at = None;
        lead.speculative_state = replica.state.clone();
        lead.seq = replica.fold.seq;
        lead.head = replica.fold.head;
        lead.take_key(&replica.fold, &self.ring);
        lead.last = replica.fold.epoch;
        lead.letting_in = false;
        let last = replica.fold.last_key();
        let info = last.and_then(|key| self.ring.info(key));
        lead.readers = info.map(|i| i.members.clone()).unwrap_or_default();
        // What they wait for may have been lost on its way: the next epoch has another number then.
        for (epoch, _) in &mut lead.joiners {
            *epoch = (*epoch).min(lead.last.next());
        }
        let own_epoch = info.is_some_and(|i| i.term == replica.fold.term)
            && last.is_some_and(|key| self.ring.get(key).is_some());
        let mut lost: Vec<Arc<Opened>> = lead.pending.drain(..).flat_map(|p| p.opened).collect();
        lost.extend(lead.gathered.take().1);
        let same_members = lead.speculative_state.actors.keys().eq(lead.readers.iter());
        // As long as nobody is there who could say that it has a new key, the one that is here
        // serves.
        lead.due = !own_epoch && same_members && lead.joiners.is_empty() && lead.fresh && lead.key.is_some();
        let reason = match (own_epoch || lead.due, same_members, lead.joiners.is_empty()) {
            (false, ..) => Some("leader"),
            (_, false, _) => Some("members"),
            (.., false) => Some("join"),
            _ => None,
        };
        if let Some(reason) = reason {
            self.rotate(cx, reason);
        } else if replica.fold.use_of.is_handing() {
            lead.mode = Mode::Handing(cx.now.mono + HANDING);
        }
        // What was lost on the way is relayed again if it still stands in its author's order. Own
        // acts are stamped anew.
        let me = cx.me();
        self.requeue();
        if let Some(lead) = self.lead.as_mut() {
            for opened in lost.into_iter().rev().filter(|o| o.act.actor != me) {
                lead.backlog.push_front(Backlog::Lost(opened));
            }
        }
        self.go_on_leading(cx);
    }

    /// Does what has come in meanwhile, until the next epoch begins.
    pub(in crate::node::channel) fn go_on_leading(&mut self, cx: &mut Ctx) {
        if let Some(lead) = self.lead.as_mut() {
            lead.letting_in = true;
        }
        while let Some(item) = self.lead.as_mut().filter(|l| l.active()).and_then(|l| l.backlog.pop_front()) {
            match item {
                Backlog::Sent(send) => self.on_send(cx, send),
                Backlog::Join(ask) => self.on_join_ask(cx, ask.0, ask.1),
                Backlog::Offer(records) => self.append_backfill(cx, records),
                Backlog::Lost(opened) => drop(self.relay(cx, opened, Taken::Again)),
            }
        }
        if let Some(lead) = self.lead.as_mut() {
            lead.letting_in = false;
            if lead.active() && lead.joiners.iter().any(|(epoch, _)| *epoch > lead.last) {
                self.rotate(cx, "join");
            }
        }
        self.pump(cx);
        cx.status_dirty = true;
    }

    /// An act of somebody else arrived in our mailbox.
    pub fn on_send(&mut self, cx: &mut Ctx, send: RelayRequest) {
        let (Some(replica), Some(lead)) = (&self.replica, self.lead.as_mut()) else {
            return;
        };
        if !lead.active() {
            if lead.backlog.len() < BACKLOG {
                lead.backlog.push_back(Backlog::Sent(send));
            }
            return;
        }
        if Some(send.act.kid) != lead.kid || send.act.epoch != lead.epoch {
            return;
        }
        let Some(key) = lead.key.as_ref() else { return };
        let Ok(plain) = key.decrypt(&send.act.token) else {
            return;
        };
        let channel = replica.fold.channel;
        let due = std::mem::take(&mut lead.due);
        match crate::log::open_act(&plain, &send.act, channel, &lead.speculative_state, &cx.cfg) {
            Ok(opened) => {
                let (author, act) = (opened.act.actor, (opened.act.id, opened.act.n));
                match self.refusals.know(&author, act) {
                    // Its author has not heard our no: say it again.
                    Known::Refused(refusal) => {
                        let refusal = refusal.clone();
                        self.refuse(cx, author, act, &refusal);
                    }
                    Known::Overtaken => {}
                    Known::Nothing => self.relay_for(cx, Arc::new(opened), send.act.token),
                }
            }
            // What its author did not sign for us gets no answer: whoever made it may not be its
            // author.
            Err(_) => {
                if let Some(why) = crate::log::unreadable(&plain, &send.act, &lead.speculative_state) {
                    let refusal = Refusal::unfit(self.name.as_str(), &why);
                    self.refuse(cx, send.act.from, (send.act.id, Count(u64::MAX)), &refusal);
                }
            }
        }
        if due && self.lead.as_ref().is_some_and(Leader::active) {
            self.rotate(cx, "leader");
        }
    }

    /// A record of this term came back (or one that we did not expect).
    pub fn lead_read_back(&mut self, cx: &mut Ctx, expected: bool) {
        let Some(lead) = self.lead.as_mut() else {
            return;
        };
        if expected {
            lead.pending.pop_front();
        } else {
            // One of ours that we had given up, or one from before a restart: what we built on is
            // not what counts.
            self.resync(cx);
        }
    }

    /// An append to the log came to its end.
    pub fn on_relayed(&mut self, cx: &mut Ctx, request_id: RequestId, at: Option<Offset>) {
        let Some(lead) = self.lead.as_mut() else {
            return;
        };
        lead.inflight.remove(&request_id);
        lead.landed = lead.landed.max(at);
        if at.is_none() || (lead.mode == Mode::Draining && lead.inflight.is_empty()) {
            self.resync(cx);
        } else {
            self.append_gathered(cx);
            self.miss_records(cx);
        }
    }

    /// All that we appended has been read, and some of it did not count: what we build on is not
    /// there.
    fn miss_records(&mut self, cx: &mut Ctx) {
        let Some(lead) = self.lead.as_ref() else {
            return;
        };
        let passed =
            cx.readers.get(&self.log).is_some_and(|r| !r.moving && lead.landed.is_some_and(|at| r.next > at));
        let waits = matches!(lead.mode, Mode::Active | Mode::Handing(_));
        let idle = waits && lead.inflight.is_empty() && self.awaiting_key.is_empty();
        if idle && passed && !lead.pending.is_empty() {
            self.resync(cx);
        }
    }

    /// The log is another one: what was on its way into the one before is relayed again, if it
    /// still counts.
    pub(in crate::node::channel) fn lead_anew(&mut self, cx: &mut Ctx) {
        if let Some(lead) = self.lead.as_mut() {
            lead.landed = None;
            self.resync(cx);
        }
    }

    /// Reads to the end before anything else is appended.
    fn resync(&mut self, cx: &mut Ctx) {
        let Some(lead) = self.lead.as_mut() else {
            return;
        };
        if !lead.inflight.is_empty() {
            lead.mode = Mode::Draining;
            return;
        }
        lead.mode = Mode::FindingEnd;
        lead.retry_at = None;
        let (log, key) = (self.log.clone(), self.key.clone());
        cx.end_of(log, PendingOp::Resync(key));
        cx.status_dirty = true;
    }

    /// The end of the log is known, or can't be had now.
    pub fn on_resync_end(&mut self, cx: &mut Ctx, end: Option<Offset>) {
        let Some(lead) = self.lead.as_mut().filter(|l| l.mode == Mode::FindingEnd) else {
            return;
        };
        match end {
            Some(end) => {
                lead.mode = Mode::Reading(end);
                self.lead_progress(cx);
            }
            None => lead.retry_at = Some(cx.now.mono + 500),
        }
    }

    /// Reading went on: is the end reached?
    pub fn lead_progress(&mut self, cx: &mut Ctx) {
        let Some(lead) = self.lead.as_ref() else {
            return;
        };
        let Mode::Reading(end) = lead.mode else {
            self.miss_records(cx);
            return;
        };
        let read = cx.readers.get(&self.log).is_some_and(|r| !r.moving && r.next >= end);
        if read && self.awaiting_key.is_empty() {
            self.resume_lead(cx);
        }
    }

    /// The state changed while we lead: hints for those outside.
    pub fn lead_changed(&mut self, cx: &mut Ctx, change: &Change) {
        let came = change.joined.is_some() || change.left.is_some();
        if self.lead.is_some() && (came || change.topic || !change.modes.is_empty()) {
            self.publish_status(cx);
        }
    }

    /// Somebody doubts us: any record will do.
    pub fn answer_challenge(&mut self, cx: &mut Ctx) {
        let pong = Envelope::new("PONG");
        let waiting = self.outbox.iter().any(|o| o.template.command == "PONG");
        if !waiting {
            self.submit(cx, pong, None, OutKind::Passing, None);
        } else {
            self.pump(cx);
        }
    }

    pub fn tick_lead(&mut self, cx: &mut Ctx) {
        if self.phase != Phase::Joined {
            return;
        }
        let Some(lead) = self.lead.as_mut() else {
            return;
        };
        if lead.retry_at.is_some_and(|at| cx.now.mono >= at) {
            lead.retry_at = None;
            self.resync(cx);
        } else if matches!(lead.mode, Mode::Handing(until) if cx.now.mono >= until) {
            self.keep_key(cx);
        }
        let Some(lead) = self.lead.as_mut() else {
            return;
        };
        if cx.now.mono >= lead.renew_at {
            lead.renew_at = cx.now.mono + cx.cfg.lease / 3;
            // While nobody else is there, nothing is said under the key.
            let used = lead.speculative_state.actors.len() > 1;
            let old = cx.now.mono >= lead.epoch_began + cx.cfg.epoch_age && lead.active() && used;
            self.renew_key(cx);
            if old {
                self.rotate(cx, "age");
            }
        }
    }
}
