//! Real services under a whole-program test: where they are, names that no other test has, and
//! nothing left behind.
//!
//! It starts none: `scripts/services` does, and says by `KIRC_TEST_*` where they are.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, UNIX_EPOCH};

use kirc::config::Secret;
use kirc::mailbox::{Acl, Admin, KafkaSettings, Mechanism, Security};
use kirc::tls::{self, Ca, Check};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};

/// How long tidying up may take.
const TIDY: Duration = Duration::from_secs(20);

/// Services, by the names of `scripts/services env --test` without `TEST_`: `KIRC_KAFKA`,
/// `KIRC_KAFKA2_USER`, ….
#[derive(Clone)]
pub struct Services {
    known: BTreeMap<String, String>,
    /// Part of every name that this world makes on them.
    pub random: String,
    /// Whether profiles may make users and rights.
    pub admin: bool,
    /// Whether profiles know the user that contacts share, whose rights `kirc setup infra` makes.
    pub peer: bool,
}

/// One of the clusters of the services, with a Valkey's user and a PostgreSQL of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cluster {
    First,
    Second,
}

impl Services {
    /// Those that the environment names. Without them: nothing and a line that says so, or a
    /// failure where they are required.
    pub fn from_env(test: &str) -> Option<Self> {
        let known: BTreeMap<String, String> = std::env::vars()
            .filter_map(|(name, value)| Some((format!("KIRC_{}", name.strip_prefix("KIRC_TEST_")?), value)))
            .collect();
        if !known.contains_key("KIRC_KAFKA") || !known.contains_key("KIRC_VALKEY") {
            let required = known.get("KIRC_SERVICES").is_some_and(|v| v == "required");
            assert!(!required, "{test}: KIRC_TEST_KAFKA and others are not set: scripts/services env --test");
            eprintln!("left out: {test}: there are no services (scripts/services env --test)");
            return None;
        }
        Some(Self { known, random: random(), admin: false, peer: true })
    }

    /// Those of which `scripts/services env --test` prints this.
    pub fn from_text(text: &str) -> Self {
        let known = text.lines().filter_map(|line| {
            let (name, value) = line.strip_prefix("export KIRC_TEST_")?.split_once('=')?;
            Some((format!("KIRC_{name}"), value.replace('\\', "").trim_matches('\'').to_owned()))
        });
        Self { known: known.collect(), random: random(), admin: false, peer: true }
    }

    /// A setting, such as `KIRC_KAFKA_ADMIN_USER`.
    pub fn get(&self, name: &str) -> &str {
        self.known.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The settings of a profile on a cluster, as they stand in its environment or `.env`.
    pub fn settings(&self, cluster: Cluster, profile: &str) -> Vec<(String, String)> {
        let mut all = Vec::new();
        let mut set = |name: &str, value: String| {
            if !value.is_empty() {
                all.push((name.to_owned(), value));
            }
        };
        let (kafka, valkey, postgres, prefix) = match cluster {
            Cluster::First => ("KIRC_KAFKA", "KIRC_VALKEY", "KIRC_POSTGRES", "kirc:"),
            Cluster::Second => ("KIRC_KAFKA2", "KIRC_VALKEY2", "KIRC_POSTGRES2", "kirc2:"),
        };
        set("KIRC_KAFKA", self.get(kafka).to_owned());
        let names = ["SECURITY", "MECHANISM", "USER", "PASSWORD", "PEER_USER", "PEER_PASSWORD"];
        for name in names.into_iter().filter(|n| self.peer || !n.starts_with("PEER")) {
            set(&format!("KIRC_KAFKA_{name}"), self.get(&format!("{kafka}_{name}")).to_owned());
        }
        for name in ["ADMIN_USER", "ADMIN_PASSWORD"].into_iter().filter(|_| self.admin) {
            set(&format!("KIRC_KAFKA_{name}"), self.get(&format!("{kafka}_{name}")).to_owned());
        }
        set("KIRC_VALKEY", self.get(valkey).to_owned());
        set("KIRC_POSTGRES", self.get(postgres).to_owned());
        set("KIRC_CA", self.get("KIRC_CA").to_owned());
        // Tests are not to wait for a budget; the one about it sets it.
        set("KIRC_BUDGET", "0".to_owned());
        let random = &self.random;
        set("KIRC_KAFKA_TOPICS", format!("{{kind}}-{random}-{{user}}"));
        set("KIRC_KAFKA_LOG", format!("data-out-{random}"));
        set("KIRC_VALKEY_PREFIX", format!("{prefix}{random}:"));
        set("KIRC_POSTGRES_SCHEMA", format!("kirc_{random}_{profile}"));
        all
    }

    /// A client's settings for a cluster: the administrator's login, or another one.
    pub fn kafka(&self, cluster: Cluster, login: Option<(&str, &str)>) -> ClientConfig {
        let kafka = if cluster == Cluster::First { "KIRC_KAFKA" } else { "KIRC_KAFKA2" };
        let (user, password) =
            (self.get(&format!("{kafka}_ADMIN_USER")), self.get(&format!("{kafka}_ADMIN_PASSWORD")));
        let (user, password) = login.unwrap_or((user, password));
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.get(kafka))
            .set("security.protocol", "sasl_ssl")
            .set("sasl.mechanism", "SCRAM-SHA-512")
            .set("sasl.username", user)
            .set("sasl.password", password)
            .set("ssl.ca.location", self.get("KIRC_CA"));
        config
    }

    /// The topics of this world on a cluster.
    pub fn topics(&self, cluster: Cluster) -> Vec<String> {
        self.all_topics(cluster).into_iter().filter(|name| name.contains(&self.random)).collect()
    }

    /// The topics of everybody.
    pub fn all_topics(&self, cluster: Cluster) -> Vec<String> {
        let consumer: BaseConsumer = self.kafka(cluster, None).create().expect("settings of Kafka");
        let told = consumer.fetch_metadata(None, Duration::from_secs(10)).expect("Kafka's topics");
        told.topics().iter().map(|t| t.name().to_owned()).collect()
    }

    /// An administrator of a cluster.
    pub fn admin(&self, cluster: Cluster) -> AdminClient<DefaultClientContext> {
        self.kafka(cluster, None).create().expect("settings of Kafka")
    }

    /// Deletes the topics of this world, as a cloud does that loses them.
    pub async fn delete_topics(&self, cluster: Cluster) {
        let names = self.topics(cluster);
        if !names.is_empty() {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let done = self.admin(cluster).delete_topics(&names, &AdminOptions::new()).await;
            done.expect("topics can be deleted");
        }
    }

    /// An administrator of a cluster, as kirc has one.
    pub fn hand(&self, cluster: Cluster) -> Admin {
        let kafka = if cluster == Cluster::First { "KIRC_KAFKA" } else { "KIRC_KAFKA2" };
        self.hand_of(
            cluster,
            self.get(&format!("{kafka}_ADMIN_USER")),
            self.get(&format!("{kafka}_ADMIN_PASSWORD")),
        )
    }

    /// The same as somebody else.
    pub fn hand_of(&self, cluster: Cluster, user: &str, password: &str) -> Admin {
        let kafka = if cluster == Cluster::First { "KIRC_KAFKA" } else { "KIRC_KAFKA2" };
        let settings = KafkaSettings {
            bootstrap: self.get(kafka).to_owned(),
            security: Security::SaslSsl,
            user: user.to_owned(),
            password: Secret::new(password),
            ca: std::fs::read_to_string(self.get("KIRC_CA")).expect("the CA"),
            ..KafkaSettings::default()
        };
        Admin::open(settings).expect("settings of Kafka")
    }

    /// Takes away the rules at topics of this world, and users that kirc made for contacts.
    async fn delete_users(&self, cluster: Cluster) {
        let hand = self.hand(cluster);
        let rules = hand.describe_acls(None).await.expect("rules");
        let ours: Vec<Acl> = rules.into_iter().filter(|acl| acl.name.contains(&self.random)).collect();
        hand.delete_acls(&ours).await.expect("rules can be deleted");
        let users = ours.iter().filter_map(|acl| acl.principal.strip_prefix("User:kirc-peer-"));
        for user in users.collect::<BTreeSet<_>>() {
            let done = hand.delete_scram_user(&format!("kirc-peer-{user}"), Mechanism::ScramSha512).await;
            done.expect("a user can be deleted");
        }
    }

    /// A client of a PostgreSQL, as the profiles' user.
    pub async fn postgres(&self, cluster: Cluster) -> Option<tokio_postgres::Client> {
        let name = if cluster == Cluster::First { "KIRC_POSTGRES" } else { "KIRC_POSTGRES2" };
        if self.get(name).is_empty() {
            return None;
        }
        Some(self.postgres_at(self.get(name)).await.expect("PostgreSQL is there"))
    }

    /// A client of the PostgreSQL at an address.
    pub async fn postgres_at(&self, uri: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let uri = uri.split('?').next().unwrap_or_default();
        let mut config: tokio_postgres::Config = uri.parse().expect("the address of PostgreSQL");
        config.ssl_mode(tokio_postgres::config::SslMode::Require);
        let tls = tls::client(Some(&Ca::File(self.get("KIRC_CA").into())), Check::Full).expect("TLS");
        let tls = tokio_postgres_rustls::MakeRustlsConnect::new(tls);
        let (client, connection) = config.connect(tls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Empties the Valkey while it runs.
    pub fn flush_valkey(&self) {
        let place = self.get("KIRC_VALKEY_PLAIN").rsplit('@').next().expect("where it is");
        let admin =
            self.get("KIRC_VALKEY_ADMIN").split('@').next().and_then(|login| login.rsplit(':').next());
        let mut link = TcpStream::connect(place).expect("Valkey is there");
        write!(link, "AUTH {}\r\nFLUSHALL\r\nQUIT\r\n", admin.expect("a password")).expect("it listens");
        let mut said = String::new();
        link.read_to_string(&mut said).expect("it answers");
        assert_eq!(said, "+OK\r\n+OK\r\n+OK\r\n");
    }

    /// The schemas of this world.
    pub async fn schemas(&self, client: &tokio_postgres::Client) -> Vec<String> {
        let like = format!("kirc\\_{}\\_%", self.random);
        let all = "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE $1";
        let rows = client.query(all, &[&like]).await.expect("schemas");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Takes away what a world made. Keys in a Valkey end by themselves.
    async fn tidy(&self, cluster: Cluster) {
        self.delete_topics(cluster).await;
        self.delete_users(cluster).await;
        if let Some(client) = self.postgres(cluster).await {
            for schema in self.schemas(&client).await {
                let done = client.batch_execute(&format!("DROP SCHEMA \"{schema}\" CASCADE")).await;
                done.expect("a schema can be dropped");
            }
        }
    }

    /// The same from where one can't wait; trouble is told and no more.
    pub fn tidy_up(&self, clusters: &[Cluster]) {
        let (me, clusters) = (self.clone(), clusters.to_vec());
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                for cluster in clusters {
                    tokio::time::timeout(TIDY, me.tidy(cluster)).await?;
                }
                Ok::<_, std::io::Error>(())
            })
        };
        if !matches!(std::thread::spawn(work).join(), Ok(Ok(()))) {
            eprintln!("left behind: names with {} on the services", self.random);
        }
    }
}

/// Letters and digits that no other world has.
fn random() -> String {
    let nanos = UNIX_EPOCH.elapsed().map_or(0, |d| d.as_nanos());
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("t{:x}x{:x}x{count}", nanos / 1000 % (1 << 36), std::process::id())
}

/// A hand on users and rules of a cluster, through the adapter.
pub fn administration(services: &Services, cluster: Cluster) -> kirc::mailbox::Admin {
    let kafka = if cluster == Cluster::First { "KIRC_KAFKA" } else { "KIRC_KAFKA2" };
    let settings = kirc::mailbox::KafkaSettings {
        bootstrap: services.get(kafka).to_owned(),
        security: kirc::mailbox::Security::SaslSsl,
        user: services.get(&format!("{kafka}_ADMIN_USER")).to_owned(),
        password: kirc::config::Secret::new(services.get(&format!("{kafka}_ADMIN_PASSWORD"))),
        ca: std::fs::read_to_string(services.get("KIRC_CA")).expect("the CA"),
        ..kirc::mailbox::KafkaSettings::default()
    };
    kirc::mailbox::Admin::open(settings).expect("an administrator")
}
