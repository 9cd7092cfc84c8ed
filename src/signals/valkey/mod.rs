//! The signal service on Valkey (or Redis): one connection, on which calls are pipelined and events
//! arrive.
//!
//! This module owns the handle that callers hold; `worker` does the work. It must not use `CONFIG`,
//! `KEYS`, `INFO`, `FLUSHALL` or `MONITOR`, which cloud services forbid, nor a key or channel
//! without its prefix.

mod commands;
mod connect;
mod health;
mod probe;
mod settings;
mod worker;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use kirc_core::port::{PortError, SignalOp, SignalReply};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, watch};

use super::{EVENTS, Published, Signals};
use crate::ports::{Health, Pending, Reply, pending, ready};
use crate::tls::{self, Check};
use connect::Events;
use health::Vital;
use settings::Place;
use worker::{Ask, Worker};

pub use probe::ValkeyTold;
pub use settings::ValkeySettings;

/// Calls that wait at the most; more are refused.
const QUEUE: usize = 8_192;

/// The signal service on a Valkey.
#[derive(Debug)]
pub struct ValkeySignals {
    asks: mpsc::Sender<Ask>,
    health: watch::Sender<Health>,
}

impl ValkeySignals {
    /// Begins to talk to a Valkey; it need not be there yet. Only settings that make no sense are
    /// an error. Called inside a tokio runtime, on which the work is done.
    pub fn open(settings: &ValkeySettings) -> Result<(Self, mpsc::Receiver<Published>), PortError> {
        let place = Place::parse(settings)?;
        let tls = match place.tls {
            true => Some(Arc::new(tls::client(settings.ca.as_ref(), Check::Full)?)),
            false => None,
        };
        let (asks, to_do) = mpsc::channel(QUEUE);
        let (to, published) = mpsc::channel(EVENTS);
        let (health, _) = watch::channel(Health::well());
        let events = Events { to, prefix: settings.prefix.as_str().into(), lost: Arc::new(Notify::new()) };
        let vital = Vital::new(health.clone());
        let worker =
            Worker { place, tls, events, asks: to_do, vital, wanted: BTreeSet::new(), down_since: None };
        tokio::spawn(worker.run());
        Ok((Self { asks, health }, published))
    }

    fn ask<T: Send + 'static>(&self, ask: impl FnOnce(Reply<T>) -> Ask) -> Pending<T> {
        let (reply, answer) = pending("the connection to Valkey was closed");
        match self.asks.try_send(ask(reply)) {
            Err(TrySendError::Full(_)) => {
                let text = format!("Valkey does not keep up: {QUEUE} calls wait for it");
                ready(Err(PortError(text)))
            }
            Ok(()) | Err(TrySendError::Closed(_)) => answer,
        }
    }
}

impl Signals for ValkeySignals {
    fn call(&self, op: SignalOp) -> Pending<SignalReply> {
        self.ask(|reply| Ask::Call(op, reply))
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    fn close(&self) -> Pending<()> {
        self.ask(Ask::Close)
    }
}
