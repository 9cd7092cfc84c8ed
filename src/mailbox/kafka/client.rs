//! A librdkafka client for requests or for reading: opened, polled for events, and closed without
//! blocking anyone.
//!
//! This module owns the handle and the task that receives the library's own events. It makes no
//! decisions.

use std::sync::{Arc, Weak};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::health::Pulse;
use super::raw;

/// What clients tell of themselves.
pub(super) struct Context(pub(super) Arc<Pulse>);

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level, facility, text);
        self.0.logged(text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka");
        self.0.heard(&error, reason);
    }
}

impl ConsumerContext for Context {}

/// The library's own lines. It holds passwords, but writes none.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::warn!(facility, "kafka: {text}");
        }
        _ => tracing::debug!(facility, "kafka: {text}"),
    }
}

/// A client. The library's threads end some time after it is dropped.
pub(super) struct Client {
    consumer: Option<BaseConsumer<Context>>,
    bell: Arc<Notify>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    /// Opens a client; it connects when it has something to do. What it says is taken up by a task
    /// on `runtime`.
    ///
    /// librdkafka calls a client without a group a consumer or a producer as one likes; this one is
    /// a consumer, for its queue tells when there is something in it.
    pub(super) fn open(config: &ClientConfig, pulse: Arc<Pulse>, runtime: &Handle) -> KafkaResult<Arc<Self>> {
        let mut consumer: BaseConsumer<Context> = config.create_with_context(Context(pulse))?;
        let bell = Arc::new(Notify::new());
        let ring = bell.clone();
        consumer.set_nonempty_callback(move || ring.notify_one());
        let client = Arc::new(Self { consumer: Some(consumer), bell: bell.clone() });
        // What was said before the bell hung is looked for once.
        bell.notify_one();
        runtime.spawn(listen(Arc::downgrade(&client), bell));
        Ok(client)
    }

    pub(super) fn consumer(&self) -> Option<&BaseConsumer<Context>> {
        self.consumer.as_ref()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.bell.notify_one();
        let consumer = self.consumer.take();
        // Letting go waits for the library's threads. If no thread is to be had, we wait.
        let _ = std::thread::Builder::new().name("kirc-kafka-end".to_owned()).spawn(move || drop(consumer));
    }
}

/// Takes up logs and errors until the client is gone.
async fn listen(client: Weak<Client>, bell: Arc<Notify>) {
    loop {
        bell.notified().await;
        let Some(client) = client.upgrade() else {
            return;
        };
        let Some(consumer) = client.consumer() else {
            return;
        };
        while raw::has_events(consumer.client()) {
            let _ = consumer.poll(Duration::ZERO);
        }
    }
}
