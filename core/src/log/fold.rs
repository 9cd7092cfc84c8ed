//! The fold over a log: it decides who leads, which record counts and what the record did.
//!
//! Every member runs the same function over the same records. The only time it uses is the record's
//! own log time.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::acts::SealedAct;
use super::key_use::KeyUse;
use super::open::{AppliedAct, Opened, open_act};
use super::record::{Kept, LogRecord, Sequenced, Stand, chain_claim};
use crate::channel::{ChannelState, Order, uncount};
use crate::envelope::{Domain, Envelope};
use crate::identity::PublicKeys;
use crate::ids::{ActorId, ChannelId, Epoch, Hash, KeyId, Millis, Seq, Term};
use crate::keys::{EpochKey, KeyRing};
use crate::node::Config;

/// The minimum interval between challenges of one member that count, ms of log time.
const CHALLENGE_EVERY: Millis = 10_000;
/// Each incarnation of a log has this many sequence numbers of its own, and `EPOCHS` epochs. So no
/// number ever means two records, even if the log continued from fewer records than some member
/// has.
const LIFE: u64 = 1 << 32;
const EPOCHS: u64 = 1 << 24;

/// Whether two sequence numbers belong to the same incarnation of a log.
pub fn same_life(a: Seq, b: Seq) -> bool {
    a.0 / LIFE == b.0 / LIFE
}

/// The first sequence number of the next incarnation of a log that builds on this position.
pub fn next_life(stand: Seq) -> Seq {
    Seq((stand.0 / LIFE + 1) * LIFE)
}

/// The state of a channel's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    /// The channel's identity.
    pub channel: ChannelId,
    /// When (log's time) it was founded.
    pub created: Millis,
    /// The term.
    pub term: Term,
    /// The actor that won it.
    pub leader: ActorId,
    /// The hash of the claim that won it.
    pub claim: Hash,
    /// The leader announced that it leaves.
    pub resigned: bool,
    /// The sequence number of the last record that counts.
    pub seq: Seq,
    /// The head of the chain.
    pub head: Hash,
    /// The last epoch that a KEY record began; 0 before the first.
    pub epoch: Epoch,
    /// Its key.
    pub kid: Option<KeyId>,
    /// Which keys may be used. The key of the last epoch may be used only once a member has it.
    #[serde(default)]
    pub use_of: KeyUse,
    /// The log's time; it never runs backwards.
    pub time: Millis,
    /// When (log time) the first unanswered challenge arrived.
    pub challenge: Option<Millis>,
    /// The leader has appended a record since, but nothing could be encrypted for the channel then.
    #[serde(default)]
    pub mute_answer: bool,
    /// Each member's last challenge that counted.
    pub challenged: BTreeMap<ActorId, Millis>,
}

/// The outcome of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It does not count: it is stale, repeated, premature or from a stranger.
    Void(&'static str),
    /// It has the right position and the leader's signature, but no honest leader would have made
    /// it: it does not count either.
    Forged(&'static str),
    /// The key of its epoch is missing: request it, and try the record again.
    Stall,
    /// A new term began.
    Claimed,
    /// A member challenged the leader.
    Challenged(ActorId),
    /// A member other than the leader has the key of the last epoch: from here on the key may be
    /// used.
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
    /// The leader keeps using the key before the last one for acts.
    Kept,
    /// The leader left.
    Resigned {
        /// Nobody is left.
        empty: bool,
    },
    /// Records of a lost log.
    Backfill(Vec<Kept>),
    /// Members' acts, each at its position.
    Acted(Vec<AppliedAct>),
    /// A record of an unknown kind.
    Skipped,
}

/// The inputs of the fold besides its own state and the record.
pub struct Judge<'a> {
    /// Settings (times; deliberately broken rules in the simulation).
    pub config: &'a Config,
    /// The keys.
    pub ring: &'a KeyRing,
    /// The record's hash.
    pub hash: Hash,
    /// The log's time for it.
    pub time: Millis,
    /// The content of the record, act by act, if this node wrote the record itself.
    pub trusted: Option<Vec<Arc<Opened>>>,
    /// The content of an act that this node sent, when another node gave it its position.
    pub sent: &'a dyn Fn(&SealedAct) -> Option<Arc<Opened>>,
    /// The log started again and no record of it has counted yet. The first record that counts is a
    /// claim that states its base position.
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
            mute_answer: false,
            challenged: BTreeMap::new(),
        }
    }

    /// The hash of everything that members must agree on, as KEY records carry it. Times are left
    /// out, because the signer can't know them yet.
    pub fn state_hash(&self, state: &ChannelState) -> Hash {
        let state = serde_json_canonicalizer::to_vec(&state.brief()).unwrap_or_default();
        Hash::of("kirc.v1.state", &[&self.channel.0, &self.claim.0, &self.term.0.to_be_bytes(), &state])
    }

    /// Its position in the log.
    pub fn stand(&self) -> Stand {
        Stand { seq: self.seq, head: self.head }
    }

    /// Whether another member may claim now (`time` is log time).
    pub fn vacant(&self, state: &ChannelState, time: Millis, config: &Config) -> bool {
        self.resigned
            || !state.actors.contains_key(&self.leader)
            || self.challenge.is_some_and(|since| time >= since + config.challenge)
    }

    /// Judges a record and applies it if it counts.
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
        let Some(card) = state.actors.get(&actor) else {
            return Verdict::Void("a claim by somebody who is not a member");
        };
        let open = anew.is_some() || self.vacant(state, time, judge.config);
        if !open && !mutant!(judge.config, ClaimAtWill) {
            return Verdict::Void("a claim while the leader may live");
        }
        if envelope.verify(Domain::Claim, card.keys()).is_err() {
            return Verdict::Void("a claim whose signature does not hold");
        }
        self.term = term;
        self.leader = actor;
        self.claim = judge.hash;
        self.resigned = false;
        self.head = chain_claim(self.head, judge.hash);
        self.answered();
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
        let Some(card) = state.actors.get(&from) else {
            return Verdict::Void("a challenge by somebody who is not a member");
        };
        if self.challenged.get(&from).is_some_and(|last| time < last + CHALLENGE_EVERY) {
            return Verdict::Void("one challenge too many");
        }
        if envelope.verify(Domain::Challenge, card.keys()).is_err() {
            return Verdict::Void("a challenge whose signature does not hold");
        }
        self.challenged.retain(|_, last| time < *last + CHALLENGE_EVERY);
        self.challenged.insert(from, time);
        self.challenge.get_or_insert(time);
        Verdict::Challenged(from)
    }

    fn answered(&mut self) {
        (self.challenge, self.mute_answer) = (None, false);
    }

    /// A member has the key. Without this check a KEY record alone could silence the channel:
    /// nobody could tell a key that everybody has from one that nobody received.
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
        let Some(card) = state.actors.get(&from) else {
            return Verdict::Void("the word of somebody who is not a member");
        };
        if envelope.verify(Domain::Held, card.keys()).is_err() {
            return Verdict::Void("a word whose signature does not hold");
        }
        self.use_of.hold(from);
        if self.mute_answer && self.fresh_key().is_some() {
            self.answered();
        }
        Verdict::Held(from)
    }

    /// The key of the last KEY record.
    pub fn last_key(&self) -> Option<EpochKey> {
        self.kid.map(|kid| (self.epoch, kid))
    }

    /// The key to encrypt acts under now.
    pub fn usable_key(&self) -> Option<EpochKey> {
        self.use_of.newest()
    }

    /// The same, if no former member has it. Acts that need a fresh key may use no other.
    pub fn fresh_key(&self) -> Option<EpochKey> {
        self.usable_key().filter(|key| self.use_of.is_fresh(*key))
    }

    /// Fills in the key use of a fold that an earlier version stored, which does not record it.
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
                    let left = acted.iter().any(|a| a.change.actor_left.is_some() || a.change.kicked);
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
                let others = state.actors.keys().any(|actor| *actor != self.leader);
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
            // appends: the answer counts once a member shows that it has the key.
            if answers || self.fresh_key().is_some() {
                self.answered();
            } else {
                self.mute_answer = self.challenge.is_some();
            }
        }
        verdict
    }

    fn signed_by_leader(&self, state: &ChannelState, at: &Sequenced, judge: &Judge<'_>) -> bool {
        let holds = |keys: &PublicKeys| at.envelope.verify(Domain::Log, keys).is_ok();
        if mutant!(judge.config, AcceptOldTerm) {
            return state.actors.values().any(|card| holds(card.keys()));
        }
        state.actors.get(&self.leader).is_some_and(|card| holds(card.keys()))
    }

    /// Applies the acts of one record: all of them count, or none.
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
                uncount(state, before.into_iter().rev());
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

    /// The content of an act: known from our own copy, or decrypted and checked.
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
                let key = judge.ring.get(under).ok_or(Verdict::Stall)?;
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
