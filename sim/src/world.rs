//! The world of one run: a queue of events in virtual time, the machines, the models of the
//! services.
//!
//! This module moves events between them. `process` drives a node, `carry` carries out its effects,
//! `faults` schedules the faults, and `people` the actions of people.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use kirc_core::node::Mutant;
use kirc_core::port::{Input, ReadFrom, RequestId, Service, SignalOp, Topic};

use crate::faults::Fault;
use crate::host::{CLUSTERS, Host};
use crate::hostile::Hostile;
use crate::mailbox::{Mailbox, Needles};
use crate::people::{Deed, Person};
use crate::plan::Plan;
use crate::rng::Dice;
use crate::signals::Signals;
use crate::witness::Witness;

/// Something that is due at a moment.
#[derive(Debug)]
pub enum Event {
    /// A machine starts its node.
    Boot(usize),
    /// Something reaches a process.
    Input(usize, u64, Input),
    /// A reader finds its place.
    Place(usize, u64, Topic, u64, ReadFrom),
    /// A reader looks for records.
    Look(usize, u64, Topic, u64),
    /// An append reaches the log.
    Land(Landing),
    /// A question for the end reaches the log.
    End(usize, u64, RequestId, Topic),
    /// An operation reaches the signal service of a cluster.
    Signal(usize, u64, usize, RequestId, SignalOp),
    /// A process learns whether it reaches a service.
    Status(usize, u64, Service),
    /// A timer of a node.
    Wake(usize, u64),
    /// Something goes wrong; if with a service, with the first cluster's.
    Fault(Fault),
    /// Something goes wrong with this cluster.
    FaultOf(usize, Fault),
    /// A person acts.
    Person(usize, Deed),
    /// From now on nothing goes wrong any more.
    Quiet,
}

/// An append on its way.
#[derive(Debug, Clone)]
pub struct Landing {
    /// Whose.
    pub host: usize,
    /// In which life.
    pub life: u64,
    /// Who waits for the outcome, unless it was told already that the append failed.
    pub request_id: Option<RequestId>,
    /// When it was asked for.
    pub asked: u64,
    /// How long the answer takes.
    pub back: u64,
    /// Where to.
    pub topic: Topic,
    /// The key.
    pub key: Vec<u8>,
    /// The bytes.
    pub value: Vec<u8>,
}

struct Due {
    at: u64,
    order: u64,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// The world of one run.
pub struct World {
    /// Virtual time, ms since the run began.
    pub now: u64,
    /// What the run is made of.
    pub plan: Plan,
    /// A deliberately broken rule.
    pub mutant: Option<Mutant>,
    /// Chance in the services.
    pub dice: Dice,
    /// The machines.
    pub hosts: Vec<Host>,
    /// Their owners.
    pub people: Vec<Person>,
    /// The mailbox services: a topic says whose it is.
    pub mailbox: Mailbox,
    /// Each mailbox service's clock against the true time, ms.
    pub service_clock: [u64; CLUSTERS.len()],
    /// The signal service of each cluster.
    pub signals: [Signals; CLUSTERS.len()],
    /// The node that tampers, if one does.
    pub hostile: Option<Hostile>,
    /// What was seen.
    pub witness: Witness,
    /// A word that stands in all that nobody but members may read.
    pub word: String,
    /// How to find it.
    pub needles: Needles,
    /// Whether each contact is given a user of its own.
    pub own_users: bool,
    /// Whether no user can be taken away.
    pub stuck: bool,
    /// Whether faults are over.
    pub quiet: bool,
    /// The story, if it is to be told.
    pub trace: Option<Vec<String>>,
    queue: BinaryHeap<Reverse<Due>>,
    order: u64,
    counter: u64,
}

impl World {
    /// The world of a seed, with everything that will happen to it already in the queue.
    pub fn new(seed: u64, plan: Plan, dice: &mut Dice, mutant: Option<Mutant>, tell: bool) -> Self {
        let word = dice.word(14);
        let boot = |i| Host::new(i, plan.home(i), dice.range(1_000, 10_000_000));
        let hosts: Vec<Host> = (0..plan.hosts).map(boot).collect();
        let mut world = Self {
            now: 0,
            mutant,
            dice: dice.fork(),
            people: hosts.iter().map(|_| Person::default()).collect(),
            hosts,
            mailbox: Mailbox::default(),
            service_clock: [0; CLUSTERS.len()],
            signals: Default::default(),
            hostile: plan.faults.hostile.then(|| Hostile::new(&plan, dice)),
            witness: Witness::default(),
            needles: Needles::new(&word),
            word,
            own_users: false,
            stuck: false,
            quiet: false,
            trace: tell.then(Vec::new),
            queue: BinaryHeap::new(),
            order: 0,
            counter: 0,
            plan,
        };
        world.note(|w| format!("seed {seed}: {:?}", w.plan));
        for index in 0..world.hosts.len() {
            world.at(dice.range(0, 50), Event::Boot(index));
        }
        crate::people::schedule(&mut world, dice);
        crate::faults::schedule(&mut world, dice);
        world.at(world.plan.active, Event::Quiet);
        world
    }

    /// Puts an event into the queue.
    pub fn at(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.queue.push(Reverse(Due { at: at.max(self.now), order: self.order, event }));
    }

    /// Puts an event into the queue, so many ms from now.
    pub fn after(&mut self, delay: u64, event: Event) {
        self.at(self.now + delay, event);
    }

    /// A number that was never handed out before.
    pub fn fresh(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Tells the story, if somebody listens.
    pub fn note(&mut self, text: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = format!("{:>7} {}", self.now, text(self));
            if let Some(trace) = &mut self.trace {
                trace.push(line);
            }
        }
    }

    /// Runs to the end.
    pub fn run(&mut self) {
        self.run_until(self.plan.active + self.plan.quiet);
    }

    /// Runs to a moment.
    pub fn run_until(&mut self, end: u64) {
        while self.queue.peek().is_some_and(|Reverse(due)| due.at <= end)
            && let Some(Reverse(due)) = self.queue.pop()
        {
            if self.witness.spinning.is_some() {
                break;
            }
            self.now = due.at;
            self.happen(due.event);
        }
        self.now = end;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Boot(host) => self.boot(host),
            Event::Input(host, life, input) => self.arrive(host, life, input),
            Event::Place(host, life, topic, reader, from) => {
                self.place(host, life, topic, reader, from);
            }
            Event::Look(host, life, topic, reader) => self.look(host, life, topic, reader),
            Event::Land(landing) => self.land(landing),
            Event::End(host, life, request_id, topic) => self.answer_end(host, life, request_id, &topic),
            Event::Signal(host, life, cluster, request_id, op) => {
                self.signal_arrives(host, life, cluster, request_id, &op);
            }
            Event::Status(host, life, service) => self.status(host, life, service),
            Event::Wake(host, at) => self.wake(host, at),
            Event::Fault(fault) => self.fail(fault),
            Event::FaultOf(cluster, fault) => self.fail_of(cluster, fault),
            Event::Person(host, deed) => self.act(host, deed),
            Event::Quiet => self.calm_down(),
        }
    }
}
