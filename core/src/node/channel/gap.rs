//! What the log lost: a member that finds records missing asks others for them, and lets the chain prove them.
//!
//! It decides nothing about what counts: what is fetched goes the way of every record, in its place.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::{Value, json};

use super::Channel;
use crate::envelope::{Domain, Envelope};
use crate::identity::Card;
use crate::ids::{ActorId, ChannelId, Millis, MsgId, Seq};
use crate::log::LogRecord;
use crate::node::ctx::Ctx;
use crate::node::waiting::Waiting;
use crate::port::{Answer, From, LogRow, PortError, Query, RawRecord, Topic};

/// How long whoever is asked may take, ms.
const PATIENCE: Millis = 3_000;
/// How long to wait once everybody was asked, ms.
const PAUSE: Millis = 30_000;
/// Bytes of records in one answer.
const BYTES: u64 = 400_000;

/// Records that are missing, and whom we asked for them.
pub(crate) struct Gap {
    /// The last record that we have, and the first that we saw again.
    have: Seq,
    until: Seq,
    asked: Option<(Card, MsgId, Topic)>,
    ready: bool,
    parts: BTreeMap<u64, String>,
    pub deadline: Millis,
    tries: usize,
    /// All were asked in this round, and nobody has them.
    rested: bool,
}

impl Channel {
    /// Whether a record stands beyond a gap: the log was lost or cut, and a member signed what comes later.
    pub fn beyond_gap(&self, record: &LogRecord) -> Option<Seq> {
        let replica = self.replica.as_ref().filter(|_| self.lost)?;
        match record {
            LogRecord::Claim { envelope, card, term, prev, .. } => {
                let member = replica.state.members.get(&card.actor())?;
                let next = replica.fold.term.next();
                // Of the next term, too, if it follows another claim than ours: somebody has led since, and says so again.
                let ahead = *term > next || (*term == next && *prev != replica.fold.claim);
                let signed = ahead && envelope.verify(Domain::Claim, member.card.keys()).is_ok();
                signed.then_some(Seq(crate::ids::MAX_SAFE_INTEGER))
            }
            _ => {
                let at = record.sequenced()?;
                let ahead = at.term >= replica.fold.term && at.seq > replica.fold.seq.next();
                let by = |c: &Card| at.envelope.verify(Domain::Log, c.keys()).is_ok();
                (ahead && replica.state.members.values().any(|m| by(&m.card))).then_some(at.seq)
            }
        }
    }

    /// Asks for what is missing before `until`: one member after the other, and then, after a while, again.
    pub fn begin_gap(&mut self, cx: &mut Ctx, until: Seq) {
        let Some(replica) = &self.replica else { return };
        let have = replica.fold.seq;
        let (tries, rested) = match &self.gap {
            Some(gap) if gap.have == have => (gap.tries, gap.rested),
            _ => (0, false),
        };
        let (deadline, parts) = (cx.now.mono, BTreeMap::new());
        self.gap = Some(Gap { have, until, asked: None, ready: false, parts, deadline, tries, rested });
        cx.status_dirty = true;
        self.ask_on(cx);
    }

    /// Asks the next one, or rests when all were asked.
    fn ask_on(&mut self, cx: &mut Ctx) {
        let others = self.replica.as_ref().map_or(1, |r| r.state.members.len().max(2) - 1);
        let leading = self.leading();
        let Some(gap) = self.gap.as_mut() else { return };
        if gap.tries == 0 || gap.tries % others != 0 || gap.rested {
            gap.rested = false;
            self.ask_for_gap(cx);
            return;
        }
        gap.rested = true;
        gap.asked = None;
        gap.deadline = cx.now.mono + PAUSE;
        if leading {
            // Nobody who is there has what we relayed last before the log was lost: it is relayed anew from there.
            self.lost = false;
            self.unstall(cx);
            self.lead_anew(cx);
        }
    }

    /// What is missing is nowhere, and the leader has gone on from where we are: a record that continues what we have.
    /// What stood between them is void.
    pub fn close_gap(&mut self, record: &RawRecord) {
        let (Some(replica), Some(_)) = (&self.replica, &self.gap) else {
            return;
        };
        let fold = &replica.fold;
        let parsed = LogRecord::parse(&record.value, &self.room).ok();
        let at = parsed.as_ref().and_then(LogRecord::sequenced);
        if at.is_some_and(|at| at.term == fold.term && at.seq == fold.seq.next() && at.prev == fold.head) {
            self.stalled.clear();
            self.gap = None;
        }
    }

    fn ask_for_gap(&mut self, cx: &mut Ctx) {
        let (Some(replica), Some(gap)) = (&self.replica, self.gap.as_mut()) else {
            return;
        };
        let me = cx.me();
        let others: Vec<&Card> =
            replica.state.members.iter().filter(|(a, _)| **a != me).map(|(_, m)| &m.card).collect();
        let Some(card) = others.get(gap.tries % others.len().max(1)).map(|c| (*c).clone()) else {
            return;
        };
        gap.tries += 1;
        gap.deadline = cx.now.mono + PATIENCE;
        let topic = cx.topic(card.address(), &card.address().rpc_out, me.to_string().as_bytes());
        let id = cx.new_id();
        gap.asked = Some((card, id, topic.clone()));
        gap.parts.clear();
        gap.ready = cx.readers.get(&topic).is_some_and(|r| !r.moving);
        let (tries, missing) = (gap.tries, gap.until.0.saturating_sub(gap.have.0 + 1));
        if gap.ready {
            self.send_fetch(cx);
        } else if !cx.readers.contains_key(&topic) {
            cx.move_reader(&topic, From::End);
        }
        if tries == 2 {
            let known = self.gap.as_ref().is_some_and(|g| g.until.0 < crate::ids::MAX_SAFE_INTEGER);
            let size = if known { missing.to_string() } else { "?".to_owned() };
            let text = format!(
                "{size} records of {} are missing here; members who may have them are asked",
                self.name
            );
            let e = Envelope::new("GAP").to(self.name.as_str()).param(size).line(text);
            cx.broadcast(&e, None);
        }
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
        let e = Envelope {
            id: Some(id.to_string()),
            ts: Some(cx.ts()),
            ..Envelope::new("FETCH")
                .from(cx.me().to_string())
                .to(card.actor().to_string())
                .meta("channel", self.room.as_str())
                .meta("ch", replica.fold.channel.to_string())
                .meta("first", gap.have.0)
                .meta("last", gap.until.0.saturating_sub(1))
        };
        let bytes = e.sign(Domain::Request, &cx.id).to_canonical();
        cx.append_rpc(&card, bytes, Waiting::Nothing);
    }

    /// A member asks for records that it misses. They are encrypted: whoever may not read them can't.
    pub fn on_fetch(&mut self, cx: &mut Ctx, e: &Envelope) {
        let Some(replica) = &self.replica else { return };
        let parsed = (
            e.from.as_deref().and_then(|f| ActorId::parse(f).ok()),
            e.id.as_deref().and_then(|i| MsgId::parse(i).ok()),
            e.meta_str("ch").and_then(|c| ChannelId::parse(c).ok()),
            e.meta_u64("first"),
            e.meta_u64("last"),
        );
        let (Some(from), Some(id), Some(channel), Some(first), Some(last)) = parsed else {
            return;
        };
        let Some(member) = replica.state.members.get(&from) else {
            return;
        };
        let for_us = e.to.as_deref() == Some(cx.me().to_string().as_str()) && channel == replica.fold.channel;
        if !for_us || e.verify(Domain::Request, member.card.keys()).is_err() {
            return;
        }
        let query = Query::Log { channel: channel.to_string(), from: first, to: last, limit: BYTES };
        cx.query(query, Waiting::Fetch(self.key.clone(), from, id));
    }

    /// The store has them: answer.
    pub fn on_fetched(&mut self, cx: &mut Ctx, asker: ActorId, id: MsgId, result: Result<Answer, PortError>) {
        let Ok(Answer::Log { rows }) = result else {
            return;
        };
        let Some(card) =
            self.replica.as_ref().and_then(|r| r.state.members.get(&asker)).map(|m| m.card.clone())
        else {
            return;
        };
        let rows = rows.iter().map(|r: &LogRow| json!([r.time, B64.encode(&r.value)])).collect();
        let answer = Envelope { body: Some(crate::Body::Array(rows)), ..Envelope::new("RECORDS") };
        cx.answer(&card, id, answer);
    }

    /// A part of an answer arrived. True if it was ours.
    pub fn on_gap_answer(&mut self, cx: &mut Ctx, e: &Envelope) -> bool {
        let Some(gap) = self.gap.as_mut() else {
            return false;
        };
        let Some((card, id, _)) = gap.asked.clone() else {
            return false;
        };
        if e.meta_str("re") != Some(id.to_string().as_str()) {
            return false;
        }
        let (part, parts) = (e.meta_u64("part").unwrap_or(0), e.meta_u64("parts").unwrap_or(1));
        gap.parts.insert(part, e.lines().concat());
        if (gap.parts.len() as u64) < parts || parts > 4_096 {
            return true;
        }
        let text: String = std::mem::take(&mut gap.parts).into_values().collect();
        let Some(answer) = cx.open_answer(&card, &text).filter(|a| a.command == "RECORDS") else {
            return true;
        };
        let Some(crate::Body::Array(rows)) = answer.body else {
            return true;
        };
        let offset = self.stalled.front().map_or(0, |r| r.offset.saturating_sub(1));
        for row in rows.iter().rev() {
            let time = row.get(0).and_then(Value::as_u64);
            let value = row.get(1).and_then(Value::as_str).and_then(|v| B64.decode(v).ok());
            if let (Some(time), Some(value)) = (time, value) {
                self.stalled.push_front(RawRecord { offset, key: Vec::new(), value, time });
            }
        }
        if let Some(gap) = self.gap.as_mut() {
            gap.asked = None;
        }
        self.unstall(cx);
        true
    }

    pub fn tick_gap(&mut self, cx: &mut Ctx) {
        if self.gap.as_ref().is_some_and(|g| cx.now.mono >= g.deadline) {
            self.ask_on(cx);
        }
    }
}
