//! The thread that writes to `mailbox.db`.
//!
//! This module owns the only connection of this process that writes. All requests that are pending
//! when it is free go into one transaction. It never gives up records that it can save: it sets a
//! damaged file aside and writes the same records to the new one.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;

use kirc_core::port::{PortError, Topic};

use super::asks::{Outcome, Write, no_topic};
use super::sql::{self, Part};
use crate::embedded::clock::Stamp;
use crate::embedded::health::{Side, Vital};
use crate::embedded::place::{Open, Opened, Place};
use crate::embedded::wake::{Bell, Slot, Touch, Whom};
use crate::embedded::{Checkpoint, Fault, FileError};

/// Records of one transaction at the most.
const GROUP: usize = 1_000;
/// Bytes of one transaction, about.
const GROUP_BYTES: usize = 4 << 20;
/// Bytes between two looks at a partition's size.
const COUNT_EVERY: u64 = 64 << 10;

/// The writer's side of the mailbox.
#[derive(Debug)]
pub struct Writer {
    place: Place,
    grid: String,
    retain: u64,
    open: Option<Open>,
    /// Partitions as this connection last saw them, while nobody else has written.
    tails: HashMap<Topic, Part>,
    seen: i64,
    /// Bytes that are not in the partition's count yet.
    uncounted: HashMap<i64, u64>,
    /// Topics that this process has made: a new file gets them too.
    made: BTreeSet<(String, u32)>,
    bell: Bell,
    /// The socket that the bell is for: others need not be told of it.
    own: Option<PathBuf>,
    touch: Touch,
    checkpoint: Checkpoint,
    vital: Vital,
    waiting: Arc<AtomicUsize>,
    /// Pages that the file may have; 0: any number.
    pages: u32,
}

/// Who is to look at what was written: the readers of partitions that got records, and everybody if
/// there is more to it.
fn concerned(group: &[Write]) -> Whom {
    let mut slots = BTreeSet::new();
    for ask in group {
        match ask {
            Write::Append { topic, .. } => slots.insert(Slot::of(&topic.name, topic.partition)),
            _ => return Whom::All,
        };
    }
    Whom::Of(slots)
}

impl Writer {
    /// A writer on an open file. `waiting` counts the bytes in the queue.
    pub fn new(
        place: Place,
        open: Open,
        (grid, retain): (&str, u64),
        (bell, own): (Bell, Option<PathBuf>),
        vital: Vital,
        waiting: Arc<AtomicUsize>,
    ) -> Result<Self, FileError> {
        let checkpoint = Checkpoint::new(place.clone()).map_err(|e| place.error(e))?;
        let mut writer = Self {
            touch: Touch::new(place.wake()),
            grid: grid.to_owned(),
            retain,
            open: Some(open),
            tails: HashMap::new(),
            seen: 0,
            uncounted: HashMap::new(),
            made: BTreeSet::new(),
            bell,
            own,
            checkpoint,
            vital,
            waiting,
            place,
            pages: 0,
        };
        let fresh = writer.furnish();
        fresh.map_err(|fault| writer.place.error(fault))?;
        Ok(writer)
    }

    /// Works until it is told to end or nobody is left to ask.
    pub fn run(mut self, asks: &Receiver<Write>) {
        while let Ok(first) = asks.recv() {
            let mut bytes = first.bytes();
            let mut group = vec![first];
            while group.len() < GROUP
                && bytes < GROUP_BYTES
                && let Ok(ask) = asks.try_recv()
            {
                bytes += ask.bytes();
                group.push(ask);
            }
            let end = group.iter().position(|ask| matches!(ask, Write::Close { .. }));
            let rest = end.map(|at| group.split_off(at));
            self.work(group, bytes);
            if let Some(Write::Close { reply }) = rest.and_then(|rest| rest.into_iter().next()) {
                drop(self);
                let _ = reply.send(Ok(()));
                return;
            }
        }
    }

    /// Commits a group and answers it.
    fn work(&mut self, group: Vec<Write>, bytes: usize) {
        if group.is_empty() {
            return;
        }
        let mut done = self.transaction(&group);
        if let Err(fault @ (Fault::Damaged(_) | Fault::Gone)) = &done {
            tracing::warn!(?fault, "writing again to a new mailbox file");
            done = self.recover(&fault.clone()).and_then(|()| self.transaction(&group));
        }
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        match done {
            Ok(outcomes) => {
                let whom = concerned(&group);
                self.bell.ring_if(&whom);
                self.touch.touch(&whom, self.own.as_deref());
                self.vital.tell(Side::Writes, Ok(()));
                for (ask, outcome) in group.into_iter().zip(outcomes) {
                    ask.answer(outcome);
                }
                self.checkpoint.wrote(bytes);
            }
            Err(fault) => {
                let error = PortError::from(self.place.error(fault));
                self.vital.tell(Side::Writes, Err(&error.0));
                for ask in group {
                    ask.answer(Err(error.clone()));
                }
            }
        }
    }

    fn transaction(&mut self, group: &[Write]) -> Result<Vec<Outcome>, Fault> {
        loop {
            let Some(open) = self.open.take() else {
                let (open, _) = self.place.open().map_err(|e| e.fault)?;
                self.begin_anew(open)?;
                continue;
            };
            let Some(held) = open.hold(&self.place)? else {
                continue; // Another file stands there now: this one is let go of.
            };
            let result = self.commit(&open, group);
            if result.is_err() && !open.conn.is_autocommit() {
                let _ = open.conn.execute_batch("ROLLBACK");
            }
            if result.is_err() {
                self.tails.clear();
            }
            drop(held);
            self.open = Some(open);
            return result;
        }
    }

    fn commit(&mut self, open: &Open, group: &[Write]) -> Result<Vec<Outcome>, Fault> {
        let conn = &open.conn;
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let version = sql::data_version(conn)?;
        if version != self.seen {
            self.seen = version;
            self.tails.clear();
        }
        let now = Stamp::now();
        let mut outcomes = Vec::with_capacity(group.len());
        let mut counted = HashMap::new();
        for ask in group {
            outcomes.push(self.one(open, ask, now, &mut counted)?);
        }
        for (part, (bytes, topic)) in counted {
            let uncounted = self.uncounted.get(&part).copied().unwrap_or(0) + bytes;
            self.uncounted.insert(part, uncounted);
            if uncounted >= COUNT_EVERY.min(self.retain / 8) {
                self.retire(open, part, uncounted, topic)?;
            }
        }
        conn.prepare_cached("COMMIT")?.execute([])?;
        Ok(outcomes)
    }

    fn one<'a>(
        &mut self,
        open: &Open,
        ask: &'a Write,
        now: Stamp,
        counted: &mut HashMap<i64, (u64, &'a Topic)>,
    ) -> Result<Outcome, Fault> {
        match ask {
            Write::Append { topic, key, value, .. } => {
                let Some(part) = self.tail(open, topic)? else {
                    return Ok(Err(no_topic(topic)));
                };
                let (id, offset, stamp) = (part.id, part.end, part.last.next(now));
                sql::insert(&open.conn, id, offset, stamp, key, value)?;
                part.end += 1;
                part.last = stamp;
                let bytes = (key.len() + value.len()) as u64;
                counted.entry(id).or_insert((0, topic)).0 += bytes;
                Ok(Ok(offset))
            }
            Write::Create { names, partitions, .. } => {
                for name in names {
                    for partition in 0..*partitions {
                        self.make(open, name, partition)?;
                    }
                }
                Ok(Ok(0))
            }
            Write::Trim { topic, keep, .. } => {
                let Some(part) = self.tail(open, topic)?.cloned() else {
                    return Ok(Err(no_topic(topic)));
                };
                sql::trim(&open.conn, &part, *keep)?;
                self.tails.remove(topic);
                Ok(Ok(0))
            }
            Write::Close { .. } => Ok(Ok(0)),
            #[cfg(test)]
            Write::Limit { pages } => {
                self.pages = *pages;
                self.limit(open)?;
                Ok(Ok(0))
            }
            #[cfg(test)]
            Write::Delete { name, .. } => {
                // The records stay until the file is cleared out: their partition's id never comes
                // back.
                open.conn.execute("DELETE FROM part WHERE topic = ?", [name])?;
                sql::changed(&open.conn)?;
                self.tails.clear();
                self.made.retain(|(topic, _)| topic != name);
                Ok(Ok(0))
            }
        }
    }

    fn make(&mut self, open: &Open, topic: &str, partition: u32) -> Result<(), Fault> {
        if sql::make_part(&open.conn, topic, partition)? {
            sql::changed(&open.conn)?;
        }
        self.made.insert((topic.to_owned(), partition));
        Ok(())
    }

    fn tail(&mut self, open: &Open, topic: &Topic) -> Result<Option<&mut Part>, Fault> {
        if !self.tails.contains_key(topic) {
            let Some(part) = sql::part(&open.conn, &topic.name, topic.partition)? else {
                return Ok(None);
            };
            self.tails.insert(topic.clone(), part);
        }
        Ok(self.tails.get_mut(topic))
    }

    /// Brings a partition's count up to date, and gives up its oldest records if it has grown too
    /// large.
    fn retire(&mut self, open: &Open, part: i64, uncounted: u64, topic: &Topic) -> Result<(), Fault> {
        let bytes = sql::count_bytes(&open.conn, part, uncounted)?;
        self.uncounted.remove(&part);
        if bytes > self.retain
            && let Some(part) = sql::part(&open.conn, &topic.name, topic.partition)?
        {
            // A little more than needed, so that this is not done for every record.
            let keep = sql::oldest(&open.conn, &part, bytes - self.retain + self.retain / 16)?;
            sql::trim(&open.conn, &part, keep)?;
            self.tails.remove(topic);
        }
        Ok(())
    }

    /// Goes on with a good file after this one failed for good.
    fn recover(&mut self, fault: &Fault) -> Result<(), Fault> {
        let damaged = self.open.take().filter(|_| fault.is_damage());
        let (open, opened) = match damaged {
            Some(open) => self.place.reopen(open.file, &fault.why()),
            None => self.place.open(),
        }
        .map_err(|e| e.fault)?;
        if let Opened::SetAside(what) = opened {
            self.vital.note(what);
        }
        self.begin_anew(open)
    }

    /// Takes up another file.
    fn begin_anew(&mut self, open: Open) -> Result<(), Fault> {
        self.open = Some(open);
        self.tails.clear();
        self.uncounted.clear();
        self.seen = 0;
        self.touch.forget();
        self.furnish()
    }

    /// Sees to it that the open file knows its grid and the topics that were made here.
    fn furnish(&mut self) -> Result<(), Fault> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let result = self.furnish_file(&open);
        if result.is_ok() {
            self.open = Some(open);
        }
        result
    }

    fn furnish_file(&mut self, open: &Open) -> Result<(), Fault> {
        self.limit(open)?;
        if sql::grid(&open.conn)?.as_deref() != Some(&self.grid) {
            sql::set_grid(&open.conn, &self.grid)?;
        }
        for (topic, partition) in self.made.clone() {
            self.make(open, &topic, partition)?;
        }
        Ok(())
    }

    fn limit(&self, open: &Open) -> Result<(), Fault> {
        if self.pages > 0 {
            open.conn.execute_batch(&format!("PRAGMA max_page_count={}", self.pages))?;
        }
        Ok(())
    }
}
