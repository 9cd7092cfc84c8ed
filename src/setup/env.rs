//! The lines that setup writes to `.env`.
//!
//! This module determines which settings belong to a grid. It asks nothing and opens no connection.

use std::path::Path;

use super::SetupError;
use crate::config::{Config, EnvFile, Origin, Setting, TABLE};
use crate::services::address::Pairs;

/// Settings that are files: in `.env` they stand with their whole path, since a start may come from
/// any folder.
const FILES: [&str; 3] = ["KIRC_CA", "KIRC_KAFKA_CERT", "KIRC_KAFKA_KEY"];

/// Whether a setting says which services there are and how they are reached.
pub(super) fn is_of_services(name: &str) -> bool {
    name == "KIRC_KAFKA"
        || name == "KIRC_VALKEY"
        || name == "KIRC_POSTGRES"
        || name == "KIRC_CA"
        || name == "KIRC_BUDGET"
        || ["KIRC_KAFKA_", "KIRC_VALKEY_", "KIRC_POSTGRES_"].iter().any(|p| name.starts_with(p))
}

/// The services' settings that came from elsewhere than `.env`, so that the next start works
/// without them there.
pub fn from_elsewhere(config: &Config) -> Result<Pairs, SetupError> {
    let mut pairs = Pairs::new();
    for setting in TABLE.iter().filter(|s| is_of_services(s.name)) {
        if let Some((value, Origin::Flag | Origin::Environment)) = config.sources.get(setting.name) {
            pairs.push((setting.name, whole(setting.name, value)?));
        }
    }
    Ok(pairs)
}

/// The value of a setting as it stands in `.env`.
pub fn whole(name: &str, value: &str) -> Result<String, SetupError> {
    if !FILES.contains(&name) || value.is_empty() || value.starts_with("~/") {
        return Ok(value.to_owned());
    }
    let path = std::path::absolute(value).map_err(|e| SetupError::Check(format!("{name}: {e}")))?;
    Ok(path.to_string_lossy().into_owned())
}

/// Writes settings into a `.env` and reads them back. An empty value takes one away that is there,
/// and adds nothing.
pub fn write<'p>(
    path: &Path,
    pairs: impl Iterator<Item = (&'p str, &'p str)> + Clone,
) -> Result<(), SetupError> {
    let mut file = EnvFile::read(path)?.unwrap_or_else(|| EnvFile::new(path));
    for (name, value) in pairs.clone() {
        if value.is_empty() && file.get(name).unwrap_or_default().is_empty() {
            continue;
        }
        let comment = TABLE.iter().find(|s| s.name == name).map(Setting::comment).unwrap_or_default();
        file.set(name, value, &comment);
    }
    file.write()?;
    let read = EnvFile::read(path)?
        .ok_or_else(|| SetupError::Check(format!("{} was not written", path.display())))?;
    for (name, value) in pairs {
        if read.get(name).unwrap_or_default() != value {
            let text = format!("{} does not say for {name} what was written to it", path.display());
            return Err(SetupError::Check(text));
        }
    }
    Ok(crate::config::check_private(path)?)
}
