//! Scenes about what is kept of a channel for its reader.

use kirc_core::Envelope;
use kirc_sim::people::Deed;
use kirc_sim::world::{Event, World};

use crate::{ALICE, BOB, heard, joined, restart, says, scene};

/// What somebody's history holds of a command: the nicks, oldest first.
fn history(world: &mut World, host: usize, command: &str) -> Vec<String> {
    let before = heard(world, host, "HISTORY").len();
    says(world, host, Envelope::new("HISTORY").to("#net"));
    world.run_until(world.now + 1_000);
    let answer = heard(world, host, "HISTORY").into_iter().nth(before).expect("an answer");
    let Some(kirc_core::Body::Array(list)) = answer.body else { panic!("{:?}", answer.body) };
    let list = list.into_iter().map(|e| serde_json::from_value::<Envelope>(e).expect("an envelope"));
    let mut ids = std::collections::BTreeSet::new();
    let list: Vec<Envelope> = list.collect();
    assert!(list.iter().all(|e| e.id.clone().is_some_and(|id| ids.insert(id))), "{list:?}");
    list.into_iter().filter(|e| e.command == command).filter_map(|e| e.from).collect()
}

#[test]
fn ones_own_coming_is_in_ones_history_once() {
    let mut world = joined(scene(2), 2);
    world.run_until(10_000);
    assert_eq!(history(&mut world, ALICE, "JOIN"), ["alice", "bob"], "who founds a channel comes too");
    assert_eq!(history(&mut world, BOB, "JOIN"), ["bob"]);
    // Who is there already, or was all the while, does not come again.
    world.at(20_000, Event::Person(BOB, Deed::Join("#net")));
    world.run_until(30_000);
    for host in [ALICE, BOB] {
        restart(&mut world, host);
        world.at(world.now + 5_000, Event::Person(host, Deed::Join("#net")));
        world.run_until(world.now + 10_000);
    }
    assert_eq!(history(&mut world, ALICE, "JOIN"), ["alice", "bob"]);
    assert_eq!(history(&mut world, BOB, "JOIN"), ["bob"]);
    // Who left and comes back does.
    world.at(world.now + 1_000, Event::Person(BOB, Deed::Part("#net")));
    world.at(world.now + 3_000, Event::Person(BOB, Deed::Join("#net")));
    world.run_until(world.now + 10_000);
    assert_eq!(history(&mut world, BOB, "JOIN"), ["bob", "bob"]);
    assert_eq!(history(&mut world, ALICE, "JOIN"), ["alice", "bob", "bob"]);
    // What was told live is the same line.
    let live: Vec<Option<String>> = heard(&world, BOB, "JOIN")
        .into_iter()
        .filter(|e| !e.meta.contains_key("replay"))
        .map(|e| e.id)
        .collect();
    assert!(live.len() == 2 && live.iter().all(Option::is_some), "{live:?}");
}
