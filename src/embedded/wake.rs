//! Waking the readers of other processes: a file is written to, and the system tells whoever watches it.
//!
//! It owns that file. It carries no data and promises nothing: who is woken looks for itself, and who was not looks
//! every few seconds.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::db::FileId;

/// How often a reader looks that is watched over.
const SLOW: Duration = Duration::from_secs(5);
/// How often a reader looks if the system has no watch to give.
const QUICK: Duration = Duration::from_millis(25);

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path)
}

/// Wakes others.
#[derive(Debug)]
pub struct Touch {
    path: PathBuf,
    file: Option<File>,
}

impl Touch {
    /// Will write to this file.
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// Wakes whoever watches the file. A failure costs them speed only.
    pub fn touch(&mut self) {
        if self.file.is_none() {
            self.file = open(&self.path).ok();
        }
        if let Some(file) = &self.file
            && file.write_at(b"\n", 0).is_err()
        {
            self.file = None;
        }
    }

    /// Opens the file anew before the next touch.
    pub fn forget(&mut self) {
        self.file = None;
    }
}

/// Is woken by others.
#[derive(Debug)]
pub struct Watch {
    watcher: Option<(RecommendedWatcher, FileId)>,
    path: PathBuf,
}

impl Watch {
    /// Calls `woken` whenever the file is written to.
    pub fn new(path: PathBuf, woken: impl Fn() + Send + 'static) -> Self {
        let begin = || -> Option<(RecommendedWatcher, FileId)> {
            drop(open(&path).ok()?);
            let mut watcher =
                notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                    let change = |event: &notify::Event| {
                        matches!(
                            event.kind,
                            EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any)
                                | EventKind::Remove(_)
                        )
                    };
                    if event.as_ref().map_or(true, change) {
                        woken();
                    }
                })
                .ok()?;
            watcher.watch(&path, RecursiveMode::NonRecursive).ok()?;
            Some((watcher, FileId::of(&path)?))
        };
        let watcher = begin();
        Self { watcher, path }
    }

    /// Whether the watch is on a file that is no longer there.
    pub fn is_stale(&self) -> bool {
        self.watcher
            .as_ref()
            .is_some_and(|(_, file)| FileId::of(&self.path) != Some(*file))
    }

    /// How long a reader may sleep.
    pub fn patience(&self) -> Duration {
        if self.watcher.is_some() { SLOW } else { QUICK }
    }
}
