//! The node's side of the socket: each connection becomes a session.
//!
//! This module is independent of the meaning of envelopes, apart from `HELLO`, which must come
//! first.

use std::time::Duration;

use kirc_core::Envelope;
use kirc_core::port::PortError;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::LINE_IN;
use crate::session::{Attach, Session};

/// Connections at once; more wait in the system's queue.
const CONNECTIONS: usize = 64;
/// How long a connection may take to say `HELLO`.
const HELLO: Duration = Duration::from_secs(10);
/// How long what the node said last may take to reach the door.
const GOODBYE: Duration = Duration::from_millis(500);

/// Takes connections until `stop`; returns when the last of them has ended. They end with their
/// sessions: stop this first, so that nobody comes to a node that is about to end, and then the
/// node.
pub async fn serve(listener: UnixListener, node: impl Attach, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    loop {
        let accept = async {
            let place = places.clone().acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let node = node.clone();
                tasks.spawn(async move {
                    if let Err(error) = connection(stream, node).await {
                        tracing::debug!(%error, "a connection to the socket ended");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the socket can't take a connection");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

async fn connection(stream: UnixStream, node: impl Attach) -> Result<(), PortError> {
    let said = |e: std::io::Error| PortError(e.to_string());
    let peer = stream.peer_cred().map_err(said)?;
    if peer.uid() != rustix::process::geteuid().as_raw() {
        return Err(PortError(format!("user {} has no right here", peer.uid())));
    }
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let hello = match timeout(HELLO, next(&mut read)).await {
        Ok(Some(Ok(hello))) if hello.command == "HELLO" => hello,
        Ok(None) => return Ok(()),
        _ => {
            let error = Envelope::new("ERROR").line("say HELLO first");
            let _ = write.write_all(&line(&error)).await;
            return Ok(());
        }
    };
    let Some(session) = node.attach().await else {
        return Ok(());
    };
    let Session { to_node, from_node } = session;
    if to_node.send(hello).await.is_err() {
        return Ok(());
    }
    let (errors, own) = mpsc::channel(16);
    let listen = listen(read, to_node, errors);
    let speak = speak(write, from_node, own);
    tokio::pin!(listen, speak);
    tokio::select! {
        // The session has ended, or the node: all that it said is written.
        result = &mut speak => return result.map_err(said),
        () = &mut listen => {}
    }
    // The door has gone: its session ends with `to_node`, and with that the other direction.
    let _ = timeout(GOODBYE, speak).await;
    Ok(())
}

/// Brings what the door says to the node, until the door or the session ends.
async fn listen(
    mut read: BufReader<OwnedReadHalf>,
    to_node: mpsc::Sender<Envelope>,
    errors: mpsc::Sender<Envelope>,
) {
    while let Some(said) = next(&mut read).await {
        let sent = match said {
            Ok(envelope) => to_node.send(envelope).await.is_ok(),
            Err(error) => errors.send(error).await.is_ok(),
        };
        if !sent {
            break;
        }
    }
}

/// Writes what the node says, several envelopes at once if they are there.
async fn speak(
    mut write: OwnedWriteHalf,
    mut from_node: mpsc::Receiver<Envelope>,
    mut own: mpsc::Receiver<Envelope>,
) -> std::io::Result<()> {
    let mut batch = Vec::new();
    let mut bytes = Vec::new();
    loop {
        let count = tokio::select! {
            count = from_node.recv_many(&mut batch, 256) => count,
            Some(error) = own.recv() => { batch.push(error); 1 }
        };
        if count == 0 {
            return write.shutdown().await;
        }
        bytes.clear();
        for envelope in batch.drain(..) {
            bytes.extend_from_slice(&line(&envelope));
        }
        write.write_all(&bytes).await?;
    }
}

/// The answer to a line that is no envelope, with the line's label if it has one that can be read.
fn refusal(line: &[u8], error: &str) -> Envelope {
    let said: Option<serde_json::Value> = serde_json::from_slice(line).ok();
    let error = Envelope::new("ERROR").line(error);
    match said.and_then(|mut said| Some(said.get_mut("meta")?.get_mut("label")?.take())) {
        Some(label) => error.meta("label", label),
        None => error,
    }
}

/// An envelope as a line.
pub fn line(envelope: &Envelope) -> Vec<u8> {
    // An envelope has string keys only and no floats that JSON can't say: this does not fail.
    let mut bytes = serde_json::to_vec(envelope).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// The next line as an envelope, or an ERROR that says what is wrong with it; `None` at the end.
/// Empty lines are skipped.
pub async fn next<R>(read: &mut R) -> Option<Result<Envelope, Envelope>>
where
    R: tokio::io::AsyncBufRead + Unpin,
{
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let count = (&mut *read).take(LINE_IN as u64 + 1).read_until(b'\n', &mut buffer).await.unwrap_or(0);
        if count == 0 {
            return None;
        }
        if buffer.len() > LINE_IN && !buffer.ends_with(b"\n") {
            skip_line(read).await;
            return Some(Err(refusal(b"", &format!("a line has more than {LINE_IN} bytes"))));
        }
        let text = buffer.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&buffer).trim_ascii();
        if !text.is_empty() {
            return Some(Envelope::from_json(text).map_err(|e| refusal(text, &e.to_string())));
        }
    }
}

/// Reads to the end of the line without keeping it.
async fn skip_line<R: tokio::io::AsyncBufRead + Unpin>(read: &mut R) {
    loop {
        let (used, end) = match read.fill_buf().await {
            Ok([]) | Err(_) => return,
            Ok(bytes) => match bytes.iter().position(|b| *b == b'\n') {
                Some(at) => (at + 1, true),
                None => (bytes.len(), false),
            },
        };
        read.consume(used);
        if end {
            return;
        }
    }
}
