//! The store on PostgreSQL: one schema for each profile, at most three connections.
//!
//! This module owns the handle that callers hold; `worker` does the work. It never sees plain text:
//! the core encrypts bodies and credentials before they get here. Sessions hold a lock, so a pooler
//! that shares sessions between clients (transaction pooling) cannot be used.

mod error_text;
mod forget;
mod history;
mod link;
mod pipeline;
mod plan;
mod probe;
mod queries;
mod retention;
mod settings;
mod tables;
mod worker;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use kirc_core::port::{Answer, PortError, Query, Snapshot, StoreOp};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};

use super::{Size, Store};
use crate::embedded::clock::random_name;
use crate::embedded::health::Vital;
use crate::ports::{Health, Pending, Reply, pending, ready};
use settings::Place;
use worker::{Ask, Worker};

pub use probe::PostgresTold;
pub use settings::PostgresSettings;

/// Things to do that wait at the most; more are refused.
const QUEUE: usize = 4_096;

/// The store of a profile in a PostgreSQL.
#[derive(Debug)]
pub struct PostgresStore {
    asks: mpsc::Sender<Ask>,
    vital: Vital,
}

impl PostgresStore {
    /// A store that connects when it is first asked for something; an error there says what is
    /// wrong. Only settings that make no sense are an error here. Called inside a tokio runtime, on
    /// which the work is done.
    pub fn open(settings: &PostgresSettings) -> Result<Self, PortError> {
        let place = Place::new(settings)?;
        let random =
            random_name().map_err(|e| PortError(format!("the system gives no random numbers: {e}")))?;
        let name = format!("kirc {} {random}", std::process::id());
        let (asks, to_do) = mpsc::channel(QUEUE);
        let vital = Vital::new(String::new());
        tokio::spawn(Worker::new(place, name, to_do, vital.clone()).run());
        Ok(Self { asks, vital })
    }

    fn ask<T: Send + 'static>(&self, ask: impl FnOnce(Reply<T>) -> Ask) -> Pending<T> {
        let (reply, answer) = pending("the store was closed");
        match self.asks.try_send(ask(reply)) {
            Err(TrySendError::Full(_)) => {
                ready(Err(PortError(format!("PostgreSQL does not keep up: {QUEUE} things wait for it"))))
            }
            Ok(()) | Err(TrySendError::Closed(_)) => answer,
        }
    }
}

impl Store for PostgresStore {
    fn load(&self) -> Pending<Snapshot> {
        self.ask(Ask::Load)
    }

    fn commit(&self, ops: Arc<Vec<StoreOp>>) -> Pending<()> {
        self.ask(|reply| Ask::Commit(ops, reply))
    }

    fn query(&self, query: Query) -> Pending<Answer> {
        self.ask(|reply| Ask::Query(query, reply))
    }

    fn size(&self) -> Pending<Size> {
        self.ask(Ask::Size)
    }

    fn trim(&self, bytes: u64) -> Pending<u64> {
        self.ask(|reply| Ask::Trim(bytes, reply))
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.vital.listen()
    }

    fn close(&self) -> Pending<()> {
        self.ask(Ask::Close)
    }
}
