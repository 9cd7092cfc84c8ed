//! A token bucket, and a gate that lets those who are in no hurry wait for those who are.
//!
//! It owns the reckoning of bytes and time. It knows nothing of topics and records.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Turn, Notify};
use tokio::time::{Instant, sleep, timeout};

/// So much of a second's budget may be used at once: a message is not held up by the one before it.
pub const BURST: f64 = 2.0;
/// How long who can wait does so while others are in a hurry.
const WAIT: Duration = Duration::from_secs(1);

/// Bytes that may be moved now, growing at a rate up to a burst.
#[derive(Debug)]
pub struct Bucket {
    rate: f64,
    tokens: f64,
    counted: Instant,
}

impl Bucket {
    /// A full one.
    pub fn new(rate: f64) -> Self {
        Self { rate, tokens: rate * BURST, counted: Instant::now() }
    }

    /// Takes what something costs, or says how long until that is there. Whatever is larger than a burst goes when the
    /// bucket is full.
    pub fn take(&mut self, cost: f64) -> Result<(), Duration> {
        let now = Instant::now();
        let full = self.rate * BURST;
        let more = now.duration_since(self.counted).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + more).min(full);
        self.counted = now;
        let cost = cost.min(full);
        if self.tokens < cost {
            // A little more: a clock of milliseconds must not wake us for nothing.
            let wait = (cost - self.tokens) / self.rate;
            return Err(Duration::from_secs_f64(wait) + Duration::from_millis(1));
        }
        self.tokens -= cost;
        Ok(())
    }
}

/// Several that share a bucket: in turns, those in a hurry first.
#[derive(Debug)]
pub struct Gate {
    bucket: Mutex<Bucket>,
    /// One of those in a hurry, and one of the others, is at the bucket.
    turns: [Turn<()>; 2],
    hurried: AtomicUsize,
    /// Nobody is in a hurry any more.
    calm: Notify,
}

/// Somebody in a hurry, for as long as it lives.
struct Hurry<'g>(&'g Gate);

impl<'g> Hurry<'g> {
    fn new(gate: &'g Gate) -> Self {
        gate.hurried.fetch_add(1, Ordering::Relaxed);
        Self(gate)
    }
}

impl Drop for Hurry<'_> {
    fn drop(&mut self) {
        if self.0.hurried.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.calm.notify_waiters();
        }
    }
}

impl Gate {
    /// A gate with a full bucket.
    pub fn new(rate: f64) -> Self {
        Self {
            bucket: Mutex::new(Bucket::new(rate)),
            turns: Default::default(),
            hurried: AtomicUsize::new(0),
            calm: Notify::new(),
        }
    }

    fn take(&self, cost: f64) -> Result<(), Duration> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(cost)
    }

    /// Goes through if nobody has to be waited for and nothing.
    pub fn try_pass(&self, cost: f64, patient: bool) -> bool {
        let free = |turn: usize| self.turns[turn].try_lock().is_ok();
        free(0) && (!patient || free(1)) && self.take(cost).is_ok()
    }

    /// Goes through when the bucket has what it costs and nobody comes first.
    pub async fn pass(&self, cost: f64, patient: bool) {
        if !patient {
            return self.hurry(cost).await;
        }
        let _turn = self.turns[1].lock().await;
        let waited = timeout(WAIT, async {
            loop {
                let calm = self.calm.notified();
                if self.hurried.load(Ordering::Relaxed) > 0 {
                    calm.await;
                    continue;
                }
                match self.take(cost) {
                    Ok(()) => return,
                    Err(wait) => sleep(wait).await,
                }
            }
        });
        if waited.await.is_err() {
            // It has waited long enough: who reads a log must get on however much is said elsewhere.
            self.hurry(cost).await;
        }
    }

    async fn hurry(&self, cost: f64) {
        let _hurry = Hurry::new(self);
        let _turn = self.turns[0].lock().await;
        while let Err(wait) = self.take(cost) {
            sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_goes_through_keeps_to_the_rate() {
        let gate = Gate::new(1_000.0);
        let begin = Instant::now();
        // The burst is free.
        for _ in 0..20 {
            assert!(gate.try_pass(100.0, false));
        }
        assert!(!gate.try_pass(100.0, false));
        for _ in 0..100 {
            gate.pass(100.0, false).await;
        }
        let took = begin.elapsed().as_secs_f64();
        assert!((9.9..11.0).contains(&took), "10,000 bytes at 1,000 a second took {took} s");
        // After a pause there is a burst again, and no more than that.
        sleep(Duration::from_secs(60)).await;
        assert_eq!((0..30).filter(|_| gate.try_pass(100.0, false)).count(), 20);
        // More than a burst goes when the bucket is full.
        let begin = Instant::now();
        gate.pass(1e9, false).await;
        assert!(begin.elapsed() > Duration::from_millis(1_900));
        assert!(begin.elapsed() < Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_in_a_hurry_goes_first_and_the_others_are_not_forgotten() {
        let gate = Arc::new(Gate::new(1_000.0));
        assert!(gate.try_pass(2_000.0, false));
        let begin = Instant::now();
        let many = |patient: bool, count: usize| {
            let gate = gate.clone();
            tokio::spawn(async move {
                for _ in 0..count {
                    gate.pass(100.0, patient).await;
                }
                begin.elapsed().as_secs_f64()
            })
        };
        let patient = many(true, 100);
        tokio::task::yield_now().await;
        let hurried = [many(false, 50), many(false, 50)];
        for one in hurried {
            let took = one.await.unwrap();
            // Alone they would take 10 s; of who waits one in a second comes between.
            assert!((9.0..12.5).contains(&took), "{took}");
        }
        let took = patient.await.unwrap();
        assert!((19.0..22.0).contains(&took), "{took}");
    }
}
