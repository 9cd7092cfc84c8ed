//! The thread that works on `signals.db`: it executes requests and delivers published messages.
//!
//! This module owns this process's only connection to the file. The thread sleeps until a request
//! arrives or another process wakes it after publishing. All requests that are pending when it is
//! free go into one transaction.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use kirc_core::ids::Millis;
use kirc_core::port::{PortError, SignalOp, SignalReply};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::{Published, sql};
use crate::embedded::clock;
use crate::embedded::health::{Side, Vital};
use crate::embedded::place::{Open, Opened, Place};
use crate::embedded::wake::{Ear, Touch, Whom};
use crate::embedded::{Checkpoint, Fault};
use crate::ports::Reply;

/// Calls of one transaction at the most.
const GROUP: usize = 500;
/// How often what is over is deleted.
const SWEEP: Millis = 10_000;
/// How soon a listener that had no room is tried again.
const SOON: Duration = Duration::from_millis(20);

/// What the worker is asked to do.
#[derive(Debug)]
pub enum Ask {
    /// Do something.
    Call(SignalOp, Reply<SignalReply>),
    /// End.
    Close(Reply<()>),
}

/// The state of the worker.
#[derive(Debug)]
pub struct Worker {
    place: Place,
    open: Option<Open>,
    prefix: String,
    ear: Ear,
    touch: Touch,
    checkpoint: Checkpoint,
    vital: Vital,
    /// Subscriptions: what was published up to this id is not for them.
    since: HashMap<String, i64>,
    cursor: i64,
    to: mpsc::Sender<Published>,
    blocked: bool,
    swept: Millis,
}

impl Worker {
    /// A worker on an open file.
    pub fn new(
        place: Place,
        open: Open,
        prefix: &str,
        ear: Ear,
        vital: Vital,
        to: mpsc::Sender<Published>,
    ) -> Result<Self, Fault> {
        sql::new_boot(&open.conn, &clock::boot())?;
        Ok(Self {
            touch: Touch::new(place.wake()),
            checkpoint: Checkpoint::new(place.clone())?,
            open: Some(open),
            prefix: prefix.to_owned(),
            ear,
            vital,
            since: HashMap::new(),
            cursor: 0,
            to,
            blocked: false,
            swept: clock::mono(),
            place,
        })
    }

    /// Works until it is told to end or nobody is left to ask.
    pub fn run(mut self, asks: &Receiver<Ask>) {
        let mut more = false;
        loop {
            if !more {
                self.ear.sleep(if self.blocked { SOON } else { Duration::MAX });
            }
            let mut calls = Vec::new();
            let mut close = None;
            while close.is_none() && calls.len() < GROUP {
                match asks.try_recv() {
                    Ok(Ask::Call(op, reply)) => calls.push((op, reply)),
                    Ok(Ask::Close(reply)) => close = Some(reply),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            more = calls.len() == GROUP;
            self.work(calls);
            self.hand_on();
            if let Some(reply) = close {
                drop(self);
                let _ = reply.send(Ok(()));
                return;
            }
        }
    }

    fn work(&mut self, calls: Vec<(SignalOp, Reply<SignalReply>)>) {
        if calls.is_empty() {
            return;
        }
        let (ops, replies): (Vec<_>, Vec<_>) = calls.into_iter().unzip();
        let mut done = self.transaction(&ops);
        if let Err(fault @ (Fault::Damaged(_) | Fault::Gone)) = &done {
            let fault = fault.clone();
            done = self.recover(&fault).and_then(|()| self.transaction(&ops));
        }
        match done {
            Ok(answers) => {
                self.vital.tell(Side::Writes, Ok(()));
                if ops.iter().any(|op| matches!(op, SignalOp::Publish { .. })) {
                    self.touch.touch(&Whom::All, self.ear.name());
                }
                for (answer, reply) in answers.into_iter().zip(replies) {
                    let _ = reply.send(Ok(answer));
                }
                self.checkpoint.wrote(ops.len() * 100);
            }
            Err(fault) => {
                let error = PortError::from(self.place.error(fault));
                self.vital.tell(Side::Writes, Err(&error.0));
                for reply in replies {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }

    fn transaction(&mut self, ops: &[SignalOp]) -> Result<Vec<SignalReply>, Fault> {
        loop {
            let Some(open) = self.open.take() else {
                let (open, _) = self.place.open().map_err(|e| e.fault)?;
                self.take_up(open)?;
                continue;
            };
            let Some(held) = open.hold(&self.place)? else {
                continue; // Another file stands there now: this one is let go of.
            };
            let result = self.commit(&open, ops);
            if result.is_err() && !open.conn.is_autocommit() {
                let _ = open.conn.execute_batch("ROLLBACK");
            }
            drop(held);
            self.open = Some(open);
            return result;
        }
    }

    fn commit(&mut self, open: &Open, ops: &[SignalOp]) -> Result<Vec<SignalReply>, Fault> {
        let conn = &open.conn;
        let begin = if ops.iter().all(only_reads) { "BEGIN" } else { "BEGIN IMMEDIATE" };
        conn.prepare_cached(begin)?.execute([])?;
        let now = clock::mono();
        if begin != "BEGIN" && now >= self.swept + SWEEP {
            self.swept = now;
            sql::sweep(conn, now)?;
        }
        let mut answers = Vec::with_capacity(ops.len());
        for op in ops {
            answers.push(self.one(conn, op, now)?);
        }
        conn.prepare_cached("COMMIT")?.execute([])?;
        Ok(answers)
    }

    fn one(&mut self, conn: &rusqlite::Connection, op: &SignalOp, now: Millis) -> Result<SignalReply, Fault> {
        let full = |key: &str| format!("{}{key}", self.prefix);
        match op {
            SignalOp::Claim { key, value, ttl } => {
                let claimed = sql::claim(conn, &full(key), value, now.saturating_add(*ttl), now)?;
                return Ok(SignalReply::Claimed(claimed));
            }
            SignalOp::Renew { key, value, ttl } => {
                let renewed = sql::renew(conn, &full(key), value, now.saturating_add(*ttl), now)?;
                return Ok(SignalReply::Renewed(renewed));
            }
            SignalOp::Release { key, value } => sql::release(conn, &full(key), value)?,
            SignalOp::Get { key } => return sql::get(conn, &full(key), now),
            SignalOp::Set { key, value, ttl } => {
                let ends = ttl.map(|ttl| now.saturating_add(ttl));
                sql::set(conn, &full(key), value, ends)?;
            }
            SignalOp::Delete { key } => sql::delete(conn, &full(key))?,
            SignalOp::Member { key, member, add } => {
                sql::member(conn, &full(key), member, *add)?;
            }
            SignalOp::Members { key } => return sql::members(conn, &full(key)),
            SignalOp::HashSet { key, fields } => {
                for (field, value) in fields {
                    sql::hash_set(conn, &full(key), field, value)?;
                }
            }
            SignalOp::HashGet { key } => return sql::hash_get(conn, &full(key)),
            SignalOp::Keys { prefix } => {
                return sql::keys(conn, &full(prefix), self.prefix.len(), now);
            }
            SignalOp::Publish { channel, payload } => {
                sql::publish(conn, &full(channel), payload, now)?;
            }
            SignalOp::Subscribe { channel } => {
                let last = sql::last_event(conn)?;
                if self.since.is_empty() {
                    self.cursor = last;
                }
                self.since.entry(full(channel)).or_insert(last);
            }
            SignalOp::Unsubscribe { channel } => {
                self.since.remove(&full(channel));
            }
        }
        Ok(SignalReply::Done)
    }

    /// Hands on what was published on channels that are listened to.
    fn hand_on(&mut self) {
        let mut done = self.try_hand_on();
        if let Err(fault @ (Fault::Damaged(_) | Fault::Gone)) = &done {
            let fault = fault.clone();
            done = self.recover(&fault);
        }
        match done {
            Ok(()) => self.vital.tell(Side::Reads, Ok(())),
            Err(fault) => {
                let error = self.place.error(fault).to_string();
                self.vital.tell(Side::Reads, Err(&error));
            }
        }
    }

    fn try_hand_on(&mut self) -> Result<(), Fault> {
        self.blocked = false;
        if self.since.is_empty() {
            return Ok(());
        }
        if self.open.as_ref().is_none_or(|o| o.replaced(&self.place)) {
            self.open = None;
            let (open, _) = self.place.open().map_err(|e| e.fault)?;
            self.take_up(open)?;
        }
        let Some(open) = &self.open else {
            return Err(Fault::Gone);
        };
        loop {
            let events = sql::events(&open.conn, self.cursor)?;
            if events.is_empty() {
                return Ok(());
            }
            for (id, mut event) in events {
                if self.since.get(&event.channel).is_some_and(|s| *s < id) {
                    event.channel.drain(..self.prefix.len());
                    match self.to.try_send(event) {
                        Err(TrySendError::Full(_)) => {
                            self.blocked = true;
                            return Ok(());
                        }
                        Ok(()) | Err(TrySendError::Closed(_)) => {}
                    }
                }
                self.cursor = id;
            }
        }
    }

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
        self.take_up(open)
    }

    /// Takes up another file: everybody listens from its beginning.
    fn take_up(&mut self, open: Open) -> Result<(), Fault> {
        sql::new_boot(&open.conn, &clock::boot())?;
        self.open = Some(open);
        self.cursor = 0;
        self.since.values_mut().for_each(|since| *since = 0);
        self.touch.forget();
        self.ear.open();
        Ok(())
    }
}

fn only_reads(op: &SignalOp) -> bool {
    matches!(
        op,
        SignalOp::Get { .. }
            | SignalOp::Members { .. }
            | SignalOp::HashGet { .. }
            | SignalOp::Keys { .. }
            | SignalOp::Subscribe { .. }
            | SignalOp::Unsubscribe { .. }
    )
}
