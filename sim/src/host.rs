//! A simulated machine with one node: what survives a crash (store, clocks) and what does not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kirc_core::crypto::ChannelKey;
use kirc_core::identity::{Address, Card, Identity};
use kirc_core::ids::Offset;
use kirc_core::names::Nick;
use kirc_core::node::{Config, Home, Node};
use kirc_core::port::{Effect, Input, Now, Service, SessionId, Topic};
use serde_json::{Map, Value};

use crate::keys;
use crate::store::Store;

/// The clusters, by their ids. Most runs know the first only.
pub const CLUSTERS: [&str; 2] = ["grid", "abroad"];
/// The topic of the channels' logs.
pub const LOG: &str = "data-out-grid";
/// The same where each channel has one of its own.
pub const LOG_EACH: &str = "data-out-grid-{channel}";
/// Partitions of each topic.
pub const PARTITIONS: u32 = 2;
/// When runs begin: milliseconds since 1970.
pub const EPOCH: u64 = 1_790_000_000_000;
/// The people.
pub const NICKS: [&str; 7] = ["alice", "bob", "carol", "dave", "erin", "frank", "grace"];

/// Whether a topic holds logs, whatever the plan says of them.
pub fn is_log(topic: &str) -> bool {
    topic.starts_with(LOG)
}

/// The cluster of this id.
pub fn cluster_of(id: &str) -> usize {
    CLUSTERS.iter().position(|c| *c == id).expect("nodes know of no other cluster")
}

/// A reader of one partition.
pub struct Reader {
    /// Which of all readers ever: what was asked of an earlier one is not delivered.
    pub id: u64,
    /// The next offset.
    pub next: Offset,
    /// Whether it has found its place.
    pub placed: bool,
    /// Whether a look is on its way.
    pub looking: bool,
}

/// A machine.
pub struct Host {
    /// Its number.
    pub index: usize,
    /// Its owner's nick.
    pub nick: &'static str,
    /// The owner's identity, for the eyes of the simulation.
    pub identity: Identity,
    /// The process, if it runs.
    pub node: Option<Node>,
    /// Which life of the process: outcomes for an earlier one get lost.
    pub life: u64,
    /// What survives.
    pub store: Store,
    /// What it reads.
    pub readers: BTreeMap<Topic, Reader>,
    /// Its wall clock against the true time, ms.
    pub wall: i64,
    /// Its monotonic clock's start.
    pub boot: u64,
    /// Until when it stands still.
    pub paused: Option<u64>,
    /// What came in while it stood still.
    pub inbox: VecDeque<Input>,
    /// What it was about to do when it stopped.
    pub halted: Vec<Effect>,
    /// The cluster that its mailbox is on.
    pub home: usize,
    /// The other clusters that the process was told how to reach.
    pub ways: BTreeSet<String>,
    /// Cut off from each cluster's mailbox service, by so many partitions at once.
    pub cut_mailbox: [u32; CLUSTERS.len()],
    /// Cut off from each cluster's signal service.
    pub cut_signals: [u32; CLUSTERS.len()],
    /// Clusters, and pub/sub channels there, that it listens to.
    pub listens: BTreeSet<(usize, String)>,
    /// The session of its owner in this life.
    pub session: SessionId,
    /// When it wants to be woken (virtual time), if that is scheduled.
    pub wake: Option<u64>,
    /// Wakes in a row at one moment: a node that spins is found out.
    pub spins: u32,
    /// When its last append to a partition lands: one producer's appends don't overtake each other.
    pub landing: BTreeMap<Topic, u64>,
    /// When it hears that its last append to a partition has landed.
    pub acked: BTreeMap<Topic, u64>,
    /// When the last answer of each signal service comes.
    pub signalled: [u64; CLUSTERS.len()],
    /// Its next effects end in a crash.
    pub doomed: bool,
    /// Its next effects are interrupted by a pause of so many ms.
    pub drowsy: Option<u64>,
    /// It was told to end in order.
    pub stopping: bool,
}

impl Host {
    /// A machine that was never switched on.
    pub fn new(index: usize, home: usize, boot: u64) -> Self {
        Self {
            index,
            nick: NICKS[index % NICKS.len()],
            identity: keys::identity(index),
            node: None,
            life: 0,
            store: Store::default(),
            readers: BTreeMap::new(),
            wall: 0,
            boot,
            paused: None,
            inbox: VecDeque::new(),
            halted: Vec::new(),
            home,
            ways: BTreeSet::new(),
            cut_mailbox: [0; CLUSTERS.len()],
            cut_signals: [0; CLUSTERS.len()],
            listens: BTreeSet::new(),
            session: SessionId(0),
            wake: None,
            spins: 0,
            landing: BTreeMap::new(),
            acked: BTreeMap::new(),
            signalled: [0; CLUSTERS.len()],
            doomed: false,
            drowsy: None,
            stopping: false,
        }
    }

    /// The address of its mailbox.
    pub fn address(&self) -> Address {
        let topic = |kind: &str| format!("{kind}-{}", self.nick);
        Address {
            cluster: CLUSTERS[self.home].to_owned(),
            data_in: topic("data-in"),
            data_out: topic("data-out"),
            rpc_in: topic("rpc-in"),
            rpc_out: topic("rpc-out"),
        }
    }

    /// Its owner's card.
    pub fn card(&self) -> Card {
        let nick = Nick::parse(self.nick).expect("it is a nick");
        Card::create(&self.identity, &nick, &self.address(), Map::new(), 1)
    }

    /// What its node is told. `log` names the topic of the channels' logs.
    pub fn config(&self, log: &str) -> Config {
        Config::new(
            Nick::parse(self.nick).expect("it is a nick"),
            self.address(),
            Home { cluster: CLUSTERS[self.home].to_owned(), log: log.to_owned(), partitions: PARTITIONS },
        )
    }

    /// What its clocks show at a moment.
    pub fn clocks(&self, now: u64) -> Now {
        Now { wall: (EPOCH + now).saturating_add_signed(self.wall), mono: self.boot + now }
    }

    /// Everything that a crash takes with it.
    pub fn lose(&mut self) {
        self.node = None;
        self.life += 1;
        self.readers.clear();
        self.paused = None;
        self.inbox.clear();
        self.halted.clear();
        self.ways.clear();
        self.listens.clear();
        self.wake = None;
        self.landing.clear();
        self.acked.clear();
        self.doomed = false;
        self.drowsy = None;
        self.stopping = false;
    }

    /// All channel keys among what the node put as a key: whatever has the size of one.
    pub fn channel_keys<'a>(&self, sealed: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<ChannelKey> {
        let mut found = BTreeSet::new();
        for sealed in sealed {
            let plain = self.identity.open_local(sealed).unwrap_or_else(|_| sealed.clone());
            if let Ok(key) = <[u8; 32]>::try_from(plain.as_slice()) {
                found.insert(key);
            } else if let Ok(value) = serde_json::from_slice(&plain) {
                collect_keys(&value, &mut found);
            }
        }
        found.into_iter().map(ChannelKey::from_bytes).collect()
    }

    /// Whether a service of a cluster is out of its reach: cut off, or nobody has said how to get
    /// there.
    pub fn cut(&self, service: Service, cluster: usize) -> bool {
        let cuts = match service {
            Service::Mailbox => self.cut_mailbox[cluster],
            Service::Signals => self.cut_signals[cluster],
            Service::Store => 0,
        };
        cuts > 0 || (cluster != self.home && !self.ways.contains(CLUSTERS[cluster]))
    }

    /// Whether a topic is out of its reach.
    pub fn cut_topic(&self, topic: &Topic) -> bool {
        self.cut(Service::Mailbox, cluster_of(&topic.cluster))
    }

    /// Whether a process is there and moves.
    pub fn awake(&self) -> bool {
        self.node.is_some() && self.paused.is_none()
    }
}

fn collect_keys(value: &Value, found: &mut BTreeSet<[u8; 32]>) {
    match value {
        Value::String(text) => {
            let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).unwrap_or_default();
            found.extend(<[u8; 32]>::try_from(bytes));
        }
        Value::Array(list) => {
            let bytes: Option<Vec<u8>> =
                list.iter().map(|v| v.as_u64().and_then(|n| u8::try_from(n).ok())).collect();
            match bytes.and_then(|b| <[u8; 32]>::try_from(b).ok()) {
                Some(key) => {
                    found.insert(key);
                }
                None => list.iter().for_each(|v| collect_keys(v, found)),
            }
        }
        Value::Object(map) => map.values().for_each(|v| collect_keys(v, found)),
        _ => {}
    }
}
