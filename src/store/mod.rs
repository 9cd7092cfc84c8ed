//! The store port: what the user keeps. Contacts, keys, positions, messages, the outbox, the records of logs.
//!
//! It owns the trait, its embedded adapter and the suite that every adapter must pass. It never sees a text: bodies
//! and credentials are sealed before they come here.

mod embedded;
mod postgres;
mod sql;
mod worker;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;

use kirc_core::port::{Answer, Query, Snapshot, StoreOp};
use tokio::sync::watch;

use crate::ports::{Health, Pending};

pub use embedded::EmbeddedStore;
pub use postgres::{PostgresSettings, PostgresStore, PostgresTold};

/// A store. Work is done in the order of the calls; see [`Pending`].
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Everything that a node needs to start.
    fn load(&self) -> Pending<Snapshot>;

    /// Makes changes, all of them or none. After a failure nothing was changed: the caller hands the same changes
    /// in again before any later ones.
    fn commit(&self, ops: Vec<StoreOp>) -> Pending<()>;

    /// Asks for messages or records.
    fn query(&self, query: Query) -> Pending<Answer>;

    /// How the service is.
    fn health(&self) -> watch::Receiver<Health>;

    /// Finishes what was asked for and lets go of the store.
    fn close(&self) -> Pending<()>;
}
