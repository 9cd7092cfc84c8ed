//! A node in this process: profile, services, driver and socket, started and stopped in order.
//!
//! This module owns the order of startup and shutdown. It makes no decisions about channels.

use std::sync::Arc;
use std::time::Duration;

use kirc_core::identity::Identity;
use kirc_core::names::Nick;
use kirc_core::node::{self, Node, NodeError};
use kirc_core::port::PortError;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::attach::{AttachError, Host, Lock, bind, serve};
use crate::config::{Config, Settings};
use crate::driver::{self, Driver, Hub, Ports, now};
use crate::mailbox::Mailbox;
use crate::profile::{self, ProfileError};
use crate::services::{self, Services, ServicesError};

/// How long the start waits for topics to be made; after that it goes on, and they are made as soon
/// as that is possible.
const TOPICS: Duration = Duration::from_secs(2);

/// How long what the node said last may take to reach doors behind the socket.
const GUESTS: Duration = Duration::from_millis(200);

/// Why a node can't start. The text is a sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The profile can't be opened.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A service can't be opened.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The services that it stands on can't be opened.
    #[error(transparent)]
    Services(#[from] ServicesError),
    /// The node refuses what its store holds.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The socket can't be made.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The system refused a timer.
    #[error("the system gives no timer: {0}")]
    Timer(std::io::Error),
}

/// A node that runs here. The lock is given back when it has stopped.
pub struct NodeHost {
    driver: Driver,
    stop: CancellationToken,
    server: JoinHandle<()>,
    socket: std::path::PathBuf,
    lock: Lock,
}

impl NodeHost {
    /// Starts the node of a profile.
    pub async fn start(config: &Config, identity: Identity, lock: Lock) -> Result<Self, HostError> {
        let settings = &config.settings;
        let nick = settings.nick.clone().ok_or(ProfileError::NoNick)?;
        let seed = profile::seed()?;
        let services = services::open(config, &identity).await?;
        let node_config = node_config(settings, nick, &services);
        let Services { mailbox, signals, published, store, abroad, .. } = services;
        let snapshot = store.load().await?;
        let stop = CancellationToken::new();
        make_topics(&mailbox, &node_config, stop.clone()).await;
        let node = Node::restore(node_config, identity, &snapshot, seed, now())?;
        drop(snapshot);
        let ports = Ports { mailbox, signals, published, store, abroad };
        let driver = driver::start(node, ports).map_err(HostError::Timer)?;
        let socket = config.paths.socket();
        let listener = match bind(&socket) {
            Ok(listener) => listener,
            Err(source) => {
                driver.stop().await;
                return Err(AttachError::Socket { path: socket, source }.into());
            }
        };
        let server = tokio::spawn(serve(listener, driver.hub(), stop.clone()));
        tracing::info!(profile = config.paths.profile_name(), "the node runs");
        Ok(Self { driver, stop, server, socket, lock })
    }
}

impl Host for NodeHost {
    type Node = Hub;

    fn node(&self) -> Hub {
        self.driver.hub()
    }

    async fn stop(self) {
        // First the socket: who comes now finds the lock when it is free, not a node that is about
        // to end. It is gone before the lock is: who takes the lock next makes its own.
        self.stop.cancel();
        let _ = std::fs::remove_file(&self.socket);
        self.driver.stop().await;
        let _ = tokio::time::timeout(GUESTS, self.server).await;
        drop(self.lock);
        tracing::info!("the node has ended");
    }
}

/// What the node is told about itself.
fn node_config(settings: &Settings, nick: Nick, services: &Services) -> node::Config {
    let (home, address) = (services.home.clone(), services.address.clone());
    node::Config {
        peer_way: services.peer_way.clone(),
        read_receipts: settings.read_receipts,
        send_typing: settings.send_typing,
        lease: settings.lease,
        challenge: settings.challenge,
        ack_timeout: settings.patience,
        epoch_messages: settings.epoch_messages,
        epoch_age: settings.epoch_age,
        clock_skew: settings.clock_skew,
        ..node::Config::new(nick, address, home)
    }
}

/// Makes the node's topics; if that takes long it goes on behind the start. A service that was away
/// may have lost them (a cloud that was powered off), so they are made again whenever it comes
/// back.
async fn make_topics(mailbox: &Arc<dyn Mailbox>, config: &node::Config, stop: CancellationToken) {
    let topics = Node::topics(config);
    let keeper = mailbox.clone();
    let mut health = mailbox.health();
    let (first, made) = tokio::sync::oneshot::channel();
    let keep = async move {
        make_all(&keeper, &topics).await;
        let _ = first.send(());
        // Whatever changed: that it was away for a moment may never have been seen.
        while health.changed().await.is_ok() {
            if health.borrow_and_update().up {
                make_all(&keeper, &topics).await;
            }
        }
    };
    tokio::spawn(async move {
        tokio::select! {
            () = keep => {}
            () = stop.cancelled() => {}
        }
    });
    let _ = tokio::time::timeout(TOPICS, made).await;
}

async fn make_all(mailbox: &Arc<dyn Mailbox>, topics: &[(String, u32)]) {
    let mut pause = Duration::from_millis(100);
    for (name, partitions) in topics {
        let names = [name.clone()];
        while let Err(error) = mailbox.create_topics(&names, *partitions).await {
            tracing::warn!(topic = name, %error, "a topic can't be made");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }
}
