//! Several processes of one profile share one node.

mod common;

use std::time::{Duration, Instant};

use common::World;
use serde_json::json;

#[test]
fn send_and_tail_work_while_a_node_runs() {
    let world = World::new();
    world.set_up("alice");
    let mut node = world.node("alice");
    world.ok("alice", &["send", "--join", "#net", "one"]);
    let mut tail = world.start("alice", &["tail", "#net", "--json", "--lines", "5"]);
    assert_eq!(tail.next().unwrap()["command"], "JOIN");
    assert_eq!(tail.next().unwrap()["body"][0], "one");
    world.ok("alice", &["send", "#net", "two"]);
    assert_eq!(tail.hears("two")["from"], "alice");
    let second = world.run("alice", &["node"]);
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("runs already") && said.contains(&node.id().to_string()), "{said}");
    let report = world.ok("alice", &["doctor"]);
    assert!(report.contains("runs it and answers"), "{report}");

    // The node ends; the tail becomes the node and goes on.
    node.signal("TERM");
    assert_eq!(node.wait(), Some(0));
    world.ok("alice", &["send", "#net", "three"]);
    assert_eq!(tail.hears("three")["from"], "alice");
    tail.signal("INT");
    assert_eq!(tail.wait(), Some(0));
    assert!(!world.profile("alice").join("kirc.sock").exists());
}

#[test]
fn a_killed_node_leaves_a_stale_socket_that_does_not_matter() {
    let world = World::new();
    world.set_up("alice");
    let mut node = world.node("alice");
    world.ok("alice", &["send", "--join", "#net", "one"]);
    node.signal("KILL");
    node.wait();
    assert!(world.profile("alice").join("kirc.sock").exists());
    world.ok("alice", &["send", "#net", "two"]);
    let history = world.ok("alice", &["history", "#net"]);
    let said = history.lines().filter(|line| line.contains("<alice>")).count();
    assert_eq!((said, history.lines().count()), (2, 3), "{history}");
}

#[test]
fn a_node_that_lost_its_lock_file_is_still_found() {
    let world = World::new();
    world.set_up("alice");
    let mut node = world.node("alice");
    world.ok("alice", &["send", "--join", "#net", "one"]);
    std::fs::remove_file(world.profile("alice").join("kirc.lock")).unwrap();
    for _ in 0..2 {
        world.ok("alice", &["send", "#net", "two"]);
    }
    let report = world.ok("alice", &["doctor"]);
    assert!(report.contains("was taken from it"), "{report}");
    node.signal("TERM");
    assert_eq!(node.wait(), Some(0));
    world.ok("alice", &["send", "#net", "three"]);
}

/// A command that becomes the node itself answers with what came while none ran.
#[test]
fn who_looks_right_after_the_start_sees_what_came_meanwhile() {
    let world = World::new();
    for profile in ["alice", "bob"] {
        world.set_up(profile);
    }
    let mut alice = world.node("alice");
    world.ok("alice", &["send", "--join", "#net", "first"]);
    world.ok("bob", &["send", "--join", "#net", "hello"]);
    world.ok("bob", &["send", "alice", "so that alice knows me"]);
    for round in 0..3 {
        for i in 0..30 {
            world.ok("alice", &["send", "#net", &format!("{round}/{i}")]);
        }
        world.ok("alice", &["send", "bob", &format!("direct {round}")]);
        let history = world.ok("bob", &["history", "#net"]);
        assert!(history.trim_end().ends_with(&format!("{round}/29")), "{history}");
        let direct = world.ok("bob", &["history", "alice"]);
        assert!(direct.trim_end().ends_with(&format!("direct {round}")), "{direct}");
    }
    alice.signal("TERM");
    assert_eq!(alice.wait(), Some(0));
}

#[test]
fn many_at_once_are_one_node() {
    let world = World::new();
    world.set_up("alice");
    world.ok("alice", &["send", "--join", "#net", "start"]);
    let children: Vec<_> = (0..8)
        .map(|i| {
            let text = format!("from {i}");
            world.kirc("alice").args(["send", "#net", &text]).spawn().unwrap()
        })
        .collect();
    let mut failed = Vec::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        if !output.status.success() {
            failed.push(String::from_utf8_lossy(&output.stderr).into_owned());
        }
    }
    // Who was attached to one that ended in between is told so, and may say it again; nothing is
    // lost without a word.
    let history = world.ok("alice", &["history", "#net"]);
    let arrived = history.lines().filter(|l| l.contains("from ")).count();
    assert!(arrived + failed.len() >= 8, "{history}\n{failed:?}");
    eprintln!("{arrived} arrived, {} were told to try again", failed.len());
    assert!(arrived >= 1);
    for text in &failed {
        assert!(text.contains("has ended"), "{text}");
    }
}

#[test]
fn a_profile_folder_with_a_long_path_works() {
    let mut world = common::World::new();
    let deep = world.path().join("d".repeat(60)).join("e".repeat(60));
    std::fs::create_dir_all(&deep).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = world.kirc("alice");
        command.env("KIRC_DATA_DIR", &deep).args(arguments);
        command
    };
    let setup = ["setup", "--nick", "alice", "--embedded", "--yes"];
    assert!(run(&setup).status().unwrap().success());
    let mut node = run(&["node"]).spawn().unwrap();
    let socket = deep.join("profiles/alice/kirc.sock");
    let begin = Instant::now();
    while !socket.exists() && begin.elapsed() < common::LONG {
        std::thread::sleep(Duration::from_millis(10));
    }
    let sent = run(&["send", "--join", "#net", "hi"]).output().unwrap();
    let _ = node.kill();
    let _ = node.wait();
    assert!(sent.status.success(), "{sent:?}");
    let _ = &mut world;
}

#[test]
fn a_pipe_attached_to_a_pipe_survives_it() {
    let world = World::new();
    world.set_up("alice");
    let mut first = world.pipe("alice");
    first.join("#net");
    let mut second = world.pipe("alice");
    second.message("#net", "through the first");
    first.hears("through the first");
    second.hears("through the first");
    assert_eq!(first.end(), Some(0));
    second.find("that it is the node now", |e| e["meta"]["reattached"] == true);
    second.until("001");
    second.say(json!({"command": "PRIVMSG", "to": "#net", "body": ["on my own"]}));
    second.hears("on my own");
    assert_eq!(second.end(), Some(0));
}
