//! A grid's folder and its name.
//!
//! This module owns `grid.id`. It creates the adapters and is independent of their tables.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use kirc_core::port::PortError;
use tokio::sync::mpsc;

use super::clock;
use super::fault::{Fault, FileError};
use crate::mailbox::EmbeddedMailbox;
use crate::signals::{EmbeddedSignals, Published};

/// What can be set for a grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of records that a partition keeps at the least; older ones may go.
    pub retain: u64,
    /// Stands before every key and channel of the signal service.
    pub prefix: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { retain: 512 << 20, prefix: "kirc:".to_owned() }
    }
}

/// A grid in a folder.
#[derive(Debug, Clone)]
pub struct Grid {
    dir: PathBuf,
    id: String,
    settings: Settings,
}

impl Grid {
    /// Opens the grid in a folder, or begins one.
    pub fn open(dir: &Path, settings: Settings) -> Result<Self, FileError> {
        super::db::make_folder(dir)?;
        let path = dir.join("grid.id");
        let id = match read_id(&path)? {
            Some(id) => id,
            None => {
                // The mailbox knows the name too: a lost or overwritten file does not make it
                // another grid.
                let known = EmbeddedMailbox::known_grid(dir)?;
                let random = || clock::random_name().map_err(|e| FileError::new(&path, e));
                let id = known.map_or_else(random, Ok)?;
                write_id(&path, &id).map_err(|fault| FileError::new(&path, fault))?
            }
        };
        Ok(Self { dir: dir.to_owned(), id, settings })
    }

    /// The grid's name: the `cluster` of its topics.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its mailbox service.
    pub fn mailbox(&self) -> Result<EmbeddedMailbox, PortError> {
        EmbeddedMailbox::open(&self.dir, &self.id, self.settings.retain)
    }

    /// Its signal service, and what is published on it.
    pub fn signals(&self) -> Result<(EmbeddedSignals, mpsc::Receiver<Published>), PortError> {
        EmbeddedSignals::open(&self.dir, &self.settings.prefix)
    }
}

fn read_id(path: &Path) -> Result<Option<String>, FileError> {
    let text = match std::fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(FileError::new(path, e)),
    };
    let id = text.trim();
    let good = id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit());
    Ok(good.then(|| id.to_owned()))
}

/// Writes the name whole or not at all. If another process was first, its name counts.
fn write_id(path: &Path, id: &str) -> Result<String, Fault> {
    let whole = path.with_extension(format!("id.{}", clock::random_name()?));
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&whole)?;
    let written = file.write_all(format!("{id}\n").as_bytes()).and_then(|()| file.sync_all());
    let placed = written.and_then(|()| match read_id(path) {
        // Something else stands there that is no name: it was overwritten.
        Ok(None) if path.exists() => std::fs::rename(&whole, path),
        _ => std::fs::hard_link(&whole, path),
    });
    let _ = std::fs::remove_file(&whole);
    match placed {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => return Err(e.into()),
        _ => {}
    }
    read_id(path)
        .map_err(|e| e.fault)?
        .ok_or_else(|| Fault::Other("it does not keep what is written to it".to_owned()))
}
