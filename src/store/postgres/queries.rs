//! Answers queries, and loads everything that a node needs to start.
//!
//! This module owns the read-only statements and the few connections for them: at most two, opened
//! when needed. If the server has no connection left, the writing connection answers too.

use std::sync::{Arc, Mutex, PoisonError};

use kirc_core::port::{Answer, LogRow, OutboxRow, Query, Snapshot, Table};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

use super::error_text::silent;
use super::link::{Failure, Link};
use super::settings::{PATIENCE, Place};
use super::{history, retention};
use crate::embedded::db::{int, number};
use crate::ports::Reply;
use crate::store::Size;

/// Connections for questions at the most.
const READERS: usize = 2;
/// Records of a log that are fetched at once.
const PAGE: i64 = 200;

/// What is asked.
#[derive(Debug)]
pub enum Question {
    /// By the core.
    Of(Query, Reply<Answer>),
    /// How much there is.
    Size(Reply<Size>),
}

impl Question {
    /// Tells the asker that there is no answer.
    pub fn fail(self, failure: &Failure) {
        match self {
            Self::Of(_, reply) => drop(reply.send(Err(failure.port()))),
            Self::Size(reply) => drop(reply.send(Err(failure.port()))),
        }
    }
}

/// An answer that has not gone to the asker yet.
enum Told {
    Answer(Answer),
    Size(Size),
}

/// Connections for questions.
#[derive(Debug)]
pub struct Readers {
    free: Mutex<Vec<Link>>,
    permits: Semaphore,
}

impl Default for Readers {
    fn default() -> Self {
        Self { free: Mutex::default(), permits: Semaphore::new(READERS) }
    }
}

impl Readers {
    /// Answers a question; `writer` helps out.
    pub async fn answer(
        &self,
        place: &Place,
        name: &str,
        question: Question,
        writer: &Arc<Client>,
    ) -> Result<(), Failure> {
        match (self.find(place, name, &question, writer).await, question) {
            (Ok(Told::Answer(answer)), Question::Of(_, reply)) => drop(reply.send(Ok(answer))),
            (Ok(Told::Size(size)), Question::Size(reply)) => drop(reply.send(Ok(size))),
            // Each question has its kind of answer.
            (Ok(_), question) => question.fail(&Failure::new(silent(place))),
            (Err(failure), question) => {
                question.fail(&failure);
                return Err(failure);
            }
        }
        Ok(())
    }

    async fn find(
        &self,
        place: &Place,
        name: &str,
        query: &Question,
        writer: &Arc<Client>,
    ) -> Result<Told, Failure> {
        // The semaphore is never closed; were it, there would be one connection more.
        let _permit = self.permits.acquire().await;
        let mut known = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        loop {
            let used = known.is_some();
            let link = match known.take() {
                Some(link) => Ok(link),
                None => Link::open(place, name).await,
            };
            let link = match link {
                Ok(link) => link,
                Err(failure) if failure.code == Some(SqlState::TOO_MANY_CONNECTIONS) => {
                    return ask(place, writer, query).await;
                }
                Err(failure) => return Err(failure),
            };
            let result = ask(place, &link.client, query).await;
            if result.is_ok() {
                self.free.lock().unwrap_or_else(PoisonError::into_inner).push(link);
            } else if used {
                // It may have been dead for long. A question can be asked twice.
                continue;
            }
            return result;
        }
    }

    /// Ends the connections.
    pub async fn close(&self) {
        let links = std::mem::take(&mut *self.free.lock().unwrap_or_else(PoisonError::into_inner));
        futures_util::future::join_all(links.into_iter().map(Link::close)).await;
    }
}

async fn ask(place: &Place, client: &Client, question: &Question) -> Result<Told, Failure> {
    let answer = async {
        match question {
            Question::Of(Query::History { target, window, limit }, _) => {
                history::of(client, target, window, *limit).await.map(Told::Answer)
            }
            Question::Of(Query::Log { channel, from, to, limit }, _) => {
                log(client, channel, int(*from), int(*to), *limit).await.map(Told::Answer)
            }
            Question::Size(_) => retention::size(client).await.map(Told::Size),
        }
    };
    match timeout(PATIENCE, answer).await {
        Ok(result) => result.map_err(|e| Failure::of(place, &e)),
        Err(_) => Err(Failure::new(silent(place))),
    }
}

/// Everything that a node needs to start.
pub async fn load(client: &Client) -> Result<Snapshot, Error> {
    let (entries, waiting) = tokio::try_join!(
        client.query_typed("SELECT kind, key, value FROM entry", &[]),
        client.query_typed("SELECT id, target, sealed FROM outbox ORDER BY id", &[]),
    )?;
    let mut snapshot = Snapshot::default();
    for row in entries {
        let kind: &str = row.try_get(0)?;
        // A kind that is not known here is a newer program's; it stays where it is.
        if let Some(table) = Table::ALL.into_iter().find(|table| table.name() == kind) {
            snapshot.values.insert((table, text(&row, 1)?), row.try_get(2)?);
        }
    }
    for row in waiting {
        snapshot.outbox.push(OutboxRow {
            id: text(&row, 0)?,
            target: text(&row, 1)?,
            sealed: row.try_get(2)?,
        });
    }
    Ok(snapshot)
}

/// Sequence numbers never fall from one kept record to the next, so those of a range stand side by
/// side: its ends are two look-ups. What lies between is fetched in pages, until it is enough.
async fn log(client: &Client, channel: &str, from: i64, to: i64, limit: u64) -> Result<Answer, Error> {
    let key = channel.as_bytes();
    let ends = "SELECT (SELECT idx FROM log WHERE channel = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq, idx LIMIT 1), \
                (SELECT idx FROM log WHERE channel = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq DESC, idx DESC LIMIT 1)";
    let row =
        client.query_typed_one(ends, &[(&key, Type::BYTEA), (&from, Type::INT8), (&to, Type::INT8)]).await?;
    let mut found = Vec::new();
    let (Some(mut first), Some(last)) =
        (row.try_get::<_, Option<i64>>(0)?, row.try_get::<_, Option<i64>>(1)?)
    else {
        return Ok(Answer::Log { rows: found });
    };
    let mut bytes = 0;
    loop {
        let page = "SELECT idx, seq, time, value FROM log WHERE channel = $1 AND idx BETWEEN $2 AND $3 \
                    ORDER BY idx LIMIT $4";
        let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] =
            [(&key, Type::BYTEA), (&first, Type::INT8), (&last, Type::INT8), (&PAGE, Type::INT8)];
        let rows = client.query_typed(page, &params).await?;
        for row in &rows {
            let index: i64 = row.try_get(0)?;
            let row = LogRow {
                channel: channel.to_owned(),
                index: number(index),
                seq: number(row.try_get(1)?),
                time: number(row.try_get(2)?),
                value: row.try_get(3)?,
            };
            bytes += row.value.len() as u64;
            if bytes > limit && !found.is_empty() {
                return Ok(Answer::Log { rows: found });
            }
            found.push(row);
            first = index.saturating_add(1);
        }
        if (rows.len() as i64) < PAGE || first > last {
            return Ok(Answer::Log { rows: found });
        }
    }
}

/// A text that is kept as bytes.
pub(super) fn text(row: &Row, column: usize) -> Result<String, Error> {
    let bytes: &[u8] = row.try_get(column)?;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}
