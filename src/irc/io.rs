//! The thread of all client sockets: it accepts, and runs one task for each connection.
//!
//! The node, password hashes and everything else that takes time is on other threads.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::task::{JoinSet, LocalSet};
use tokio_util::sync::CancellationToken;

use super::connection;
use super::listen::Listener;
use super::login::Checker;
use super::marks::Shown;
use crate::session::Attach;

/// Connections at once.
const CONNECTIONS: usize = 512;
/// How long connections have to say goodbye.
const GOODBYE: Duration = Duration::from_millis(500);
/// Before the next try, if no connection can be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared<N> {
    /// The node.
    pub node: N,
    /// Checks logins.
    pub checker: Checker<N>,
    /// Where everything but sockets is done.
    pub elsewhere: Handle,
    /// All connections end.
    pub stop: CancellationToken,
    /// What clients were shown before they left, by the name that they gave in USER.
    pub shown: RefCell<HashMap<String, Shown>>,
}

/// The listener at work.
#[derive(Debug)]
pub struct IrcServer {
    stop: CancellationToken,
    thread: std::thread::JoinHandle<()>,
}

impl IrcServer {
    /// Serves clients of a node's owner, whose password is in a file. To be called on the runtime
    /// of the node.
    pub fn start<N: Attach>(listener: Listener, node: N, password: PathBuf) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let stop = CancellationToken::new();
        let (elsewhere, stopped) = (Handle::current(), stop.clone());
        let address = listener.address();
        let serve = move || {
            let local = LocalSet::new();
            let checker = Checker::new(node.clone(), password);
            let shared =
                Rc::new(Shared { node, checker, elsewhere, stop: stopped, shown: RefCell::default() });
            local.block_on(&runtime, accept(listener.0, shared));
        };
        let thread = std::thread::Builder::new().name("irc".into()).spawn(serve)?;
        if let Some(address) = address {
            tracing::info!(%address, "IRC clients can connect");
        }
        Ok(Self { stop, thread })
    }

    /// Ends all connections and waits for that.
    pub async fn stop(self) {
        self.stop.cancel();
        let _ = tokio::task::spawn_blocking(move || self.thread.join()).await;
    }
}

async fn accept<N: Attach>(listener: std::net::TcpListener, shared: Rc<Shared<N>>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "IRC clients can't be accepted"),
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < CONNECTIONS => {
                    let _ = stream.set_nodelay(true);
                    connections.spawn_local(connection::run(stream, shared.clone()));
                }
                Ok((stream, _)) => turn_away(&stream),
                Err(error) => {
                    tracing::warn!(%error, "an IRC client can't be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = shared.stop.cancelled() => break,
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GOODBYE, all).await;
}

fn turn_away(stream: &TcpStream) {
    let _ = stream.try_write(b"ERROR :Closing link: there are too many connections; try again later\r\n");
}
