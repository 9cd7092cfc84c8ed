//! A file that somebody cuts short while kirc has it mapped: the process ends with a sentence, and
//! nothing is lost.

mod common;

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::path::Path;
use std::time::{Duration, Instant};

use common::World;
use common::party::Party;
use common::screen::Screen;

const CHANNEL: &str = "#net";
const SOON: Duration = Duration::from_secs(60);

/// Cuts all files short that SQLite has mapped; gives how many.
fn cut(folder: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()) {
        if entry.is_dir() {
            count += cut(&entry);
        } else if entry.extension().is_some_and(|e| e == "db-shm") {
            OpenOptions::new().write(true).truncate(true).open(&entry).expect("a file");
            count += 1;
        }
    }
    count
}

#[test]
fn whoever_touches_it_ends_with_exit_code_one_and_nothing_is_lost() {
    let world = World::embedded();
    let mut lives: Vec<Party> = Vec::new();
    for name in ["alice", "bob"] {
        world.set_up(name);
        let party = Party::start(world.kirc(name), name, CHANNEL);
        party.until("joined", SOON, |h| h.joined && h.leader.is_some());
        lives.push(party);
    }
    for life in &mut lives {
        life.talk(CHANNEL, 2_000);
    }
    lives[1].until("in the middle of it", SOON, |h| h.lines.len() > 200);
    assert!(cut(world.path()) > 0, "there was nothing to cut short");
    for life in &mut lives {
        life.until("ended", SOON, |h| h.ended);
        let status = life.child.wait().expect("a child");
        assert_eq!(status.code(), Some(1), "{}: {status}", life.name);
    }
    // Whatever was shown, settled or sending, is in both histories once they are there again.
    let again: Vec<Party> =
        lives.iter().map(|l| Party::start(world.kirc(&l.name), &l.name, CHANNEL)).collect();
    let mut owed: BTreeSet<String> = BTreeSet::new();
    for life in &lives {
        owed.extend(life.heard().sending.iter().cloned());
        owed.extend(life.heard().lines.iter().map(|(_, id, _)| id.clone()));
    }
    assert!(owed.len() > 200);
    let begin = Instant::now();
    for life in &again {
        loop {
            let history = world.ok(&life.name, &["history", CHANNEL, "--limit", "10000", "--json"]);
            let ids: Vec<String> = history.lines().map(id_of).collect();
            let found: BTreeSet<String> = ids.iter().cloned().collect();
            assert_eq!(ids.len(), found.len(), "{}: something is there twice", life.name);
            let lost: Vec<_> = owed.difference(&found).collect();
            if lost.is_empty() {
                break;
            }
            assert!(begin.elapsed() < SOON, "{} does not find again: {lost:?}", life.name);
        }
    }
}

fn id_of(line: &str) -> String {
    let envelope: serde_json::Value = serde_json::from_str(line).expect("an envelope");
    envelope["id"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_terminal_is_given_back_with_the_reason_on_it() {
    let world = World::embedded();
    world.set_up("alice");
    let mut screen = Screen::start(&world, "alice", &[]);
    screen.shows("Welcome to kirc, alice");
    screen.types("/join #net\r");
    screen.shows("1 member");
    screen.types("before\r");
    screen.shows("before");
    assert!(cut(world.path()) > 0, "there was nothing to cut short");
    screen.types("after\r");
    assert_eq!(screen.ends(), 1);
    screen.shows("was cut short by another program");
    let text = screen.text().replace('\n', "");
    assert!(text.contains(".db-shm"), "the file is not named: {text}");
    assert!(!screen.has_alternate(), "the terminal was not given back");
    // Nothing that was taken in is lost.
    let history = world.ok("alice", &["history", "#net"]);
    assert!(history.contains("before"), "{history}");
}
