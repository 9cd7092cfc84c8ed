//! The mailbox on Kafka.
//!
//! This module owns the handle that callers hold. Reading, appending and querying have one file
//! each; all `unsafe` code is in `raw`. There are no consumer groups: the core owns the offsets.

mod admin;
mod admin_client;
mod client;
mod consumer;
mod error_text;
mod health;
mod produce;
mod raw;
mod reader;
mod settings;
mod topic_info;
mod watch;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use kirc_core::ids::Offset;
use kirc_core::port::{PortError, ReadFrom, Topic};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch as channel};
use tokio_util::sync::CancellationToken;

use self::admin_client::AdminClient;
use self::consumer::Taps;
use self::health::Pulse;
use self::reader::Reader;
use self::watch::Watch;
use self::writer::Writer;
use super::{BATCHES, Delivery, Mailbox, ReaderStart};
use crate::ports::{Health, Pending, pending, ready};

pub use admin::{Acl, Admin, Operation, Pattern, Permission, Resource};
pub(crate) use settings::Pace;
pub use settings::{Compression, KafkaSettings, Mechanism, Security};
pub use topic_info::TopicTold;

const GONE: &str = "the connection to Kafka was closed";
/// How long what is on its way may take at the end.
const CLOSE: Duration = Duration::from_millis(300);

/// How long others are waited for when one address of a cluster does not work.
const GRACE: Duration = Duration::from_secs(1);

/// What all parts of a mailbox share.
#[derive(Debug)]
struct Shared {
    pulse: Arc<Pulse>,
    admin_client: Arc<AdminClient>,
    taps: Arc<Taps>,
    writer: Arc<Writer>,
    watch: Arc<Watch>,
    closing: CancellationToken,
    /// Bytes that a reader hands on at once, and how many of these wait for who reads.
    handful: usize,
    waiting: usize,
}

/// The mailbox service of one Kafka cluster. It connects when there is something to do.
#[derive(Debug)]
pub struct KafkaMailbox {
    cluster: String,
    shared: Arc<Shared>,
    runtime: Handle,
}

/// Asks a Kafka cluster for the id that it gave itself.
pub async fn cluster_id(settings: &KafkaSettings, timeout: Duration) -> Result<String, PortError> {
    let pulse = Pulse::new(&settings.bootstrap);
    let admin_client = AdminClient::new(Arc::new(settings.clone()), pulse, Handle::current());
    admin_client.cluster(timeout).await
}

/// The same for somebody who waits for the answer: it does not try for long what was refused.
pub async fn try_cluster(settings: &KafkaSettings, timeout: Duration) -> Result<String, PortError> {
    let pulse = Pulse::new(&settings.bootstrap);
    let admin_client = AdminClient::new(Arc::new(settings.clone()), pulse.clone(), Handle::current());
    let asked = admin_client.cluster(timeout);
    tokio::pin!(asked);
    tokio::select! {
        answer = &mut asked => return answer,
        () = pulse.doubt.notified() => {}
    }
    // Of several addresses another one may be right.
    match tokio::time::timeout(GRACE, asked).await {
        Ok(Ok(id)) => Ok(id),
        _ => Err(PortError(pulse.reason())),
    }
}

impl KafkaMailbox {
    /// Opens the mailbox on a cluster whose id is known; Kafka need not be there. Called within a
    /// runtime.
    pub fn open(settings: KafkaSettings, cluster: String) -> Result<Self, PortError> {
        if settings.bootstrap.trim().is_empty() {
            return Err(PortError("no address of Kafka is given; set KIRC_KAFKA".to_owned()));
        }
        let runtime = Handle::try_current()
            .map_err(|_| PortError("a mailbox on Kafka is opened within a runtime".to_owned()))?;
        let settings = Arc::new(settings);
        let pulse = Pulse::new(&settings.bootstrap);
        let shared = Arc::new(Shared {
            handful: settings.handful(),
            waiting: if settings.budget.is_some() { 1 } else { BATCHES },
            admin_client: AdminClient::new(settings.clone(), pulse.clone(), runtime.clone()),
            taps: Taps::new(settings.clone(), pulse.clone(), runtime.clone()),
            writer: Writer::new(settings, pulse.clone(), runtime.clone()),
            watch: Arc::default(),
            closing: CancellationToken::new(),
            pulse,
        });
        runtime.spawn(watch::run(shared.clone()));
        Ok(Self { cluster, shared, runtime })
    }

    /// Asks the cluster for its id, then opens the mailbox on it.
    pub async fn connect(settings: KafkaSettings, timeout: Duration) -> Result<Self, PortError> {
        let cluster = cluster_id(&settings, timeout).await?;
        Self::open(settings, cluster)
    }

    /// Whether a topic is on this cluster and the mailbox is open.
    fn check(&self, topic: &Topic) -> Result<(), PortError> {
        if self.shared.closing.is_cancelled() {
            return Err(PortError(GONE.to_owned()));
        }
        if topic.cluster == self.cluster {
            return Ok(());
        }
        Err(PortError(format!(
            "topic {} is on the cluster {}, not on this one ({})",
            topic.name, topic.cluster, self.cluster
        )))
    }

    /// Begins some work; what comes of it can be waited for.
    fn begin<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, PortError>> + Send + 'static,
    ) -> Pending<T> {
        let (reply, answer) = pending(GONE);
        let closing = self.shared.closing.clone();
        self.runtime.spawn(async move {
            tokio::select! {
                result = work => {
                    let _ = reply.send(result);
                }
                () = closing.cancelled() => {}
            }
        });
        answer
    }
}

async fn read(
    shared: Arc<Shared>,
    topic: Topic,
    from: ReadFrom,
) -> Result<mpsc::Receiver<Delivery>, PortError> {
    let part = shared.admin_client.part(&topic, "read").await.map_err(|e| e.error)?;
    let at = match from {
        ReadFrom::At(offset) => offset.clamp(part.start, part.end),
        ReadFrom::End => part.end,
    };
    let (to, deliveries) = mpsc::channel(shared.waiting + 1);
    let start = ReaderStart { incarnation: part.life.clone(), start: part.start, end: part.end, at };
    // There is room: the channel is new.
    let _ = to.try_send(Delivery::Reading(start));
    let reader = Reader::new(shared, topic, to, &part, at);
    tokio::spawn(reader.run());
    Ok(deliveries)
}

impl Mailbox for KafkaMailbox {
    fn cluster(&self) -> &str {
        &self.cluster
    }

    fn create_topics(&self, names: &[String], partitions: u32) -> Pending<()> {
        let (admin_client, names) = (self.shared.admin_client.clone(), names.to_vec());
        self.begin(async move { admin_client.create(&names, partitions).await })
    }

    fn append(&self, topic: &Topic, key: Vec<u8>, value: Vec<u8>) -> Pending<Offset> {
        match self.check(topic) {
            Ok(()) => self.shared.writer.append(topic, key, value),
            Err(error) => ready(Err(error)),
        }
    }

    fn end(&self, topic: &Topic) -> Pending<Offset> {
        if let Err(error) = self.check(topic) {
            return ready(Err(error));
        }
        let (admin_client, topic) = (self.shared.admin_client.clone(), topic.clone());
        self.begin(async move { admin_client.part(&topic, "read").await.map(|p| p.end).map_err(|e| e.error) })
    }

    fn read(&self, topic: &Topic, from: ReadFrom) -> Pending<mpsc::Receiver<Delivery>> {
        if let Err(error) = self.check(topic) {
            return ready(Err(error));
        }
        self.begin(read(self.shared.clone(), topic.clone(), from))
    }

    fn trim(&self, topic: &Topic, keep_from: Offset) -> Pending<()> {
        if let Err(error) = self.check(topic) {
            return ready(Err(error));
        }
        let (admin_client, topic) = (self.shared.admin_client.clone(), topic.clone());
        self.begin(async move { admin_client.trim(&topic, keep_from).await })
    }

    fn health(&self) -> channel::Receiver<Health> {
        self.shared.pulse.listen()
    }

    fn close(&self) -> Pending<()> {
        let shared = self.shared.clone();
        let (reply, answer) = pending(GONE);
        self.runtime.spawn(async move {
            shared.writer.close(CLOSE).await;
            shared.closing.cancel();
            shared.taps.rest(Duration::ZERO);
            shared.admin_client.rest(Duration::ZERO);
            let _ = reply.send(Ok(()));
        });
        answer
    }
}

impl Drop for KafkaMailbox {
    /// What was asked for is still done; then the threads end.
    fn drop(&mut self) {
        if !self.shared.closing.is_cancelled() {
            drop(self.close());
        }
    }
}
