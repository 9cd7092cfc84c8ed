//! Setting up on real services: from the environment to an `.env` that is enough, topics and
//! rights, and what is said when something is wrong.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use common::World;
use common::screen::Screen;
use common::services::Cluster;
use kirc::config::EnvFile;
use kirc::mailbox::{Acl, Operation};
use serde_json::{Value, json};

fn env_file(world: &World, profile: &str) -> PathBuf {
    world.profile(profile).join(".env")
}

fn read_env(world: &World, profile: &str, name: &str) -> String {
    let file = EnvFile::read(&env_file(world, profile)).unwrap().expect("an .env");
    file.get(name).unwrap_or_default().to_owned()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn what_came_from_the_environment_then_stands_in_env() {
    let Some(world) = World::on_services("what_came_from_the_environment_then_stands_in_env") else { return };
    world.set_up("alice");
    let mode = std::fs::metadata(env_file(&world, "alice")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    for (name, value) in world.settings("alice") {
        assert_eq!(read_env(&world, "alice", &name), value, "{name}");
    }
    // Nothing in the environment but where the profile is.
    let mut alice = world.talker(world.bare("alice"), "alice", &["pipe", "--caps", "state"]);
    alice.until("001");
    alice.join("#net");
    alice.message("#net", "hello");
    alice.hears("hello");
    assert_eq!(alice.end(), Some(0));
    // It was on the cluster and not on a grid of this machine.
    let topics = world.services().topics(Cluster::First);
    assert!(topics.contains(&read_env(&world, "alice", "KIRC_KAFKA_LOG")), "{topics:?}");
    assert!(!world.path().join("grid").exists() && !world.profile("alice").join("store.db").exists());
}

#[test]
fn two_profiles_share_the_services() {
    let Some(world) = World::on_services("two_profiles_share_the_services") else { return };
    world.set_up("alice");
    world.set_up("bob");
    let (mut alice, mut bob) = (world.pipe("alice"), world.pipe("bob"));
    alice.join("#net");
    bob.join("#net");
    alice.message("#net", "hello bob");
    bob.hears("hello bob");
    bob.message("#net", "hello alice");
    alice.hears("hello alice");
    assert_eq!((alice.end(), bob.end()), (Some(0), Some(0)));
    let services = world.services();
    let schemas = run(async {
        match services.postgres(Cluster::First).await {
            Some(client) => services.schemas(&client).await.len(),
            None => 2,
        }
    });
    assert_eq!(schemas, 2, "a schema for each");
}

#[test]
fn a_wrong_password_is_said_and_nothing_is_written() {
    let Some(world) = World::on_services("a_wrong_password_is_said_and_nothing_is_written") else { return };
    let bad = |name: &str| {
        let uri = world.services().get(name);
        let (start, rest) = uri.split_once("://").unwrap();
        let (login, place) = rest.rsplit_once('@').unwrap();
        format!("{start}://{}:wrong-secret@{place}", login.split(':').next().unwrap())
    };
    let (valkey, postgres) = (bad("KIRC_VALKEY"), bad("KIRC_POSTGRES"));
    for (name, value, said) in [
        ("KIRC_KAFKA_PASSWORD", "wrong-secret", "refused the login: check user and password"),
        ("KIRC_KAFKA_PEER_PASSWORD", "wrong-secret", "(as KIRC_KAFKA_PEER_USER)"),
        ("KIRC_VALKEY", &valkey, "check user and password in KIRC_VALKEY"),
        ("KIRC_POSTGRES", &postgres, "check user and password in KIRC_POSTGRES"),
        ("KIRC_KAFKA", "127.0.0.1:1", "nothing listens at 127.0.0.1:1"),
        ("KIRC_CA", "/nowhere/ca.pem", "/nowhere/ca.pem can't be read"),
        ("KIRC_VALKEY", "", "KIRC_VALKEY is not"),
    ] {
        let mut kirc = world.kirc("alice");
        let output = kirc.env(name, value).args(["setup", "--nick", "alice", "--yes"]).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {text}");
        assert!(text.contains(said) && text.contains("Nothing was written"), "{name}: {text}");
        assert!(!text.contains("wrong-secret"), "{text}");
        assert!(!world.profile("alice").exists(), "{name}");
    }
    // What was there stays as it was.
    world.set_up("alice");
    let before = std::fs::read(env_file(&world, "alice")).unwrap();
    let mut kirc = world.kirc("alice");
    kirc.env("KIRC_KAFKA_PASSWORD", "wrong-secret").args(["setup", "--nick", "other", "--yes"]);
    assert_eq!(kirc.output().unwrap().status.code(), Some(1));
    assert_eq!(std::fs::read(env_file(&world, "alice")).unwrap(), before);
}

#[test]
fn the_embedded_grid_can_still_be_had() {
    let Some(world) = World::on_services("the_embedded_grid_can_still_be_had") else { return };
    world.set_up("alice");
    let setup = ["setup", "--nick", "alice", "--embedded", "--yes"];
    let output = world.bare("alice").args(setup).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(read_env(&world, "alice", "KIRC_KAFKA"), "");
    assert!(world.path().join("grid").exists());
    let output = world.run("alice", &setup);
    assert!(String::from_utf8(output.stderr).unwrap().contains("wins over the embedded grid"));
}

#[test]
fn infra_makes_what_is_missing_and_then_nothing() {
    let Some(world) = World::with_admin("infra_makes_what_is_missing_and_then_nothing") else { return };
    // Before there is a nick or keys.
    let first = world.ok("alice", &["setup", "infra"]);
    let log = world.settings("alice").into_iter().find(|(n, _)| n == "KIRC_KAFKA_LOG").unwrap().1;
    for said in
        [&format!("made   topic {log}"), "made   contacts: user kirc-peer-", "made   rule: kirc-peer-"]
    {
        assert!(first.contains(said), "{said}: {first}");
    }
    assert_eq!(world.services().topics(Cluster::First), std::slice::from_ref(&log));
    let user = read_env(&world, "alice", "KIRC_KAFKA_PEER_USER");
    let password = read_env(&world, "alice", "KIRC_KAFKA_PEER_PASSWORD");
    assert!(user.starts_with("kirc-peer-") && password.len() > 20);
    assert!(!first.contains(&password));

    world.set_up("alice");
    assert_eq!(read_env(&world, "alice", "KIRC_KAFKA_PEER_PASSWORD"), password);
    let second = world.ok("alice", &["setup", "infra"]);
    assert_eq!(second.matches("made   topic").count(), 4, "{second}");
    let third = world.ok("alice", &["setup", "infra"]);
    assert!(!third.lines().any(|line| line.starts_with("made") || line.starts_with("WRONG")), "{third}");
    assert_eq!(read_env(&world, "alice", "KIRC_KAFKA_PEER_PASSWORD"), password);

    // The owner alone can't make users: it says so, and that is no failure.
    let mut kirc = world.bare("alice");
    kirc.env("KIRC_KAFKA_ADMIN_USER", "").args(["setup", "infra", "--json"]);
    let env = std::fs::read_to_string(env_file(&world, "alice")).unwrap();
    let env: String = env.lines().filter(|l| !l.contains("_ADMIN_")).map(|l| format!("{l}\n")).collect();
    std::fs::write(env_file(&world, "alice"), env).unwrap();
    let output = kirc.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let steps: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(
        steps.iter().any(|s| s["state"] == "note" && s["text"].as_str().unwrap().contains("made kirc-peer-"))
    );
}

/// What a session hears beside the invite that it makes.
fn invited(world: &World) -> Option<String> {
    let mut alice = world.pipe("alice");
    alice.say(json!({"command": "CARD"}));
    let card = alice.until("CARD")["body"]["card"].clone();
    alice.say(json!({"command": "INVITATION", "params": ["create"], "body": {"card": card}}));
    let answer = alice.until("INVITATION");
    assert_eq!(alice.end(), Some(0));
    answer["body"]["note"].as_str().map(str::to_owned)
}

#[test]
fn infra_mends_settings_that_the_doctor_complains_of() {
    let Some(mut world) = World::with_admin("infra_mends_settings_that_the_doctor_complains_of") else {
        return;
    };
    let valkey = world.services().get("KIRC_VALKEY").to_owned();
    world.set_up("alice");
    world.ok("alice", &["setup", "infra"]);
    let doctor = |world: &World, code: i32| -> Vec<Value> {
        let output = world.run("alice", &["doctor", "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{report:#}");
        report["checks"].as_array().unwrap().clone()
    };
    let complaints = |checks: &[Value]| -> Vec<String> {
        let of_grid = |c: &&Value| c["state"] != "ok" && c["name"] != "terminal" && c["name"] != "tls";
        checks.iter().filter(of_grid).map(|c| format!("{} -> {}", c["found"], c["todo"])).collect()
    };
    let lent = complaints(&doctor(&world, 0));
    assert!(lent.len() == 1 && lent[0].contains("your own login to Valkey"), "{lent:?}");
    // Whoever makes an invite hears it, by whatever door.
    let (own, card) = (invited(&world), world.path().join("alice.card"));
    assert!(own.as_ref().is_some_and(|note| note.contains("your own login to Valkey")), "{own:?}");
    std::fs::write(&card, world.ok("alice", &["identity", "export"])).unwrap();
    let invite = ["invite", "create", "--for", card.to_str().unwrap()];
    let said = String::from_utf8(world.run("alice", &invite).stderr).unwrap();
    assert!(said.contains(own.as_deref().unwrap_or_default()), "{said}");
    world.set("KIRC_VALKEY_PEER", &valkey);
    assert_eq!(invited(&world), None);
    let well = doctor(&world, 0);
    assert_eq!(complaints(&well), Vec::<String>::new());
    for name in ["kafka", "valkey", "store", "tls", "topics", "contacts", "clocks"] {
        assert!(well.iter().any(|c| c["name"] == name), "{name}: {well:#?}");
    }
    let log = read_env(&world, "alice", "KIRC_KAFKA_LOG");
    let user = read_env(&world, "alice", "KIRC_KAFKA_PEER_USER");
    run(async {
        let hand = world.services().hand(Cluster::First);
        hand.change_setting(&log, "message.timestamp.type", "CreateTime").await.unwrap();
        hand.change_setting(&log, "retention.ms", "1000000").await.unwrap();
        let settings = hand.settings(&log).await.unwrap();
        assert_eq!(settings["message.timestamp.type"], ("CreateTime".to_owned(), true), "the other stays");
        hand.delete_acls(&[Acl::allow(&user, Operation::Read, &log)]).await.unwrap();
    });
    let ill = complaints(&doctor(&world, 1)).join("\n");
    for said in ["CreateTime", "keeps records 1000s", &format!("may not Read {log}"), "kirc setup infra"] {
        assert!(ill.contains(said), "{said}: {ill}");
    }
    let mended = world.ok("alice", &["setup", "infra"]);
    assert!(mended.contains("message.timestamp.type is LogAppendTime now"), "{mended}");
    assert_eq!(complaints(&doctor(&world, 0)), Vec::<String>::new());

    // More than contacts need is worse than less.
    run(async {
        let hand = world.services().hand(Cluster::First);
        hand.create_acls(&[Acl::allow(&user, Operation::Delete, &log)]).await.unwrap();
    });
    let ill = complaints(&doctor(&world, 1)).join("\n");
    assert!(ill.contains(&format!("may Delete {log}, which contacts must not")), "{ill}");
}

#[test]
fn the_shared_users_password_can_be_changed() {
    let Some(world) = World::with_admin("the_shared_users_password_can_be_changed") else { return };
    world.set_up("alice");
    world.ok("alice", &["setup", "infra"]);
    let user = read_env(&world, "alice", "KIRC_KAFKA_PEER_USER");
    let old = read_env(&world, "alice", "KIRC_KAFKA_PEER_PASSWORD");
    let said = world.ok("alice", &["setup", "infra", "--rotate-peer"]);
    let new = read_env(&world, "alice", "KIRC_KAFKA_PEER_PASSWORD");
    assert!(said.contains("has a new password") && !said.contains(&new), "{said}");
    assert_ne!(old, new);
    assert_eq!(read_env(&world, "alice", "KIRC_KAFKA_PEER_USER"), user);
    let (services, log) = (world.services(), read_env(&world, "alice", "KIRC_KAFKA_LOG"));
    run(async {
        let names = [log];
        let told = services.hand_of(Cluster::First, &user, &new).topics(&names).await.unwrap();
        assert!(told[0].1.is_some());
        services.hand_of(Cluster::First, &user, &old).topics(&names).await.unwrap_err();
    });
}

#[test]
fn the_wizard_tries_what_is_pasted_and_keeps_what_was_typed() {
    let Some(services) = World::on_services("the_wizard_tries_what_is_pasted_and_keeps_what_was_typed")
    else {
        return;
    };
    let get = |name: &str| services.services().get(name).to_owned();
    let (kafka, ca, valkey) = (get("KIRC_KAFKA"), get("KIRC_CA"), get("KIRC_VALKEY"));
    let (user, password) = (get("KIRC_KAFKA_USER"), get("KIRC_KAFKA_PASSWORD"));
    let world = World::new();
    let mut screen = Screen::start(&world, "alice", &["setup"]);
    screen.shows("Your nick:");
    screen.types("alice\r");
    screen.shows("Passphrase");
    screen.types("\r");
    screen.shows("Which grid?");
    screen.types("\x1b[B\r");
    screen.shows("Kafka:");
    let (start, last) = kafka.split_at(kafka.len() - 1);
    screen.types(&format!("kafka+ssl://{user}:{password}@{start}\r"));
    screen.shows("CA file:");
    screen.types(&format!("{ca}\r"));
    screen.shows("That does not work");
    // Both stand there again: the one lacks its last digit, the other is right.
    screen.types(&format!("{last}\r"));
    screen.types("\r");
    screen.shows("Kafka answers");
    screen.shows("Valkey:");
    screen.types("postgres://u:p@h/x\r");
    screen.shows("of a PostgreSQL, not of a Valkey");
    screen.types(&"\x7f".repeat(20));
    screen.types(&format!("{valkey}\r"));
    screen.shows("can be used");
    screen.shows("PostgreSQL:");
    screen.types("\r");
    screen.shows("Make what is missing");
    assert!(!screen.text().contains("WRONG"));
    screen.types("n\r");
    assert_eq!(screen.ends(), 0);
    for (name, value) in [
        ("KIRC_NICK", "alice"),
        ("KIRC_KAFKA", &kafka),
        ("KIRC_KAFKA_SECURITY", "sasl_ssl"),
        ("KIRC_KAFKA_USER", &user),
        ("KIRC_KAFKA_PASSWORD", &password),
        ("KIRC_VALKEY", &valkey),
        ("KIRC_POSTGRES", ""),
        ("KIRC_CA", &ca),
    ] {
        assert_eq!(read_env(&world, "alice", name), value, "{name}");
    }
}
