//! Three pipes in one channel at full speed, while whoever leads is killed again and again.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::World;
use common::party::{Party, check, settle};

const CHANNEL: &str = "#net";
const NAMES: [&str; 3] = ["alice", "bob", "carol"];
/// What may pass until a killed leader is replaced while people talk, on a machine that is busy
/// with other tests.
const FAILOVER: Duration = Duration::from_secs(30);
/// How long the rest may take.
const SETTLED: Duration = Duration::from_secs(180);

/// Messages of each author. More by hand: `KIRC_TEST_FLOOD=10000 cargo test --test flood`.
fn messages() -> usize {
    std::env::var("KIRC_TEST_FLOOD").ok().and_then(|n| n.parse().ok()).unwrap_or(4_000)
}

#[test]
fn what_was_taken_in_is_shown_once_and_in_one_order_when_leaders_are_killed() {
    let world = World::new();
    let count = messages();
    let mut lives: Vec<Party> = Vec::new();
    let mut now: BTreeMap<&str, usize> = BTreeMap::new();
    for name in NAMES {
        world.set_up(name);
        let party = Party::start(world.kirc(name), name, CHANNEL);
        party.until("joined", SETTLED, |h| h.joined && h.leader.is_some());
        now.insert(name, lives.len());
        lives.push(party);
    }
    for life in &mut lives {
        life.talk(CHANNEL, count);
    }
    for round in 1..=3 {
        let leader = agreed(&lives, &now);
        // While people talk: something of this term has been settled, and more is on its way.
        let other = now.iter().find(|(n, _)| **n != leader).map(|(_, i)| *i).expect("another");
        let seen = lives[other].heard().lines.len();
        lives[other].until("hearing more", SETTLED, |h| h.lines.len() > seen + 100);
        lives[now[leader]].kill();
        for i in now.iter().filter(|(n, _)| **n != leader).map(|(_, i)| *i) {
            let follows = |h: &common::party::Heard| h.leader.as_deref().is_some_and(|l| l != leader);
            let took = lives[i].until("led by another", FAILOVER, follows);
            println!("{round}: {leader} was killed; {} has another leader after {took:.1?}", lives[i].name);
        }
        let mut again = Party::start(world.kirc(leader), leader, CHANNEL);
        again.until("joined again", SETTLED, |h| h.joined && h.leader.is_some());
        again.talk(CHANNEL, count / 3);
        now.insert(leader, lives.len());
        lives.push(again);
    }
    for i in now.values() {
        lives[*i].hush();
        let said = lives[*i].said();
        lives[*i].until("all is taken in", SETTLED, |h| h.sending.len() >= said);
    }
    for i in now.values() {
        settle(&lives, *i, SETTLED);
    }
    assert!(lives.iter().all(|l| l.heard().gaps.is_empty()), "somebody was told that something is missing");
    let settled = check(&lives);
    println!("{settled} messages settled, {} lives", lives.len());
    assert!(settled > count * 2);
    if world.is_embedded() {
        nothing_to_read(&world.path().join("grid"));
    }
}

/// Who leads, when all of them believe the same.
fn agreed(lives: &[Party], now: &BTreeMap<&str, usize>) -> &'static str {
    let begin = std::time::Instant::now();
    loop {
        let first = lives[now["alice"]].heard().leader.clone();
        let others = |h: &common::party::Heard| h.leader == first;
        if first.is_some() && now.values().all(|i| others(&lives[*i].heard())) {
            return NAMES.into_iter().find(|n| Some(*n) == first.as_deref()).expect("one of us");
        }
        assert!(begin.elapsed() < SETTLED, "they don't agree on who leads");
        let next = |h: &common::party::Heard| h.leader != first || begin.elapsed() > SETTLED;
        // Whoever changes its mind is heard by the next look at all.
        let _ = lives[now["alice"]].wait(Duration::from_millis(50), next);
    }
}

/// No file of the grid holds what was said.
fn nothing_to_read(folder: &std::path::Path) {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()) {
        if entry.is_file() && std::fs::metadata(&entry).is_ok_and(|m| m.len() > 0) {
            let bytes = std::fs::read(&entry).expect("a file");
            let found = bytes.windows(12).any(|w| w == b"says number ");
            assert!(!found, "{} holds what was said", entry.display());
            files += 1;
        }
    }
    assert!(files > 0, "there is nothing in {}", folder.display());
}
