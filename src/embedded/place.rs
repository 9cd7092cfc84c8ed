//! A database file in a grid's folder, shared by the processes of one machine.
//!
//! This module decides who may replace the file and when. A writer holds a shared lock on the lock
//! file during its transaction, and first checks that its open file is still the current one. A
//! process that creates the file, changes its schema or sets a damaged file aside holds the lock
//! exclusively. So no process commits to a file that the others no longer see. The operating system
//! releases the lock of a process that dies. This module never deletes a file.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::fs::{FlockOperation, flock};

use super::clock;
use super::db::{self, FileId, Schema};
use super::fault::{Fault, FileError};

/// Where a shared database is.
#[derive(Debug, Clone)]
pub struct Place {
    dir: PathBuf,
    path: PathBuf,
    lock: PathBuf,
    schema: &'static Schema,
}

/// A connection to a shared database.
#[derive(Debug)]
pub struct Open {
    /// The connection.
    pub conn: Connection,
    /// The file that it is open on.
    pub file: FileId,
    lock: File,
}

/// What happened when a database was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It was there.
    Found,
    /// It was made.
    Made,
    /// It was damaged: the sentence says so, and under which name it is kept.
    SetAside(String),
}

/// The lock, held until this is dropped.
#[derive(Debug)]
pub struct Held<'a>(&'a File);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let _ = flock(self.0, FlockOperation::Unlock);
    }
}

impl<'a> Held<'a> {
    fn take(file: &'a File, alone: bool) -> Result<Self, Fault> {
        let how = if alone {
            FlockOperation::NonBlockingLockExclusive
        } else {
            FlockOperation::NonBlockingLockShared
        };
        let since = Instant::now();
        loop {
            match flock(file, how) {
                Ok(()) => return Ok(Self(file)),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
            if since.elapsed() > db::PATIENCE {
                return Err(Fault::Busy);
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

impl Place {
    /// The place of a database in a folder.
    pub fn new(dir: &Path, schema: &'static Schema) -> Self {
        Self {
            dir: dir.to_owned(),
            path: dir.join(format!("{}.db", schema.name)),
            lock: dir.join(format!("{}.lock", schema.name)),
            schema,
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of sockets on which readers are woken.
    pub fn wake(&self) -> PathBuf {
        self.dir.join(format!("{}.wake", self.schema.name))
    }

    /// Names the file in an error.
    pub fn error(&self, fault: impl Into<Fault>) -> FileError {
        FileError::new(&self.path, fault)
    }

    /// Opens the file, makes it if there is none, and sets it aside if it is damaged.
    pub fn open(&self) -> Result<(Open, Opened), FileError> {
        db::make_folder(&self.dir)?;
        self.enter(None).map_err(|fault| self.error(fault))
    }

    /// Opens the file anew after `conn` turned out to be damaged: it is set aside, unless somebody
    /// did that already.
    pub fn reopen(&self, damaged: FileId, why: &str) -> Result<(Open, Opened), FileError> {
        db::make_folder(&self.dir)?;
        self.enter(Some((damaged, why))).map_err(|fault| self.error(fault))
    }

    /// Does something with a connection of its own while nobody can replace the file. A file that
    /// is gone or damaged is left to its readers and writers.
    pub fn with_file(&self, work: impl FnOnce(&Connection) -> Result<(), Fault>) -> Result<(), Fault> {
        let lock = self.open_lock()?;
        let _held = Held::take(&lock, false)?;
        let conn = db::connect(&self.path)?;
        let done = work(&conn);
        drop(conn);
        done
    }

    fn open_lock(&self) -> Result<File, Fault> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        Ok(options.open(&self.lock)?)
    }

    fn enter(&self, damaged: Option<(FileId, &str)>) -> Result<(Open, Opened), Fault> {
        let lock = self.open_lock()?;
        if damaged.is_none() {
            let held = Held::take(&lock, false)?;
            let ready = self.ready();
            drop(held);
            match ready {
                Ok(Some((conn, file))) => return Ok((Open { conn, file, lock }, Opened::Found)),
                Ok(None) | Err(Fault::Damaged(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        let held = Held::take(&lock, true)?;
        let mut opened = Opened::Found;
        if let Some((file, why)) = damaged
            && FileId::of(&self.path) == Some(file)
        {
            opened = Opened::SetAside(self.set_aside(why)?);
        }
        let (conn, file) = match self.ready() {
            Ok(Some(ready)) => ready,
            Ok(None) => {
                if opened == Opened::Found {
                    opened = Opened::Made;
                }
                self.make()?
            }
            Err(Fault::Damaged(why)) => {
                opened = Opened::SetAside(self.set_aside(&why)?);
                self.make()?
            }
            Err(fault) => return Err(fault),
        };
        drop(held);
        Ok((Open { conn, file, lock }, opened))
    }

    /// The file, if it is there and of the newest version.
    fn ready(&self) -> Result<Option<(Connection, FileId)>, Fault> {
        match std::fs::metadata(&self.path) {
            Ok(meta) if meta.len() > 0 => {}
            // Somebody emptied it. Others may have it open with its log and its index: a new one is
            // another file.
            Ok(_) if db::companions(&self.path).iter().any(|path| path.exists()) => {
                return Err(Fault::Damaged("it was emptied".to_owned()));
            }
            _ => return Ok(None),
        }
        let conn = db::connect(&self.path)?;
        if db::version(&conn, self.schema)? < self.schema.version() {
            return Ok(None);
        }
        db::tune(&conn)?;
        db::look_through(&conn, &self.path)?;
        let file = FileId::of(&self.path).ok_or(Fault::Gone)?;
        Ok(Some((conn, file)))
    }

    /// Makes the file, or brings it to the newest version. The lock is held alone.
    fn make(&self) -> Result<(Connection, FileId), Fault> {
        let empty = std::fs::metadata(&self.path).map_or(0, |m| m.len()) == 0;
        if empty {
            // A log without its file: it may hold what was never taken over, so it is kept, out of
            // the way.
            let end = aside_end();
            for path in db::companions(&self.path) {
                rename(&path, &end)?;
            }
        }
        db::make_file(&self.path)?;
        let mut conn = db::connect(&self.path)?;
        db::tune(&conn)?;
        db::migrate(&mut conn, self.schema)?;
        let file = FileId::of(&self.path).ok_or(Fault::Gone)?;
        Ok((conn, file))
    }

    /// Renames the damaged file and its companions. The lock is held alone.
    fn set_aside(&self, why: &str) -> Result<String, Fault> {
        let end = aside_end();
        let kept = rename(&self.path, &end)?;
        for path in db::companions(&self.path) {
            rename(&path, &end)?;
        }
        let (path, kept) = (self.path.display(), kept.unwrap_or_default());
        Ok(format!("{path} was damaged ({why}); it is kept as {}, and a new one was begun", kept.display()))
    }
}

/// The end of the names of what is set aside now.
fn aside_end() -> String {
    format!(".damaged-{}", clock::wall())
}

/// Puts an end to a file's name; the new name, if there was such a file.
fn rename(path: &Path, end: &str) -> Result<Option<PathBuf>, Fault> {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    let name = PathBuf::from(name);
    match std::fs::rename(path, &name) {
        Ok(()) => Ok(Some(name)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e.into()),
    }
}

impl Open {
    /// Holds off whoever wants to replace the file; `None` if it was replaced already.
    pub fn hold(&self, place: &Place) -> Result<Option<Held<'_>>, Fault> {
        let held = Held::take(&self.lock, false)?;
        Ok((FileId::of(&place.path) == Some(self.file)).then_some(held))
    }

    /// Whether another file (or none) stands in the place of this one.
    pub fn replaced(&self, place: &Place) -> bool {
        FileId::of(&place.path) != Some(self.file)
    }
}
