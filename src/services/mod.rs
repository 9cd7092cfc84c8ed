//! The services that a profile's node uses, opened as its settings say: the embedded grid, or Kafka
//! and Valkey; a file, or PostgreSQL.
//!
//! This module owns that choice and what follows from it: topic names, the grid's id. It makes no
//! decisions about channels.

pub mod address;
pub mod kafka;
pub mod probe;
mod remote_grids;
mod way;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kirc_core::identity::{Address, Identity};
use kirc_core::ids::ActorId;
use kirc_core::node::Home;
use kirc_core::port::{PortError, Topic};
use tokio::sync::mpsc;

use crate::config::{Config, Secret, write_private};
use crate::embedded::{self, Grid};
use crate::mailbox::{KafkaMailbox, Mailbox, Paced, cluster_id};
use crate::remote_grids::{Abroad, HereOnly};
use crate::signals::{Published, Signals, ValkeySettings, ValkeySignals};
use crate::store::{EmbeddedStore, PostgresSettings, PostgresStore, Store, Trimmed};
use crate::tls::Ca;

pub use remote_grids::RealAbroad;
pub(crate) use remote_grids::{ROUNDS, random_password};
pub use way::Way;

/// The topic of the embedded grid that holds the channels' logs.
pub const LOG_TOPIC: &str = "data-out";
/// Partitions of each topic: two, which is what the cloud's free plan gives.
pub const PARTITIONS: u32 = 2;
/// How topics are called on the embedded grid.
const TOPICS: &str = "{kind}-{user}";
/// Bytes that are kept in a PostgreSQL if nothing else is said: of the 1 GB of a cloud's free plan,
/// with room for what is free but not yet used again, and for the server's own.
const HISTORY: u64 = 700 << 20;
/// How long a first start waits for Kafka.
const FIRST: Duration = Duration::from_secs(15);

/// Why services can't be opened. The text is a sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum ServicesError {
    /// A service, or its settings.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The grid's folder.
    #[error(transparent)]
    Grid(#[from] embedded::FileError),
    /// A file of the profile.
    #[error(transparent)]
    File(#[from] crate::config::FileError),
}

/// Everything that a node stands on.
#[derive(Debug)]
pub struct Services {
    /// The grid.
    pub home: Home,
    /// The node's own mailbox.
    pub address: Address,
    /// The mailbox service.
    pub mailbox: Arc<dyn Mailbox>,
    /// The signals.
    pub signals: Arc<dyn Signals>,
    /// What is published on them.
    pub published: mpsc::Receiver<Published>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The way to other grids.
    pub abroad: Arc<dyn Abroad>,
    /// How members of a channel reach the mailbox from other clusters.
    pub peer_way: Option<serde_json::Value>,
}

/// Opens what the settings say. Real services need not be there, but for the very first start.
pub async fn open(config: &Config, identity: &Identity) -> Result<Services, ServicesError> {
    let store = trimmed(config, open_store(config)?);
    if config.settings.kafka.is_none() {
        return embedded_grid(config, identity.actor(), store);
    }
    real_grid(config, identity.actor(), store).await
}

/// The store alone.
pub fn open_store(config: &Config) -> Result<Arc<dyn Store>, ServicesError> {
    match postgres(config)? {
        Some(settings) => Ok(Arc::new(PostgresStore::open(&settings)?)),
        None => Ok(Arc::new(EmbeddedStore::open(&config.paths.profile())?)),
    }
}

fn embedded_grid(config: &Config, actor: ActorId, store: Arc<dyn Store>) -> Result<Services, ServicesError> {
    embedded_on(&config.grid(), actor, store)
}

/// An embedded grid and a store in these folders.
pub fn embedded_at(grid: &Path, profile: &Path, actor: ActorId) -> Result<Services, ServicesError> {
    embedded_on(grid, actor, Arc::new(EmbeddedStore::open(profile)?))
}

fn embedded_on(grid: &Path, actor: ActorId, store: Arc<dyn Store>) -> Result<Services, ServicesError> {
    let grid = Grid::open(grid, embedded::Settings::default())?;
    let (signals, published) = grid.signals()?;
    let home = Home { cluster: grid.id().to_owned(), log: LOG_TOPIC.to_owned(), partitions: PARTITIONS };
    Ok(Services {
        address: address(actor, grid.id(), TOPICS),
        home,
        mailbox: Arc::new(grid.mailbox()?),
        signals: Arc::new(signals),
        published,
        store,
        abroad: Arc::new(HereOnly),
        peer_way: None,
    })
}

async fn real_grid(
    config: &Config,
    actor: ActorId,
    store: Arc<dyn Store>,
) -> Result<Services, ServicesError> {
    // What the settings lack is said before anything is asked.
    valkey(config)?;
    let cluster = cluster(config, &kafka::owner(config)?).await?;
    real_on(config, actor, cluster, store)
}

/// The services of these settings, on a cluster whose id is known.
pub fn real_at(config: &Config, actor: ActorId, cluster: String) -> Result<Services, ServicesError> {
    real_on(config, actor, cluster, open_store(config)?)
}

fn real_on(
    config: &Config,
    actor: ActorId,
    cluster: String,
    store: Arc<dyn Store>,
) -> Result<Services, ServicesError> {
    let settings = &config.settings;
    let owner = kafka::owner(config)?;
    let valkey = valkey(config)?;
    let home = Home { cluster: cluster.clone(), log: settings.kafka_log.clone(), partitions: PARTITIONS };
    let address = address(actor, &cluster, &settings.kafka_topics);
    let (signals, published) = ValkeySignals::open(&valkey)?;
    let abroad = RealAbroad::new(config, home.clone(), address.clone())?;
    let awake = Topic { cluster: cluster.clone(), name: address.data_out.clone(), partition: 0 };
    Ok(Services {
        peer_way: abroad.peer_way(),
        mailbox: paced(Arc::new(KafkaMailbox::open(owner, cluster)?), settings.budget, Some(awake)),
        home,
        address,
        signals: Arc::new(signals),
        published,
        store,
        abroad: Arc::new(abroad),
    })
}

/// A mailbox service at the pace of the budget. Keys, requests and answers wait for what people
/// say.
fn paced(mailbox: Arc<dyn Mailbox>, budget: u64, awake: Option<Topic>) -> Arc<dyn Mailbox> {
    match budget {
        0 => mailbox,
        rate => Paced::new(mailbox, rate, &["rpc-"], awake),
    }
}

/// The store, kept to the size that the settings say.
fn trimmed(config: &Config, store: Arc<dyn Store>) -> Arc<dyn Store> {
    Trimmed::new(store, history_limit(config))
}

/// How many bytes the store may keep: what is set, or what suits a cloud's free plan if it is
/// there.
pub fn history_limit(config: &Config) -> Option<u64> {
    let usual = config.settings.postgres.as_ref().map(|_| HISTORY);
    match config.settings.history_limit {
        None => usual,
        Some(0) => None,
        limit => limit,
    }
}

/// The grid's id: what the cluster calls itself. It is asked once and kept, so that a start needs
/// no broker; a cluster that is made anew keeps the name that its grid knows.
async fn cluster(config: &Config, owner: &crate::mailbox::KafkaSettings) -> Result<String, ServicesError> {
    let path = config.paths.cluster();
    if let Some((servers, id)) = read_cluster(&path).filter(|(servers, _)| *servers == owner.bootstrap) {
        tracing::debug!(servers, "the grid's id is known");
        return Ok(id);
    }
    let id = cluster_id(owner, FIRST).await?;
    write_private(&path, format!("{}\n{id}\n", owner.bootstrap).as_bytes())?;
    Ok(id)
}

/// Asks the cluster of these settings for its id; nothing is kept.
pub async fn ask_cluster(config: &Config) -> Result<String, PortError> {
    cluster_id(&kafka::owner(config)?, FIRST).await
}

fn read_cluster(path: &Path) -> Option<(String, String)> {
    let text = std::fs::read_to_string(path).ok()?;
    let mut lines = text.lines();
    Some((lines.next()?.to_owned(), lines.next().filter(|l| !l.is_empty())?.to_owned()))
}

/// Where the mailbox of an identity is: named after who it is, so that another nick does not move
/// it.
pub fn address(actor: ActorId, cluster: &str, template: &str) -> Address {
    let user: String = actor.to_string().chars().take(12).collect();
    let topic = |kind: &str| template.replace("{kind}", kind).replace("{user}", &user);
    Address {
        cluster: cluster.to_owned(),
        data_in: topic("data-in"),
        data_out: topic("data-out"),
        rpc_in: topic("rpc-in"),
        rpc_out: topic("rpc-out"),
    }
}

/// The certificates of the services, if any are set.
pub fn ca(config: &Config) -> Result<Option<String>, PortError> {
    config.settings.ca.as_deref().map(|path| pem(path, "KIRC_CA")).transpose()
}

fn ca_file(config: &Config) -> Option<Ca> {
    config.settings.ca.clone().map(Ca::File)
}

/// A PEM file that a setting names.
fn pem(path: &Path, name: &str) -> Result<String, PortError> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| PortError(format!("{name}: {} can't be read: {e}", path.display())))?;
    match text.contains("-----BEGIN ") {
        true => Ok(text),
        false => {
            Err(PortError(format!("{name}: {} holds no certificate or key in PEM form", path.display())))
        }
    }
}

/// What leads to the Valkey.
pub fn valkey(config: &Config) -> Result<ValkeySettings, PortError> {
    let Some(url) = config.settings.valkey.clone() else {
        let text = "KIRC_KAFKA is set and KIRC_VALKEY is not: a grid of real services needs both";
        return Err(PortError(text.to_owned()));
    };
    Ok(ValkeySettings { url, prefix: config.settings.valkey_prefix.clone(), ca: ca_file(config) })
}

/// Whether contacts are handed one's own login to the Valkey, because there is none for them.
pub fn lends_valkey(config: &Config) -> bool {
    let logs_in = |url: &Secret| url.expose().split_once("://").is_some_and(|(_, rest)| rest.contains('@'));
    config.settings.valkey_peer.is_none() && config.settings.valkey.as_ref().is_some_and(logs_in)
}

/// What leads to the PostgreSQL, if there is one.
pub fn postgres(config: &Config) -> Result<Option<PostgresSettings>, PortError> {
    let Some(uri) = config.settings.postgres.clone() else {
        return Ok(None);
    };
    let usual = || format!("kirc_{}", config.paths.profile_name());
    let schema = config.settings.postgres_schema.clone().unwrap_or_else(usual);
    Ok(Some(PostgresSettings { uri, schema, ca: ca_file(config) }))
}
