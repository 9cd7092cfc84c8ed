//! Scenes about how far somebody has read: it is kept over a restart, with the conversation.

use kirc_core::Envelope;
use kirc_sim::world::World;

use crate::{ALICE, BOB, acquainted, heard, joined, restart, says, scene, tells};

/// What alice's session is told, when it comes, of a conversation: the last message read, how many
/// are unread, and how many of those name her.
fn told(world: &World, to: &str) -> Option<(Option<String>, u64, u64)> {
    let all = heard(world, ALICE, "MARKREAD");
    let e = all.into_iter().rfind(|e| e.to.as_deref() == Some(to) && e.meta.contains_key("unread"))?;
    let count = |name| e.meta_u64(name).expect("a count");
    let (unread, mentions) = (count("unread"), count("mentions"));
    Some((e.params.into_iter().next(), unread, mentions))
}

#[test]
fn what_is_unread_survives_a_restart() {
    let mut world = joined(acquainted(scene(2)), 2);
    world.run_until(10_000);
    for text in ["one", "alice: two", "three"] {
        tells(&mut world, BOB, "#net", text);
    }
    tells(&mut world, BOB, "alice", "between us");
    let id = |n: usize| heard(&world, ALICE, "PRIVMSG").get(n).and_then(|e| e.id.clone());
    let (first, third) = (id(0), id(2));
    says(&mut world, ALICE, Envelope::new("MARKREAD").to("#net").param(first.clone().expect("an id")));
    world.run_until(world.now + 1_000);
    restart(&mut world, ALICE);
    world.run_until(world.now + 5_000);
    assert_eq!(told(&world, "#net"), Some((first, 2, 1)));
    assert_eq!(told(&world, "bob"), Some((None, 1, 1)));
    // What came while nobody looked is counted too, and what is read then is read.
    tells(&mut world, BOB, "#net", "four");
    says(&mut world, ALICE, Envelope::new("MARKREAD").to("#net").param(third.clone().expect("an id")));
    restart(&mut world, ALICE);
    world.run_until(world.now + 5_000);
    assert_eq!(told(&world, "#net").map(|(_, unread, mentions)| (unread, mentions)), Some((3, 1)));
    tells(&mut world, BOB, "#net", "five");
    let newest = heard(&world, ALICE, "PRIVMSG").into_iter().rfind(|e| e.lines() == ["five"]);
    let newest = newest.and_then(|e| e.id).expect("an id");
    says(&mut world, ALICE, Envelope::new("MARKREAD").to("#net").param(newest.clone()));
    restart(&mut world, ALICE);
    world.run_until(world.now + 5_000);
    assert_eq!(told(&world, "#net"), Some((Some(newest), 0, 0)));
}

#[test]
fn who_has_read_a_message_has_read_those_before_it() {
    let mut world = acquainted(scene(2));
    world.run_until(5_000);
    for text in ["one", "two", "three"] {
        tells(&mut world, BOB, "alice", text);
    }
    let second = heard(&world, ALICE, "PRIVMSG")[1].id.clone().expect("an id");
    says(&mut world, ALICE, Envelope::new("MARKREAD").to("bob").param(second));
    world.run_until(world.now + 3_000);
    for crash in [false, true] {
        if crash {
            restart(&mut world, BOB);
        }
        says(&mut world, BOB, Envelope::new("HISTORY").to("alice"));
        world.run_until(world.now + 2_000);
        let answer = heard(&world, BOB, "HISTORY").pop().expect("an answer");
        let Some(kirc_core::Body::Array(list)) = answer.body else { panic!("{answer:?}") };
        let states: Vec<&str> = list.iter().filter_map(|e| e["meta"]["state"].as_str()).collect();
        assert_eq!(states, ["read", "read", "delivered"], "restarted: {crash}");
    }
}

#[test]
fn nobody_has_read_what_is_not_said_yet() {
    let mut world = acquainted(scene(2));
    world.run_until(5_000);
    tells(&mut world, BOB, "alice", "one");
    // By any id that a session of hers makes up.
    let mark = Envelope::new("MARKREAD").to("bob").param("ffffffff-ffff-7fff-bfff-ffffffffffff");
    says(&mut world, ALICE, mark);
    world.run_until(world.now + 3_000);
    tells(&mut world, BOB, "alice", "two");
    says(&mut world, BOB, Envelope::new("HISTORY").to("alice"));
    world.run_until(world.now + 2_000);
    let answer = heard(&world, BOB, "HISTORY").pop().expect("an answer");
    let Some(kirc_core::Body::Array(list)) = answer.body else { panic!("{answer:?}") };
    let states: Vec<&str> = list.iter().filter_map(|e| e["meta"]["state"].as_str()).collect();
    assert_eq!(states, ["delivered", "delivered"]);
}
