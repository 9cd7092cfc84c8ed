//! The Kafka user that contacts share: created where that is allowed, tested, given a new password.
//!
//! This module owns the user and its two lines in `.env`. Its ACLs are created elsewhere, and
//! `rights` defines its rights.

use std::time::Duration;

use kirc_core::port::PortError;

use super::infra::{Mark, Teller};
use super::{SetupError, env};
use crate::config::{Config, Origin, Secret};
use crate::mailbox::{Admin, KafkaSettings, Mechanism};
use crate::profile;
use crate::services::address::Pairs;
use crate::services::{ROUNDS, kafka, probe, random_password};

/// How often a new password is tried before it counts as not taken: brokers hear of it one after
/// the other.
const TRIES: u32 = 20;
/// How long is waited between.
const PAUSE: Duration = Duration::from_millis(250);

/// Sees to the user; gives the settings with what was made.
pub(super) async fn make(
    config: &Config,
    hand: &Admin,
    rotate: bool,
    teller: &Teller<'_>,
) -> Result<Config, SetupError> {
    let settings = &config.settings;
    let admin = kafka::admin(config)?;
    if admin.user.is_empty() {
        if rotate {
            let text =
                "nobody logs in to this Kafka with a password, so contacts have none that could be changed";
            return Err(SetupError::Check(text.to_owned()));
        }
        let text = "contacts: nobody logs in to this Kafka with a password, so they come as everybody does";
        teller.say(Mark::Note, text);
        return Ok(config.clone());
    }
    let users = match admin.mechanism {
        Mechanism::Plain => Err(PortError("the users of PLAIN are in the broker's own settings".to_owned())),
        _ => hand.scram_users(&[]).await,
    };
    let named = settings.kafka_peer_user.clone();
    let users = match (users, rotate) {
        (Ok(users), _) => users,
        (Err(error), true) => {
            return Err(SetupError::Check(format!(
                "the password can't be changed from here: {error}. Change it where the user was made (terraform, the \
                 cloud's console) and set KIRC_KAFKA_PEER_PASSWORD"
            )));
        }
        (Err(error), false) => {
            not_ours(config, named.as_deref(), &error, teller).await?;
            return Ok(config.clone());
        }
    };
    let there = named.as_ref().is_some_and(|name| users.iter().any(|(user, _)| user == name));
    if there && !rotate && settings.kafka_peer_password.is_some() {
        tried(config, named.as_deref().unwrap_or_default(), teller).await?;
        return Ok(config.clone());
    }
    if there && !rotate {
        let text = "contacts: KIRC_KAFKA_PEER_USER is there, and its password is not set: set it, or make a new one with \
                    kirc setup infra --rotate-peer";
        teller.say(Mark::Wrong, text);
        return Ok(config.clone());
    }
    let name = match named {
        Some(name) => name,
        None => new_name()?,
    };
    // A password that somebody chose is kept when its user is made.
    let chosen = settings.kafka_peer_password.clone().filter(|_| !rotate);
    let password = match chosen {
        Some(password) => password,
        None => random_password()?,
    };
    hand.set_scram_user(&name, &password, admin.mechanism, ROUNDS).await?;
    let pairs: Pairs = vec![
        ("KIRC_KAFKA_PEER_USER", name.clone()),
        ("KIRC_KAFKA_PEER_PASSWORD", password.expose().to_owned()),
    ];
    write(config, &pairs, &name, teller)?;
    let config = config.with(&pairs)?;
    let what = if rotate && there { "has a new password" } else { "made" };
    match works(kafka::peer(&config)?, &password).await {
        Ok(()) => {
            let path = config.paths.env_file();
            teller.say(Mark::Made, format!("contacts: user {name} {what}; it is in {}", path.display()));
        }
        Err(error) => teller.say(Mark::Wrong, format!("contacts: user {name} {what}, but: {error}")),
    }
    if rotate {
        let text = "contacts: the node tells them the new password when it starts next, or now if it is started again";
        teller.say(Mark::Note, text);
    }
    Ok(config)
}

/// Where users are made by others.
async fn not_ours(
    config: &Config,
    named: Option<&str>,
    error: &PortError,
    teller: &Teller<'_>,
) -> Result<(), SetupError> {
    match named {
        Some(name) => {
            tried(config, name, teller).await?;
            let text = format!(
                "contacts: kirc makes no users here ({error}); terraform or the cloud's console made {name}"
            );
            teller.say(Mark::Note, text);
        }
        None => {
            let text = format!(
                "contacts: there is no user for them, and none can be made ({error}): make one in the cloud's console and set \
                 KIRC_KAFKA_PEER_USER and KIRC_KAFKA_PEER_PASSWORD, or nobody can be let in from outside"
            );
            teller.say(Mark::Note, text);
        }
    }
    Ok(())
}

/// Logs in as the user.
async fn tried(config: &Config, name: &str, teller: &Teller<'_>) -> Result<(), SetupError> {
    let Some(peer) = kafka::peer(config)? else {
        return Ok(());
    };
    match probe::cluster(Ok(peer)).await {
        Ok(_) => teller.say(Mark::There, format!("contacts: user {name} can log in")),
        Err(error) => {
            let text = format!(
                "contacts: user {name}: {error}; correct KIRC_KAFKA_PEER_PASSWORD, or make a new one with kirc setup infra \
                 --rotate-peer"
            );
            teller.say(Mark::Wrong, text);
        }
    }
    Ok(())
}

/// Waits until every broker that is asked takes the password.
async fn works(peer: Option<KafkaSettings>, password: &Secret) -> Result<(), String> {
    let peer = peer.ok_or_else(|| "it is not set".to_owned())?;
    let peer = KafkaSettings { password: password.clone(), ..peer };
    let mut last = String::new();
    for _ in 0..TRIES {
        match probe::cluster(Ok(peer.clone())).await {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(last)
}

fn write(config: &Config, pairs: &Pairs, name: &str, teller: &Teller<'_>) -> Result<(), SetupError> {
    let path = config.paths.env_file();
    let written = profile::prepare_folder(&config.paths)
        .map_err(SetupError::from)
        .and_then(|()| env::write(&path, pairs.iter().map(|(name, value)| (*name, value.as_str()))));
    written.map_err(|error| {
        SetupError::Check(format!(
            "user {name} has a password now that could not be written down: {error}. Mend that and run: kirc setup infra \
             --rotate-peer"
        ))
    })?;
    for (name, _) in pairs {
        if let Some((_, origin @ (Origin::Environment | Origin::Flag))) = config.sources.get(name) {
            let text = format!("contacts: {name} is set by {}, which wins over .env", origin.text());
            teller.say(Mark::Wrong, text + ": take it away there");
        }
    }
    Ok(())
}

/// A name that nobody has: other profiles on the cluster may have such a user, too.
fn new_name() -> Result<String, PortError> {
    let random = random_password()?;
    let tail: String = random.expose().chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    Ok(format!("kirc-peer-{}", tail.to_ascii_lowercase()))
}
