//! Reads the lines of standard input as envelopes. Reading has its own task, so that no partial
//! line is lost.

use kirc_core::Envelope;
use tokio::io::AsyncBufRead;
use tokio::sync::mpsc;

use crate::attach::next_envelope;

/// Lines that are read ahead.
const AHEAD: usize = 64;

/// Envelopes, or the ERROR envelope that answers a line that is none.
pub struct Lines(mpsc::Receiver<Result<Envelope, Envelope>>);

impl Lines {
    /// Starts to read.
    pub fn start(mut input: impl AsyncBufRead + Send + Unpin + 'static) -> Self {
        let (lines, read) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            while let Some(said) = next_envelope(&mut input).await {
                if lines.send(said).await.is_err() {
                    return;
                }
            }
        });
        Self(read)
    }

    /// The next one; `None` at the end of input.
    pub async fn next(&mut self) -> Option<Result<Envelope, Envelope>> {
        self.0.recv().await
    }
}
