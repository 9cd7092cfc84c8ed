//! The embedded store: `store.db` in the profile's folder, for one process at a time.
//!
//! This module owns the handle that callers hold, the lock on the profile, and opening; `worker`
//! does the work.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use kirc_core::port::{Answer, Query, Snapshot, StoreOp};
use rusqlite::Connection;
use rustix::fs::{FlockOperation, flock};
use tokio::sync::watch;

use super::sql::SCHEMA;
use super::worker::{Ask, Worker};
use super::{Size, Store};
use crate::embedded::db::{self, FileId};
use crate::embedded::{Fault, FileError};
use crate::ports::{Health, Pending, Reply, pending};

/// The store of a profile.
#[derive(Debug)]
pub struct EmbeddedStore {
    asks: Sender<Ask>,
    health: watch::Sender<Health>,
}

/// The store's file and the lock on it, which the system frees when the process ends, however it
/// ends.
#[derive(Debug)]
pub struct Files {
    path: PathBuf,
    file: FileId,
    _lock: File,
}

impl Files {
    /// Whether another file (or none) stands in the place of the one that is open.
    pub fn moved(&self) -> bool {
        FileId::of(&self.path) != Some(self.file)
    }

    /// Names the file in an error.
    pub fn error(&self, fault: Fault) -> FileError {
        FileError::new(&self.path, fault)
    }
}

impl EmbeddedStore {
    /// Opens the store in a profile's folder, or makes it. A damaged one is left as it is, and the
    /// error says what to do; one that another process uses is refused.
    pub fn open(dir: &Path) -> Result<Self, FileError> {
        db::make_folder(dir)?;
        let path = dir.join("store.db");
        let (conn, files) = open(dir, &path).map_err(|fault| FileError::new(&path, fault))?;
        let (asks, to_do) = channel();
        let (health, _) = watch::channel(Health::well());
        let worker = Worker::new(files, conn, health.clone());
        std::thread::Builder::new()
            .name("kirc-store".to_owned())
            .spawn(move || worker.run(&to_do))
            .map_err(|e| FileError::new(&path, e))?;
        Ok(Self { asks, health })
    }

    fn ask<T: Send + 'static>(&self, ask: impl FnOnce(Reply<T>) -> Ask) -> Pending<T> {
        let (reply, answer) = pending("the store was closed");
        let _ = self.asks.send(ask(reply));
        answer
    }

    /// Lets the file grow to so many pages.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: u32) {
        let _ = self.asks.send(Ask::Limit(pages));
    }
}

fn open(dir: &Path, path: &Path) -> Result<(Connection, Files), Fault> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let lock = options.open(dir.join("store.lock"))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(Fault::InUse),
        result => result?,
    }
    let there = std::fs::metadata(path).map(|meta| meta.len()).ok();
    let [wal, _] = db::companions(path);
    if there.unwrap_or(0) == 0 && std::fs::metadata(&wal).is_ok_and(|m| m.len() > 0) {
        // SQLite would begin anew and delete the log, with all that was not taken over yet.
        return Err(Fault::Damaged("it is empty or missing, but its write-ahead log is there".to_owned()));
    }
    match there {
        // What is made here is never empty: what stood in it is gone, and a new one would hide
        // that.
        Some(0) => return Err(Fault::Damaged("it is empty".to_owned())),
        Some(_) => db::make_file(path)?,
        None => make(dir, path)?,
    }
    let mut conn = db::connect(path)?;
    // One process, one connection: the log's index can be in memory, and no other program writes
    // behind our back.
    conn.execute_batch("PRAGMA locking_mode=EXCLUSIVE")?;
    let known = db::version(&conn, &SCHEMA)?;
    db::tune(&conn)?;
    conn.execute_batch("PRAGMA wal_autocheckpoint=8000")?;
    if known > 0 {
        db::look_through(&conn, path)?;
    }
    db::migrate(&mut conn, &SCHEMA)?;
    let file = FileId::of(path).ok_or(Fault::Gone)?;
    let path = path.to_owned();
    Ok((conn, Files { path, file, _lock: lock }))
}

/// Makes the file under another name: under its own it is whole or not there.
fn make(dir: &Path, path: &Path) -> Result<(), Fault> {
    let new = path.with_extension("db.new");
    let mut journal = new.as_os_str().to_owned();
    journal.push("-journal");
    for old in [new.clone(), PathBuf::from(journal)] {
        match std::fs::remove_file(old) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
    }
    db::make_file(&new)?;
    let mut conn = db::connect(&new)?;
    db::migrate(&mut conn, &SCHEMA)?;
    conn.close().map_err(|(_, e)| e)?;
    std::fs::rename(&new, path)?;
    Ok(File::open(dir)?.sync_all()?)
}

impl Store for EmbeddedStore {
    fn load(&self) -> Pending<Snapshot> {
        self.ask(Ask::Load)
    }

    fn commit(&self, ops: Arc<Vec<StoreOp>>) -> Pending<()> {
        self.ask(|reply| Ask::Commit(ops, reply))
    }

    fn query(&self, query: Query) -> Pending<Answer> {
        self.ask(|reply| Ask::Query(query, reply))
    }

    fn size(&self) -> Pending<Size> {
        self.ask(Ask::Size)
    }

    fn trim(&self, bytes: u64) -> Pending<u64> {
        self.ask(|reply| Ask::Trim(bytes, reply))
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    fn close(&self) -> Pending<()> {
        self.ask(Ask::Close)
    }
}

impl Drop for EmbeddedStore {
    /// What was asked for is still done; then the thread ends.
    fn drop(&mut self) {
        drop(self.close());
    }
}
