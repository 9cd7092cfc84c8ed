//! Keys that nobody is given: they end nothing, hold up nobody, and take back nothing that was
//! sent.

use kirc_core::envelope::Domain;
use kirc_core::ids::{ActorId, Hash, KeyId, MsgId, Seq};
use kirc_core::log::{Fold, LogRecord, SealedAct, hash_record};
use kirc_core::names::ChannelName;
use kirc_core::node::Mutant;
use kirc_core::port::Service;
use kirc_sim::keys;

use super::*;

const MALLORY: usize = 0;
const CAROL: usize = 2;

fn said(world: &World, host: usize, text: &str) -> bool {
    let all = heard(world, host, "PRIVMSG").into_iter().filter(|e| e.meta.contains_key("seq"));
    all.filter(|e| e.lines().concat() == text).count() == 1
}

fn say(world: &mut World, host: usize, text: &str) {
    says(world, host, Envelope::new("PRIVMSG").to("#net").line(text));
}

fn fold(world: &World, host: usize) -> Fold {
    let row = &world.hosts[host].store.values()[&(Table::Head, "#net".to_owned())];
    let row: serde_json::Value = serde_json::from_slice(row).unwrap();
    serde_json::from_value(row["fold"].clone()).unwrap()
}

/// The host that leads goes for good, and what stands last in the log is a KEY that it gave to
/// nobody; and, if it is told to, something under it.
fn ends_with_a_key(mutant: Option<Mutant>, with_an_act: bool) -> World {
    let (mut dice, plan) = plan_of(1, 3);
    let mut world = joined(World::new(1, plan, &mut dice, mutant, false), 3);
    world.run_until(10_000);
    says(&mut world, MALLORY, Envelope::new("ROTATE").to("#net"));
    world.run_until(15_000);
    let me = keys::identity(MALLORY);
    let (fold, room) = (fold(&world, BOB), ChannelName::parse("#net").unwrap());
    assert_eq!(fold.leader, me.actor());
    world.fail(Fault::Pause(MALLORY, HOUR as u64));
    // Nothing of the channel has changed since the last KEY record: the state is the same.
    let (topic, key, last) = records(&world, LOG, "KEY").pop().unwrap();
    let last: Envelope = serde_json::from_slice(&last).unwrap();
    let state = Hash::parse(last.get("state").unwrap().as_str().unwrap()).unwrap();
    let (epoch, kid) = (fold.epoch.next(), KeyId([9; 16]));
    let announced = LogRecord::key_envelope(epoch, kid, "x", state, &[]);
    let announced = LogRecord::leader(announced, &me, &room, fold.term, fold.seq.next(), fold.head);
    let head = hash_record(&announced);
    world.send(MALLORY, None, topic.clone(), key.clone(), announced, 0);
    world.run_until(world.now + 1_000);
    if with_an_act {
        let id = MsgId::generate(world.hosts[BOB].clocks(world.now).wall, 1, MsgId(0));
        let act = SealedAct { from: me.actor(), id, epoch, kid, token: "AAAA".into() };
        let act = LogRecord::acts(&me, &room, fold.term, Seq(fold.seq.0 + 2), head, &[act]);
        world.send(MALLORY, None, topic, key, act, 0);
        world.run_until(world.now + 1_000);
    }
    world
}

#[test]
fn a_key_that_nobody_has_ends_nothing() {
    for with_an_act in [false, true] {
        let mut world = ends_with_a_key(None, with_an_act);
        say(&mut world, BOB, "is anybody there");
        // Sooner than the leader key of who is gone runs out.
        world.run_until(world.now + 20_000);
        assert!(said(&world, CAROL, "is anybody there"), "with an act: {with_an_act}");
        says(&mut world, BOB, Envelope::new("PART").to("#net"));
        world.run_until(world.now + 5_000);
        assert_eq!(heard(&world, CAROL, "PART").len(), 1);
        restart(&mut world, BOB);
        world.run_until(world.now + 5_000);
        world.at(world.now, Event::Person(BOB, Deed::Join("#net")));
        world.run_until(world.now + 15_000);
        say(&mut world, CAROL, "welcome back");
        world.run_until(world.now + 5_000);
        assert!(said(&world, BOB, "welcome back"));
    }
}

#[test]
fn where_keys_are_trusted_one_that_nobody_has_ends_a_channel() {
    let mut world = ends_with_a_key(Some(Mutant::TrustKey), true);
    say(&mut world, BOB, "is anybody there");
    world.run_until(world.now + 600_000);
    assert!(!said(&world, CAROL, "is anybody there"));
}

/// Alice removes bob while carol, who would have the new key, is away.
fn alone_after_a_kick() -> World {
    let mut world = joined(scene(3), 3);
    world.run_until(10_000);
    world.fail(Fault::Cut(CAROL, Service::Mailbox, 60_000));
    world.run_until(11_000);
    says(&mut world, ALICE, Envelope::new("KICK").to("#net").param("bob"));
    world
}

#[test]
fn after_a_removal_messages_wait_until_somebody_else_has_the_new_key() {
    let mut world = alone_after_a_kick();
    world.run_until(12_000);
    assert_eq!(heard(&world, ALICE, "KICK").len(), 1, "removing waits for nobody");
    say(&mut world, ALICE, "without bob");
    world.run_until(30_000);
    assert!(!said(&world, ALICE, "without bob"), "bob has the only key that somebody else has");
    let status = status(&mut world, ALICE);
    let why = &status.get("channels").unwrap()["#net"]["why"];
    assert_eq!(why, "somebody has left, and nobody else here has the new key yet");
    // Who comes is let in all the same, and has the next one.
    world.at(31_000, Event::Person(BOB, Deed::Join("#net")));
    world.run_until(40_000);
    assert!(said(&world, ALICE, "without bob"));
    assert!(said(&world, BOB, "without bob"), "it was said when bob was in again");
    world.run_until(90_000);
    assert!(said(&world, CAROL, "without bob"));
    assert_eq!([ALICE, BOB, CAROL].map(|host| shown(&world, host).len()), [1; 3]);
}

#[test]
fn who_may_come_and_who_leaves_waits_for_no_key() {
    let mut world = alone_after_a_kick();
    world.run_until(15_000);
    says(&mut world, ALICE, Envelope::new("MODE").to("#net").param("+b").param("eve!*@*"));
    says(&mut world, ALICE, Envelope::new("INVITE").to("bob").param("#net"));
    world.run_until(20_000);
    assert_eq!(heard(&world, ALICE, "MODE").len(), 1);
    assert_eq!(heard(&world, ALICE, "341").len(), 1);
    // What lets people in is a secret, and bob has the key.
    says(&mut world, ALICE, Envelope::new("MODE").to("#net").param("+k").param("sesame"));
    world.run_until(world.now + 1_000);
    assert_eq!(heard(&world, ALICE, "MODE").len(), 1);
    say(&mut world, ALICE, "goodbye");
    world.run_until(22_000);
    says(&mut world, ALICE, Envelope::new("PART").to("#net").line("enough"));
    world.run_until(26_000);
    assert_eq!(heard(&world, ALICE, "PART").len(), 1);
    assert!(heard(&world, ALICE, "404")[0].lines().concat().contains("before anybody had the key"));
    world.run_until(120_000);
    assert!(!said(&world, CAROL, "goodbye"));
    assert_eq!(heard(&world, CAROL, "PART").len(), 1);
}

#[test]
fn where_nobody_has_left_messages_wait_for_no_key() {
    let mut world = joined(scene(2), 2);
    world.run_until(10_000);
    world.fail(Fault::Cut(BOB, Service::Mailbox, 60_000));
    world.run_until(11_000);
    says(&mut world, ALICE, Envelope::new("ROTATE").to("#net"));
    world.run_until(11_500);
    say(&mut world, ALICE, "nobody is here");
    world.run_until(16_000);
    assert!(said(&world, ALICE, "nobody is here"), "the key before serves on");
    world.run_until(90_000);
    assert!(said(&world, BOB, "nobody is here"));
    let epochs = [ALICE, BOB].map(|host| fold(&world, host).fresh_key());
    assert_eq!(epochs[0], epochs[1]);
    assert_eq!(epochs[0].unwrap().0, fold(&world, ALICE).epoch, "bob has it now");
}

/// The word counts for the last key, of a member, once; nobody else's does.
#[test]
fn only_a_member_says_that_it_has_a_key() {
    let mut world = ends_with_a_key(None, false);
    let before = fold(&world, BOB);
    let (topic, key, _) = records(&world, LOG, "KEY").pop().unwrap();
    let room = ChannelName::parse("#net").unwrap();
    let stranger = keys::identity(7);
    let last = (before.epoch, before.kid.unwrap());
    let word = |id: &kirc_core::identity::Identity, key| {
        LogRecord::held(id, &room, before.channel, before.term, key)
    };
    let mut other = word(&keys::identity(CAROL), last);
    let forged: Envelope = serde_json::from_slice(&other).unwrap();
    other = Envelope { from: Some(stranger.actor().to_string()), ..forged }
        .sign(Domain::Held, &stranger)
        .to_canonical();
    let words = [
        word(&stranger, last),
        word(&keys::identity(MALLORY), last),
        word(&keys::identity(CAROL), (last.0, KeyId([8; 16]))),
        other,
    ];
    for bytes in words {
        world.send(MALLORY, None, topic.clone(), key.clone(), bytes, 0);
    }
    world.run_until(world.now + 1_000);
    let held: Option<ActorId> = fold(&world, BOB).use_of.held();
    assert_eq!(held, None);
}
