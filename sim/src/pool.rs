//! Runs in parallel on several cores, one core for each job.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::run::{Choice, Outcome, run};

/// What came of many runs.
#[derive(Default)]
pub struct Tally {
    /// Runs without a breach.
    pub passed: u64,
    /// Runs with one, by seed.
    pub failed: BTreeMap<u64, Outcome>,
    /// Messages settled in all.
    pub settled: u64,
    /// Inputs handled in all.
    pub handled: u64,
    /// Records that landed in logs, in all.
    pub appended: u64,
    /// Those of them that hold several acts.
    pub batches: u64,
}

/// Runs the seeds `from..from + seeds` on `jobs` threads. `tell` hears of each failure as it comes.
pub fn many(from: u64, seeds: u64, jobs: usize, choice: Choice, tell: impl Fn(&Outcome) + Sync) -> Tally {
    let next = AtomicU64::new(0);
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= seeds {
                        return;
                    }
                    let outcome = run(from + number, choice);
                    if !outcome.breaches.is_empty() {
                        tell(&outcome);
                    }
                    count(&tally, outcome);
                }
            });
        }
    });
    tally.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn count(tally: &Mutex<Tally>, outcome: Outcome) {
    let mut tally = tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    tally.settled += outcome.settled;
    tally.handled += outcome.handled;
    tally.appended += outcome.appended;
    tally.batches += outcome.batches;
    if outcome.breaches.is_empty() {
        tally.passed += 1;
    } else {
        tally.failed.insert(outcome.seed, outcome);
    }
}
