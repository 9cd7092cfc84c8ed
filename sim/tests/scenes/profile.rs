//! A profile that is taken back from an older copy, or is at work twice: what it says is heard, and
//! the second is told.

use kirc_core::envelope::{Domain, format_ts};
use kirc_sim::keys;

use super::*;

/// The node ends, and starts again with a store of before.
fn take_back(world: &mut World, host: usize, store: kirc_sim::store::Store) {
    let life = world.hosts[host].life;
    world.fail(Fault::Crash(host));
    says(world, host, Envelope::new("AWAY").line("gone"));
    let end = world.now + 60_000;
    while world.hosts[host].node.is_some() {
        assert!(world.now < end, "it goes on");
        world.run_until(world.now + 1);
    }
    world.hosts[host].store = store;
    while world.hosts[host].life == life || world.hosts[host].node.is_none() {
        assert!(world.now < end, "it is not there again");
        world.run_until(world.now + 500);
    }
}

#[test]
fn what_is_said_from_an_older_copy_of_a_profile_is_heard() {
    let mut world = joined(acquainted(scene(2)), 2);
    world.run_until(10_000);
    for n in 0..3 {
        tells(&mut world, BOB, "alice", &format!("before {n}"));
    }
    let copy = world.hosts[BOB].store.clone();
    for n in 0..20 {
        tells(&mut world, BOB, "alice", &format!("lost {n}"));
        tells(&mut world, BOB, "#net", &format!("lost {n}"));
    }
    take_back(&mut world, BOB, copy);
    world.run_until(world.now + 10_000);
    for n in 0..25 {
        tells(&mut world, BOB, "alice", &format!("after {n}"));
        tells(&mut world, BOB, "#net", &format!("after {n}"));
    }
    world.run_until(world.now + 30_000);
    let shown = heard(&world, ALICE, "PRIVMSG");
    for to in ["alice", "#net"] {
        let texts: Vec<String> =
            shown.iter().filter(|e| e.to.as_deref() == Some(to)).map(|e| e.lines().concat()).collect();
        let mut all: Vec<String> = Vec::new();
        if to == "alice" {
            all.extend((0..3).map(|n| format!("before {n}")));
        }
        all.extend((0..20).map(|n| format!("lost {n}")));
        all.extend((0..25).map(|n| format!("after {n}")));
        assert_eq!(texts, all, "in {to}");
    }
    let doubles = |host| heard(&world, host, "ALARM").iter().filter(|e| e.params[0] == "double").count();
    assert_eq!([doubles(ALICE), doubles(BOB)], [0, 0], "there is one of each");
}

#[test]
fn who_sees_another_at_work_as_itself_says_so_once() {
    let mut world = joined(scene(1), 1);
    world.run_until(5_000);
    for n in 0..3 {
        let now = world.hosts[ALICE].clocks(world.now).wall;
        let id = keys::identity(ALICE);
        let presence = Envelope::new("PRESENCE").from(id.actor().to_string()).param("online");
        let presence = Envelope { ts: Some(format_ts(now + n)), ..presence }.sign(Domain::Presence, &id);
        let payload = String::from_utf8(presence.to_canonical()).unwrap();
        let (life, channel) = (world.hosts[ALICE].life, "presence".to_owned());
        world.arrive(ALICE, life, Input::Published { grid: "grid".into(), channel, payload });
        world.run_until(world.now + 100_000);
    }
    let alarms = heard(&world, ALICE, "ALARM");
    let doubles: Vec<&Envelope> = alarms.iter().filter(|e| e.params[0] == "double").collect();
    assert_eq!(doubles.len(), 1, "{alarms:?}");
    assert!(doubles[0].lines().concat().contains("another node is at work under your identity"));
}

#[test]
fn what_is_changed_of_a_profile_reaches_who_asks_for_it() {
    let mut world = joined(scene(2), 2);
    world.run_until(10_000);
    let set = Envelope::new("PROFILE").param("set").param("realname").line("Bob the Builder");
    says(&mut world, BOB, set);
    says(&mut world, BOB, Envelope::new("PROFILE").param("publish"));
    world.run_until(15_000);
    says(&mut world, ALICE, Envelope::new("WHOIS").to("bob"));
    world.run_until(16_000);
    let who = heard(&world, ALICE, "311").pop().expect("an answer");
    assert_eq!(who.lines(), ["Bob the Builder"]);
}
