//! A budget of bytes a second for what is written to a mailbox service: people's messages first, housekeeping behind them.
//!
//! It owns the pace, and the record that keeps a service awake that is switched off after a day without traffic. It knows
//! nothing of what is written but the name of its topic. Order: of what goes to one topic, the first stays the first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use kirc_core::ids::Offset;
use kirc_core::port::{From, Topic};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Delivery, Mailbox};
use crate::ports::{Health, Pending, Reply, pending, tell};

/// So much of a second's budget may be used at once: a message is not held up by the one before it.
const BURST: f64 = 2.0;
/// What a record costs beyond its bytes, and what compression leaves of those (of one record: three quarters).
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
    /// Bytes that may be written now.
    tokens: f64,
    counted: Instant,
    /// People's messages, and the rest.
    waiting: [VecDeque<Wish>; 2],
    written: Instant,
}

/// A mailbox service that is written to at a pace.
#[derive(Debug)]
pub struct Paced {
    inner: Arc<dyn Mailbox>,
    rate: f64,
    /// Topics whose records can wait for those of the others.
    patient: Vec<String>,
    state: Mutex<State>,
    bell: Notify,
    health: watch::Sender<Health>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "State({} wait)", self.waiting.iter().map(VecDeque::len).sum::<usize>())
    }
}

impl Paced {
    /// Paces what is written to `inner` to `rate` bytes a second. What goes to topics that begin with one of `patient`
    /// waits for what does not. `awake` is written to after most of a day without a word.
    pub fn new(inner: Arc<dyn Mailbox>, rate: u64, patient: &[&str], awake: Topic) -> Arc<Self> {
        let now = Instant::now();
        let first = inner.health().borrow().clone();
        let rate = rate as f64;
        let state = State { tokens: rate * BURST, counted: now, waiting: Default::default(), written: now };
        let paced = Arc::new(Self {
            inner,
            rate,
            patient: patient.iter().map(|p| (*p).to_owned()).collect(),
            state: Mutex::new(state),
            bell: Notify::new(),
            health: watch::channel(first).0,
        });
        tokio::spawn(drain(Arc::downgrade(&paced)));
        tokio::spawn(keep_awake(Arc::downgrade(&paced), awake));
        tokio::spawn(follow(Arc::downgrade(&paced)));
        paced
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refill(&self, state: &mut State) {
        let now = Instant::now();
        let more = now.duration_since(state.counted).as_secs_f64() * self.rate;
        state.tokens = (state.tokens + more).min(self.rate * BURST);
        state.counted = now;
    }

    /// Writes what the budget allows; gives how long to wait until it allows the next.
    fn advance(&self) -> Option<Duration> {
        let mut state = self.state();
        self.refill(&mut state);
        loop {
            let queue = if state.waiting[0].is_empty() { 1 } else { 0 };
            let Some(next) = state.waiting[queue].front() else {
                drop(state);
                self.say(self.inner.health().borrow().clone());
                return None;
            };
            // Whatever is larger than a burst goes when the bucket is full.
            let cost = cost(&next.key, &next.value).min(self.rate * BURST);
            if state.tokens < cost {
                return Some(Duration::from_secs_f64((cost - state.tokens) / self.rate));
            }
            state.tokens -= cost;
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
async fn drain(paced: Weak<Paced>) {
    loop {
        let Some(this) = paced.upgrade() else { return };
        match this.advance() {
            Some(wait) => {
                this.say(this.inner.health().borrow().clone());
                drop(this);
                sleep(wait).await;
            }
            None => this.bell.notified().await,
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
        self.refill(&mut state);
        let cost = cost(&key, &value);
        if state.waiting.iter().all(VecDeque::is_empty) && state.tokens >= cost {
            state.tokens -= cost;
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

    fn read(&self, topic: &Topic, from: From) -> Pending<mpsc::Receiver<Delivery>> {
        self.inner.read(topic, from)
    }

    fn trim(&self, topic: &Topic, keep_from: Offset) -> Pending<()> {
        self.inner.trim(topic, keep_from)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::{Grid, Settings};

    /// A paced mailbox on an embedded grid with topics `data-in` and `rpc-in`.
    async fn paced(rate: u64) -> (tempfile::TempDir, Arc<Paced>, impl Fn(&str) -> Topic) {
        let dir = tempfile::tempdir().unwrap();
        let grid = Grid::open(dir.path(), Settings::default()).unwrap();
        let mailbox: Arc<dyn Mailbox> = Arc::new(grid.mailbox().unwrap());
        mailbox.create_topics(&["data-in".to_owned(), "rpc-in".to_owned()], 1).await.unwrap();
        let cluster = grid.id().to_owned();
        let topic = move |name: &str| Topic { cluster: cluster.clone(), name: name.to_owned(), partition: 0 };
        (dir, Paced::new(mailbox, rate, &["rpc-"], topic("data-in")), topic)
    }

    #[tokio::test]
    async fn what_exceeds_the_budget_waits_and_people_come_first() {
        let (_dir, mailbox, topic) = paced(20_000).await;
        let begin = Instant::now();
        let record = |n: u8| vec![n; 4_000];
        // The burst is used up; then housekeeping is asked for before a message.
        let burst: Vec<_> = (0..13).map(|n| mailbox.append(&topic("rpc-in"), vec![], record(n))).collect();
        let later = mailbox.append(&topic("rpc-in"), vec![], record(13));
        let message = mailbox.append(&topic("data-in"), vec![], record(99));
        let mut health = mailbox.health();
        health.wait_for(|h| h.up && h.reason.contains("KIRC_BUDGET")).await.unwrap();
        let message = async { message.await.map(|_| Instant::now()) };
        let later = async { later.await.map(|_| Instant::now()) };
        let (message, later) = tokio::join!(message, later);
        assert!(message.unwrap() < later.unwrap(), "housekeeping went before a message");
        for (place, done) in burst.into_iter().enumerate() {
            assert_eq!(done.await.unwrap(), place as u64);
        }
        // 15 records of 3,070 bytes on the wire, of which the burst of 40,000 covers 13.
        assert!(begin.elapsed() > Duration::from_millis(200), "{:?}", begin.elapsed());
        health.wait_for(|h| h.reason.is_empty()).await.unwrap();
    }
}
