//! A log that starts again because the service lost its data. It continues from what members have.
//!
//! It starts with a claim that says which position it builds on. A member that has less asks the
//! others for the rest; one that has more goes back to that position and offers its records. The
//! fold decides which claim counts.

use crate::envelope::{Domain, Envelope};
use crate::identity::Card;
use crate::ids::{ActorId, Millis, Seq};
use crate::log::{LogRecord, Stand, life_of, same_life};
use crate::node::channel::join::Join;
use crate::node::channel::recovery::backfill::Backfill;
use crate::node::channel::recovery::fetch::Wanted;
use crate::node::channel::recovery::handed::handed;
use crate::node::channel::{Channel, Election, Replica};
use crate::node::ctx::Ctx;
use crate::node::pending::PendingOp;

/// How long who led waits before it claims, and how long others do, ms.
const LEADER: Millis = 700;
const OTHERS: Millis = 4_000;
/// How long who has less than another, from when it hears so, ms: longer than whoever has more and
/// said so.
const LESS: Millis = 7_000;

/// What is to be done with a record of a log that begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node::channel) enum RestartClaim {
    /// Let the fold judge it.
    Judge,
    /// It stands on more than we have: up to here something is missing.
    Less(Seq),
    /// It stands on less than we have.
    More(Stand, ActorId),
}

impl Channel {
    /// The log is another one than before, and its whole life is there to be read.
    pub fn on_log_reset(&mut self) {
        self.anew = true;
        self.lost = true;
        self.lead = None;
        self.gap = None;
        self.distrusted = None;
        // What waited for a key can be had again from who has more.
        self.awaiting_key.clear();
        self.key_wanted = None;
        self.elect = Election::default();
        self.requeue();
    }

    /// All of it was read, and nobody has begun it: say how much we have, and claim it when nobody
    /// does who has more.
    pub fn await_claim(&mut self, cx: &mut Ctx) {
        let Some(replica) = &self.replica else { return };
        let (fold, nonce) = (&replica.fold, cx.random());
        let led = fold.leader == cx.me();
        let bytes = LogRecord::having(&cx.id, &self.room, fold.channel, (fold.term, fold.seq), nonce);
        let (log, key) = (self.log.clone(), self.wire.clone());
        cx.append(log, key.as_bytes(), bytes, PendingOp::Nothing);
        let wait = if led { LEADER + cx.jitter(0, 300) } else { OTHERS + cx.jitter(0, 1_500) };
        // Some may have said already that they have more.
        self.elect.claim_at = Some(cx.now.mono + wait).max(self.elect.yield_until);
    }

    /// Begins it.
    pub fn claim_restart(&mut self, cx: &mut Ctx) {
        let Some(replica) = &self.replica else { return };
        let fold = &replica.fold;
        let what = (fold.term.next(), fold.claim, fold.channel);
        let life = life_of(self.incarnation.as_deref().unwrap_or_default());
        let (stand, nonce) = ((fold.stand(), life), cx.random());
        let bytes = LogRecord::claim_restart(&cx.id, &cx.card, &self.room, what, stand, nonce);
        let (log, key) = (self.log.clone(), self.wire.clone());
        cx.append(log, key.as_bytes(), bytes, PendingOp::Nothing);
        self.elect.claim_at = Some(cx.now.mono + OTHERS + cx.jitter(0, 1_500));
    }

    /// A record of a log that has not begun.
    pub(in crate::node::channel) fn meet(&mut self, cx: &mut Ctx, record: &LogRecord) -> RestartClaim {
        let Some(replica) = &self.replica else { return RestartClaim::Judge };
        let (fold, actors) = (&replica.fold, &replica.state.actors);
        match record {
            LogRecord::Challenge { envelope, from, have: Some(have), .. } => {
                let signed = |keys| envelope.verify(Domain::Challenge, keys).is_ok() && fold.seq < *have;
                if actors.get(from).is_some_and(|card| signed(card.keys())) {
                    let later = cx.now.mono + LESS + cx.jitter(0, 1_500);
                    self.elect.yield_until = Some(later);
                    self.elect.claim_at = self.elect.claim_at.map(|at| at.max(later));
                }
                RestartClaim::Judge
            }
            LogRecord::Claim { envelope, card, term, channel, anew: Some(stand), .. } => {
                let known = actors.get(&card.actor());
                let keys = known.map_or(card.keys(), Card::keys);
                let here = *channel == Some(fold.channel) && *stand != fold.stand();
                if !here || envelope.verify(Domain::Claim, keys).is_err() {
                    return RestartClaim::Judge;
                }
                let more = stand.seq > fold.seq || (stand.seq == fold.seq && *term > fold.term.next());
                match known {
                    Some(_) if more => RestartClaim::Less(stand.seq.next()),
                    Some(_) => RestartClaim::More(*stand, card.actor()),
                    // Who is no member may have come in what we lack, which proves it. But anybody
                    // can write this: once that was for nothing, nobody is waited for in this way
                    // again.
                    None if more && self.distrusted.is_none() => RestartClaim::Less(stand.seq.next()),
                    // Or it went in what we have: nobody undoes that it was removed.
                    None => RestartClaim::Judge,
                }
            }
            _ => RestartClaim::Judge,
        }
    }

    /// The log has begun on less than we have: what the channel was there is asked for, and the
    /// claim waits.
    pub(in crate::node::channel) fn fall_back(&mut self, cx: &mut Ctx, stand: Stand, claimant: ActorId) {
        let Some(replica) = &self.replica else { return };
        let me = cx.me();
        let others = replica.state.actors.keys().filter(|a| **a != me);
        // Who claimed knows best.
        let first = others.clone().position(|a| *a == claimant).unwrap_or(0);
        self.begin_ask(cx, Wanted::Base(stand), first);
    }

    /// Whether what waits is what others kept.
    pub(in crate::node::channel) fn waits_with_kept(&self) -> bool {
        self.awaiting_key.front().is_some_and(|record| record.key.is_empty())
    }

    /// The log was lost more than once: what others kept of the lives between begins on less than
    /// we have, too, and nobody knows any more what the channel was there. What it was where this
    /// life began those know who began with it.
    pub(in crate::node::channel) fn fall_back_from_kept(&mut self, cx: &mut Ctx) {
        self.gap = None;
        self.awaiting_key.drop_kept();
        let front = self.awaiting_key.front().map(|record| LogRecord::parse(&record.value, &self.room));
        if let Some(Ok(LogRecord::Claim { card, anew: Some(stand), .. })) = front {
            let text = format!(
                "? records of {} were said between two losses of its log, and can't be read here",
                self.name
            );
            let e = Envelope::new("GAP").to(self.name.as_str()).param("?").line(text);
            cx.broadcast(&e, None);
            self.fall_back(cx, stand, card.actor());
        }
    }

    /// Somebody who began with the claim says what the channel was there. That the members agree on
    /// it the first KEY record shows, which commits to it.
    pub(in crate::node::channel) fn on_base(&mut self, cx: &mut Ctx, answer: &Envelope, stand: Stand) {
        let handed = handed(answer, &self.room, &cx.contacts, cx.now.wall);
        let (Ok(Replica { fold, state }), Some(ours)) = (handed, &self.replica) else { return };
        let known = |(actor, card): (&ActorId, &Card)| {
            ours.state.actors.get(actor).is_none_or(|ours| ours.keys() == card.keys())
        };
        let here = fold.channel == ours.fold.channel && fold.stand() == stand;
        if !here || !state.actors.contains_key(&cx.me()) || !state.actors.iter().all(known) {
            return;
        }
        let claim = self.awaiting_key.front().map_or(0, |r| r.time);
        let base = Replica { fold, state };
        let Some(ours) = self.replica.replace(base.clone()) else { return };
        self.tell_fallen_back(cx, ours.fold.seq, stand);
        self.late = Some(Backfill::ours(ours, base, claim).after(self.late.take()));
        self.store_backfill(cx);
        self.heads.clear();
        self.heads.insert(stand.seq, stand.head);
        if let Some(replica) = &self.replica {
            replica.store(cx, &self.key);
        }
        self.store_head(cx);
        self.gap = None;
        self.resume_reading(cx);
    }

    /// Nobody answers: they don't know us any more, since we came in what was lost. We come in
    /// again, as anybody does.
    pub(in crate::node::channel) fn come_in_again(&mut self, cx: &mut Ctx, stand: Stand) {
        let Some(ours) = self.replica.take() else { return };
        self.tell_fallen_back(cx, ours.fold.seq, stand);
        self.gap = None;
        let ring = std::mem::take(&mut self.ring);
        self.begin_join(cx, Join::new(Vec::new(), None));
        // Epochs of another life have other numbers.
        self.ring = ring;
    }

    fn tell_fallen_back(&self, cx: &mut Ctx, have: Seq, stand: Stand) {
        let text = format!(
            "the log of {} was lost, and began anew without {} here. What people said in them is offered to the others. Who came, left or was removed in them, and what was set, does not hold any more: look at the members and modes, and do it again",
            self.name,
            more_than(have, stand.seq)
        );
        cx.alarm(self.name.as_str(), "log-anew", text);
    }
}

/// How much more is here than a log began anew with. Each life of a log counts from a place of its
/// own, far behind the one before: across lives the places say nothing of how many records there
/// are.
fn more_than(have: Seq, began: Seq) -> String {
    match have.0.saturating_sub(began.0) {
        1 if same_life(have, began) => "one record that is".to_owned(),
        more if more > 0 && same_life(have, began) => format!("{more} records that are"),
        _ => "some records that are".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_within_a_life_of_the_log_and_not_across() {
        let life = 1 << 32;
        for (have, began, said) in [
            (17, 3, "14 records that are"),
            (4, 3, "one record that is"),
            (life + 9, life + 2, "7 records that are"),
            (life + 9, 3, "some records that are"),
            (3 * life, life + 2, "some records that are"),
            // Other records in the same place.
            (9, 9, "some records that are"),
        ] {
            assert_eq!(more_than(Seq(have), Seq(began)), said, "{have} and {began}");
        }
    }
}
