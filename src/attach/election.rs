//! Decides which process is the node: the first one takes the lock, every other one finds the
//! socket.

use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

use super::{AttachError, Lock, connect, holder, try_lock};
use crate::config::Paths;

/// How long a node may take from its lock to its socket, and from its last word to giving the lock
/// back.
const PATIENCE: Duration = Duration::from_secs(10);

/// What this process is to the profile.
#[derive(Debug)]
pub enum Seat {
    /// It is the node.
    Host(Lock),
    /// Another process is; this is the way to it.
    Guest(UnixStream),
}

/// Takes the lock, or attaches to who has it.
pub async fn take(paths: &Paths) -> Result<Seat, AttachError> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(5);
    loop {
        if let Some(lock) = try_lock(&paths.lock())? {
            // A node gives its socket up before its lock. One that still answers has lost its lock
            // file, not its life.
            return match connect(&paths.socket()).await {
                Ok(stream) => Ok(Seat::Guest(stream)),
                Err(_) => Ok(Seat::Host(lock)),
            };
        }
        if let Ok(stream) = connect(&paths.socket()).await {
            return Ok(Seat::Guest(stream));
        }
        if Instant::now() >= deadline {
            return Err(AttachError::Silent { pid: holder(&paths.lock()) });
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}
