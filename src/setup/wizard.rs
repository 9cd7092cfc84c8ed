//! The questions of the first run. Every answer has a default; nothing is done before the last one is given.

use std::io::IsTerminal;
use std::path::PathBuf;

use kirc_core::names::Nick;

use super::Plan;
use crate::config::Config;
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
pub fn ask(config: &Config, nick: Option<Nick>, grid: Option<PathBuf>) -> Result<Plan, ProfileError> {
    let stopped = |_| ProfileError::Stopped;
    profile::check_keys_there(&config.paths)?;
    let first = !profile::exists(&config.paths);
    eprintln!("Profile \"{}\" in {}", config.paths.profile_name(), config.paths.profile().display());
    let default = nick.or_else(|| config.settings.nick.clone()).or_else(usual_nick);
    let valid = |text: &str| {
        Ok(match Nick::parse(text) {
            Ok(_) => inquire::validator::Validation::Valid,
            Err(error) => inquire::validator::Validation::Invalid(error.to_string().into()),
        })
    };
    let mut question = inquire::Text::new("Your nick:")
        .with_validator(valid)
        .with_help_message("the name that others see; it can be changed at any time");
    if let Some(default) = &default {
        question = question.with_default(default.as_str());
    }
    let nick = question.prompt().map_err(stopped)?;
    let nick = Nick::parse(&nick).map_err(|_| ProfileError::NoNick)?;

    let usual = config.grid();
    let shown = grid.as_ref().unwrap_or(&usual).display().to_string();
    eprintln!("You meet others on a grid: here a folder of this machine, with nothing to install.");
    let folder = inquire::Text::new("The grid's folder:")
        .with_default(&shown)
        .with_help_message("profiles that name the same folder meet each other; other grids come by invite")
        .prompt()
        .map_err(stopped)?;
    let folder = PathBuf::from(folder);
    let grid = (folder != usual).then_some(folder);

    let passphrase = if first && config.settings.passphrase.is_none() {
        let question = "Passphrase for your keys (empty: none):";
        profile::ask_new_passphrase(question)?
    } else {
        config.settings.passphrase.clone()
    };
    Ok(Plan { nick, grid, passphrase })
}
