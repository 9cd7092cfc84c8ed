//! The parameters of a run: how many nodes, how slow the services, which faults and how many. Drawn
//! from the seed.

use crate::host::{LOG, LOG_EACH};
use crate::people::CHANNELS;
use crate::rng::Dice;

/// A kind of run: which faults it leans on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// No faults: what must hold, must hold here first.
    Calm,
    /// Some of everything.
    Mixed,
    /// Crashes and restarts between effects.
    Crashes,
    /// Leaders (and others) that stand still and wake up late.
    Pauses,
    /// Partitions between nodes and services.
    Cuts,
    /// Appends that fail, land late or twice; slow reads.
    Appends,
    /// A signal service that forgets, fails and answers late.
    Signals,
    /// People who come, go, kick and change modes.
    Churn,
    /// One node tampers with what it relays.
    Hostile,
    /// The mailbox service comes back without its records.
    Vanishing,
    /// Two clusters, with the faults of the kind that the seed chooses.
    Clusters,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Calm,
        Self::Mixed,
        Self::Crashes,
        Self::Pauses,
        Self::Cuts,
        Self::Appends,
        Self::Signals,
        Self::Churn,
        Self::Hostile,
        Self::Vanishing,
        Self::Clusters,
    ];
    /// Those that differ by their faults, as seeds choose among them.
    const BY_FAULTS: usize = Self::ALL.len() - 1;

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Mixed => "mixed",
            Self::Crashes => "crashes",
            Self::Pauses => "pauses",
            Self::Cuts => "cuts",
            Self::Appends => "appends",
            Self::Signals => "signals",
            Self::Churn => "churn",
            Self::Hostile => "hostile",
            Self::Vanishing => "vanishing",
            Self::Clusters => "clusters",
        }
    }

    /// The kind of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }
}

/// How long something takes, in milliseconds: usually within a range, sometimes much longer.
#[derive(Debug, Clone, Copy)]
pub struct Delay {
    /// The shortest.
    pub min: u64,
    /// The longest that is usual.
    pub max: u64,
    /// How often (of 1,000) it takes longer.
    pub tail: u64,
    /// The longest of these.
    pub worst: u64,
}

impl Delay {
    /// One delay.
    pub fn draw(&self, dice: &mut Dice) -> u64 {
        if self.tail > 0 && dice.chance(self.tail) {
            dice.range(self.max, self.worst)
        } else {
            dice.range(self.min, self.max)
        }
    }
}

/// What happens how often, of 1,000 appends or signals.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rates {
    /// An append never lands; the producer is told so.
    pub lost: u64,
    /// An append fails and lands much later.
    pub stale: u64,
    /// An append lands, but its producer is told that it failed.
    pub unacked: u64,
    /// An append lands twice.
    pub twice: u64,
    /// A signal is not carried out, or its answer is lost.
    pub signal: u64,
    /// A published hint does not reach a listener.
    pub hint: u64,
}

/// How often each fault strikes in the whole run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Crashes, each at a random place among the effects of a node.
    pub crashes: u64,
    /// Ends in order, each followed by a new start.
    pub shutdowns: u64,
    /// Nodes that stand still for a while.
    pub pauses: u64,
    /// Partitions between a node and the mailbox service.
    pub cut_mailbox: u64,
    /// Partitions between a node and the signal service.
    pub cut_signals: u64,
    /// Losses of everything that the signal service holds.
    pub flushes: u64,
    /// Losses of one key.
    pub key_losses: u64,
    /// Jumps of a node's wall clock.
    pub jumps: u64,
    /// Forward jumps of the mailbox service's clock.
    pub service_jumps: u64,
    /// Spells without any signal service, for everybody.
    pub signal_outages: u64,
    /// Pauses of whoever leads, about as long as it takes to replace it.
    pub zombies: u64,
    /// Losses of everything that the mailbox service holds.
    pub vanishes: u64,
    /// Whether one node tampers with what it relays.
    pub hostile: bool,
}

/// How the people behave: weights of what they do besides talking.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// Messages in channels.
    pub messages: u64,
    /// Direct messages.
    pub direct: u64,
    /// PART (and a JOIN later), KICK, MODE, TOPIC, INVITE, ROTATE: how many such acts.
    pub acts: u64,
    /// How many of 1,000 acts are comings and goings.
    pub churn: u64,
}

/// Everything that is decided about a run before it begins.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The kind.
    pub kind: Kind,
    /// Nodes.
    pub hosts: usize,
    /// Channels.
    pub channels: usize,
    /// How long people talk and faults strike, ms.
    pub active: u64,
    /// How long it is quiet afterwards, ms.
    pub quiet: u64,
    /// From an append to its landing, and from there to the answer.
    pub append: Delay,
    /// From landing to a reader.
    pub read: Delay,
    /// Each way to the signal service.
    pub signal: Delay,
    /// Rates of single failures.
    pub rates: Rates,
    /// Larger faults.
    pub faults: Faults,
    /// What people do.
    pub manners: Manners,
    /// Short epochs, so that rotation by count is met too.
    pub epoch_messages: u64,
    /// How many records a leader has on their way before it gathers what people say: few, so that
    /// it does.
    pub max_in_flight: usize,
    /// How many messages of one author are on their way to the leader at once.
    pub window: usize,
    /// Whether each channel's log is a topic of its own.
    pub topic_each: bool,
    /// The clusters that the nodes live on, if there are two.
    pub homes: Vec<usize>,
    /// The cluster that each channel is on.
    pub rooms: [usize; CHANNELS.len()],
}

/// Of 1,000 runs of any other kind, how many have two clusters.
const TWO_CLUSTERS: u64 = 100;

impl Plan {
    /// The plan of a run. `kind` overrides what the seed would choose.
    pub fn draw(dice: &mut Dice, kind: Option<Kind>) -> Self {
        // What is drawn beside the stream leaves older seeds as they were.
        let mut aside = dice.aside();
        let two = aside.chance(TWO_CLUSTERS) || kind == Some(Kind::Clusters);
        let drawn = Kind::ALL[dice.index(Kind::BY_FAULTS)];
        let kind = kind.filter(|kind| *kind != Kind::Clusters).unwrap_or(drawn);
        let slow = !matches!(kind, Kind::Calm) && dice.chance(200);
        let fast = Delay {
            min: 1,
            max: if slow { 400 } else { dice.range(3, 40) },
            tail: if kind == Kind::Calm { 0 } else { dice.range(0, 20) },
            worst: 2_500,
        };
        let mut plan = Self {
            kind,
            hosts: if dice.chance(850) { 5 } else { dice.range(6, 7) as usize },
            channels: if dice.chance(700) { 1 } else { 2 },
            active: dice.range(40_000, 80_000),
            quiet: 75_000,
            append: fast,
            read: Delay { min: 0, ..fast },
            signal: fast,
            rates: Rates::default(),
            faults: Faults::default(),
            manners: Manners {
                messages: dice.range(30, 70),
                direct: dice.range(0, 8),
                acts: dice.range(0, 8),
                churn: 400,
            },
            epoch_messages: if dice.chance(200) { dice.range(5, 20) } else { 5_000 },
            max_in_flight: 1,
            window: 1,
            topic_each: false,
            homes: Vec::new(),
            rooms: [0; CHANNELS.len()],
        };
        plan.max_in_flight = 1 + (plan.active % 4) as usize;
        plan.window = [2, 8, 512][(plan.active / 4 % 3) as usize];
        plan.add_faults(dice);
        plan.topic_each = dice.chance(250);
        if two {
            plan.settle(&mut aside);
        }
        plan
    }

    /// Who lives where. The first host stays on the first cluster, which is its own.
    fn settle(&mut self, dice: &mut Dice) {
        self.homes = (0..self.hosts).map(|i| usize::from(i > 0 && dice.chance(450))).collect();
        if self.homes.iter().all(|home| *home == 0) {
            self.homes[self.hosts - 1] = 1;
        }
        self.rooms[1] = dice.index(2);
    }

    /// Whether there are two clusters.
    pub fn two_clusters(&self) -> bool {
        !self.homes.is_empty()
    }

    /// The topic of the channels' logs, on each cluster.
    pub fn log(&self) -> &'static str {
        if self.topic_each { LOG_EACH } else { LOG }
    }

    /// The cluster that a node lives on.
    pub fn home(&self, host: usize) -> usize {
        self.homes.get(host).copied().unwrap_or(0)
    }

    fn add_faults(&mut self, dice: &mut Dice) {
        let (rates, faults) = (&mut self.rates, &mut self.faults);
        if self.kind != Kind::Calm {
            faults.jumps = dice.range(0, 3);
            faults.shutdowns = dice.range(0, 2);
            faults.crashes = dice.range(0, 1);
            *rates = Rates {
                lost: dice.range(0, 5),
                stale: dice.range(0, 5),
                unacked: dice.range(0, 5),
                twice: dice.range(0, 10),
                signal: dice.range(0, 10),
                hint: dice.range(0, 100),
            };
        }
        match self.kind {
            Kind::Calm | Kind::Clusters => {}
            Kind::Mixed => {
                faults.crashes = dice.range(1, 4);
                faults.pauses = dice.range(1, 3);
                faults.cut_mailbox = dice.range(0, 2);
                faults.cut_signals = dice.range(0, 2);
                faults.flushes = dice.range(0, 2);
                faults.key_losses = dice.range(0, 4);
                faults.service_jumps = dice.range(0, 1);
                faults.hostile = dice.chance(150);
            }
            Kind::Crashes => faults.crashes = dice.range(4, 12),
            Kind::Pauses => {
                faults.pauses = dice.range(1, 6);
                faults.zombies = dice.range(1, 6);
                if dice.chance(500) {
                    self.append.max = dice.range(200, 900);
                    self.manners.messages = dice.range(60, 90);
                }
            }
            Kind::Cuts => {
                faults.cut_mailbox = dice.range(2, 5);
                faults.cut_signals = dice.range(0, 3);
            }
            Kind::Appends => {
                rates.lost = dice.range(5, 40);
                rates.stale = dice.range(5, 40);
                rates.unacked = dice.range(5, 40);
                rates.twice = dice.range(10, 80);
                self.append.tail = dice.range(10, 60);
                self.append.worst = 6_000;
                self.read.tail = dice.range(0, 40);
            }
            Kind::Signals => {
                faults.flushes = dice.range(1, 5);
                faults.key_losses = dice.range(2, 12);
                faults.signal_outages = dice.range(0, 2);
                faults.pauses = dice.range(0, 2);
                rates.signal = dice.range(20, 200);
                rates.hint = dice.range(100, 1000);
            }
            Kind::Churn => {
                self.manners.acts = dice.range(10, 22);
                self.manners.churn = 700;
                self.manners.messages = dice.range(30, 50);
                faults.pauses = dice.range(0, 1);
            }
            Kind::Hostile => {
                faults.hostile = true;
                self.manners.acts = dice.range(2, 8);
                faults.shutdowns = 0;
            }
            Kind::Vanishing => {
                faults.vanishes = dice.range(1, 2);
                faults.pauses = dice.range(0, 1);
                faults.cut_mailbox = dice.range(0, 1);
                faults.flushes = dice.range(0, 1);
            }
        }
    }
}
