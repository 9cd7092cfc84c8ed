//! Scenes that were found in the field: few nodes, no chance, one thing that goes wrong.

use kirc_core::Envelope;
use kirc_core::port::{Input, Service, StoreOp, Table, Topic};
use kirc_sim::dice::Dice;
use kirc_sim::faults::Fault;
use kirc_sim::host::LOG;
use kirc_sim::people::Deed;
use kirc_sim::plan::{Kind, Plan};
use kirc_sim::world::{Event, World};
use serde_json::json;

const HOUR: i64 = 3_600_000;
const ALICE: usize = 0;
const BOB: usize = 1;

/// A world in which nothing happens but what a scene says.
fn scene(hosts: usize) -> World {
    scene_of(1, hosts)
}

/// The same with another chance in its services and nodes.
fn scene_of(seed: u64, hosts: usize) -> World {
    let mut dice = Dice::new(seed);
    let mut plan = Plan::draw(&mut dice, Some(Kind::Calm));
    (plan.hosts, plan.channels, plan.active, plan.epoch_messages) = (hosts, 0, 100 * HOUR as u64, 5_000);
    plan.topic_each = false;
    (plan.manners.messages, plan.manners.direct, plan.manners.acts) = (0, 0, 0);
    World::new(seed, plan, &mut dice, None, false)
}

/// What a person was shown: everything that the owner's session heard.
fn heard(world: &World, host: usize, command: &str) -> Vec<Envelope> {
    let all =
        world.witness.heard.iter().filter(|h| h.host == host && h.main && h.envelope.command == command);
    all.map(|h| h.envelope.clone()).collect()
}

/// Records of a command in a topic: where and what.
fn records(world: &World, topic: &str, command: &str) -> Vec<(Topic, Vec<u8>, Vec<u8>)> {
    let of_it = world.mailbox.partitions().filter(|(t, _)| t.name == topic);
    let all =
        of_it.flat_map(|(t, p)| p.records().iter().map(|r| (t.clone(), r.key.clone(), r.value.clone())));
    all.filter(|(_, _, value)| serde_json::from_slice::<Envelope>(value).is_ok_and(|e| e.command == command))
        .collect()
}

#[test]
fn who_joins_with_a_wrong_clock_is_told() {
    let mut world = scene(2);
    world.at(100, Event::Person(ALICE, Deed::Join("#net")));
    world.at(1_000, Event::Fault(Fault::Jump(BOB, HOUR)));
    world.at(2_000, Event::Person(BOB, Deed::Join("#net")));
    world.run_until(10_000);
    let refused = heard(&world, BOB, "437");
    assert_eq!(refused.len(), 1, "{refused:?}");
    let text = refused[0].lines().concat();
    assert!(text.contains(" minutes apart") && text.contains("join again"), "{text}");
    assert!(!text.contains("waits"), "{text}");
    world.at(11_000, Event::Fault(Fault::Jump(BOB, -HOUR)));
    world.at(12_000, Event::Person(BOB, Deed::Join("#net")));
    world.run_until(20_000);
    assert_eq!(heard(&world, BOB, "366").len(), 1);
}

#[test]
fn a_message_under_a_wrong_clock_waits_and_says_so() {
    let mut world = scene(2);
    world.at(100, Event::Person(ALICE, Deed::Join("#net")));
    world.at(2_000, Event::Person(BOB, Deed::Join("#net")));
    world.at(10_000, Event::Fault(Fault::Jump(BOB, HOUR)));
    world.at(11_000, Event::Person(BOB, Deed::Say("#net")));
    world.run_until(20_000);
    assert_eq!(heard(&world, BOB, "ALARM").len(), 1);
    assert!(heard(&world, ALICE, "PRIVMSG").is_empty());
    world.at(21_000, Event::Fault(Fault::Jump(BOB, -HOUR)));
    world.run_until(90_000);
    assert_eq!(heard(&world, ALICE, "PRIVMSG").len(), 1);
}

#[test]
fn a_request_to_join_that_is_played_again_ends_no_epoch() {
    let mut world = scene(2);
    world.at(100, Event::Person(ALICE, Deed::Join("#net")));
    world.at(2_000, Event::Person(BOB, Deed::Join("#net")));
    world.run_until(10_000);
    assert_eq!(heard(&world, BOB, "366").len(), 1);
    let keys = |world: &World| records(world, LOG, "KEY").len();
    let before = keys(&world);
    let (topic, key, ask) = records(&world, "rpc-in-alice", "ASK").remove(0);
    for _ in 0..5 {
        world.send(BOB, None, topic.clone(), key.clone(), ask.clone(), 0);
    }
    world.run_until(20_000);
    assert_eq!(keys(&world), before);
    // A leader that has never heard it (it leads anew) does not take it either, once it is old.
    world.at(20 * 60_000, Event::Fault(Fault::Crash(ALICE)));
    world.at(20 * 60_000 + 1, Event::Person(ALICE, Deed::Status));
    world.run_until(21 * 60_000);
    let before = keys(&world);
    world.send(BOB, None, topic, key, ask, 0);
    world.run_until(22 * 60_000);
    assert_eq!(keys(&world), before);
}

#[test]
fn a_direct_message_under_a_wrong_clock_is_marked() {
    for (by, minutes) in [(HOUR, "59 minutes"), (-HOUR, "60 minutes")] {
        let mut world = scene(2);
        world.at(100, Event::Person(ALICE, Deed::Meet(BOB)));
        world.at(100, Event::Person(BOB, Deed::Meet(ALICE)));
        world.at(1_000, Event::Person(BOB, Deed::Tell(ALICE)));
        world.run_until(5_000);
        world.at(10_000, Event::Fault(Fault::Jump(BOB, by)));
        for at in [11_000, 12_000] {
            world.at(at, Event::Person(BOB, Deed::Tell(ALICE)));
        }
        world.run_until(20_000);
        let shown = heard(&world, ALICE, "PRIVMSG");
        let states: Vec<&str> = shown.iter().filter_map(|e| e.meta_str("state")).collect();
        assert_eq!(states, ["sent", "unverified", "unverified"]);
        assert!(shown[1].meta_str("reason").is_some_and(|r| r.contains(minutes)), "{:?}", shown[1]);
        let alarms = heard(&world, ALICE, "ALARM");
        assert_eq!(alarms.len(), 1, "{alarms:?}");
        assert_eq!((alarms[0].to.as_deref(), alarms[0].params[0].as_str()), (Some("bob"), "clock"));
    }
}

#[test]
fn a_direct_message_that_waited_for_its_reader_is_as_good_as_any() {
    let mut world = scene(2);
    world.at(100, Event::Person(ALICE, Deed::Meet(BOB)));
    world.at(100, Event::Person(BOB, Deed::Meet(ALICE)));
    world.at(1_000, Event::Fault(Fault::Pause(ALICE, 3 * HOUR as u64)));
    world.at(5_000, Event::Person(BOB, Deed::Tell(ALICE)));
    world.run_until(4 * HOUR as u64);
    let shown = heard(&world, ALICE, "PRIVMSG");
    let states: Vec<&str> = shown.iter().filter_map(|e| e.meta_str("state")).collect();
    assert_eq!(states, ["sent"]);
}

/// Somebody types a command.
fn says(world: &mut World, host: usize, envelope: Envelope) {
    let (life, session) = (world.hosts[host].life, world.hosts[host].session);
    world.arrive(host, life, Input::Command { session, envelope });
}

fn status(world: &mut World, host: usize) -> Envelope {
    says(world, host, Envelope::new("STATUS").meta("label", "asked"));
    heard(world, host, "STATUS").into_iter().rfind(|e| e.meta_str("label") == Some("asked")).unwrap()
}

#[test]
fn records_that_can_not_be_taken_are_counted_by_topic_and_reason() {
    let mut world = scene(2);
    world.at(100, Event::Person(ALICE, Deed::Join("#net")));
    world.at(100, Event::Person(ALICE, Deed::Meet(BOB)));
    world.at(100, Event::Person(BOB, Deed::Meet(ALICE)));
    world.at(2_000, Event::Person(BOB, Deed::Join("#net")));
    world.at(3_000, Event::Person(BOB, Deed::Tell(ALICE)));
    world.run_until(10_000);
    assert_eq!(status(&mut world, ALICE).get("services").unwrap()["mailbox"]["refused"], json!({}));
    let (direct, key, message) = records(&world, "data-in-alice", "DM").remove(0);
    let mut forged: Envelope = serde_json::from_slice(&message).unwrap();
    forged.id = Some("0190b6a8-7c00-7000-8000-000000000001".into());
    let (log, room, _) = records(&world, LOG, "KEY").remove(0);
    let rpc = Topic { name: "rpc-in-alice".into(), ..direct.clone() };
    let sealed = records(&world, "rpc-in-alice", "ASK").remove(0).2;
    let mut foreign: Envelope = serde_json::from_slice(&sealed).unwrap();
    foreign.to = Some(world.hosts[BOB].identity.actor().to_string());
    for (topic, key, value) in [
        (&direct, &key, b"garbage".to_vec()),
        (&direct, &key, forged.to_canonical()),
        (&rpc, &key, Envelope::new("NONSENSE").to_canonical()),
        (&rpc, &key, foreign.to_canonical()),
        (&log, &room, b"garbage".to_vec()),
    ] {
        world.send(BOB, None, topic.clone(), key.clone(), value, 0);
    }
    world.run_until(20_000);
    let counted = status(&mut world, ALICE).get("services").unwrap()["mailbox"]["refused"].clone();
    let expected = json!({
        "data-in-alice": {"not an envelope": 1, "not what stands around them": 1},
        "rpc-in-alice": {"of a kind that is not known": 1, "not sealed to this node": 1},
        "data-out-grid": {"not records of a log": 1},
    });
    assert_eq!(counted, expected);
    // Nobody is the worse for it.
    world.at(21_000, Event::Person(BOB, Deed::Say("#net")));
    world.at(21_000, Event::Person(BOB, Deed::Tell(ALICE)));
    world.run_until(30_000);
    assert_eq!(heard(&world, ALICE, "PRIVMSG").len(), 3);
}

#[test]
fn the_name_that_one_has_is_taken_again_without_a_word_to_others() {
    let mut world = scene(2);
    world.at(100, Event::Person(ALICE, Deed::Join("#net")));
    world.at(2_000, Event::Person(BOB, Deed::Join("#net")));
    world.run_until(10_000);
    let before = world.witness.appended;
    says(&mut world, BOB, Envelope::new("NICK").param("bob").meta("label", "x"));
    world.run_until(12_000);
    assert_eq!(heard(&world, BOB, "NICK").len(), 1);
    assert!(heard(&world, ALICE, "NICK").is_empty());
    assert_eq!(world.witness.appended, before);
}

#[test]
fn a_node_says_when_it_has_read_what_came_before_it() {
    let mut world = scene(2);
    world.at(100, Event::Person(ALICE, Deed::Join("#net")));
    world.at(2_000, Event::Person(BOB, Deed::Join("#net")));
    world.run_until(10_000);
    world.crash(BOB, "for the scene");
    for at in [10_100, 10_200] {
        world.at(at, Event::Person(ALICE, Deed::Say("#net")));
    }
    world.run_until(40_000);
    let of_bob = world.witness.heard.iter().filter(|h| h.host == BOB && h.life == 1 && h.main);
    let story: Vec<&Envelope> = of_bob.map(|h| &h.envelope).collect();
    let when = |what: &dyn Fn(&Envelope) -> bool| story.iter().rposition(|e| what(e));
    let first = story.iter().position(|e| e.get("caught_up").is_some_and(|v| v == true));
    let last = when(&|e| e.command == "PRIVMSG");
    assert!(first.is_some() && last.is_some() && first > last, "{story:#?}");
    let begins = story.iter().find_map(|e| e.get("caught_up"));
    assert_eq!(begins, Some(&json!(false)));
}

#[test]
fn another_grid_than_before_is_told_until_somebody_joins_there() {
    let mut world = scene(1);
    world.run_until(1_000);
    let home = |world: &World| {
        let kept = world.hosts[ALICE].store.snapshot().values;
        kept[&(Table::Setting, "home".to_owned())].clone()
    };
    assert_eq!(home(&world), br#""grid""#);
    let value = br#""elsewhere""#.to_vec();
    world.hosts[ALICE].store.commit(vec![StoreOp::Put { table: Table::Setting, key: "home".into(), value }]);
    world.crash(ALICE, "for the scene");
    world.run_until(30_000);
    let alarms = heard(&world, ALICE, "ALARM");
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert_eq!(alarms[0].params, ["other-grid"]);
    assert_eq!(home(&world), br#""elsewhere""#);
    world.at(31_000, Event::Person(ALICE, Deed::Join("#net")));
    world.run_until(40_000);
    assert_eq!(home(&world), br#""grid""#);
}

/// What stands in a channel, as somebody was shown it: ids in their order.
fn shown(world: &World, host: usize) -> Vec<String> {
    let settled = |e: &Envelope| e.meta.get("seq").is_some();
    heard(world, host, "PRIVMSG").into_iter().filter(settled).filter_map(|e| e.id).collect()
}

#[test]
fn a_channel_goes_on_when_its_log_is_gone() {
    let mut world = scene(3);
    for (host, at) in [(ALICE, 100), (BOB, 2_000), (2, 4_000)] {
        world.at(at, Event::Person(host, Deed::Join("#net")));
    }
    for i in 0..12 {
        world.at(10_000 + i * 500, Event::Person(i as usize % 3, Deed::Say("#net")));
    }
    world.run_until(20_000);
    assert_eq!(shown(&world, ALICE).len(), 12);
    world.at(21_000, Event::Fault(Fault::Vanish));
    for i in 0..12 {
        world.at(25_000 + i * 500, Event::Person(i as usize % 3, Deed::Say("#net")));
    }
    world.run_until(120_000);
    let alice = shown(&world, ALICE);
    assert_eq!(alice.len(), 24);
    assert_eq!((shown(&world, BOB), shown(&world, 2)), (alice.clone(), alice));
}

#[test]
fn who_missed_the_end_of_a_log_that_is_gone_has_it_from_the_others() {
    let mut world = scene(3);
    for (host, at) in [(ALICE, 100), (BOB, 2_000), (2, 4_000)] {
        world.at(at, Event::Person(host, Deed::Join("#net")));
    }
    for i in 0..6 {
        world.at(10_000 + i * 500, Event::Person(i as usize % 3, Deed::Say("#net")));
    }
    world.run_until(20_000);
    // One of them is cut off while the others talk, and the log is gone before it could read that.
    world.at(20_000, Event::Fault(Fault::Cut(2, Service::Mailbox, 30_000)));
    for i in 0..8 {
        world.at(22_000 + i * 500, Event::Person(i as usize % 2, Deed::Say("#net")));
    }
    world.run_until(30_000);
    assert_eq!(shown(&world, ALICE).len(), 14);
    world.at(31_000, Event::Fault(Fault::Vanish));
    for i in 0..4 {
        world.at(60_000 + i * 500, Event::Person(i as usize % 2, Deed::Say("#net")));
    }
    world.run_until(200_000);
    let alice = shown(&world, ALICE);
    assert_eq!(alice.len(), 18);
    assert_eq!(shown(&world, BOB), alice);
    assert_eq!(shown(&world, 2), alice, "who was away did not get what was gone");
    let asked = ["rpc-in-alice", "rpc-in-bob"].map(|topic| records(&world, topic, "FETCH").len());
    assert!(asked.iter().sum::<usize>() > 0, "nobody was asked for what was missing");
}

/// Two people in a channel that alice leads: nobody is there who could be quicker than bob.
fn room_of_two(seed: u64) -> World {
    let mut world = scene_of(seed, 2);
    for (host, at) in [(ALICE, 100), (BOB, 2_000)] {
        world.at(at, Event::Person(host, Deed::Join("#net")));
    }
    world
}

/// When somebody was shown settled messages.
fn settled_at(world: &World, host: usize) -> Vec<u64> {
    let of_it = |h: &&kirc_sim::witness::Heard| h.host == host && h.main && h.envelope.command == "PRIVMSG";
    let all = world.witness.heard.iter().filter(of_it);
    all.filter(|h| h.envelope.meta.contains_key("seq")).map(|h| h.at).collect()
}

#[test]
fn a_leader_that_is_gone_is_replaced_within_8_s_while_people_talk() {
    for seed in 0..60 {
        let mut world = room_of_two(seed);
        for i in 0..200 {
            world.at(6_000 + i * 100, Event::Person(BOB, Deed::Say("#net")));
        }
        world.at(12_000, Event::Fault(Fault::Pause(ALICE, HOUR as u64)));
        world.run_until(30_000);
        let times = settled_at(&world, BOB);
        let gap = |pair: &&[u64]| pair[1] - pair[0];
        let on = times.windows(2).max_by_key(gap).map(|pair| pair[1] - 12_000).unwrap();
        // Not sooner than the log's own time allows, and with room for a grid that is slower than this one.
        assert!((6_000..7_600).contains(&on), "seed {seed}: the next leader relays after {on} ms");
    }
}

#[test]
fn a_leader_that_is_gone_is_replaced_within_its_lease_and_4_s_while_nobody_talks() {
    for seed in 0..60 {
        let mut world = room_of_two(seed);
        // Its key is renewed every 10 s: the whole of its life is left, or less.
        let at = 20_000 + seed * 167;
        world.at(at, Event::Fault(Fault::Pause(ALICE, HOUR as u64)));
        world.run_until(at + 34_000);
        let leader = status(&mut world, BOB).get("channels").unwrap()["#net"]["leader"].clone();
        assert_eq!(leader, "bob", "seed {seed}");
    }
}

/// What a person was shown of a channel that was marked as late.
fn late(world: &World, host: usize) -> Vec<String> {
    let marked = |e: &Envelope| e.meta.get("late") == Some(&json!(true));
    heard(world, host, "PRIVMSG").into_iter().filter(marked).filter_map(|e| e.id).collect()
}

/// Each message with the place at which it was shown.
fn places(world: &World, host: usize) -> std::collections::BTreeMap<String, u64> {
    let settled = heard(world, host, "PRIVMSG").into_iter();
    settled.filter_map(|e| Some((e.id.clone()?, e.meta_u64("seq")?))).collect()
}

/// Three people; the third is cut off while the others go on, then the log is lost and they are away. The third begins it
/// anew and talks; the others come back with more.
fn begins_with_less(then: impl FnOnce(&mut World)) -> World {
    let mut world = scene(3);
    for (host, at) in [(ALICE, 100), (BOB, 2_000), (2, 4_000)] {
        world.at(at, Event::Person(host, Deed::Join("#net")));
    }
    for i in 0..6 {
        world.at(10_000 + i * 500, Event::Person(i as usize % 3, Deed::Say("#net")));
    }
    world.run_until(20_000);
    world.at(20_000, Event::Fault(Fault::Cut(2, Service::Mailbox, 30_000)));
    for i in 0..8 {
        world.at(22_000 + i * 500, Event::Person(i as usize % 2, Deed::Say("#net")));
    }
    world.run_until(30_000);
    assert_eq!((shown(&world, ALICE).len(), shown(&world, 2).len()), (14, 6));
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
    // Who had it is shown it once, in the order of old; who had not is shown it late, behind what it was shown already.
    assert_eq!((alice.len(), bob.len(), carol.len()), (18, 18, 18), "{alice:#?}\n{carol:#?}");
    assert_eq!(alice, bob);
    assert_eq!((late(&world, ALICE), late(&world, BOB)), (vec![], vec![]));
    assert_eq!(carol[..6], alice[..6]);
    assert_eq!(carol[6..10], alice[14..], "what was shown is not moved");
    assert_eq!(late(&world, 2), alice[6..14]);
    assert_eq!(carol[10..], alice[6..14]);
    // Each message has one place, for everybody, and by these the history is in the order in which it was said.
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
}

#[test]
fn what_is_late_under_a_key_that_came_meanwhile_can_be_read() {
    let mut world = scene(3);
    for (host, at) in [(ALICE, 100), (BOB, 2_000), (2, 4_000)] {
        world.at(at, Event::Person(host, Deed::Join("#net")));
    }
    world.run_until(20_000);
    world.at(20_000, Event::Fault(Fault::Cut(2, Service::Mailbox, 30_000)));
    world.run_until(22_000);
    says(&mut world, ALICE, Envelope::new("ROTATE").to("#net"));
    for i in 0..3 {
        world.at(25_000 + i * 500, Event::Person(i as usize % 2, Deed::Say("#net")));
    }
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
fn who_came_in_what_was_lost_comes_in_again() {
    let mut world = scene(3);
    for (host, at) in [(ALICE, 100), (BOB, 2_000)] {
        world.at(at, Event::Person(host, Deed::Join("#net")));
    }
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
fn who_missed_a_claim_of_a_log_that_is_gone_has_it_from_the_others() {
    let mut world = scene(3);
    for (host, at) in [(ALICE, 100), (BOB, 2_000), (2, 4_000)] {
        world.at(at, Event::Person(host, Deed::Join("#net")));
    }
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
fn who_was_removed_from_a_new_log_before_it_came_is_told_so() {
    let mut world = scene(3);
    for (host, at) in [(ALICE, 100), (BOB, 2_000), (2, 4_000)] {
        world.at(at, Event::Person(host, Deed::Join("#net")));
    }
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
fn who_joins_after_a_log_was_lost_comes_into_the_same_channel() {
    let mut world = scene(3);
    for (host, at) in [(ALICE, 100), (BOB, 2_000)] {
        world.at(at, Event::Person(host, Deed::Join("#net")));
    }
    world.at(10_000, Event::Person(ALICE, Deed::Say("#net")));
    world.at(15_000, Event::Fault(Fault::Vanish));
    world.at(40_000, Event::Person(2, Deed::Join("#net")));
    world.at(60_000, Event::Person(2, Deed::Say("#net")));
    world.run_until(90_000);
    assert_eq!(shown(&world, 2).len(), 1);
    assert_eq!((shown(&world, ALICE).len(), shown(&world, BOB).len()), (2, 2));
}

#[test]
fn what_all_have_trimmed_is_a_gap_and_its_size_is_told() {
    let mut world = scene(3);
    for (host, at) in [(ALICE, 100), (BOB, 2_000), (2, 4_000)] {
        world.at(at, Event::Person(host, Deed::Join("#net")));
    }
    for i in 0..6 {
        world.at(10_000 + i * 500, Event::Person(i as usize % 3, Deed::Say("#net")));
    }
    world.run_until(20_000);
    world.at(20_000, Event::Fault(Fault::Cut(2, Service::Mailbox, 30_000)));
    for i in 0..8 {
        world.at(22_000 + i * 500, Event::Person(i as usize % 2, Deed::Say("#net")));
    }
    world.run_until(30_000);
    assert_eq!(shown(&world, ALICE).len(), 14);
    // The log is gone, and of what was said meanwhile nobody has more than the end.
    for host in [ALICE, BOB] {
        world.hosts[host].store.trim(3);
    }
    world.at(31_000, Event::Fault(Fault::Vanish));
    for i in 0..4 {
        world.at(60_000 + i * 500, Event::Person(i as usize % 2, Deed::Say("#net")));
    }
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
    // Who was away shows nothing out of order, and is told how much it lacks.
    assert_eq!(shown(&world, 2), alice[..6]);
    let gaps: Vec<u64> =
        heard(&world, 2, "GAP").iter().map(|g| g.params[0].parse().expect("a number")).collect();
    assert!(gaps.iter().any(|n| (5..=9).contains(n)), "{gaps:?}");
    // Who asks again and again gets nothing twice: it asks for less once it has seen the end.
    assert!(gaps.windows(2).all(|two| two[1] <= two[0]), "{gaps:?}");
}

#[test]
fn who_joins_after_the_log_is_gone_gets_into_the_same_channel() {
    for seed in 0..20 {
        let mut world = scene_of(seed, 4);
        for (host, at) in [(ALICE, 100), (BOB, 2_000), (2, 4_000)] {
            world.at(at, Event::Person(host, Deed::Join("#net")));
        }
        world.at(10_000, Event::Fault(Fault::Vanish));
        // Somebody comes who was never there, at once or later, and somebody who was there goes and comes again.
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
fn what_was_on_its_way_when_the_log_was_lost_is_relayed_again() {
    for seed in 0..12 {
        let mut world = scene_of(seed, 3);
        for (host, at) in [(ALICE, 100), (BOB, 2_000), (2, 4_000)] {
            world.at(at, Event::Person(host, Deed::Join("#net")));
        }
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
