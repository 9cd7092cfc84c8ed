//! The grids that a node uses: its home grid, which is always open, and other grids, which are
//! opened when needed and closed when idle.
//!
//! This module owns the timing. The core says how a grid is reached; [`Abroad`] knows what that
//! means.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use kirc_core::port::{PortError, Topic};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::mailbox::Mailbox;
use crate::ports::{Pending, ready};
use crate::remote_grids::{Abroad, Foreign};
use crate::signals::{Published, Signals};

/// How long a grid that nobody reads may be unused before it is closed.
const IDLE: Duration = Duration::from_secs(300);
/// What was published on other grids and waits for the node.
const WAITING: usize = 1_024;
/// How long after a failure topics are made again, and for how long that goes on.
const AGAIN: Duration = Duration::from_millis(200);
const AT_MOST: Duration = Duration::from_secs(5);
const TRIES: u32 = 20;

struct Open {
    mailbox: Arc<dyn Mailbox>,
    signals: Option<Arc<dyn Signals>>,
    used: Instant,
    /// Somebody listens to its signals: it stays open.
    listens: bool,
}

/// All grids.
pub(super) struct Grids {
    home: String,
    mailbox: Arc<dyn Mailbox>,
    signals: Arc<dyn Signals>,
    abroad: Arc<dyn Abroad>,
    ways: HashMap<String, Value>,
    open: HashMap<String, Open>,
    published: mpsc::Sender<(String, Published)>,
    /// Topics on the home grid that were asked for, with their partitions.
    topics: BTreeMap<String, u32>,
}

impl Grids {
    /// The home grid; what is published on others comes by the receiver.
    pub fn new(
        mailbox: Arc<dyn Mailbox>,
        signals: Arc<dyn Signals>,
        abroad: Arc<dyn Abroad>,
    ) -> (Self, mpsc::Receiver<(String, Published)>) {
        let (published, heard) = mpsc::channel(WAITING);
        let home = mailbox.cluster().to_owned();
        let (ways, open) = (HashMap::new(), HashMap::new());
        let topics = BTreeMap::new();
        (Self { home, mailbox, signals, abroad, ways, open, published, topics }, heard)
    }

    /// The id of the home grid.
    pub fn home(&self) -> &str {
        &self.home
    }

    /// Who makes and ends ways.
    pub fn abroad(&self) -> &Arc<dyn Abroad> {
        &self.abroad
    }

    /// A grid is reached in this way from now on. `true` if it was open in another way: its readers
    /// move.
    pub fn reach(&mut self, cluster: String, way: Value) -> bool {
        let changed = self.ways.get(&cluster).is_some_and(|old| *old != way);
        self.ways.insert(cluster.clone(), way);
        // One that is reached as before stays open.
        let old = if changed { self.open.remove(&cluster) } else { None };
        old.map(close).is_some()
    }

    /// The mailbox service of a cluster.
    pub fn mailbox(&mut self, cluster: &str) -> Result<Arc<dyn Mailbox>, PortError> {
        if cluster == self.home {
            return Ok(self.mailbox.clone());
        }
        self.opened(cluster).map(|o| o.mailbox.clone())
    }

    /// Makes a topic that is not there.
    pub fn create(&mut self, topic: &Topic, partitions: u32) -> Pending<()> {
        if topic.cluster == self.home {
            self.topics.insert(topic.name.clone(), partitions);
        }
        match self.mailbox(&topic.cluster) {
            Ok(mailbox) => mailbox.create_topics(std::slice::from_ref(&topic.name), partitions),
            Err(error) => ready(Err(error)),
        }
    }

    /// The home grid's mailbox was away and may have lost topics (a cloud that was powered off):
    /// they are made again.
    pub fn create_again(&self) {
        if self.topics.is_empty() {
            return;
        }
        let (mailbox, topics) = (self.mailbox.clone(), self.topics.clone());
        tokio::spawn(async move {
            let mut pause = AGAIN;
            for (name, partitions) in topics {
                let names = [name];
                for _ in 0..TRIES {
                    let Err(error) = mailbox.create_topics(&names, partitions).await else { break };
                    tracing::warn!(topic = names[0], %error, "a channel's topic can't be made");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(AT_MOST);
                }
            }
        });
    }

    /// The signals of a grid.
    pub fn signals(&mut self, cluster: &str) -> Result<Arc<dyn Signals>, PortError> {
        if cluster == self.home {
            return Ok(self.signals.clone());
        }
        let open = self.opened(cluster)?;
        open.listens = true;
        let none = || PortError(format!("how to reach the signals of {cluster} is not known"));
        open.signals.clone().ok_or_else(none)
    }

    fn opened(&mut self, cluster: &str) -> Result<&mut Open, PortError> {
        if !self.open.contains_key(cluster) {
            let way = self.ways.get(cluster);
            let way = way.ok_or_else(|| PortError(format!("no way to the cluster {cluster} is known")))?;
            let Foreign { mailbox, signals } = self.abroad.open(cluster, way)?;
            let signals = signals.map(|(signals, heard)| {
                tokio::spawn(forward(cluster.to_owned(), heard, self.published.clone()));
                signals
            });
            let open = Open { mailbox, signals, used: Instant::now(), listens: false };
            self.open.insert(cluster.to_owned(), open);
        }
        let none = || PortError(format!("the cluster {cluster} was closed"));
        let open = self.open.get_mut(cluster).ok_or_else(none)?;
        open.used = Instant::now();
        Ok(open)
    }

    /// Closes what nobody has used for a while. `read` says which clusters are read.
    pub fn close_idle(&mut self, read: impl Fn(&str) -> bool) {
        let idle = |(cluster, open): &(&String, &Open)| {
            !open.listens && !read(cluster) && open.used.elapsed() > IDLE
        };
        let idle: Vec<String> = self.open.iter().filter(idle).map(|(c, _)| c.clone()).collect();
        for cluster in idle {
            tracing::debug!(cluster, "a grid that was not used is closed");
            if let Some(open) = self.open.remove(&cluster) {
                close(open);
            }
        }
    }

    /// Closes everything; the outcomes are to be awaited.
    pub fn close(&mut self) -> Vec<Pending<()>> {
        let mut closing = vec![self.signals.close(), self.mailbox.close()];
        for (_, open) in self.open.drain() {
            closing.push(open.mailbox.close());
            closing.extend(open.signals.map(|s| s.close()));
        }
        closing
    }
}

fn close(open: Open) {
    let (mailbox, signals) = (open.mailbox.close(), open.signals.map(|s| s.close()));
    tokio::spawn(async move {
        let _ = mailbox.await;
        if let Some(signals) = signals {
            let _ = signals.await;
        }
    });
}

async fn forward(
    cluster: String,
    mut heard: mpsc::Receiver<Published>,
    published: mpsc::Sender<(String, Published)>,
) {
    while let Some(event) = heard.recv().await {
        if published.send((cluster.clone(), event)).await.is_err() {
            return;
        }
    }
}
