//! The driver: waits for the next event, passes it to `update`, carries out effects, draws.
//!
//! Owns: waiting and the frame rate. Must not: make decisions. It is generic over screen and
//! events, so that a test can run the whole program without a terminal.
use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, Stream, StreamExt as _};
use kirc_core::Envelope;
use ratatui::Terminal;
use ratatui::backend::{Backend, ClearType};
use ratatui::crossterm::event::Event;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::model::Model;
use crate::options::{Clock, Options};
use crate::terminal::Outside;
use crate::theme::Theme;
use crate::update::{Effect, Message, hello, next_wake, update};
use crate::view::{ViewState, title, view};
use crate::{Exit, Handle, TuiError};

/// The least time between two frames.
const FRAME: Duration = Duration::from_millis(16);
/// Envelopes taken in before a frame is drawn.
const BATCH: usize = 256;
/// Envelopes that may wait for a node that does not take them.
const MAX_WAITING: usize = 10_000;

/// The whole UI, on any screen, with any source of events.
pub struct App<B: Backend, S> {
    terminal: Terminal<B>,
    events: S,
    handle: Handle,
    outside: Box<dyn Outside + Send>,
    clock: Clock,
    theme: Theme,
    model: Model,
    state: ViewState,
    outbox: VecDeque<Envelope>,
    said: String,
    titled: String,
    dirty: bool,
    ring: bool,
    last_frame: Option<Instant>,
    resumed: Arc<Notify>,
}

enum Happened {
    Terminal(Option<std::io::Result<Event>>),
    Node(usize, Vec<Envelope>),
    Sent(bool),
    Wake,
    Frame,
    Resumed,
}

impl<B, S> App<B, S>
where
    B: Backend,
    S: Stream<Item = std::io::Result<Event>> + Unpin,
{
    /// A UI that has said HELLO and drawn nothing yet.
    pub fn new(
        terminal: Terminal<B>,
        events: S,
        handle: Handle,
        options: &Options,
        outside: Box<dyn Outside + Send>,
    ) -> Self {
        Self {
            terminal,
            events,
            handle,
            outside,
            clock: options.clock.clone(),
            theme: Theme::new(options.mono),
            model: Model::new(options),
            state: ViewState::default(),
            outbox: VecDeque::from([hello()]),
            said: String::new(),
            titled: String::new(),
            dirty: true,
            ring: false,
            last_frame: None,
            resumed: Arc::default(),
        }
    }

    /// To be told when the program goes on after it was stopped.
    pub fn resumed(&self) -> Arc<Notify> {
        self.resumed.clone()
    }

    /// The state, to look at.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The screen, to look at.
    pub fn terminal(&self) -> &Terminal<B> {
        &self.terminal
    }

    /// Runs until the user leaves, the node goes, or `shutdown` is done.
    pub async fn run(&mut self, shutdown: impl Future<Output = ()>) -> Result<Exit, TuiError> {
        tokio::pin!(shutdown);
        self.draw()?;
        loop {
            let happened = tokio::select! {
                biased;
                () = &mut shutdown => {
                    self.last_words();
                    return Ok(Exit::Quit);
                }
                happened = self.next() => happened,
            };
            if let Some(exit) = self.take(happened)? {
                self.last_words();
                return Ok(exit);
            }
        }
    }

    /// Takes in all that has come, draws, and returns without waiting. For tests.
    pub async fn settle(&mut self) -> Result<Option<Exit>, TuiError> {
        loop {
            tokio::task::yield_now().await;
            self.last_frame = None;
            if self.dirty {
                self.draw()?;
            }
            let Some(happened) = self.next().now_or_never() else {
                return Ok(None);
            };
            if let Some(exit) = self.take(happened)? {
                self.last_words();
                return Ok(Some(exit));
            }
        }
    }

    /// Tells the model that time has passed, as a timer would. For tests with a fixed clock.
    pub fn tick(&mut self) {
        self.update(Message::Tick);
    }

    /// Waits for the next thing. Nothing is lost if the wait is given up.
    async fn next(&mut self) -> Happened {
        let frame = self.dirty.then(|| self.last_frame.map_or_else(Instant::now, |t| t + FRAME));
        let wake = self.wake();
        let mut envelopes = Vec::new();
        tokio::select! {
            biased;
            () = self.resumed.notified() => Happened::Resumed,
            event = self.events.next() => Happened::Terminal(event),
            permit = self.handle.to_node.reserve(), if !self.outbox.is_empty() => match permit {
                Ok(permit) => {
                    if let Some(envelope) = self.outbox.pop_front() {
                        permit.send(envelope);
                    }
                    Happened::Sent(true)
                }
                Err(_) => Happened::Sent(false),
            },
            () = sleep_until(frame.unwrap_or_else(Instant::now)), if frame.is_some() => Happened::Frame,
            n = self.handle.from_node.recv_many(&mut envelopes, BATCH) => Happened::Node(n, envelopes),
            () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => Happened::Wake,
        }
    }

    fn wake(&self) -> Option<Instant> {
        let at = next_wake(&self.model)?;
        let left = at.saturating_sub(self.clock.now()).max(10);
        Some(Instant::now() + Duration::from_millis(left))
    }

    fn take(&mut self, happened: Happened) -> Result<Option<Exit>, TuiError> {
        match happened {
            Happened::Frame => {
                self.draw()?;
                return Ok(None);
            }
            Happened::Resumed => {
                self.outside.resume()?;
                self.wipe();
                self.titled.clear();
                self.dirty = true;
            }
            Happened::Wake => return Ok(self.update(Message::Tick)),
            Happened::Sent(true) => return Ok(None),
            Happened::Sent(false) | Happened::Node(0, _) => return Ok(Some(self.node_gone())),
            Happened::Node(_, envelopes) => {
                for envelope in envelopes {
                    if envelope.command == "ERROR"
                        && let Some(line) = envelope.lines().first()
                    {
                        self.said = crate::text::clean(line);
                    }
                    self.update(Message::Envelope(envelope));
                }
            }
            Happened::Terminal(None) => return Ok(Some(Exit::Quit)),
            Happened::Terminal(Some(Err(error))) => return Err(TuiError::Terminal(error)),
            Happened::Terminal(Some(Ok(event))) => return Ok(self.event(event)),
        }
        Ok(None)
    }

    fn event(&mut self, event: Event) -> Option<Exit> {
        match event {
            Event::Key(key) => self.update(Message::Key(key)),
            Event::Paste(text) => self.update(Message::Paste(text)),
            Event::FocusGained => self.update(Message::Focus(true)),
            Event::FocusLost => self.update(Message::Focus(false)),
            Event::Resize(..) => {
                self.dirty = true;
                None
            }
            Event::Mouse(_) => None,
        }
    }

    fn update(&mut self, message: Message) -> Option<Exit> {
        let effects = update(&mut self.model, self.clock.now(), message);
        self.dirty = true;
        let mut exit = None;
        for effect in effects {
            match effect {
                Effect::Send(envelope) => self.send(envelope),
                Effect::Bell => self.ring = true,
                Effect::Redraw => self.wipe(),
                Effect::Suspend => self.outside.suspend(),
                Effect::Quit => exit = Some(Exit::Quit),
            }
        }
        exit
    }

    /// Nothing is on the screen: the next frame draws everything. `Terminal::clear` would ask the
    /// terminal where the cursor is, and where the answer does not come in time it leaves the old
    /// frame in mind.
    fn wipe(&mut self) {
        // What goes wrong here goes wrong again, and is reported, with the next frame.
        let _ = self.terminal.backend_mut().clear_region(ClearType::All);
        // After a frame the buffer in front is empty; now the one behind is, too.
        self.terminal.swap_buffers();
    }

    fn send(&mut self, envelope: Envelope) {
        if self.outbox.len() < MAX_WAITING {
            self.outbox.push_back(envelope);
        } else if !matches!(envelope.command.as_str(), "TYPING" | "MARKREAD") {
            let text =
                format!("{MAX_WAITING} things wait for the node, which takes none: this was not done.");
            let here = self.model.buffers.current_id();
            self.model.tell(here, crate::model::Kind::Error, text);
        }
    }

    fn draw(&mut self) -> Result<(), TuiError> {
        let (model, state, theme) = (&self.model, &mut self.state, self.theme);
        let mut drawn = crate::update::Drawn::default();
        self.terminal
            .draw(|frame| drawn = view(model, state, theme, frame))
            .map_err(|e| TuiError::Draw(e.to_string()))?;
        self.dirty = false;
        self.last_frame = Some(Instant::now());
        let before = (self.model.unread(), self.model.buffers.current().history);
        let effects = update(&mut self.model, self.clock.now(), Message::Drawn(drawn));
        for effect in effects {
            if let Effect::Send(envelope) = effect {
                self.send(envelope);
            }
        }
        self.dirty = before != (self.model.unread(), self.model.buffers.current().history);
        // However many named the user since the last frame, it rings once.
        if std::mem::take(&mut self.ring) {
            self.outside.bell();
        }
        let title = title(&self.model);
        if title != self.titled {
            self.outside.title(&title);
            self.titled = title;
        }
        Ok(())
    }

    fn node_gone(&self) -> Exit {
        let why = if self.said.is_empty() {
            "the node has ended the session".to_owned()
        } else {
            self.said.clone()
        };
        Exit::NodeGone(why)
    }

    /// What still waits to be said, as far as it is taken at once.
    fn last_words(&mut self) {
        while let Some(envelope) = self.outbox.pop_front() {
            if self.handle.to_node.try_send(envelope).is_err() {
                return;
            }
        }
    }
}
