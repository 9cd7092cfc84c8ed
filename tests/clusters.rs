//! Two people whose clusters differ: an invite, a channel on one's grid, direct messages, another
//! leader, a kick, and the end of a contact's access.

mod common;

use std::time::Duration;

use common::services::{Cluster, Services};
use common::{World, introduce};
use serde_json::json;

fn world(test: &str) -> Option<World> {
    let mut services = Services::from_env(test)?;
    services.admin = true;
    let mut world = World::on(services);
    world.on_second_cluster("bob");
    Some(world)
}

#[test]
fn people_on_two_clusters_meet_talk_and_lead_in_turn() {
    let Some(world) = world("two clusters") else { return };
    world.set_up("alice");
    world.set_up("bob");
    let mut alice = world.pipe("alice");
    let mut bob = world.pipe("bob");
    let (card, invite) = (world.path().join("bob.card"), world.path().join("invite"));
    let (card, invite) = (card.to_str().expect("UTF-8"), invite.to_str().expect("UTF-8"));
    std::fs::write(card, world.ok("bob", &["identity", "export"])).expect("a file");
    world.ok("alice", &["invite", "create", "--for", card, "--out", invite]);
    world.ok("bob", &["invite", "accept", invite]);
    alice.find("that bob accepted", |e| {
        e["command"] == "NOTICE" && e["body"][0].as_str().is_some_and(|t| t.contains("bob"))
    });

    alice.join("#net");
    bob.join("#net@alice");
    alice.message("#net", "hello from the first cluster");
    bob.hears("hello from the first cluster");
    bob.message("#net@alice", "hello from the second");
    alice.hears("hello from the second");
    alice.message("bob", "between us");
    assert_eq!(bob.hears("between us")["from"], "alice");
    bob.message("alice", "and back");
    assert_eq!(alice.hears("and back")["from"], "bob");

    // Who leads is killed: bob leads from his own cluster, and alice sends to his mailbox when she
    // is back.
    drop(alice);
    bob.message("#net@alice", "is anybody there?");
    bob.hears("is anybody there?");
    let mut alice = world.pipe("alice");
    alice.join("#net");
    alice.message("#net", "alice is back");
    bob.hears("alice is back");
    bob.message("#net@alice", "bob led");
    alice.hears("bob led");

    alice.say(json!({"command": "KICK", "to": "#net", "params": ["bob"], "body": ["out"]}));
    bob.until("KICK");
    alice.message("#net", "nothing for bob");
    alice.hears("nothing for bob");
    bob.message("alice", "still here");
    alice.hears("still here");
    bob.end();
    let heard = world.ok("bob", &["history", "#net@alice", "--limit", "1000"]);
    assert!(heard.contains("bob led") && !heard.contains("nothing for bob"), "{heard}");
}

#[test]
fn a_contact_has_a_user_of_its_own_which_ends_with_it() {
    let Some(world) = world("a contact's user") else { return };
    world.set_up("alice");
    world.set_up("bob");
    let mut alice = world.pipe("alice");
    let mut bob = world.pipe("bob");
    introduce(&mut alice, &mut bob);
    let users = contact_users(&world);
    assert_eq!(users.len(), 1, "{users:?}");
    alice.say(json!({"command": "CONTACT", "params": ["remove", "bob"]}));
    alice.until("CONTACT");
    let begin = std::time::Instant::now();
    while !contact_users(&world).is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(20), "the user is still there");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_contact_that_could_not_be_shut_out_is_shut_out_later() {
    let Some(mut world) = world("shut out later") else { return };
    world.set_up("alice");
    world.set_up("bob");
    let mut alice = world.pipe("alice");
    let mut bob = world.pipe("bob");
    introduce(&mut alice, &mut bob);
    assert_eq!(alice.end(), Some(0));
    assert_eq!(contact_users(&world).len(), 1);
    // Nobody here may take users away now.
    let admin = ["KIRC_KAFKA_ADMIN_USER", "KIRC_KAFKA_ADMIN_PASSWORD"];
    let env = world.profile("alice").join(".env");
    let kept = std::fs::read_to_string(&env).expect("settings");
    let without = kept.lines().filter(|line| !admin.iter().any(|name| line.starts_with(name)));
    std::fs::write(&env, without.map(|line| format!("{line}\n")).collect::<String>()).expect("a file");
    for name in admin {
        world.set_for("alice", name, "");
    }
    let removed = world.run("alice", &["contacts", "remove", "bob"]);
    let said = String::from_utf8(removed.stderr).expect("UTF-8");
    assert!(removed.status.success(), "{said}");
    for words in ["bob", "can still write", "KIRC_KAFKA_ADMIN_USER is not set", "administrator of your Kafka"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(contact_users(&world).len(), 1);
    // Whoever looks is told; and with the administrator it ends by itself.
    let mut alice = world.pipe("alice");
    let alarm = alice.until("ALARM");
    assert_eq!((&alarm["to"], &alarm["params"]), (&json!("bob"), &json!(["not-ended"])));
    let report = String::from_utf8(world.run("alice", &["doctor"]).stdout).expect("UTF-8");
    assert!(report.contains("could not be taken away"), "{report}");
    assert_eq!(alice.end(), Some(0));
    for name in admin {
        let value = world.services().get(name).to_owned();
        world.set_for("alice", name, &value);
    }
    let alice = world.pipe("alice");
    let begin = std::time::Instant::now();
    while !contact_users(&world).is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(20), "the user is still there");
        std::thread::sleep(Duration::from_millis(200));
    }
    drop(alice);
}

/// The users with rights on this world's log, other than those that were there before.
fn contact_users(world: &World) -> Vec<String> {
    let services = world.services();
    let log = format!("data-out-{}", services.random);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let admin = common::services::administration(services, Cluster::First);
        let all = admin.describe_acls(None).await.expect("rules");
        let of_log = all.into_iter().filter(|acl| acl.name == log);
        let mut users: Vec<String> =
            of_log.map(|acl| acl.principal).filter(|p| p.starts_with("User:kirc-")).collect();
        users.sort();
        users.dedup();
        users
    })
}
