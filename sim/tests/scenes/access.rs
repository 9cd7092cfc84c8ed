//! Scenes about what contacts may do on one's grid, and its end.

use kirc_core::Envelope;
use kirc_core::port::Table;
use kirc_sim::world::World;

use crate::{ALICE, BOB, heard, restart, says, scene};

const MINUTE: u64 = 60_000;

/// Alice lets bob in, who has a user of his own from then on.
fn let_in(world: &mut World) {
    world.own_users = true;
    world.run_until(world.now + 1_000);
    says(world, BOB, Envelope::new("CARD"));
    let card = heard(world, BOB, "CARD").pop().and_then(|e| e.get("card").cloned()).expect("a card");
    says(world, ALICE, Envelope::new("INVITATION").param("create").field("card", card));
    world.run_until(world.now + 1_000);
    let text =
        heard(world, ALICE, "INVITATION").pop().and_then(|e| e.get("text").cloned()).expect("an invite");
    says(world, BOB, Envelope::new("INVITATION").param("accept").field("text", text));
    world.run_until(world.now + 5_000);
}

fn removes(world: &mut World) {
    says(world, ALICE, Envelope::new("CONTACT").param("remove").param("bob"));
    world.run_until(world.now + 6_000);
}

/// What the owner was told of access that could not be ended.
fn alarms(world: &World) -> Vec<String> {
    let all = heard(world, ALICE, "ALARM").into_iter().filter(|e| e.params == ["not-ended"]);
    all.inspect(|e| assert_eq!(e.to.as_deref(), Some("bob"))).map(|e| e.lines().concat()).collect()
}

fn notices(world: &World) -> usize {
    heard(world, ALICE, "NOTICE").iter().filter(|e| e.lines().concat().contains("taken away now")).count()
}

/// Users that are still to end.
fn kept(world: &World) -> usize {
    let rows = world.hosts[ALICE].store.values().keys();
    rows.filter(|(table, key)| *table == Table::Setting && key.starts_with("ending/")).count()
}

#[test]
fn access_that_ends_at_once_makes_no_noise() {
    let mut world = scene(2);
    let_in(&mut world);
    removes(&mut world);
    let answer = heard(&world, ALICE, "CONTACT").pop().expect("an answer");
    assert!(!answer.meta.contains_key("note"), "{answer:?}");
    assert_eq!((alarms(&world).len(), notices(&world), kept(&world)), (0, 0, 0));
}

#[test]
fn access_that_can_not_be_ended_is_told_and_ended_later() {
    let mut world = scene(2);
    let_in(&mut world);
    world.stuck = true;
    removes(&mut world);
    let answer = heard(&world, ALICE, "CONTACT").pop().expect("an answer");
    let note = answer.meta_str("note").expect("a note");
    for said in ["bob", "the administrator of Kafka can't be reached", "can still write", "kirc-"] {
        assert!(note.contains(said), "{said}: {note}");
    }
    assert_eq!((alarms(&world), notices(&world), kept(&world)), (vec![note.to_owned()], 0, 1));
    // It is tried again, and said once.
    world.run_until(world.now + 30 * MINUTE);
    assert_eq!(alarms(&world).len(), 1);
    // Whoever looks later is told, too, also after the node was started again.
    restart(&mut world, ALICE);
    world.run_until(world.now + 1_000);
    assert_eq!((alarms(&world).len(), kept(&world)), (2, 1));
    // And it ends by itself.
    world.stuck = false;
    world.run_until(world.now + 65 * MINUTE);
    assert_eq!((notices(&world), kept(&world)), (1, 0));
    restart(&mut world, ALICE);
    world.run_until(world.now + MINUTE);
    assert_eq!((alarms(&world).len(), notices(&world)), (2, 1));
}
