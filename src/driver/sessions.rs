//! The attached sessions: their queues, and what happens when a queue is full.
//!
//! No session delays the node or another session. Each has its own queue of unread envelopes, and a
//! session that does not read for too long is closed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kirc_core::Envelope;
use kirc_core::port::SessionId;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::sync::CancellationToken;

use crate::session::TO_DOOR;

#[derive(Debug)]
struct Door {
    waiting: Sender<Envelope>,
    /// It was ended because it does not read.
    full: Arc<AtomicBool>,
    ended: CancellationToken,
}

/// All doors.
#[derive(Debug, Default)]
pub(super) struct Sessions(HashMap<SessionId, Door>);

impl Sessions {
    pub(super) fn add(&mut self, session: SessionId, out: Sender<Envelope>, ended: CancellationToken) {
        let (waiting, from_node) = mpsc::channel(TO_DOOR);
        let full = Arc::new(AtomicBool::new(false));
        tokio::spawn(hand_on(from_node, out, full.clone()));
        self.0.insert(session, Door { waiting, full, ended });
    }

    /// Ends a session; whether there was one.
    pub(super) fn remove(&mut self, session: SessionId) -> bool {
        match self.0.remove(&session) {
            Some(door) => {
                door.ended.cancel();
                true
            }
            None => false,
        }
    }

    pub(super) fn clear(&mut self) {
        for (_, door) in self.0.drain() {
            door.ended.cancel();
        }
    }

    pub(super) fn knows(&self, session: SessionId) -> bool {
        self.0.contains_key(&session)
    }

    /// Hands an envelope to a door. `false` if the session had to be ended: the door is gone or
    /// does not read.
    pub(super) fn deliver(&mut self, session: SessionId, envelope: Envelope) -> bool {
        let Some(door) = self.0.get(&session) else {
            return true;
        };
        let Err(why) = door.waiting.try_send(envelope) else { return true };
        if matches!(why, mpsc::error::TrySendError::Full(_)) {
            tracing::warn!(session = session.0, "a session does not read; it is ended");
            door.full.store(true, Ordering::Release);
        }
        self.remove(session);
        false
    }
}

/// Hands a door what waits for it, as it reads; and, if it read too little, behind all of that why
/// its session ended.
async fn hand_on(mut waiting: Receiver<Envelope>, out: Sender<Envelope>, full: Arc<AtomicBool>) {
    while let Some(envelope) = waiting.recv().await {
        if out.send(envelope).await.is_err() {
            return;
        }
    }
    if full.load(Ordering::Acquire) {
        let word = Envelope::new("ERROR")
            .line("this session did not read what it was sent, and was ended")
            .meta("closing", true);
        let _ = out.send(word).await;
    }
}
