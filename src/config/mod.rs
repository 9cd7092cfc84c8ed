//! Settings: the source, the type and the errors of each.
//!
//! This module owns the table of settings, the `.env` file and the locations of files. It does not
//! access a terminal, a service or the node.

mod env_file;
mod files;
mod kafka;
mod parse;
mod paths;
mod secret;
mod settings;
mod sources;

pub use env_file::{EnvFile, EnvFileError};
pub use files::{FileError, check_private, make_private_dir, others_can_read, write_private};
pub use kafka::{Mechanism, Security};
pub use parse::{duration_text, parse_duration};
pub use paths::{Paths, ProfileName};
pub use secret::Secret;
pub use settings::{LogFormat, Setting, Settings, TABLE, example};
pub use sources::{Flags, Origin, Sources};

/// One thing that is wrong with the settings: where it stands and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The setting, or the file.
    pub what: String,
    /// A sentence.
    pub why: String,
}

/// Everything that is wrong with the settings, at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct ConfigError {
    /// The mistakes.
    pub mistakes: Vec<Mistake>,
}

impl ConfigError {
    /// An error of one mistake.
    pub fn one(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { mistakes: vec![Mistake { what: what.into(), why: why.into() }] }
    }

    fn text(&self) -> String {
        let lines: Vec<String> = self.mistakes.iter().map(|m| format!("{}: {}", m.what, m.why)).collect();
        match lines.as_slice() {
            [line] => line.clone(),
            _ => format!("{} settings are wrong:\n  {}", lines.len(), lines.join("\n  ")),
        }
    }
}

/// What a command works with: resolved settings and places.
#[derive(Debug, Clone)]
pub struct Config {
    /// The settings.
    pub settings: Settings,
    /// The places of files.
    pub paths: Paths,
    /// Where each value came from.
    pub sources: Sources,
}

impl Config {
    /// Resolves flags, environment, `.env` and defaults, in this order, and reports all mistakes at
    /// once.
    pub fn load(flags: Flags) -> Result<Self, ConfigError> {
        Self::resolve(Sources::new(
            flags,
            std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .collect(),
        ))
    }

    /// The same, from given sources; the `.env` file is read here because its place depends on the
    /// others.
    pub fn resolve(mut sources: Sources) -> Result<Self, ConfigError> {
        let mut mistakes = Vec::new();
        let explicit = sources.env_file_path();
        if let Some(path) = &explicit {
            match EnvFile::read(path) {
                Ok(Some(file)) => sources.set_file(file),
                Ok(None) => mistakes.push(Mistake {
                    what: "--env-file".into(),
                    why: format!("there is no file {}", path.display()),
                }),
                Err(error) => mistakes.push(error.into()),
            }
        }
        let paths = Paths::resolve(&sources, explicit, &mut mistakes);
        if sources.env_file_path().is_none() && mistakes.is_empty() {
            match EnvFile::read(&paths.env_file()) {
                Ok(Some(file)) => {
                    for name in ["KIRC_PROFILE", "KIRC_DATA_DIR"] {
                        if file.get(name).is_some() {
                            mistakes.push(Mistake {
                                what: name.into(),
                                why: format!(
                                    "it says where {} is, so it can't stand in that file; give it as a flag or in the environment",
                                    paths.env_file().display()
                                ),
                            });
                        }
                    }
                    sources.set_file(file);
                }
                Ok(None) => {}
                Err(error) => mistakes.push(error.into()),
            }
        }
        if let Some(mistake) = sources.exposed_secret() {
            mistakes.push(mistake);
        }
        let settings = Settings::resolve(&sources, &mut mistakes);
        match settings {
            Some(settings) if mistakes.is_empty() => Ok(Self { settings, paths, sources }),
            _ => Err(ConfigError { mistakes }),
        }
    }

    /// The same with other values, which win over all; an empty one means "not set".
    pub fn with(&self, pairs: &[(&'static str, String)]) -> Result<Self, ConfigError> {
        let sources = self.sources.with(pairs);
        let mut mistakes = Vec::new();
        match Settings::resolve(&sources, &mut mistakes) {
            Some(settings) if mistakes.is_empty() => {
                Ok(Self { settings, paths: self.paths.clone(), sources })
            }
            _ => Err(ConfigError { mistakes }),
        }
    }

    /// The folder of the embedded grid.
    pub fn grid(&self) -> std::path::PathBuf {
        self.settings.grid.clone().unwrap_or_else(|| self.paths.data_dir().join("grid"))
    }
}

#[cfg(test)]
mod tests;
