//! A front end's session that outlives the process that it is attached to: if the node's process
//! ends, this process attaches to the next one, or becomes the node.
//!
//! This module is independent of how a node is started: a [`Starter`] does that.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use kirc_core::Envelope;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{AttachError, Ended, Lock, Memory, Seat, run_connection, take_seat};
use crate::config::Paths;
use crate::session::{Attach, Session, TO_DOOR, TO_NODE};

/// Before a door looks for another node.
const PAUSE: Duration = Duration::from_millis(10);

/// What is true of what was on its way just then.
const DOUBT: &str = "What was said in that moment may be lost: if it does not show, say it again";

/// A node that runs in this process.
pub trait Host: Send + Sync + 'static {
    /// Who hands out sessions.
    type Node: Attach;
    /// The same.
    fn node(&self) -> Self::Node;
    /// Ends the node in order.
    fn stop(self) -> impl Future<Output = ()> + Send;
}

/// How this process becomes the node.
pub trait Starter: Send + Sync + 'static {
    /// What it then has.
    type Host: Host;
    /// Starts the node; the lock is given back when the host has stopped.
    fn start(&self, lock: Lock) -> impl Future<Output = Result<Self::Host, AttachError>> + Send;
}

/// A door's session and what keeps it.
pub struct Link {
    /// The door's ends.
    pub session: Session,
    keeper: Keeper,
    hosting: bool,
}

struct Keeper {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Link {
    /// Becomes the node, or attaches to it.
    pub async fn open<S: Starter>(paths: &Paths, starter: Arc<S>) -> Result<Self, AttachError> {
        match take_seat(paths).await? {
            Seat::Host(lock) => {
                let host = starter.start(lock).await?;
                let session = inside(&host).await?;
                let (stop, stopped) = oneshot::channel();
                let task = tokio::spawn(async move {
                    let _ = stopped.await;
                    host.stop().await;
                });
                Ok(Self { session, keeper: Keeper { stop, task }, hosting: true })
            }
            Seat::Guest(stream) => {
                let (to_node, from_door) = mpsc::channel(TO_NODE);
                let (to_door, from_node) = mpsc::channel(TO_DOOR);
                let (stop, stopped) = oneshot::channel();
                let guest =
                    Guest { paths: paths.clone(), starter, from_door, to_door, memory: Memory::default() };
                Ok(Self {
                    session: Session { to_node, from_node },
                    keeper: Keeper { stop, task: tokio::spawn(guest.keep(stream, stopped)) },
                    hosting: false,
                })
            }
        }
    }

    /// Whether this process was the node from the start.
    pub fn hosting(&self) -> bool {
        self.hosting
    }

    /// Takes the session out; [`Rest::close`] ends what stood behind it.
    pub fn split(self) -> (Session, Rest) {
        (self.session, Rest(self.keeper))
    }

    /// Ends the session, and the node if it runs here.
    pub async fn close(self) {
        let (session, rest) = self.split();
        drop(session);
        rest.close().await;
    }
}

/// What stands behind a session that was taken out of its [`Link`].
pub struct Rest(Keeper);

impl Rest {
    /// Ends the node if it runs here.
    pub async fn close(self) {
        drop(self.0.stop);
        let _ = self.0.task.await;
    }
}

async fn inside(host: &impl Host) -> Result<Session, AttachError> {
    host.node()
        .attach()
        .await
        .ok_or_else(|| AttachError::Start("the node ended as soon as it was started".into()))
}

/// Says to a door that what it said last may be lost.
fn note(sentence: &str) -> Envelope {
    Envelope::new("ERROR").line(sentence).meta("reattached", true)
}

/// A session at another process's node.
struct Guest<S> {
    paths: Paths,
    starter: Arc<S>,
    from_door: mpsc::Receiver<Envelope>,
    to_door: mpsc::Sender<Envelope>,
    memory: Memory,
}

impl<S: Starter> Guest<S> {
    async fn keep(mut self, mut stream: tokio::net::UnixStream, mut stop: oneshot::Receiver<()>) {
        loop {
            let ended = tokio::select! {
                ended = run_connection(stream, &mut self.memory, &mut self.from_door, &self.to_door) => ended,
                _ = &mut stop => return,
            };
            if ended != Ended::Node || self.from_door.is_closed() {
                return;
            }
            tracing::info!("the process that was the node has ended");
            let seat = tokio::select! {
                // A node that is about to end may still take a connection: not at once.
                seat = async { sleep(PAUSE).await; take_seat(&self.paths).await } => seat,
                _ = &mut stop => return,
            };
            let ended = "the process that ran the node of this profile has ended";
            match seat {
                Ok(Seat::Guest(next)) => {
                    if self.memory.heard {
                        self.memory.note = Some(note(&format!("{ended}; another one runs it now. {DOUBT}")));
                    }
                    stream = next;
                }
                Ok(Seat::Host(lock)) => match self.starter.start(lock).await {
                    Ok(host) => {
                        if self.memory.heard {
                            let note = note(&format!("{ended}; this one runs it now. {DOUBT}"));
                            let _ = self.to_door.send(note).await;
                        }
                        self.host(host, stop).await;
                        return;
                    }
                    Err(error) => return self.give_up(&error).await,
                },
                Err(error) => return self.give_up(&error).await,
            }
        }
    }

    /// Says to the door why its session ends.
    async fn give_up(&self, error: &AttachError) {
        let _ = self.to_door.send(note(&error.to_string())).await;
    }

    /// Goes on as the node: carries envelopes between the door's queues and a session of its own.
    async fn host<H: Host>(mut self, host: H, mut stop: oneshot::Receiver<()>) {
        if let Ok(Session { to_node, mut from_node }) = inside(&host).await {
            if let Some(hello) = self.memory.hello.take() {
                let _ = to_node.send(hello).await;
            }
            let speak = async {
                while let Some(envelope) = self.from_door.recv().await {
                    if to_node.send(envelope).await.is_err() {
                        break;
                    }
                }
            };
            let listen = async {
                while let Some(envelope) = from_node.recv().await {
                    if self.to_door.send(envelope).await.is_err() {
                        break;
                    }
                }
            };
            tokio::select! {
                () = speak => {}
                () = listen => {}
                _ = &mut stop => {}
            }
        }
        drop(self);
        host.stop().await;
    }
}
