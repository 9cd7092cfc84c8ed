//! The handle to a running node: front ends attach here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kirc_core::Envelope;
use kirc_core::port::SessionId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::session::{Attach, Session, TO_NODE};

/// Envelopes between the queue of a door and the door.
const ON_THE_WAY: usize = 64;

/// What comes to the node's task from outside.
#[derive(Debug)]
pub(super) enum Event {
    /// A door attaches.
    Attach { session: SessionId, out: mpsc::Sender<Envelope>, ended: CancellationToken },
    /// A door says something.
    Say(SessionId, Envelope),
    /// A door is gone.
    Detach(SessionId),
}

/// Hands out sessions of one node.
#[derive(Debug, Clone)]
pub struct Hub {
    events: mpsc::Sender<Event>,
    last: Arc<AtomicU64>,
}

impl Hub {
    pub(super) fn new(events: mpsc::Sender<Event>) -> Self {
        Self { events, last: Arc::default() }
    }
}

impl Attach for Hub {
    async fn attach(&self) -> Option<Session> {
        let session = SessionId(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        let (out, from_node) = mpsc::channel(ON_THE_WAY);
        let (to_node, said) = mpsc::channel(TO_NODE);
        let ended = CancellationToken::new();
        let attach = Event::Attach { session, out, ended: ended.clone() };
        self.events.send(attach).await.ok()?;
        tokio::spawn(carry(session, said, self.events.clone(), ended));
        Some(Session { to_node, from_node })
    }
}

/// Brings what a door says to the node's task, under the session's number.
async fn carry(
    session: SessionId,
    mut said: mpsc::Receiver<Envelope>,
    events: mpsc::Sender<Event>,
    ended: CancellationToken,
) {
    loop {
        let envelope = tokio::select! {
            envelope = said.recv() => envelope,
            () = ended.cancelled() => None,
        };
        let event = match envelope {
            Some(envelope) => Event::Say(session, envelope),
            None => Event::Detach(session),
        };
        let last = matches!(event, Event::Detach(_));
        if events.send(event).await.is_err() || last {
            return;
        }
    }
}
