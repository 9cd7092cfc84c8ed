//! A token bucket, and a gate that delays history in favour of new messages.
//!
//! This module counts bytes and time. It is independent of topics and records.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as Turn;
use tokio::time::{Instant, sleep};

/// So much of a second's budget may be used at once: a message is not held up by the one before it.
pub const BURST: f64 = 2.0;
/// How long history waits for what is said now, and how much of a second's budget it has then.
const PATIENCE: Duration = Duration::from_secs(4);
const SHARE: f64 = 1.0;

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

    /// Takes what something costs, or says how long until that is there. Whatever is larger than a
    /// burst goes when the bucket is full.
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

    /// Takes what something costs though it may not be there: what comes later pays, for a burst at
    /// the most.
    pub fn charge(&mut self, cost: f64) {
        if self.take(cost).is_err() {
            self.tokens = (self.tokens - cost).max(-self.rate * BURST);
        }
    }
}

/// What is read, at the pace of a bucket: what comes now goes through at once and is charged,
/// history waits for what is left.
///
/// Nothing that is said now waits here. It was fetched already, so nothing would be saved; and a
/// leader that reads late what its members send again and again would never be done with it.
#[derive(Debug)]
pub struct Gate {
    bucket: Mutex<Bucket>,
    /// One record of history is at the bucket.
    turn: Turn<Grant>,
}

/// What history may take though the bucket is empty: it has waited for long.
#[derive(Debug, Default)]
struct Grant(f64);

impl Gate {
    /// A gate with a full bucket.
    pub fn new(rate: f64) -> Self {
        Self { bucket: Mutex::new(Bucket::new(rate)), turn: Turn::default() }
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something that comes now goes through.
    pub fn charge(&self, cost: f64) {
        self.bucket().charge(cost);
    }

    /// History goes through if it has not to wait.
    pub fn try_pass(&self, cost: f64) -> bool {
        self.turn.try_lock().is_ok() && self.bucket().take(cost).is_ok()
    }

    /// History goes through when the bucket has what it costs, or when it has waited long enough:
    /// who reads a log must get on however much is said elsewhere.
    pub async fn pass(&self, cost: f64) {
        let mut grant = self.turn.lock().await;
        if grant.0 < cost {
            let begin = Instant::now();
            while let Err(wait) = { self.bucket().take(cost) } {
                let left = PATIENCE.saturating_sub(begin.elapsed());
                if left.is_zero() {
                    grant.0 += self.bucket().rate * SHARE + cost;
                    break;
                }
                sleep(wait.min(left)).await;
            }
        }
        if grant.0 >= cost {
            grant.0 -= cost;
            self.charge(cost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_goes_through_keeps_to_the_rate() {
        let gate = Gate::new(1_000.0);
        let begin = Instant::now();
        // The burst is free.
        for _ in 0..20 {
            assert!(gate.try_pass(100.0));
        }
        assert!(!gate.try_pass(100.0));
        for _ in 0..100 {
            gate.pass(100.0).await;
        }
        let took = begin.elapsed().as_secs_f64();
        assert!((9.9..11.0).contains(&took), "10,000 bytes at 1,000 a second took {took} s");
        // After a pause there is a burst again, and no more than that.
        sleep(Duration::from_secs(60)).await;
        assert_eq!((0..30).filter(|_| gate.try_pass(100.0)).count(), 20);
        // More than a burst goes when the bucket is full.
        let begin = Instant::now();
        gate.pass(1e9).await;
        assert!(begin.elapsed() > Duration::from_millis(1_900));
        assert!(begin.elapsed() < Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn history_waits_for_what_comes_now() {
        let gate = Gate::new(1_000.0);
        let begin = Instant::now();
        // A burst of what comes now, and as much again: the next two seconds pay for it.
        gate.charge(2_000.0);
        gate.charge(2_000.0);
        assert_eq!(begin.elapsed(), Duration::ZERO);
        gate.pass(500.0).await;
        let took = begin.elapsed().as_secs_f64();
        assert!((2.4..2.7).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn history_gets_on_however_much_comes_now() {
        let gate = Gate::new(1_000.0);
        let begin = Instant::now();
        let now = async {
            loop {
                gate.charge(300.0);
                sleep(Duration::from_millis(100)).await;
            }
        };
        let history = async {
            for _ in 0..100 {
                gate.pass(100.0).await;
            }
        };
        tokio::select! {
            () = now => {}
            () = history => {}
        }
        // 10,000 bytes: a second's budget in each four.
        let took = begin.elapsed().as_secs_f64();
        assert!((25.0..45.0).contains(&took), "{took}");
    }
}
