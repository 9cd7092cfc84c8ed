//! The setup of a cloud grid, step by step: account, token, terraform or the console, certificates;
//! each step is checked when it is done.
//!
//! This module calls `scripts/setup-infra` for what terraform creates. It neither asks for the
//! token nor sees it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::env::is_of_services;
use super::questions::{services, set, shared_user, text, yes};
use super::{Place, SetupError};
use kirc_core::names::Nick;

use crate::config::{Config, EnvFile, Secret, TABLE};
use crate::profile::ProfileError;
use crate::services::address::Pairs;

const CONSOLE: &str = "https://console.aiven.io";

/// Leads there.
pub(super) fn ask(config: &Config, nick: &Nick, passphrase: Option<&Secret>) -> Result<Place, SetupError> {
    eprintln!(
        "The cloud's free tier: a Kafka, a Valkey and a PostgreSQL of your own. docs/cloud.md has it all."
    );
    eprintln!();
    eprintln!("1. The account: {CONSOLE}/signup (no card is asked for). A project is made with it.");
    until("   Is there an account?", || Ok(()))?;
    eprintln!("2. The services.");
    let script = script();
    let (terraform, hand) =
        ("terraform makes all of them (needs a token of the account)", "I make them in the console, by hand");
    let choices = if script.is_some() { vec![terraform, hand] } else { vec![hand] };
    let choice = inquire::Select::new("   How?", choices).prompt().map_err(|_| ProfileError::Stopped)?;
    match script {
        Some(script) if choice == terraform => by_terraform(config, &script, nick, passphrase),
        _ => by_hand(config),
    }
}

/// Asks until the answer is yes and the check finds nothing.
fn until(question: &str, check: impl Fn() -> Result<(), String>) -> Result<(), ProfileError> {
    loop {
        if !yes(question, true)? {
            eprintln!("   Then do that now; this waits. Ctrl-C ends it, and nothing is written.");
            continue;
        }
        match check() {
            Ok(()) => return Ok(()),
            Err(why) => eprintln!("   Not yet: {why}."),
        }
    }
}

/// `scripts/setup-infra` of the tree that this runs in, if it does.
fn script() -> Option<PathBuf> {
    let here = std::env::current_dir().ok();
    let exe = std::env::current_exe().ok();
    let folders = here.iter().chain(exe.iter()).flat_map(|p| p.ancestors().take(5));
    folders.map(|folder| folder.join("scripts/setup-infra")).find(|path| path.is_file())
}

fn is_there(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(tool).is_file())
}

fn by_terraform(
    config: &Config,
    script: &Path,
    nick: &Nick,
    passphrase: Option<&Secret>,
) -> Result<Place, SetupError> {
    until("   Are terraform (or tofu) and python3 installed?", || {
        let terraform = is_there("terraform") || is_there("tofu");
        match (terraform, is_there("python3")) {
            (true, true) => Ok(()),
            (false, _) => {
                Err("neither terraform nor tofu is on the PATH: https://opentofu.org/docs/intro/install"
                    .into())
            }
            (_, false) => Err("python3 is not on the PATH".into()),
        }
    })?;
    eprintln!("   A token: {CONSOLE}, user information at the top right, Tokens, Generate token.");
    until("   Is there a token? (the next step asks for it, and shows and stores it nowhere)", || Ok(()))?;
    let path = config.paths.env_file();
    loop {
        let mut command = Command::new(script);
        // The file itself, so that profile and folder are the ones of this very call.
        command.arg("--env").arg(&path).args(["--nick", nick.as_str()]);
        // It makes the keys, too: sealed, if that was wanted.
        command.envs(passphrase.map(|p| ("KIRC_PASSPHRASE", p.expose())));
        if let Ok(exe) = std::env::current_exe() {
            command.env("KIRC", exe);
        }
        command.env("KIRC_DATA_DIR", config.paths.data_dir());
        command.env("KIRC_PROFILE", config.paths.profile_name());
        let ended = command.status();
        let checked = match ended {
            Ok(status) if status.success() => written(&path),
            Ok(_) => Err("scripts/setup-infra did not come to its end; what it made is kept".to_owned()),
            Err(error) => Err(format!("{} can't be run: {error}", script.display())),
        };
        match checked {
            Ok(pairs) => return Ok(Place::Services(pairs)),
            Err(why) => eprintln!("   {why}."),
        }
        if !yes("   Try again?", true)? {
            return Err(ProfileError::Stopped.into());
        }
    }
}

/// What the script wrote.
fn written(path: &Path) -> Result<Pairs, String> {
    let file = EnvFile::read(path).map_err(|e| e.to_string())?;
    let file = file.ok_or_else(|| format!("{} was not written", path.display()))?;
    let names = TABLE.iter().map(|s| s.name).filter(|name| is_of_services(name));
    let pairs: Pairs = names.filter_map(|name| Some((name, file.get(name)?.to_owned()))).collect();
    for name in ["KIRC_KAFKA", "KIRC_VALKEY", "KIRC_CA"] {
        if !pairs.iter().any(|(known, value)| *known == name && !value.is_empty()) {
            return Err(format!("{} names no {name}", path.display()));
        }
    }
    let ca = pairs.iter().find(|(name, _)| *name == "KIRC_CA").map_or("", |(_, value)| value);
    certificate(Path::new(ca))?;
    Ok(pairs)
}

fn certificate(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{} can't be read: {e}", path.display()))?;
    match text.contains("-----BEGIN CERTIFICATE-----") {
        true => Ok(()),
        false => Err(format!("{} holds no certificate", path.display())),
    }
}

fn by_hand(config: &Config) -> Result<Place, SetupError> {
    eprintln!("   In the console: Create service, free plan, three times: Kafka, Valkey, PostgreSQL.");
    until("   Do all three run?", || Ok(()))?;
    eprintln!("   Kafka, Advanced configuration: kafka_authentication_methods.sasl on; Kafka REST off.");
    eprintln!(
        "   Kafka, Topics: data-in, data-out, rpc-in, rpc-out, each with 2 partitions and 72 h; data-out with"
    );
    eprintln!("     message.timestamp.type = LogAppendTime.");
    eprintln!(
        "   Kafka, Users: kirc-owner and kirc-peer. ACL: kirc-owner everything on the four topics; kirc-peer Write on"
    );
    eprintln!("     data-in, data-out, rpc-in and Read on data-out, rpc-out; the rule avnadmin * can go.");
    eprintln!("   Valkey, Users: kirc, with keys and channels kirc:* and the categories +@all -@dangerous.");
    eprintln!("   PostgreSQL, Databases: kirc.");
    until("   Done?", || Ok(()))?;
    eprintln!("3. The certificate of the project's authority: Kafka, Overview, CA certificate, Download.");
    let mut file = "certs/ca.pem".to_owned();
    loop {
        file = text("   Where is it?", &file, "a PEM file; certs/ca.pem is the usual place")?;
        match certificate(Path::new(&file)) {
            Ok(()) => break,
            Err(why) => eprintln!("   Not yet: {why}."),
        }
    }
    eprintln!("4. The addresses, as the console shows them (Kafka: the one for SASL).");
    let mut known: Pairs = vec![("KIRC_CA", super::env::whole("KIRC_CA", &file)?)];
    set(
        &mut known,
        vec![
            ("KIRC_KAFKA_SECURITY", "sasl_ssl".to_owned()),
            ("KIRC_KAFKA_TOPICS", "{kind}".to_owned()),
            ("KIRC_KAFKA_REPLICATION", "2".to_owned()),
        ],
    );
    let pairs = services(config, known)?;
    let pairs = shared_user(&config.with(&pairs)?, pairs)?;
    Ok(Place::Services(pairs))
}
