//! How to connect to a Kafka cluster, and how to create topics on it.
//!
//! This module owns the settings of one cluster and the librdkafka configuration made from them. It
//! opens no connection.

use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::config::Secret;
use crate::mailbox::BATCH_BYTES;

pub use crate::config::{Mechanism, Security};

/// What records are packed with on their way and in the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Nothing.
    None,
    /// Deflate: records are base64 in JSON and shrink to a half and less.
    #[default]
    Gzip,
}

/// One cluster: where it is, who we are there, how topics are made.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// `host:port`, several with commas between them.
    pub bootstrap: String,
    /// How the connection is secured.
    pub security: Security,
    /// How one logs in, where `security` says that one does.
    pub mechanism: Mechanism,
    /// Who logs in.
    pub user: String,
    /// With which password.
    pub password: Secret,
    /// The PEM text of the CA that the brokers' certificates are checked against; empty: the
    /// system's roots.
    pub ca: String,
    /// The PEM text of a client certificate; empty if there is none.
    pub cert: String,
    /// The PEM text of its key.
    pub key: Secret,
    /// Replicas of a topic; what the broker thinks right if nothing is said.
    pub replication: Option<u16>,
    /// How long a topic keeps its records.
    pub retention: Duration,
    /// What records are packed with.
    pub compression: Compression,
    /// How many bytes a second will be taken, if that is limited: then no more is fetched ahead
    /// than fits.
    pub budget: Option<u64>,
    /// The topics that hold logs, for which the broker's own time counts: names, or templates in
    /// which one `{word}` stands for any text, as in `data-out-{channel}`.
    pub logs: Vec<String>,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            bootstrap: String::new(),
            security: Security::default(),
            mechanism: Mechanism::default(),
            user: String::new(),
            password: Secret::new(""),
            ca: String::new(),
            cert: String::new(),
            key: Secret::new(""),
            replication: None,
            retention: Duration::from_secs(72 * 3600),
            compression: Compression::default(),
            budget: None,
            logs: vec!["data-out".to_owned()],
        }
    }
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSettings")
            .field("bootstrap", &self.bootstrap)
            .field("security", &self.security.name())
            .field("mechanism", &self.mechanism.name())
            .field("user", &self.user)
            .field("replication", &self.replication)
            .field("retention", &self.retention)
            .field("logs", &self.logs)
            .finish_non_exhaustive()
    }
}

/// The longest time that a fetch waits at the broker, for a client that is asked to be prompt and
/// for one that is asked to be quiet. A fetch that waits answers at once when a record comes; but
/// who is new on a connection has to wait for the fetch before it, so the two are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Pace {
    /// Readers that start, and readers that catch up.
    Prompt,
    /// Readers that wait. Each fetch names all of them, so an idle node makes as few as it can.
    Quiet,
}

impl Pace {
    fn wait(self) -> Duration {
        match self {
            Self::Prompt => Duration::from_millis(100),
            Self::Quiet => Duration::from_secs(20),
        }
    }
}

/// How long a request may be without an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Room for the largest record in what is fetched at once.
const RECORD_ROOM: u64 = 300_000;
/// Bytes of a batch that is written within a budget.
const BATCH: &str = "65536";
/// How long an append is tried before it counts as failed.
pub(super) const APPEND: Duration = Duration::from_secs(3);
/// Bytes that may wait to be appended; more is refused, and the caller tries again.
pub(super) const WAITING: usize = 32 << 20;

impl KafkaSettings {
    /// Whether the broker's own time counts on a topic.
    pub fn is_log(&self, topic: &str) -> bool {
        self.logs.iter().any(|pattern| matches(pattern, topic))
    }

    /// What all clients are told. It is never shown: the crate's `Debug` for it hides the password,
    /// but not the key.
    fn base(&self) -> ClientConfig {
        // librdkafka's threads may outlive `main`. Left to itself it lets OpenSSL take itself down
        // when the process ends, under those threads: a crash now and then, at the end of a command
        // that did its work. Who comes first settles that, and this call leaves the taking down out
        // (`OPENSSL_INIT_NO_ATEXIT`).
        openssl_sys::init();
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("security.protocol", self.security.name())
            .set("client.id", "kirc")
            .set("socket.nagle.disable", "true")
            .set("socket.keepalive.enable", "true")
            .set("socket.timeout.ms", TIMEOUT.as_millis().to_string())
            .set("socket.connection.setup.timeout.ms", "10000")
            .set("reconnect.backoff.ms", "100")
            .set("reconnect.backoff.max.ms", "3000")
            // A topic that is not there is an error, not something to wait for.
            .set("topic.metadata.propagation.max.ms", "0")
            .set("topic.metadata.refresh.interval.ms", "300000")
            .set("topic.metadata.refresh.fast.interval.ms", "100")
            .set("allow.auto.create.topics", "false")
            // A broker that stood still is in no answer until it has registered again, and
            // librdkafka forgets whom no answer names. With `none` it would never come back to any.
            .set("metadata.recovery.strategy", "rebootstrap")
            // Nobody is told how we do.
            .set("enable.metrics.push", "false")
            .set_log_level(RDKafkaLogLevel::Info);
        if self.security.logs_in() {
            config
                .set("sasl.mechanism", self.mechanism.name())
                .set("sasl.username", &self.user)
                .set("sasl.password", self.password.expose());
        }
        if self.security.has_tls() {
            if !self.ca.is_empty() {
                config.set("ssl.ca.pem", &self.ca);
            }
            if !self.cert.is_empty() {
                config.set("ssl.certificate.pem", &self.cert).set("ssl.key.pem", self.key.expose());
            }
        }
        config
    }

    /// A client that asks and administers.
    pub(super) fn admin_client(&self) -> ClientConfig {
        self.base()
    }

    /// A client that reads.
    pub(crate) fn reader(&self, pace: Pace) -> ClientConfig {
        let mut config = self.base();
        config
            .set("fetch.wait.max.ms", pace.wait().as_millis().to_string())
            // Whatever else is asked stands behind a fetch that waits: a connection must not count
            // as dead meanwhile.
            .set("socket.timeout.ms", (pace.wait() + TIMEOUT).as_millis().to_string())
            .set("fetch.min.bytes", "1")
            .set("fetch.message.max.bytes", "1048576")
            .set("fetch.max.bytes", "4194304")
            .set("fetch.error.backoff.ms", "100")
            .set("fetch.queue.backoff.ms", "20")
            // What waits for a slow reader in here, of each partition.
            .set("queued.min.messages", "2000")
            .set("queued.max.messages.kbytes", "4096")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // A place that is not there is ours to handle.
            .set("auto.offset.reset", "error")
            .set("check.crcs", "true")
            .set("isolation.level", "read_uncommitted");
        // What was fetched has been paid for with the service, whether it is wanted or not. A quiet
        // client reads what comes now, which is always wanted, and one whose short queue was full
        // would take as long as its fetch waits to begin again.
        if let Some(bytes) = self.budget.filter(|_| pace == Pace::Prompt) {
            let fetch = (bytes / 2).clamp(32 << 10, 1 << 20);
            config
                .set("message.max.bytes", fetch.max(RECORD_ROOM).to_string())
                .set("fetch.message.max.bytes", fetch.to_string())
                .set("fetch.max.bytes", fetch.max(RECORD_ROOM).to_string())
                .set("queued.min.messages", "100")
                .set("queued.max.messages.kbytes", (fetch / 1024).to_string());
        }
        config
    }

    /// How many bytes a reader hands on at once.
    pub(super) fn handful(&self) -> usize {
        let budget = self.budget.and_then(|b| usize::try_from(b / 4).ok());
        budget.map_or(BATCH_BYTES, |b| b.clamp(16 << 10, BATCH_BYTES))
    }

    /// A client that appends.
    pub(crate) fn writer(&self) -> ClientConfig {
        let mut config = self.base();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("max.in.flight.requests.per.connection", "5")
            .set("linger.ms", "0")
            .set("message.timeout.ms", APPEND.as_millis().to_string())
            .set("request.timeout.ms", APPEND.as_millis().to_string())
            .set("message.max.bytes", "1000000")
            // Batches that whoever reads to a budget can take one by one.
            .set("batch.size", if self.budget.is_some() { BATCH } else { "1000000" })
            .set("retry.backoff.ms", "50")
            .set("queue.buffering.max.messages", "100000")
            .set("queue.buffering.max.kbytes", (2 * WAITING / 1024).to_string())
            .set(
                "compression.type",
                match self.compression {
                    Compression::None => "none",
                    Compression::Gzip => "gzip",
                },
            );
        config
    }
}

/// Whether a name is what a template gives.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('{') else {
        return pattern == name;
    };
    let after = rest.split_once('}').map_or("", |(_, after)| after);
    name.len() > before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_known_by_their_names() {
        let logs = vec!["data-out".to_owned(), "log-{channel}".to_owned()];
        let settings = KafkaSettings { logs, ..KafkaSettings::default() };
        for name in ["data-out", "log-net"] {
            assert!(settings.is_log(name), "{name}");
        }
        for name in ["data-out-bob", "data-in", "log-", "xlog-net", ""] {
            assert!(!settings.is_log(name), "{name}");
        }
    }

    #[test]
    fn nothing_shows_a_secret() {
        let settings = KafkaSettings {
            user: "kirc".to_owned(),
            password: Secret::new("hunter2"),
            key: Secret::new("KEY-hunter2"),
            security: Security::SaslSsl,
            cert: "CERT".to_owned(),
            ..KafkaSettings::default()
        };
        let shown = format!("{settings:?}");
        assert!(shown.contains("kirc") && !shown.contains("hunter2"), "{shown}");
    }
}
