//! Asks for existing services: each address is tested before the next question.
//!
//! After an error, the question shows the previous input again, to be corrected.

use kirc_core::names::Nick;

use super::env::whole;
use super::{SetupError, wizard};
use crate::config::Config;
use crate::profile::{self, ProfileError};
use crate::services::address::{Kind, Pairs, parse};
use crate::services::probe;
use crate::services::{kafka, postgres, valkey};

/// An answer to a question, with what stands there at first.
pub(super) fn text(question: &str, typed: &str, help: &str) -> Result<String, ProfileError> {
    inquire::Text::new(question)
        .with_initial_value(typed)
        .with_help_message(help)
        .prompt()
        .map(|answer| answer.trim().to_owned())
        .map_err(|_| ProfileError::Stopped)
}

/// Yes or no.
pub(super) fn yes(question: &str, default: bool) -> Result<bool, ProfileError> {
    inquire::Confirm::new(question).with_default(default).prompt().map_err(|_| ProfileError::Stopped)
}

/// A nick.
pub(super) fn nick(default: Option<&Nick>) -> Result<Nick, ProfileError> {
    let valid = |text: &str| {
        Ok(match Nick::parse(text) {
            Ok(_) => inquire::validator::Validation::Valid,
            Err(error) => inquire::validator::Validation::Invalid(error.to_string().into()),
        })
    };
    let mut question = inquire::Text::new("Your nick:")
        .with_validator(valid)
        .with_help_message("the name that others see; it can be changed at any time");
    if let Some(default) = default {
        question = question.with_default(default.as_str());
    }
    let answer = question.prompt().map_err(|_| ProfileError::Stopped)?;
    Nick::parse(&answer).map_err(|_| ProfileError::NoNick)
}

/// Sets values, of which the last counts.
pub(super) fn set(pairs: &mut Pairs, new: Pairs) {
    for (name, value) in new {
        pairs.retain(|(known, _)| *known != name);
        pairs.push((name, value));
    }
}

fn get<'p>(pairs: &'p Pairs, name: &str) -> &'p str {
    pairs.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
}

/// What was answered, or else set before.
fn known(config: &Config, pairs: &Pairs, name: &str) -> String {
    match pairs.iter().find(|(known, _)| *known == name) {
        Some((_, value)) => value.clone(),
        None => config.sources.get(name).map(|(value, _)| value.to_owned()).unwrap_or_default(),
    }
}

/// Asks for the three services; `pairs` is known already.
pub(super) fn services(config: &Config, mut pairs: Pairs) -> Result<Pairs, SetupError> {
    let mut typed = known(config, &pairs, "KIRC_KAFKA");
    loop {
        typed = text("Kafka:", &typed, Kind::Kafka.example())?;
        match one_kafka(config, &mut pairs, &typed) {
            Ok(()) => break,
            Err(error) => again(error)?,
        }
    }
    let mut typed = known(config, &pairs, "KIRC_VALKEY");
    loop {
        typed = text("Valkey:", &typed, Kind::Valkey.example())?;
        let tried = address(Kind::Valkey, &typed, &pairs).and_then(|found| {
            let config = config.with(&found)?;
            let told = wizard::wait(valkey(&config)?.probe())??;
            eprintln!("  {} at {}:{} can be used.", told.version, told.host, told.port);
            Ok(found)
        });
        match tried {
            Ok(found) => {
                pairs = found;
                break;
            }
            Err(error) => again(error)?,
        }
    }
    let mut typed = known(config, &pairs, "KIRC_POSTGRES");
    loop {
        let help = format!("{}; empty: a file in the profile's folder", Kind::Postgres.example());
        typed = text("PostgreSQL:", &typed, &help)?;
        if typed.is_empty() {
            set(&mut pairs, vec![("KIRC_POSTGRES", String::new())]);
            return Ok(pairs);
        }
        let tried = address(Kind::Postgres, &typed, &pairs).and_then(|found| {
            let config = config.with(&found)?;
            if let Some(settings) = postgres(&config)? {
                let told = wizard::wait(settings.probe())??;
                eprintln!("  PostgreSQL {} can be used; schema {}.", told.version, told.schema);
            }
            Ok(found)
        });
        match tried {
            Ok(found) => return Ok(found),
            Err(error) => again(error)?,
        }
    }
}

/// Says what failed; giving up at a prompt is passed on.
fn again(error: SetupError) -> Result<(), SetupError> {
    match error {
        SetupError::Profile(ProfileError::Stopped) => Err(error),
        error => {
            eprintln!("  That does not work: {error}.");
            Ok(())
        }
    }
}

fn address(kind: Kind, typed: &str, pairs: &Pairs) -> Result<Pairs, SetupError> {
    let mut all = pairs.clone();
    set(&mut all, parse(kind, typed).map_err(SetupError::Check)?);
    Ok(all)
}

/// Asks for what belongs to the address, and tries it. What is answered goes into `pairs` also if
/// it does not work.
fn one_kafka(config: &Config, pairs: &mut Pairs, typed: &str) -> Result<(), SetupError> {
    let (user, password) =
        (known(config, pairs, "KIRC_KAFKA_USER"), known(config, pairs, "KIRC_KAFKA_PASSWORD"));
    let security = known(config, pairs, "KIRC_KAFKA_SECURITY");
    *pairs = address(Kind::Kafka, typed, pairs)?;
    if !typed.contains("://") {
        // An address without a scheme says nothing of security: what was set before counts.
        set(pairs, vec![("KIRC_KAFKA_SECURITY", security)]);
        if get(pairs, "KIRC_KAFKA_USER").is_empty() {
            let user = text("  its user:", &user, "empty: nobody logs in")?;
            set(pairs, vec![("KIRC_KAFKA_USER", user)]);
        }
    }
    if !get(pairs, "KIRC_KAFKA_USER").is_empty() && get(pairs, "KIRC_KAFKA_PASSWORD").is_empty() {
        let hint = if password.is_empty() { "" } else { " (empty: as before)" };
        let given = profile::ask_passphrase(&format!("  its password{hint}:"))?;
        let password = if given.is_empty() { password } else { given.expose().to_owned() };
        set(pairs, vec![("KIRC_KAFKA_PASSWORD", password)]);
    }
    let security = get(pairs, "KIRC_KAFKA_SECURITY");
    let tls = matches!(security, "ssl" | "sasl_ssl")
        || security.is_empty() && !get(pairs, "KIRC_KAFKA_USER").is_empty();
    if tls {
        let help = "a PEM file that the services' certificates are signed by; empty: those of the system";
        let ca = text("  CA file:", &known(config, pairs, "KIRC_CA"), help)?;
        set(pairs, vec![("KIRC_CA", whole("KIRC_CA", &ca)?)]);
    }
    let owner = kafka::owner(&config.with(pairs)?)?;
    let cluster = wizard::wait(probe::cluster(Ok(owner)))?.map_err(SetupError::Check)?;
    eprintln!("  Kafka answers: cluster {cluster}.");
    Ok(())
}

/// Asks for the user that contacts share, where somebody else made it.
pub(super) fn shared_user(config: &Config, mut pairs: Pairs) -> Result<Pairs, SetupError> {
    let mut typed = config.settings.kafka_peer_user.clone().unwrap_or_else(|| "kirc-peer".to_owned());
    loop {
        typed = text(
            "The Kafka user that contacts share:",
            &typed,
            "empty: none, nobody is let in from outside",
        )?;
        if typed.is_empty() {
            return Ok(pairs);
        }
        let password = profile::ask_passphrase("  its password:")?;
        let mut all = pairs.clone();
        set(
            &mut all,
            vec![
                ("KIRC_KAFKA_PEER_USER", typed.clone()),
                ("KIRC_KAFKA_PEER_PASSWORD", password.expose().to_owned()),
            ],
        );
        let tried = (|| {
            if let Some(peer) = kafka::peer(&config.with(&all)?)? {
                wizard::wait(probe::cluster(Ok(peer)))?.map_err(SetupError::Check)?;
            }
            Ok(())
        })();
        match tried {
            Ok(()) => {
                pairs = all;
                return Ok(pairs);
            }
            Err(error) => again(error)?,
        }
    }
}
