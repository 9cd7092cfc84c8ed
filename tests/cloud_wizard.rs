//! The wizard's way to the cloud, walked in a terminal: each step waits until it is done, and is
//! checked. Terraform is a stand-in that puts out where the services of this machine are;
//! everything behind it is real.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::World;
use common::screen::Screen;
use common::services::{Cluster, Services};
use kirc::config::EnvFile;
use serde_json::{Map, Value, json};

const TOKEN: &str = "token-that-nobody-may-see";

fn read_env(world: &World, name: &str) -> String {
    let file = EnvFile::read(&world.profile("alice").join(".env")).unwrap().expect("an .env");
    file.get(name).unwrap_or_default().to_owned()
}

/// Up to the question how the services are to be made.
fn to_the_cloud(screen: &mut Screen) {
    screen.shows("Your nick:");
    screen.types("alice\r");
    screen.shows("Passphrase");
    screen.types("\r");
    screen.shows("Which grid?");
    screen.picks("the cloud: the same on a free plan");
    screen.shows("Is there an account?");
    screen.types("n\r");
    screen.shows("Then do that now; this waits");
    screen.types("y\r");
    screen.shows("How?");
}

/// A folder with the scripts, and a terraform that fails once and then puts out the services of
/// this machine.
fn tree(world: &World, outputs: &Value) -> std::path::PathBuf {
    let root = world.path().join("tree");
    for folder in ["scripts", "terraform", "certs", "bin"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for script in ["scripts/lib", "scripts/env-from-terraform", "scripts/setup-infra"] {
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(script), root.join(script)).unwrap();
    }
    fs::write(root.join("outputs.json"), outputs.to_string()).unwrap();
    let at = root.display();
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in\n\
         *' output -json') cat '{at}/outputs.json' ;;\n\
         *' apply '*) [ \"$TF_VAR_aiven_api_token\" = {TOKEN} ] || exit 3\n\
           if ! [ -e '{at}/tried' ]; then : >'{at}/tried'; echo 'Error: the plan is used up'; exit 1; fi ;;\n\
         esac\n"
    );
    let tool = root.join("bin/terraform");
    fs::write(&tool, text).unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    root
}

#[test]
fn the_cloud_by_terraform() {
    let Some(mut services) = Services::from_env("the_cloud_by_terraform") else { return };
    services.peer = false;
    let world = World::on(services);
    let settings = world.services().settings(Cluster::First, "alice");
    let ca = fs::read_to_string(world.services().get("KIRC_CA")).unwrap();
    let env: Map<String, Value> =
        settings.into_iter().filter(|(n, _)| n != "KIRC_CA").map(|(n, v)| (n, Value::String(v))).collect();
    let outputs =
        json!({"ca_cert": {"sensitive": true, "value": ca}, "env": {"sensitive": true, "value": env}});
    let root = tree(&world, &outputs);
    let path = std::env::join_paths(
        std::iter::once(root.join("bin"))
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let mut screen = Screen::start_with(&world, "alice", &["setup"], |command| {
        command.cwd(&root);
        // The wizard is to find them by itself.
        for (name, _) in world.settings("alice") {
            command.env_remove(name);
        }
        command.env("PATH", path.unwrap());
        command.env("AIVEN_WEB_URL", "http://127.0.0.1:1");
    });
    to_the_cloud(&mut screen);
    screen.types("\r");
    screen.shows("python3 installed?");
    screen.types("y\r");
    screen.shows("Is there a token?");
    screen.types("y\r");
    screen.shows("Token (not shown, not stored)");
    screen.types(&format!("{TOKEN}\r"));
    screen.shows("Project:");
    screen.types("my-project\r");
    // Terraform fails: it is said, what was made stays, and it can be tried again.
    screen.shows("the plan is used up");
    screen.shows("did not come to its end");
    screen.shows("Try again?");
    assert!(!world.profile("alice").join(".env").exists());
    screen.types("y\r");
    screen.shows_behind("Try again?", "Token (not shown, not stored)");
    screen.types(&format!("{TOKEN}\r"));
    screen.shows("Make what is missing");
    assert!(!screen.text().contains(TOKEN), "{}", screen.text());
    screen.types("n\r");
    assert_eq!(screen.ends(), 0);
    for (name, value) in &env_of(&outputs) {
        assert_eq!(read_env(&world, name), *value, "{name}");
    }
    assert_eq!(read_env(&world, "KIRC_NICK"), "alice");
    assert_eq!(fs::read_to_string(read_env(&world, "KIRC_CA")).unwrap(), ca);
    let file = read_env(&world, "KIRC_CA");
    assert!(Path::new(&file).ends_with("certs/ca.pem"), "{file}");
    // It is enough to talk.
    let mut alice = world.talker(world.bare("alice"), "alice", &["pipe", "--caps", "state"]);
    alice.until("001");
    alice.join("#net");
    assert_eq!(alice.end(), Some(0));
}

fn env_of(outputs: &Value) -> Vec<(String, String)> {
    let env = outputs["env"]["value"].as_object().expect("a table");
    env.iter().map(|(n, v)| (n.clone(), v.as_str().expect("text").to_owned())).collect()
}

#[test]
fn the_cloud_by_hand() {
    let Some(services) = Services::from_env("the_cloud_by_hand") else { return };
    let get = |name: &str| services.get(name).to_owned();
    let (kafka, ca, valkey) = (get("KIRC_KAFKA"), get("KIRC_CA"), get("KIRC_VALKEY"));
    let (user, password) = (get("KIRC_KAFKA_USER"), get("KIRC_KAFKA_PASSWORD"));
    let (peer, peer_password) = (get("KIRC_KAFKA_PEER_USER"), get("KIRC_KAFKA_PEER_PASSWORD"));
    let world = World::embedded();
    let mut screen = Screen::start_with(&world, "alice", &["setup"], |command| {
        command.cwd(world.path());
    });
    to_the_cloud(&mut screen);
    screen.picks("I make them in the console, by hand");
    screen.shows("Do all three run?");
    screen.types("y\r");
    screen.shows("kirc-owner everything on the four topics");
    screen.shows("Done?");
    screen.types("y\r");
    screen.shows("Where is it?");
    screen.types("\r");
    screen.shows("Not yet: certs/ca.pem can't be read");
    // What was typed stands there again.
    screen.types(&format!("{}{ca}\r", "\x7f".repeat("certs/ca.pem".len())));
    screen.shows("Kafka:");
    screen.types(&format!("{kafka}\r"));
    screen.shows("its user:");
    screen.types(&format!("{user}\r"));
    screen.shows("its password");
    screen.types(&format!("{password}\r"));
    screen.shows("CA file:");
    screen.types("\r");
    screen.shows("Kafka answers");
    screen.types(&format!("{valkey}\r"));
    screen.shows("can be used");
    screen.shows("PostgreSQL:");
    screen.types("\r");
    screen.shows("contacts share:");
    screen.types("\r");
    screen.shows("its password:");
    screen.types("wrong\r");
    screen.shows("That does not work");
    screen.types("\r");
    screen.types(&format!("{peer_password}\r"));
    screen.shows("Make what is missing");
    screen.types("n\r");
    assert_eq!(screen.ends(), 0);
    for (name, value) in [
        ("KIRC_KAFKA", kafka.as_str()),
        ("KIRC_KAFKA_SECURITY", "sasl_ssl"),
        ("KIRC_KAFKA_TOPICS", "{kind}"),
        ("KIRC_KAFKA_REPLICATION", "2"),
        ("KIRC_KAFKA_USER", &user),
        ("KIRC_KAFKA_PASSWORD", &password),
        ("KIRC_KAFKA_PEER_USER", &peer),
        ("KIRC_KAFKA_PEER_PASSWORD", &peer_password),
        ("KIRC_VALKEY", &valkey),
        ("KIRC_CA", &ca),
    ] {
        assert_eq!(read_env(&world, name), value, "{name}");
    }
}
