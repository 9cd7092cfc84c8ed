//! A large channel on real services: the time from a kick until the last member can read the next
//! message.
//!
//! The nodes are in this process and share its connections to Kafka; each has its own identity,
//! store and mailbox.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use kirc_core::Envelope;
use kirc_core::identity::Identity;
use kirc_core::names::Nick;
use kirc_core::node::{self, Home, Node};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::folder::Folder;
use super::place::Place;
use crate::config::Config;
use crate::driver::{self, Driver, Ports, now};
use crate::mailbox::{KafkaMailbox, Mailbox};
use crate::remote_grids::HereOnly;
use crate::services::{self, PARTITIONS, kafka};
use crate::session::{Attach, Session};
use crate::signals::ValkeySignals;
use crate::store::{EmbeddedStore, Store};
use crate::{config, profile};

const CHANNEL: &str = "#crowd";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many join at once.
const DOOR: usize = 8;

/// Fills a channel, kicks one, and says something: until when has the last member read that?
pub async fn kick(place: &Place, members: usize) -> anyhow::Result<Duration> {
    let (Some(config), Some(cluster)) = (place.real_config(), place.cluster()) else {
        bail!("there are no real services");
    };
    let folder = Folder::new()?;
    let mailbox: Arc<dyn Mailbox> = Arc::new(KafkaMailbox::open(kafka::owner(config)?, cluster.to_owned())?);
    let mut drivers = Vec::new();
    let mut seats = Vec::new();
    let mut joining: JoinSet<anyhow::Result<Seat>> = JoinSet::new();
    for number in 0..members {
        let driver = start(place, config, &folder, &mailbox, number).await?;
        let hub = driver.hub();
        drivers.push(driver);
        if number == 0 {
            // Who founds the channel has the right to kick.
            seats.push(join(hub).await?);
            continue;
        }
        while joining.len() >= DOOR {
            seats.extend(joining.join_next().await.transpose()?.transpose()?);
        }
        joining.spawn(join(hub));
    }
    while let Some(joined) = joining.join_next().await {
        seats.push(joined??);
    }
    let mut seats = seats.into_iter();
    let op = seats.next().context("nobody founded the channel")?;
    let mut waiting: JoinSet<bool> = seats
        .map(|Seat { to_node, reads }| async move {
            let read = reads.await.unwrap_or(false);
            // Held until then: a node takes a door that nobody can speak through as gone.
            drop(to_node);
            read
        })
        .collect();
    let begin = Instant::now();
    op.to_node.send(Envelope::new("KICK").to(CHANNEL).param(nick(1)).line("out")).await?;
    op.to_node.send(Envelope::new("PRIVMSG").to(CHANNEL).line("who can read this?")).await?;
    let mut heard = 0;
    let all = async {
        while let Some(read) = waiting.join_next().await {
            heard += usize::from(read.unwrap_or(false));
            if heard + 2 >= members {
                return;
            }
        }
    };
    timeout(PATIENCE, all).await.context("some members never had the new key")?;
    let took = begin.elapsed();
    if heard + 2 < members {
        bail!("{heard} of {} members had the new key", members - 2);
    }
    futures_util::future::join_all(drivers.into_iter().map(Driver::stop)).await;
    Ok(took)
}

fn nick(number: usize) -> String {
    format!("n{number}")
}

async fn start(
    place: &Place,
    config: &Config,
    folder: &Folder,
    mailbox: &Arc<dyn Mailbox>,
    number: usize,
) -> anyhow::Result<Driver> {
    let identity = Identity::generate(&mut profile::rng()?, 2048);
    let settings = &config.settings;
    let cluster = mailbox.cluster().to_owned();
    let address = services::address(identity.actor(), &cluster, &settings.kafka_topics);
    let home = Home { cluster, log: settings.kafka_log.clone(), partitions: PARTITIONS };
    let dir = folder.path().join(nick(number));
    config::make_private_dir(&dir)?;
    let store = EmbeddedStore::open(&dir)?;
    let snapshot = store.load().await?;
    let name = Nick::parse(&nick(number)).map_err(|e| anyhow::anyhow!("{e}"))?;
    let node_config = node::Config::new(name, address, home);
    let topics = Node::topics(&node_config);
    let names: Vec<String> = topics.into_iter().map(|(name, _)| name).collect();
    mailbox.create_topics(&names, PARTITIONS).await?;
    place.made(names).await;
    let (signals, published) = ValkeySignals::open(&services::valkey(config)?)?;
    let node = Node::restore(node_config, identity, &snapshot, profile::seed()?, now())?;
    let ports = Ports {
        mailbox: mailbox.clone(),
        signals: Arc::new(signals),
        published,
        store: Arc::new(store),
        abroad: Arc::new(HereOnly),
    };
    driver::start(node, ports).context("the system gives no timer")
}

/// Somebody in the channel.
struct Seat {
    to_node: mpsc::Sender<Envelope>,
    /// Whether it has read a message.
    reads: JoinHandle<bool>,
}

async fn join(hub: driver::Hub) -> anyhow::Result<Seat> {
    let Session { to_node, mut from_node } = hub.attach().await.context("a node has ended")?;
    to_node.send(Envelope::new("HELLO").meta("caps", Vec::<Value>::new())).await?;
    to_node.send(Envelope::new("JOIN").to(CHANNEL)).await?;
    let joined = timeout(PATIENCE, async {
        while let Some(heard) = from_node.recv().await {
            if heard.command == "366" {
                return true;
            }
        }
        false
    });
    match joined.await {
        Ok(true) => {}
        _ => bail!("a node could not join {CHANNEL}"),
    }
    // Read from now on: a door that is not read is closed.
    let reads = tokio::spawn(async move {
        while let Some(heard) = from_node.recv().await {
            if heard.command == "PRIVMSG" {
                return true;
            }
        }
        false
    });
    Ok(Seat { to_node, reads })
}
