//! Tests the lock, the socket and the change from one node to the next, with a node that only
//! echoes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kirc_core::Envelope;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::config::{Config, Flags, Paths, Sources};
use crate::session::{Attach, Session};

/// A node that greets with its name and says again what it hears.
#[derive(Clone)]
struct Echo {
    name: String,
    ended: CancellationToken,
}

impl Echo {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ended: CancellationToken::new() }
    }
}

impl Attach for Echo {
    async fn attach(&self) -> Option<Session> {
        let (to_node, mut said) = mpsc::channel::<Envelope>(8);
        let (out, from_node) = mpsc::channel(8);
        let (name, ended) = (self.name.clone(), self.ended.clone());
        tokio::spawn(async move {
            loop {
                let heard = tokio::select! {
                    heard = said.recv() => heard,
                    () = ended.cancelled() => None,
                };
                let Some(envelope) = heard else { return };
                let answer = match envelope.command.as_str() {
                    "HELLO" => Envelope::new("001").to(&name),
                    "QUIT" => return,
                    _ => envelope,
                };
                if out.send(answer).await.is_err() {
                    return;
                }
            }
        });
        Some(Session { to_node, from_node })
    }
}

struct EchoHost {
    node: Echo,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<()>,
    lock: Lock,
}

impl Host for EchoHost {
    type Node = Echo;
    fn node(&self) -> Echo {
        self.node.clone()
    }
    async fn stop(self) {
        self.stop.cancel();
        self.node.ended.cancel();
        self.server.await.unwrap();
        drop(self.lock);
    }
}

struct EchoStarter {
    name: &'static str,
    paths: Paths,
    starts: AtomicUsize,
}

impl Starter for EchoStarter {
    type Host = EchoHost;
    async fn start(&self, lock: Lock) -> Result<EchoHost, AttachError> {
        self.starts.fetch_add(1, Ordering::Relaxed);
        let listener = bind(&self.paths.socket()).unwrap();
        let node = Echo::new(self.name);
        let stop = CancellationToken::new();
        Ok(EchoHost { server: tokio::spawn(serve(listener, node.clone(), stop.clone())), node, stop, lock })
    }
}

fn profile(dir: &std::path::Path) -> Paths {
    let flags = Flags::from([("KIRC_DATA_DIR", dir.to_str().unwrap().to_owned())]);
    let config = Config::resolve(Sources::new(flags, Default::default())).unwrap();
    crate::config::make_private_dir(&config.paths.profile()).unwrap();
    config.paths
}

async fn join(paths: &Paths, name: &'static str) -> Link {
    let starter = EchoStarter { name, paths: paths.clone(), starts: AtomicUsize::new(0) };
    Link::open(paths, std::sync::Arc::new(starter)).await.unwrap()
}

async fn hear(link: &mut Link) -> Envelope {
    timeout(Duration::from_secs(10), link.session.from_node.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_second_attaches_to_the_first_and_takes_over_when_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let paths = profile(dir.path());
    let mut first = join(&paths, "first").await;
    let mut second = join(&paths, "second").await;
    let mut third = join(&paths, "third").await;
    assert!(first.hosting() && !second.hosting() && !third.hosting());
    for link in [&mut first, &mut second, &mut third] {
        link.session.to_node.send(Envelope::new("HELLO")).await.unwrap();
        assert_eq!(hear(link).await.to.as_deref(), Some("first"));
    }
    second.session.to_node.send(Envelope::new("PING").param("x")).await.unwrap();
    assert_eq!(hear(&mut second).await.params, ["x"]);

    first.close().await;
    let mut names = Vec::new();
    for link in [&mut second, &mut third] {
        let said = hear(link).await;
        assert!(said.meta.contains_key("reattached"), "{said:?}");
        // The link says HELLO again by itself.
        names.push(hear(link).await.to.unwrap());
        link.session.to_node.send(Envelope::new("PING").param("y")).await.unwrap();
        assert_eq!(hear(link).await.params, ["y"]);
    }
    assert_eq!(names[0], names[1], "one of them is the node of both");
    second.close().await;
    third.close().await;
    assert_eq!(holder(&paths.lock()), None);
}

#[tokio::test]
async fn quit_ends_a_guests_session_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let paths = profile(dir.path());
    let first = join(&paths, "first").await;
    let mut second = join(&paths, "second").await;
    second.session.to_node.send(Envelope::new("HELLO")).await.unwrap();
    hear(&mut second).await;
    second.session.to_node.send(Envelope::new("QUIT")).await.unwrap();
    let end = timeout(Duration::from_secs(5), second.session.from_node.recv()).await;
    assert_eq!(end.unwrap(), None);
    second.close().await;
    first.close().await;
}

#[tokio::test]
async fn lines_that_are_no_envelopes_are_answered_and_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let paths = profile(dir.path());
    let host = join(&paths, "node").await;

    let mut rude = connect(&paths.socket()).await.unwrap();
    rude.write_all(b"{\"command\":\"JOIN\",\"to\":\"#net\"}\n").await.unwrap();
    let mut said = String::new();
    rude.read_to_string(&mut said).await.unwrap();
    assert!(said.contains("HELLO first"), "{said}");

    let mut guest = connect(&paths.socket()).await.unwrap();
    let long = format!("{{\"command\":\"{}\"}}\n", "X".repeat(LINE_IN));
    for line in ["{\"command\":\"HELLO\"}\n", "\n", "nonsense\n", long.as_str(), "{\"command\":\"PING\"}\n"] {
        guest.write_all(line.as_bytes()).await.unwrap();
    }
    let mut heard = Vec::new();
    let mut read = tokio::io::BufReader::new(guest);
    while heard.len() < 4 {
        let next = timeout(Duration::from_secs(5), next_envelope(&mut read)).await;
        heard.push(next.unwrap().unwrap().unwrap().command);
    }
    heard.sort();
    assert_eq!(heard, ["001", "ERROR", "ERROR", "PING"]);
    host.close().await;
}

#[tokio::test]
async fn a_lock_without_a_socket_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let paths = profile(dir.path());
    let _lock = try_lock(&paths.lock()).unwrap().unwrap();
    let error = take_seat(&paths).await.unwrap_err().to_string();
    assert!(error.contains("does not answer") && error.contains(&std::process::id().to_string()), "{error}");
}
