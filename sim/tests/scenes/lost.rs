//! Scenes in which a channel's log is gone: what the members kept is there again, once and in its
//! order.

use kirc_core::Envelope;
use kirc_core::port::Service;
use kirc_sim::faults::Fault;
use kirc_sim::host::LOG;
use kirc_sim::people::Deed;
use kirc_sim::world::{Event, World};
use serde_json::json;

use crate::{ALICE, BOB, heard, joined, plan_of, records, restart, says, scene, scene_of, shown, world_of};

/// Somebody of the first so many says something each half second, in turn.
pub fn talk(world: &mut World, from: u64, messages: u64, people: usize) {
    for i in 0..messages {
        world.at(from + i * 500, Event::Person(i as usize % people, Deed::Say("#net")));
    }
}

/// Three people of whom the third is cut off at 20 s for 30 s; until then it was shown 6 messages,
/// the others 14 by now.
fn one_misses_the_end() -> World {
    let mut world = joined(scene(3), 3);
    talk(&mut world, 10_000, 6, 3);
    world.run_until(20_000);
    world.at(20_000, Event::Fault(Fault::Cut(2, Service::Mailbox, 30_000)));
    talk(&mut world, 22_000, 8, 2);
    world.run_until(30_000);
    assert_eq!([ALICE, BOB, 2].map(|host| shown(&world, host).len()), [14, 14, 6]);
    world
}

#[test]
fn a_channel_goes_on_when_its_log_is_gone() {
    let mut world = joined(scene(3), 3);
    talk(&mut world, 10_000, 12, 3);
    world.run_until(20_000);
    assert_eq!(shown(&world, ALICE).len(), 12);
    world.at(21_000, Event::Fault(Fault::Vanish));
    talk(&mut world, 25_000, 12, 3);
    world.run_until(120_000);
    let alice = shown(&world, ALICE);
    assert_eq!(alice.len(), 24);
    assert_eq!((shown(&world, BOB), shown(&world, 2)), (alice.clone(), alice));
}

#[test]
fn who_missed_the_end_of_a_log_that_is_gone_has_it_from_the_others() {
    let mut world = one_misses_the_end();
    world.at(31_000, Event::Fault(Fault::Vanish));
    talk(&mut world, 60_000, 4, 2);
    world.run_until(200_000);
    let alice = shown(&world, ALICE);
    assert_eq!(alice.len(), 18);
    assert_eq!(shown(&world, BOB), alice);
    assert_eq!(shown(&world, 2), alice, "who was away did not get what was gone");
    let asked = ["rpc-in-alice", "rpc-in-bob"].map(|topic| records(&world, topic, "FETCH").len());
    assert!(asked.iter().sum::<usize>() > 0, "nobody was asked for what was missing");
}

/// What a person was shown of a channel that was marked as late.
pub fn late(world: &World, host: usize) -> Vec<String> {
    let marked = |e: &Envelope| e.meta.get("late") == Some(&json!(true));
    heard(world, host, "PRIVMSG").into_iter().filter(marked).filter_map(|e| e.id).collect()
}

/// Each message with the place at which it was shown.
fn places(world: &World, host: usize) -> std::collections::BTreeMap<String, u64> {
    let settled = heard(world, host, "PRIVMSG").into_iter();
    settled.filter_map(|e| Some((e.id.clone()?, e.meta_u64("seq")?))).collect()
}

/// Three people; the third is cut off while the others go on, then the log is lost and they are
/// away. The third begins it anew and talks; the others come back with more.
fn begins_with_less(then: impl FnOnce(&mut World)) -> World {
    let mut world = one_misses_the_end();
    for host in [ALICE, BOB] {
        world.at(30_000, Event::Fault(Fault::Pause(host, 70_000)));
    }
    world.at(31_000, Event::Fault(Fault::Vanish));
    for i in 0..4 {
        world.at(70_000 + i * 500, Event::Person(2, Deed::Say("#net")));
    }
    world.run_until(95_000);
    assert_eq!(shown(&world, 2).len(), 10, "who is there goes on");
    then(&mut world);
    world.run_until(300_000);
    world
}

#[test]
fn what_only_those_had_who_come_later_is_added_late() {
    let world = begins_with_less(|_| {});
    let (alice, bob, carol) = (shown(&world, ALICE), shown(&world, BOB), shown(&world, 2));
    // Who had it is shown it once, in the order of old; who had not is shown it late, behind what
    // it was shown already.
    assert_eq!((alice.len(), bob.len(), carol.len()), (18, 18, 18), "{alice:#?}\n{carol:#?}");
    assert_eq!(alice, bob);
    assert_eq!((late(&world, ALICE), late(&world, BOB)), (vec![], vec![]));
    assert_eq!(carol[..6], alice[..6]);
    assert_eq!(carol[6..10], alice[14..], "what was shown is not moved");
    assert_eq!(late(&world, 2), alice[6..14]);
    assert_eq!(carol[10..], alice[6..14]);
    // Each message has one place, for everybody, and by these the history is in the order in which
    // it was said.
    assert_eq!(places(&world, ALICE), places(&world, 2));
    let rows = world.hosts[2].store.messages().iter().filter(|r| alice.contains(&r.id));
    let mut rows: Vec<(u64, String)> = rows.map(|r| (r.seq, r.id.clone())).collect();
    rows.sort();
    assert_eq!(rows.into_iter().map(|(_, id)| id).collect::<Vec<_>>(), alice);
    // They were told what does not hold any more, and the channel goes on as one.
    for host in [ALICE, BOB] {
        let alarms = heard(&world, host, "ALARM");
        let anew = alarms.iter().filter(|a| a.params == ["log-anew"]).count();
        assert_eq!(anew, 1, "{alarms:?}");
    }
    assert!(heard(&world, 2, "ALARM").is_empty(), "{:?}", heard(&world, 2, "ALARM"));
    assert!(anew(&world, ALICE).contains("without 8 records that are here"), "{}", anew(&world, ALICE));
}

/// What somebody was told of a log that began with less.
fn anew(world: &World, host: usize) -> String {
    let alarms = heard(world, host, "ALARM").into_iter();
    alarms.filter(|a| a.params == ["log-anew"]).map(|a| a.lines().concat()).collect()
}

#[test]
fn who_falls_back_behind_an_earlier_loss_is_told_no_number() {
    let mut world = joined(scene(3), 3);
    talk(&mut world, 10_000, 6, 3);
    // The third is away when the log is lost for the first time, and alone when it is lost again.
    world.at(20_000, Event::Fault(Fault::Cut(2, Service::Mailbox, 80_000)));
    world.at(31_000, Event::Fault(Fault::Vanish));
    talk(&mut world, 50_000, 8, 2);
    for host in [ALICE, BOB] {
        world.at(80_000, Event::Fault(Fault::Pause(host, 70_000)));
    }
    world.at(81_000, Event::Fault(Fault::Vanish));
    world.at(120_000, Event::Person(2, Deed::Say("#net")));
    world.run_until(300_000);
    for host in [ALICE, BOB] {
        let text = anew(&world, host);
        assert!(text.contains("without some records that are here"), "{host}: {text}");
    }
}

#[test]
fn what_is_late_under_a_key_that_came_meanwhile_can_be_read() {
    let mut world = joined(scene(3), 3);
    world.run_until(20_000);
    world.at(20_000, Event::Fault(Fault::Cut(2, Service::Mailbox, 30_000)));
    world.run_until(22_000);
    says(&mut world, ALICE, Envelope::new("ROTATE").to("#net"));
    talk(&mut world, 25_000, 3, 2);
    world.at(29_000, Event::Fault(Fault::Pause(ALICE, 70_000)));
    world.at(29_000, Event::Fault(Fault::Pause(BOB, 70_000)));
    world.at(30_000, Event::Fault(Fault::Vanish));
    world.at(70_000, Event::Person(2, Deed::Say("#net")));
    world.run_until(300_000);
    assert_eq!((shown(&world, ALICE).len(), shown(&world, 2).len()), (4, 4));
    assert_eq!(late(&world, 2), shown(&world, ALICE)[..3]);
    let asked = ["rpc-in-alice", "rpc-in-bob"].map(|topic| records(&world, topic, "KEYREQ").len());
    assert!(asked.iter().sum::<usize>() > 0, "the key came by itself");
}

#[test]
fn who_missed_a_claim_of_a_log_that_is_gone_has_it_from_the_others() {
    let mut world = joined(scene(3), 3);
    // Who leads is cut off, and somebody else leads by the time the log is lost.
    world.at(20_000, Event::Fault(Fault::Cut(ALICE, Service::Mailbox, 50_000)));
    for i in 0..4 {
        world.at(22_000 + i * 500, Event::Person(1 + i as usize % 2, Deed::Say("#net")));
    }
    world.run_until(40_000);
    assert_eq!([BOB, 2].map(|host| shown(&world, host).len()), [4, 4], "somebody else leads");
    world.at(40_000, Event::Fault(Fault::Vanish));
    for (host, at) in [(BOB, 60_000), (ALICE, 100_000), (2, 101_000)] {
        world.at(at, Event::Person(host, Deed::Say("#net")));
    }
    world.run_until(150_000);
    assert_eq!([ALICE, BOB, 2].map(|host| shown(&world, host).len()), [7, 7, 7]);
    assert_eq!(shown(&world, ALICE), shown(&world, BOB));
}

#[test]
fn a_channel_is_one_again_after_its_log_began_with_less() {
    let mut world = begins_with_less(|_| {});
    for (i, host) in [ALICE, BOB, 2].into_iter().enumerate() {
        world.at(301_000 + i as u64 * 1_000, Event::Person(host, Deed::Say("#net")));
    }
    world.run_until(330_000);
    for host in [ALICE, BOB, 2] {
        assert_eq!(shown(&world, host).len(), 21);
    }
    assert_eq!(shown(&world, ALICE)[18..], shown(&world, 2)[18..]);
}

#[test]
fn what_is_late_comes_once_though_nodes_crash_on_the_way() {
    for at in [101_000, 103_000, 105_000, 107_000, 110_000, 113_000] {
        for host in [ALICE, BOB, 2] {
            let world = begins_with_less(|world| world.at(at, Event::Fault(Fault::Crash(host))));
            let said: std::collections::BTreeSet<String> =
                [ALICE, BOB, 2].into_iter().flat_map(|host| shown(&world, host)).collect();
            let rows = |host: usize| {
                let rows = world.hosts[host].store.messages().iter().filter(|r| said.contains(&r.id));
                let mut rows: Vec<(u64, String)> = rows.map(|r| (r.seq, r.id.clone())).collect();
                rows.sort();
                rows
            };
            assert_eq!(rows(ALICE).len(), 18, "{host} crashes at {at}");
            assert_eq!((rows(BOB), rows(2)), (rows(ALICE), rows(ALICE)), "{host} crashes at {at}");
            let carol = shown(&world, 2);
            let once: std::collections::BTreeSet<&String> = carol.iter().collect();
            assert_eq!(once.len(), carol.len(), "{host} crashes at {at}");
        }
    }
}

#[test]
fn what_all_have_trimmed_is_a_gap_and_its_size_is_told() {
    let mut world = one_misses_the_end();
    // The log is gone, and of what was said meanwhile nobody has more than the end.
    for host in [ALICE, BOB] {
        world.hosts[host].store.trim(3);
    }
    world.at(31_000, Event::Fault(Fault::Vanish));
    talk(&mut world, 60_000, 4, 2);
    world.run_until(200_000);
    // Those who were there go on, and know what they have.
    let alice = shown(&world, ALICE);
    assert_eq!((alice.len(), shown(&world, BOB)), (18, alice.clone()));
    let id = alice.last().cloned().unwrap_or_default();
    says(&mut world, ALICE, Envelope::new("HISTORY").to("#net").param("before").param(id));
    world.run_until(201_000);
    let history = heard(&world, ALICE, "HISTORY").pop().expect("an answer");
    let kept = match &history.body {
        Some(kirc_core::Body::Array(kept)) => kept.len(),
        other => panic!("{other:?}"),
    };
    assert!((1..12).contains(&kept), "{kept} messages are kept");
    assert_eq!(history.meta.get("more"), Some(&json!(false)), "what is gone is not promised");
    assert_eq!(history.meta.get("trimmed"), Some(&json!(true)), "and not hidden");
    // Who was away shows nothing out of order, and is told how much it lacks.
    assert_eq!(shown(&world, 2), alice[..6]);
    let gaps: Vec<u64> =
        heard(&world, 2, "GAP").iter().map(|g| g.params[0].parse().expect("a number")).collect();
    assert!(gaps.iter().any(|n| (5..=9).contains(n)), "{gaps:?}");
    // Who asks again and again gets nothing twice: it asks for less once it has seen the end.
    assert!(gaps.windows(2).all(|two| two[1] <= two[0]), "{gaps:?}");
}

#[test]
fn what_was_on_its_way_when_the_log_was_lost_is_relayed_again() {
    for seed in 0..12 {
        let mut world = joined(scene_of(seed, 3), 3);
        for i in 0..900 {
            world.at(8_000 + i * 2, Event::Person(i as usize % 3, Deed::Say("#net")));
        }
        world.at(8_300, Event::Fault(Fault::Vanish));
        world.run_until(90_000);
        let alice = shown(&world, ALICE);
        assert_eq!(alice.len(), 900, "seed {seed}");
        // Who lacked something is shown it late, or where it was said again; but each of them once.
        for host in [BOB, 2] {
            let (mut one, mut other) = (alice.clone(), shown(&world, host));
            one.sort();
            other.sort();
            assert!(one == other, "seed {seed}: {host} was shown {} messages", other.len());
        }
    }
}

#[test]
fn who_leads_and_has_less_lets_others_begin_a_lost_log() {
    // Who leads is cut off at some moment between relaying something and reading it back.
    for after in (0..80).step_by(4) {
        let mut world = joined(scene(3), 3);
        world.at(20_000, Event::Person(BOB, Deed::Say("#net")));
        world.at(20_000 + after, Event::Fault(Fault::Cut(ALICE, Service::Mailbox, 8_000)));
        world.at(27_500, Event::Fault(Fault::Vanish));
        world.run_until(80_000);
        for host in [ALICE, BOB, 2] {
            assert_eq!(shown(&world, host).len(), 1, "{host}, {after} ms after");
            let alarms = heard(&world, host, "ALARM");
            assert!(alarms.is_empty(), "{host}, {after} ms after: {alarms:?}");
        }
    }
}

#[test]
fn a_claim_that_was_meant_for_a_log_that_is_lost_too_begins_no_other() {
    let mut world = joined(scene(3), 3);
    world.at(10_000, Event::Fault(Fault::Vanish));
    talk(&mut world, 20_000, 6, 3);
    world.run_until(30_000);
    let (topic, key, claim) = records(&world, LOG, "CLAIM").remove(0);
    world.at(30_000, Event::Fault(Fault::Vanish));
    world.run_until(30_010);
    world.send(BOB, None, topic, key, claim, 0);
    talk(&mut world, 40_000, 6, 3);
    world.run_until(80_000);
    for host in [ALICE, BOB, 2] {
        assert_eq!(shown(&world, host).len(), 12);
        assert!(heard(&world, host, "ALARM").is_empty(), "{:?}", heard(&world, host, "ALARM"));
    }
}

#[test]
fn who_missed_more_than_a_record_holds_has_it_all_the_same() {
    let mut world = joined(scene(3), 3);
    talk(&mut world, 10_000, 6, 3);
    world.run_until(20_000);
    world.at(20_000, Event::Fault(Fault::Cut(2, Service::Mailbox, 60_000)));
    world.run_until(22_000);
    let text = "what is said while carol is away ".repeat(60);
    for _ in 0..300 {
        says(&mut world, ALICE, Envelope::new("PRIVMSG").to("#net").line(text.as_str()));
    }
    world.run_until(60_000);
    assert_eq!(shown(&world, BOB).len(), 306);
    world.at(60_000, Event::Fault(Fault::Vanish));
    talk(&mut world, 100_000, 4, 2);
    world.run_until(300_000);
    let alice = shown(&world, ALICE);
    assert_eq!(alice.len(), 310);
    assert_eq!(shown(&world, 2), alice, "who was away did not get what was gone");
}

#[test]
fn who_missed_more_keys_than_wait_here_does_not_rest_for_each() {
    const ROUNDS: u64 = 90;
    // A service that takes its time.
    let (mut dice, mut plan) = plan_of(1, 2);
    (plan.append.min, plan.append.max) = (200, 400);
    let mut world = joined(world_of(1, plan, &mut dice), 2);
    world.at(10_000, Event::Fault(Fault::Cut(BOB, Service::Mailbox, 292_000)));
    world.run_until(12_000);
    let text = "what is said while bob is away ".repeat(60);
    for round in 1..=ROUNDS {
        for _ in 0..6 {
            says(&mut world, ALICE, Envelope::new("PRIVMSG").to("#net").line(text.as_str()));
        }
        says(&mut world, ALICE, Envelope::new("ROTATE").to("#net"));
        world.run_until(12_000 + round * 3_000);
    }
    // Most of it is not in the log any more: alice has it, and bob asks her.
    world.at(300_000, Event::Fault(Fault::Trim(50)));
    world.run_until(305_000);
    restart(&mut world, BOB);
    world.run_until(world.now + 10_000);
    assert_eq!(shown(&world, BOB).len() as u64, ROUNDS * 6, "10 s after it is back");
}
