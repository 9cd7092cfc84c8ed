//! Reading the log: the fold judges each record, and the channel stores it and acts on it.

use std::collections::BTreeSet;

use crate::ids::{ActorId, Hash, Offset, UserId};
use crate::log::{AppliedAct, Fold, Judge, LogRecord, Opened, SealedAct, Verdict, hash_record, next_life};
use crate::node::channel::recovery::backfill::Backfill;
use crate::node::channel::recovery::restart::RestartClaim;
use crate::node::channel::{Channel, Phase};
use crate::node::ctx::Ctx;
use crate::port::{LogRow, RawRecord, StoreOp};

/// Heads that are remembered for comparison.
const HEADS: usize = 512;

impl Channel {
    /// A record of this channel's key arrived.
    pub fn on_record(&mut self, cx: &mut Ctx, record: RawRecord) {
        if self.phase == Phase::Left || record.offset < self.next {
            return;
        }
        if self.replica.is_none() {
            self.next = record.offset + 1;
            self.scan(cx, &record);
            return;
        }
        self.close_gap(&record);
        if !self.awaiting_key.is_empty() {
            self.awaiting_key.push(record);
            return;
        }
        self.take(cx, record);
    }

    /// A key came: what waited for it may go on.
    pub fn resume_reading(&mut self, cx: &mut Ctx) {
        while let Some(record) = self.awaiting_key.pop() {
            if !self.take(cx, record) {
                return;
            }
        }
        if self.awaiting_key.take_cut() {
            let (log, next) = (self.log.clone(), self.next);
            cx.move_reader(&log, crate::port::ReadFrom::At(next));
        }
        self.gap = None;
        self.on_catch_up_end(cx);
    }

    /// Judges one record. False if it has to wait for a key.
    fn take(&mut self, cx: &mut Ctx, record: RawRecord) -> bool {
        let Some(replica) = self.replica.take() else {
            return true;
        };
        let parsed = LogRecord::parse(&record.value, &self.room);
        let Ok(parsed) = parsed else {
            // Garbage: it counts for nobody, and its place is passed.
            self.replica = Some(replica);
            if !self.asked_in_log(cx, &record.value) {
                let topic = self.log.name.clone();
                cx.refuse(&topic, "not records of a log");
            }
            self.pass(cx, record.offset);
            return true;
        };
        self.replica = Some(replica);
        // What others kept for us is of the log before; also a claim by which that one had begun.
        let kept = record.key.is_empty();
        let begins = matches!(parsed, LogRecord::Claim { anew: Some(_), .. });
        if !kept && parsed.begins_other(self.incarnation.as_deref()) {
            // It was on its way when the log was lost that it was to begin: it says nothing of this
            // one.
            self.pass(cx, record.offset);
            return true;
        }
        let anew = if kept { begins } else { self.anew };
        // One that began the life in which we are, or one before it, is none.
        let news = matches!(&parsed, LogRecord::Claim { anew: Some(stand), .. }
            if self.replica.as_ref().is_some_and(|r| r.fold.seq < next_life(stand.seq)));
        if kept
            && news
            && self.anew
            && let RestartClaim::More(stand, claimant) = self.meet(cx, &parsed)
        {
            self.awaiting_key.put_back(record);
            self.fall_back(cx, stand, claimant);
            return false;
        }
        let until = match self.anew && !kept {
            false => self.beyond_gap(&parsed),
            true => match self.meet(cx, &parsed) {
                RestartClaim::Judge => None,
                RestartClaim::Less(_) if self.distrusted == Some(record.offset) => None,
                RestartClaim::Less(until) => Some(until),
                RestartClaim::More(stand, claimant) => {
                    self.awaiting_key.put_back(record);
                    self.fall_back(cx, stand, claimant);
                    return false;
                }
            },
        };
        if let Some(until) = until {
            self.awaiting_key.put_back(record);
            self.begin_gap(cx, until);
            return false;
        }
        if self.phase == Phase::Left {
            // Of what waited for a key, nothing behind our going concerns us.
            return true;
        }
        let Some(mut replica) = self.replica.take() else {
            return true;
        };
        let hash = match parsed {
            LogRecord::Claim { .. } => claim_hash(&record.value),
            _ => hash_record(&record.value),
        };
        let trusted = self.lead.as_ref().and_then(|lead| lead.coming_back(&hash));
        let was_own = self.lead.as_ref().is_some_and(|lead| lead.is_next(&hash));
        let snapshot = match &parsed {
            LogRecord::Key { .. } => self.lead.as_ref().and_then(|lead| lead.snapshot(&replica)),
            _ => None,
        };
        let me = cx.me();
        let sent = |sealed: &SealedAct| if sealed.from == me { self.sent_as(sealed) } else { None };
        let judge =
            Judge { config: &cx.cfg, ring: &self.ring, hash, time: record.time, trusted, sent: &sent, anew };
        let before = replica.fold.head;
        let old = (anew && begins).then(|| replica.clone());
        let verdict = replica.fold.step(&mut replica.state, &parsed, judge);
        self.replica = Some(replica);
        if verdict == Verdict::Stall {
            if mutant!(cx.cfg, DropUnreadable) {
                if let Some(r) = &mut self.replica {
                    r.fold.seq = r.fold.seq.next();
                    r.fold.head = hash;
                }
                self.pass(cx, record.offset);
                return true;
            }
            self.awaiting_key.put_back(record);
            // What comes next is here and only can't be read: whatever was missing before it has
            // come.
            self.gap = None;
            self.want_key(cx);
            return false;
        }
        self.next = record.offset + 1;
        if let Some(old) = old.filter(|_| verdict == Verdict::Claimed) {
            if !self.late.as_ref().is_some_and(|late| late.waits_for(&old)) {
                self.late = Some(Backfill::theirs(old, record.time).after(self.late.take()));
            }
            self.store_backfill(cx);
            self.begin_offers(cx);
            self.anew &= kept;
            self.lost &= kept;
        }
        if let Some(r) = &self.replica
            && (r.fold.head != before || matches!(verdict, Verdict::Challenged(_) | Verdict::Held(_)))
        {
            self.heads.insert(r.fold.seq, r.fold.head);
            while self.heads.len() > HEADS {
                self.heads.pop_first();
            }
            self.kept += 1;
            let row = LogRow {
                channel: r.fold.channel.to_string(),
                index: self.kept,
                seq: r.fold.seq.0,
                time: record.time,
                value: record.value,
            };
            cx.store(StoreOp::Log(row));
            if self.phase == Phase::Joining {
                self.store_kept(cx);
            }
        }
        let counted = !matches!(verdict, Verdict::Void(_) | Verdict::Forged(_));
        if counted && parsed.sequenced().is_some() && self.gap.is_none() {
            self.lost = false;
        }
        if counted && parsed.sequenced().is_some() {
            self.lead_read_back(cx, was_own);
        }
        self.act_on(cx, verdict, snapshot);
        if counted {
            self.watch_key(cx);
        }
        if self.phase == Phase::Joined && counted {
            self.store_head(cx);
        }
        true
    }

    fn pass(&mut self, cx: &mut Ctx, offset: Offset) {
        self.next = offset + 1;
        if self.phase == Phase::Joined {
            self.store_head(cx);
        }
    }

    fn act_on(
        &mut self,
        cx: &mut Ctx,
        verdict: Verdict,
        snapshot: Option<(Fold, crate::channel::ChannelState)>,
    ) {
        match verdict {
            Verdict::Void(_) | Verdict::Stall | Verdict::Skipped => {}
            Verdict::Forged(why) => self.on_forged(cx, why),
            Verdict::Claimed => self.on_claimed(cx),
            Verdict::Challenged(by) => self.on_challenged(cx, by),
            Verdict::Held(by) => self.on_held(cx, by),
            Verdict::Kept => self.on_kept(cx),
            Verdict::Resigned { empty } => self.on_resigned(cx, empty),
            Verdict::Keyed { epoch, kid, reason, wraps } => {
                self.on_keyed(cx, epoch, kid, &reason, wraps, snapshot);
            }
            Verdict::Backfill(records) => self.take_backfill(cx, records),
            Verdict::Acted(acted) => {
                for one in &acted {
                    self.on_acted(cx, one);
                }
                self.after_acts(cx, &acted);
            }
        }
    }

    fn on_forged(&mut self, cx: &mut Ctx, why: &str) {
        let Some(replica) = &self.replica else { return };
        if replica.fold.leader == cx.me() {
            return;
        }
        let leader = self.nick_of(cx, &replica.fold.leader.owner());
        let text = format!("{leader}, who leads {}, put {why} into the log; it was not taken", self.name);
        cx.alarm(self.name.as_str(), "forged", text);
        self.challenge_now(cx);
    }

    fn on_acted(&mut self, cx: &mut Ctx, acted: &AppliedAct) {
        let change = &acted.change;
        if let Some(replica) = &self.replica {
            replica.store_change(cx, &self.key, &acted.opened.act, change);
        }
        self.compare_heads(cx, &acted.opened);
        self.show(cx, acted);
        if change.left == Some(cx.me().owner()) {
            self.forget(cx);
            return;
        }
        self.lead_changed(cx, change);
        self.elect_changed(cx, change);
    }

    /// What is the same for all acts of a record is done once; and only when all of them are
    /// settled is it known what place the next one of our own has.
    fn after_acts(&mut self, cx: &mut Ctx, acted: &[AppliedAct]) {
        if self.phase == Phase::Left {
            return;
        }
        let authors: BTreeSet<UserId> = acted.iter().map(|a| a.opened.act.author).collect();
        for author in &authors {
            if let Some(replica) = &self.replica {
                replica.store_counter(cx, &self.key, author);
            }
        }
        if authors.contains(&cx.me().owner()) {
            self.refill(cx);
        }
    }

    /// Each message says what its author had seen: a head that is not ours means that somebody
    /// tells two stories.
    fn compare_heads(&mut self, cx: &mut Ctx, opened: &Opened) {
        let Some(seen) = opened.envelope.meta.get("seen").and_then(serde_json::Value::as_array) else {
            return;
        };
        let seq = seen.first().and_then(serde_json::Value::as_u64);
        let (Some(seq), Some(mark)) = (seq, seen.get(1).and_then(serde_json::Value::as_str)) else {
            return;
        };
        let ours = self.heads.get(&crate::ids::Seq(seq)).map(Ctx::short);
        if ours.is_some_and(|ours| ours != mark) && !self.fork_told {
            self.fork_told = true;
            let author = self.nick_of(cx, &opened.act.author);
            let text = format!(
                "{author} was told another story of {} than we were (at record {seq}): somebody shows different logs to different people",
                self.name
            );
            cx.alarm(self.name.as_str(), "fork", text);
        }
    }

    /// The reader has passed what was there when it began.
    pub fn on_catch_up_end(&mut self, cx: &mut Ctx) {
        let Some(past) = self.catch_up_end else { return };
        let read = cx.readers.get(&self.log).is_some_and(|r| !r.moving && r.next >= past);
        if !read || !self.awaiting_key.is_empty() {
            return;
        }
        self.catch_up_end = None;
        cx.status_dirty = true;
        match self.phase {
            // Where the log has proven what we were told, all that is missing is somebody's word
            // that it has the key.
            Phase::Joining if self.replica.is_none() => self.scanned(cx),
            Phase::Joining => {}
            Phase::Joined => self.on_caught_up(cx),
            Phase::Left => {}
        }
    }

    /// The nick of a member, or the start of its id.
    pub fn nick_of(&self, cx: &Ctx, user: &UserId) -> String {
        self.replica
            .as_ref()
            .and_then(|r| r.state.nick(user))
            .map(|nick| nick.as_str().to_owned())
            .unwrap_or_else(|| cx.contacts.nick_of(&ActorId(user.0)))
    }
}

/// The hash by which later claims name this one.
pub(crate) fn claim_hash(bytes: &[u8]) -> Hash {
    Hash::of("kirc.v1.claim", &[bytes])
}
