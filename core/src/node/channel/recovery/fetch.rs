//! Missing records: a member that notices a gap asks other members for the records, and checks them
//! against the chain.

use std::collections::BTreeMap;

use serde_json::json;

use crate::envelope::{Domain, Envelope};
use crate::identity::Card;
use crate::ids::{ActorId, ChannelId, Millis, MsgId, Seq};
use crate::log::{Kept, LogRecord, Stand, same_life};
use crate::node::channel::Channel;
use crate::node::ctx::Ctx;
use crate::node::pending::PendingOp;
use crate::node::rpc::part_of;
use crate::port::{Answer, LogRow, PortError, Query, RawRecord, ReadFrom, Topic};

/// How long whoever is asked may take, ms.
const PATIENCE: Millis = 3_000;
/// How long to wait once everybody was asked, ms.
const PAUSE: Millis = 30_000;
/// How often all others are asked for what a new log claims to stand on.
const ROUNDS: usize = 10;
/// How often all others are asked what the channel was, before we take it that they don't know us.
const STRANGE: usize = 3;
/// Bytes of records in one answer.
const BYTES: u64 = 400_000;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node::channel) enum Wanted {
    /// The records before this one, which we saw.
    Until(Seq),
    /// What the channel was where a new log begins, which is less than we have.
    Base(Stand),
}

/// Something that is missing, and whom we asked for it.
pub(crate) struct Gap {
    /// The last record that we have.
    have: Seq,
    wanted: Wanted,
    asked: Option<(Card, MsgId, Topic)>,
    ready: bool,
    parts: BTreeMap<u64, String>,
    pub deadline: Millis,
    tries: usize,
    /// Who is asked first.
    first: usize,
    /// All were asked in this round, and nobody has them.
    rested: bool,
}

impl Channel {
    /// Whether a record stands beyond a gap: the log was lost or cut, and a member signed what
    /// comes later.
    pub fn beyond_gap(&self, record: &LogRecord) -> Option<Seq> {
        let replica = self.replica.as_ref().filter(|_| self.lost)?;
        match record {
            LogRecord::Claim { envelope, card, term, prev, .. } => {
                let known = replica.state.actors.get(&card.actor())?;
                let next = replica.fold.term.next();
                // Of the next term, too, if it follows another claim than ours: somebody has led
                // since, and says so again.
                let ahead = *term > next || (*term == next && *prev != replica.fold.claim);
                let signed = ahead && envelope.verify(Domain::Claim, known.keys()).is_ok();
                signed.then_some(Seq(crate::ids::MAX_SAFE_INTEGER))
            }
            _ => {
                let at = record.sequenced()?;
                let ahead = at.term >= replica.fold.term && at.seq > replica.fold.seq.next();
                let by = |c: &Card| at.envelope.verify(Domain::Log, c.keys()).is_ok();
                (ahead && replica.state.actors.values().any(by)).then_some(at.seq)
            }
        }
    }

    /// Asks for what is missing before `until`: one member after the other, and then, after a
    /// while, again.
    pub fn begin_gap(&mut self, cx: &mut Ctx, until: Seq) {
        self.begin_ask(cx, Wanted::Until(until), 0);
    }

    /// Asks the others in turn, beginning with this one.
    pub(in crate::node::channel) fn begin_ask(&mut self, cx: &mut Ctx, wanted: Wanted, first: usize) {
        let Some(replica) = &self.replica else { return };
        let have = replica.fold.seq;
        if let Some(gap) = self.gap.as_mut().filter(|gap| gap.have == have && gap.asked.is_some())
            && let (Wanted::Until(_), Wanted::Until(_)) = (gap.wanted, wanted)
            && cx.now.mono < gap.deadline
        {
            // A key came meanwhile, or a record: the answer is on its way.
            gap.wanted = wanted;
            return;
        }
        let (tries, rested) = match &self.gap {
            Some(gap) if gap.have == have => (gap.tries, gap.rested),
            _ => (0, false),
        };
        let (deadline, parts) = (cx.now.mono, BTreeMap::new());
        self.gap =
            Some(Gap { have, wanted, asked: None, ready: false, parts, deadline, tries, first, rested });
        cx.status_dirty = true;
        self.ask_on(cx);
    }

    /// Asks the next one, or rests when all were asked.
    fn ask_on(&mut self, cx: &mut Ctx) {
        let others = self.askable(cx.me()).len().max(1);
        let leading = self.leading();
        let Some(gap) = self.gap.as_mut() else { return };
        // Who knows what the channel was where a log began has just been there; and if nobody tells
        // us, we are out soon.
        let soon = matches!(gap.wanted, Wanted::Base(_));
        if gap.tries == 0 || gap.tries % others != 0 || gap.rested || soon {
            gap.rested = false;
            self.ask_for_gap(cx);
            return;
        }
        gap.rested = true;
        gap.asked = None;
        gap.deadline = cx.now.mono + PAUSE;
        if leading {
            // Nobody who is there has what we relayed last before the log was lost: it is relayed
            // anew from there.
            self.lost = false;
            self.resume_reading(cx);
            self.lead_anew(cx);
        }
    }

    /// What is missing is nowhere, and the leader has gone on from where we are: a record that
    /// continues what we have. What stood between them is void.
    pub fn close_gap(&mut self, record: &RawRecord) {
        let (Some(replica), Some(gap)) = (&self.replica, &self.gap) else {
            return;
        };
        // In a log that has not begun nobody goes on: what lands there is a late copy from the one
        // before.
        if self.anew || !matches!(gap.wanted, Wanted::Until(_)) {
            return;
        }
        let fold = &replica.fold;
        let parsed = LogRecord::parse(&record.value, &self.room).ok();
        let at = parsed.as_ref().and_then(LogRecord::sequenced);
        if at.is_some_and(|at| at.term == fold.term && at.seq == fold.seq.next() && at.prev == fold.head) {
            self.awaiting_key.clear();
            self.gap = None;
        }
    }

    /// Who claims the new log that we wait with.
    fn claimant(&self) -> Option<Card> {
        let record = self.awaiting_key.front().filter(|_| self.anew)?;
        match LogRecord::parse(&record.value, &self.room) {
            Ok(LogRecord::Claim { card, .. }) => Some(*card),
            _ => None,
        }
    }

    /// The same, if it is nobody whom we know as a member: it may have come in what we lack.
    fn stranger(&self) -> Option<Card> {
        let actors = &self.replica.as_ref()?.state.actors;
        self.claimant().filter(|card| !actors.contains_key(&card.actor()))
    }

    /// Whom to ask: the other members. Records prove themselves, so a stranger who claims may show
    /// by them that it is none.
    fn askable(&self, me: ActorId) -> Vec<Card> {
        let actors = self.replica.iter().flat_map(|r| &r.state.actors);
        let others = actors.filter(|(actor, _)| **actor != me).map(|(_, card)| card.clone());
        self.stranger().into_iter().chain(others).collect()
    }

    fn ask_for_gap(&mut self, cx: &mut Ctx) {
        let me = cx.me();
        let others = self.askable(me);
        let claimant = self.claimant().map(|card| card.actor());
        let kept = self.waits_with_kept();
        let Some(gap) = self.gap.as_mut() else { return };
        // What the channel was where the log began knows who claimed it best, once it has read
        // that.
        let again = matches!(gap.wanted, Wanted::Base(_)) && gap.tries.is_multiple_of(2);
        let first = others.iter().filter(|_| again).find(|card| Some(card.actor()) == claimant);
        let Some(card) = first.or_else(|| others.get((gap.first + gap.tries) % others.len().max(1))).cloned()
        else {
            gap.deadline = cx.now.mono + PAUSE;
            return;
        };
        gap.tries += 1;
        let rounds = gap.tries / others.len().max(1);
        match gap.wanted {
            Wanted::Base(_) if rounds >= STRANGE && kept => {
                return self.fall_back_from_kept(cx);
            }
            Wanted::Base(stand) if rounds >= STRANGE => return self.come_in_again(cx, stand),
            Wanted::Until(_) if self.anew && rounds >= ROUNDS => return self.distrust(cx),
            _ => {}
        }
        gap.deadline = cx.now.mono + PATIENCE;
        let topic = cx.topic(card.address(), &card.address().rpc_out, me.to_string().as_bytes());
        let id = cx.new_id();
        gap.asked = Some((card, id, topic.clone()));
        gap.parts.clear();
        gap.ready = cx.readers.get(&topic).is_some_and(|r| !r.moving);
        let (tries, have, wanted) = (gap.tries, gap.have, gap.wanted);
        if gap.ready {
            self.send_fetch(cx);
        } else if !cx.readers.contains_key(&topic) {
            cx.move_reader(&topic, ReadFrom::End);
        }
        if let Wanted::Until(until) = wanted
            && tries == 2
        {
            let missing = until.0.saturating_sub(have.0 + 1);
            let size = if same_life(have, until) { missing.to_string() } else { "?".to_owned() };
            let text = format!(
                "{size} records of {} are missing here; members who may have them are asked",
                self.name
            );
            let e = Envelope::new("GAP").to(self.name.as_str()).param(size).line(text);
            cx.broadcast(&e, None);
        }
    }

    /// A claim stands on records that nobody has, not even who made it: it does not count here, and
    /// the next may.
    fn distrust(&mut self, cx: &mut Ctx) {
        self.gap = None;
        self.distrusted = self.awaiting_key.front().map(|r| r.offset);
        self.resume_reading(cx);
    }

    /// The answers of whom we ask are being read from now on.
    pub fn on_gap_read(&mut self, cx: &mut Ctx, topic: &Topic) {
        let Some(gap) = self.gap.as_mut() else { return };
        if !gap.ready && gap.asked.as_ref().is_some_and(|(_, _, t)| t == topic) {
            gap.ready = true;
            self.send_fetch(cx);
        }
    }

    fn send_fetch(&mut self, cx: &mut Ctx) {
        let (Some(replica), Some(gap)) = (&self.replica, self.gap.as_ref()) else {
            return;
        };
        let Some((card, id, _)) = gap.asked.clone() else {
            return;
        };
        let e = Envelope::new("FETCH")
            .from(cx.me().to_string())
            .to(card.actor().to_string())
            .meta("channel", self.room.as_str())
            .meta("ch", replica.fold.channel.to_string())
            .field("card", json!(cx.card.envelope()));
        let e = match gap.wanted {
            Wanted::Until(until) => e.meta("first", gap.have.0).meta("last", until.0.saturating_sub(1)),
            Wanted::Base(stand) => e.meta("base", stand.head.to_string()).meta("first", 0).meta("last", 0),
        };
        let e = Envelope { id: Some(id.to_string()), ts: Some(cx.ts()), ..e };
        let bytes = e.sign(Domain::Request, &cx.id).to_canonical();
        cx.append_rpc(&card, bytes, PendingOp::Nothing);
    }

    /// The card of a member, or of who was one where the log began anew: whoever left or was
    /// removed since may not know yet how the log went on, and has a right to read up to there.
    pub(in crate::node::channel) fn card_of(&self, actor: &ActorId) -> Option<&Card> {
        let member = self.replica.as_ref().and_then(|r| r.state.actors.get(actor));
        member.or_else(|| self.late.as_ref().and_then(|late| late.card(actor)))
    }

    /// The card of who asks for records. Whoever left or was removed in what it misses is known by
    /// the epochs of its time only, and brings its card along.
    fn card_of_asker(&self, actor: &ActorId, e: &Envelope) -> Option<Card> {
        self.card_of(actor).cloned().or_else(|| {
            let card = serde_json::from_value(e.get("card")?.clone()).ok()?;
            let card = Card::parse(&card).ok().filter(|card| card.actor() == *actor)?;
            self.ring.knows(actor).then_some(card)
        })
    }

    /// A member asks for records that it misses. They are encrypted: whoever may not read them
    /// can't.
    pub fn on_fetch(&mut self, cx: &mut Ctx, e: &Envelope) {
        let Some(replica) = &self.replica else { return };
        let Some(fetch) = Fetch::parse(e, cx.me()).filter(|f| f.channel == replica.fold.channel) else {
            return;
        };
        let Some(card) = self.card_of_asker(&fetch.from, e) else { return };
        if e.verify(Domain::Request, card.keys()).is_err() {
            return;
        }
        let Some(head) = e.meta_str("base") else { return fetch.look_up(cx, card) };
        if let Some(base) = self.late.as_ref().and_then(|late| late.base(head, &fetch.from)) {
            let e = Envelope::new("BASE").field("fold", json!(base.fold)).field("state", json!(base.state));
            cx.answer(&card, fetch.id, e);
        }
    }

    /// A part of an answer arrived. True if it was ours.
    pub fn on_gap_answer(&mut self, cx: &mut Ctx, e: &Envelope) -> bool {
        let Some(gap) = self.gap.as_mut() else {
            return false;
        };
        let Some((card, id, _)) = gap.asked.clone() else {
            return false;
        };
        let by_it = e.from.as_deref() == Some(card.actor().to_string().as_str());
        if !by_it || e.meta_str("re") != Some(id.to_string().as_str()) {
            return false;
        }
        let Some((part, parts)) = part_of(e) else {
            return true;
        };
        gap.parts.insert(part, e.lines().concat());
        if (gap.parts.len() as u64) < parts {
            return true;
        }
        let text: String = std::mem::take(&mut gap.parts).into_values().collect();
        let Some(answer) = cx.open_answer(&card, &text) else { return true };
        if let Wanted::Base(stand) = gap.wanted {
            if answer.command == "BASE" {
                self.on_base(cx, &answer, stand);
            }
            return true;
        }
        if answer.command != "RECORDS" {
            return true;
        }
        let Some(crate::Body::Array(rows)) = answer.body else {
            return true;
        };
        let offset = self.awaiting_key.front().map_or(0, |r| r.offset.saturating_sub(1));
        for row in rows.iter().rev() {
            if let Some(Kept { time, value }) = Kept::parse(row) {
                self.awaiting_key.put_back(RawRecord { offset, key: Vec::new(), value, time });
            }
        }
        if let Some(gap) = self.gap.as_mut() {
            gap.asked = None;
        }
        self.resume_reading(cx);
        true
    }

    pub fn tick_gap(&mut self, cx: &mut Ctx) {
        if self.gap.as_ref().is_some_and(|g| cx.now.mono >= g.deadline) {
            self.ask_on(cx);
        }
    }
}

/// What somebody asks for.
struct Fetch {
    from: ActorId,
    id: MsgId,
    channel: ChannelId,
    first: u64,
    last: u64,
}

impl Fetch {
    fn parse(e: &Envelope, me: ActorId) -> Option<Self> {
        (e.to.as_deref() == Some(me.to_string().as_str())).then_some(())?;
        Some(Self {
            from: ActorId::parse(e.from.as_deref()?).ok()?,
            id: MsgId::parse(e.id.as_deref()?).ok()?,
            channel: ChannelId::parse(e.meta_str("ch")?).ok()?,
            first: e.meta_u64("first")?,
            last: e.meta_u64("last")?,
        })
    }

    fn look_up(self, cx: &mut Ctx, asker: Card) {
        let channel = self.channel.to_string();
        let query = Query::Log { channel, from: self.first, to: self.last, limit: BYTES };
        cx.query(query, PendingOp::Fetch(Box::new(asker), self.id));
    }
}

/// The same of a channel that we have left: what we kept of it may be nowhere else. Who asks is
/// known from there.
pub(crate) fn on_fetch_left(cx: &mut Ctx, e: &Envelope) {
    let Some(fetch) = Fetch::parse(e, cx.me()) else { return };
    let left = cx.kept_logs.contains_key(&fetch.channel.to_string()) && e.meta_str("base").is_none();
    let Some(card) = cx.contacts.card(&fetch.from).filter(|_| left).cloned() else { return };
    if e.verify(Domain::Request, card.keys()).is_ok() {
        fetch.look_up(cx, card);
    }
}

/// The store has the records that somebody asked for: answer.
pub(crate) fn on_fetched(cx: &mut Ctx, asker: &Card, id: MsgId, result: Result<Answer, PortError>) {
    let Ok(Answer::Log { rows }) = result else {
        return;
    };
    let kept = |r: LogRow| Kept { time: r.time, value: r.value }.to_value();
    let rows = rows.into_iter().map(kept).collect();
    let answer = Envelope { body: Some(crate::Body::Array(rows)), ..Envelope::new("RECORDS") };
    cx.answer(asker, id, answer);
}
