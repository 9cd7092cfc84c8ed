//! Scenes in which somebody came, went or was removed about the time at which a channel's log was
//! lost: all come into one and the same channel, or are told that they are out.

use kirc_core::Envelope;
use kirc_core::port::Service;
use kirc_sim::faults::Fault;
use kirc_sim::people::Deed;
use kirc_sim::world::Event;
use serde_json::json;

use crate::lost::{late, talk};
use crate::{ALICE, BOB, heard, joined, records, says, scene, scene_of, shown, status};

#[test]
fn who_came_in_what_was_lost_comes_in_again() {
    let mut world = joined(scene(3), 2);
    world.at(10_000, Event::Fault(Fault::Cut(BOB, Service::Mailbox, 30_000)));
    world.at(12_000, Event::Person(2, Deed::Join("#net")));
    for host in [ALICE, 2] {
        world.at(20_000, Event::Person(host, Deed::Say("#net")));
        world.at(25_000, Event::Fault(Fault::Pause(host, 60_000)));
    }
    world.at(30_000, Event::Fault(Fault::Vanish));
    world.at(60_000, Event::Person(BOB, Deed::Say("#net")));
    world.at(280_000, Event::Person(BOB, Deed::Say("#net")));
    world.at(281_000, Event::Person(2, Deed::Say("#net")));
    world.run_until(320_000);
    assert_eq!(late(&world, BOB).len(), 2, "{:?}", shown(&world, BOB));
    // Carol was not in the channel when bob spoke alone: no key of that time is hers.
    assert_eq!([ALICE, BOB, 2].map(|host| shown(&world, host).len()), [5, 5, 4]);
}

#[test]
fn who_was_removed_from_a_new_log_before_it_came_is_told_so() {
    let mut world = joined(scene(3), 3);
    // Who may remove others is cut off, and begins the log anew with less.
    world.at(20_000, Event::Fault(Fault::Cut(ALICE, Service::Mailbox, 30_000)));
    for i in 0..2 {
        world.at(22_000 + i * 500, Event::Person(1 + i as usize, Deed::Say("#net")));
    }
    for host in [BOB, 2] {
        world.at(30_000, Event::Fault(Fault::Pause(host, 70_000)));
    }
    world.at(31_000, Event::Fault(Fault::Vanish));
    world.run_until(75_000);
    says(&mut world, ALICE, Envelope::new("KICK").to("#net").param("bob"));
    world.run_until(80_000);
    assert_eq!(heard(&world, ALICE, "KICK").len(), 1);
    world.run_until(130_000);
    assert_eq!(heard(&world, BOB, "KICK").len(), 1, "{:?}", heard(&world, BOB, "ALARM"));
    assert_eq!([ALICE, 2].map(|host| shown(&world, host).len()), [2, 2]);
}

#[test]
fn who_joins_after_a_log_was_lost_comes_into_the_same_channel() {
    let mut world = joined(scene(3), 2);
    world.at(10_000, Event::Person(ALICE, Deed::Say("#net")));
    world.at(15_000, Event::Fault(Fault::Vanish));
    world.at(40_000, Event::Person(2, Deed::Join("#net")));
    world.at(60_000, Event::Person(2, Deed::Say("#net")));
    world.run_until(90_000);
    assert_eq!(shown(&world, 2).len(), 1);
    assert_eq!((shown(&world, ALICE).len(), shown(&world, BOB).len()), (2, 2));
}

#[test]
fn who_joins_after_the_log_is_gone_gets_into_the_same_channel() {
    for seed in 0..20 {
        let mut world = joined(scene_of(seed, 4), 3);
        world.at(10_000, Event::Fault(Fault::Vanish));
        // Somebody comes who was never there, at once or later, and somebody who was there goes and
        // comes again.
        world.at(10_000 + seed * 40, Event::Person(3, Deed::Join("#net")));
        world.at(12_000, Event::Person(2, Deed::Part("#net")));
        world.at(13_000, Event::Person(2, Deed::Join("#net")));
        world.at(30_000, Event::Person(BOB, Deed::Say("#net")));
        world.run_until(60_000);
        for host in 0..4 {
            let state = status(&mut world, host).get("channels").unwrap()["#net"].clone();
            assert_eq!(
                (&state["phase"], &state["members"]),
                (&json!("joined"), &json!(4)),
                "seed {seed} {host}"
            );
            assert_eq!(shown(&world, host).len(), 1, "seed {seed} {host}");
        }
    }
}

#[test]
fn who_reads_a_lost_log_before_its_members_do_founds_no_other_channel() {
    let mut world = joined(scene(3), 2);
    for host in [ALICE, BOB] {
        world.at(9_000, Event::Fault(Fault::Cut(host, Service::Mailbox, 8_000)));
    }
    world.at(10_000, Event::Fault(Fault::Vanish));
    world.at(11_000, Event::Person(2, Deed::Join("#net")));
    world.at(50_000, Event::Person(2, Deed::Say("#net")));
    world.run_until(70_000);
    for host in 0..3 {
        let state = status(&mut world, host).get("channels").unwrap()["#net"].clone();
        assert_eq!((&state["phase"], &state["members"]), (&json!("joined"), &json!(3)), "{host}");
        assert_eq!(shown(&world, host).len(), 1, "{host}");
    }
}

#[test]
fn who_was_removed_in_what_was_lost_is_told_so() {
    let mut world = joined(scene(3), 3);
    world.at(20_000, Event::Fault(Fault::Cut(2, Service::Mailbox, 30_000)));
    world.run_until(21_000);
    says(&mut world, ALICE, Envelope::new("KICK").to("#net").param("carol"));
    talk(&mut world, 22_000, 2, 2);
    world.at(30_000, Event::Fault(Fault::Vanish));
    world.run_until(100_000);
    // Nobody counts her as a member any more; but they know that she was one.
    assert_eq!(heard(&world, 2, "KICK").len(), 1, "{:?}", heard(&world, 2, "GAP"));
    assert_eq!([ALICE, BOB, 2].map(|host| shown(&world, host).len()), [2, 2, 0]);
}

#[test]
fn who_left_in_what_was_lost_and_did_not_read_it_is_out() {
    let mut world = joined(scene(3), 3);
    world.run_until(20_000);
    says(&mut world, 2, Envelope::new("PART").to("#net"));
    // Her going is in the log before she is back to read that.
    world.run_until(20_003);
    world.at(20_003, Event::Fault(Fault::Cut(2, Service::Mailbox, 20_000)));
    world.at(30_000, Event::Fault(Fault::Vanish));
    world.at(80_000, Event::Person(2, Deed::Join("#net")));
    world.at(100_000, Event::Person(2, Deed::Say("#net")));
    world.run_until(120_000);
    assert_eq!(heard(&world, 2, "PART").len(), 1);
    assert_eq!([ALICE, BOB, 2].map(|host| shown(&world, host).len()), [1, 1, 1]);
}

#[test]
fn a_new_log_that_somebody_begins_who_came_meanwhile_is_followed() {
    let mut world = joined(scene(3), 2);
    // Bob does not know yet that carol is a member; and she begins the log anew, since alice is
    // away.
    world.at(10_000, Event::Fault(Fault::Cut(BOB, Service::Mailbox, 24_000)));
    world.at(12_000, Event::Person(2, Deed::Join("#net")));
    world.at(20_000, Event::Person(2, Deed::Say("#net")));
    world.at(25_000, Event::Fault(Fault::Pause(ALICE, 75_000)));
    world.at(30_000, Event::Fault(Fault::Vanish));
    world.at(60_000, Event::Person(BOB, Deed::Say("#net")));
    world.run_until(99_000);
    assert_eq!(
        [BOB, 2].map(|host| shown(&world, host).len()),
        [0, 1],
        "only alice can say how carol came in"
    );
    world.run_until(180_000);
    assert_eq!(shown(&world, 2).len(), 2);
    assert_eq!([ALICE, BOB].map(|host| shown(&world, host)), [shown(&world, 2), shown(&world, 2)]);
    for host in [ALICE, BOB, 2] {
        assert!(heard(&world, host, "ALARM").is_empty(), "{:?}", heard(&world, host, "ALARM"));
    }
}

#[test]
fn who_comes_back_into_an_empty_log_founds_no_other_channel() {
    for seed in 0..20 {
        let mut world = joined(scene_of(seed, 4), 3);
        world.at(10_000, Event::Person(2, Deed::Part("#net")));
        for host in [ALICE, BOB] {
            world.at(20_000, Event::Fault(Fault::Pause(host, 2_000)));
        }
        // Of the channel there is nothing left, in the log or among the hints, and its members are
        // not there to say so.
        world.at(20_500, Event::Fault(Fault::Vanish));
        world.at(20_500, Event::Fault(Fault::Flush));
        world.at(20_600, Event::Person(2, Deed::Join("#net")));
        // Who was never in it sees what they say of it.
        world.at(23_500 + seed * 50, Event::Person(3, Deed::Join("#net")));
        world.run_until(60_000);
        for host in 0..4 {
            let state = status(&mut world, host).get("channels").unwrap()["#net"].clone();
            let (phase, members) = (&state["phase"], &state["members"]);
            assert_eq!((phase, members), (&json!("joined"), &json!(4)), "seed {seed} {host}");
            assert!(heard(&world, host, "ALARM").is_empty(), "{:?}", heard(&world, host, "ALARM"));
        }
    }
}

#[test]
fn who_began_a_lost_log_with_more_and_left_is_still_asked() {
    for after in (0..80).step_by(4) {
        let mut world = joined(scene(3), 3);
        world.at(20_000, Event::Person(BOB, Deed::Say("#net")));
        for host in [ALICE, BOB] {
            world.at(20_000 + after, Event::Fault(Fault::Cut(host, Service::Mailbox, 8_000)));
        }
        world.at(27_500, Event::Fault(Fault::Vanish));
        // Her going is the first that she relays, if she is the one who begins it.
        world.at(29_000, Event::Person(2, Deed::Part("#net")));
        world.at(60_000, Event::Person(ALICE, Deed::Say("#net")));
        world.run_until(100_000);
        let (alice, bob) = (shown(&world, ALICE), shown(&world, BOB));
        assert_eq!((alice.len(), &alice), (2, &bob), "{after} ms after");
        assert_eq!(heard(&world, 2, "PART").len(), 1, "{after} ms after");
    }
}

#[test]
fn a_channel_that_everybody_has_left_is_not_listed() {
    let mut world = joined(scene(3), 2);
    world.run_until(10_000);
    says(&mut world, 2, Envelope::new("LIST"));
    world.run_until(15_000);
    assert_eq!(heard(&world, 2, "322").len(), 1);
    for host in [ALICE, BOB] {
        says(&mut world, host, Envelope::new("PART").to("#net"));
        world.run_until(20_000 + host as u64 * 5_000);
    }
    says(&mut world, 2, Envelope::new("LIST"));
    world.run_until(30_000);
    assert_eq!((heard(&world, 2, "322").len(), heard(&world, 2, "323").len()), (1, 2));
}

#[test]
fn what_one_said_alone_in_a_log_that_is_lost_too_reaches_the_others() {
    let mut world = joined(scene(3), 3);
    world.at(10_000, Event::Person(ALICE, Deed::Say("#net")));
    // Two don't see how bob begins the log anew, alone, and says something in it.
    for host in [ALICE, 2] {
        world.at(15_000, Event::Fault(Fault::Cut(host, Service::Mailbox, 50_000)));
    }
    world.at(16_000, Event::Fault(Fault::Vanish));
    world.at(50_000, Event::Person(BOB, Deed::Say("#net")));
    world.run_until(64_000);
    assert_eq!(shown(&world, BOB).len(), 2, "{:?}", heard(&world, BOB, "STATUS").last());
    // They begin it anew, too, from the same place.
    world.at(64_000, Event::Fault(Fault::Cut(BOB, Service::Mailbox, 8_000)));
    world.at(64_500, Event::Fault(Fault::Vanish));
    world.at(70_000, Event::Person(ALICE, Deed::Say("#net")));
    world.at(90_000, Event::Person(BOB, Deed::Say("#net")));
    world.run_until(130_000);
    let mut bobs = shown(&world, BOB);
    bobs.sort();
    for host in [ALICE, 2] {
        let mut theirs = shown(&world, host);
        theirs.sort();
        assert_eq!((theirs.len(), &theirs), (4, &bobs), "{host}");
        assert_eq!(late(&world, host).len(), 1, "{host}");
    }
}

#[test]
fn who_is_let_in_by_a_log_that_is_lost_comes_into_the_next_one() {
    let mut world = joined(scene(3), 2);
    for i in 0..8 {
        world.at(8_000 + i * 100, Event::Person(ALICE, Deed::Say("#net")));
    }
    world.at(10_000, Event::Person(2, Deed::Join("#net")));
    let mut now = 10_000;
    let answers = |world: &kirc_sim::world::World| records(world, "rpc-out-alice", "ANSWER");
    let before = answers(&world).len();
    while answers(&world).len() == before && now < 12_000 {
        now += 1;
        world.run_until(now);
    }
    // What lets carol in was on its way when the log was lost, and comes after that.
    let (topic, key, answer) = answers(&world).pop().unwrap();
    world.at(now, Event::Fault(Fault::Vanish));
    world.run_until(now + 100);
    world.send(ALICE, None, topic, key, answer, 0);
    world.at(now + 40_000, Event::Person(2, Deed::Say("#net")));
    world.at(now + 41_000, Event::Person(ALICE, Deed::Say("#net")));
    world.run_until(now + 60_000);
    assert_eq!([ALICE, BOB, 2].map(|host| shown(&world, host).len()), [10, 10, 2]);
}
