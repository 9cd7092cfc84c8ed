//! The tables of a profile's schema and their SQL statements.
//!
//! This module owns the schema. It is independent of the connection's lifecycle.
//!
//! All texts are stored as bytes: they sort and compare bytewise whatever the database's encoding
//! and collation are, as in SQLite, and every text can be stored. One table holds the small values
//! of all kinds, so that one statement writes them all.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Statement};

use super::pipeline::Pipeline;
use super::plan::Plan;
use crate::embedded::db::int;

/// Steps from one layout to the next. They are only ever added to.
pub const MIGRATIONS: &[&str] = &["
    CREATE TABLE entry (
        kind text COLLATE \"C\" NOT NULL,
        key bytea NOT NULL,
        value bytea NOT NULL,
        PRIMARY KEY (kind, key)
    );
    CREATE TABLE outbox (id bytea PRIMARY KEY, target bytea NOT NULL, sealed bytea NOT NULL);
    CREATE TABLE message (
        target bytea NOT NULL,
        id bytea NOT NULL,
        author bytea NOT NULL,
        seq bigint NOT NULL,
        ts bigint NOT NULL,
        state bytea NOT NULL,
        sealed bytea NOT NULL,
        PRIMARY KEY (target, id, author)
    );
    CREATE INDEX message_order ON message (target, seq, id, author);
    CREATE TABLE log (
        channel bytea NOT NULL,
        idx bigint NOT NULL,
        seq bigint NOT NULL,
        time bigint NOT NULL,
        value bytea NOT NULL,
        PRIMARY KEY (channel, idx)
    );
    CREATE INDEX log_seq ON log (channel, seq, idx);
", "
    CREATE INDEX message_age ON message (ts);
    CREATE INDEX log_age ON log (time, idx);
    -- What is trimmed is to be used again soon: a fifth of these tables, which is the usual, would be much of a small disk.
    ALTER TABLE message SET (autovacuum_vacuum_scale_factor = 0.03);
    ALTER TABLE log SET (autovacuum_vacuum_scale_factor = 0.03);
", "
    -- Conversations of which messages went, to keep the store to its size.
    CREATE TABLE trimmed (target bytea PRIMARY KEY);
", "
    -- What is encrypted can't be made smaller: it is not tried.
    ALTER TABLE message ALTER COLUMN sealed SET STORAGE EXTERNAL;
    ALTER TABLE log ALTER COLUMN value SET STORAGE EXTERNAL;
"];

/// The statements that change something, prepared on a connection.
#[derive(Debug)]
pub struct Changes {
    clear: Statement,
    delete: Statement,
    put: Statement,
    message: Statement,
    state: Statement,
    outbox: Statement,
    settled: Statement,
    log: Statement,
}

impl Changes {
    /// Prepares them all in one go.
    pub async fn prepare(client: &Client) -> Result<Self, Error> {
        const B: Type = Type::BYTEA_ARRAY;
        const T: Type = Type::TEXT_ARRAY;
        const I: Type = Type::INT8_ARRAY;
        let (clear, delete, put, message, state, outbox, settled, log) = tokio::try_join!(
            client.prepare_typed(
                "DELETE FROM entry USING unnest($1, $2) AS gone (kind, prefix) WHERE entry.kind = gone.kind \
                 AND entry.key >= gone.prefix AND substring(entry.key FROM 1 FOR length(gone.prefix)) = gone.prefix",
                &[T, B],
            ),
            client.prepare_typed(
                "DELETE FROM entry USING unnest($1, $2) AS gone (kind, key) \
                 WHERE entry.kind = gone.kind AND entry.key = gone.key",
                &[T, B],
            ),
            client.prepare_typed(
                "INSERT INTO entry (kind, key, value) SELECT * FROM unnest($1, $2, $3) \
                 ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value",
                &[T, B, B],
            ),
            client.prepare_typed(
                "INSERT INTO message (target, id, author, seq, ts, state, sealed) \
                 SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (target, id, author) \
                 DO UPDATE SET seq = excluded.seq, ts = excluded.ts, state = excluded.state, \
                 sealed = excluded.sealed WHERE message.state = 'failed'",
                &[B, B, B, I, I, B, B],
            ),
            client.prepare_typed(
                "UPDATE message SET state = new.state FROM unnest($1, $2, $3) AS new (target, id, state) \
                 WHERE message.target = new.target AND message.id = new.id",
                &[B, B, B],
            ),
            client.prepare_typed(
                "INSERT INTO outbox (id, target, sealed) SELECT * FROM unnest($1, $2, $3) \
                 ON CONFLICT (id) DO UPDATE SET target = excluded.target, sealed = excluded.sealed",
                &[B, B, B],
            ),
            client.prepare_typed("DELETE FROM outbox WHERE id = ANY ($1)", &[B]),
            client.prepare_typed(
                "INSERT INTO log (channel, idx, seq, time, value) SELECT * FROM unnest($1, $2, $3, $4, $5) \
                 ON CONFLICT DO NOTHING",
                &[B, I, I, I, B],
            ),
        )?;
        Ok(Self { clear, delete, put, message, state, outbox, settled, log })
    }

    /// Does what is planned, all of it or nothing: everything is sent at once, so it costs one
    /// round trip.
    pub async fn carry_out(&self, client: &Client, plan: &Plan<'_>) -> Result<(), Error> {
        let mut to_do = Pipeline::new(client);
        if !plan.cleared.is_empty() {
            let (kinds, prefixes): (Vec<_>, Vec<_>) =
                plan.cleared.iter().map(|(table, prefix)| (table.name(), prefix.as_bytes())).unzip();
            to_do.add(&self.clear, [Box::new(kinds), Box::new(prefixes)]);
        }
        let (put, gone): (Vec<_>, Vec<_>) = plan.entries.iter().partition(|(_, value)| value.is_some());
        if !gone.is_empty() {
            let (kinds, keys): (Vec<_>, Vec<_>) =
                gone.iter().map(|((table, key), _)| (table.name(), key.as_bytes())).unzip();
            to_do.add(&self.delete, [Box::new(kinds), Box::new(keys)]);
        }
        if !put.is_empty() {
            let kinds: Vec<_> = put.iter().map(|((table, _), _)| table.name()).collect();
            let keys: Vec<_> = put.iter().map(|((_, key), _)| key.as_bytes()).collect();
            let values: Vec<&[u8]> = put.iter().filter_map(|(_, value)| **value).collect();
            to_do.add(&self.put, [Box::new(kinds), Box::new(keys), Box::new(values)]);
        }
        for talk in &plan.talks {
            if !talk.added.is_empty() {
                let rows: Vec<_> = talk.added.values().copied().collect();
                let target = column(&rows, |m| m.target.as_bytes());
                let id = column(&rows, |m| m.id.as_bytes());
                let author = column(&rows, |m| m.author.as_bytes());
                let seq = column(&rows, |m| int(m.seq));
                let ts = column(&rows, |m| int(m.ts));
                let state = column(&rows, |m| m.state.as_bytes());
                let sealed = column(&rows, |m| m.sealed.as_slice());
                to_do.add(
                    &self.message,
                    [
                        Box::new(target),
                        Box::new(id),
                        Box::new(author),
                        Box::new(seq),
                        Box::new(ts),
                        Box::new(state),
                        Box::new(sealed),
                    ],
                );
            }
            if !talk.states.is_empty() {
                let target: Vec<_> = talk.states.keys().map(|(target, _)| target.as_bytes()).collect();
                let id: Vec<_> = talk.states.keys().map(|(_, id)| id.as_bytes()).collect();
                let state: Vec<_> = talk.states.values().map(|state| state.as_bytes()).collect();
                to_do.add(&self.state, [Box::new(target), Box::new(id), Box::new(state)]);
            }
        }
        let waiting: Vec<_> = plan.outbox.values().flatten().copied().collect();
        if !waiting.is_empty() {
            let id = column(&waiting, |o| o.id.as_bytes());
            let target = column(&waiting, |o| o.target.as_bytes());
            let sealed = column(&waiting, |o| o.sealed.as_slice());
            to_do.add(&self.outbox, [Box::new(id), Box::new(target), Box::new(sealed)]);
        }
        let settled: Vec<_> =
            plan.outbox.iter().filter(|(_, row)| row.is_none()).map(|(id, _)| id.as_bytes()).collect();
        if !settled.is_empty() {
            to_do.add(&self.settled, [Box::new(settled)]);
        }
        if !plan.log.is_empty() {
            let rows = &plan.log;
            let channel = column(rows, |r| r.channel.as_bytes());
            let index = column(rows, |r| int(r.index));
            let seq = column(rows, |r| int(r.seq));
            let time = column(rows, |r| int(r.time));
            let value = column(rows, |r| r.value.as_slice());
            to_do.add(
                &self.log,
                [Box::new(channel), Box::new(index), Box::new(seq), Box::new(time), Box::new(value)],
            );
        }
        to_do.commit().await
    }
}

fn column<'r, R, C>(rows: &[&'r R], of: impl Fn(&'r R) -> C) -> Vec<C> {
    rows.iter().map(|row| of(row)).collect()
}
