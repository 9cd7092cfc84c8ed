//! The questions of the first run. Every answer has a default; nothing is done before the last
//! question is answered.

use std::io::IsTerminal;
use std::path::PathBuf;

use kirc_core::names::Nick;

use super::{Place, Plan, SetupError, cloud, env, questions};
use crate::config::{Config, Secret};
use crate::profile::{self, ProfileError};

/// Whether there is somebody to ask.
pub fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// A nick made of the user's name on this machine, if that gives one.
pub fn usual_nick() -> Option<Nick> {
    let user = std::env::var("USER").ok()?;
    let name: String = user
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_')
        .skip_while(|c| c.is_ascii_digit() || *c == '-')
        .take(20)
        .collect();
    Nick::parse(&name).ok()
}

/// Asks for everything. What is given already is offered as the default.
pub fn ask(config: &Config, nick: Option<Nick>, place: Option<Place>) -> Result<Plan, SetupError> {
    profile::check_keys_there(&config.paths)?;
    let first = !profile::exists(&config.paths);
    eprintln!("Profile \"{}\" in {}", config.paths.profile_name(), config.paths.profile().display());
    let default = nick.or_else(|| config.settings.nick.clone()).or_else(usual_nick);
    let nick = questions::nick(default.as_ref())?;
    let passphrase = if first && config.settings.passphrase.is_none() {
        let question = "Passphrase for your keys (empty: none):";
        profile::ask_new_passphrase(question)?
    } else {
        config.settings.passphrase.clone()
    };
    let grid = match place {
        Some(Place::Embedded(folder)) => embedded(config, folder)?,
        Some(place) => place,
        None => which(config, &nick, passphrase.as_ref())?,
    };
    Ok(Plan { nick, grid, passphrase })
}

fn which(config: &Config, nick: &Nick, passphrase: Option<&Secret>) -> Result<Place, SetupError> {
    eprintln!("You meet others on a grid; people on other grids come by invite.");
    let choices = [
        "this machine: a folder, nothing to install",
        "services that are there: Kafka, Valkey, PostgreSQL",
        "the cloud: the same on a free plan",
    ];
    let start = usize::from(config.settings.kafka.is_some());
    let question = inquire::Select::new("Which grid?", choices.to_vec()).with_starting_cursor(start);
    let choice = question.raw_prompt().map_err(|_| ProfileError::Stopped)?;
    match choice.index {
        0 => embedded(config, None),
        1 => Ok(Place::Services(questions::services(config, env::from_elsewhere(config)?)?)),
        _ => cloud::ask(config, nick, passphrase),
    }
}

fn embedded(config: &Config, folder: Option<PathBuf>) -> Result<Place, SetupError> {
    let usual = config.grid();
    let shown = folder.as_ref().unwrap_or(&usual).display().to_string();
    let help = "profiles that name the same folder meet each other";
    let typed = questions::text("The grid's folder:", &shown, help)?;
    let folder = if typed.is_empty() { usual.clone() } else { PathBuf::from(typed) };
    let folder =
        std::path::absolute(&folder).map_err(|e| SetupError::Check(format!("{}: {e}", folder.display())))?;
    Ok(Place::Embedded((folder != usual).then_some(folder)))
}

/// Waits for a service: questions come from where nothing runs in the background.
pub(super) fn wait<T>(future: impl Future<Output = T>) -> Result<T, SetupError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|e| SetupError::Check(format!("the runtime can't be started: {e}")))?;
    let result = runtime.block_on(future);
    runtime.shutdown_background();
    Ok(result)
}

/// Whether what is missing on the services is to be made now.
pub fn ask_infra() -> Result<bool, ProfileError> {
    questions::yes("Make what is missing on the services now (topics, rights, tables)?", true)
}
