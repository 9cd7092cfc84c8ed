//! Periodic checks: whether Kafka is reachable, whether topics are still the same, and which
//! clients can be closed.
//!
//! This module owns the list of the topics that are read. It sends few requests, since each costs
//! an idle node some bytes.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::Shared;

/// How long a probe may take.
const PROBE: Duration = Duration::from_secs(3);
/// How soon Kafka is probed again while it is away; it doubles up to [`SELDOM`].
const OFTEN: Duration = Duration::from_millis(250);
const SELDOM: Duration = Duration::from_secs(5);
/// What one topic adds to the time between two looks, and the bounds of that.
const EACH: Duration = Duration::from_secs(5);
const LOOKS: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(120)];
/// How long what nobody uses stays open: clients that read or ask, and the producer.
const IDLE: Duration = Duration::from_secs(60);
const IDLE_OUT: Duration = Duration::from_secs(300);

#[derive(Debug)]
struct Entry {
    topic: String,
    life: String,
    bell: Arc<Notify>,
}

/// The topics that are read.
#[derive(Debug, Default)]
pub(super) struct Watch {
    entries: Mutex<(u64, HashMap<u64, Entry>)>,
}

/// A reader on the list, until this is dropped.
#[derive(Debug)]
pub(super) struct Watched {
    watch: Weak<Watch>,
    id: u64,
    bell: Arc<Notify>,
}

impl Watch {
    fn entries(&self) -> MutexGuard<'_, (u64, HashMap<u64, Entry>)> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a reader on the list: its topic, and which life of that it reads.
    pub(super) fn add(self: &Arc<Self>, topic: &str, life: &str) -> Watched {
        let bell = Arc::new(Notify::new());
        let entry = Entry { topic: topic.to_owned(), life: life.to_owned(), bell: bell.clone() };
        let mut entries = self.entries();
        entries.0 += 1;
        let id = entries.0;
        entries.1.insert(id, entry);
        Watched { watch: Arc::downgrade(self), id, bell }
    }

    fn topics(&self) -> Vec<String> {
        let names: BTreeSet<String> = self.entries().1.values().map(|e| e.topic.clone()).collect();
        names.into_iter().collect()
    }

    /// Calls the readers of a topic that has another life, or none.
    fn told(&self, topic: &str, life: Option<&str>) {
        for entry in self.entries().1.values().filter(|e| e.topic == topic) {
            if life != Some(&entry.life) {
                entry.bell.notify_one();
            }
        }
    }
}

impl Watched {
    /// Waits until this reader should look.
    pub(super) async fn called(&self) {
        self.bell.notified().await;
    }

    /// This reader reads another life now.
    pub(super) fn lives(&self, life: &str) {
        if let Some(watch) = self.watch.upgrade()
            && let Some(entry) = watch.entries().1.get_mut(&self.id)
        {
            life.clone_into(&mut entry.life);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.upgrade() {
            watch.entries().1.remove(&self.id);
        }
    }
}

/// Looks, until the mailbox closes.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut looked = Instant::now();
    loop {
        let count = u32::try_from(shared.watch.topics().len()).unwrap_or(u32::MAX);
        let due = looked + EACH.saturating_mul(count).clamp(LOOKS[0], LOOKS[1]);
        let doubt = tokio::select! {
            () = shared.closing.cancelled() => return,
            () = shared.pulse.doubt.notified() => true,
            () = sleep_until(due) => false,
        };
        if doubt {
            tokio::select! {
                () = shared.closing.cancelled() => return,
                () = probe(&shared) => {}
            }
        }
        tokio::select! {
            () = shared.closing.cancelled() => return,
            () = look(&shared) => {}
        }
        looked = Instant::now();
        shared.taps.rest(IDLE);
        shared.asker.rest(IDLE);
        shared.writer.rest(IDLE_OUT);
    }
}

/// Asks until Kafka answers; tells meanwhile that it does not.
async fn probe(shared: &Arc<Shared>) {
    let mut pause = OFTEN;
    while let Err(error) = shared.asker.cluster(PROBE).await {
        shared.pulse.ill(error.0);
        sleep(pause).await;
        pause = (pause * 2).min(SELDOM);
    }
    shared.pulse.well();
}

/// Whether topics are what they were.
async fn look(shared: &Arc<Shared>) {
    let topics = shared.watch.topics();
    if topics.is_empty() {
        return;
    }
    let told = shared.asker.describe(&topics).await;
    tracing::debug!(?told, "topics");
    if let Ok(told) = told {
        for (topic, info) in told {
            shared.watch.told(&topic, info.ok().map(|i| i.id).as_deref());
        }
    }
}
