//! A store with a size limit: the oldest content is deleted when there is too much.
//!
//! This module decides when and how much. It checks at the start and whenever enough was written to
//! matter, and trims in small steps with pauses, so that people's messages are written in between.
//! The store's contract says what may be deleted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use kirc_core::port::{Answer, PortError, Query, Room, Snapshot, StoreOp};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::{Size, Store};
use crate::ports::{Health, Pending};

/// What a step frees, about.
const BYTES: u64 = 256 * 1024;
/// Without a limit it is looked each time when so much came in.
const LOOK: u64 = 16 << 20;
/// A pause between two steps is so many times as long as the step took, and this at the least.
const PAUSES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(10);
/// When to look again at a store that could not be asked.
const AGAIN: Duration = Duration::from_secs(60);
/// What a row costs besides what is kept in it, about.
const ROW: usize = 500;

/// A store that does not grow beyond a limit, if there is one.
#[derive(Debug)]
pub struct Trimmed {
    inner: Arc<dyn Store>,
    limit: Option<u64>,
    /// What came in since the last look.
    grown: AtomicU64,
    bell: Arc<Notify>,
    room: watch::Sender<Room>,
}

impl Trimmed {
    /// Keeps `inner` to so many bytes. Called within a runtime.
    pub fn new(inner: Arc<dyn Store>, limit: Option<u64>) -> Arc<Self> {
        let room = watch::channel(Room { limit, ..Room::default() }).0;
        let bell = Arc::new(Notify::new());
        let trimmed = Arc::new(Self { inner, limit, grown: AtomicU64::new(0), bell: bell.clone(), room });
        tokio::spawn(keep(Arc::downgrade(&trimmed), bell));
        trimmed
    }

    /// After so many bytes more it is looked again.
    fn much(&self) -> u64 {
        self.limit.map_or(LOOK, |limit| (limit / 20).clamp(1, LOOK))
    }

    fn count(&self, ops: &[StoreOp]) {
        let bytes: usize = ops
            .iter()
            .map(|op| match op {
                StoreOp::Message(row) => row.sealed.len() + ROW,
                StoreOp::Log(row) => row.value.len() + ROW,
                _ => 0,
            })
            .sum();
        let before = self.grown.fetch_add(bytes as u64, Ordering::Relaxed);
        if before + bytes as u64 >= self.much() {
            self.bell.notify_one();
        }
    }

    async fn look(&self) -> Result<Size, PortError> {
        self.grown.store(0, Ordering::Relaxed);
        let size = self.inner.size().await?;
        let room = Room { used: size.used, disk: size.disk, limit: self.limit };
        self.room.send_if_modified(|old| std::mem::replace(old, room) != room);
        Ok(size)
    }

    /// Looks, and trims what is too much.
    async fn round(&self) -> Result<(), PortError> {
        let mut used = self.look().await?.used;
        let Some(limit) = self.limit else { return Ok(()) };
        while used > limit {
            // A little more, so that it is not a matter of every message.
            let mut excess = used - (limit - limit / 20);
            let mut more = true;
            while excess > 0 && more {
                let begin = Instant::now();
                let gone = self.inner.trim(excess.min(BYTES)).await?;
                more = gone > 0;
                excess = excess.saturating_sub(gone);
                sleep((begin.elapsed() * PAUSES).max(PAUSE)).await;
            }
            let now = self.look().await?.used;
            if now >= used {
                tracing::warn!(
                    bytes = now,
                    limit,
                    "the store is larger than its limit, and nothing in it may go"
                );
                return Ok(());
            }
            tracing::info!(bytes = now, limit, "the oldest history was trimmed");
            used = now;
        }
        Ok(())
    }
}

/// Looks when there is a reason to. It ends with the store.
async fn keep(trimmed: Weak<Trimmed>, bell: Arc<Notify>) {
    loop {
        let Some(this) = trimmed.upgrade() else { return };
        let done = this.round().await;
        drop(this);
        match done {
            Ok(()) => bell.notified().await,
            Err(error) => {
                tracing::debug!(%error, "the store's size could not be seen to");
                let _ = timeout(AGAIN, bell.notified()).await;
            }
        }
    }
}

impl Drop for Trimmed {
    /// Who looks after it finds it gone.
    fn drop(&mut self) {
        self.bell.notify_one();
    }
}

impl Store for Trimmed {
    fn load(&self) -> Pending<Snapshot> {
        self.inner.load()
    }

    fn commit(&self, ops: Arc<Vec<StoreOp>>) -> Pending<()> {
        self.count(&ops);
        self.inner.commit(ops)
    }

    fn query(&self, query: Query) -> Pending<Answer> {
        self.inner.query(query)
    }

    fn size(&self) -> Pending<Size> {
        self.inner.size()
    }

    fn trim(&self, bytes: u64) -> Pending<u64> {
        self.inner.trim(bytes)
    }

    fn room(&self) -> Option<watch::Receiver<Room>> {
        let mut room = self.room.subscribe();
        if room.borrow().used > 0 {
            // It was looked at before.
            room.mark_changed();
        }
        Some(room)
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.inner.health()
    }

    fn close(&self) -> Pending<()> {
        self.inner.close()
    }
}

#[cfg(test)]
mod tests {
    use kirc_core::port::{LogRow, MessageRow};

    use super::*;
    use crate::store::{EmbeddedStore, KEPT};

    const LIMIT: u64 = 2_000_000;

    fn message(place: u64) -> StoreOp {
        StoreOp::Message(MessageRow {
            target: "#a".to_owned(),
            id: format!("{place:06}"),
            author: "ann".to_owned(),
            seq: place,
            ts: place,
            state: "sent".to_owned(),
            sealed: vec![7; 900],
        })
    }

    fn record(place: u64) -> StoreOp {
        let channel = "c".to_owned();
        StoreOp::Log(LogRow { channel, index: place, seq: place, time: place, value: vec![7; 900] })
    }

    async fn fits(store: &Trimmed) -> Room {
        let mut room = store.room().unwrap();
        let fits = |r: &Room| (1..=LIMIT).contains(&r.used) && r.disk > LIMIT;
        let room = timeout(Duration::from_secs(30), room.wait_for(fits)).await;
        *room.expect("it was not trimmed").unwrap()
    }

    #[tokio::test]
    async fn a_store_stays_within_its_limit_while_it_is_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let store = Trimmed::new(Arc::new(EmbeddedStore::open(dir.path()).unwrap()), Some(LIMIT));
        let mut slowest = Duration::ZERO;
        for round in 0..100 {
            let ops =
                (0..50).flat_map(|i| [message(round * 50 + i), record(round * 50 + i)]).collect::<Vec<_>>();
            let begin = Instant::now();
            store.commit(ops.into()).await.unwrap();
            slowest = slowest.max(begin.elapsed());
        }
        let room = fits(&store).await;
        assert_eq!(room.limit, Some(LIMIT));
        assert!(room.used > LIMIT / 2, "{room:?}: more went than had to");
        assert!(slowest < Duration::from_secs(5), "a commit took {slowest:?}");
        // The newest is there, and the oldest is not.
        let query = Query::History {
            target: "#a".to_owned(),
            window: kirc_core::port::Window::before(None),
            limit: 10_000,
        };
        let Answer::History { rows, trimmed, .. } = store.query(query).await.unwrap() else {
            panic!("no history")
        };
        assert!(trimmed, "it does not begin there");
        assert_eq!(rows.last().unwrap().seq, 4_999);
        assert!(rows[0].seq > 1_000, "from {}", rows[0].seq);
        let query = Query::Log { channel: "c".to_owned(), from: 0, to: u64::MAX, limit: u64::MAX };
        let Answer::Log { rows } = store.query(query).await.unwrap() else { panic!("no log") };
        assert!(rows.len() as u64 > KEPT && rows[0].index > 1_000);
        store.close().await.unwrap();
    }

    #[tokio::test]
    async fn what_grew_before_there_was_a_limit_is_trimmed_at_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let store = Trimmed::new(Arc::new(EmbeddedStore::open(dir.path()).unwrap()), None);
        store.commit((0..4_000).map(message).collect::<Vec<_>>().into()).await.unwrap();
        let before = store.size().await.unwrap();
        assert!(before.used > LIMIT, "without a limit everything stays: {before:?}");
        store.close().await.unwrap();
        drop(store);
        let store = Trimmed::new(Arc::new(EmbeddedStore::open(dir.path()).unwrap()), Some(LIMIT));
        let room = fits(&store).await;
        // What became free is used again.
        store.commit((4_000..4_500).map(message).collect::<Vec<_>>().into()).await.unwrap();
        assert!(store.size().await.unwrap().disk <= room.disk + 64 * 1024);
        store.close().await.unwrap();
    }
}
