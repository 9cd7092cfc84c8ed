//! The terminal UI as a person starts it: in a terminal, on the first run, beside a node, and with
//! made-up data.

mod common;

use std::time::{Duration, Instant};

use common::screen::Screen;
use common::{LONG, World};

#[test]
fn the_first_run_asks_and_then_shows_the_screen() {
    let world = World::new();
    let mut screen = Screen::start(&world, "alice", &[]);
    screen.shows("Your nick:");
    screen.types("alice\r");
    screen.shows("Passphrase");
    screen.types("\r");
    screen.shows("Which grid?");
    screen.types("\r");
    screen.shows("The grid's folder:");
    screen.types("\r");
    screen.shows("Welcome to kirc, alice");
    screen.types("/join #net\r");
    screen.shows("1 member");
    screen.types("hello from the screen\r");
    screen.shows("hello from the screen");

    // Others of the profile go through this process.
    world.ok("alice", &["send", "#net", "from another process"]);
    screen.shows("from another process");
    screen.types("/quit\r");
    assert_eq!(screen.ends(), 0);
    let history = world.ok("alice", &["history", "#net"]);
    let said = history.lines().filter(|line| line.contains("<alice>")).count();
    assert_eq!((said, history.lines().count()), (2, 3), "{history}");
}

#[test]
fn it_attaches_to_a_running_node_and_takes_over() {
    let world = World::new();
    world.set_up("alice");
    let mut node = world.node("alice");
    world.ok("alice", &["send", "--join", "#net", "before"]);
    let mut screen = Screen::start(&world, "alice", &["tui"]);
    screen.shows("#net");
    node.signal("TERM");
    assert_eq!(node.wait(), Some(0));
    let socket = world.profile("alice").join("kirc.sock");
    let begin = Instant::now();
    while !socket.exists() {
        assert!(begin.elapsed() < LONG, "nobody runs the node");
        std::thread::sleep(Duration::from_millis(10));
    }
    screen.types("/join #net\r");
    screen.shows("1 member");
    screen.types("still here\r");
    let mut tail = world.start("alice", &["tail", "#net", "--json"]);
    tail.hears("still here");
    screen.types("/quit\r");
    assert_eq!(screen.ends(), 0);
}

#[test]
fn the_demonstration_needs_nothing() {
    let world = World::new();
    let mut screen = Screen::start(&world, "nobody", &["--demo"]);
    screen.shows("#");
    screen.types("/quit\r");
    assert_eq!(screen.ends(), 0);
    assert!(!world.path().join("profiles").exists());
}
