//! The store port: what a user keeps. Contacts, keys, offsets, messages, the outbox, the records of
//! logs.
//!
//! This module owns the trait, its embedded adapter and the conformance suite that every adapter
//! must pass. It never sees plain text: the core encrypts bodies and credentials before they get
//! here.

mod embedded;
mod postgres;
mod retention;
mod sql;
mod trimmed;
mod worker;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use kirc_core::port::{Answer, Query, Room, Snapshot, StoreOp};
use tokio::sync::watch;

use crate::ports::{Health, Pending};

pub use embedded::EmbeddedStore;
pub use postgres::{PostgresSettings, PostgresStore, PostgresTold};
pub use trimmed::Trimmed;

/// So many records of each log stay whatever is trimmed, the newest: members that miss something
/// ask for them.
pub const KEPT: u64 = 100;
/// Messages and records that go in one step of trimming at the most.
pub const STEP: u64 = 500;

/// What is kept, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// What is there, with its place in indices: an estimate.
    pub used: u64,
    /// What it takes of the disk: more, once something was trimmed, since room that is free stays
    /// for what comes.
    pub disk: u64,
}

/// A store. Work is done in the order of the calls; see [`Pending`].
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Everything that a node needs to start.
    fn load(&self) -> Pending<Snapshot>;

    /// Makes changes, all of them or none. After a failure nothing was changed: the caller hands
    /// the same changes in again before any later ones.
    fn commit(&self, ops: Arc<Vec<StoreOp>>) -> Pending<()>;

    /// Asks for messages or records.
    fn query(&self, query: Query) -> Pending<Answer>;

    /// How much room everything takes. It may look at a part and estimate the rest.
    fn size(&self) -> Pending<Size>;

    /// Takes away messages and records of logs, the oldest first, until at least so many bytes are
    /// free, but [`STEP`] of them at the most; gives how many bytes went, 0 if nothing may go.
    /// Messages that wait for the user's decision (`held`), the newest [`KEPT`] records of each log
    /// and all else stay.
    fn trim(&self, bytes: u64) -> Pending<u64>;

    /// How much is kept of what may be, where somebody looks after that.
    fn room(&self) -> Option<watch::Receiver<Room>> {
        None
    }

    /// How the service is.
    fn health(&self) -> watch::Receiver<Health>;

    /// Finishes what was asked for and lets go of the store.
    fn close(&self) -> Pending<()>;
}
