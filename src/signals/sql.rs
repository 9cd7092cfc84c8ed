//! The tables of `signals.db` and their SQL statements.
//!
//! This module owns the schema. It is independent of threads and files. Every query treats an
//! expired key as absent; the next sweep deletes its row.

use std::collections::BTreeMap;

use kirc_core::ids::Millis;
use kirc_core::port::SignalReply;
use rusqlite::{Connection, OptionalExtension, params};

use super::Published;
use crate::embedded::Fault;
use crate::embedded::db::{Schema, int, number};

/// How long what was published is kept for those who listened and were busy.
const KEPT: Millis = 60_000;
/// Keys of one answer at the most.
const KEYS: i64 = 1_000;

/// The layout of `signals.db`.
pub static SCHEMA: Schema = Schema {
    name: "signals",
    application: 0x6b69_7273,
    migrations: &["
        -- The boot of the machine that all times belong to: they are those of a clock that begins with it.
        CREATE TABLE boot (id TEXT NOT NULL);
        INSERT INTO boot VALUES ('');
        CREATE TABLE text (key TEXT PRIMARY KEY, value TEXT NOT NULL, ends INTEGER);
        CREATE INDEX text_ends ON text (ends) WHERE ends IS NOT NULL;
        CREATE TABLE member (key TEXT, member TEXT, PRIMARY KEY (key, member)) WITHOUT ROWID;
        CREATE TABLE field (key TEXT, field TEXT, value TEXT NOT NULL, PRIMARY KEY (key, field)) WITHOUT ROWID;
        -- An id is never used twice, or a listener would miss what has it.
        CREATE TABLE event (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            time INTEGER NOT NULL,
            channel TEXT NOT NULL,
            payload TEXT NOT NULL
        );
    "],
};

/// Forgets what has a time if the machine was booted since: its clock began anew.
pub fn new_boot(conn: &Connection, boot: &str) -> Result<(), Fault> {
    let known: String = conn.query_row("SELECT id FROM boot", [], |r| r.get(0))?;
    if known != boot {
        conn.execute_batch("DELETE FROM text WHERE ends IS NOT NULL; DELETE FROM event;")?;
        conn.execute("UPDATE boot SET id = ?", [boot])?;
    }
    Ok(())
}

/// Deletes what is over.
pub fn sweep(conn: &Connection, now: Millis) -> Result<(), Fault> {
    conn.prepare_cached("DELETE FROM text WHERE ends <= ?")?.execute([int(now)])?;
    conn.prepare_cached("DELETE FROM event WHERE time < ?")?.execute([int(now.saturating_sub(KEPT))])?;
    Ok(())
}

/// Sets a key if it has no value.
pub fn claim(conn: &Connection, key: &str, value: &str, ends: Millis, now: Millis) -> Result<bool, Fault> {
    let set = conn
        .prepare_cached(
            "INSERT INTO text VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE \
             SET value = excluded.value, ends = excluded.ends WHERE text.ends <= ?4",
        )?
        .execute(params![key, value, int(ends), int(now)])?;
    Ok(set > 0)
}

/// Gives a key a new life if it still has this value.
pub fn renew(conn: &Connection, key: &str, value: &str, ends: Millis, now: Millis) -> Result<bool, Fault> {
    let set = conn
        .prepare_cached(
            "UPDATE text SET ends = ?3 WHERE key = ?1 AND value = ?2 AND (ends IS NULL OR ends > ?4)",
        )?
        .execute(params![key, value, int(ends), int(now)])?;
    Ok(set > 0)
}

/// Deletes a key if it still has this value.
pub fn release(conn: &Connection, key: &str, value: &str) -> Result<(), Fault> {
    conn.prepare_cached("DELETE FROM text WHERE key = ? AND value = ?")?.execute([key, value])?;
    Ok(())
}

/// A key's value and what is left of its life.
pub fn get(conn: &Connection, key: &str, now: Millis) -> Result<SignalReply, Fault> {
    let found = conn
        .prepare_cached("SELECT value, ends FROM text WHERE key = ?1 AND (ends IS NULL OR ends > ?2)")?
        .query_row(params![key, int(now)], |r| {
            let ends: Option<i64> = r.get(1)?;
            Ok((r.get(0)?, ends.map(|e| number(e).saturating_sub(now))))
        })
        .optional()?;
    Ok(SignalReply::Value(found))
}

/// Sets a key.
pub fn set(conn: &Connection, key: &str, value: &str, ends: Option<Millis>) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO text VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, ends = excluded.ends",
    )?
    .execute(params![key, value, ends.map(int)])?;
    Ok(())
}

/// Deletes a key, whatever it holds.
pub fn delete(conn: &Connection, key: &str) -> Result<(), Fault> {
    for sql in [
        "DELETE FROM text WHERE key = ?",
        "DELETE FROM member WHERE key = ?",
        "DELETE FROM field WHERE key = ?",
    ] {
        conn.prepare_cached(sql)?.execute([key])?;
    }
    Ok(())
}

/// Adds to a set, or takes away from it.
pub fn member(conn: &Connection, key: &str, member: &str, add: bool) -> Result<(), Fault> {
    let sql = if add {
        "INSERT INTO member VALUES (?, ?) ON CONFLICT DO NOTHING"
    } else {
        "DELETE FROM member WHERE key = ? AND member = ?"
    };
    conn.prepare_cached(sql)?.execute([key, member])?;
    Ok(())
}

/// The members of a set.
pub fn members(conn: &Connection, key: &str) -> Result<SignalReply, Fault> {
    let mut statement = conn.prepare_cached("SELECT member FROM member WHERE key = ?")?;
    let rows = statement.query_map([key], |r| r.get(0))?;
    Ok(SignalReply::Members(rows.collect::<Result<_, _>>()?))
}

/// Sets a field of a hash; an empty value deletes it.
pub fn hash_set(conn: &Connection, key: &str, field: &str, value: &str) -> Result<(), Fault> {
    if value.is_empty() {
        conn.prepare_cached("DELETE FROM field WHERE key = ? AND field = ?")?.execute([key, field])?;
    } else {
        conn.prepare_cached(
            "INSERT INTO field VALUES (?, ?, ?) ON CONFLICT (key, field) DO UPDATE SET value = excluded.value",
        )?
        .execute([key, field, value])?;
    }
    Ok(())
}

/// The fields of a hash.
pub fn hash_get(conn: &Connection, key: &str) -> Result<SignalReply, Fault> {
    let mut statement = conn.prepare_cached("SELECT field, value FROM field WHERE key = ?")?;
    let rows = statement.query_map([key], |r| Ok((r.get(0)?, r.get(1)?)))?;
    Ok(SignalReply::Hash(rows.collect::<Result<BTreeMap<_, _>, _>>()?))
}

/// The keys that start with a prefix, without the first `cut` bytes of each.
pub fn keys(conn: &Connection, prefix: &str, cut: usize, now: Millis) -> Result<SignalReply, Fault> {
    // What starts with the prefix lies between it and the prefix followed by the largest character.
    let mut statement = conn.prepare_cached(
        "SELECT key FROM text WHERE key >= ?1 AND key < ?2 AND (ends IS NULL OR ends > ?3) \
         UNION SELECT key FROM member WHERE key >= ?1 AND key < ?2 \
         UNION SELECT key FROM field WHERE key >= ?1 AND key < ?2 LIMIT ?4",
    )?;
    let end = format!("{prefix}\u{10ffff}");
    let rows = statement.query_map(params![prefix, end, int(now), KEYS], |r| {
        let key: String = r.get(0)?;
        Ok(key.get(cut..).unwrap_or_default().to_owned())
    })?;
    Ok(SignalReply::Members(rows.collect::<Result<_, _>>()?))
}

/// Publishes.
pub fn publish(conn: &Connection, channel: &str, payload: &str, now: Millis) -> Result<(), Fault> {
    conn.prepare_cached("INSERT INTO event (time, channel, payload) VALUES (?, ?, ?)")?.execute(params![
        int(now),
        channel,
        payload
    ])?;
    Ok(())
}

/// The id of what was published last.
pub fn last_event(conn: &Connection) -> Result<i64, Fault> {
    let id = conn
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'event'")?
        .query_row([], |r| r.get(0))
        .optional()?;
    Ok(id.unwrap_or(0))
}

/// What was published after an id.
pub fn events(conn: &Connection, after: i64) -> Result<Vec<(i64, Published)>, Fault> {
    let mut statement =
        conn.prepare_cached("SELECT id, channel, payload FROM event WHERE id > ? ORDER BY id LIMIT 500")?;
    let rows = statement.query_map([after], |r| {
        let published = Published { channel: r.get(1)?, payload: r.get(2)? };
        Ok((r.get(0)?, published))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
