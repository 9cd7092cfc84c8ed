//! Measures the size of a profile's schema and deletes its oldest content.
//!
//! This module owns these SQL statements. Its callers decide when and how much to trim.

use std::sync::LazyLock;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use crate::embedded::db::{int, number};
use crate::store::{KEPT, STEP, Size};

/// What a message takes: itself, its place in two indices, and what a row costs.
const MESSAGE: &str = "octet_length(sealed) + octet_length(state) \
    + 3 * (octet_length(target) + octet_length(id) + octet_length(author)) + 150";
/// The same for a record of a log.
const RECORD: &str = "octet_length(value) + 3 * octet_length(channel) + 150";
/// So much of a table is looked through; of a larger one a part, and the rest is estimated.
const LOOK_THROUGH: f64 = (64 << 20) as f64;

static OLDEST: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH old AS (
            (SELECT 0 AS kind, ctid AS place, ts AS age, seq AS nth, ({MESSAGE})::int8 AS bytes
                FROM message WHERE state <> 'held'::bytea ORDER BY ts LIMIT {STEP})
            UNION ALL
            (SELECT 1, ctid, time, idx, ({RECORD})::int8 FROM log
                WHERE idx + {KEPT} <= (SELECT max(idx) FROM log AS newest WHERE newest.channel = log.channel)
                ORDER BY time, idx LIMIT {STEP})
        ), summed AS (
            SELECT kind, place, bytes, age, nth,
                sum(bytes) OVER (ORDER BY age, kind, nth ROWS UNBOUNDED PRECEDING) - bytes AS older FROM old
        ), chosen AS (
            SELECT kind, place, bytes FROM summed WHERE older < $1 ORDER BY age, kind, nth LIMIT {STEP}
        ), messages AS (
            DELETE FROM message WHERE ctid = ANY (ARRAY(SELECT place FROM chosen WHERE kind = 0)) RETURNING target
        ), marks AS (
            INSERT INTO trimmed SELECT DISTINCT target FROM messages ON CONFLICT DO NOTHING
        ), records AS (
            DELETE FROM log WHERE ctid = ANY (ARRAY(SELECT place FROM chosen WHERE kind = 1))
        ) SELECT coalesce(sum(bytes), 0)::int8 FROM chosen"
    )
});

/// How much there is. Of what is large a part is read.
pub async fn size(client: &Client) -> Result<Size, Error> {
    let places = "SELECT pg_total_relation_size('message') + pg_total_relation_size('log'), \
                  pg_total_relation_size('entry') + pg_total_relation_size('outbox'), \
                  pg_relation_size('message'), pg_relation_size('log')";
    let row = client.query_typed_one(places, &[]).await?;
    let (large, small): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let mut used = number(small);
    for (table, bytes, place) in [("message", MESSAGE, 2), ("log", RECORD, 3)] {
        let there: i64 = row.try_get(place)?;
        let part = (100.0 * LOOK_THROUGH / (there as f64).max(1.0)).min(100.0);
        let sum =
            format!("SELECT coalesce(sum({bytes}), 0)::float8 FROM {table} TABLESAMPLE SYSTEM ({part})");
        let sum: f64 = client.query_typed_one(&sum, &[]).await?.try_get(0)?;
        used += (sum * 100.0 / part) as u64;
    }
    Ok(Size { used, disk: number(large + small) })
}

/// Takes away the oldest messages and records, so many bytes; gives how many went. One statement:
/// all of it or nothing.
pub async fn trim(client: &Client, bytes: u64) -> Result<u64, Error> {
    let bytes = int(bytes);
    let row = client.query_typed_one(OLDEST.as_str(), &[(&bytes, Type::INT8)]).await?;
    Ok(number(row.try_get(0)?))
}
