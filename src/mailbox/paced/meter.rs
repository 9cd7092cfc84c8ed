//! The average number of bytes per second over the last minute.
//!
//! This module owns the count. Its timer runs only while there are counts to expire.

use std::sync::{Mutex, PoisonError, Weak};
use std::time::Duration;

use kirc_core::port::Traffic;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

/// How often it is told.
const TICK: Duration = Duration::from_secs(5);
/// So many ticks are a minute.
const TICKS: usize = 12;

#[derive(Debug, Default)]
struct Count {
    now: [f64; 2],
    before: [[f64; 2]; TICKS],
    next: usize,
}

/// Counts what is written and what is read.
#[derive(Debug)]
pub struct Meter {
    count: Mutex<Count>,
    bell: Notify,
    told: watch::Sender<Traffic>,
}

impl Meter {
    /// Nothing was moved yet.
    pub fn new(budget: u64) -> Self {
        let told = watch::channel(Traffic { budget, ..Traffic::default() }).0;
        Self { count: Mutex::default(), bell: Notify::new(), told }
    }

    /// Where it is told, at first how much it may be.
    pub fn listen(&self) -> watch::Receiver<Traffic> {
        let mut told = self.told.subscribe();
        told.mark_changed();
        told
    }

    /// So many bytes were written.
    pub fn written(&self, bytes: f64) {
        self.add(0, bytes);
    }

    /// So many bytes were read.
    pub fn read(&self, bytes: f64) {
        self.add(1, bytes);
    }

    fn add(&self, way: usize, bytes: f64) {
        self.count.lock().unwrap_or_else(PoisonError::into_inner).now[way] += bytes;
        self.bell.notify_one();
    }

    /// Tells what the last minute was; whether anything was moved in it.
    fn tick(&self) -> bool {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let place = count.next;
        count.before[place] = std::mem::take(&mut count.now);
        count.next = (place + 1) % TICKS;
        let seconds = TICK.as_secs_f64() * TICKS as f64;
        let [written, read] =
            [0, 1].map(|way| (count.before.iter().map(|b| b[way]).sum::<f64>() / seconds).ceil() as u64);
        drop(count);
        self.told.send_if_modified(|told| {
            let now = Traffic { written, read, ..*told };
            std::mem::replace(told, now) != now
        });
        written + read > 0
    }
}

/// Tells again and again, until the meter is gone.
pub async fn run(meter: Weak<Meter>) {
    loop {
        sleep(TICK).await;
        let Some(meter) = meter.upgrade() else { return };
        if !meter.tick() {
            // While nothing happens it is looked less often whether the meter is still wanted.
            let _ = timeout(TICK, meter.bell.notified()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_minute_is_told_and_then_forgotten() {
        let meter = Arc::new(Meter::new(1_000));
        tokio::spawn(run(Arc::downgrade(&meter)));
        let mut told = meter.listen();
        let mut next = async || {
            told.changed().await.unwrap();
            *told.borrow_and_update()
        };
        assert_eq!(next().await, Traffic { written: 0, read: 0, budget: 1_000 });
        meter.written(6_000.0);
        assert_eq!(next().await, Traffic { written: 100, read: 0, budget: 1_000 });
        meter.read(3_000.0);
        meter.written(600.0);
        assert_eq!(next().await, Traffic { written: 110, read: 50, budget: 1_000 });
        // A minute after.
        assert_eq!(next().await, Traffic { written: 10, read: 50, budget: 1_000 });
        assert_eq!(next().await, Traffic { written: 0, read: 0, budget: 1_000 });
    }
}
