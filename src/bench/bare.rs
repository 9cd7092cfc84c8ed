//! Plain SQLite with the grid's settings: the baseline for all other measurements.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use rusqlite::Connection;

/// How long a hop may take.
const PATIENCE: Duration = Duration::from_secs(10);

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open(path)?;
    conn.busy_timeout(PATIENCE)?;
    conn.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0; \
         PRAGMA temp_store=MEMORY; PRAGMA cache_size=-8000; \
         CREATE TABLE IF NOT EXISTS first (id INTEGER PRIMARY KEY, value BLOB); \
         CREATE TABLE IF NOT EXISTS second (id INTEGER PRIMARY KEY, value BLOB)",
    )?;
    Ok(conn)
}

fn insert(conn: &Connection, table: &str, value: &[u8]) -> rusqlite::Result<()> {
    conn.prepare_cached(&format!("INSERT INTO {table} (value) VALUES (?)"))?.execute([value])?;
    Ok(())
}

/// Hands on what is new in a table, whenever it is woken.
fn hop(
    conn: &Connection,
    table: &str,
    woken: &Receiver<()>,
    mut pass: impl FnMut(Vec<u8>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut last = 0_i64;
    let query = format!("SELECT id, value FROM {table} WHERE id > ? ORDER BY id");
    while woken.recv().is_ok() {
        let mut found = Vec::new();
        {
            let mut read = conn.prepare_cached(&query)?;
            let mut rows = read.query([last])?;
            while let Some(row) = rows.next()? {
                last = row.get(0)?;
                found.push(row.get(1)?);
            }
        }
        for value in found {
            pass(value)?;
        }
    }
    Ok(())
}

/// Append, wake, read, append, wake, read: three threads, a connection each, one file.
pub struct Hops {
    conn: Connection,
    wake: Sender<()>,
    arrived: Receiver<()>,
    value: Vec<u8>,
}

impl Hops {
    /// Starts the threads. They end when this is dropped.
    pub fn open(path: &Path, size: usize) -> anyhow::Result<Self> {
        let conn = open(path)?;
        let (middle, last) = (open(path)?, open(path)?);
        let (wake, woken) = channel();
        let (wake_last, woken_last) = channel();
        let (done, arrived) = channel();
        std::thread::spawn(move || {
            hop(&middle, "first", &woken, |value| {
                insert(&middle, "second", &value)?;
                let _ = wake_last.send(());
                Ok(())
            })
        });
        std::thread::spawn(move || {
            hop(&last, "second", &woken_last, |_| {
                let _ = done.send(());
                Ok(())
            })
        });
        Ok(Self { conn, wake, arrived, value: vec![7; size] })
    }

    /// Both hops of one record, in nanoseconds.
    pub fn hop(&mut self) -> anyhow::Result<u64> {
        let since = Instant::now();
        insert(&self.conn, "first", &self.value)?;
        self.wake.send(()).context("a bare reader has ended")?;
        self.arrived.recv_timeout(PATIENCE).context("a bare hop did not arrive")?;
        Ok(nanos(since))
    }
}

/// Appends a second, `group` of them in a transaction.
pub fn appends(path: &Path, size: usize, count: usize, group: usize) -> anyhow::Result<f64> {
    let conn = open(path)?;
    let value = vec![7; size];
    let since = Instant::now();
    let mut left = count;
    while left > 0 {
        let now = group.min(left);
        conn.execute_batch("BEGIN IMMEDIATE")?;
        for _ in 0..now {
            insert(&conn, "first", &value)?;
        }
        conn.execute_batch("COMMIT")?;
        left -= now;
    }
    Ok(count as f64 / since.elapsed().as_secs_f64())
}

/// Nanoseconds since a moment.
pub fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
