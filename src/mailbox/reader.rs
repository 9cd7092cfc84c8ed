//! The thread that reads `mailbox.db` for all readers of this process.
//!
//! This module owns a read-only connection and each reader's offset. The thread sleeps until it is
//! woken by the writer of this process, by another process or by a request. Each time it reads
//! everything that is new, so an extra wake-up does no harm; a missed one is made up for by a check
//! every few seconds.

use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use kirc_core::ids::Offset;
use kirc_core::port::{PortError, ReadFrom, Topic};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::asks::{Look, no_topic};
use super::sql::{self, Part};
use super::{BATCH_BYTES, BATCH_RECORDS, BATCHES, Delivery, ReaderStart};
use crate::embedded::Fault;
use crate::embedded::health::{Side, Vital};
use crate::embedded::place::{Open, Opened, Place};
use crate::embedded::wake::{Ear, Slot};

/// How soon a reader that had no room is tried again; it doubles up to [`LATER`].
const SOON: Duration = Duration::from_millis(1);
const LATER: Duration = Duration::from_millis(50);
/// How soon a file that can't be read is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// One reader.
#[derive(Debug)]
struct Sub {
    topic: Topic,
    slot: Slot,
    part: i64,
    life: String,
    next: Offset,
    to: mpsc::Sender<Delivery>,
    /// The partition may have changed: look before reading on.
    check: bool,
}

/// What came of serving a reader.
#[derive(Debug, PartialEq, Eq)]
enum Served {
    /// It has all there is.
    Done,
    /// There may be more.
    More,
    /// It has no room.
    Blocked,
    /// Nobody is there.
    Gone,
}

/// The reading side of the mailbox.
#[derive(Debug)]
pub struct Reader {
    place: Place,
    open: Option<Open>,
    ear: Ear,
    vital: Vital,
    subs: Vec<Sub>,
    /// `data_version` and count of changes when all readers had everything.
    seen: Option<i64>,
    changes: i64,
    blocked: bool,
    failed: bool,
    nap: Duration,
}

impl Reader {
    /// A reading thread's state, watching for other processes.
    pub fn new(place: Place, open: Open, ear: Ear, vital: Vital) -> Self {
        Self {
            place,
            open: Some(open),
            ear,
            vital,
            subs: Vec::new(),
            seen: None,
            changes: -1,
            blocked: false,
            failed: false,
            nap: SOON,
        }
    }

    /// Works until it is told to end or nobody is left to ask.
    pub fn run(mut self, asks: &Receiver<Look>) {
        loop {
            self.ear.sleep(self.patience());
            loop {
                match asks.try_recv() {
                    Ok(Look::Read { topic, from, reply }) => {
                        let result = self.try_twice(|me| me.subscribe(&topic, from));
                        let _ = reply.send(result);
                    }
                    Ok(Look::End { topic, reply }) => {
                        let result = self.try_twice(|me| me.part(&topic).map(|p| p.map(|p| p.end)));
                        let _ = reply.send(result);
                    }
                    Ok(Look::Close { reply }) => {
                        drop(self);
                        let _ = reply.send(Ok(()));
                        return;
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            let looked = self.try_twice(|me| me.look().map(Ok));
            self.failed = looked.is_err();
        }
    }

    fn patience(&self) -> Duration {
        if self.failed {
            AGAIN
        } else if self.blocked {
            self.nap
        } else {
            Duration::MAX
        }
    }

    /// Does something, a second time if the file had to be changed for a good one.
    fn try_twice<T>(
        &mut self,
        work: impl Fn(&mut Self) -> Result<Result<T, PortError>, Fault>,
    ) -> Result<T, PortError> {
        let mut done = self.ensure_open().and_then(|()| work(self));
        if let Err(fault @ (Fault::Damaged(_) | Fault::Gone)) = &done {
            let fault = fault.clone();
            done = self.recover(&fault).and_then(|()| work(self));
        }
        if done.is_err()
            && let Some(open) = &self.open
            && !open.conn.is_autocommit()
        {
            let _ = open.conn.execute_batch("ROLLBACK");
        }
        match done {
            Ok(result) => {
                self.vital.tell(Side::Reads, Ok(()));
                result
            }
            Err(fault) => {
                let error = PortError::from(self.place.error(fault));
                self.vital.tell(Side::Reads, Err(&error.0));
                Err(error)
            }
        }
    }

    fn ensure_open(&mut self) -> Result<(), Fault> {
        if let Some(open) = &self.open
            && !open.replaced(&self.place)
        {
            return Ok(());
        }
        self.open = None;
        let (open, opened) = self.place.open().map_err(|e| e.fault)?;
        self.take_up(open, opened);
        Ok(())
    }

    fn recover(&mut self, fault: &Fault) -> Result<(), Fault> {
        let Some(open) = self.open.take().filter(|_| fault.is_damage()) else {
            return self.ensure_open();
        };
        let why = fault.why();
        let (open, opened) = self.place.reopen(open.file, &why).map_err(|e| e.fault)?;
        self.take_up(open, opened);
        Ok(())
    }

    fn take_up(&mut self, open: Open, opened: Opened) {
        if let Opened::SetAside(what) = opened {
            self.vital.note(what);
        }
        self.open = Some(open);
        self.seen = None;
        self.changes = -1;
        self.ear.open();
    }

    fn open(&self) -> Result<&Open, Fault> {
        self.open.as_ref().ok_or(Fault::Gone)
    }

    fn part(&self, topic: &Topic) -> Result<Result<Part, PortError>, Fault> {
        let part = sql::part(&self.open()?.conn, &topic.name, topic.partition)?;
        Ok(part.ok_or_else(|| no_topic(topic)))
    }

    fn subscribe(
        &mut self,
        topic: &Topic,
        from: ReadFrom,
    ) -> Result<Result<mpsc::Receiver<Delivery>, PortError>, Fault> {
        let part = match self.part(topic)? {
            Ok(part) => part,
            Err(error) => return Ok(Err(error)),
        };
        let (to, receiver) = mpsc::channel(BATCHES + 1);
        let at = match from {
            ReadFrom::At(offset) => offset.clamp(part.start, part.end),
            ReadFrom::End => part.end,
        };
        // There is room: the channel is new.
        let _ = to.try_send(Delivery::Reading(start(&part, at)));
        self.subs.push(Sub {
            slot: Slot::of(&topic.name, topic.partition),
            topic: topic.clone(),
            part: part.id,
            life: part.life,
            next: at,
            to,
            check: false,
        });
        self.seen = None;
        Ok(Ok(receiver))
    }

    /// Hands all readers what is new for them.
    fn look(&mut self) -> Result<(), Fault> {
        let mut subs = std::mem::take(&mut self.subs);
        // Before it is looked: what comes after that is heard of.
        self.ear.listen_for(&subs.iter().map(|sub| sub.slot).collect());
        let was_blocked = std::mem::take(&mut self.blocked);
        let mut result = Ok(true);
        while let Ok(true) = result {
            result = self.round(&mut subs, was_blocked);
        }
        self.nap = if self.blocked && was_blocked { (self.nap * 2).min(LATER) } else { SOON };
        self.subs = subs;
        result.map(|_| ())
    }

    /// One delivery for each reader, from one view of the file; whether there may be more.
    fn round(&mut self, subs: &mut Vec<Sub>, was_blocked: bool) -> Result<bool, Fault> {
        let conn = &self.open.as_ref().ok_or(Fault::Gone)?.conn;
        conn.prepare_cached("BEGIN")?.execute([])?;
        let version = sql::data_version(conn)?;
        if self.seen == Some(version) && !was_blocked {
            conn.prepare_cached("COMMIT")?.execute([])?;
            return Ok(false);
        }
        let changes = sql::changes(conn)?;
        let changed = changes != self.changes;
        let (mut more, mut blocked) = (false, false);
        let mut fault = None;
        subs.retain_mut(|sub| {
            sub.check |= changed;
            if fault.is_some() {
                return true;
            }
            match serve(conn, sub) {
                Ok(Served::Done) => true,
                Ok(Served::More) => {
                    more = true;
                    true
                }
                Ok(Served::Blocked) => {
                    blocked = true;
                    true
                }
                Ok(Served::Gone) => false,
                Err(e) => {
                    fault = Some(e);
                    true
                }
            }
        });
        if let Some(fault) = fault {
            self.seen = None;
            return Err(fault);
        }
        conn.prepare_cached("COMMIT")?.execute([])?;
        self.changes = changes;
        self.seen = (!more && !blocked).then_some(version);
        self.blocked = blocked;
        Ok(more)
    }
}

fn serve(conn: &rusqlite::Connection, sub: &mut Sub) -> Result<Served, Fault> {
    let permit = match sub.to.try_reserve() {
        Ok(permit) => permit,
        Err(TrySendError::Full(())) => return Ok(Served::Blocked),
        Err(TrySendError::Closed(())) => return Ok(Served::Gone),
    };
    if sub.check {
        let Some(part) = sql::part(conn, &sub.topic.name, sub.topic.partition)? else {
            return Ok(Served::Done); // Gone for now. It is looked for again when something changes.
        };
        let at = if part.life == sub.life { sub.next.clamp(part.start, part.end) } else { part.start };
        sub.check = false;
        if at != sub.next || part.life != sub.life {
            permit.send(Delivery::Reading(start(&part, at)));
            sub.part = part.id;
            sub.life = part.life;
            sub.next = at;
            return Ok(Served::More);
        }
    }
    let records = sql::batch(conn, sub.part, sub.next)?;
    let Some(last) = records.last() else {
        return Ok(Served::Done);
    };
    sub.next = last.offset + 1;
    let bytes: usize = records.iter().map(|r| r.key.len() + r.value.len()).sum();
    let full = records.len() == BATCH_RECORDS || bytes * 2 > BATCH_BYTES;
    permit.send(Delivery::Records(records));
    Ok(if full { Served::More } else { Served::Done })
}

fn start(part: &Part, at: Offset) -> ReaderStart {
    ReaderStart { incarnation: part.life.clone(), start: part.start, end: part.end, at }
}
