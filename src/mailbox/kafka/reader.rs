//! One reader: a task that takes records from a partition, delivers them, and resumes at its last
//! offset after any failure.
//!
//! This module owns the reader's offset. New and busy readers use a low-latency client. A reader
//! that has waited at the end for a while moves to a quiet client, without losing or duplicating a
//! record: both clients read for as long as the move takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kirc_core::ids::Offset;
use kirc_core::port::{RawRecord, Topic};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::Shared;
use super::admin_client::Part;
use super::consumer::Held;
use super::raw::{Piece, Tap};
use super::settings::Pace;
use super::watch::Watched;
use crate::mailbox::{BATCH_RECORDS, Delivery, ReaderStart};

/// How long a reader has had nothing to do when it moves to the quiet client.
const CALM: Duration = Duration::from_secs(3);
/// How long a hurried reader may have been held up before it is one that catches up.
const HELD_UP: Duration = Duration::from_millis(200);
/// How soon something is tried again that did not work; it doubles up to [`LATER`].
const SOON: Duration = Duration::from_millis(50);
const LATER: Duration = Duration::from_secs(5);
/// How soon it is asked again where a partition ends that seems to have become shorter.
const AGAIN: Duration = Duration::from_millis(250);

/// Nobody listens any more, or the mailbox closes.
struct Over;

pub(super) struct Reader {
    shared: Arc<Shared>,
    topic: Topic,
    to: mpsc::Sender<Delivery>,
    /// Tells when somebody should look whether the partition is what it was.
    watched: Watched,
    life: String,
    next: Offset,
    prompt: Option<Held>,
    quiet: Option<Held>,
    /// Since when it has been at the end with nothing new.
    calm: Option<Instant>,
    pause: Duration,
    ready: Vec<RawRecord>,
    bytes: usize,
}

/// What woke the reader.
enum Woken {
    Records,
    Doubt,
    Stalled,
    Calm,
    Over,
}

async fn rung(held: Option<&Held>) {
    match held.and_then(|h| h.as_ref()) {
        Some(tap) => tap.wait().await,
        None => std::future::pending().await,
    }
}

async fn after(since: Option<Instant>) {
    match since {
        Some(since) => sleep(CALM.saturating_sub(since.elapsed())).await,
        None => std::future::pending().await,
    }
}

impl Reader {
    /// A reader that stands where it was told; the first delivery is sent already.
    pub(super) fn new(
        shared: Arc<Shared>,
        topic: Topic,
        to: mpsc::Sender<Delivery>,
        part: &Part,
        at: Offset,
    ) -> Self {
        let watched = shared.watch.add(&topic, &part.life, at);
        Self {
            shared,
            topic,
            to,
            watched,
            life: part.life.clone(),
            next: at,
            prompt: None,
            quiet: None,
            calm: None,
            pause: SOON,
            ready: Vec::new(),
            bytes: 0,
        }
    }

    /// Reads until nobody listens.
    pub(super) async fn run(mut self) {
        while let Ok(()) = self.turn().await {}
    }

    async fn turn(&mut self) -> Result<(), Over> {
        if self.prompt.is_none() && self.quiet.is_none() {
            self.begin().await?;
        }
        let calm = self.calm.filter(|_| self.quiet.is_none());
        let woken = tokio::select! {
            biased;
            () = self.to.closed() => Woken::Over,
            () = self.shared.closing.cancelled() => Woken::Over,
            () = self.watched.called() => Woken::Doubt,
            () = self.watched.stalled() => Woken::Stalled,
            () = rung(self.prompt.as_ref()) => Woken::Records,
            () = rung(self.quiet.as_ref()) => Woken::Records,
            () = after(calm) => Woken::Calm,
        };
        match woken {
            Woken::Records => self.drain().await,
            Woken::Doubt => self.look().await,
            Woken::Stalled => {
                self.change_clients();
                Ok(())
            }
            Woken::Calm => {
                self.calm = None;
                let held = self.shared.taps.hold(Pace::Quiet, &self.topic, &self.life, self.next).await;
                match held {
                    Ok(held) => self.quiet = Some(held),
                    Err(error) => {
                        tracing::debug!(error, "no quiet reader");
                        self.calm = Some(Instant::now());
                    }
                }
                Ok(())
            }
            Woken::Over => Err(Over),
        }
    }

    /// librdkafka sometimes fetches a partition no more after a broker was away (rust-rdkafka,
    /// issue 597): goes on where it stands with clients that are new.
    fn change_clients(&mut self) {
        tracing::warn!(
            topic = self.topic.name,
            next = self.next,
            "reading had stopped: a new client goes on"
        );
        for held in [self.prompt.take(), self.quiet.take()].into_iter().flatten() {
            held.spoil();
        }
        self.calm = None;
    }

    async fn begin(&mut self) -> Result<(), Over> {
        match self.shared.taps.hold(Pace::Prompt, &self.topic, &self.life, self.next).await {
            Ok(held) => {
                self.prompt = Some(held);
                Ok(())
            }
            Err(error) => {
                tracing::debug!(topic = self.topic.name, error, "a topic can't be read");
                self.rest().await
            }
        }
    }

    /// A pause that grows, until something works.
    async fn rest(&mut self) -> Result<(), Over> {
        let pause = self.pause;
        self.pause = (pause * 2).min(LATER);
        self.wait(pause).await
    }

    async fn wait(&self, pause: Duration) -> Result<(), Over> {
        tokio::select! {
            () = self.to.closed() => Err(Over),
            () = self.shared.closing.cancelled() => Err(Over),
            () = sleep(pause) => Ok(()),
        }
    }

    /// Takes all that is there, and hands it on as fast as it is wanted.
    async fn drain(&mut self) -> Result<(), Over> {
        loop {
            let prompt = take(self.prompt.as_ref());
            let quiet = take(self.quiet.as_ref());
            if prompt.is_empty() && quiet.is_empty() {
                return self.flush().await;
            }
            self.shared.pulse.well();
            for piece in prompt {
                if let Some(trouble) = self.piece(piece, Pace::Prompt).await? {
                    return self.trouble(trouble, Pace::Prompt).await;
                }
            }
            for piece in quiet {
                if let Some(trouble) = self.piece(piece, Pace::Quiet).await? {
                    return self.trouble(trouble, Pace::Quiet).await;
                }
            }
        }
    }

    async fn piece(
        &mut self,
        piece: Piece,
        from: Pace,
    ) -> Result<Option<rdkafka::error::RDKafkaErrorCode>, Over> {
        let up_to = match piece {
            Piece::Trouble(code) => return Ok(Some(code)),
            Piece::End(offset) => {
                self.pause = SOON;
                if offset >= self.next {
                    self.calm.get_or_insert_with(Instant::now);
                }
                offset
            }
            Piece::Record(record) => {
                self.pause = SOON;
                let offset = record.offset;
                if offset >= self.next {
                    self.calm = None;
                    self.push(record).await?;
                }
                offset
            }
        };
        // The quiet client has come to where the prompt one is: that one is not needed any more.
        if from == Pace::Quiet && up_to + 1 >= self.next {
            self.prompt = None;
        }
        Ok(None)
    }

    async fn push(&mut self, record: RawRecord) -> Result<(), Over> {
        let bytes = record.key.len() + record.value.len();
        let full = self.ready.len() >= BATCH_RECORDS || self.bytes + bytes > self.shared.handful;
        if !self.ready.is_empty() && full {
            self.flush().await?;
        }
        self.next = record.offset + 1;
        self.bytes += bytes;
        self.ready.push(record);
        Ok(())
    }

    /// Hands on what was taken; waits while there is no room.
    async fn flush(&mut self) -> Result<(), Over> {
        if self.ready.is_empty() {
            return Ok(());
        }
        let records = Delivery::Records(std::mem::take(&mut self.ready));
        self.bytes = 0;
        let since = Instant::now();
        self.hand(records).await?;
        if since.elapsed() > HELD_UP {
            // The clients may have stopped to fetch meanwhile; the quiet one would take long to
            // begin again.
            self.quiet = None;
        }
        Ok(())
    }

    async fn hand(&self, delivery: Delivery) -> Result<(), Over> {
        self.watched.stands(self.next, true);
        tokio::select! {
            sent = self.to.send(delivery) => sent.map_err(|_| Over)?,
            () = self.shared.closing.cancelled() => return Err(Over),
        }
        self.watched.stands(self.next, false);
        Ok(())
    }

    async fn trouble(&mut self, code: rdkafka::error::RDKafkaErrorCode, from: Pace) -> Result<(), Over> {
        tracing::debug!(topic = self.topic.name, partition = self.topic.partition, %code, "reading stopped");
        self.flush().await?;
        self.quiet = None;
        if from == Pace::Prompt {
            self.prompt = None;
        }
        // A prompt reader that goes on at the end is not told once more that it is there.
        self.calm = self.prompt.is_some().then(Instant::now);
        self.rest().await?;
        self.look().await
    }

    /// Looks whether the partition is what it was, and moves if it is not.
    async fn look(&mut self) -> Result<(), Over> {
        let mut again = true;
        loop {
            let found = self.shared.admin_client.part(&self.topic, "read").await;
            tracing::debug!(topic = self.topic.name, life = self.life, next = self.next, ?found, "looked");
            match found {
                // A broker that has just begun to lead may not know yet how far the partition goes.
                Ok(part) if part.life == self.life && part.end < self.next && again => {
                    again = false;
                    self.wait(AGAIN).await?;
                }
                Ok(part) => return self.settle(part).await,
                Err(no) if no.missing => {
                    (self.prompt, self.quiet, self.calm) = (None, None, None);
                    self.rest().await?;
                }
                Err(_) => self.rest().await?,
            }
        }
    }

    async fn settle(&mut self, part: Part) -> Result<(), Over> {
        let same = part.life == self.life;
        let at = if same { self.next.clamp(part.start, part.end) } else { part.start };
        if same && at == self.next {
            return Ok(());
        }
        self.flush().await?;
        (self.prompt, self.quiet, self.calm) = (None, None, None);
        self.next = at;
        self.life.clone_from(&part.life);
        self.watched.lives(&part.life);
        self.hand(Delivery::Reading(ReaderStart {
            incarnation: part.life,
            start: part.start,
            end: part.end,
            at,
        }))
        .await
    }
}

fn take(held: Option<&Held>) -> Vec<Piece> {
    held.and_then(|h| h.as_ref()).map(Tap::take).unwrap_or_default()
}
