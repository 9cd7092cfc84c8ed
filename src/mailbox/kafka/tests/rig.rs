//! The Kafka under test: its address, and topics that are deleted when a test ends.

use std::collections::BTreeSet;
use std::env::var;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::config::Secret;
use crate::mailbox::conformance::Rig;

/// A way into the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Neither TLS nor login.
    Plain,
    /// TLS, and the administrator's login.
    Sasl,
    /// TLS with a client certificate.
    Cert,
}

/// A setting of the tests; if it lacks, a line that says so, and trouble where services must be
/// there.
fn setting(name: &str) -> Option<String> {
    let found = var(name).ok().filter(|v| !v.is_empty());
    if found.is_none() {
        assert_ne!(
            var("KIRC_TEST_SERVICES").as_deref(),
            Ok("required"),
            "{name} is not set; see scripts/services env --test"
        );
        println!("left out: {name} is not set");
    }
    found
}

fn file(name: &str) -> Option<String> {
    Some(std::fs::read_to_string(setting(name)?).unwrap())
}

/// Settings for a door. All topics are logs, so that the broker's time counts on them.
pub fn settings(door: Door) -> Option<KafkaSettings> {
    let base = KafkaSettings { logs: vec!["{any}".to_owned()], ..KafkaSettings::default() };
    Some(match door {
        Door::Plain => KafkaSettings { bootstrap: setting("KIRC_TEST_KAFKA_PLAIN")?, ..base },
        Door::Sasl => KafkaSettings {
            bootstrap: setting("KIRC_TEST_KAFKA")?,
            security: Security::SaslSsl,
            user: setting("KIRC_TEST_KAFKA_ADMIN_USER")?,
            password: Secret::new(setting("KIRC_TEST_KAFKA_ADMIN_PASSWORD")?),
            ca: file("KIRC_TEST_CA")?,
            ..base
        },
        Door::Cert => KafkaSettings {
            bootstrap: setting("KIRC_TEST_KAFKA_SSL")?,
            security: Security::Ssl,
            ca: file("KIRC_TEST_CA")?,
            cert: file("KIRC_TEST_KAFKA_CERT")?,
            key: Secret::new(file("KIRC_TEST_KAFKA_KEY")?),
            ..base
        },
    })
}

/// A cluster; what is made on it through this is gone when it is dropped.
pub struct Kafka {
    pub settings: KafkaSettings,
    made: Arc<Mutex<BTreeSet<String>>>,
    admin_client: Arc<AdminClient>,
}

impl Kafka {
    pub fn new(door: Door) -> Option<Self> {
        let settings = settings(door)?;
        let admin_client =
            AdminClient::new(Arc::new(settings.clone()), Pulse::new(&settings.bootstrap), Handle::current());
        Some(Self { settings, made: Arc::default(), admin_client })
    }

    pub fn mailbox(&self) -> KafkaMailbox {
        KafkaMailbox::open(self.settings.clone(), "test".to_owned()).unwrap()
    }

    /// A topic of its own, in a mailbox of its own.
    pub async fn topic(&self, mailbox: &KafkaMailbox, what: &str) -> Topic {
        let what = format!("test-{what}");
        self.topic_named(mailbox, &what).await
    }

    /// A topic of its own, with a beginning that its rights want.
    pub async fn topic_named(&self, mailbox: &KafkaMailbox, what: &str) -> Topic {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_micros();
        let name = format!("{what}-{now}-{}", std::process::id());
        self.made.lock().unwrap().insert(name.clone());
        mailbox.create_topics(std::slice::from_ref(&name), 2).await.unwrap();
        Topic { cluster: mailbox.cluster().to_owned(), name, partition: 0 }
    }
}

impl Rig for Kafka {
    fn open(&self) -> Arc<dyn Mailbox> {
        Arc::new(Recorded(self.mailbox(), self.made.clone()))
    }

    fn delete(&self, name: &str) -> Pending<()> {
        let (admin_client, names) = (self.admin_client.clone(), [name.to_owned()]);
        Box::pin(async move { admin_client.delete(&names).await })
    }

    fn reads_ahead(&self) -> bool {
        true
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        let names: Vec<String> = std::mem::take(&mut *self.made.lock().unwrap()).into_iter().collect();
        if names.is_empty() {
            return;
        }
        let settings = Arc::new(self.settings.clone());
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let pulse = Pulse::new(&settings.bootstrap);
            let admin_client = AdminClient::new(settings, pulse, runtime.handle().clone());
            let done = runtime.block_on(async {
                tokio::time::timeout(Duration::from_secs(20), admin_client.delete(&names)).await
            });
            if !matches!(done, Ok(Ok(()))) {
                println!("left behind: {names:?}: {done:?}");
            }
        };
        let _ = std::thread::spawn(work).join();
    }
}

/// A mailbox that writes down which topics were made.
#[derive(Debug)]
struct Recorded(KafkaMailbox, Arc<Mutex<BTreeSet<String>>>);

impl Mailbox for Recorded {
    fn cluster(&self) -> &str {
        self.0.cluster()
    }

    fn create_topics(&self, names: &[String], partitions: u32) -> Pending<()> {
        self.1.lock().unwrap().extend(names.iter().cloned());
        self.0.create_topics(names, partitions)
    }

    fn append(&self, topic: &Topic, key: Vec<u8>, value: Vec<u8>) -> Pending<Offset> {
        self.0.append(topic, key, value)
    }

    fn end(&self, topic: &Topic) -> Pending<Offset> {
        self.0.end(topic)
    }

    fn read(&self, topic: &Topic, from: ReadFrom) -> Pending<mpsc::Receiver<Delivery>> {
        self.0.read(topic, from)
    }

    fn trim(&self, topic: &Topic, keep_from: Offset) -> Pending<()> {
        self.0.trim(topic, keep_from)
    }

    fn health(&self) -> channel::Receiver<Health> {
        self.0.health()
    }

    fn close(&self) -> Pending<()> {
        self.0.close()
    }
}
