//! Reads one partition from an offset, without a consumer group.
//!
//! This module owns the partition's queue in the client, and stops reading when it is dropped. The
//! rdkafka crate reads with `assign`, for which librdkafka needs a group and looks for its
//! coordinator: that costs traffic, creates an internal topic of the broker, and needs a right that
//! contacts don't have. The library's older calls read without a group.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use kirc_core::ids::Offset;
use kirc_core::port::RawRecord;
use rdkafka::bindings as rd;
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;

use super::super::client::Client;
use super::c_text;
use super::call::{Failure, Queue};

/// Messages that are taken at once.
const HANDFUL: usize = 64;

/// What comes out of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Piece {
    /// A record.
    Record(RawRecord),
    /// There is nothing behind this offset for now.
    End(Offset),
    /// Reading goes wrong.
    Trouble(RDKafkaErrorCode),
}

/// A partition that is being read. Dropping it waits for librdkafka's threads for a moment.
pub(in super::super) struct Tap {
    topic: *mut rd::rd_kafka_topic_t,
    partition: i32,
    queue: Queue,
}

// SAFETY: topic objects are counted and locked inside librdkafka and may be used from any thread;
// the pointer is ours.
unsafe impl Send for Tap {}
// SAFETY: as above; all calls on a topic object and a queue lock.
unsafe impl Sync for Tap {}

impl std::fmt::Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tap({})", self.partition)
    }
}

impl Tap {
    /// Reads a partition from an offset. A client reads each partition once: the caller sees to
    /// that.
    pub(in super::super) fn start(
        client: &Arc<Client>,
        topic: &str,
        partition: u32,
        at: Offset,
    ) -> Result<Self, Failure> {
        let failed = |code| Failure { code, text: format!("reading does not start: {code}") };
        let name = c_text(topic)?;
        let gone = || failed(RDKafkaErrorCode::BrokerDestroy);
        let rk = client.consumer().ok_or_else(gone)?.client().native_ptr();
        let queue = Queue::new(client).ok_or_else(gone)?;
        let partition = i32::try_from(partition).map_err(|_| failed(RDKafkaErrorCode::UnknownPartition))?;
        let at = i64::try_from(at).map_err(|_| failed(RDKafkaErrorCode::InvalidArgument))?;
        // SAFETY: `rk` lives as long as the client, of which the queue keeps an `Arc`; the name is
        // copied; without a configuration of its own the topic takes the client's.
        let topic = unsafe { rd::rd_kafka_topic_new(rk, name.as_ptr(), ptr::null_mut()) };
        if topic.is_null() {
            return Err(failed(RDKafkaErrorCode::InvalidTopic));
        }
        // SAFETY: topic and queue are alive, and stay so until `drop` has stopped reading.
        let started = unsafe { rd::rd_kafka_consume_start_queue(topic, partition, at, queue.ptr()) };
        if started != 0 {
            // SAFETY: nothing else has the topic object yet. `last_error` is the calling thread's
            // own.
            let code = unsafe {
                rd::rd_kafka_topic_destroy(topic);
                rd::rd_kafka_last_error()
            };
            return Err(failed(code.into()));
        }
        Ok(Self { topic, partition, queue })
    }

    /// The client that reads.
    pub(in super::super) fn client(&self) -> &Arc<Client> {
        self.queue.client()
    }

    /// Waits until there may be something to take. Who was woken takes until nothing comes.
    pub(in super::super) async fn wait(&self) {
        self.queue.bell().notified().await;
    }

    /// Takes a handful of what is there; nothing, if nothing is.
    pub(in super::super) fn take(&self) -> Vec<Piece> {
        let mut messages = [ptr::null_mut(); HANDFUL];
        // SAFETY: the queue is alive; the array has room for as many as is told.
        let count = unsafe {
            rd::rd_kafka_consume_batch_queue(self.queue.ptr(), 0, messages.as_mut_ptr(), messages.len())
        };
        let count = usize::try_from(count).unwrap_or(0).min(HANDFUL);
        let mut pieces = Vec::with_capacity(count);
        for &message in &messages[..count] {
            // SAFETY: each of the first `count` pointers is a message that is ours; it is copied,
            // then destroyed, once.
            unsafe {
                pieces.push(piece(message));
                rd::rd_kafka_message_destroy(message);
            }
        }
        pieces
    }
}

/// Copies a message.
///
/// # Safety
/// `message` is a message that lives during the call.
unsafe fn piece(message: *const rd::rd_kafka_message_t) -> Piece {
    // SAFETY: alive, as the caller promises; key and payload are null or have the length that is
    // told beside them.
    unsafe {
        let m = &*message;
        let offset = u64::try_from(m.offset).unwrap_or(0);
        match m.err {
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => {
                let mut kind = rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
                let time = rd::rd_kafka_message_timestamp(message, &raw mut kind);
                Piece::Record(RawRecord {
                    offset,
                    key: bytes(m.key, m.key_len),
                    value: bytes(m.payload, m.len),
                    time: u64::try_from(time).unwrap_or(0),
                })
            }
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF => Piece::End(offset),
            error => Piece::Trouble(error.into()),
        }
    }
}

/// Copies bytes.
///
/// # Safety
/// `data` is null or points to `len` bytes that live during the call.
unsafe fn bytes(data: *const c_void, len: usize) -> Vec<u8> {
    if data.is_null() || len == 0 {
        return Vec::new();
    }
    // SAFETY: not null, and what the caller promises.
    unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) }.to_vec()
}

impl Drop for Tap {
    fn drop(&mut self) {
        // SAFETY: the topic object is alive and was started by us; stopping waits until librdkafka
        // puts nothing more into the queue, which is destroyed afterwards, as is the client.
        unsafe {
            rd::rd_kafka_consume_stop(self.topic, self.partition);
            rd::rd_kafka_topic_destroy(self.topic);
        }
    }
}
