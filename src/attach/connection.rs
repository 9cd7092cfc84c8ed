//! The front end's side of the socket: one connection, from its first line to its end.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use kirc_core::Envelope;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::LINE_OUT;
use super::server::line;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The door wants no more.
    Door,
    /// The node did not want more of this session (it was too slow, or said `QUIT`).
    Session,
    /// The node's process went away.
    Node,
}

/// What a door's session keeps from one connection to the next.
#[derive(Debug, Default)]
pub struct Memory {
    /// The last `HELLO` that the door said: it is said again first of all.
    pub hello: Option<Envelope>,
    /// What the door is told before the first thing that the node says.
    pub note: Option<Envelope>,
    /// Whether the door ever heard anything.
    pub heard: bool,
}

/// Carries envelopes between a door and the socket until one of them ends.
pub async fn run(
    stream: UnixStream,
    memory: &mut Memory,
    from_door: &mut mpsc::Receiver<Envelope>,
    to_door: &mpsc::Sender<Envelope>,
) -> Ended {
    let Memory { hello, note, heard } = memory;
    let (read, mut write) = stream.into_split();
    if let Some(hello) = hello.as_ref()
        && write.write_all(&line(hello)).await.is_err()
    {
        return Ended::Node;
    }
    let quit = AtomicBool::new(false);
    let speak = async {
        let mut batch = Vec::new();
        let mut bytes = Vec::new();
        while from_door.recv_many(&mut batch, 256).await > 0 {
            bytes.clear();
            for envelope in batch.drain(..) {
                match envelope.command.as_str() {
                    "HELLO" => *hello = Some(envelope.clone()),
                    "QUIT" => quit.store(true, Ordering::Relaxed),
                    _ => {}
                }
                bytes.extend_from_slice(&line(&envelope));
            }
            if write.write_all(&bytes).await.is_err() || quit.load(Ordering::Relaxed) {
                // What the node said before it went is still to be read.
                std::future::pending::<()>().await;
            }
        }
        let _ = write.shutdown().await;
    };
    let listen = async {
        let mut read = BufReader::with_capacity(64 * 1024, read);
        while let Ok(Some(envelope)) = next(&mut read).await {
            let cut = envelope.command == "ERROR" && envelope.meta.contains_key("closing");
            if let Some(note) = note.take()
                && to_door.send(note).await.is_err()
            {
                return Ended::Door;
            }
            *heard = true;
            if to_door.send(envelope).await.is_err() {
                return Ended::Door;
            }
            if cut {
                return Ended::Session;
            }
        }
        if quit.load(Ordering::Relaxed) { Ended::Session } else { Ended::Node }
    };
    tokio::select! {
        ended = listen => ended,
        () = speak => Ended::Door,
    }
}

/// The next envelope; what is no envelope is skipped, since it can only come from a newer node.
async fn next(read: &mut BufReader<impl tokio::io::AsyncRead + Unpin>) -> io::Result<Option<Envelope>> {
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let mut limited = (&mut *read).take(LINE_OUT as u64);
        if limited.read_until(b'\n', &mut buffer).await? == 0 {
            return Ok(None);
        }
        match serde_json::from_slice(&buffer) {
            Ok(envelope) => return Ok(Some(envelope)),
            Err(_) if buffer.ends_with(b"\n") => {
                tracing::warn!("the node said something that is no envelope");
            }
            Err(_) => return Ok(None),
        }
    }
}
