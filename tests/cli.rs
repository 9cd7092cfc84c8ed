//! The command line of the real program: help, exit codes, setup, doctor, messages about what is
//! wrong.

mod common;

use std::os::unix::fs::PermissionsExt;

use common::World;
use serde_json::{Value, json};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_is_done_and_wrong_usage_is_two() {
    let world = World::new();
    let help = world.ok("x", &["--help"]);
    assert!(help.contains("Examples:") && help.contains("kirc setup"), "{help}");
    assert!(world.ok("x", &["send", "--help"]).contains("Examples:"));
    assert!(world.ok("x", &["--version"]).starts_with("kirc "));
    for wrong in [
        &["nonsense"][..],
        &["send"],
        &["history", "#x", "--limit", "none"],
        &["--profile", "a/b", "doctor-not"],
        &["setup", "--nick", "no spaces", "--yes"],
        &["setup", "--yes"],
        &["setup"],
        &["tui"],
        &["send", "--demo", "x", "y"],
        &["pipe", "--caps", "state,nonsense"],
        &["send", "#net", ""],
    ] {
        let output = world.run("x", wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {output:?}");
        assert!(!output.stderr.is_empty(), "{wrong:?}");
    }
    for (wrong, says) in [
        (&["--profile", "../x", "identity", "show"][..], "--profile: \"../x\" is no profile name"),
        (&["send", "", "hello"], "say whom you mean"),
        (&["tail", ""], "say whom you mean"),
        (&["history", "#a b"], "#a b"),
        (&["send", "#a b", "hello"], "#a b"),
    ] {
        let output = world.run("x", wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {output:?}");
        assert!(text(&output.stderr).contains(says), "{wrong:?}: {output:?}");
    }
}

#[test]
fn many_that_set_up_one_profile_at_once_make_its_keys_once() {
    let world = World::new();
    let told = std::thread::scope(|scope| {
        let one = || world.ok("alice", &["setup", "--nick", "alice", "--embedded", "--yes", "--json"]);
        let all: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|t| t.join().unwrap()).collect::<Vec<String>>()
    });
    let told: Vec<Value> = told.iter().map(|t| serde_json::from_str(t).unwrap()).collect();
    let prints: std::collections::BTreeSet<&str> =
        told.iter().map(|t| t["fingerprint"].as_str().unwrap()).collect();
    assert_eq!(prints.len(), 1, "{told:#?}");
    assert_eq!(told.iter().filter(|t| t["new_keys"] == true).count(), 1, "{told:#?}");
    let shown = world.ok("alice", &["identity", "show", "--json"]);
    assert!(prints.iter().all(|p| shown.contains(p)), "{shown}");
}

#[test]
fn two_that_set_up_and_send_at_once_are_both_heard() {
    let world = World::new();
    std::thread::scope(|scope| {
        for text in ["first", "second"] {
            let world = &world;
            scope.spawn(move || {
                world.ok("alice", &["setup", "--nick", "alice", "--embedded", "--yes"]);
                world.ok("alice", &["send", "--join", "#net", text]);
            });
        }
    });
    let history = world.ok("alice", &["history", "#net"]);
    for text in ["first", "second"] {
        assert_eq!(history.matches(text).count(), 1, "{history}");
    }
}

#[test]
fn without_a_profile_every_command_says_what_to_do() {
    let world = World::new();
    for command in
        [&["pipe"][..], &["send", "bob", "hi"], &["history", "#x"], &["node"], &["identity", "show"]]
    {
        let output = world.run("work", command);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {output:?}");
        let said = text(&output.stderr);
        assert!(said.contains("kirc setup --profile work"), "{said}");
    }
}

#[test]
fn setup_without_questions_can_be_run_again_without_losing_anything() {
    let world = World::new();
    let first: Value = serde_json::from_str(
        &world.ok("alice", &["setup", "--nick", "alice", "--embedded", "--yes", "--json"]),
    )
    .unwrap();
    let folder = world.profile("alice");
    for (name, mode) in [("", 0o700), (".env", 0o600), ("identity.json", 0o600)] {
        let is = std::fs::metadata(folder.join(name)).unwrap().permissions().mode();
        assert_eq!(is & 0o777, mode, "{name}");
    }
    let env = folder.join(".env");
    let mut lines = std::fs::read_to_string(&env).unwrap();
    lines.push_str("# a note\nMY_OWN='x y'\nKIRC_LEASE=20s\n");
    std::fs::write(&env, &lines).unwrap();
    let key = std::fs::read(folder.join("identity.json")).unwrap();

    let second: Value = serde_json::from_str(
        &world.ok("alice", &["setup", "--nick", "alicia", "--embedded", "--yes", "--json"]),
    )
    .unwrap();
    assert_eq!(first["actor"], second["actor"]);
    assert_eq!((&first["new_keys"], &second["new_keys"]), (&true.into(), &false.into()));
    assert_eq!(std::fs::read(folder.join("identity.json")).unwrap(), key);
    let now = std::fs::read_to_string(&env).unwrap();
    assert_eq!(now, lines.replace("KIRC_NICK=alice", "KIRC_NICK=alicia"));
}

#[test]
fn doctor_finds_nothing_in_a_fresh_profile_and_names_what_is_wrong() {
    let world = World::new();
    world.set_up("alice");
    let report = world.run("alice", &["doctor", "--json"]);
    let found: Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!((report.status.code(), &found["ok"]), (Some(0), &true.into()), "{found:#}");

    let key = world.profile("alice").join("identity.json");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let report = world.run("alice", &["doctor"]);
    assert_eq!(report.status.code(), Some(1));
    assert!(text(&report.stdout).contains("chmod 600"), "{report:?}");
    let refused = world.run("alice", &["send", "bob", "hi"]);
    assert!(text(&refused.stderr).contains("chmod 600"), "{refused:?}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();

    std::fs::write(world.profile("alice").join("store.db"), "not a database at all").unwrap();
    let report = world.run("alice", &["doctor"]);
    assert_eq!(report.status.code(), Some(1));
    assert!(text(&report.stdout).contains("store.db is damaged"), "{report:?}");
    let refused = world.run("alice", &["send", "bob", "hi"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("store.db is damaged"), "{refused:?}");
}

#[test]
fn all_wrong_settings_are_named_at_once() {
    let world = World::new();
    world.set_up("alice");
    let output = world
        .kirc("alice")
        .args(["send", "bob", "hi"])
        .env("KIRC_LEASE", "soon")
        .env("KIRC_RSA_BITS", "7")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("KIRC_LEASE") && said.contains("KIRC_RSA_BITS"), "{said}");
}

#[test]
fn a_sealed_key_file_needs_its_passphrase() {
    let world = World::new();
    let sealed = |passphrase: Option<&str>, arguments: &[&str]| {
        let mut command = world.kirc("alice");
        if let Some(passphrase) = passphrase {
            command.env("KIRC_PASSPHRASE", passphrase);
        }
        command.args(arguments).output().unwrap()
    };
    let setup = ["setup", "--nick", "alice", "--embedded", "--yes"];
    assert!(sealed(Some("first"), &setup).status.success());
    let fingerprint = ["identity", "fingerprint"];
    assert!(sealed(Some("first"), &fingerprint).status.success());
    for (passphrase, want) in [(None, "KIRC_PASSPHRASE"), (Some("wrong"), "passphrase is wrong")] {
        let output = sealed(passphrase, &fingerprint);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(want), "{output:?}");
        assert!(!text(&output.stderr).contains("wrong wrong"));
    }
    let changed = world
        .kirc("alice")
        .args(["identity", "passphrase"])
        .env("KIRC_PASSPHRASE", "first")
        .env("KIRC_NEW_PASSPHRASE", "second")
        .output()
        .unwrap();
    assert!(changed.status.success(), "{changed:?}");
    assert!(!sealed(Some("first"), &fingerprint).status.success());
    assert!(sealed(Some("second"), &["identity", "passphrase", "--remove"]).status.success());
    assert!(sealed(None, &fingerprint).status.success());
}

#[test]
fn completions_and_man_page_are_made() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(world.ok("x", &["completions", shell]).contains("setup"), "{shell}");
    }
    let page = world.ok("x", &["man"]);
    assert!(page.contains("KIRC IDENTITY EXPORT"), "{page}");
}

#[test]
fn send_and_history() {
    let world = World::new();
    world.set_up("alice");
    let refused = world.run("alice", &["send", "#net", "hello"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("--join"), "{refused:?}");
    world.ok("alice", &["send", "--join", "#net", "hello", "everybody"]);
    let settled: Value =
        serde_json::from_str(&world.ok("alice", &["send", "--json", "#net", "again"])).unwrap();
    assert_eq!(settled["meta"]["state"], "sent");
    let history = world.ok("alice", &["history", "#net"]);
    let lines: Vec<&str> = history.lines().collect();
    assert_eq!(lines.len(), 3, "{history}");
    assert!(lines[0].ends_with("alice joined #net"), "{history}");
    assert!(lines[1].ends_with("<alice> hello everybody"), "{history}");
    let before = ["history", "#net", "--json", "--before", settled["id"].as_str().unwrap()];
    let earlier = world.ok("alice", &before);
    let earlier: Vec<Value> = earlier.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(earlier.len(), 2, "{earlier:?}");
    assert_eq!((&earlier[0]["command"], &earlier[0]["meta"]["self"]), (&json!("JOIN"), &json!(true)));
    assert_eq!(earlier[1]["body"][0], "hello everybody");
}

#[test]
fn card_invite_and_contact() {
    let world = World::new();
    world.set_up("alice");
    world.set_up("bob");
    let file = |name: &str| world.path().join(name).to_str().unwrap().to_owned();
    let (card, invite) = (file("bob.card"), file("bob.invite"));
    world.ok("bob", &["identity", "export", "--out", &card]);
    world.ok("alice", &["invite", "create", "--for", &card, "--out", &invite, "--expires", "1d"]);
    let alice = world.start("alice", &["node"]);
    let accepted: Value =
        serde_json::from_str(&world.ok("bob", &["invite", "accept", &invite, "--json"])).unwrap();
    assert_eq!(accepted["nick"], "alice");
    let contacts = world.ok("bob", &["contacts", "list"]);
    assert!(contacts.contains("alice"), "{contacts}");
    let verified = world.ok("bob", &["contacts", "verify", "alice"]);
    assert!(verified.contains("safety number"), "{verified}");
    world.ok("bob", &["contacts", "verify", "alice", "--confirm"]);
    let contact: Value =
        serde_json::from_str(&world.ok("bob", &["contacts", "show", "alice", "--json"])).unwrap();
    assert_eq!(contact["trust"], "verified", "{contact}");
    world.ok("bob", &["contacts", "remove", "alice"]);
    drop(alice);
}

#[test]
fn a_stranger_is_not_among_the_contacts() {
    let world = World::new();
    world.set_up("alice");
    for command in ["verify", "show"] {
        let refused = world.run("alice", &["contacts", command, "bob"]);
        assert_eq!(text(&refused.stderr), "kirc: bob is not among your contacts\n", "{refused:?}");
    }
}

#[test]
fn an_invite_ends_when_it_was_said_to() {
    let world = World::new();
    world.set_up("alice");
    world.set_up("bob");
    let file = |name: &str| world.path().join(name).to_str().unwrap().to_owned();
    let (card, invite) = (file("bob.card"), file("bob.invite"));
    world.ok("bob", &["identity", "export", "--out", &card]);
    let create = |time: &str| {
        world.run("alice", &["invite", "create", "--for", &card, "--out", &invite, "--expires", time])
    };
    // It has ended before the next program can have started.
    assert!(create("1ms").status.success());
    let refused = world.run("bob", &["invite", "accept", &invite]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(text(&refused.stderr).contains("expired"), "{refused:?}");
    for (time, code) in [("0s", 1), ("366d", 1), ("365d", 0)] {
        let made = create(time);
        assert_eq!(made.status.code(), Some(code), "{time}: {made:?}");
        assert!(code == 0 || text(&made.stderr).contains("at most 365 days"), "{time}: {made:?}");
    }
    world.ok("bob", &["invite", "accept", &invite]);
}

#[test]
fn another_grid_than_before_is_noticed_and_may_be_meant() {
    let world = World::new();
    let grid = world.path().join("own-grid");
    let setup = ["setup", "--nick", "alice", "--embedded", "--yes", "--grid", grid.to_str().unwrap()];
    world.ok("alice", &setup);
    world.ok("alice", &["send", "--join", "#net", "hello"]);
    let env = world.profile("alice").join(".env");
    let all = std::fs::read_to_string(&env).unwrap();
    let cut: String = all.lines().filter(|l| !l.contains("KIRC_GRID")).map(|l| format!("{l}\n")).collect();
    common::private(&env, cut.as_bytes());
    let report = world.ok("alice", &["doctor"]);
    assert!(!report.contains("has lived"), "nothing is there yet: {report}");

    let mut pipe = world.start("alice", &["pipe"]);
    let alarm = pipe.until("ALARM");
    assert_eq!(alarm["params"][0], "other-grid", "{alarm}");
    let report = world.ok("alice", &["doctor"]);
    assert!(report.contains("lived on another grid until now"), "{report}");
    assert_eq!(pipe.end(), Some(0));
    let report = world.ok("alice", &["doctor"]);
    assert!(report.contains("not the grid on which this profile has lived"), "{report}");
    let log = std::fs::read_to_string(world.profile("alice").join("kirc.log")).unwrap();
    assert!(log.contains("WARN") && log.contains("lived on another grid"), "{log}");

    // Back to the old one: all is well. On to the new one, by joining there: that is meant.
    common::private(&env, all.as_bytes());
    assert!(!world.ok("alice", &["doctor"]).contains("has lived"));
    common::private(&env, cut.as_bytes());
    let mut pipe = world.start("alice", &["pipe"]);
    pipe.until("ALARM");
    pipe.join("#other");
    assert_eq!(pipe.end(), Some(0));
    assert!(!world.ok("alice", &["doctor"]).contains("has lived"));
}

#[test]
fn what_can_not_be_read_is_counted() {
    use kirc::mailbox::Mailbox;
    let world = World::new();
    world.set_up("alice");
    let mut node = world.node("alice");
    world.ok("alice", &["send", "--join", "#net", "hello"]);
    let clean = world.ok("alice", &["doctor"]);
    assert!(!clean.contains("not taken"), "{clean}");
    let said: Value = serde_json::from_str(&world.ok("alice", &["identity", "show", "--json"])).unwrap();
    let user: String = said["actor"].as_str().unwrap().chars().take(12).collect();
    let grid = kirc::embedded::Grid::open(&world.path().join("grid"), Default::default()).unwrap();
    let cluster = grid.id().to_owned();
    let topic = kirc_core::port::Topic { cluster, name: format!("rpc-in-{user}"), partition: 0 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mailbox = grid.mailbox().unwrap();
        for _ in 0..3 {
            mailbox.append(&topic, vec![], b"garbage".to_vec()).await.unwrap();
        }
        mailbox.close().await.unwrap();
    });
    // What is said behind it is heard behind it.
    let begin = std::time::Instant::now();
    let report = loop {
        let report = world.ok("alice", &["doctor"]);
        if report.contains("not taken") || begin.elapsed() > common::LONG {
            break report;
        }
    };
    assert!(report.contains(&format!("rpc-in-{user}")) && report.contains("not an envelope"), "{report}");
    node.signal("TERM");
    assert_eq!(node.wait(), Some(0));
}

#[test]
fn lost_keys_are_never_replaced_by_new_ones() {
    let world = World::new();
    world.set_up("alice");
    world.ok("alice", &["send", "--join", "#net", "hello"]);
    let key = world.profile("alice").join("identity.json");
    let copy = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    for command in [&["send", "#net", "hi"][..], &["setup", "--nick", "alice", "--embedded", "--yes"]] {
        let refused = world.run("alice", command);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(text(&refused.stderr).contains("put the copy of the key file back"), "{refused:?}");
        assert!(!key.exists());
    }
    let report = world.run("alice", &["doctor"]);
    assert!(text(&report.stdout).contains("put the copy of the key file back"), "{report:?}");
    common::private(&key, &copy);
    world.ok("alice", &["send", "#net", "again"]);
}
