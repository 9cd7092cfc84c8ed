//! The task that works with PostgreSQL.
//!
//! This module owns the writing connection. All commits that are pending when it is free go into
//! one transaction, each as a whole; the next transaction begins when the last one is acknowledged.
//! A query sees everything that was committed before the query was made; it may see later commits.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use kirc_core::port::{Answer, Query, Snapshot, StoreOp};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::error_text::silent;
use super::link::{Failure, Writer};
use super::plan::Plan;
use super::queries::{Question, Readers, load};
use super::retention;
use super::settings::{PATIENCE, Place};
use crate::embedded::health::{Side, Vital};
use crate::ports::Reply;
use crate::store::Size;

/// Changes of one transaction at the most (a single commit may be larger).
const GROUP: usize = 1_000;
/// The first pause between two attempts to connect again; each is twice as long as the one before.
const FIRST: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(5);

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
}

/// The state of the worker.
#[derive(Debug)]
pub struct Worker {
    place: Arc<Place>,
    /// What the server's lists show; no other node has it.
    name: Arc<str>,
    asks: mpsc::Receiver<Ask>,
    vital: Vital,
    writer: Option<Writer>,
    readers: Arc<Readers>,
    /// Whether the tables were seen: then they are not made anew.
    used: bool,
    pause: Duration,
    /// When to try again, without being asked.
    again: Option<Instant>,
    questions: JoinSet<()>,
}

impl Worker {
    /// A worker that has not connected yet.
    pub fn new(place: Place, name: String, asks: mpsc::Receiver<Ask>, vital: Vital) -> Self {
        Self {
            place: Arc::new(place),
            name: name.into(),
            asks,
            vital,
            writer: None,
            readers: Arc::default(),
            used: false,
            pause: FIRST,
            again: None,
            questions: JoinSet::new(),
        }
    }

    /// Works until it is told to end or nobody is left to ask.
    pub async fn run(mut self) {
        let mut kept = None;
        let reply = loop {
            let ask = match kept.take() {
                Some(ask) => ask,
                None => match self.next().await {
                    Some(ask) => ask,
                    None => break None,
                },
            };
            match ask {
                Ask::Load(reply) => {
                    let _ = reply.send(self.load().await.map_err(|f| f.port()));
                }
                Ask::Query(query, reply) => self.question(Question::Of(query, reply)).await,
                Ask::Size(reply) => self.question(Question::Size(reply)).await,
                Ask::Trim(bytes, reply) => {
                    let _ = reply.send(self.trim(bytes).await.map_err(|f| f.port()));
                }
                Ask::Commit(ops, reply) => {
                    let (mut count, mut all, mut replies) = (ops.len(), vec![ops], vec![reply]);
                    while count < GROUP
                        && let Ok(ask) = self.asks.try_recv()
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
                    let result = self.commit(&all).await.map_err(|f| f.port());
                    for reply in replies {
                        let _ = reply.send(result.clone());
                    }
                }
                Ask::Close(reply) => break Some(reply),
            }
        };
        while self.questions.join_next().await.is_some() {}
        self.readers.close().await;
        if let Some(writer) = self.writer.take() {
            writer.link.close().await;
        }
        if let Some(reply) = reply {
            let _ = reply.send(Ok(()));
        }
    }

    /// The next thing to do. Meanwhile a connection that is lost is made again, before somebody
    /// needs it.
    async fn next(&mut self) -> Option<Ask> {
        loop {
            let lost = async {
                match &mut self.writer {
                    Some(writer) => writer.link.lost().await,
                    None => std::future::pending().await,
                }
            };
            let again = self.again;
            tokio::select! {
                ask = self.asks.recv() => return ask,
                () = lost => {
                    self.writer = None;
                    self.again = Some(Instant::now());
                }
                () = until(again) => {
                    let _ = self.writer().await;
                }
                _ = self.questions.join_next(), if !self.questions.is_empty() => {}
            }
        }
    }

    /// The connection that writes, made if there is none.
    async fn writer(&mut self) -> Result<&Writer, Failure> {
        if self.writer.as_ref().is_some_and(|w| w.link.client.is_closed()) {
            self.writer = None;
        }
        if self.writer.is_none() {
            match Writer::open(&self.place, &self.name, self.used).await {
                Ok(writer) => {
                    self.writer = Some(writer);
                    self.used = true;
                    self.again = None;
                    self.pause = FIRST;
                    // What could not be read for want of the server may be asked for again.
                    self.vital.tell(Side::Reads, Ok(()));
                    self.vital.tell(Side::Writes, Ok(()));
                }
                Err(failure) => {
                    self.again = Some(Instant::now() + self.pause);
                    self.pause = (self.pause * 2).min(LONGEST);
                    self.vital.tell(Side::Writes, Err(&failure.text));
                    return Err(failure);
                }
            }
        }
        self.writer.as_ref().ok_or_else(|| Failure::new(silent(&self.place)))
    }

    async fn load(&mut self) -> Result<Snapshot, Failure> {
        let place = self.place.clone();
        let writer = self.writer().await?;
        let done = in_time(&place, load(&writer.link.client)).await;
        self.outcome(Side::Reads, done)
    }

    async fn commit(&mut self, groups: &[Arc<Vec<StoreOp>>]) -> Result<(), Failure> {
        let place = self.place.clone();
        let writer = self.writer().await?;
        let plan = Plan::new(groups.iter().flat_map(|ops| ops.iter()));
        let done = in_time(&place, writer.changes.carry_out(&writer.link.client, &plan)).await;
        self.outcome(Side::Writes, done)
    }

    async fn trim(&mut self, bytes: u64) -> Result<u64, Failure> {
        let place = self.place.clone();
        let writer = self.writer().await?;
        let done = in_time(&place, retention::trim(&writer.link.client, bytes)).await;
        self.outcome(Side::Writes, done)
    }

    /// Says how the store is; lets go of a connection on which an answer is still owed.
    fn outcome<T>(&mut self, side: Side, done: Result<T, Failure>) -> Result<T, Failure> {
        match &done {
            Ok(_) => self.vital.tell(side, Ok(())),
            Err(failure) => {
                self.vital.tell(side, Err(&failure.text));
                let closed = self.writer.as_ref().is_none_or(|w| w.link.client.is_closed());
                if closed || failure.code.is_none() {
                    self.writer = None;
                    self.again = Some(Instant::now() + self.pause);
                }
            }
        }
        done
    }

    /// Sees to it that all before is there, then lets the question be answered beside what comes
    /// next.
    async fn question(&mut self, question: Question) {
        let client = match self.writer().await {
            Ok(writer) => writer.link.client.clone(),
            Err(failure) => return question.fail(&failure),
        };
        let (place, name, readers, vital) =
            (self.place.clone(), self.name.clone(), self.readers.clone(), self.vital.clone());
        self.questions.spawn(async move {
            let done = readers.answer(&place, &name, question, &client).await;
            vital.tell(Side::Reads, done.as_ref().map(drop).map_err(|f| f.text.as_str()));
        });
    }
}

async fn in_time<T>(
    place: &Place,
    what: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Failure> {
    match timeout(2 * PATIENCE, what).await {
        Ok(done) => done.map_err(|e| Failure::of(place, &e)),
        Err(_) => Err(Failure::new(silent(place))),
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
