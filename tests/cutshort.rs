//! A file that somebody cuts short while kirc has it mapped: the process ends with a sentence, and what it showed is kept.

mod common;

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

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
fn whoever_touches_it_ends_with_exit_code_one_and_what_was_shown_is_kept() {
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
    for life in &lives {
        let history = world.ok(&life.name, &["history", CHANNEL, "--limit", "10000", "--json"]);
        let lost: Vec<_> =
            life.heard().lines.iter().filter(|(_, id, _)| !history.contains(id.as_str())).cloned().collect();
        assert!(lost.is_empty(), "{} was shown, and does not find again: {lost:?}", life.name);
        let again = Party::start(world.kirc(&life.name), &life.name, CHANNEL);
        again.until("joined again", SOON, |h| h.joined);
    }
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
