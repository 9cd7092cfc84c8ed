//! The sources of values, and their precedence: flag, environment, `.env`, default.
//!
//! This module does not interpret values.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{EnvFile, Mistake, TABLE};

/// What the command line gave, by the name of the setting.
pub type Flags = BTreeMap<&'static str, String>;

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// The environment.
    Environment,
    /// The `.env` file.
    File,
    /// Nobody said anything.
    Default,
}

impl Origin {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Flag => "the command line",
            Self::Environment => "the environment",
            Self::File => ".env",
            Self::Default => "the default",
        }
    }
}

/// All sources but the defaults.
#[derive(Clone, Default)]
pub struct Sources {
    flags: Flags,
    environment: BTreeMap<String, String>,
    file: Option<EnvFile>,
}

impl std::fmt::Debug for Sources {
    /// Values may be secrets: only names are shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources")
            .field("flags", &self.flags.keys().collect::<Vec<_>>())
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Sources {
    /// From a command line and an environment.
    pub fn new(flags: Flags, environment: BTreeMap<String, String>) -> Self {
        Self { flags, environment, file: None }
    }

    /// Adds a `.env` file.
    pub fn set_file(&mut self, file: EnvFile) {
        self.file = Some(file);
    }

    /// The `.env` file, if one was read.
    pub fn file(&self) -> Option<&EnvFile> {
        self.file.as_ref()
    }

    /// The text of a setting and where it came from. An empty text counts as not given.
    pub fn get(&self, name: &str) -> Option<(&str, Origin)> {
        let flag = self.flags.get(name).map(|v| (v.as_str(), Origin::Flag));
        let env = self.environment.get(name).map(|v| (v.as_str(), Origin::Environment));
        let file = self.file.as_ref().and_then(|f| f.get(name)).map(|v| (v, Origin::File));
        [flag, env, file].into_iter().flatten().find(|(value, _)| !value.is_empty())
    }

    /// The same with other values, which win over all; an empty one means "not set".
    pub(super) fn with(&self, pairs: &[(&'static str, String)]) -> Self {
        let mut all = self.clone();
        for (name, value) in pairs {
            all.environment.remove(*name);
            if let Some(file) = &mut all.file
                && file.get(name).is_some()
            {
                file.set(name, "", "");
            }
            all.flags.insert(name, value.clone());
        }
        all
    }

    /// A variable that is not ours (`HOME`, `XDG_DATA_HOME`, …).
    pub fn foreign(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// The `.env` file that was named on the command line or in the environment.
    pub fn env_file_path(&self) -> Option<PathBuf> {
        self.flags
            .get("KIRC_ENV_FILE")
            .or_else(|| self.environment.get("KIRC_ENV_FILE"))
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    }

    /// A `.env` that holds a secret and that others can read.
    pub(super) fn exposed_secret(&self) -> Option<Mistake> {
        let file = self.file.as_ref()?;
        let secret = TABLE.iter().find(|s| s.secret && file.get(s.name).is_some_and(|v| !v.is_empty()))?;
        let mode = super::others_can_read(file.path()).ok()??;
        Some(Mistake {
            what: file.path().display().to_string(),
            why: format!(
                "it holds {} and others can read it (mode {mode:o}); run: chmod 600 '{}'",
                secret.name,
                file.path().display()
            ),
        })
    }
}
