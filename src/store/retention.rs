//! Measures the size of `store.db` and deletes its oldest content.
//!
//! This module owns these SQL statements. Its callers decide when and how much to trim.

use std::sync::LazyLock;

use rusqlite::{Connection, params};

use super::{KEPT, STEP, Size};
use crate::embedded::Fault;
use crate::embedded::db::{int, number};

/// What a message takes: itself, its place in two indices, and what a row costs.
const MESSAGE: &str = "octet_length(sealed) + octet_length(state) \
    + 3 * (octet_length(target) + octet_length(id) + octet_length(author)) + 150";
/// The same for a record of a log.
const RECORD: &str = "octet_length(value) + 3 * octet_length(channel) + 150";

/// The oldest of both, so many bytes of them.
static OLDEST: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT kind, place, bytes FROM (
            SELECT kind, place, bytes, age, nth,
                sum(bytes) OVER (ORDER BY age, kind, nth ROWS UNBOUNDED PRECEDING) - bytes AS older
            FROM (
                SELECT * FROM (SELECT 0 AS kind, rowid AS place, ts AS age, seq AS nth, {MESSAGE} AS bytes
                    FROM message WHERE state <> 'held' ORDER BY ts LIMIT {STEP})
                UNION ALL
                SELECT * FROM (SELECT 1, rowid, time, idx, {RECORD} FROM log
                    WHERE idx + {KEPT} <= (SELECT max(idx) FROM log AS newest WHERE newest.channel = log.channel)
                    ORDER BY time, idx LIMIT {STEP})
            )
        ) WHERE older < ? ORDER BY age, kind, nth LIMIT {STEP}"
    )
});

/// How much there is.
pub fn size(conn: &Connection) -> Result<Size, Fault> {
    let ask = |what: &str| conn.pragma_query_value(None, what, |row| row.get(0)).map(number);
    let (pages, free, page) = (ask("page_count")?, ask("freelist_count")?, ask("page_size")?);
    Ok(Size { used: pages.saturating_sub(free) * page, disk: pages * page })
}

/// Takes away the oldest messages and records, so many bytes; gives how many went.
pub fn trim(conn: &Connection, bytes: u64) -> Result<u64, Fault> {
    conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let mut gone = 0;
    {
        let mut oldest = conn.prepare_cached(&OLDEST)?;
        let rows = oldest.query_map(params![int(bytes)], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
        let rows: Vec<(i64, i64, i64)> = rows.collect::<Result<_, _>>()?;
        let mut mark = conn.prepare_cached(
            "INSERT INTO trimmed SELECT target FROM message WHERE rowid = ? ON CONFLICT DO NOTHING",
        )?;
        let mut message = conn.prepare_cached("DELETE FROM message WHERE rowid = ?")?;
        let mut record = conn.prepare_cached("DELETE FROM log WHERE rowid = ?")?;
        for (kind, place, bytes) in rows {
            if kind == 0 {
                mark.execute([place])?;
                message.execute([place])?;
            } else {
                record.execute([place])?;
            }
            gone += number(bytes);
        }
    }
    conn.prepare_cached("COMMIT")?.execute([])?;
    Ok(gone)
}
