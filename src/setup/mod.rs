//! Sets up a profile, and finds problems in one.
//!
//! This module owns the order: folder, keys, `.env`, check. It asks nothing (the wizard does) and
//! prints nothing.

pub mod doctor;
pub mod env;
pub mod infra;
pub mod rights;
pub mod wizard;

mod checks;
mod cloud;
mod grid_checks;
mod in_use;
mod peer;
mod questions;

use std::path::{Path, PathBuf};

use kirc_core::names::Nick;

use crate::config::{Config, ConfigError, EnvFileError, FileError, Secret};
use crate::embedded::{self, Grid};
use crate::mailbox::Mailbox;
use crate::profile::{self, ProfileError};
use crate::services::address::Pairs;
use crate::services::probe;

/// The grid of a profile.
#[derive(Debug, Clone)]
pub enum Place {
    /// This machine: a folder, if it is not the usual one.
    Embedded(Option<PathBuf>),
    /// Real services: those of the settings, with these values, which `.env` is to hold.
    Services(Pairs),
}

/// What is to be set up.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The nick.
    pub nick: Nick,
    /// Where others are met.
    pub grid: Place,
    /// Seals the key file, if it is made now.
    pub passphrase: Option<Secret>,
}

/// What was set up.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Report {
    /// The profile.
    pub profile: String,
    /// Its nick.
    pub nick: String,
    /// Who it is; nothing if the key file is sealed and the passphrase was not given.
    pub actor: Option<String>,
    /// The fingerprint.
    pub fingerprint: Option<String>,
    /// Whether keys were made (they are never made twice).
    pub new_keys: bool,
    /// The settings.
    pub env_file: PathBuf,
    /// The key file.
    pub key_file: PathBuf,
    /// The grid: a folder, or its services.
    pub grid: String,
}

/// Why a profile could not be set up. The text is a sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The profile's folder or key file.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The `.env`.
    #[error(transparent)]
    EnvFile(#[from] EnvFileError),
    /// The grid.
    #[error(transparent)]
    Grid(#[from] embedded::FileError),
    /// A service of the grid.
    #[error(transparent)]
    Port(#[from] kirc_core::port::PortError),
    /// The settings that were given.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Services that can't be used.
    #[error("{} Nothing was written.", sentences(.0))]
    Services(Vec<String>),
    /// What was written is not what is read.
    #[error("{0}")]
    Check(String),
}

/// Sets a profile up. Run again, it keeps the keys and every line of `.env` that it does not have
/// to change.
pub async fn apply(config: &Config, plan: &Plan) -> Result<Report, SetupError> {
    let paths = &config.paths;
    profile::check_keys_there(paths)?;
    let mut pairs = vec![("KIRC_NICK", plan.nick.to_string())];
    let told = match &plan.grid {
        Place::Embedded(folder) => {
            pairs.extend(folder.as_ref().map(|f| ("KIRC_GRID", f.to_string_lossy().into_owned())));
            pairs.push(("KIRC_KAFKA", String::new()));
            folder.clone().unwrap_or_else(|| config.grid()).display().to_string()
        }
        Place::Services(given) => {
            pairs.extend(given.iter().cloned());
            // What can't be reached is not written down.
            try_services(&config.with(given)?).await?
        }
    };
    profile::prepare_folder(paths)?;
    // Keys are made once, by whoever comes first; the others wait and find them.
    let _alone = alone(&paths.profile())?;
    let new_keys = !profile::exists(paths);
    let made = if new_keys {
        Some(profile::create_identity(paths, config.settings.rsa_bits, plan.passphrase.as_ref())?)
    } else {
        profile::check(paths)?;
        None
    };
    env::write(&paths.env_file(), pairs.iter().map(|(name, value)| (*name, value.as_str())))?;

    // From here on nothing is believed that was not read back.
    let read = match profile::read_identity(&paths.identity(), plan.passphrase.as_ref()) {
        Ok(identity) => Some(identity),
        Err(ProfileError::PassphraseNeeded) if !new_keys => None,
        Err(error) => return Err(error.into()),
    };
    if let (Some(made), Some(read)) = (&made, &read)
        && made.actor() != read.actor()
    {
        return Err(SetupError::Check(format!(
            "{} does not hold the keys that were written to it",
            paths.identity().display()
        )));
    }
    if let Place::Embedded(folder) = &plan.grid {
        check_grid(&folder.clone().unwrap_or_else(|| config.grid())).await?;
    }
    let keys = read.as_ref().map(|r| r.public());
    Ok(Report {
        profile: paths.profile_name().to_owned(),
        nick: plan.nick.to_string(),
        actor: keys.map(|k| k.actor().to_string()),
        fingerprint: keys.map(|k| k.fingerprint()),
        new_keys,
        env_file: paths.env_file(),
        key_file: paths.identity(),
        grid: told,
    })
}

/// Holds a profile's folder for as long as it is kept: one setup at a time writes there.
fn alone(folder: &Path) -> Result<std::fs::File, FileError> {
    let open = std::fs::File::open(folder).map_err(FileError::io(folder, "opened"))?;
    let locked = rustix::fs::flock(&open, rustix::fs::FlockOperation::LockExclusive);
    locked.map_err(|e| FileError::io(folder, "locked")(e.into()))?;
    Ok(open)
}

fn sentences(wrong: &[String]) -> String {
    wrong.iter().map(|text| format!("{text}.")).collect::<Vec<_>>().join(" ")
}

/// Visits all services; says in words which they are.
async fn try_services(config: &Config) -> Result<String, SetupError> {
    let probe = probe::all(config).await;
    let wrong = probe.wrong();
    if !wrong.is_empty() {
        return Err(SetupError::Services(wrong));
    }
    let mut words = vec![format!("Kafka at {}", config.settings.kafka.as_deref().unwrap_or_default())];
    words.extend(probe.valkey.iter().map(|v| format!("Valkey at {}:{}", v.host, v.port)));
    words.extend(probe.postgres.iter().flatten().map(|p| {
        format!("PostgreSQL at {}:{} (database {}, schema {})", p.host, p.port, p.database, p.schema)
    }));
    Ok(words.join(", "))
}

/// Opens the grid's services and lets go of them again.
async fn check_grid(dir: &Path) -> Result<(), SetupError> {
    let grid = Grid::open(dir, embedded::Settings::default())?;
    let mailbox = grid.mailbox()?;
    let names = [crate::services::LOG_TOPIC.to_owned()];
    let made = mailbox.create_topics(&names, crate::services::PARTITIONS).await;
    let (signals, _published) = grid.signals()?;
    crate::signals::Signals::close(&signals).await?;
    mailbox.close().await?;
    Ok(made?)
}
