//! The mailbox port: append, read from an offset, query the end, create topics.
//!
//! This module owns the trait, its embedded adapter and the conformance suite that every adapter
//! must pass. It does not look into records. It uses Kafka's terms with Kafka's meanings.

mod asks;
mod embedded;
mod kafka;
mod paced;
mod reader;
mod sql;
mod writer;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;

use kirc_core::ids::Offset;
use kirc_core::port::{RawRecord, ReadFrom, Topic, Traffic};
use tokio::sync::{mpsc, watch};

use crate::ports::{Health, Pending};

pub use embedded::EmbeddedMailbox;
pub(crate) use kafka::Pace;
pub use kafka::{
    Acl, Admin, Compression, KafkaMailbox, KafkaSettings, Mechanism, Operation, Pattern, Permission,
    Resource, Security, TopicTold, cluster_id, try_cluster,
};
pub use paced::Paced;

/// Records of one [`Delivery`] at the most.
pub const BATCH_RECORDS: usize = 500;
/// Bytes of one [`Delivery`] at the most, unless a single record is larger.
pub const BATCH_BYTES: usize = 1 << 20;
/// Deliveries that wait for a slow reader; the service keeps the rest.
pub const BATCHES: usize = 4;

/// Where a reader starts, or to where it was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderStart {
    /// A random id of this life of the partition.
    pub incarnation: String,
    /// The first offset that it holds.
    pub start: Offset,
    /// The offset behind the last record.
    pub end: Offset,
    /// Where reading goes on: as asked for, or the nearest offset that there is.
    pub at: Offset,
}

/// What a reader is handed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// Always the first, and again when the partition began a new life or no longer holds what was
    /// to come next.
    Reading(ReaderStart),
    /// The next records, in their order and without a gap.
    Records(Vec<RawRecord>),
}

/// A mailbox service. The work is asked for when a function returns; see [`Pending`].
pub trait Mailbox: Send + Sync + std::fmt::Debug {
    /// The name of the cluster that this is; topics of others are refused.
    fn cluster(&self) -> &str;

    /// Makes topics with so many partitions. What is there stays as it is; partitions that lack are
    /// added.
    fn create_topics(&self, names: &[String], partitions: u32) -> Pending<()>;

    /// Appends a record. Records of one partition land in the order of the calls; what follows a
    /// failed one may still land. A record above [`kirc_core::limits::RECORD`] bytes is refused, as
    /// is a topic that is not there.
    fn append(&self, topic: &Topic, key: Vec<u8>, value: Vec<u8>) -> Pending<Offset>;

    /// The offset behind the last record.
    fn end(&self, topic: &Topic) -> Pending<Offset>;

    /// Reads a partition from here on, for as long as the receiver lives.
    fn read(&self, topic: &Topic, from: ReadFrom) -> Pending<mpsc::Receiver<Delivery>>;

    /// Gives up the records before an offset.
    fn trim(&self, topic: &Topic, keep_from: Offset) -> Pending<()>;

    /// What was moved over the last minute, where there is a budget for it.
    fn traffic(&self) -> Option<watch::Receiver<Traffic>> {
        None
    }

    /// How the service is.
    fn health(&self) -> watch::Receiver<Health>;

    /// Finishes what was asked for and lets go of the service. Nothing can be asked for afterwards.
    fn close(&self) -> Pending<()>;
}
