//! Three people in a channel on real services, who talk for as long as something fails; and what
//! must hold after it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::World;
use super::own_services::OwnServices;
use super::party::{Party, check, check_after_loss, settle};

/// Where they meet.
pub const CHANNEL: &str = "#net";
/// Who they are.
pub const NAMES: [&str; 3] = ["alice", "bob", "carol"];
/// How long anything may take on a machine that is busy.
pub const LONG: Duration = Duration::from_secs(180);

/// Messages of each author at full speed, before they go on talking at a person's.
fn messages() -> usize {
    std::env::var("KIRC_TEST_FAULT_MESSAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(400)
}

/// Three people in a channel.
pub struct Stage {
    // In this order: the world tidies up on services that are still there.
    /// The lives of their pipes.
    pub lives: Vec<Party>,
    /// Their profiles.
    pub world: World,
    own: Option<OwnServices>,
    // One fault at a time: the services of seven would starve each other.
    _turn: Option<MutexGuard<'static, ()>>,
}

impl Stage {
    /// On services of their own, which may be broken.
    pub fn new(test: &str) -> Option<Self> {
        let mut stage = Self::bare(test)?;
        stage.fill();
        Some(stage)
    }

    /// The same, with nobody there yet.
    pub fn bare(test: &str) -> Option<Self> {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let own = OwnServices::start(test, 1)?;
        let world = World::alone_on(own.services());
        Some(Self { lives: Vec::new(), world, own: Some(own), _turn: Some(turn) })
    }

    /// On the services that all tests share, where nodes only may fail.
    pub fn shared(test: &str) -> Option<Self> {
        let mut stage = Self::empty(test)?;
        stage.fill();
        Some(stage)
    }

    /// The same, with nobody there yet.
    pub fn empty(test: &str) -> Option<Self> {
        Some(Self { lives: Vec::new(), world: World::on_services(test)?, own: None, _turn: None })
    }

    /// Sets everybody up and lets them join, one after the other.
    pub fn fill(&mut self) {
        for name in NAMES {
            self.world.set_up(name);
            self.come(name);
        }
    }

    /// Somebody who is set up joins.
    pub fn come(&mut self, name: &str) {
        let party = Party::start(self.world.kirc(name), name, CHANNEL);
        party.until("joined", LONG, |h| h.joined && h.leader.is_some());
        self.lives.push(party);
    }

    /// Its services, to be broken.
    pub fn own(&self) -> &OwnServices {
        self.own.as_ref().expect("services of its own")
    }

    /// Everybody begins to talk, and some of it has been shown.
    pub fn talk(&mut self) {
        for life in &mut self.lives {
            life.talk(CHANNEL, messages());
        }
        let seen = self.lives[0].heard().lines.len();
        self.lives[0].until("hearing them", LONG, |h| h.lines.len() > seen + 30);
    }

    /// Which of them leads.
    pub fn leader(&self) -> usize {
        let living = self.lives.iter().find(|l| !l.heard().ended).expect("somebody lives");
        let leader = living.heard().leader.clone().expect("somebody leads");
        self.lives.iter().rposition(|l| l.name == leader).expect("one of us")
    }

    /// From a moment until somebody hears something that was settled after it.
    pub fn goes_on(&self, what: &str, who: usize, since: Instant) -> Duration {
        self.lives[who]
            .until("hearing something new", LONG, |h| h.times.last().is_some_and(|at| *at > since));
        let on = self.lives[who].heard().times.iter().find(|at| **at > since).map(|at| *at - since);
        let on = on.expect("it was heard");
        println!("{what}: on again after {on:.1?}");
        on
    }

    /// From a moment at which the leader was lost until somebody hears what the next one has
    /// relayed.
    pub fn taken_over(&self, what: &str, who: usize, leader: &str, since: Instant) -> Duration {
        let another = |l: &String| l != leader;
        self.lives[who].until("led by another", LONG, |h| h.leader.as_ref().is_some_and(another));
        let seen = self.lives[who].heard().lines.len();
        self.lives[who].until("hearing what the next leader relays", LONG, |h| h.lines.len() > seen);
        // What the lost one had relayed still came in; then came nothing, for the longest.
        let (quiet, until) = self.lives[who].heard().silence(since);
        println!("{what}: the next leader relays after {until:.1?} (nothing was heard for {quiet:.1?})");
        until
    }

    /// Nobody was told that something is missing in the log.
    pub fn without_gaps(&self) {
        for life in &self.lives {
            assert!(life.heard().gaps.is_empty(), "{}: {:?}", life.name, life.heard().gaps);
        }
    }

    /// All that was taken in is settled, and what each life showed is right.
    pub fn end(&mut self, what: &str, gone: &[usize]) {
        self.settled(gone);
        println!("{what}: {} messages settled, each shown once and in one order", check(&self.lives));
    }

    /// The same when a log was lost.
    pub fn end_after_loss(&mut self, what: &str) {
        self.settled(&[]);
        let settled = check_after_loss(&self.lives, LONG);
        let late: Vec<usize> = self.lives.iter().map(|l| l.heard().late.len()).collect();
        println!("{what}: {settled} messages settled, each shown once; late {late:?}");
    }

    /// All that was taken in is settled.
    fn settled(&mut self, gone: &[usize]) {
        let here: Vec<usize> = (0..self.lives.len()).filter(|i| !gone.contains(i)).collect();
        for i in &here {
            self.lives[*i].hush();
        }
        for i in &here {
            let (life, said) = (&self.lives[*i], self.lives[*i].said());
            life.until("that all is taken in", LONG, |h| h.sending.len() >= said);
            assert!(!life.heard().ended, "{} has ended", life.name);
        }
        for i in &here {
            settle(&self.lives, *i, LONG);
        }
    }

    /// Starts somebody again who was killed.
    pub fn again(&mut self, index: usize) -> usize {
        let name = self.lives[index].name.clone();
        self.come(&name);
        self.lives.len() - 1
    }
}
