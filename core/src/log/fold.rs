//! The fold over a log: who leads, which record counts, what it did.
//!
//! Every member runs the same function over the same records. It reads the record's own log time
//! and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::acts::SealedAct;
use super::key_use::KeyUse;
use super::open::{AppliedAct, Opened, open_act};
use super::record::{Kept, LogRecord, Sequenced, Stand, chain_claim};
use crate::channel::{ChannelState, Order};
use crate::envelope::{Domain, Envelope};
use crate::identity::PublicKeys;
use crate::ids::{ActorId, ChannelId, Epoch, Hash, KeyId, Millis, Seq, Term};
use crate::keys::KeyRing;
use crate::node::Config;

/// How often one member's challenges count, ms of the log's time.
const CHALLENGE_EVERY: Millis = 10_000;
/// Each life of a log has this many sequence numbers of its own, and so many epochs: none ever
/// means two records, also where the log went on from less than somebody has.
const LIFE: u64 = 1 << 32;
const EPOCHS: u64 = 1 << 24;

/// Whether two places are in one life of a log.
pub fn same_life(a: Seq, b: Seq) -> bool {
    a.0 / LIFE == b.0 / LIFE
}

/// Where the next life of a log begins that stands on this.
pub fn next_life(stand: Seq) -> Seq {
    Seq((stand.0 / LIFE + 1) * LIFE)
}

/// Where a channel's log stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    /// The channel's identity.
    pub channel: ChannelId,
    /// When (log's time) it was founded.
    pub created: Millis,
    /// The term.
    pub term: Term,
    /// Who won it.
    pub leader: ActorId,
    /// The hash of the claim that won it.
    pub claim: Hash,
    /// The leader said that it leaves.
    pub resigned: bool,
    /// The sequence number of the last record that counts.
    pub seq: Seq,
    /// The head of the chain.
    pub head: Hash,
    /// The last epoch that a KEY record began; 0 before the first.
    pub epoch: Epoch,
    /// Its key.
    pub kid: Option<KeyId>,
    /// Which keys may be used: that one only once somebody has it.
    #[serde(default)]
    pub use_of: KeyUse,
    /// The log's time, never running backwards.
    pub time: Millis,
    /// When (log's time) the first challenge came that the leader has not answered.
    pub challenge: Option<Millis>,
    /// Each member's last challenge that counted.
    pub challenged: BTreeMap<ActorId, Millis>,
}

/// What a record came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It does not count: stale, repeated, premature, a stranger's.
    Void(&'static str),
    /// It stands in its place and the leader signed it, but no honest leader would have: it does
    /// not count either.
    Forged(&'static str),
    /// The key of its epoch is not here: ask for it, and try the record again.
    Stall,
    /// A new term began.
    Claimed,
    /// The leader is doubted.
    Challenged(ActorId),
    /// A member other than the leader has the key of the last epoch: from here on it may be used.
    Held(ActorId),
    /// A new epoch began; its key may still be missing.
    Keyed {
        /// Its number.
        epoch: Epoch,
        /// Its key.
        kid: KeyId,
        /// Why.
        reason: String,
        /// Hashes of the wraps.
        wraps: Vec<Hash>,
    },
    /// The leader puts acts under the key before the last one.
    Kept,
    /// The leader left.
    Resigned {
        /// Nobody is left.
        empty: bool,
    },
    /// Records of a log that is gone.
    Backfill(Vec<Kept>),
    /// Members did something, each in its place.
    Acted(Vec<AppliedAct>),
    /// Of a kind that is not known here.
    Skipped,
}

/// What the fold may look at besides itself and the record.
pub struct Judge<'a> {
    /// Settings (times; deliberately broken rules in the simulation).
    pub config: &'a Config,
    /// The keys.
    pub ring: &'a KeyRing,
    /// The record's hash.
    pub hash: Hash,
    /// The log's time for it.
    pub time: Millis,
    /// What the record holds, act by act, if it is this node's own work coming back.
    pub trusted: Option<Vec<Arc<Opened>>>,
    /// What an act holds that is this node's own work; somebody else gave it its place.
    pub sent: &'a dyn Fn(&SealedAct) -> Option<Arc<Opened>>,
    /// The log has begun anew, and nothing of it has counted yet: what counts first is a claim that
    /// says what it stands on.
    pub anew: bool,
}

impl Fold {
    /// The state of a log after the claim that founded it.
    pub fn found(claim: Hash, leader: ActorId, term: Term, time: Millis) -> Self {
        Self {
            channel: ChannelId(claim.0),
            created: time,
            term,
            leader,
            claim,
            resigned: false,
            seq: Seq(0),
            head: chain_claim(Hash::ZERO, claim),
            epoch: Epoch(0),
            kid: None,
            use_of: KeyUse::default(),
            time,
            challenge: None,
            challenged: BTreeMap::new(),
        }
    }

    /// The hash of everything that members must agree on, as KEY records carry it. Times are left
    /// out: whoever signs can't know them yet.
    pub fn state_hash(&self, state: &ChannelState) -> Hash {
        let state = serde_json_canonicalizer::to_vec(&state.brief()).unwrap_or_default();
        Hash::of("kirc.v1.state", &[&self.channel.0, &self.claim.0, &self.term.0.to_be_bytes(), &state])
    }

    /// Where it stands.
    pub fn stand(&self) -> Stand {
        Stand { seq: self.seq, head: self.head }
    }

    /// Whether somebody else may claim now (`time` is the log's).
    pub fn vacant(&self, state: &ChannelState, time: Millis, config: &Config) -> bool {
        self.resigned
            || !state.members.contains_key(&self.leader)
            || self.challenge.is_some_and(|since| time >= since + config.challenge)
    }

    /// Judges a record and, if it counts, takes it in.
    pub fn step(&mut self, state: &mut ChannelState, record: &LogRecord, judge: Judge<'_>) -> Verdict {
        let time = judge.time.max(self.time);
        let verdict = match record {
            LogRecord::Claim { envelope, card, term, prev, channel, anew, .. } => {
                self.claim(state, envelope, card.actor(), (*term, *prev, *channel, *anew), time, &judge)
            }
            _ if judge.anew => Verdict::Void("in a log that has not begun"),
            LogRecord::Challenge { envelope, from, term, .. } => {
                self.challenge(state, envelope, *from, *term, time)
            }
            LogRecord::Held { envelope, from, term, epoch, kid } => {
                self.held(state, envelope, *from, (*term, *epoch, *kid))
            }
            _ => match record.sequenced() {
                Some(at) => self.sequenced(state, record, at, &judge),
                None => Verdict::Void("of no known form"),
            },
        };
        // What stands in a new log before it begins is later than all that is still to come of the
        // old one, from the others.
        let early = judge.anew && verdict != Verdict::Claimed;
        if verdict != Verdict::Stall && !early {
            self.time = time;
        }
        verdict
    }

    fn claim(
        &mut self,
        state: &ChannelState,
        envelope: &Envelope,
        actor: ActorId,
        (term, prev, channel, anew): (Term, Hash, Option<ChannelId>, Option<Stand>),
        time: Millis,
        judge: &Judge<'_>,
    ) -> Verdict {
        if anew.is_some() != judge.anew {
            return Verdict::Void("a claim on a new log, and the log is not new; or the other way round");
        }
        if anew.is_some_and(|stand| stand != self.stand()) {
            return Verdict::Void("a claim on a new log that stands on other records than ours");
        }
        if channel != Some(self.channel) || term != self.term.next() || prev != self.claim {
            return Verdict::Void("a claim that comes too late");
        }
        let Some(member) = state.members.get(&actor) else {
            return Verdict::Void("a claim by somebody who is not a member");
        };
        let open = anew.is_some() || self.vacant(state, time, judge.config);
        if !open && !mutant!(judge.config, ClaimAtWill) {
            return Verdict::Void("a claim while the leader may live");
        }
        if envelope.verify(Domain::Claim, member.card.keys()).is_err() {
            return Verdict::Void("a claim whose signature does not hold");
        }
        self.term = term;
        self.leader = actor;
        self.claim = judge.hash;
        self.resigned = false;
        self.head = chain_claim(self.head, judge.hash);
        self.challenge = None;
        if anew.is_some() {
            self.seq = next_life(self.seq);
            self.epoch = Epoch((self.epoch.0 / EPOCHS + 1) * EPOCHS);
            self.kid = None;
            self.use_of.anew();
        }
        Verdict::Claimed
    }

    fn challenge(
        &mut self,
        state: &ChannelState,
        envelope: &Envelope,
        from: ActorId,
        term: Term,
        time: Millis,
    ) -> Verdict {
        if term != self.term || envelope.meta_str("ch") != Some(self.channel.to_string().as_str()) {
            return Verdict::Void("a challenge of another term");
        }
        let Some(member) = state.members.get(&from) else {
            return Verdict::Void("a challenge by somebody who is not a member");
        };
        if self.challenged.get(&from).is_some_and(|last| time < last + CHALLENGE_EVERY) {
            return Verdict::Void("one challenge too many");
        }
        if envelope.verify(Domain::Challenge, member.card.keys()).is_err() {
            return Verdict::Void("a challenge whose signature does not hold");
        }
        self.challenged.retain(|_, last| time < *last + CHALLENGE_EVERY);
        self.challenged.insert(from, time);
        self.challenge.get_or_insert(time);
        Verdict::Challenged(from)
    }

    /// Without this a KEY record alone would end what can be said: nobody could tell a key that
    /// everybody has from one that nobody was given.
    fn held(
        &mut self,
        state: &ChannelState,
        envelope: &Envelope,
        from: ActorId,
        (term, epoch, kid): (Term, Epoch, KeyId),
    ) -> Verdict {
        if term != self.term || epoch != self.epoch || Some(kid) != self.kid {
            return Verdict::Void("about a key that is not the last one");
        }
        if !self.use_of.unheld() {
            return Verdict::Void("about a key of which that is known");
        }
        if from == self.leader || envelope.meta_str("ch") != Some(self.channel.to_string().as_str()) {
            return Verdict::Void("the word of its maker, or of another channel");
        }
        let Some(member) = state.members.get(&from) else {
            return Verdict::Void("the word of somebody who is not a member");
        };
        if envelope.verify(Domain::Held, member.card.keys()).is_err() {
            return Verdict::Void("a word whose signature does not hold");
        }
        self.use_of.hold(from);
        Verdict::Held(from)
    }

    /// The key under which acts are to stand now.
    pub fn usable_key(&self) -> Option<(Epoch, KeyId)> {
        self.use_of.newest()
    }

    /// The same, if nobody has it who has left: only then anything but comings and goings may stand
    /// under it.
    pub fn fresh_key(&self) -> Option<(Epoch, KeyId)> {
        self.usable_key().filter(|key| self.use_of.is_fresh(*key))
    }

    /// What an earlier version kept of a fold says nothing of the use of its keys.
    pub fn settle_keys(&mut self) {
        if self.kid.is_some() && self.use_of == KeyUse::default() {
            self.use_of = KeyUse::earlier(self.kid.map(|kid| (self.epoch, kid)), self.leader);
        }
    }

    fn sequenced(
        &mut self,
        state: &mut ChannelState,
        record: &LogRecord,
        at: &Sequenced,
        judge: &Judge<'_>,
    ) -> Verdict {
        if at.term != self.term && !mutant!(judge.config, AcceptOldTerm) {
            return Verdict::Void("by a leader that was replaced");
        }
        if self.resigned {
            return Verdict::Void("by a leader that had resigned");
        }
        let continues = at.seq == self.seq.next() && at.prev == self.head;
        if !continues && !mutant!(judge.config, IgnoreChain, AcceptOldTerm) {
            return Verdict::Void("it does not continue the chain");
        }
        if judge.trusted.is_none() && !self.signed_by_leader(state, at, judge) {
            return Verdict::Void("its signature is not the leader's");
        }
        let answers = self.fresh_key().is_some();
        let verdict = match record {
            LogRecord::Acts(at, acts) => {
                let verdict = self.acts(state, acts, at.seq, judge);
                if let Verdict::Acted(acted) = &verdict {
                    let under = acts.first().map(|act| (act.epoch, act.kid));
                    let left = acted.iter().any(|a| a.change.left.is_some());
                    self.use_of.used(under, left && !mutant!(judge.config, KeepEpochOnLeave));
                }
                verdict
            }
            LogRecord::Key { epoch, kid, reason, state: hash, wraps, alg, .. } => {
                if alg != "fernet" {
                    return Verdict::Forged("a key by a way that is not understood");
                }
                if *epoch != self.epoch.next() {
                    return Verdict::Forged("an epoch that does not follow the last");
                }
                if *hash != self.state_hash(state) {
                    return Verdict::Forged("a state of the channel that is not ours");
                }
                self.epoch = *epoch;
                self.kid = Some(*kid);
                let others = state.members.keys().any(|actor| *actor != self.leader);
                let nobody_else = !others || mutant!(judge.config, TrustKey);
                self.use_of.keyed((*epoch, *kid));
                if nobody_else {
                    self.use_of.hold(self.leader);
                }
                Verdict::Keyed { epoch: *epoch, kid: *kid, reason: reason.clone(), wraps: wraps.clone() }
            }
            LogRecord::Keep { .. } => {
                self.use_of.keep();
                Verdict::Kept
            }
            LogRecord::Resign { empty, .. } => {
                if *empty && !state.members.is_empty() {
                    return Verdict::Forged("a channel called empty that is not");
                }
                self.resigned = true;
                Verdict::Resigned { empty: *empty }
            }
            LogRecord::Late { records, .. } => Verdict::Backfill(records.clone()),
            _ => Verdict::Skipped,
        };
        if !matches!(verdict, Verdict::Stall | Verdict::Forged(_) | Verdict::Void(_)) {
            self.seq = at.last();
            self.head = judge.hash;
            // Who gives nobody the key that it has announced does not lead, whatever else it
            // appends.
            if answers || self.fresh_key().is_some() {
                self.challenge = None;
            }
        }
        verdict
    }

    fn signed_by_leader(&self, state: &ChannelState, at: &Sequenced, judge: &Judge<'_>) -> bool {
        let holds = |keys: &PublicKeys| at.envelope.verify(Domain::Log, keys).is_ok();
        if mutant!(judge.config, AcceptOldTerm) {
            return state.members.values().any(|m| holds(m.card.keys()));
        }
        state.members.get(&self.leader).is_some_and(|m| holds(m.card.keys()))
    }

    /// The acts of one record: all of them count, or none does.
    fn acts(&self, state: &mut ChannelState, acts: &[SealedAct], first: Seq, judge: &Judge<'_>) -> Verdict {
        let mut opened = Vec::with_capacity(acts.len());
        for (i, sealed) in acts.iter().enumerate() {
            match self.open(state, sealed, judge.trusted.as_ref().and_then(|all| all.get(i)), judge) {
                Ok(one) => opened.push(one),
                Err(verdict) => return verdict,
            }
        }
        // Nothing in a batch changes what another act in it may do or whose it is, so they could be
        // opened first; and what was taken in of one that turns out to be no good is a count, which
        // is put back.
        if opened.len() > 1 && !opened.iter().all(|o| o.act.kind.is_said()) {
            return Verdict::Forged("a change of the channel among what people say");
        }
        let (mut acted, mut before) = (Vec::with_capacity(acts.len()), Vec::new());
        for (i, opened) in opened.into_iter().enumerate() {
            let repeated = state.order(&opened.act) != Order::Next && !mutant!(judge.config, AcceptRepeats);
            if repeated || state.check(&opened.act).is_err() {
                for (author, n, last) in before.into_iter().rev() {
                    if let Some(member) = state.members.get_mut(&author) {
                        (member.n, member.last) = (n, last);
                    }
                }
                return Verdict::Forged(match repeated {
                    true => "a message out of its author's order",
                    false => "something that its author may not do",
                });
            }
            let author = opened.act.author;
            before.extend(state.members.get(&author).map(|m| (author, m.n, m.last)));
            let change = state.apply(&opened.act);
            acted.push(AppliedAct { opened, change, seq: Seq(first.0 + i as u64) });
        }
        Verdict::Acted(acted)
    }

    /// What is in an act: as we know it ourselves, or decrypted and checked.
    fn open(
        &self,
        state: &ChannelState,
        sealed: &SealedAct,
        trusted: Option<&Arc<Opened>>,
        judge: &Judge<'_>,
    ) -> Result<Arc<Opened>, Verdict> {
        let under = (sealed.epoch, sealed.kid);
        if !self.use_of.allows(under) {
            return Err(Verdict::Forged("a message under a key that may not be used"));
        }
        let opened = match trusted.cloned().or_else(|| (judge.sent)(sealed)) {
            Some(opened) => opened,
            None => {
                let key = judge.ring.get(sealed.epoch).ok_or(Verdict::Stall)?;
                let plain = key.decrypt(&sealed.token);
                let plain = plain.map_err(|_| Verdict::Forged("a message that can't be decrypted"))?;
                let opened = open_act(&plain, sealed, self.channel, state, judge.config);
                Arc::new(opened.map_err(Verdict::Forged)?)
            }
        };
        if opened.act.kind.needs_fresh_key() && !self.use_of.is_fresh(under) {
            return Err(Verdict::Forged("a message under a key that somebody has who left"));
        }
        Ok(opened)
    }
}
