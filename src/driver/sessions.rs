//! The doors that are attached: their queues, and what happens when one is full.

use std::collections::HashMap;
use std::time::Duration;

use kirc_core::Envelope;
use kirc_core::port::SessionId;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::session::Kind;

/// How long the node waits for a full queue of each kind.
fn grace(kind: Kind) -> Duration {
    match kind {
        Kind::Inside => Duration::from_secs(10),
        Kind::Guest => Duration::from_millis(250),
    }
}

#[derive(Debug)]
struct Door {
    kind: Kind,
    out: Sender<Envelope>,
    ended: CancellationToken,
}

/// All doors.
#[derive(Debug, Default)]
pub(super) struct Sessions(HashMap<SessionId, Door>);

impl Sessions {
    pub(super) fn add(
        &mut self,
        session: SessionId,
        kind: Kind,
        out: Sender<Envelope>,
        ended: CancellationToken,
    ) {
        self.0.insert(session, Door { kind, out, ended });
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

    /// Hands an envelope to a door. `false` if the session had to be ended: the door is gone or does not read.
    pub(super) async fn deliver(&mut self, session: SessionId, envelope: Envelope) -> bool {
        let Some(door) = self.0.get(&session) else {
            return true;
        };
        let delivered = match door.out.try_send(envelope) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(envelope)) => {
                let sent = timeout(grace(door.kind), door.out.send(envelope)).await;
                if sent.is_err() {
                    tracing::warn!(session = session.0, "a session does not read; it is ended");
                    last_word(door.out.clone());
                }
                matches!(sent, Ok(Ok(())))
            }
        };
        if !delivered {
            self.remove(session);
        }
        delivered
    }
}

/// Tells a door why its session ended, if it ever reads again.
fn last_word(out: Sender<Envelope>) {
    let word = Envelope::new("ERROR")
        .line("this session does not read what it is sent, and was ended")
        .meta("closing", true);
    tokio::spawn(async move {
        let _ = timeout(Duration::from_secs(60), out.send(word)).await;
    });
}
