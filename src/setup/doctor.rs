//! The doctor: runs one check after the other, and reports for each what it found and what to do.
//!
//! The doctor changes nothing, except that it opens a grid's or a store's folder as a node would.

use serde::Serialize;

use super::{checks, grid_checks};
use crate::config::{Config, ConfigError};

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// It works, but somebody should know.
    Warning,
    /// It does not work.
    Wrong,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// What was found: a sentence.
    pub found: String,
    /// What to do; nothing if it is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub todo: Option<String>,
}

impl Check {
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Ok, found: found.into(), todo: None }
    }

    pub(super) fn warning(name: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { name, state: State::Warning, found: found.into(), todo: Some(todo.into()) }
    }

    pub(super) fn wrong(name: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { name, state: State::Wrong, found: found.into(), todo: Some(todo.into()) }
    }
}

/// All checks. Settings that can't be read are a finding, and then the only ones.
pub async fn examine(config: Result<Config, ConfigError>) -> Vec<Check> {
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            let mut found: Vec<Check> = error
                .mistakes
                .into_iter()
                .map(|m| {
                    let todo =
                        "correct it where it is set: on the command line, in the environment or in .env";
                    Check::wrong("settings", format!("{}: {}", m.what, m.why), todo)
                })
                .collect();
            found.push(checks::terminal());
            return found;
        }
    };
    let mut found = vec![checks::settings(&config)];
    found.extend(checks::rights(&config));
    found.push(checks::keys(&config));
    let (node, running) = checks::node(&config).await;
    found.push(node);
    if running {
        found.extend(checks::told(&config).await);
    }
    let (store, home) = checks::store(&config, running).await;
    found.extend(store);
    if config.settings.kafka.is_some() {
        found.extend(grid_checks::all(&config).await);
    } else {
        found.push(checks::grid(&config, home).await);
    }
    found.push(checks::clock(&config));
    found.push(checks::terminal());
    found
}
