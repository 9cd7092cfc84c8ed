//! Three nodes on one grid: an author, a leader, a reader. Each has its own store and connections,
//! as if it were a separate process; the real driver drives each, through a wrapper that measures
//! the node's time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use kirc_core::Envelope;
use kirc_core::identity::Identity;
use kirc_core::ids::Millis;
use kirc_core::names::Nick;
use kirc_core::node::{self, Node};
use kirc_core::port::{Effect, Input, Now};
use serde_json::Value;
use tokio::time::timeout;

use super::place::Place;
use crate::driver::{self, Driver, Machine, Ports, now};
use crate::profile;
use crate::services::Services;
use crate::session::{Attach, Session};

/// The channel in which everything happens.
pub const CHANNEL: &str = "#bench";
/// How long joining may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// When a node began and ended to decide.
pub type Step = (Instant, Instant);

/// When the nodes decided; what lies between is their drivers and services.
#[derive(Debug, Default)]
pub struct Times {
    /// The author: from a `PRIVMSG` to effects.
    pub said: Vec<Step>,
    /// The leader: from a record in its `data-in` to the effects that put it into the log.
    pub relayed: Vec<Step>,
    /// The reader: from a record of the log to effects.
    pub read: Vec<Step>,
    /// Bytes of the last record of the log that the reader got.
    size: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    Author,
    Leader,
    Reader,
}

/// A node with a clock around it.
struct Timed {
    node: Node,
    part: Part,
    data_in: String,
    log: String,
    times: Arc<Mutex<Times>>,
}

impl Machine for Timed {
    fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Effect>) {
        let (counts, size) = match (&input, self.part) {
            (Input::Command { envelope, .. }, Part::Author) => (envelope.command == "PRIVMSG", 0),
            (Input::Record { topic, .. }, Part::Leader) => (topic.name == self.data_in, 0),
            (Input::Record { topic, record }, Part::Reader) => (topic.name == self.log, record.value.len()),
            _ => (false, 0),
        };
        let before = out.len();
        let since = Instant::now();
        Machine::handle(&mut self.node, now, input, out);
        if !counts {
            return;
        }
        let took = (since, Instant::now());
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        match self.part {
            Part::Author => times.said.push(took),
            Part::Leader => {
                let made = out.get(before..).unwrap_or_default();
                if made.iter().any(|e| matches!(e, Effect::Append { .. })) {
                    times.relayed.push(took);
                }
            }
            Part::Reader => {
                times.read.push(took);
                times.size = size;
            }
        }
    }
    fn next_wake(&self) -> Option<Millis> {
        Machine::next_wake(&self.node)
    }
}

/// The three, joined.
pub struct Stage {
    /// The author's door; what it hears is thrown away elsewhere.
    pub author: tokio::sync::mpsc::Sender<Envelope>,
    /// The reader's door.
    pub reader: Session,
    /// Messages that were sent.
    pub sent: u64,
    _leader: tokio::sync::mpsc::Sender<Envelope>,
    drivers: Vec<Driver>,
    times: Arc<Mutex<Times>>,
}

impl Stage {
    /// Starts them; the leader founds the channel, the others join, and a few messages warm them
    /// up.
    pub async fn open(place: &Place) -> anyhow::Result<Self> {
        let times = Arc::new(Mutex::new(Times::default()));
        let mut drivers = Vec::new();
        let mut seats = Vec::new();
        for (part, nick) in [(Part::Leader, "leader"), (Part::Reader, "reader"), (Part::Author, "author")] {
            let driver = start(place, part, nick, times.clone()).await?;
            seats.push(join(&driver, nick).await?);
            drivers.push(driver);
        }
        let (Some(author), Some(reader), Some(leader)) = (seats.pop(), seats.pop(), seats.pop()) else {
            bail!("a node is missing");
        };
        let mut stage =
            Self { author: drain(author), reader, sent: 0, _leader: drain(leader), drivers, times };
        for _ in 0..20 {
            super::talk::single(&mut stage).await?;
        }
        stage.take_times();
        Ok(stage)
    }

    /// Bytes of a record of the log.
    pub fn record_size(&self) -> usize {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.size
    }

    /// The times since they were last taken.
    pub fn take_times(&self) -> Times {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let size = times.size;
        std::mem::replace(&mut *times, Times { size, ..Times::default() })
    }

    /// Ends the nodes.
    pub async fn close(self) {
        for driver in self.drivers.into_iter().rev() {
            driver.stop().await;
        }
    }
}

async fn start(place: &Place, part: Part, nick: &str, times: Arc<Mutex<Times>>) -> anyhow::Result<Driver> {
    let identity = Identity::generate(&mut profile::rng()?, 2048);
    let services = place.services(identity.actor(), nick).await?;
    let Services { home, address, mailbox, signals, published, store, abroad, .. } = services;
    let snapshot = store.load().await?;
    let (data_in, log) = (address.data_in.clone(), home.log.clone());
    let nick = Nick::parse(nick).map_err(|e| anyhow::anyhow!("{e}"))?;
    let config = node::Config::new(nick, address, home);
    for (name, partitions) in Node::topics(&config) {
        mailbox.create_topics(&[name], partitions).await?;
    }
    let node = Node::restore(config, identity, &snapshot, profile::seed()?, now())?;
    let machine = Timed { node, part, data_in, log, times };
    let ports = Ports { mailbox, signals, published, store, abroad };
    driver::start(machine, ports).context("the system gives no timer")
}

async fn join(driver: &Driver, nick: &str) -> anyhow::Result<Session> {
    let attached = driver.hub().attach().await;
    let mut session = attached.context("a node has ended")?;
    let hello = Envelope::new("HELLO").meta("caps", Vec::<Value>::new());
    session.to_node.send(hello).await?;
    let join = Envelope::new("JOIN").to(CHANNEL);
    session.to_node.send(join).await?;
    let joined = timeout(PATIENCE, async {
        while let Some(heard) = session.from_node.recv().await {
            if heard.command == "366" {
                return true;
            }
        }
        false
    });
    match joined.await {
        Ok(true) => Ok(session),
        _ => bail!("{nick} could not join {CHANNEL}"),
    }
}

/// Throws away what a door hears.
fn drain(session: Session) -> tokio::sync::mpsc::Sender<Envelope> {
    let Session { to_node, mut from_node } = session;
    tokio::spawn(async move { while from_node.recv().await.is_some() {} });
    to_node
}
