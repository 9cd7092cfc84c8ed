//! The thread that works on `store.db`.
//!
//! This module owns the only connection to the file. All commits that are pending when it is free
//! go into one transaction, each as a whole. It never sets a damaged store aside: the user decides
//! about the user's data.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use kirc_core::port::{Answer, PortError, Query, Snapshot, StoreOp};
use rusqlite::Connection;
use tokio::sync::watch;

use super::Size;
use super::embedded::Files;
use super::{retention, sql};
use crate::embedded::Fault;
use crate::ports::{Health, Reply, tell};

/// Changes of one transaction at the most (a single commit may be larger).
const GROUP: usize = 1_000;
/// Commits after which the log is taken over into the file when there is a pause.
const OFTEN: usize = 500;
/// The pause.
const PAUSE: Duration = Duration::from_millis(200);

/// What the worker is asked to do.
#[derive(Debug)]
pub enum Ask {
    /// Load everything.
    Load(Reply<Snapshot>),
    /// Make changes.
    Commit(Arc<Vec<StoreOp>>, Reply<()>),
    /// Answer a question.
    Query(Query, Reply<Answer>),
    /// Say how much there is.
    Size(Reply<Size>),
    /// Take away the oldest, so many bytes.
    Trim(u64, Reply<u64>),
    /// End.
    Close(Reply<()>),
    /// Allow the file so many pages.
    #[cfg(test)]
    Limit(u32),
}

/// The state of the worker.
#[derive(Debug)]
pub struct Worker {
    files: Files,
    conn: Connection,
    health: watch::Sender<Health>,
    commits: usize,
}

impl Worker {
    /// A worker on an open file.
    pub fn new(files: Files, conn: Connection, health: watch::Sender<Health>) -> Self {
        Self { files, conn, health, commits: 0 }
    }

    /// Works until it is told to end or nobody is left to ask.
    pub fn run(mut self, asks: &Receiver<Ask>) {
        let mut kept = None;
        loop {
            let ask = match kept.take() {
                Some(ask) => ask,
                None => match self.next(asks) {
                    Some(ask) => ask,
                    None => return,
                },
            };
            match ask {
                Ask::Load(reply) => {
                    let result = self.outcome(sql::load);
                    let _ = reply.send(result);
                }
                Ask::Query(query, reply) => {
                    let result = self.outcome(|conn| sql::query(conn, &query));
                    let _ = reply.send(result);
                }
                Ask::Size(reply) => {
                    let result = self.outcome(retention::size);
                    let _ = reply.send(result);
                }
                Ask::Trim(bytes, reply) => {
                    let result = self.outcome(|conn| retention::trim(conn, bytes));
                    self.commits += 1;
                    let _ = reply.send(result);
                }
                Ask::Commit(ops, reply) => {
                    let (mut count, mut all, mut replies) = (ops.len(), vec![ops], vec![reply]);
                    while count < GROUP
                        && let Ok(ask) = asks.try_recv()
                    {
                        match ask {
                            Ask::Commit(ops, reply) => {
                                count += ops.len();
                                all.push(ops);
                                replies.push(reply);
                            }
                            other => {
                                kept = Some(other);
                                break;
                            }
                        }
                    }
                    let result = self.outcome(|conn| commit(conn, &all));
                    self.commits += 1;
                    for reply in replies {
                        let _ = reply.send(result.clone());
                    }
                }
                Ask::Close(reply) => {
                    self.take_over();
                    drop(self);
                    let _ = reply.send(Ok(()));
                    return;
                }
                #[cfg(test)]
                Ask::Limit(pages) => {
                    let _ = self.conn.execute_batch(&format!("PRAGMA max_page_count={pages}"));
                }
            }
        }
    }

    /// The next thing to do; takes the log over when there is a pause.
    fn next(&mut self, asks: &Receiver<Ask>) -> Option<Ask> {
        if self.commits >= OFTEN {
            match asks.recv_timeout(PAUSE) {
                Ok(ask) => return Some(ask),
                Err(RecvTimeoutError::Timeout) => self.take_over(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        asks.recv().ok()
    }

    fn take_over(&mut self) {
        self.commits = 0;
        let _ = self.conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }

    /// Does something and says how the store is.
    fn outcome<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, PortError> {
        let done = if self.files.moved() { Err(Fault::Gone) } else { work(&self.conn) };
        if done.is_err() && !self.conn.is_autocommit() {
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        done.map_err(|fault| {
            let error = PortError::from(self.files.error(fault));
            let health = Health { up: false, reason: error.0.clone() };
            tell(&self.health, health);
            error
        })
        .inspect(|_| tell(&self.health, Health::well()))
    }
}

fn commit(conn: &Connection, groups: &[Arc<Vec<StoreOp>>]) -> Result<(), Fault> {
    conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    for op in sql::collapse(groups.iter().flat_map(|ops| ops.iter())) {
        sql::apply(conn, op)?;
    }
    conn.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}
