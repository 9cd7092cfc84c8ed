//! Writes envelopes as lines to standard output. Writing has its own task; a slow reader slows the
//! pipe down.

use kirc_core::Envelope;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::attach::line;

/// Envelopes that wait to be written.
const WAITING: usize = 256;

/// The way out.
pub struct Writer {
    out: Option<mpsc::Sender<Envelope>>,
    task: JoinHandle<bool>,
}

impl Writer {
    /// Starts to write.
    pub fn start(mut output: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        let (out, mut waiting) = mpsc::channel(WAITING);
        let task = tokio::spawn(async move {
            let mut batch = Vec::new();
            let mut bytes = Vec::new();
            while waiting.recv_many(&mut batch, WAITING).await > 0 {
                bytes.clear();
                for envelope in batch.drain(..) {
                    bytes.extend_from_slice(&line(&envelope));
                }
                if output.write_all(&bytes).await.is_err() || output.flush().await.is_err() {
                    return false;
                }
            }
            true
        });
        Self { out: Some(out), task }
    }

    /// Writes; `false` if nobody reads any more.
    pub async fn write(&mut self, envelope: Envelope) -> bool {
        match &self.out {
            Some(out) => out.send(envelope).await.is_ok(),
            None => false,
        }
    }

    /// Ready when nobody reads any more.
    pub async fn closed(&self) {
        match &self.out {
            Some(out) => out.closed().await,
            None => std::future::pending().await,
        }
    }

    /// Writes what waits; `false` if nobody read it.
    pub async fn close(&mut self) -> bool {
        self.out = None;
        (&mut self.task).await.unwrap_or(false)
    }
}
