//! One SQLite file: creates and opens it, checks its schema version, and detects whether it was
//! replaced.
//!
//! This module owns what mailbox, signals and store have in common. It knows none of their tables
//! and shares nothing between processes; `place` does that.
//!
//! All files use WAL mode with `synchronous=NORMAL`: a commit has reached the operating system when
//! it is acknowledged. It therefore survives a killed process, but not a power failure within the
//! next moments (the file stays consistent either way). A Kafka broker does the same: it
//! acknowledges from its page cache.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::fault::{Fault, FileError};

/// How long a locked file is waited for.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Files up to this size are looked through when they are opened; larger ones when they are read.
const LOOK_THROUGH: u64 = 32 << 20;

/// The layout of a database file.
#[derive(Debug)]
pub struct Schema {
    /// The file's name without its ending.
    pub name: &'static str,
    /// SQLite's `application_id`: tells our files from those of other programs.
    pub application: i32,
    /// How a file of version n becomes one of version n + 1. Only ever appended to.
    pub migrations: &'static [&'static str],
}

impl Schema {
    /// The newest version.
    pub fn version(&self) -> i64 {
        i64::try_from(self.migrations.len()).unwrap_or(i64::MAX)
    }
}

/// Tells a file from another one that stands under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId(u64, u64);

impl FileId {
    /// What stands under this name now, if anything does.
    pub fn of(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok()?;
        Some(Self(meta.dev(), meta.ino()))
    }
}

/// Makes a folder that only its owner may enter. One that is there stays as it is.
pub fn make_folder(dir: &Path) -> Result<(), FileError> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(dir).map_err(|e| FileError::new(dir, e))
}

/// Makes an empty file for its owner alone, if there is none. SQLite gives its other files the same
/// mode.
pub fn make_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            std::fs::set_permissions(path, Permissions::from_mode(0o600))
        }
        result => result.map(|_| ()),
    }
}

/// The file's companions: the write-ahead log and its index.
pub fn companions(path: &Path) -> [PathBuf; 2] {
    ["-wal", "-shm"].map(|end| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    })
}

/// Opens a file that exists. Nothing is read from it yet.
pub fn connect(path: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags)?;
    conn.set_prepared_statement_cache_capacity(64);
    // SQLite's own waits start at 1 ms; a commit takes a tenth of that.
    let mut waited = Duration::ZERO;
    conn.busy_handler(Some(move |tries: i32| {
        if tries == 0 {
            waited = Duration::ZERO;
        }
        let nap = Duration::from_micros(if tries < 100 { 50 } else { 1_000 });
        std::thread::sleep(nap);
        waited += nap;
        waited < PATIENCE
    }))?;
    // Whoever closes last would delete the log by its name, which may belong to a new file by then.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(conn)
}

/// Settings of a connection that need to look into the file.
pub fn tune(conn: &Connection) -> Result<(), Fault> {
    let mode: String = conn.query_row("PRAGMA journal_mode=WAL", [], |r| r.get(0))?;
    if mode != "wal" {
        return Err(Fault::Other(format!(
            "its file system does not support SQLite's write-ahead log (mode {mode})"
        )));
    }
    conn.execute_batch(
        "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0; PRAGMA temp_store=MEMORY; \
         PRAGMA cache_size=-8000; PRAGMA journal_size_limit=67108864;",
    )?;
    Ok(())
}

/// The version of the layout; 0 for an empty file.
pub fn version(conn: &Connection, schema: &Schema) -> Result<i64, Fault> {
    let application: i32 = conn.query_row("PRAGMA application_id", [], |r| r.get(0))?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_master", [], |r| r.get(0))?;
    if tables == 0 {
        return Ok(0);
    }
    if application != schema.application {
        return Err(Fault::Damaged("it is a database of another program".to_owned()));
    }
    let version = conn.query_row("SELECT version FROM schema_version", [], |r| r.get(0))?;
    if version > schema.version() {
        return Err(Fault::Newer(version, schema.version()));
    }
    if version < 1 {
        return Err(Fault::Damaged(format!("it says that its layout has version {version}")));
    }
    Ok(version)
}

/// Brings a file to the newest version, in one transaction.
pub fn migrate(conn: &mut Connection, schema: &Schema) -> Result<(), Fault> {
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let from = version(&tx, schema)?;
    if from < schema.version() {
        if from == 0 {
            tx.execute_batch("CREATE TABLE schema_version (version INTEGER NOT NULL); INSERT INTO schema_version VALUES (0);")?;
            tx.pragma_update(None, "application_id", schema.application)?;
        }
        for step in schema.migrations.iter().skip(usize::try_from(from).unwrap_or(0)) {
            tx.execute_batch(step)?;
        }
        tx.execute("UPDATE schema_version SET version = ?", [schema.version()])?;
    }
    tx.commit()?;
    Ok(())
}

/// Looks for damage: whether the file was cut short and, if it is not large, whether its pages hang
/// together.
pub fn look_through(conn: &Connection, path: &Path) -> Result<(), Fault> {
    let pages: u64 = number(conn.query_row("PRAGMA page_count", [], |r| r.get(0))?);
    let size: u64 = number(conn.query_row("PRAGMA page_size", [], |r| r.get(0))?);
    let len = |p: &Path| std::fs::metadata(p).map_or(0, |m| m.len());
    let [wal, _] = companions(path);
    let there = len(path) + len(&wal);
    if there < pages * size {
        return Err(Fault::Damaged(format!("it was cut short: {there} bytes instead of {}", pages * size)));
    }
    if pages * size <= LOOK_THROUGH {
        let found: String = conn.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
        if found != "ok" {
            return Err(Fault::Damaged(found.replace('\n', " ")));
        }
    }
    Ok(())
}

/// A number as SQLite keeps it. Offsets, sequences and times stay far below the limit; what is
/// above it is a bound in a question and means "no bound".
pub fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A number that SQLite kept.
pub fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
