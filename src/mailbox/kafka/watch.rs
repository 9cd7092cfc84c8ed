//! Periodic checks: whether Kafka is reachable, whether topics are still the same, whether readers
//! that have something to read get on, and which clients can be closed.
//!
//! This module owns the list of the topics that are read. It sends few requests, since each costs
//! an idle node some bytes.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use kirc_core::ids::Offset;
use kirc_core::port::Topic;
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
/// How soon is looked again while a reader lags, and for a while after Kafka was away.
const SOON: Duration = Duration::from_secs(5);
const AFTER_DOUBT: Duration = Duration::from_secs(60);
/// Else only every so many looks compare readers with the ends of their partitions.
const ENDS_EVERY: u32 = 16;
/// How long a reader may stay where it is although there is more; it doubles, up to so many times,
/// as long as that does not help.
const STALLED: Duration = Duration::from_secs(10);
const DOUBLED: u32 = 6;
/// How long what nobody uses stays open: clients that read or ask, and the producer.
const IDLE: Duration = Duration::from_secs(60);
const IDLE_OUT: Duration = Duration::from_secs(300);

/// What a reader and the watch know of each other.
#[derive(Debug, Default)]
struct Shown {
    /// Rung when the partition may not be what it was.
    doubt: Notify,
    /// Rung when the reader's client has stopped to fetch.
    stalled: Notify,
    /// The next offset that the reader waits for.
    next: AtomicU64,
    /// It waits for those who take its records, not for Kafka.
    handing: AtomicBool,
}

/// A reader that stays where it is, and its partition goes on.
#[derive(Debug)]
struct Lag {
    next: Offset,
    since: Instant,
    /// How often it was told that it is stalled.
    told: u32,
}

#[derive(Debug)]
struct Entry {
    topic: Topic,
    life: String,
    shown: Arc<Shown>,
    lag: Option<Lag>,
}

impl Entry {
    /// Its partition ends here: is it stalled?
    fn compare(&mut self, end: Offset, now: Instant) {
        let next = self.shown.next.load(Ordering::Relaxed);
        if end <= next || self.shown.handing.load(Ordering::Relaxed) {
            self.lag = None;
            return;
        }
        match &mut self.lag {
            Some(lag) if lag.next == next => {
                if now >= lag.since + STALLED * 2u32.pow(lag.told.min(DOUBLED)) {
                    (lag.since, lag.told) = (now, lag.told + 1);
                    self.shown.stalled.notify_one();
                }
            }
            _ => self.lag = Some(Lag { next, since: now, told: 0 }),
        }
    }
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
    shown: Arc<Shown>,
}

impl Watch {
    fn entries(&self) -> MutexGuard<'_, (u64, HashMap<u64, Entry>)> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a reader on the list: its partition, which life of that it reads, and from where.
    pub(super) fn add(self: &Arc<Self>, topic: &Topic, life: &str, next: Offset) -> Watched {
        let shown = Arc::new(Shown { next: next.into(), ..Shown::default() });
        let entry = Entry { topic: topic.clone(), life: life.to_owned(), shown: shown.clone(), lag: None };
        let mut entries = self.entries();
        entries.0 += 1;
        let id = entries.0;
        entries.1.insert(id, entry);
        Watched { watch: Arc::downgrade(self), id, shown }
    }

    fn topics(&self) -> Vec<String> {
        let names: BTreeSet<String> = self.entries().1.values().map(|e| e.topic.name.clone()).collect();
        names.into_iter().collect()
    }

    fn places(&self) -> Vec<(String, u32)> {
        let places: BTreeSet<_> =
            self.entries().1.values().map(|e| (e.topic.name.clone(), e.topic.partition)).collect();
        places.into_iter().collect()
    }

    /// A partition ends here: compares all that read it.
    fn ends(&self, (topic, partition): &(String, u32), end: Offset, now: Instant) {
        let reads = |e: &&mut Entry| e.topic.name == *topic && e.topic.partition == *partition;
        self.entries().1.values_mut().filter(reads).for_each(|e| e.compare(end, now));
    }

    /// Tells all readers that they are stalled.
    #[cfg(test)]
    pub(super) fn stall(&self) {
        self.entries().1.values().for_each(|e| e.shown.stalled.notify_one());
    }

    /// Whether one lags.
    fn lags(&self) -> bool {
        self.entries().1.values().any(|e| e.lag.is_some())
    }

    /// Calls the readers of a topic that has another life, or none.
    fn told(&self, topic: &str, life: Option<&str>) {
        for entry in self.entries().1.values().filter(|e| e.topic.name == topic) {
            if life != Some(&entry.life) {
                entry.shown.doubt.notify_one();
            }
        }
    }
}

impl Watched {
    /// Waits until this reader should look.
    pub(super) async fn called(&self) {
        self.shown.doubt.notified().await;
    }

    /// Waits until this reader should go on with another client.
    pub(super) async fn stalled(&self) {
        self.shown.stalled.notified().await;
    }

    /// How far this reader has come, and whether it waits for those who take its records.
    pub(super) fn stands(&self, next: Offset, handing: bool) {
        self.shown.next.store(next, Ordering::Relaxed);
        self.shown.handing.store(handing, Ordering::Relaxed);
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
    let mut doubted: Option<Instant> = None;
    let mut looks = 0u32;
    loop {
        let count = u32::try_from(shared.watch.topics().len()).unwrap_or(u32::MAX);
        let hurried = shared.watch.lags() || doubted.is_some_and(|at| at.elapsed() < AFTER_DOUBT);
        let apart = if hurried { SOON } else { EACH.saturating_mul(count).clamp(LOOKS[0], LOOKS[1]) };
        let due = looked + apart;
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
            doubted = Some(Instant::now());
        }
        looks = looks.wrapping_add(1);
        let ends = doubt || hurried || looks.is_multiple_of(ENDS_EVERY);
        tokio::select! {
            () = shared.closing.cancelled() => return,
            () = look(&shared, ends) => {}
        }
        looked = Instant::now();
        shared.taps.rest(IDLE);
        shared.admin_client.rest(IDLE);
        shared.writer.rest(IDLE_OUT);
    }
}

/// Asks until Kafka answers; tells meanwhile that it does not.
async fn probe(shared: &Arc<Shared>) {
    let mut pause = OFTEN;
    while let Err(error) = shared.admin_client.cluster(PROBE).await {
        shared.pulse.ill(error.0);
        sleep(pause).await;
        pause = (pause * 2).min(SELDOM);
    }
    shared.pulse.well();
}

/// Whether topics are what they were, and readers get on.
async fn look(shared: &Arc<Shared>, ends: bool) {
    let topics = shared.watch.topics();
    if topics.is_empty() {
        return;
    }
    let told = shared.admin_client.describe(&topics).await;
    tracing::debug!(?told, "topics");
    if let Ok(told) = told {
        for (topic, info) in told {
            shared.watch.told(&topic, info.ok().map(|i| i.id).as_deref());
        }
    }
    if ends {
        for (place, end) in shared.admin_client.ends(&shared.watch.places()).await {
            shared.watch.ends(&place, end, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_is_stalled_that_stays_where_it_is_while_its_partition_goes_on() {
        let watch = Arc::new(Watch::default());
        let topic = Topic { cluster: "c".into(), name: "log".into(), partition: 1 };
        let reader = watch.add(&topic, "life", 5);
        let place = ("log".to_owned(), 1);
        let rung = || tokio::time::timeout(Duration::ZERO, reader.stalled());
        let begin = Instant::now();
        let after = |seconds: u64| begin + Duration::from_secs(seconds);
        watch.ends(&("log".to_owned(), 0), 9, after(0));
        watch.ends(&place, 5, after(0));
        assert!(!watch.lags(), "another partition, and its end");
        watch.ends(&place, 6, after(1));
        watch.ends(&place, 7, after(10));
        assert!(watch.lags() && rung().await.is_err(), "not for long enough");
        watch.ends(&place, 7, after(11));
        assert!(rung().await.is_ok(), "10 s at one place");
        watch.ends(&place, 7, after(30));
        assert!(rung().await.is_err(), "the second time after 20 s");
        watch.ends(&place, 7, after(31));
        assert!(rung().await.is_ok());
        reader.stands(6, false);
        watch.ends(&place, 7, after(80));
        assert!(rung().await.is_err(), "it has come on");
        reader.stands(6, true);
        watch.ends(&place, 7, after(200));
        assert!(rung().await.is_err() && !watch.lags(), "who takes its records holds it up");
    }
}
