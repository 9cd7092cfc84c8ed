//! The task that works with Valkey: it maintains a connection, sends requests in order, and
//! subscribes again to everything after a disconnect.
//!
//! This module owns the only connection. Calls in flight fail when the connection is lost: nobody
//! knows whether they were executed, and all of them are hints. Without a connection, calls fail at
//! once with the reason (except calls made before the first connection attempt has ended).

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use kirc_core::port::{PortError, SignalOp, SignalReply};
use redis::{RedisError, RedisResult};
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use super::QUEUE;
use super::commands;
use super::connect::{Events, Link, connect, is_lost, words};
use super::health::{Part, Vital, part};
use super::settings::Place;
use crate::ports::Reply;

/// The first pause between two attempts; each is twice as long as the one before.
const FIRST: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(5);
/// A connection that held for so long begins anew with the first pause.
const STEADY: Duration = Duration::from_secs(10);
/// How often the server is asked for a sign of life: clouds cut what is silent for 300 s, and who
/// uses it is to hear soon that it stands still.
const PING: Duration = Duration::from_secs(10);
/// How long a cut is told at the least. Who watches health sees its last state only, and what was
/// missed is read again only by who has seen that it was down.
const SEEN: Duration = Duration::from_millis(200);
/// How often it is looked whether a slow listener has caught up.
const SOON: Duration = Duration::from_millis(20);

/// What the worker is asked to do.
#[derive(Debug)]
pub enum Ask {
    /// Do something.
    Call(SignalOp, Reply<SignalReply>),
    /// End.
    Close(Reply<()>),
}

/// Why a phase of the worker ended.
enum End {
    /// It was told to, or nobody is left to ask.
    Close(Option<Reply<()>>),
    /// The connection is lost, and why.
    Lost(String),
}

type Outcome = (RedisResult<SignalReply>, Part, Option<Reply<SignalReply>>);
type Flying = Pin<Box<dyn Future<Output = Outcome> + Send>>;
type Waiting = Vec<(SignalOp, Reply<SignalReply>)>;

/// The state of the worker.
#[derive(Debug)]
pub struct Worker {
    pub place: Place,
    pub tls: Option<Arc<ClientConfig>>,
    pub events: Events,
    pub asks: mpsc::Receiver<Ask>,
    pub vital: Vital,
    /// What is to be listened to, as it was asked for.
    pub wanted: BTreeSet<String>,
    /// When the connection was lost, if it was.
    pub down_since: Option<Instant>,
}

impl Worker {
    /// Works until it is told to end or nobody is left to ask.
    pub async fn run(mut self) {
        let mut pause = FIRST;
        loop {
            let attempt = connect(self.place.clone(), self.tls.clone(), self.events.clone());
            let (link, waiting) = match self.meanwhile(attempt).await {
                Ok(done) => done,
                Err(reply) => return finish(reply),
            };
            let reason = match link {
                Ok(link) => {
                    let began = Instant::now();
                    match self.connected(link, waiting).await {
                        End::Close(reply) => return finish(reply),
                        End::Lost(reason) => {
                            if began.elapsed() > STEADY {
                                pause = FIRST;
                            }
                            reason
                        }
                    }
                }
                Err(reason) => {
                    // Told before anybody hears that a call failed.
                    self.lost(&reason);
                    refuse(waiting, &reason);
                    reason
                }
            };
            self.lost(&reason);
            if let Err(reply) = self.meanwhile(sleep(pause)).await {
                return finish(reply);
            }
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Waits for something while there is no connection. Calls wait with it if nothing is known to
    /// be wrong.
    async fn meanwhile<T>(
        &mut self,
        what: impl Future<Output = T>,
    ) -> Result<(T, Waiting), Option<Reply<()>>> {
        let mut what = std::pin::pin!(what);
        let mut waiting = Vec::new();
        loop {
            let ask = tokio::select! {
                done = &mut what => return Ok((done, waiting)),
                ask = self.asks.recv(), if waiting.len() < QUEUE => ask,
            };
            match ask {
                Some(Ask::Call(op, reply)) => match self.vital.link() {
                    None => waiting.push((op, reply)),
                    Some(reason) => {
                        let reason = reason.to_owned();
                        self.note(&op);
                        refuse(vec![(op, reply)], &reason);
                    }
                },
                Some(Ask::Close(reply)) => {
                    refuse(waiting, "the connection to Valkey was closed before it was there");
                    return Err(Some(reply));
                }
                None => return Err(None),
            }
        }
    }

    /// There is no connection, and why.
    fn lost(&mut self, reason: &str) {
        if self.vital.link().is_none() {
            self.down_since = Some(Instant::now());
        }
        self.vital.tell(Part::Link, Err(reason));
    }

    /// Remembers what is to be listened to, also by the next connection.
    fn note(&mut self, op: &SignalOp) {
        match op {
            SignalOp::Subscribe { channel } => {
                self.wanted.insert(channel.clone());
            }
            SignalOp::Unsubscribe { channel } => {
                self.wanted.remove(channel);
            }
            _ => {}
        }
    }

    async fn connected(&mut self, mut link: Link, waiting: Waiting) -> End {
        let mut flying: FuturesUnordered<Flying> = FuturesUnordered::new();
        self.vital.begin_anew();
        // First of all, listen again. What is asked for meanwhile comes behind it, on the same
        // connection.
        let mut listening = Some(self.listen_again(&link));
        for (op, reply) in waiting {
            self.send(&link, op, Some(reply), &mut flying);
        }
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        let mut up_at = None;
        let mut flooded = None;
        let mut closing: Option<Option<Reply<()>>> = None;
        let overflow = self.events.lost.clone();
        let reason = loop {
            if flying.is_empty()
                && let Some(reply) = closing.take()
            {
                return End::Close(reply);
            }
            tokio::select! {
                ask = self.asks.recv(), if closing.is_none() && flying.len() < QUEUE => match ask {
                    Some(Ask::Call(op, reply)) => self.send(&link, op, Some(reply), &mut flying),
                    Some(Ask::Close(reply)) => closing = Some(Some(reply)),
                    None => closing = Some(None),
                },
                Some((result, part, reply)) = flying.next() => {
                    if let Some(reason) = self.answer(result, part, reply) {
                        break reason;
                    }
                }
                result = maybe(listening.as_mut()), if listening.is_some() => {
                    listening = None;
                    match result {
                        Ok(()) => up_at = Some(self.down_since.map_or_else(Instant::now, |since| since + SEEN)),
                        Err(error) => break words(&self.place, &error),
                    }
                }
                () = until(up_at), if up_at.is_some() => {
                    up_at = None;
                    self.vital.tell(Part::Link, Ok(()));
                }
                () = overflow.notified(), if flooded.is_none() => {
                    flooded = Some(Instant::now() + SEEN);
                    let why = "more was published than kirc took in: what was missed is read again";
                    self.vital.tell(Part::Flood, Err(why));
                }
                () = until(flooded), if flooded.is_some() => {
                    flooded = Some(Instant::now() + SOON);
                    if self.events.to.capacity() * 2 > self.events.to.max_capacity() {
                        flooded = None;
                        self.vital.tell(Part::Flood, Ok(()));
                    }
                }
                _ = ping.tick() => {
                    let mut conn = link.conn.clone();
                    flying.push(Box::pin(async move {
                        let pong = redis::cmd("PING").query_async::<redis::Value>(&mut conn).await;
                        (pong.map(|_| SignalReply::Done), Part::Reads, None)
                    }));
                }
                _ = &mut link.task => break cut(&self.place),
            }
        };
        // Told before anybody hears that a call failed.
        self.lost(&reason);
        drop(link);
        while let Some((result, part, reply)) = flying.next().await {
            match (result, reply) {
                (Err(error), Some(reply)) if is_lost(&error) => {
                    let _ = reply.send(Err(PortError(reason.clone())));
                }
                (result, reply) => {
                    self.answer(result, part, reply);
                }
            }
        }
        match closing {
            Some(reply) => End::Close(reply),
            None => End::Lost(reason),
        }
    }

    /// Listens to all that is wanted. It is sent when this returns.
    fn listen_again(&self, link: &Link) -> Pin<Box<dyn Future<Output = RedisResult<()>> + Send>> {
        let channels: Vec<String> =
            self.wanted.iter().map(|channel| format!("{}{channel}", self.events.prefix)).collect();
        let mut conn = link.conn.clone();
        let mut listen = Box::pin(async move {
            match channels.is_empty() {
                true => Ok(()),
                false => conn.subscribe(channels).await,
            }
        });
        match tokio::task::unconstrained(&mut listen).now_or_never() {
            Some(done) => Box::pin(std::future::ready(done)),
            None => listen,
        }
    }

    fn send(
        &mut self,
        link: &Link,
        op: SignalOp,
        reply: Option<Reply<SignalReply>>,
        flying: &mut FuturesUnordered<Flying>,
    ) {
        self.note(&op);
        let (conn, prefix, part) = (link.conn.clone(), self.events.prefix.clone(), part(&op));
        let mut call: Flying =
            Box::pin(async move { (commands::call(conn, &prefix, op).await, part, reply) });
        // The first poll sends, so it happens here and now: this is what keeps the order of calls.
        // Tokio's budget for a task could put it off, and is left aside.
        match tokio::task::unconstrained(&mut call).now_or_never() {
            Some(done) => flying.push(Box::pin(std::future::ready(done))),
            None => flying.push(call),
        }
    }

    /// Hands an answer on. If the connection is lost, says why.
    fn answer(
        &mut self,
        result: Result<SignalReply, RedisError>,
        part: Part,
        reply: Option<Reply<SignalReply>>,
    ) -> Option<String> {
        let mut lost = None;
        let result = match result {
            Ok(answer) => {
                self.vital.tell(part, Ok(()));
                Ok(answer)
            }
            Err(error) => {
                let text = words(&self.place, &error);
                if is_lost(&error) {
                    self.lost(&text);
                    lost = Some(text.clone());
                } else {
                    self.vital.tell(part, Err(&text));
                }
                Err(PortError(text))
            }
        };
        if let Some(reply) = reply {
            let _ = reply.send(result);
        }
        lost
    }
}

fn cut(place: &Place) -> String {
    format!("the connection to Valkey at {place} was cut: kirc connects again")
}

fn refuse(calls: Waiting, reason: &str) {
    for (_, reply) in calls {
        let _ = reply.send(Err(PortError(reason.to_owned())));
    }
}

fn finish(reply: Option<Reply<()>>) {
    if let Some(reply) = reply {
        let _ = reply.send(Ok(()));
    }
}

async fn maybe<T>(what: Option<&mut Pin<Box<dyn Future<Output = T> + Send>>>) -> T {
    match what {
        Some(what) => what.await,
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
