//! A budget in bytes per second for writing to a mailbox service, and one of the same size for
//! reading. When writing, people's messages go first and housekeeping follows. When reading, new
//! records are delivered at once and history uses the rest of the budget.
//!
//! This module owns the pace of writing, and the record that keeps a service awake that is switched
//! off after a day without traffic. All it knows of a record is the name of its topic. Within each
//! topic it keeps the order of records, in both directions.

mod bucket;
mod meter;
mod reading;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use kirc_core::ids::Offset;
use kirc_core::port::{PortError, ReadFrom, Topic, Traffic};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use self::bucket::{Bucket, Gate};
use self::meter::Meter;
use self::reading::Reading;
use super::{Delivery, Mailbox};
use crate::ports::{Health, Pending, Reply, pending, tell};

/// What a record costs beyond its bytes, and what compression leaves of those (of one record: three
/// quarters).
const EXTRA: f64 = 70.0;
const PACKED: f64 = 0.75;
/// How long nothing may be written before something is.
const SILENCE: Duration = Duration::from_secs(20 * 3600);

struct Wish {
    topic: Topic,
    key: Vec<u8>,
    value: Vec<u8>,
    reply: Reply<Offset>,
}

struct State {
    bucket: Bucket,
    /// People's messages, and the rest.
    waiting: [VecDeque<Wish>; 2],
    written: Instant,
}

/// A mailbox service that is written to and read at a pace.
#[derive(Debug)]
pub struct Paced {
    inner: Arc<dyn Mailbox>,
    rate: f64,
    /// Topics whose records can wait for those of the others.
    patient: Vec<String>,
    state: Mutex<State>,
    bell: Arc<Notify>,
    health: watch::Sender<Health>,
    /// What is read goes through here.
    gate: Arc<Gate>,
    meter: Arc<Meter>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "State({} wait)", self.waiting.iter().map(VecDeque::len).sum::<usize>())
    }
}

impl Paced {
    /// Paces what is written to `inner`, and what is read there, to `budget` bytes a second each.
    /// What goes to topics that begin with one of `patient` waits for what does not. `awake` is
    /// written to after most of a day without a word.
    pub fn new(inner: Arc<dyn Mailbox>, budget: u64, patient: &[&str], awake: Option<Topic>) -> Arc<Self> {
        let now = Instant::now();
        let first = inner.health().borrow().clone();
        let rate = budget as f64;
        let state = State { bucket: Bucket::new(rate), waiting: Default::default(), written: now };
        let paced = Arc::new(Self {
            inner,
            rate,
            patient: patient.iter().map(|p| (*p).to_owned()).collect(),
            state: Mutex::new(state),
            bell: Arc::default(),
            health: watch::channel(first).0,
            gate: Arc::new(Gate::new(rate)),
            meter: Arc::new(Meter::new(budget)),
        });
        tokio::spawn(drain(Arc::downgrade(&paced), paced.bell.clone()));
        if let Some(awake) = awake {
            tokio::spawn(keep_awake(Arc::downgrade(&paced), awake));
        }
        tokio::spawn(meter::run(Arc::downgrade(&paced.meter)));
        tokio::spawn(follow(Arc::downgrade(&paced)));
        paced
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what the budget allows; gives how long to wait until it allows the next.
    fn advance(&self) -> Option<Duration> {
        let mut state = self.state();
        loop {
            let queue = if state.waiting[0].is_empty() { 1 } else { 0 };
            let Some(next) = state.waiting[queue].front() else {
                drop(state);
                self.say(self.inner.health().borrow().clone());
                return None;
            };
            let cost = cost(&next.key, &next.value);
            if let Err(wait) = state.bucket.take(cost) {
                return Some(wait);
            }
            self.meter.written(cost);
            state.written = Instant::now();
            if let Some(Wish { topic, key, value, reply }) = state.waiting[queue].pop_front() {
                // Asked for under the lock: the order of calls is the order of work.
                let done = self.inner.append(&topic, key, value);
                tokio::spawn(async move {
                    let _ = reply.send(done.await);
                });
            }
        }
    }

    /// Tells of the service's health, and that something waits for the budget.
    fn say(&self, mut health: Health) {
        let waits: usize = self.state().waiting.iter().map(VecDeque::len).sum();
        if health.up && health.reason.is_empty() && waits > 0 {
            let kib = self.rate / 1024.0;
            health.reason = format!("what is sent waits for the budget of {kib:.0} KiB/s (KIRC_BUDGET)");
        }
        tell(&self.health, health);
    }
}

fn cost(key: &[u8], value: &[u8]) -> f64 {
    (key.len() + value.len()) as f64 * PACKED + EXTRA
}

/// Writes what waits, as the budget grows. It ends with the mailbox.
async fn drain(paced: Weak<Paced>, bell: Arc<Notify>) {
    loop {
        let Some(this) = paced.upgrade() else { return };
        match this.advance() {
            Some(wait) => {
                this.say(this.inner.health().borrow().clone());
                drop(this);
                sleep(wait).await;
            }
            None => {
                drop(this);
                bell.notified().await;
            }
        }
    }
}

/// Writes something small before a day without a word ends: the cloud would switch the service off.
async fn keep_awake(paced: Weak<Paced>, topic: Topic) {
    loop {
        let Some(this) = paced.upgrade() else { return };
        let due = this.state().written + SILENCE;
        if Instant::now() >= due {
            this.state().written = Instant::now();
            if let Err(error) = this.append(&topic, b"keep-alive".to_vec(), b"{}".to_vec()).await {
                tracing::debug!(%error, "the service could not be kept awake");
            }
            continue;
        }
        drop(this);
        sleep_until(due).await;
    }
}

/// Hands on how the service is.
async fn follow(paced: Weak<Paced>) {
    let Some(mut health) = paced.upgrade().map(|p| p.inner.health()) else { return };
    while health.changed().await.is_ok() {
        let Some(this) = paced.upgrade() else { return };
        let now = health.borrow_and_update().clone();
        this.say(now);
    }
}

impl Drop for Paced {
    /// Who waits for something to write finds nobody.
    fn drop(&mut self) {
        self.bell.notify_one();
    }
}

impl Mailbox for Paced {
    fn cluster(&self) -> &str {
        self.inner.cluster()
    }

    fn create_topics(&self, names: &[String], partitions: u32) -> Pending<()> {
        self.inner.create_topics(names, partitions)
    }

    fn append(&self, topic: &Topic, key: Vec<u8>, value: Vec<u8>) -> Pending<Offset> {
        let patient = usize::from(self.patient.iter().any(|p| topic.name.starts_with(p.as_str())));
        let mut state = self.state();
        let cost = cost(&key, &value);
        if state.waiting.iter().all(VecDeque::is_empty) && state.bucket.take(cost).is_ok() {
            self.meter.written(cost);
            state.written = Instant::now();
            return self.inner.append(topic, key, value);
        }
        let (reply, wait) = pending("the mailbox was closed");
        state.waiting[patient].push_back(Wish { topic: topic.clone(), key, value, reply });
        drop(state);
        self.bell.notify_one();
        wait
    }

    fn end(&self, topic: &Topic) -> Pending<Offset> {
        self.inner.end(topic)
    }

    fn read(&self, topic: &Topic, from: ReadFrom) -> Pending<mpsc::Receiver<Delivery>> {
        let reading = self.inner.read(topic, from);
        let (to, deliveries) = mpsc::channel(reading::DELIVERIES);
        let paced = Reading { gate: self.gate.clone(), meter: self.meter.clone(), to };
        Box::pin(async move {
            tokio::spawn(paced.run(reading.await?));
            Ok::<_, PortError>(deliveries)
        })
    }

    fn trim(&self, topic: &Topic, keep_from: Offset) -> Pending<()> {
        self.inner.trim(topic, keep_from)
    }

    fn traffic(&self) -> Option<watch::Receiver<Traffic>> {
        Some(self.meter.listen())
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    fn close(&self) -> Pending<()> {
        // What waits for the budget is kept by its author, who sends it again.
        self.state().waiting.iter_mut().for_each(VecDeque::clear);
        self.inner.close()
    }
}
