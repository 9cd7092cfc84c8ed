//! Real services that fail while three people talk: everything that was taken in is shown once, in one order, everywhere.
//!
//! Each fault has services of its own. `cargo test --test faults` runs them short, as CI does; `scripts/faults` long, with
//! 20,000 messages, and prints the table of docs/faults.md.

mod common;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::World;
use common::own_services::OwnServices;
use common::party::{Heard, Party, check, settle};
use common::services::Cluster;

const CHANNEL: &str = "#net";
const NAMES: [&str; 3] = ["alice", "bob", "carol"];
/// How long anything may take on a machine that is busy.
const LONG: Duration = Duration::from_secs(180);

/// Messages of each author.
fn messages() -> usize {
    std::env::var("KIRC_TEST_FAULT_MESSAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(400)
}

/// Three people in a channel on services of their own.
struct Stage {
    // One fault at a time: the services of seven would starve each other.
    _turn: MutexGuard<'static, ()>,
    // In this order: the world tidies up on services that are still there.
    lives: Vec<Party>,
    world: World,
    own: OwnServices,
}

impl Stage {
    fn new(test: &str) -> Option<Self> {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let own = OwnServices::start(test, 1)?;
        let world = World::alone_on(own.services());
        let mut lives = Vec::new();
        for name in NAMES {
            world.set_up(name);
            let party = Party::start(world.kirc(name), name, CHANNEL);
            party.until("joined", LONG, |h| h.joined && h.leader.is_some());
            lives.push(party);
        }
        Some(Self { _turn: turn, lives, world, own })
    }

    /// Everybody begins to talk, and some of it has been shown.
    fn talk(&mut self) {
        let (count, from) = (messages(), self.lives.iter().map(|l| l.flooded).max().unwrap_or(0));
        for life in &mut self.lives {
            life.flood(CHANNEL, count, from);
        }
        let seen = self.lives[0].heard().lines.len();
        self.lives[0].until("hearing them", LONG, |h| h.lines.len() > seen + 30);
    }

    fn leader(&self) -> usize {
        let leader = self.lives[0].heard().leader.clone().expect("somebody leads");
        self.lives.iter().rposition(|l| l.name == leader).expect("one of us")
    }

    /// From now until somebody hears something new.
    fn goes_on(&self, what: &str, who: usize) -> Duration {
        let seen = self.lives[who].heard().lines.len();
        let took = self.lives[who].until("hearing something new", LONG, |h| h.lines.len() > seen);
        println!("{what}: on again after {took:.1?}");
        took
    }

    /// All that was taken in is settled, and what each life showed is right.
    fn end(&mut self, what: &str, gone: &[usize]) {
        for (i, life) in self.lives.iter().enumerate().filter(|(i, _)| !gone.contains(i)) {
            let flooded = life.flooded;
            life.until("that all is taken in", LONG, |h| h.sending.len() >= flooded);
            assert!(!life.heard().ended, "{i} has ended");
        }
        for i in (0..self.lives.len()).filter(|i| !gone.contains(i)) {
            settle(&self.lives, i, LONG);
        }
        println!("{what}: {} messages settled, each shown once and in one order", check(&self.lives));
    }

    /// Starts somebody again who was killed.
    fn again(&mut self, index: usize) -> usize {
        let name = self.lives[index].name.clone();
        let party = Party::start(self.world.kirc(&name), &name, CHANNEL);
        party.until("joined again", LONG, |h| h.joined && h.leader.is_some());
        self.lives.push(party);
        self.lives.len() - 1
    }
}

/// A service is killed, is away for a while, and comes back.
fn away(test: &str, service: &str, shown: &str, for_how_long: Duration) {
    let Some(mut stage) = Stage::new(test) else { return };
    stage.talk();
    stage.own.run(&["kill", service]);
    let begin = Instant::now();
    let told = |h: &Heard| h.away.contains(shown);
    stage.lives[1].until("told that the service is away", LONG, told);
    println!("{test}: told after {:.1?}", begin.elapsed());
    // What was said while it was away must be kept too.
    std::thread::sleep(for_how_long.saturating_sub(begin.elapsed()));
    stage.own.run(&["restart", service]);
    stage.lives[1].until("told that it is back", LONG, |h| !h.away.contains(shown));
    stage.end(test, &[]);
}

#[test]
fn a_broker_that_is_killed_and_comes_back() {
    away("broker killed", "kafka", "mailbox", Duration::from_secs(8));
}

#[test]
fn a_valkey_that_is_killed_and_comes_back() {
    away("valkey killed", "valkey", "signals", Duration::from_secs(4));
}

#[test]
fn a_postgresql_that_is_killed_and_comes_back() {
    away("postgresql killed", "postgres", "store", Duration::from_secs(4));
}

/// A service does not answer, or not as it should, until it is mended.
fn unwell(test: &str, broken: &[&str], mended: &[&str], shown: &str) {
    let Some(mut stage) = Stage::new(test) else { return };
    stage.talk();
    let begin = Instant::now();
    stage.own.run(broken);
    stage.lives[1].until("told that the service is away", LONG, |h| h.away.contains(shown));
    println!("{test}: told after {:.1?}", begin.elapsed());
    stage.own.run(mended);
    stage.lives[1].until("told that it is back", LONG, |h| !h.away.contains(shown));
    stage.end(test, &[]);
}

#[test]
fn a_broker_that_does_not_answer() {
    unwell("broker stands still", &["pause", "kafka"], &["continue", "kafka"], "mailbox");
}

#[test]
fn a_valkey_that_does_not_answer() {
    unwell("valkey stands still", &["pause", "valkey"], &["continue", "valkey"], "signals");
}

#[test]
fn a_broker_whose_certificate_has_expired() {
    unwell("certificate expired", &["expire", "kafka"], &["renew", "kafka"], "mailbox");
}

#[test]
fn a_password_that_is_no_longer_right() {
    let test = "password changed";
    let Some(mut stage) = Stage::new(test) else { return };
    stage.talk();
    let services = stage.own.services();
    let (user, right) = (services.get("KIRC_KAFKA_USER"), services.get("KIRC_KAFKA_PASSWORD"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let set = |password: &str| {
        runtime.block_on(async {
            let admin = common::services::administration(&services, Cluster::First);
            let password = kirc::config::Secret::new(password);
            let done =
                admin.set_scram_user(user, &password, kirc::mailbox::Mechanism::ScramSha512, 4096).await;
            done.expect("a password can be set");
        });
    };
    set("another one");
    // Connections that stand are not cut by that.
    stage.own.run(&["kill", "kafka"]);
    stage.own.run(&["restart", "kafka"]);
    stage.lives[1].until("told that the service is away", LONG, |h| h.away.contains("mailbox"));
    set(right);
    stage.lives[1].until("told that it is back", LONG, |h| !h.away.contains("mailbox"));
    stage.end(test, &[]);
}

#[test]
fn a_leader_that_is_killed() {
    let test = "leader killed";
    let Some(mut stage) = Stage::new(test) else { return };
    stage.talk();
    let leader = stage.leader();
    stage.lives[leader].kill();
    let name = stage.lives[leader].name.clone();
    let other = (leader + 1) % NAMES.len();
    let took =
        stage.lives[other].until("led by another", LONG, |h| h.leader.as_ref().is_some_and(|l| *l != name));
    println!("{test}: another leads after {took:.1?}");
    stage.again(leader);
    stage.end(test, &[leader]);
}

#[test]
fn a_leader_that_is_stopped_for_longer_than_its_lease() {
    let test = "leader stopped and continued";
    let Some(mut stage) = Stage::new(test) else { return };
    stage.talk();
    let leader = stage.leader();
    stage.lives[leader].signal("STOP");
    stage.goes_on(test, (leader + 1) % NAMES.len());
    stage.lives[leader].signal("CONT");
    stage.end(test, &[]);
}

#[test]
fn signals_that_are_emptied() {
    let test = "valkey emptied";
    let Some(mut stage) = Stage::new(test) else { return };
    stage.talk();
    stage.own.run(&["wipe", "valkey"]);
    stage.end(test, &[]);
}

#[test]
fn a_log_that_vanishes() {
    let test = "broker's data gone";
    let Some(mut stage) = Stage::new(test) else { return };
    stage.talk();
    let settled = stage.lives.iter().map(|l| l.heard().lines.len()).max().unwrap_or(0);
    assert!(settled > 0);
    stage.own.run(&["wipe", "kafka"]);
    stage.goes_on(test, 1);
    stage.end(test, &[]);
}
