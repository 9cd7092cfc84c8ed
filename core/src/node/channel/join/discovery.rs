//! What the log shows to a joiner: claims, the current leader, whether the channel is empty.
//!
//! None of it is proven yet. Whom to ask, and how to check the answer, is in `join`.

use crate::envelope::Domain;
use crate::identity::Card;
use crate::ids::{ActorId, ChannelId, Hash, Millis, Offset, Term};
use crate::log::LogRecord;
use crate::node::channel::Channel;
use crate::node::channel::election::status_key;
use crate::node::channel::replica::reader::claim_hash;
use crate::node::ctx::Ctx;
use crate::node::pending::PendingOp;
use crate::port::{PortError, RawRecord, SignalOp, SignalReply};
use std::collections::BTreeMap;

use crate::node::channel::join::PATIENCE;

/// While somebody else has the leader key of a channel that seems not to be there, so many tries
/// are left to it: it founds the channel, or leads one whose log was lost and has not said so yet.
pub(in crate::node::channel) const FOUND: usize = 12;

/// How long an empty log is not taken for that of a channel that is not there, ms: if we were in
/// such a channel before or its last leader's hints are still there, and if members have said there
/// that they were.
const KNOWN: Millis = 12_000;
const LOST: Millis = 30_000;

/// A claim that was found in the log.
#[derive(Debug, Clone)]
pub(in crate::node::channel) struct Claim {
    pub(in crate::node::channel) term: Term,
    pub(in crate::node::channel) channel: ChannelId,
    pub(in crate::node::channel) card: Card,
    pub(in crate::node::channel) time: Millis,
}

/// What the log shows to somebody outside: who claimed, and whether anybody is left.
#[derive(Debug, Default)]
pub(in crate::node::channel) struct Discovery {
    pub(in crate::node::channel) claims: BTreeMap<Hash, Claim>,
    /// In the order of the log.
    pub(in crate::node::channel) order: Vec<Hash>,
    /// The claim whose leader said that nobody is left.
    pub(in crate::node::channel) emptied: Option<Hash>,
    /// The last term that somebody relayed in.
    pub(in crate::node::channel) alive: Term,
    /// The log does not reach back to the founding: the first claim in it follows one that is gone.
    orphaned: bool,
    /// When (log's time, and monotonic here) members have said how much they have of a log that was
    /// lost: one of them begins it anew.
    having: Option<(Millis, Millis)>,
    /// When (monotonic) it was seen first that nobody is there.
    vacant_since: Option<Millis>,
    /// Whether the signal service knows of a channel of this name, once it was asked.
    heard_of: Option<bool>,
}

impl Discovery {
    pub(in crate::node::channel) fn tip(&self) -> Option<(&Hash, &Claim)> {
        let alive =
            self.order.iter().rev().find(|h| self.claims.get(*h).is_some_and(|c| c.term == self.alive));
        let hash = alive.or(self.order.last())?;
        let newest = self.order.last().filter(|h| self.claims.get(*h).is_some_and(|c| c.term > self.alive));
        let hash = newest.unwrap_or(hash);
        self.claims.get_key_value(hash)
    }

    /// A founding claim of ours behind which nothing stands.
    pub(in crate::node::channel) fn unused_claim_of(&self, me: &ActorId) -> Option<(Hash, Claim)> {
        let hash = self.order.first().filter(|_| self.order.len() == 1 && self.alive == Term(0))?;
        let founds = |c: &&Claim| c.channel.0 == hash.0 && c.card.actor() == *me;
        let claim = self.claims.get(hash).filter(founds)?;
        Some((*hash, claim.clone()))
    }

    /// Whether nobody is in the channel. Records without a claim are what is left of a log that was
    /// lost or trimmed: whoever leads there says so again when it is asked.
    pub(in crate::node::channel) fn vacant(&self) -> bool {
        (self.claims.is_empty() && self.alive == Term(0)) || self.emptied.is_some()
    }

    /// Whether the log seems to have been lost, so that a channel of this name founded now would be
    /// a second one: its members are given time to begin it anew.
    pub(in crate::node::channel) fn waits_for_members(&mut self, now: Millis, known: bool) -> bool {
        let since = *self.vacant_since.get_or_insert(now);
        let until = match self.having {
            Some((_, seen)) => seen + LOST,
            None if known || self.heard_of == Some(true) => since + KNOWN,
            None => return false,
        };
        self.claims.is_empty() && now < until
    }

    /// Whether a claim within a channel that exists goes with what was seen before it.
    fn follows(&self, id: ChannelId, term: Term, prev: &Hash) -> bool {
        if self.claims.is_empty() {
            return true;
        }
        let of_it = |c: &Claim| c.channel == id;
        let newer = self.claims.values().all(|c| of_it(c) && c.term < term);
        (self.orphaned && newer) || self.claims.get(prev).is_some_and(|c| of_it(c) && c.term.next() == term)
    }

    /// Whom to ask, best first.
    pub(in crate::node::channel) fn candidates(&self) -> Vec<Card> {
        let tip = self.tip().map(|(_, c)| c.card.clone());
        let rest = self.order.iter().rev().filter_map(|h| self.claims.get(h)).map(|c| c.card.clone());
        let mut out: Vec<Card> = Vec::new();
        for card in tip.into_iter().chain(rest) {
            if out.iter().all(|c| c.actor() != card.actor()) {
                out.push(card);
            }
        }
        out
    }
}

impl Channel {
    /// The log is another one than the one that was looked at: what was seen there says nothing of
    /// this one.
    pub fn rediscover(&mut self, start: Offset) -> bool {
        if let Some(join) = self.join.as_mut() {
            join.scan = Discovery::default();
            self.next = start;
        }
        self.join.is_some()
    }

    /// A record, seen from outside.
    pub fn scan(&mut self, cx: &mut Ctx, record: &RawRecord) {
        let Some(join) = self.join.as_mut() else {
            return;
        };
        let Ok(parsed) = LogRecord::parse(&record.value, &self.room) else {
            return;
        };
        let other_life = parsed.begins_other(self.incarnation.as_deref());
        let fresh = match parsed {
            LogRecord::Claim { envelope, card, term, prev, channel, .. } => {
                let hash = claim_hash(&record.value);
                let follows = match channel {
                    Some(id) => join.scan.follows(id, term, &prev),
                    None => match join.scan.emptied {
                        Some(last) => {
                            prev == last && join.scan.claims.get(&last).is_some_and(|c| c.term.next() == term)
                        }
                        None => join.scan.claims.is_empty() && prev == Hash::ZERO && term == Term(1),
                    },
                };
                if !follows || other_life || envelope.verify(Domain::Claim, card.keys()).is_err() {
                    return;
                }
                let founds = channel.is_none();
                // Who founds a channel in a log of which members have just said that it was lost
                // had not read that.
                if founds && join.scan.having.is_some_and(|(at, _)| record.time < at + LOST) {
                    return;
                }
                let channel = channel.unwrap_or(ChannelId(hash.0));
                if founds {
                    join.scan = Discovery::default();
                }
                join.scan.orphaned |= !founds && join.scan.claims.is_empty();
                let ours = founds && join.claimed == Some(hash);
                let time = record.time;
                join.scan.claims.insert(hash, Claim { term, channel, card: *card, time });
                join.scan.order.push(hash);
                if ours {
                    self.founded(cx, hash, term, time);
                    return;
                }
                true
            }
            // Of a leader whose claim is gone: nobody is left there.
            LogRecord::Resign { empty: true, .. } if join.scan.claims.is_empty() => {
                join.scan.alive = Term(0);
                return;
            }
            LogRecord::Resign { at, empty: true } => {
                let by = join.scan.claims.iter().find(|(_, c)| {
                    c.term == at.term && at.envelope.verify(Domain::Log, c.card.keys()).is_ok()
                });
                let Some(hash) = by.map(|(h, _)| *h) else {
                    return;
                };
                join.scan.emptied = Some(hash);
                true
            }
            LogRecord::Challenge { have: Some(_), .. } => {
                join.scan.having.get_or_insert((record.time, cx.now.mono));
                false
            }
            other => {
                if let Some(at) = other.sequenced() {
                    join.scan.alive = join.scan.alive.max(at.term);
                }
                false
            }
        };
        if fresh && self.catch_up_end.is_none() {
            if let Some(join) = self.join.as_mut() {
                join.tries = 0;
            }
            self.scanned(cx);
        }
    }

    /// What the last leader told those outside, if the signal service still has it.
    pub fn on_heard_of(&mut self, cx: &mut Ctx, result: &Result<SignalReply, PortError>) {
        if let Some(join) = self.join.as_mut().filter(|join| join.scan.heard_of.is_none()) {
            let there = matches!(result, Ok(SignalReply::Hash(fields)) if fields.contains_key("channel"));
            join.scan.heard_of = Some(there);
            self.scanned(cx);
        }
    }

    /// The log has been read to its end: found the channel, or ask its leader.
    pub fn scanned(&mut self, cx: &mut Ctx) {
        let known = cx.contacts.known_channel(&self.key).is_some();
        let Some(join) = self.join.as_mut() else {
            return;
        };
        if join.scan.vacant() {
            join.deadline = Some(cx.now.mono + PATIENCE);
            if join.scan.claims.is_empty() && join.scan.heard_of.is_none() {
                let op = SignalOp::HashGet { key: status_key(&self.wire) };
                self.signal(cx, op, PendingOp::HeardOf(self.key.clone()));
            } else if !join.scan.waits_for_members(cx.now.mono, known) {
                self.take_key(cx);
            }
            return;
        }
        if let Some((hash, claim)) = join.scan.unused_claim_of(&cx.me()) {
            // We founded it and ended before we read that: nobody else was ever in it.
            self.founded(cx, hash, claim.term, claim.time);
            return;
        }
        if join.scan.claims.is_empty() {
            join.deadline = Some(cx.now.mono + cx.jitter(200, 600));
            return;
        }
        let candidates = join.scan.candidates();
        let Some(card) = candidates.get(join.tries % candidates.len().max(1)).cloned() else {
            return;
        };
        self.ask_leader(cx, card);
    }
}
