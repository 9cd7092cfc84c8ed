//! Scenes with two clusters: alice's grid, and bob's, who was let to hers.

use kirc_core::Envelope;
use kirc_core::port::Service;
use kirc_sim::faults::Fault;
use kirc_sim::people::Deed;
use kirc_sim::world::{Event, World};
use serde_json::json;

use crate::{ALICE, BOB, heard, plan_of, restart, says, world_of};

const CAROL: usize = 2;
const DAVE: usize = 3;

/// A world in which people live on these clusters, and in which alice has let bob to hers.
fn two_clusters(seed: u64, homes: &[usize]) -> World {
    let (mut dice, mut plan) = plan_of(seed, homes.len());
    plan.homes = homes.to_vec();
    let mut world = world_of(seed, plan, &mut dice);
    world.at(100, Event::Person(ALICE, Deed::Let(BOB)));
    world.run_until(1_000);
    world
}

fn join(world: &mut World, host: usize, channel: &str) {
    says(world, host, Envelope::new("JOIN").to(channel));
    world.run_until(world.now + 2_000);
}

fn say(world: &mut World, host: usize, channel: &str, text: &str) {
    says(world, host, Envelope::new("PRIVMSG").to(channel).line(text));
    world.run_until(world.now + 1_000);
}

/// What a person was shown as settled in a channel, as it is called there.
fn lines(world: &World, host: usize, channel: &str) -> Vec<String> {
    let all = heard(world, host, "PRIVMSG").into_iter();
    let here = all.filter(|e| e.to.as_deref() == Some(channel) && e.meta_str("state") == Some("sent"));
    here.map(|e| e.lines().concat()).collect()
}

#[test]
fn who_leads_on_anothers_grid_goes_on_after_a_failed_append() {
    for seed in 0..10 {
        let mut world = two_clusters(seed, &[0, 1]);
        join(&mut world, BOB, "#net@alice");
        join(&mut world, ALICE, "#net");
        world.at(world.now, Event::FaultOf(0, Fault::Cut(BOB, Service::Mailbox, 5_000)));
        world.run_until(world.now + 100);
        say(&mut world, BOB, "#net@alice", "into nothing");
        world.run_until(world.now + 15_000);
        say(&mut world, ALICE, "#net", "and on");
        world.run_until(world.now + 5_000);
        for (host, channel) in [(ALICE, "#net"), (BOB, "#net@alice")] {
            assert_eq!(lines(&world, host, channel), ["into nothing", "and on"], "seed {seed}");
        }
    }
}

#[test]
fn who_lives_where_the_channel_is_gets_in_though_its_leader_lives_elsewhere() {
    for seed in 0..10 {
        let mut world = two_clusters(seed, &[0, 1, 0]);
        join(&mut world, BOB, "#net@alice");
        // Carol knows nobody, and bob's cluster is not known to her: he can hear her in the log
        // only.
        join(&mut world, CAROL, "#net");
        assert_eq!(heard(&world, CAROL, "366").len(), 1, "seed {seed}");
        say(&mut world, CAROL, "#net", "is this for all?");
        say(&mut world, BOB, "#net@alice", "it is");
        for (host, channel) in [(CAROL, "#net"), (BOB, "#net@alice")] {
            assert_eq!(lines(&world, host, channel), ["is this for all?", "it is"], "seed {seed}");
        }
        // She asked once, and nobody counts that as something that does not belong into the log.
        let status = crate::status(&mut world, BOB);
        let mailbox = &status.get("services").unwrap()["mailbox"];
        assert!(mailbox.get("refused").is_none_or(|r| *r == json!({})), "seed {seed}: {mailbox}");
    }
}

#[test]
fn channels_of_one_name_on_two_grids_are_two() {
    for seed in 0..10 {
        let mut world = two_clusters(seed, &[0, 1, 0, 1]);
        world.at(world.now, Event::Person(BOB, Deed::Let(ALICE)));
        world.run_until(world.now + 1_000);
        for (host, channel) in [(ALICE, "#net"), (BOB, "#net")] {
            join(&mut world, host, channel);
        }
        for (host, channel) in [(ALICE, "#net@bob"), (BOB, "#net@alice"), (CAROL, "#net"), (DAVE, "#net")] {
            join(&mut world, host, channel);
        }
        for round in ["1", "2"] {
            say(&mut world, ALICE, "#net", &format!("alice's grid {round}"));
            say(&mut world, ALICE, "#net@bob", &format!("bob's grid {round}"));
            say(&mut world, BOB, "#net@alice", &format!("bob at alice's {round}"));
            // Who leads both comes and goes.
            restart(&mut world, if round == "1" { ALICE } else { BOB });
            world.run_until(world.now + 5_000);
        }
        let (hers, his) = (
            ["alice's grid 1", "bob at alice's 1", "alice's grid 2", "bob at alice's 2"],
            ["bob's grid 1", "bob's grid 2"],
        );
        for (host, channel) in [(ALICE, "#net"), (BOB, "#net@alice"), (CAROL, "#net")] {
            assert_eq!(lines(&world, host, channel), hers, "seed {seed}: {host}");
        }
        for (host, channel) in [(ALICE, "#net@bob"), (BOB, "#net"), (DAVE, "#net")] {
            assert_eq!(lines(&world, host, channel), his, "seed {seed}: {host}");
        }
    }
}
