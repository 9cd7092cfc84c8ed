//! A librdkafka producer and the thread that receives its events.
//!
//! This module owns the handle. The writer decides what follows from the events.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use kirc_core::ids::Offset;
use kirc_core::port::Topic;
use rdkafka::Message;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseProducer, DeliveryResult, Producer, ProducerContext, PurgeConfig};

use super::client::log;
use super::error_text;
use super::health::Pulse;
use super::writer::Writer;
use crate::ports::Reply;

/// How often the thread looks whether it is to end.
const TURN: Duration = Duration::from_millis(100);

/// An append, but for its bytes.
pub(super) struct Ask {
    pub(super) topic: Topic,
    pub(super) reply: Reply<Offset>,
    pub(super) bytes: usize,
    /// The topic was looked for again.
    pub(super) looked: bool,
}

/// What the producer tells.
pub(super) struct OutContext {
    pub(super) writer: Weak<Writer>,
    pub(super) pulse: Arc<Pulse>,
}

impl ClientContext for OutContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka, appending");
        self.pulse.heard(&error, reason);
        let fatal = error_text::code(&error) == Some(Code::Fatal);
        // A cluster that was away may be another one when it comes back, which gives out the number
        // of this producer once more; two of a number would take each other's records for their
        // own.
        if (fatal || error_text::code(&error) == Some(Code::AllBrokersDown))
            && let Some(writer) = self.writer.upgrade()
        {
            writer.renew(fatal);
        }
    }
}

impl ProducerContext for OutContext {
    type DeliveryOpaque = Box<Ask>;

    fn delivery(&self, result: &DeliveryResult<'_>, ask: Box<Ask>) {
        let result = match result {
            // A record that was sent twice and landed once may come without its place.
            Ok(message) => u64::try_from(message.offset())
                .map_err(|_| (None, "it was appended, but Kafka does not say where".to_owned())),
            Err((error, _)) => Err((error_text::code(error), error.to_string())),
        };
        if let Some(writer) = self.writer.upgrade() {
            writer.delivered(*ask, result);
        }
    }
}

/// A producer.
pub(super) struct Out {
    pub(super) producer: BaseProducer<OutContext>,
    pub(super) stopped: AtomicBool,
}

impl Out {
    /// Takes up what the producer tells until it is stopped; the producer ends with the thread.
    pub(super) fn run(self: Arc<Self>) {
        while !self.stopped.load(Ordering::Acquire) {
            self.producer.poll(TURN);
        }
    }

    /// Ends the thread soon.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    /// Gives up what is on its way: it is told as failed.
    pub(super) fn give_up(&self) {
        self.producer.purge(PurgeConfig::default().queue().inflight());
    }
}
