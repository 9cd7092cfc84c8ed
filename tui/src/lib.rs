//! kirc-tui: the terminal UI.
//!
//! A state machine and its rendering: `update` takes a key or an envelope and changes the
//! [`model::Model`]; `view` draws it. This crate owns the screen and nothing else. It must not
//! access Kafka, SQL, files or the network: everything it knows arrives as envelopes through a
//! [`Handle`].
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod app;
mod commands;
mod demo;
mod input;
mod keymap;
mod layers;
pub mod model;
mod names;
mod options;
mod terminal;
mod text;
mod theme;
mod update;
mod view;
mod when;

pub use app::App;
pub use demo::{DemoNode, NOW as DEMO_NOW, script as demo_script};
pub use options::{Clock, Options};
pub use terminal::{Nowhere, Outside, restore};

use std::future::Future;
use std::io;

use kirc_core::Envelope;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::EventStream;
use tokio::sync::mpsc;

/// A session with a node: the UI's only source of data.
#[derive(Debug)]
pub struct Handle {
    /// What the session says.
    pub to_node: mpsc::Sender<Envelope>,
    /// What the session hears. If it closes, the node has gone.
    pub from_node: mpsc::Receiver<Envelope>,
}

/// How the UI ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// The user left, or `shutdown` was done.
    Quit,
    /// The node went; the sentence says why, for the user.
    NodeGone(String),
}

/// Why the UI could not go on. The text is a sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// The terminal could not be taken or read.
    #[error("the terminal can't be used: {0}. kirc needs to be started in a terminal")]
    Terminal(#[from] io::Error),
    /// The screen could not be written.
    #[error("the screen can't be drawn: {0}")]
    Draw(String),
}

/// Runs the UI on the real terminal until the user leaves, the node goes, or `shutdown` is done
/// (SIGTERM). It says HELLO itself. The terminal is given back in every case, a panic too, before
/// this returns.
pub async fn run(
    handle: Handle,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<Exit, TuiError> {
    let guard = terminal::Guard::enter()?;
    let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
    let mut app = App::new(terminal, EventStream::new(), handle, &options, Box::new(guard));
    let going_on = tokio::spawn(tell_when_going_on(app.resumed()));
    let ended = async {
        tokio::select! {
            () = shutdown => {}
            () = terminal::gone() => {}
        }
    };
    let exit = app.run(ended).await;
    going_on.abort();
    exit
}

/// Tells whenever the program goes on after it was stopped.
async fn tell_when_going_on(resumed: std::sync::Arc<tokio::sync::Notify>) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let going_on = SignalKind::from_raw(rustix::process::Signal::CONT.as_raw());
        let Ok(mut going_on) = signal(going_on) else { return };
        while going_on.recv().await.is_some() {
            resumed.notify_one();
        }
    }
}

/// Shows fixed data without a network, at a fixed time; answers come from a node made of paper.
pub async fn demo(options: Options) -> Result<(), TuiError> {
    let options = Options { clock: Clock::fixed(demo::NOW), zone: jiff::tz::TimeZone::UTC, ..options };
    let (to_node, mut said) = mpsc::channel::<Envelope>(256);
    let (answers, from_node) = mpsc::channel(1024);
    let paper = async move {
        let mut node = DemoNode::default();
        while let Some(envelope) = said.recv().await {
            for answer in node.answer(&envelope) {
                if answers.send(answer).await.is_err() {
                    return;
                }
            }
        }
    };
    let paper = tokio::spawn(paper);
    let exit = run(Handle { to_node, from_node }, options, told_to_stop()).await;
    paper.abort();
    exit.map(|_| ())
}

/// SIGTERM, for the demonstration; the program has a `shutdown` of its own.
async fn told_to_stop() {
    #[cfg(unix)]
    if let Ok(mut term) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        term.recv().await;
        return;
    }
    std::future::pending().await
}
