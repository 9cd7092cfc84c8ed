//! The health of an adapter that reads and writes on different threads.
//!
//! This module combines both into the one state that is reported: down while either side has
//! trouble, up when both work.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::ports::{Health, tell};

/// A side of an adapter.
#[derive(Debug, Clone, Copy)]
pub enum Side {
    /// The thread that reads.
    Reads,
    /// The thread that writes.
    Writes,
}

/// Health as the threads tell it.
#[derive(Debug, Clone)]
pub struct Vital {
    health: watch::Sender<Health>,
    trouble: Arc<Mutex<[Option<String>; 2]>>,
}

impl Vital {
    /// All is well; `note` says what happened before.
    pub fn new(note: String) -> Self {
        if !note.is_empty() {
            tracing::warn!("{note}");
        }
        let (health, _) = watch::channel(Health { up: true, reason: note });
        Self { health, trouble: Arc::default() }
    }

    /// Tells of health from now on.
    pub fn listen(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// A side works, or it does not, and why.
    pub fn tell(&self, side: Side, now: Result<(), &str>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.err();
        if trouble[side as usize].as_deref() == now {
            return;
        }
        trouble[side as usize] = now.map(str::to_owned);
        let new = trouble
            .iter()
            .flatten()
            .next()
            .map_or_else(Health::well, |why| Health { up: false, reason: why.clone() });
        tell(&self.health, new);
    }

    /// Something happened that the user should know, and it is well again.
    pub fn note(&self, what: String) {
        tracing::warn!("{what}");
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = [None, None];
        tell(&self.health, Health { up: true, reason: what });
    }
}
