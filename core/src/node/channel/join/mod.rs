//! Joining: find the leader, ask to be admitted, check the answer; or found the channel.
//!
//! Nothing of the answer is shown before the log proves it.

pub(super) mod discovery;
pub(super) mod joined;
pub(super) mod request;
pub(super) mod topic;

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use crate::channel::ChannelState;
use crate::crypto::ChannelKey;
use crate::envelope::Envelope;
use crate::identity::Card;
use crate::ids::{Count, Epoch, Hash, Millis, MsgId, Offset, Term};
use crate::log::Fold;
use crate::node::channel::election::events;
use crate::node::channel::join::discovery::{Discovery, FOUND};
use crate::node::channel::join::topic::Making;
use crate::node::channel::recovery::handed::handed;
use crate::node::channel::{Channel, Phase, Replica};
use crate::node::ctx::{Ctx, Origin, notice};
use crate::numeric;
use crate::port::{SignalOp, StoreOp, Table, Topic};

/// How long a leader may take to answer, ms.
pub(in crate::node::channel) const PATIENCE: Millis = 3_000;
/// Whoever comes begins to count with the JOIN.
pub(in crate::node::channel) const JOIN: Count = Count(1);

/// An attempt to get in.
pub(crate) struct Join {
    pub origins: Vec<Origin>,
    /// What was said right behind the JOIN: it goes out once we are in.
    pub later: Vec<(Origin, Envelope)>,
    /// The user has changed its mind: out again as soon as we are in.
    pub(in crate::node::channel) leave: Option<Origin>,
    /// The claim by which we try to found the channel.
    pub(in crate::node::channel) claimed: Option<Hash>,
    pub(in crate::node::channel) key: Option<String>,
    pub(in crate::node::channel) scan: Discovery,
    /// Who was asked last, which request, and where the answer will be.
    pub(in crate::node::channel) asked: Option<(Card, MsgId, Topic)>,
    /// Requests before it: whoever was slow to let us in has let us in all the same.
    pub(in crate::node::channel) earlier: VecDeque<(Card, MsgId)>,
    /// The request is sent once its answers are read.
    pub(in crate::node::channel) ready: bool,
    /// The parts of answers, by the request that they are for.
    pub(in crate::node::channel) parts: BTreeMap<(MsgId, u64), String>,
    pub(in crate::node::channel) deadline: Option<Millis>,
    pub(in crate::node::channel) tries: usize,
    pub(in crate::node::channel) told: bool,
    pub(in crate::node::channel) topic: Making,
}

impl Join {
    pub fn new(origins: Vec<Origin>, key: Option<String>) -> Self {
        Self {
            origins,
            later: Vec::new(),
            leave: None,
            claimed: None,
            key,
            scan: Discovery::default(),
            asked: None,
            earlier: VecDeque::new(),
            ready: false,
            parts: BTreeMap::new(),
            deadline: None,
            tries: 0,
            told: false,
            topic: Making::default(),
        }
    }

    /// The log commits to what we were told: what is missing now is only somebody's word that it
    /// has the key. What others were asked too does not count any more: we are in from here on, and
    /// would pass over what has been said since.
    pub(in crate::node::channel) fn proven(&mut self, now: Millis) {
        self.asked = None;
        self.earlier.clear();
        self.parts.clear();
        self.deadline = Some(now + 4 * PATIENCE);
    }

    pub fn wake(&self) -> Option<Millis> {
        [self.deadline, self.topic.at].into_iter().flatten().min()
    }

    /// Nobody answers at the door.
    pub fn waits_long(&self) -> bool {
        self.told
    }
}

/// Tells all sessions that we are out of a channel, and have not been in.
pub(in crate::node::channel) fn tell_left(cx: &mut Ctx, name: &str, origin: Option<&Origin>) {
    let e = Envelope::new("PART")
        .from(cx.nick().as_str())
        .to(name)
        .meta("actor", cx.me().to_string())
        .meta("self", true);
    cx.broadcast(&e, origin);
    cx.status_dirty = true;
}

impl Channel {
    /// Begins to get in: what does the log say?
    pub fn begin_join(&mut self, cx: &mut Ctx, join: Join) {
        self.phase = Phase::Joining;
        self.replica = None;
        self.lead = None;
        self.awaiting_key.clear();
        (self.anew, self.lost) = (false, false);
        self.ring.clear();
        self.join = Some(join);
        self.next = 0;
        self.catch_up_end = Some(Offset::MAX);
        self.hint(cx, SignalOp::Subscribe { channel: events(&self.wire) });
        self.reach_log(cx);
        cx.status_dirty = true;
    }

    /// The leader key before founding: whoever has it goes first; the log decides.
    pub fn on_found_lease(&mut self, cx: &mut Ctx, ours: bool) {
        let Some(join) = self.join.as_mut() else {
            return;
        };
        if !join.scan.vacant() {
            return;
        }
        let known = cx.contacts.known_channel(&self.key).is_some();
        if join.scan.waits_for_members(cx.now.mono, known) {
            // They have said so while we asked.
            join.deadline = Some(cx.now.mono + PATIENCE);
            return;
        }
        if !ours && join.tries < FOUND {
            join.tries += 1;
            join.deadline = Some(cx.now.mono + cx.jitter(300, 900));
            return;
        }
        let (term, prev) = match &join.scan.emptied {
            Some(hash) => (join.scan.claims.get(hash).map_or(Term(1), |c| c.term.next()), *hash),
            None => (Term(1), Hash::ZERO),
        };
        join.deadline = Some(cx.now.mono + PATIENCE);
        let claim = self.append_claim(cx, term, prev, None);
        if let Some(join) = self.join.as_mut() {
            join.claimed = Some(claim);
        }
    }

    /// Our claim was the first: the channel is ours.
    pub(in crate::node::channel) fn founded(&mut self, cx: &mut Ctx, claim: Hash, term: Term, time: Millis) {
        let state = ChannelState::found(&self.room, &cx.card, MsgId::default());
        let fold = Fold::found(claim, cx.me(), term, time);
        self.replica = Some(Replica { fold, state });
        self.count_on(cx);
        self.catch_up_end = None;
        // No JOIN of ours is in the log: the claim is how we came.
        let id = cx.new_id();
        self.entered(cx, Some(id));
        self.begin_lead(cx);
        self.tell_way(cx);
    }

    /// The leader says no.
    pub(in crate::node::channel) fn on_refused(&mut self, cx: &mut Ctx, answer: &Envelope) {
        let nick = cx.nick().as_str().to_owned();
        let (origins, mut later, leave) =
            self.join.take().map(|j| (j.origins, j.later, j.leave)).unwrap_or_default();
        if leave.is_some() {
            tell_left(cx, self.name.as_str(), leave.as_ref());
        }
        for origin in origins {
            let mut e =
                Envelope { meta: serde_json::Map::new(), from: None, id: None, ts: None, ..answer.clone() };
            e.to = Some(nick.clone());
            if !numeric::refuses(&e.command) {
                // An older leader's word for clocks that differ; or anything else that no door
                // would take as a no.
                e.command = numeric::ERR_UNAVAILRESOURCE.code.to_owned();
            }
            cx.reply(&origin, e);
            cx.settled_by(Some(&origin));
        }
        self.phase = Phase::Left;
        // Whoever asks once more, with another key perhaps, gets an answer of its own.
        let again = later.iter().position(|(_, e)| e.command == "JOIN").unwrap_or(later.len());
        cx.after_join.extend(later.split_off(again));
        for (origin, e) in later {
            self.not_in(cx, &origin, &e);
            cx.settled_by(Some(&origin));
        }
        cx.status_dirty = true;
    }

    /// The leader lets us in: take its word for now, and let the log prove it.
    pub(in crate::node::channel) fn on_welcome(&mut self, cx: &mut Ctx, answer: &Envelope) {
        let get = |name: &str| answer.get(name).cloned().unwrap_or(Value::Null);
        let at = get("offset").as_str().and_then(|o| o.parse::<Offset>().ok());
        let handed = handed(answer, &self.room, &cx.contacts, cx.now.wall);
        let (Ok(Replica { fold, state }), Some(at)) = (handed, at) else {
            // Whoever leads can't be believed, or runs another version: we ask again, as when
            // nothing comes.
            return;
        };
        // Written when the log was lost that it tells of, or before we heard of that: the offset is
        // one of another log.
        if get("incarnation") != json!(self.incarnation) {
            return;
        }
        let ours = state.actors.get(&cx.me()).is_some_and(|card| card.keys() == cx.card.keys());
        let other = |late: &crate::node::channel::recovery::backfill::Backfill| !late.of(&fold.channel);
        if !ours || self.late.as_ref().is_some_and(other) {
            return;
        }
        if let Some(by) = state.actors.get(&fold.leader).map(Card::actor) {
            for (cluster, way) in get("ways").as_object().into_iter().flatten() {
                cx.learn(cluster, by, false, way);
            }
        }
        for key in get("keys").as_array().into_iter().flatten() {
            let epoch: Option<Epoch> = key.get("epoch").and_then(|e| serde_json::from_value(e.clone()).ok());
            let bytes: Option<Vec<u8>> = key.get("key").and_then(|k| serde_json::from_value(k.clone()).ok());
            let bytes = bytes.and_then(|b| <[u8; 32]>::try_from(b).ok());
            if let (Some(epoch), Some(bytes)) = (epoch, bytes) {
                let key = ChannelKey::from_bytes(bytes);
                let kid = key.id(&fold.channel.0, epoch);
                if mutant!(cx.cfg, HandOutOldKeys) {
                    let info = crate::keys::EpochInfo {
                        kid,
                        members: Default::default(),
                        term: fold.term,
                        wraps: vec![],
                    };
                    self.ring.restore(epoch, info, Some(key.duplicate()));
                    let value = cx.id.seal_local(key.expose());
                    let key = format!("{}/staged/{kid}", fold.channel);
                    cx.store(StoreOp::Put { table: Table::Key, key, value });
                }
                self.ring.stage(kid, key);
            }
        }
        self.heads.clear();
        self.heads.insert(fold.seq, fold.head);
        self.replica = Some(Replica { fold, state });
        self.count_on(cx);
        self.next = at;
        self.catch_up_end = Some(at);
        let log = self.log.clone();
        cx.read_from(&log, at);
        if let Some(join) = self.join.as_mut() {
            join.deadline = Some(cx.now.mono + PATIENCE);
        }
    }

    /// The user has changed its mind on the way in. Whoever was asked may let us in all the same:
    /// then we leave again.
    pub fn leave_early(&mut self, cx: &mut Ctx, origin: &Origin) {
        match self.join.as_mut() {
            Some(join) if join.asked.is_some() || join.claimed.is_some() || self.replica.is_some() => {
                join.leave = Some(origin.clone());
                let (origins, later) = (std::mem::take(&mut join.origins), std::mem::take(&mut join.later));
                self.never_in(cx, origins, later);
            }
            _ => self.stay_out(cx, Some(origin)),
        }
        cx.status_dirty = true;
    }

    /// A JOIN was given up, and with it what waited for it: each is told.
    fn never_in(&self, cx: &mut Ctx, origins: Vec<Origin>, later: Vec<(Origin, Envelope)>) {
        let text = format!("You left {} before you were in", self.name);
        for origin in origins {
            cx.numeric(&origin, numeric::ERR_UNAVAILRESOURCE, &[self.name.as_str()], &text);
            cx.settled_by(Some(&origin));
        }
        for (origin, e) in later {
            self.not_in(cx, &origin, &e);
            cx.settled_by(Some(&origin));
        }
    }

    /// Nobody let us in, and we no longer want in.
    pub(in crate::node::channel) fn stay_out(&mut self, cx: &mut Ctx, origin: Option<&Origin>) {
        self.phase = Phase::Left;
        if let Some(join) = self.join.take() {
            self.never_in(cx, join.origins, join.later);
        }
        tell_left(cx, self.name.as_str(), origin);
    }

    /// Time passed while we wait at the door.
    pub fn tick_join(&mut self, cx: &mut Ctx) {
        let Some(join) = self.join.as_mut() else {
            return;
        };
        if join.topic.due(cx.now.mono) {
            self.reach_log(cx);
            return;
        }
        if join.deadline.is_none_or(|at| cx.now.mono < at) {
            return;
        }
        join.deadline = None;
        join.tries += 1;
        if join.leave.is_some() && join.tries > 4 {
            let origin = join.leave.take();
            self.stay_out(cx, origin.as_ref());
            return;
        }
        if let Some(topic) = join.give_up()
            && join.tries % 4 == 0
        {
            // Perhaps the answers' topic was not there when we began to read it.
            cx.readers.remove(&topic);
        }
        if join.tries == 2 && !join.told && !join.scan.vacant() {
            join.told = true;
            let name = self.name.as_str().to_owned();
            let text = format!(
                "{name} exists, but nobody who could let you in answers. It is encrypted, so somebody in it has to; you will be in as soon as one of them is there."
            );
            let e = notice(&name, text);
            let origins = join.origins.clone();
            for origin in &origins {
                cx.reply(origin, e.clone());
            }
        }
        if self.replica.is_some() {
            // The answer was not proven by the log: begin again.
            if let Some(mut join) = self.join.take() {
                join.scan = Discovery::default();
                self.begin_join(cx, join);
            }
            return;
        }
        let payload = json!({"event": "WAIT"}).to_string();
        self.hint(cx, SignalOp::Publish { channel: events(&self.wire), payload });
        if self.catch_up_end.is_none() {
            self.scanned(cx);
        } else if let Some(join) = self.join.as_mut() {
            join.deadline = Some(cx.now.mono + PATIENCE);
        }
    }
}
