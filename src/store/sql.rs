//! The tables of `store.db` and their SQL statements.
//!
//! This module owns the schema. It is independent of threads and files.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use kirc_core::port::{
    Answer, LogRow, MessageRow, OutboxRow, Point, Query, Snapshot, StoreOp, Table, Window,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::embedded::Fault;
use crate::embedded::db::{Schema, int, number};

/// The layout of `store.db`.
pub static SCHEMA: Schema = Schema {
    name: "store",
    application: 0x6b69_7264,
    migrations: &[
        "
        CREATE TABLE contact (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE channel (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE head (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE counter (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE \"key\" (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE position (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE direct (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE setting (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE profile (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE credential (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE account (key TEXT PRIMARY KEY, value BLOB NOT NULL);

        CREATE TABLE outbox (id TEXT PRIMARY KEY, target TEXT NOT NULL, sealed BLOB NOT NULL);

        CREATE TABLE message (
            target TEXT NOT NULL,
            id TEXT NOT NULL,
            author TEXT NOT NULL,
            seq INTEGER NOT NULL,
            ts INTEGER NOT NULL,
            state TEXT NOT NULL,
            sealed BLOB NOT NULL
        );
        CREATE UNIQUE INDEX message_once ON message (target, id, author);
        CREATE INDEX message_order ON message (target, seq, id, author);

        CREATE TABLE log (
            channel TEXT NOT NULL,
            idx INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            time INTEGER NOT NULL,
            value BLOB NOT NULL
        );
        CREATE UNIQUE INDEX log_once ON log (channel, idx);
        CREATE INDEX log_seq ON log (channel, seq, idx);
    ",
        "
        CREATE INDEX message_age ON message (ts);
        CREATE INDEX log_age ON log (time, idx);
    ",
        "
        -- Conversations of which messages went, to keep the store to its size.
        CREATE TABLE trimmed (target TEXT PRIMARY KEY);
    ",
    ],
};

/// The statements on the small tables, one set for each.
struct Statements {
    put: String,
    delete: String,
    delete_prefix: String,
    all: String,
}

static STATEMENTS: LazyLock<BTreeMap<Table, Statements>> = LazyLock::new(|| {
    let of = |table: Table| {
        let name = table.name();
        let statements = Statements {
            put: format!(
                "INSERT INTO \"{name}\" (key, value) VALUES (?, ?) \
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value"
            ),
            delete: format!("DELETE FROM \"{name}\" WHERE key = ?"),
            delete_prefix: format!(
                "DELETE FROM \"{name}\" WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1"
            ),
            all: format!("SELECT key, value FROM \"{name}\""),
        };
        (table, statements)
    };
    Table::ALL.into_iter().map(of).collect()
});

fn statements(table: Table) -> Result<&'static Statements, Fault> {
    let found = STATEMENTS.get(&table);
    found.ok_or_else(|| Fault::Other(format!("it has no table {}", table.name())))
}

/// Those changes that are not overtaken by a later one to the same key, in their order.
pub fn collapse<'o>(ops: impl DoubleEndedIterator<Item = &'o StoreOp>) -> Vec<&'o StoreOp> {
    let mut later = HashSet::new();
    let mut kept: Vec<&StoreOp> = ops
        .rev()
        .filter(|op| match op {
            StoreOp::Put { table, key, .. } | StoreOp::Delete { table, key } => {
                later.insert((*table, key.as_str()))
            }
            _ => true,
        })
        .collect();
    kept.reverse();
    kept
}

/// Makes a change.
pub fn apply(conn: &Connection, op: &StoreOp) -> Result<(), Fault> {
    match op {
        StoreOp::Put { table, key, value } => conn
            .prepare_cached(&statements(*table)?.put)?
            .execute(params![key, value])?,
        StoreOp::Delete { table, key } => conn
            .prepare_cached(&statements(*table)?.delete)?
            .execute([key])?,
        StoreOp::DeletePrefix { table, prefix } => conn
            .prepare_cached(&statements(*table)?.delete_prefix)?
            .execute([prefix])?,
        StoreOp::Message(m) => conn
            .prepare_cached(
                "INSERT INTO message (target, id, author, seq, ts, state, sealed) VALUES (?, ?, ?, ?, ?, ?, ?) \
                 ON CONFLICT (target, id, author) DO UPDATE SET seq = excluded.seq, ts = excluded.ts, \
                 state = excluded.state, sealed = excluded.sealed WHERE state = 'failed'",
            )?
            .execute(params![m.target, m.id, m.author, int(m.seq), int(m.ts), m.state, m.sealed])?,
        StoreOp::MessageState { target, id, state } => conn
            .prepare_cached("UPDATE message SET state = ? WHERE target = ? AND id = ?")?
            .execute([state, target, id])?,
        StoreOp::Outbox(row) => conn
            .prepare_cached(
                "INSERT INTO outbox (id, target, sealed) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE \
                 SET target = excluded.target, sealed = excluded.sealed",
            )?
            .execute(params![row.id, row.target, row.sealed])?,
        StoreOp::Settled { id } => conn
            .prepare_cached("DELETE FROM outbox WHERE id = ?")?
            .execute([id])?,
        StoreOp::Log(row) => conn
            .prepare_cached(
                "INSERT INTO log (channel, idx, seq, time, value) VALUES (?, ?, ?, ?, ?) \
                 ON CONFLICT (channel, idx) DO NOTHING",
            )?
            .execute(params![row.channel, int(row.index), int(row.seq), int(row.time), row.value])?,
    };
    Ok(())
}

/// Everything that a node needs to start.
pub fn load(conn: &Connection) -> Result<Snapshot, Fault> {
    let mut snapshot = Snapshot::default();
    for table in Table::ALL {
        let mut statement = conn.prepare_cached(&statements(table)?.all)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            snapshot.values.insert((table, row.get(0)?), row.get(1)?);
        }
    }
    let mut statement = conn.prepare_cached("SELECT id, target, sealed FROM outbox ORDER BY id")?;
    let rows =
        statement.query_map([], |r| Ok(OutboxRow { id: r.get(0)?, target: r.get(1)?, sealed: r.get(2)? }))?;
    snapshot.outbox = rows.collect::<Result<_, _>>()?;
    Ok(snapshot)
}

/// Answers a question.
pub fn query(conn: &Connection, query: &Query) -> Result<Answer, Fault> {
    match query {
        Query::History { target, window, limit } => history(conn, target, window, *limit),
        Query::Log { channel, from, to, limit } => log(conn, channel, int(*from), int(*to), *limit),
    }
}

/// The place of a message. Left to itself SQLite takes the index by place and walks the whole
/// conversation for it.
pub(super) const PLACE: &str =
    "SELECT min(seq) FROM message INDEXED BY message_once WHERE target = ? AND id = ?";

/// A place between messages: behind those up to this one.
type Place = (i64, String);

/// What stands before the first message and behind the last one.
const BEFORE_ALL: Place = (i64::MIN, String::new());
const BEHIND_ALL: Place = (i64::MAX, String::new());

/// The place of a point. `None` if it is a message that is not here.
fn place(conn: &Connection, target: &str, point: &Point) -> Result<Option<Place>, Fault> {
    match point {
        Point::Message(id) => {
            let seq = conn.prepare_cached(PLACE)?.query_row([target, id], |r| r.get::<_, Option<i64>>(0))?;
            Ok(seq.map(|seq| (seq, id.clone())))
        }
        Point::Time(time) => {
            let first = first_at(conn, target, int(*time))?;
            // What is said alone in a channel has one position, in the order of ids.
            let shared = "SELECT p.seq, (SELECT id FROM message WHERE target = ?1 AND seq = p.seq AND id < \
                (SELECT id FROM message WHERE target = ?1 AND seq = p.seq AND ts >= ?2 ORDER BY id LIMIT 1) \
                ORDER BY id DESC LIMIT 1) \
                FROM (SELECT seq FROM message WHERE target = ?1 AND seq < ?3 ORDER BY seq DESC LIMIT 1) p";
            let row = |r: &Row<'_>| Ok((r.get::<_, i64>(0)?, r.get::<_, Option<String>>(1)?));
            let inside =
                conn.prepare_cached(shared)?.query_row(params![target, int(*time), first], row).optional()?;
            Ok(Some(match inside {
                Some((seq, Some(id))) => (seq, format!("{id}\0")),
                _ => (first, String::new()),
            }))
        }
    }
}

/// The position of the first message of this time or later. Times grow with positions, but for
/// clocks that differ: so it is found by halving, without an index.
fn first_at(conn: &Connection, target: &str, time: i64) -> Result<i64, Fault> {
    let end = |order: &str| -> Result<Option<i64>, Fault> {
        let sql = format!("SELECT seq FROM message WHERE target = ? ORDER BY seq {order} LIMIT 1");
        Ok(conn.prepare_cached(&sql)?.query_row([target], |r| r.get(0)).optional()?)
    };
    let (Some(mut low), Some(last)) = (end("ASC")?, end("DESC")?) else { return Ok(i64::MAX) };
    let mut high = last.saturating_add(1);
    let mut next = conn.prepare_cached(
        "SELECT seq, ts FROM message WHERE target = ? AND seq >= ? ORDER BY seq, id LIMIT 1",
    )?;
    while low < high {
        let middle = low + (high - low) / 2;
        let (seq, ts): (i64, i64) =
            next.query_row(params![target, middle], |r| Ok((r.get(0)?, r.get(1)?)))?;
        match ts < time {
            true => low = seq + 1,
            false => high = middle,
        }
    }
    Ok(low)
}

fn history(conn: &Connection, target: &str, window: &Window, limit: u32) -> Result<Answer, Fault> {
    let bound = |point: &Option<Point>, none: Place| match point {
        Some(point) => place(conn, target, point),
        None => Ok(Some(none)),
    };
    let found = match window {
        Window::Newest { after, before } | Window::Oldest { after, before } => {
            let newest = matches!(window, Window::Newest { .. });
            match (bound(after, BEFORE_ALL)?, bound(before, BEHIND_ALL)?) {
                (Some(after), Some(before)) => between(conn, target, &after, &before, newest, limit)?,
                _ => (Vec::new(), false),
            }
        }
        Window::Around(point) => match place(conn, target, point)? {
            Some(mut at) => {
                if matches!(point, Point::Message(_)) {
                    // Behind the message itself.
                    at.1.push('\0');
                }
                let half = limit - limit / 2;
                let (mut rows, more) = between(conn, target, &BEFORE_ALL, &at, true, half)?;
                let rest = limit - u32::try_from(rows.len()).unwrap_or(limit);
                rows.extend(between(conn, target, &at, &BEHIND_ALL, false, rest)?.0);
                (rows, more)
            }
            None => (Vec::new(), false),
        },
    };
    let (rows, more) = found;
    let trimmed = window.is_open_to_the_past() && !more && trimmed(conn, target)?;
    Ok(Answer::History { rows, more, trimmed })
}

/// The newest or oldest messages between two places, oldest first, and whether there are more.
fn between(
    conn: &Connection,
    target: &str,
    after: &Place,
    before: &Place,
    newest: bool,
    limit: u32,
) -> Result<(Vec<MessageRow>, bool), Fault> {
    let order = if newest { "seq DESC, id DESC, author DESC" } else { "seq, id, author" };
    let mut statement = conn.prepare_cached(&format!(
        "SELECT target, id, author, seq, ts, state, sealed FROM message \
         WHERE target = ? AND (seq, id) > (?, ?) AND (seq, id) < (?, ?) ORDER BY {order} LIMIT ?"
    ))?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let bounds = params![target, after.0, after.1, before.0, before.1, i64::from(limit) + 1];
    let mut rows: Vec<MessageRow> = statement.query_map(bounds, message)?.collect::<Result<_, _>>()?;
    let more = rows.len() > wanted;
    rows.truncate(wanted);
    if newest {
        rows.reverse();
    }
    Ok((rows, more))
}

/// Whether messages of a conversation went.
fn trimmed(conn: &Connection, target: &str) -> Result<bool, Fault> {
    Ok(conn.prepare_cached("SELECT 1 FROM trimmed WHERE target = ?")?.exists([target])?)
}

fn message(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    Ok(MessageRow {
        target: row.get(0)?,
        id: row.get(1)?,
        author: row.get(2)?,
        seq: number(row.get(3)?),
        ts: number(row.get(4)?),
        state: row.get(5)?,
        sealed: row.get(6)?,
    })
}

/// Sequence numbers never fall from one kept record to the next, so those of a range stand side by
/// side: its ends are two look-ups.
fn log(conn: &Connection, channel: &str, from: i64, to: i64, limit: u64) -> Result<Answer, Fault> {
    let end = |order: &str| -> Result<Option<i64>, Fault> {
        let sql = format!(
            "SELECT idx FROM log WHERE channel = ? AND seq BETWEEN ? AND ? ORDER BY seq {order}, idx {order} LIMIT 1"
        );
        let mut statement = conn.prepare_cached(&sql)?;
        Ok(statement.query_row(params![channel, from, to], |r| r.get(0)).optional()?)
    };
    let mut found = Vec::new();
    if let (Some(first), Some(last)) = (end("ASC")?, end("DESC")?) {
        let mut statement = conn.prepare_cached(
            "SELECT channel, idx, seq, time, value FROM log \
             WHERE channel = ? AND idx BETWEEN ? AND ? ORDER BY idx",
        )?;
        let mut rows = statement.query(params![channel, first, last])?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            let row = LogRow {
                channel: row.get(0)?,
                index: number(row.get(1)?),
                seq: number(row.get(2)?),
                time: number(row.get(3)?),
                value: row.get(4)?,
            };
            bytes += row.value.len() as u64;
            if bytes > limit && !found.is_empty() {
                break;
            }
            found.push(row);
        }
    }
    Ok(Answer::Log { rows: found })
}
