//! Scenes of direct messages that nobody has read: kept until they are, and sent again.

use kirc_core::Envelope;
use kirc_core::port::Service;
use kirc_sim::faults::Fault;
use kirc_sim::people::Deed;
use kirc_sim::world::{Event, World};

use crate::{ALICE, BOB, heard, joined, records, scene};

/// What somebody was told in private, in the order of the telling, and what state its author's node
/// shows for each.
fn told(world: &World, from: usize, to: usize) -> (Vec<String>, Vec<Option<String>>) {
    let nick = world.hosts[to].nick;
    let private = |e: &Envelope| e.to.as_deref() == Some(nick) && e.meta.get("self").is_none();
    let got: Vec<String> =
        heard(world, to, "PRIVMSG").into_iter().filter(private).filter_map(|e| e.id).collect();
    let rows = world.hosts[from].store.messages();
    let state = |id: &String| rows.iter().find(|r| r.id == *id).map(|r| r.state.clone());
    let states = got.iter().map(state).collect();
    (got, states)
}

#[test]
fn a_direct_message_whose_mailbox_is_lost_unread_is_sent_again() {
    // The sender hears of the loss; or ends before it can, and finds it when it starts; or its word
    // is all that is lost.
    for crash in [None, Some(29_900), Some(30_500)] {
        let mut world = joined(scene(3), 3);
        world.at(10_000, Event::Person(ALICE, Deed::Tell(BOB)));
        world.at(20_000, Event::Fault(Fault::Cut(BOB, Service::Mailbox, 20_000)));
        for at in [22_000, 23_000] {
            world.at(at, Event::Person(ALICE, Deed::Tell(BOB)));
        }
        if let Some(at) = crash {
            world.at(at, Event::Fault(Fault::Crash(ALICE)));
        }
        world.at(30_000, Event::Fault(Fault::Vanish));
        world.at(60_000, Event::Person(ALICE, Deed::Tell(BOB)));
        world.run_until(120_000);
        let (got, states) = told(&world, ALICE, BOB);
        assert_eq!(got.len(), 4, "{crash:?}");
        assert!(got.is_sorted(), "{crash:?}: each in its place");
        assert_eq!(states, vec![Some("delivered".to_owned()); 4], "{crash:?}");
    }
}

#[test]
fn a_direct_message_that_nobody_fetches_is_sent_again_ever_more_seldom() {
    let mut world = joined(scene(3), 3);
    world.at(20_000, Event::Fault(Fault::Pause(BOB, 86_400_000)));
    world.at(21_000, Event::Person(ALICE, Deed::Tell(BOB)));
    for hour in 0..3 {
        world.run_until((hour + 1) * 3_600_000);
    }
    let again = records(&world, "data-in-bob", "DM").len();
    assert!((5..=9).contains(&again), "{again} copies in 3 hours");
}
