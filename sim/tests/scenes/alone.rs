//! Scenes about what somebody says who is alone in a channel.

use kirc_core::Envelope;
use kirc_core::port::Service;
use kirc_sim::faults::Fault;
use kirc_sim::host::LOG;
use kirc_sim::people::Deed;
use kirc_sim::world::{Event, World};

use crate::{ALICE, BOB, heard, joined, records, says, scene, scene_of, shown};

#[test]
fn what_is_said_alone_stays_at_home_until_somebody_comes() {
    let mut world = joined(scene(2), 1);
    for at in [2_000, 2_010] {
        world.at(at, Event::Person(ALICE, Deed::Say("#net")));
    }
    // Nobody has to be reached to keep something.
    world.at(3_000, Event::Fault(Fault::Cut(ALICE, Service::Mailbox, 5_000)));
    world.at(4_000, Event::Person(ALICE, Deed::Say("#net")));
    world.run_until(4_500);
    let alone = heard(&world, ALICE, "PRIVMSG").into_iter().filter(|e| e.meta.contains_key("alone"));
    assert_eq!((alone.count(), shown(&world, ALICE).len()), (3, 3));
    let log = |world: &World| records(world, LOG, "LOG").len();
    assert_eq!(log(&world), 0, "nothing was said in the log");

    world.at(9_000, Event::Fault(Fault::Crash(ALICE)));
    let mut now = 9_100;
    world.run_until(now);
    says(&mut world, ALICE, Envelope::new("AWAY").line("she falls over this"));
    while heard(&world, ALICE, "001").len() < 2 {
        now += 1_000;
        assert!(now < 120_000, "she did not come back");
        world.run_until(now);
    }
    world.at(now, Event::Person(ALICE, Deed::Say("#net")));
    world.run_until(now + 1_000);
    assert_eq!((log(&world), shown(&world, ALICE).len()), (0, 4), "the same after a restart");

    world.at(now + 1_000, Event::Person(BOB, Deed::Join("#net")));
    for (host, after) in [(ALICE, 5_000), (BOB, 5_500)] {
        world.at(now + after, Event::Person(host, Deed::Say("#net")));
    }
    world.run_until(now + 8_000);
    assert_eq!([ALICE, BOB].map(|host| shown(&world, host).len()), [6, 2]);
    assert_eq!(log(&world), 3, "bob's JOIN and what they said");
    let rows = world.hosts[ALICE].store.messages().iter();
    let mut rows: Vec<(u64, String)> =
        rows.filter(|r| r.state == "sent").map(|r| (r.seq, r.id.clone())).collect();
    rows.sort();
    let said: Vec<String> =
        rows.into_iter().map(|(_, id)| id).filter(|id| shown(&world, ALICE).contains(id)).collect();
    assert_eq!(said, shown(&world, ALICE), "history has them in the order in which they were said");
}

#[test]
fn what_is_said_while_one_catches_up_is_shown_once() {
    for seed in 0..20 {
        let mut world = joined(scene_of(seed, 1), 1);
        world.run_until(5_000);
        world.fail(Fault::Crash(ALICE));
        says(&mut world, ALICE, Envelope::new("AWAY").line("she falls over this"));
        while world.hosts[ALICE].node.is_none() {
            world.run_until(world.now + 1);
        }
        // She leads by what her store has, and does not lead yet: her node has not read the log to
        // its end.
        says(&mut world, ALICE, Envelope::new("PRIVMSG").to("#net").line("I am back"));
        world.run_until(world.now + 10_000);
        let states = heard(&world, ALICE, "PRIVMSG").into_iter();
        let settled = states.filter(|e| e.meta_str("state") == Some("sent")).count();
        assert_eq!(settled, 1, "seed {seed}");
    }
}
