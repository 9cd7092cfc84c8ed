//! Setting a profile up, and looking for what is wrong with one.
//!
//! It owns the order: folder, keys, `.env`, check. It asks nothing (the wizard does) and prints nothing.

pub mod doctor;
pub mod rights;
pub mod wizard;

mod checks;

use std::path::{Path, PathBuf};

use kirc_core::names::Nick;

use crate::config::{Config, EnvFile, EnvFileError, FileError, Secret, Setting, TABLE};
use crate::embedded::{self, Grid};
use crate::mailbox::Mailbox;
use crate::profile::{self, ProfileError};

/// What is to be set up.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The nick.
    pub nick: Nick,
    /// The folder of the embedded grid, if it is not the usual one.
    pub grid: Option<PathBuf>,
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
    /// The grid's folder.
    pub grid: PathBuf,
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
    /// What was written is not what is read.
    #[error("{0}")]
    Check(String),
}

/// Sets a profile up. Run again, it keeps the keys and every line of `.env` that it does not have to change.
pub async fn apply(config: &Config, plan: &Plan) -> Result<Report, SetupError> {
    let paths = &config.paths;
    profile::check_keys_there(paths)?;
    profile::prepare_folder(paths)?;
    let new_keys = !profile::exists(paths);
    let made = if new_keys {
        Some(profile::create_identity(paths, config.settings.rsa_bits, plan.passphrase.as_ref())?)
    } else {
        profile::check(paths)?;
        None
    };
    write_env(&paths.env_file(), plan)?;

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
    let grid = plan.grid.clone().unwrap_or_else(|| config.grid());
    check_env(&paths.env_file(), plan)?;
    check_grid(&grid).await?;
    let keys = read.as_ref().map(|r| r.public());
    Ok(Report {
        profile: paths.profile_name().to_owned(),
        nick: plan.nick.to_string(),
        actor: keys.map(|k| k.actor().to_string()),
        fingerprint: keys.map(|k| k.fingerprint()),
        new_keys,
        env_file: paths.env_file(),
        key_file: paths.identity(),
        grid,
    })
}

fn setting(name: &str) -> Option<&'static Setting> {
    TABLE.iter().find(|s| s.name == name)
}

fn write_env(path: &Path, plan: &Plan) -> Result<(), SetupError> {
    let mut file = EnvFile::read(path)?.unwrap_or_else(|| EnvFile::new(path));
    let mut set = |name: &str, value: &str| {
        let comment = setting(name).map(Setting::comment).unwrap_or_default();
        file.set(name, value, &comment);
    };
    set("KIRC_NICK", plan.nick.as_str());
    if let Some(grid) = &plan.grid {
        set("KIRC_GRID", &grid.to_string_lossy());
    }
    Ok(file.write()?)
}

fn check_env(path: &Path, plan: &Plan) -> Result<(), SetupError> {
    let file = EnvFile::read(path)?
        .ok_or_else(|| SetupError::Check(format!("{} was not written", path.display())))?;
    let nick = file.get("KIRC_NICK").unwrap_or("");
    let grid = file.get("KIRC_GRID").map(PathBuf::from);
    if nick != plan.nick.as_str() || (plan.grid.is_some() && plan.grid != grid) {
        return Err(SetupError::Check(format!("{} does not say what was written to it", path.display())));
    }
    crate::config::check_private(path)?;
    Ok(())
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
