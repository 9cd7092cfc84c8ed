//! Records of a lost log beyond those that the new log started with: members that have them offer
//! them, the leader appends them, and each member checks them against the chain that it knows.
//!
//! Messages are shown once and marked as late. Joins, kicks, modes and topics in them have no
//! effect.

mod lives;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::channel::ChannelState;
use crate::envelope::{Domain, Envelope};
use crate::identity::Card;
use crate::ids::{ActorId, ChannelId, Millis, MsgId, Seq, UserId};
use crate::keys::{EpochInfo, EpochKey, KeyRing};
use crate::log::{AppliedAct, Fold, Judge, Kept, LogRecord, Opened, Verdict, hash_record, last_id};
use crate::node::Config;
use crate::node::channel::leader::Backlog;
use crate::node::channel::{Channel, Phase, Replica};
use crate::node::ctx::Ctx;
use crate::node::pending::PendingOp;
use crate::port::{Answer, LogRow, PortError, Query, StoreOp, Table};

/// Bytes of records in one offer: in base64, and again in a record, they stay below what a record
/// may hold.
const BYTES: u64 = 100_000;
/// How long to wait before an offer is made again, ms.
const AGAIN: Millis = 5_000;
/// How often it is made before there is a longer pause, ms.
const TRIES: u32 = 6;
/// So many offers wait while no act can be put.
const OFFERS: usize = 32;
const PAUSE: Millis = 60_000;
/// Messages of the new log that may have been said in the old one, and are remembered.
const IDS: usize = 4_096;
/// Records that wait for a key.
const WAITING: usize = 2_000;

/// The log that is gone, as far as it is known here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Backfill {
    /// What the channel was where the new log began.
    base: Replica,
    fold: Fold,
    state: ChannelState,
    /// When (log's time) the new log began.
    began: Millis,
    /// What each said last in the logs before it, as far as it was seen.
    #[serde(default)]
    before: BTreeMap<UserId, MsgId>,
    /// The lives before that one, the last one last.
    #[serde(default)]
    older: Vec<Self>,
    /// From here on we have more than the new log began with, and have not seen it there.
    from: Option<Seq>,
    /// What the new log holds that may have been said before it began.
    #[serde(skip)]
    ids: BTreeSet<MsgId>,
    #[serde(skip)]
    offer_at: Option<Millis>,
    #[serde(skip)]
    tries: u32,
    /// Records that a key is missing for.
    waiting: Vec<Kept>,
    /// How it stands to a life that others began where this one ends.
    #[serde(default)]
    branch: Branch,
}

/// A log that was lost may have been begun anew by somebody whom others did not hear before it was
/// lost again. What was said in that life goes on where theirs ends, but takes nothing away from
/// what others may have more of theirs: it is judged in a copy. There is one, so that nobody fills
/// the memory of others with such lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Branch {
    /// Nothing branched off.
    #[default]
    None,
    /// Another life branched off.
    Left,
    /// It is such a branch.
    Own,
}

/// What a record of the old log came to.
enum Took {
    /// It is the next.
    Next,
    /// Messages.
    Said(Vec<AppliedAct>),
    /// A new epoch.
    Keyed(EpochInfo),
    /// It can't be read without a key.
    Stall,
    /// It is not part of the log that we know, or was seen.
    Void,
}

impl Backfill {
    /// What we have ends where the new log begins.
    pub(in crate::node::channel) fn theirs(replica: Replica, began: Millis) -> Self {
        Self {
            base: replica.clone(),
            fold: replica.fold,
            state: replica.state,
            began,
            before: BTreeMap::new(),
            older: Vec::new(),
            from: None,
            ids: BTreeSet::new(),
            offer_at: None,
            tries: 0,
            waiting: Vec::new(),
            branch: Branch::None,
        }
    }

    /// We have more than the new log begins with.
    pub(in crate::node::channel) fn ours(replica: Replica, base: Replica, began: Millis) -> Self {
        Self { from: Some(base.fold.seq), base, ..Self::theirs(replica, began) }
    }

    /// We went back to here, because a claim stands on it.
    pub(in crate::node::channel) fn waits_for(&self, base: &Replica) -> bool {
        self.from.is_some() && self.base.fold.stand() == base.fold.stand()
    }

    /// What the channel was where the new log began, for somebody who was in it there.
    pub(in crate::node::channel) fn base(&self, head: &str, asker: &ActorId) -> Option<&Replica> {
        let mut all = self.lives().map(|life| &life.base);
        all.find(|base| base.fold.head.to_string() == head && base.state.actors.contains_key(asker))
    }

    /// The card of who was in where the new log began.
    pub(in crate::node::channel) fn card(&self, actor: &ActorId) -> Option<&Card> {
        self.base.state.actors.get(actor)
    }

    /// Whether somebody's message was in the old log.
    fn has(&self, author: &UserId, id: MsgId) -> bool {
        self.lives().any(|life| id <= last_id(&life.state, author))
            || self.before.get(author).is_some_and(|last| id <= *last)
    }

    /// One record further, if it is the next of the chain, its leader signed it then, and nothing
    /// in it is what the channel would not have allowed: the same fold that judged it when it was
    /// new.
    fn take(
        &mut self,
        record: &Kept,
        room: &crate::names::ChannelName,
        ring: &KeyRing,
        config: &Config,
    ) -> Took {
        let Ok(parsed) = LogRecord::parse(&record.value, room) else {
            return Took::Void;
        };
        let hash = match parsed {
            LogRecord::Claim { .. } => crate::node::channel::replica::reader::claim_hash(&record.value),
            _ => hash_record(&record.value),
        };
        let anew = self.branch == Branch::Own && self.goes_on_with(&parsed);
        let judge = Judge { config, ring, hash, time: record.time, trusted: None, sent: &|_| None, anew };
        match self.fold.step(&mut self.state, &parsed, judge) {
            Verdict::Void(_) | Verdict::Forged(_) => Took::Void,
            Verdict::Stall => Took::Stall,
            Verdict::Acted(acted) if acted.iter().any(|one| one.opened.act.kind.is_said()) => {
                Took::Said(acted)
            }
            Verdict::Keyed { kid, wraps, .. } => {
                let members = self.state.actors.keys().copied().collect();
                Took::Keyed(EpochInfo { kid, members, term: self.fold.term, wraps })
            }
            _ => Took::Next,
        }
    }

    /// What we offer stands in the log as far as this.
    fn seen_in_log(&mut self, records: &[Kept], room: &crate::names::ChannelName) {
        for record in records {
            let Ok(parsed) = LogRecord::parse(&record.value, room) else { continue };
            if let Some(at) = parsed.sequenced()
                && self.from.is_some_and(|from| at.last() > from)
                && at.last() <= self.fold.seq
            {
                self.from = Some(at.last());
            }
        }
        self.from = self.from.filter(|from| *from < self.fold.seq);
    }

    /// What the store kept of it.
    pub(in crate::node::channel) fn restore(
        id: &crate::identity::Identity,
        values: &BTreeMap<(Table, String), Vec<u8>>,
        channel: &ChannelId,
    ) -> Result<Option<Self>, String> {
        let Some(sealed) = values.get(&(Table::Setting, row_of(channel))) else {
            return Ok(None);
        };
        let plain = id.open_local(sealed).map_err(|e| e.to_string())?;
        let mut late: Self = serde_json::from_slice(&plain).map_err(|e| e.to_string())?;
        let prefix = ids_of(channel);
        let all = values.range((Table::Setting, prefix.clone())..);
        let ids = all.map_while(|((_, key), _)| key.strip_prefix(&prefix));
        late.ids = ids.filter_map(|id| MsgId::parse(id).ok()).collect();
        Ok(Some(late))
    }

    /// Whether it is of this channel.
    pub(in crate::node::channel) fn of(&self, channel: &ChannelId) -> bool {
        self.fold.channel == *channel
    }

    /// Whether records wait to be read.
    pub(in crate::node::channel) fn waits(&self) -> bool {
        self.lives().any(|life| !life.waiting.is_empty())
    }

    pub(in crate::node::channel) fn wake(&self) -> Option<Millis> {
        self.offer_at
    }
}

fn row_of(channel: &ChannelId) -> String {
    format!("late/{channel}")
}

fn ids_of(channel: &ChannelId) -> String {
    format!("late-id/{channel}/")
}

impl Channel {
    /// Keeps what is known of the old log.
    pub(in crate::node::channel) fn store_backfill(&self, cx: &mut Ctx) {
        if let Some(late) = &self.late {
            cx.put_sealed(Table::Setting, row_of(&late.fold.channel), late);
        }
    }

    /// The channel is left: of its old log nothing is wanted.
    pub(in crate::node::channel) fn forget_backfill(&mut self, cx: &mut Ctx) {
        if let Some(late) = self.late.take() {
            cx.store(StoreOp::Delete { table: Table::Setting, key: row_of(&late.fold.channel) });
            cx.store(StoreOp::DeletePrefix { table: Table::Setting, prefix: ids_of(&late.fold.channel) });
        }
    }

    /// A message of the new log was in the old one already, and was shown then. What was said
    /// before the new log began may still come from the old one: it is remembered.
    pub(in crate::node::channel) fn shown_before(&mut self, cx: &mut Ctx, opened: &Opened) -> bool {
        let skew = cx.cfg.clock_skew;
        let Some(late) = self.late.as_mut() else { return false };
        let id = opened.act.id;
        if late.has(&opened.act.author, id) {
            return true;
        }
        if id.millis() <= late.began + skew && late.ids.len() < IDS && late.ids.insert(id) {
            let key = format!("{}{id}", ids_of(&late.fold.channel));
            cx.put(Table::Setting, key, &true);
        }
        false
    }

    /// We are in the new log: the others may have what we have more.
    pub(in crate::node::channel) fn begin_offers(&mut self, cx: &Ctx) {
        if let Some(late) = self.late.as_mut().filter(|l| l.offered().is_some()) {
            late.offer_at = Some(cx.now.mono);
            late.tries = 0;
        }
    }

    pub(in crate::node::channel) fn tick_backfill(&mut self, cx: &mut Ctx) {
        let Some(late) = self.late.as_mut() else { return };
        if late.offer_at.is_none_or(|at| cx.now.mono < at) {
            return;
        }
        late.offer_at = None;
        let Some(life) = late.offered().filter(|_| self.phase == Phase::Joined) else { return };
        late.tries += 1;
        late.offer_at = Some(cx.now.mono + if late.tries % TRIES == 0 { PAUSE } else { AGAIN });
        let Some(more) = late.life_mut(life) else { return };
        let (channel, from, to) = (more.fold.channel.to_string(), more.from, more.fold.seq);
        let Some(from) = from.filter(|from| *from < to) else {
            // What we have more stands behind a life that we have nothing of.
            more.from = None;
            return;
        };
        let query = Query::Log { channel, from: from.0, to: to.0, limit: BYTES };
        cx.query(query, PendingOp::Offer(self.key.clone()));
    }

    /// The store has what we offer.
    pub fn on_offer_rows(&mut self, cx: &mut Ctx, result: Result<Answer, PortError>) {
        let (Ok(Answer::Log { rows }), Some(replica)) = (result, &self.replica) else { return };
        let kept = |r: LogRow| Kept { time: r.time, value: r.value };
        let records: Vec<Kept> = rows.into_iter().map(kept).collect();
        if self.lead.is_some() {
            return self.append_backfill(cx, records);
        }
        let Some(card) = replica.state.actors.get(&replica.fold.leader).cloned() else { return };
        let id = cx.new_id();
        let e = Envelope {
            id: Some(id.to_string()),
            ts: Some(cx.ts()),
            ..Envelope::new("OFFER")
                .from(cx.me().to_string())
                .to(card.actor().to_string())
                .meta("channel", self.room.as_str())
                .meta("ch", replica.fold.channel.to_string())
                .field("records", Value::Array(records.iter().map(Kept::to_value).collect()))
        };
        let bytes = e.sign(Domain::Request, &cx.id).to_canonical();
        cx.append_rpc(&card, bytes, PendingOp::Nothing);
    }

    /// A member has more than the new log began with.
    pub fn on_offer(&mut self, cx: &mut Ctx, e: &Envelope) {
        let (Some(replica), Some(_)) = (&self.replica, &self.lead) else { return };
        let from = e.from.as_deref().and_then(|f| ActorId::parse(f).ok());
        let channel = e.meta_str("ch").and_then(|c| ChannelId::parse(c).ok());
        let card = from.and_then(|f| self.card_of(&f));
        let for_us = e.to.as_deref() == Some(cx.me().to_string().as_str());
        let signed = card.is_some_and(|c| e.verify(Domain::Request, c.keys()).is_ok());
        if !for_us || !signed || channel != Some(replica.fold.channel) {
            return;
        }
        let records = e.get("records").and_then(Value::as_array);
        let records = records.map(|all| all.iter().filter_map(Kept::parse).collect::<Vec<_>>());
        self.append_backfill(cx, records.unwrap_or_default());
    }

    /// Puts into the log what is the next of the old one. Each member judges that for itself; but
    /// who offers nonsense does not fill the log with it.
    pub(in crate::node::channel) fn append_backfill(&mut self, cx: &mut Ctx, records: Vec<Kept>) {
        let (Some(replica), Some(lead)) = (&self.replica, self.lead.as_mut()) else { return };
        if !lead.active() {
            // Whoever offers it may be gone before it is asked for again.
            let offers = lead.backlog.iter().filter(|b| matches!(b, Backlog::Offer(_))).count();
            if offers < OFFERS {
                lead.backlog.push_back(Backlog::Offer(records));
            }
            return;
        }
        let known = self.late.as_ref().and_then(|late| {
            let life = late.life_of(records.iter().map(|r| r.value.as_slice()), &self.room)?;
            late.lives().nth(life)
        });
        let good: Vec<Kept> = match known {
            // What we have ourselves we know.
            Some(late) if late.from.is_some() => records,
            Some(late) => {
                let mut late = late.clone();
                let mut stalled = false;
                let mut next = |record: &&Kept| {
                    late.branch_off_here(record, &self.room);
                    stalled = stalled
                        || match late.take(record, &self.room, &self.ring, &cx.cfg) {
                            Took::Void => return false,
                            took => matches!(took, Took::Stall),
                        };
                    true
                };
                records.into_iter().filter(|r| next(&r)).collect()
            }
            None => Vec::new(),
        };
        if good.is_empty() {
            return;
        }
        let term = replica.fold.term;
        self.append_all_gathered(cx);
        let Some(lead) = &self.lead else { return };
        let envelope = LogRecord::late_envelope(&good);
        let bytes = LogRecord::leader(envelope, &cx.id, &self.room, term, lead.seq.next(), lead.head);
        if bytes.len() <= crate::limits::RECORD {
            self.append_log(cx, bytes, Vec::new());
        }
    }

    /// Records of the old log stand in the new one.
    pub(in crate::node::channel) fn take_backfill(&mut self, cx: &mut Ctx, records: Vec<Kept>) {
        let Some(mut late) = self.late.take() else { return };
        let life = late.life_of(records.iter().map(|r| r.value.as_slice()), &self.room);
        if let Some(one) = life.and_then(|life| late.life_mut(life)) {
            if one.from.is_some() {
                one.seen_in_log(&records, &self.room);
            }
            one.waiting.extend(records);
            one.waiting.truncate(WAITING);
        }
        late.tries = 0;
        late.offer_at = late.offered().map(|_| cx.now.mono);
        self.late = Some(late);
        self.continue_backfill(cx);
    }

    /// Goes on with what waits, as far as there are keys.
    pub(in crate::node::channel) fn continue_backfill(&mut self, cx: &mut Ctx) {
        let Some(mut late) = self.late.take() else { return };
        // One may branch off meanwhile.
        let mut life = 0;
        while life <= late.older.len() {
            self.go_on_with_life(cx, &mut late, life);
            life += 1;
        }
        self.late = Some(late);
        self.store_backfill(cx);
        if self.phase == Phase::Joined {
            // With it stands what of all that nobody has read yet.
            self.store_head(cx);
        }
    }

    fn go_on_with_life(&mut self, cx: &mut Ctx, late: &mut Backfill, life: usize) {
        let Some(one) = late.life_mut(life) else { return };
        let mut rest = std::mem::take(&mut one.waiting).into_iter();
        while let Some(record) = rest.next() {
            let Some(one) = late.life_mut(life) else { return };
            if let Some(mut branch) = one.branch_off(&record, &self.room) {
                branch.waiting = std::iter::once(record).chain(rest).collect();
                // Its turn is next.
                let at = late.older.len() - life;
                late.older.insert(at, branch);
                return;
            }
            match one.take(&record, &self.room, &self.ring, &cx.cfg) {
                Took::Void | Took::Next => {}
                Took::Said(said) => {
                    let new =
                        |act: &&AppliedAct| !late.elsewhere(life, &act.opened.act.author, act.opened.act.id);
                    for one in said.iter().filter(new) {
                        self.show_backfill(cx, one);
                    }
                }
                Took::Keyed(info) => {
                    let (epoch, kid) = (one.fold.epoch, info.kid);
                    self.ring.announce(epoch, info);
                    self.open_backfill_key(cx, (epoch, kid));
                }
                Took::Stall => {
                    one.waiting = std::iter::once(record).chain(rest).collect();
                    self.key_wanted.get_or_insert(cx.now.mono);
                    return;
                }
            }
        }
    }

    /// A key of an old log that is missing.
    pub(in crate::node::channel) fn late_key(&self) -> Option<EpochKey> {
        self.late.as_ref().and_then(|late| late.missing(&self.ring))
    }

    fn show_backfill(&mut self, cx: &mut Ctx, AppliedAct { opened, change, seq }: &AppliedAct) {
        let own = opened.act.author == cx.me().owner();
        let out = if own { self.settle(cx, opened.act.id) } else { None };
        if let Some(mut e) = self.shown(cx, opened, change, *seq) {
            e.meta.insert("late".into(), Value::Bool(true));
            if let Some(row) = self.row(cx, &opened.act.author, &e, *seq, "sent") {
                cx.store(StoreOp::Message(row));
            }
            self.mark.shown(&e);
            cx.broadcast(&e, out.as_ref().and_then(|o| o.origin.as_ref()));
        }
        cx.settled_by(out.as_ref().and_then(|o| o.origin.as_ref()));
    }
}

#[cfg(test)]
mod tests;
