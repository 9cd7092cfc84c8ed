//! A grid on which each channel's log is a topic of its own: the topics come to be, people talk
//! through them, and who may not make one is told.

mod common;

use common::services::{Cluster, Services};
use common::{World, introduce};
use kirc_core::node::Home;
use serde_json::{Value, json};

/// The template of a world's logs.
fn template(world: &World) -> String {
    format!("data-out-{}-{{channel}}", world.services().random)
}

/// The topic of a channel.
fn topic(world: &World, channel: &str) -> String {
    Home { cluster: String::new(), log: template(world), partitions: 2 }.log_of(channel)
}

/// The topics of channels that are on the first cluster.
fn topics(world: &World) -> Vec<String> {
    let home = Home { cluster: String::new(), log: template(world), partitions: 2 };
    let mut all = world.services().topics(Cluster::First);
    all.retain(|name| home.is_log(name));
    all.sort();
    all
}

fn with_template(mut world: World) -> World {
    let log = template(&world);
    world.set("KIRC_KAFKA_LOG", &log);
    world
}

fn complaints(world: &World, profile: &str) -> Vec<String> {
    let output = world.run(profile, &["doctor", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let checks = report["checks"].as_array().expect("checks").clone();
    let of_grid = |c: &&Value| c["state"] != "ok" && c["name"] != "terminal" && c["name"] != "tls";
    checks.iter().filter(of_grid).map(|c| format!("{} -> {}", c["found"], c["todo"])).collect()
}

#[test]
fn each_channel_has_a_topic_of_its_own() {
    let Some(world) = World::with_admin("each_channel_has_a_topic_of_its_own") else { return };
    let mut world = with_template(world);
    let valkey = world.services().get("KIRC_VALKEY").to_owned();
    world.set("KIRC_VALKEY_PEER", &valkey);
    world.set_up("alice");
    world.set_up("bob");
    let infra = world.ok("alice", &["setup", "infra"]);
    assert!(infra.contains("one for each channel"), "{infra}");
    assert!(topics(&world).is_empty(), "no channel, no topic");

    let (mut alice, mut bob) = (world.pipe("alice"), world.pipe("bob"));
    alice.join("#net");
    let net = topic(&world, "#net");
    assert_eq!(topics(&world), std::slice::from_ref(&net));
    // The other one writes it in another way; it is the same channel.
    bob.join("#NET");
    alice.join("#\u{e4}nder");
    let mut both = [net.clone(), topic(&world, "#\u{e4}nder")];
    both.sort();
    assert_eq!(topics(&world), both);
    alice.message("#net", "hello bob");
    bob.hears("hello bob");
    bob.message("#net", "hello alice");
    alice.hears("hello alice");
    // Who was away reads on where it was.
    assert_eq!(bob.end(), Some(0));
    alice.message("#net", "while bob was away");
    alice.hears("while bob was away");
    let mut bob = world.pipe("bob");
    bob.hears("while bob was away");
    assert_eq!((alice.end(), bob.end()), (Some(0), Some(0)));

    assert_eq!(complaints(&world, "alice"), Vec::<String>::new());
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let hand = world.services().hand(Cluster::First);
        let settings = hand.settings(&net).await.expect("settings");
        assert_eq!(settings["message.timestamp.type"].0, "LogAppendTime");
        hand.change_setting(&net, "message.timestamp.type", "CreateTime").await.expect("a change");
    });
    let ill = complaints(&world, "alice").join("\n");
    assert!(ill.contains(&net) && ill.contains("CreateTime"), "{ill}");
    let mended = world.ok("alice", &["setup", "infra"]);
    assert!(mended.contains("message.timestamp.type is LogAppendTime now"), "{mended}");
    assert_eq!(complaints(&world, "alice"), Vec::<String>::new());
}

#[test]
fn a_topic_that_the_service_lost_is_made_again() {
    let Some(world) = World::on_services("a_topic_that_the_service_lost_is_made_again") else { return };
    let world = with_template(world);
    world.set_up("alice");
    let mut alice = world.pipe("alice");
    alice.join("#net");
    alice.message("#net", "before");
    alice.hears("before");
    assert_eq!(alice.end(), Some(0));
    let services = world.services();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(services.delete_topics(Cluster::First));
    let mut alice = world.pipe("alice");
    alice.message("#net", "after");
    alice.hears("after");
    assert_eq!(topics(&world), [topic(&world, "#net")]);
}

#[test]
fn a_contact_comes_to_the_same_topic_and_may_not_make_one() {
    let Some(mut services) = Services::from_env("a_contact_comes_to_the_same_topic") else { return };
    services.admin = true;
    let mut world = World::on(services);
    world.on_second_cluster("bob");
    let world = with_template(world);
    world.set_up("alice");
    world.set_up("bob");
    let (mut alice, mut bob) = (world.pipe("alice"), world.pipe("bob"));
    introduce(&mut alice, &mut bob);

    // There is no such channel, and bob may make no topics on alice's cluster.
    bob.say(json!({"command": "JOIN", "to": "#net@alice"}));
    let refused = bob.until("437");
    let text = refused["body"][0].as_str().expect("a sentence");
    assert!(text.contains(&topic(&world, "#net")) && text.contains("has to join first"), "{text}");
    assert!(topics(&world).is_empty());

    alice.join("#net");
    bob.join("#net@alice");
    alice.message("#net", "hello from the first cluster");
    bob.hears("hello from the first cluster");
    // Who leads is killed: bob leads, in the topic on the other cluster.
    drop(alice);
    bob.message("#net@alice", "is anybody there?");
    bob.hears("is anybody there?");
    let mut alice = world.pipe("alice");
    alice.hears("is anybody there?");
    alice.message("#net", "alice is back");
    bob.hears("alice is back");
    assert_eq!(topics(&world), [topic(&world, "#net")]);
}
