//! The tables of `mailbox.db` and their SQL statements.
//!
//! This module owns the schema. It is independent of threads and files.
//!
//! A record's row id combines its partition's id and its offset in one number. So one B-tree holds
//! all records in reading order, and the next offset needs no counter: it follows from the last
//! row.

use kirc_core::ids::Offset;
use kirc_core::port::RawRecord;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{BATCH_BYTES, BATCH_RECORDS};
use crate::embedded::Fault;
use crate::embedded::clock::{Stamp, random_name};
use crate::embedded::db::{Schema, int, number};

/// The layout of `mailbox.db`.
pub static SCHEMA: Schema = Schema {
    name: "mailbox",
    application: 0x6b69_726d,
    migrations: &["
        CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        -- Grows with everything that is not an append, so that readers look at it again.
        CREATE TABLE change (n INTEGER NOT NULL);
        INSERT INTO change VALUES (0);
        -- One life of one partition. What was given up is below floor; last_* is the newest record's time, or that
        -- of the newest one that was given up.
        CREATE TABLE part (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            topic TEXT NOT NULL,
            part INTEGER NOT NULL,
            life TEXT NOT NULL,
            floor INTEGER NOT NULL DEFAULT 0,
            floor_time INTEGER NOT NULL DEFAULT 0,
            bytes INTEGER NOT NULL DEFAULT 0,
            UNIQUE (topic, part)
        );
        -- id: the partition's id << 40 | offset. mono: the clock that does not jump, beside the log's time.
        CREATE TABLE record (
            id INTEGER PRIMARY KEY,
            time INTEGER NOT NULL,
            mono INTEGER NOT NULL,
            key BLOB NOT NULL,
            value BLOB NOT NULL
        );
    "],
};

const BITS: u32 = 40;

fn row_id(part: i64, offset: Offset) -> i64 {
    part << BITS | int(offset)
}

fn offset_of(id: i64) -> Offset {
    number(id & ((1 << BITS) - 1))
}

/// A partition as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its id.
    pub id: i64,
    /// The random id of this life.
    pub life: String,
    /// The first offset.
    pub start: Offset,
    /// The offset behind the last record.
    pub end: Offset,
    /// The newest record's time.
    pub last: Stamp,
}

/// A partition, if there is one.
pub fn part(conn: &Connection, topic: &str, partition: u32) -> Result<Option<Part>, Fault> {
    let found = conn
        .prepare_cached("SELECT id, life, floor, floor_time FROM part WHERE topic = ? AND part = ?")?
        .query_row(params![topic, partition], |r| {
            Ok((r.get(0)?, r.get(1)?, r.get::<_, i64>(2)?, r.get::<_, i64>(3)?))
        })
        .optional()?;
    let Some((id, life, floor, floor_time)) = found else {
        return Ok(None);
    };
    let floor = number(floor);
    let last = conn
        .prepare_cached(
            "SELECT id, time, mono FROM record WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1",
        )?
        .query_row([row_id(id, floor), row_id(id + 1, 0) - 1], |r| {
            let stamp = Stamp { time: number(r.get(1)?), mono: number(r.get(2)?) };
            Ok((offset_of(r.get(0)?) + 1, stamp))
        })
        .optional()?;
    let (end, last) = last.unwrap_or((floor, Stamp { time: number(floor_time), mono: 0 }));
    Ok(Some(Part { id, life, start: floor, end, last }))
}

/// Makes a partition unless it is there; whether it was made.
pub fn make_part(conn: &Connection, topic: &str, partition: u32) -> Result<bool, Fault> {
    let made = conn
        .prepare_cached("INSERT INTO part (topic, part, life) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")?
        .execute(params![topic, partition, random_name()?])?;
    Ok(made > 0)
}

/// Adds a record.
pub fn insert(
    conn: &Connection,
    part: i64,
    offset: Offset,
    stamp: Stamp,
    key: &[u8],
    value: &[u8],
) -> Result<(), Fault> {
    conn.prepare_cached("INSERT INTO record (id, time, mono, key, value) VALUES (?, ?, ?, ?, ?)")?
        .execute(params![row_id(part, offset), int(stamp.time), int(stamp.mono), key, value])?;
    Ok(())
}

/// The next records from an offset on: as many as one delivery holds.
pub fn batch(conn: &Connection, part: i64, from: Offset) -> Result<Vec<RawRecord>, Fault> {
    let mut statement =
        conn.prepare_cached("SELECT id, key, value, time FROM record WHERE id BETWEEN ? AND ? ORDER BY id")?;
    let mut rows = statement.query([row_id(part, from), row_id(part + 1, 0) - 1])?;
    let (mut records, mut bytes) = (Vec::new(), 0);
    while records.len() < BATCH_RECORDS
        && let Some(row) = rows.next()?
    {
        let record = record(row)?;
        bytes += record.key.len() + record.value.len();
        if bytes > BATCH_BYTES && !records.is_empty() {
            break;
        }
        records.push(record);
    }
    Ok(records)
}

fn record(row: &Row<'_>) -> rusqlite::Result<RawRecord> {
    Ok(RawRecord {
        offset: offset_of(row.get(0)?),
        key: row.get(1)?,
        value: row.get(2)?,
        time: number(row.get(3)?),
    })
}

/// Counts bytes that were appended; how many the partition holds now, about.
pub fn count_bytes(conn: &Connection, part: i64, more: u64) -> Result<u64, Fault> {
    let bytes = conn
        .prepare_cached("UPDATE part SET bytes = max(0, bytes + ?) WHERE id = ? RETURNING bytes")?
        .query_row(params![int(more), part], |r| r.get(0))
        .optional()?;
    Ok(number(bytes.unwrap_or(0)))
}

/// The offset to keep from, so that about `bytes` of the oldest records go, but not the newest of
/// all.
pub fn oldest(conn: &Connection, part: &Part, bytes: u64) -> Result<Offset, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT id, length(key) + length(value) FROM record WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 10000",
    )?;
    let mut rows = statement.query([row_id(part.id, part.start), row_id(part.id, part.end)])?;
    let (mut keep, mut freed) = (part.start, 0);
    while freed < bytes
        && let Some(row) = rows.next()?
    {
        keep = offset_of(row.get(0)?) + 1;
        freed += number(row.get(1)?);
    }
    Ok(keep.min(part.end.saturating_sub(1)).max(part.start))
}

/// Gives up what is before an offset.
pub fn trim(conn: &Connection, part: &Part, keep: Offset) -> Result<(), Fault> {
    let keep = keep.clamp(part.start, part.end);
    if keep == part.start {
        return Ok(());
    }
    let range = [row_id(part.id, part.start), row_id(part.id, keep) - 1];
    let freed: i64 = conn
        .prepare_cached(
            "SELECT coalesce(sum(length(key) + length(value)), 0) FROM record WHERE id BETWEEN ? AND ?",
        )?
        .query_row(range, |r| r.get(0))?;
    conn.prepare_cached("DELETE FROM record WHERE id BETWEEN ? AND ?")?.execute(range)?;
    conn.prepare_cached("UPDATE part SET floor = ?, floor_time = ?, bytes = max(0, bytes - ?) WHERE id = ?")?
        .execute(params![int(keep), int(part.last.time), freed, part.id])?;
    changed(conn)
}

/// Says that something other than an append happened.
pub fn changed(conn: &Connection) -> Result<(), Fault> {
    conn.prepare_cached("UPDATE change SET n = n + 1")?.execute([])?;
    Ok(())
}

/// Counts everything that is not an append.
pub fn changes(conn: &Connection) -> Result<i64, Fault> {
    let mut statement = conn.prepare_cached("SELECT n FROM change")?;
    Ok(statement.query_row([], |r| r.get(0))?)
}

/// Differs whenever another connection has committed something.
pub fn data_version(conn: &Connection) -> Result<i64, Fault> {
    let mut statement = conn.prepare_cached("PRAGMA data_version")?;
    Ok(statement.query_row([], |r| r.get(0))?)
}

/// The name of the grid that this mailbox belongs to.
pub fn grid(conn: &Connection) -> Result<Option<String>, Fault> {
    let mut statement = conn.prepare_cached("SELECT value FROM fact WHERE name = 'grid'")?;
    Ok(statement.query_row([], |r| r.get(0)).optional()?)
}

/// Keeps the name of the grid.
pub fn set_grid(conn: &Connection, id: &str) -> Result<(), Fault> {
    conn.execute(
        "INSERT INTO fact VALUES ('grid', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [id],
    )?;
    Ok(())
}
