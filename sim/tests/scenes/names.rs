//! Who is meant by a name: whose keys were compared, and nobody who takes that name.

use super::*;

const MALLORY: usize = 2;

/// Alice has compared bob's keys; mallory is in the channel.
fn compared() -> World {
    let mut world = joined(scene(3), 3);
    world.run_until(10_000);
    says(&mut world, ALICE, Envelope::new("VERIFY").to("bob").param("confirm"));
    world.run_until(11_000);
    world
}

fn alarms(world: &World) -> usize {
    heard(world, ALICE, "ALARM").iter().filter(|e| e.params == ["key-changed"]).count()
}

#[test]
fn who_takes_a_contacts_nick_is_told_of_and_gets_nothing() {
    for known in [false, true] {
        let mut world = compared();
        if known {
            says(&mut world, ALICE, Envelope::new("PRIVMSG").to("carol").line("hello carol"));
            world.run_until(13_000);
        }
        says(&mut world, BOB, Envelope::new("PART").to("#net"));
        world.run_until(15_000);
        says(&mut world, MALLORY, Envelope::new("NICK").param("bob"));
        world.run_until(20_000);
        assert_eq!(alarms(&world), 1, "known: {known}");
        says(&mut world, ALICE, Envelope::new("PRIVMSG").to("bob").line("for bob's eyes"));
        world.run_until(25_000);
        let got = |host| {
            heard(&world, host, "PRIVMSG").iter().filter(|e| e.lines().concat().contains("eyes")).count()
        };
        assert_eq!((got(BOB), got(MALLORY)), (1, 0), "known: {known}");
    }
}

#[test]
fn who_sits_in_a_channel_under_a_contacts_nick_is_told_of_on_joining() {
    let mut world = compared();
    for host in [ALICE, BOB] {
        says(&mut world, host, Envelope::new("PART").to("#net"));
    }
    world.run_until(15_000);
    says(&mut world, MALLORY, Envelope::new("NICK").param("bob"));
    world.run_until(20_000);
    says(&mut world, ALICE, Envelope::new("JOIN").to("#net"));
    world.run_until(30_000);
    assert_eq!(alarms(&world), 1);
}
