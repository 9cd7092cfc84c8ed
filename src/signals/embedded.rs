//! The embedded signal service: `signals.db` in a grid's folder.
//!
//! This module owns the handle that callers hold; `worker` does the work.

use std::path::Path;
use std::sync::mpsc::{Sender, channel};

use kirc_core::port::{PortError, SignalOp, SignalReply};
use tokio::sync::{mpsc, watch};

use super::sql::SCHEMA;
use super::worker::{Ask, Worker};
use super::{EVENTS, Published, Signals};
use crate::embedded::health::Vital;
use crate::embedded::place::{Opened, Place};
use crate::embedded::wake::{Bell, Ear};
use crate::ports::{Health, Pending, Reply, pending};

/// The signal service of an embedded grid.
#[derive(Debug)]
pub struct EmbeddedSignals {
    asks: Sender<Ask>,
    bell: Bell,
    vital: Vital,
}

impl EmbeddedSignals {
    /// Opens the signals in a grid's folder. `prefix` stands before every key and channel.
    pub(crate) fn open(dir: &Path, prefix: &str) -> Result<(Self, mpsc::Receiver<Published>), PortError> {
        let place = Place::new(dir, &SCHEMA);
        let (open, opened) = place.open()?;
        let note = match opened {
            Opened::SetAside(what) => what,
            Opened::Found | Opened::Made => String::new(),
        };
        let vital = Vital::new(note);
        let (asks, to_do) = channel();
        let (to, published) = mpsc::channel(EVENTS);
        let (ear, bell) = Ear::new(&place.wake()).map_err(|e| place.error(e))?;
        let worker = Worker::new(place.clone(), open, prefix, ear, vital.clone(), to)
            .map_err(|fault| place.error(fault))?;
        std::thread::Builder::new()
            .name("kirc-signals".to_owned())
            .spawn(move || worker.run(&to_do))
            .map_err(|e| place.error(e))?;
        Ok((Self { asks, bell, vital }, published))
    }

    fn ask<T: Send + 'static>(&self, ask: impl FnOnce(Reply<T>) -> Ask) -> Pending<T> {
        let (reply, answer) = pending("the grid's signals were closed");
        let _ = self.asks.send(ask(reply));
        self.bell.ring();
        answer
    }
}

impl Signals for EmbeddedSignals {
    fn call(&self, op: SignalOp) -> Pending<SignalReply> {
        self.ask(|reply| Ask::Call(op, reply))
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.vital.listen()
    }

    fn close(&self) -> Pending<()> {
        self.ask(Ask::Close)
    }
}

impl Drop for EmbeddedSignals {
    /// What was asked for is still done; then the thread ends.
    fn drop(&mut self) {
        drop(self.close());
    }
}
