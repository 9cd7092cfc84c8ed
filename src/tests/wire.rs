//! A proxy between a program and a service: it forwards everything, swallows answers, or is cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A listener on a port of its own that passes on what it gets.
#[derive(Debug)]
pub struct Wire {
    port: u16,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    /// Whether there is a way at all.
    open: AtomicBool,
    /// Whether answers are swallowed.
    deaf: AtomicBool,
    /// Bytes that came from the service, swallowed ones too.
    answered: AtomicU64,
    /// Counts cuts: connections of an earlier count end.
    cuts: watch::Sender<u64>,
}

impl Wire {
    /// A wire to `host:port`.
    pub async fn to(place: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            open: AtomicBool::new(true),
            deaf: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            cuts: watch::channel(0).0,
        });
        let (place, shared) = (place.to_owned(), state.clone());
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if shared.open.load(Ordering::SeqCst) {
                    tokio::spawn(carry(near, place.clone(), shared.clone()));
                }
            }
        });
        Self { port, state, task }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts all connections; new ones are possible at once.
    pub fn cut(&self) {
        self.state.cuts.send_modify(|n| *n += 1);
    }

    /// Cuts all connections and lets no new ones through (or lets them through again).
    pub fn block(&self, yes: bool) {
        self.state.open.store(!yes, Ordering::SeqCst);
        if yes {
            self.cut();
        }
    }

    /// Swallows answers from now on, or no longer.
    pub fn swallow_answers(&self, yes: bool) {
        self.state.deaf.store(yes, Ordering::SeqCst);
    }

    /// Bytes that the service has answered, swallowed ones too.
    pub fn answered(&self) -> u64 {
        self.state.answered.load(Ordering::SeqCst)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn carry(near: TcpStream, place: String, state: Arc<State>) {
    let mut cuts = state.cuts.subscribe();
    let Ok(far) = TcpStream::connect(place).await else {
        return;
    };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (mut near_in, mut near_out) = near.into_split();
    let (mut far_in, mut far_out) = far.into_split();
    let there = async {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(n @ 1..) = near_in.read(&mut buffer).await {
            if far_out.write_all(&buffer[..n]).await.is_err() {
                return;
            }
        }
    };
    let back = async {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(n @ 1..) = far_in.read(&mut buffer).await {
            state.answered.fetch_add(n as u64, Ordering::SeqCst);
            if !state.deaf.load(Ordering::SeqCst) && near_out.write_all(&buffer[..n]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = there => {}
        () = back => {}
        _ = cuts.changed() => {}
    }
}
