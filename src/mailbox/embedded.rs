//! The embedded mailbox: `mailbox.db` in a grid's folder.
//!
//! This module owns the handle that callers hold. Two threads do the work: `writer` and `reader`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use kirc_core::ids::Offset;
use kirc_core::limits;
use kirc_core::port::{PortError, ReadFrom, Topic};
use tokio::sync::{mpsc, watch};

use super::asks::{Look, Write};
use super::reader::Reader;
use super::sql::{self, SCHEMA};
use super::writer::Writer;
use super::{Delivery, Mailbox};
use crate::embedded::FileError;
use crate::embedded::health::Vital;
use crate::embedded::place::{Opened, Place};
use crate::embedded::wake::{Bell, Ear};
use crate::ports::{Health, Pending, pending, ready};

/// Bytes that may wait to be written; more is refused, and the caller tries again.
const WAITING: usize = 64 << 20;
const GONE: &str = "the grid's mailbox was closed";

/// The mailbox service of an embedded grid.
#[derive(Debug)]
pub struct EmbeddedMailbox {
    grid: String,
    writes: Sender<Write>,
    reads: Sender<Look>,
    bell: Bell,
    waiting: Arc<AtomicUsize>,
    vital: Vital,
}

impl EmbeddedMailbox {
    /// Opens the mailbox in a grid's folder. A partition keeps `retain` bytes, about.
    pub(crate) fn open(dir: &Path, grid: &str, retain: u64) -> Result<Self, PortError> {
        let place = Place::new(dir, &SCHEMA);
        let (open, opened) = place.open()?;
        let (open_to_read, _) = place.open()?;
        let note = match opened {
            Opened::SetAside(what) => what,
            Opened::Found | Opened::Made => String::new(),
        };
        let vital = Vital::new(note);
        let (reads, to_read) = channel();
        let (writes, to_write) = channel();
        let (ear, bell) = Ear::new(&place.wake()).map_err(|e| place.error(e))?;
        let own = ear.name().map(Path::to_owned);
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = Writer::new(
            place.clone(),
            open,
            (grid, retain),
            (bell.clone(), own),
            vital.clone(),
            waiting.clone(),
        )?;
        let reader = Reader::new(place.clone(), open_to_read, ear, vital.clone());
        spawn("kirc-mailbox-w", move || writer.run(&to_write)).map_err(|e| place.error(e))?;
        spawn("kirc-mailbox-r", move || reader.run(&to_read)).map_err(|e| place.error(e))?;
        Ok(Self { grid: grid.to_owned(), writes, reads, bell, waiting, vital })
    }

    /// The name of the grid that a folder's mailbox says it belongs to, if there is one.
    pub(crate) fn known_grid(dir: &Path) -> Result<Option<String>, FileError> {
        let place = Place::new(dir, &SCHEMA);
        if !place.path().exists() {
            return Ok(None);
        }
        let (open, _) = place.open()?;
        sql::grid(&open.conn).map_err(|fault| place.error(fault))
    }

    fn is_ours(&self, topic: &Topic) -> Result<(), PortError> {
        if topic.cluster == self.grid {
            return Ok(());
        }
        Err(PortError(format!(
            "topic {} is on the grid {}, not on this one ({})",
            topic.name, topic.cluster, self.grid
        )))
    }

    fn write<T: Send + 'static>(&self, ask: impl FnOnce(crate::ports::Reply<T>) -> Write) -> Pending<T> {
        let (reply, answer) = pending(GONE);
        let _ = self.writes.send(ask(reply));
        answer
    }

    fn ask<T: Send + 'static>(&self, ask: impl FnOnce(crate::ports::Reply<T>) -> Look) -> Pending<T> {
        let (reply, answer) = pending(GONE);
        let _ = self.reads.send(ask(reply));
        self.bell.ring();
        answer
    }

    /// Lets the file grow to so many pages.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: u32) {
        let _ = self.writes.send(Write::Limit { pages });
    }

    /// Deletes a topic, as an administrator does behind our back.
    #[cfg(test)]
    pub(crate) fn delete_topic(&self, name: &str) -> Pending<()> {
        let name = name.to_owned();
        self.write(|reply| Write::Delete { name, reply })
    }
}

/// Starts a thread with a name.
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let builder = std::thread::Builder::new().name(name.to_owned());
    builder.spawn(work).map(|_| ())
}

impl Mailbox for EmbeddedMailbox {
    fn cluster(&self) -> &str {
        &self.grid
    }

    fn create_topics(&self, names: &[String], partitions: u32) -> Pending<()> {
        let names = names.to_vec();
        self.write(|reply| Write::Create { names, partitions, reply })
    }

    fn append(&self, topic: &Topic, key: Vec<u8>, value: Vec<u8>) -> Pending<Offset> {
        if let Err(error) = self.is_ours(topic) {
            return ready(Err(error));
        }
        let bytes = key.len() + value.len();
        if bytes > limits::RECORD {
            return ready(Err(PortError(format!(
                "a record of {bytes} bytes is too large; the limit is {}",
                limits::RECORD
            ))));
        }
        if self.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes > WAITING {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            return ready(Err(PortError(
                "the grid's mailbox can't keep up with what is written to it; try again in a moment"
                    .to_owned(),
            )));
        }
        let topic = topic.clone();
        self.write(|reply| Write::Append { topic, key, value, reply })
    }

    fn end(&self, topic: &Topic) -> Pending<Offset> {
        if let Err(error) = self.is_ours(topic) {
            return ready(Err(error));
        }
        let topic = topic.clone();
        self.ask(|reply| Look::End { topic, reply })
    }

    fn read(&self, topic: &Topic, from: ReadFrom) -> Pending<mpsc::Receiver<Delivery>> {
        if let Err(error) = self.is_ours(topic) {
            return ready(Err(error));
        }
        let topic = topic.clone();
        self.ask(|reply| Look::Read { topic, from, reply })
    }

    fn trim(&self, topic: &Topic, keep_from: Offset) -> Pending<()> {
        if let Err(error) = self.is_ours(topic) {
            return ready(Err(error));
        }
        let (topic, keep) = (topic.clone(), keep_from);
        self.write(|reply| Write::Trim { topic, keep, reply })
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.vital.listen()
    }

    fn close(&self) -> Pending<()> {
        let written = self.write(|reply| Write::Close { reply });
        let read = self.ask(|reply| Look::Close { reply });
        Box::pin(async move { written.await.and(read.await) })
    }
}

impl Drop for EmbeddedMailbox {
    /// What was asked for is still done; then the threads end.
    fn drop(&mut self) {
        drop(self.close());
    }
}
