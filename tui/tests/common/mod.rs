//! The whole UI without a terminal and without a node: keys in by one channel, envelopes by
//! another, the screen read.
#![allow(dead_code)] // Each test file uses a part of it.

use futures_util::Stream;
use kirc_core::Envelope;
use kirc_tui::{App, Clock, DEMO_NOW, DemoNode, Exit, Handle, Options, Outside};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use unicode_width::UnicodeWidthStr;

type Events = Box<dyn Stream<Item = io::Result<Event>> + Unpin>;

/// What the UI did to the terminal besides drawing.
#[derive(Default, Clone)]
pub struct Outer(pub Arc<Mutex<(String, usize)>>, pub Arc<AtomicUsize>);

impl Outside for Outer {
    fn title(&mut self, title: &str) {
        self.0.lock().unwrap().0 = title.to_owned();
    }
    fn bell(&mut self) {
        self.0.lock().unwrap().1 += 1;
    }
    fn suspend(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
    fn resume(&mut self) -> io::Result<()> {
        self.1.fetch_add(100, Ordering::SeqCst);
        Ok(())
    }
}

pub struct Rig {
    pub app: App<TestBackend, Events>,
    pub clock: Clock,
    pub outer: Outer,
    pub exit: Option<Exit>,
    keys: mpsc::UnboundedSender<Event>,
    node: Option<mpsc::Sender<Envelope>>,
    heard: mpsc::Receiver<Envelope>,
    paper: Option<DemoNode>,
}

impl Rig {
    pub fn new(width: u16, height: u16) -> Self {
        Self::with(width, height, |_| {})
    }

    pub fn with(width: u16, height: u16, change: impl FnOnce(&mut Options)) -> Self {
        let (to_node, heard) = mpsc::channel(1024);
        let (node, from_node) = mpsc::channel(1024);
        #[allow(clippy::disallowed_methods)] // The test itself bounds how many keys it presses.
        let (keys, mut pressed) = mpsc::unbounded_channel();
        let events: Events =
            Box::new(futures_util::stream::poll_fn(move |cx| pressed.poll_recv(cx).map(|e| e.map(Ok))));
        let clock = Clock::fixed(DEMO_NOW);
        let mut options = Options { clock: clock.clone(), ..Options::default() };
        change(&mut options);
        let terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let outer = Outer::default();
        let handle = Handle { to_node, from_node };
        let app = App::new(terminal, events, handle, &options, Box::new(outer.clone()));
        Self { app, clock, outer, exit: None, keys, node: Some(node), heard, paper: None }
    }

    /// The demonstration, with its paper node.
    pub async fn demo(width: u16, height: u16) -> Self {
        let mut rig = Self::new(width, height);
        rig.paper = Some(DemoNode::default());
        rig.settle().await;
        rig
    }

    /// Until nothing happens any more; the paper node, if there is one, answers.
    pub async fn settle(&mut self) {
        loop {
            if let Some(exit) = self.app.settle().await.unwrap() {
                self.exit = Some(exit);
                return;
            }
            let Some(paper) = &mut self.paper else {
                return;
            };
            let mut asked = Vec::new();
            while let Ok(envelope) = self.heard.try_recv() {
                asked.push(envelope);
            }
            if asked.is_empty() {
                return;
            }
            for answer in asked.iter().flat_map(|a| paper.answer(a)).collect::<Vec<_>>() {
                self.node.as_ref().unwrap().send(answer).await.unwrap();
            }
        }
    }

    /// Time passes.
    pub async fn wait(&mut self, millis: u64) {
        self.clock.advance(millis);
        self.app.tick();
        self.settle().await;
    }

    /// The node says something.
    pub async fn says(&mut self, envelope: Envelope) {
        self.node.as_ref().unwrap().send(envelope).await.unwrap();
        self.settle().await;
    }

    /// The node says something; what becomes of it is looked at later.
    pub async fn send(&mut self, envelope: Envelope) {
        let node = self.node.clone().unwrap();
        while node.try_send(envelope.clone()).is_err() {
            self.settle().await;
        }
    }

    /// The node goes.
    pub async fn node_goes(&mut self) {
        self.node = None;
        self.settle().await;
    }

    /// What the UI has said to the node.
    pub fn heard(&mut self) -> Vec<Envelope> {
        let mut out = Vec::new();
        while let Ok(envelope) = self.heard.try_recv() {
            out.push(envelope);
        }
        out
    }

    /// The last envelope of a command that the UI has said.
    pub fn heard_last(&mut self, command: &str) -> Envelope {
        let heard = self.heard();
        let found = heard.iter().rev().find(|e| e.command == command).cloned();
        found.unwrap_or_else(|| panic!("no {command} in {heard:?}"))
    }

    pub async fn event(&mut self, event: Event) {
        self.keys.send(event).unwrap();
        self.settle().await;
    }

    pub async fn paste(&mut self, text: &str) {
        self.event(Event::Paste(text.to_owned())).await;
    }

    /// Types text; `\n` is Enter.
    pub async fn types(&mut self, text: &str) {
        for c in text.chars() {
            let code = if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) };
            self.keys.send(Event::Key(KeyEvent::new(code, KeyModifiers::NONE))).unwrap();
        }
        self.settle().await;
    }

    /// Presses keys by name, as `C-a M-1 PageUp`.
    pub async fn press(&mut self, chords: &str) {
        for chord in chords.split(' ') {
            let (modifiers, name) = match chord.split_once('-') {
                Some(("C", n)) => (KeyModifiers::CONTROL, n),
                Some(("M", n)) => (KeyModifiers::ALT, n),
                _ => (KeyModifiers::NONE, chord),
            };
            let code = match name {
                "Enter" => KeyCode::Enter,
                "Tab" => KeyCode::Tab,
                "Esc" => KeyCode::Esc,
                "Up" => KeyCode::Up,
                "Down" => KeyCode::Down,
                "Left" => KeyCode::Left,
                "Right" => KeyCode::Right,
                "PageUp" => KeyCode::PageUp,
                "PageDown" => KeyCode::PageDown,
                "Backspace" => KeyCode::Backspace,
                "F1" => KeyCode::F(1),
                n => KeyCode::Char(n.chars().next().unwrap()),
            };
            self.event(Event::Key(KeyEvent::new(code, modifiers))).await;
        }
    }

    pub fn buffer(&self) -> &Buffer {
        self.app.terminal().backend().buffer()
    }

    /// The screen as text, rows without the spaces at their ends.
    pub fn screen(&self) -> String {
        let buffer = self.buffer();
        let rows = buffer.content().chunks(usize::from(buffer.area.width)).map(row);
        rows.collect::<Vec<_>>().join("\n")
    }

    /// The last row: the input.
    pub fn input(&self) -> String {
        self.screen().lines().last().unwrap().to_owned()
    }

    /// The first row that has `text` in it.
    pub fn row_of(&self, text: &str) -> String {
        let screen = self.screen();
        screen
            .lines()
            .find(|l| l.contains(text))
            .unwrap_or_else(|| panic!("no {text:?} in\n{screen}"))
            .to_owned()
    }

    pub fn shows(&self, text: &str) -> bool {
        self.screen().contains(text)
    }

    /// The cell where `text` starts.
    pub fn cell_of(&self, text: &str) -> Cell {
        let buffer = self.buffer();
        for y in 0..buffer.area.height {
            for x in 0..buffer.area.width {
                let tail: String = (x..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
                if tail.starts_with(text) {
                    return buffer[(x, y)].clone();
                }
            }
        }
        panic!("no {text:?} in\n{}", self.screen());
    }
}

fn row(cells: &[Cell]) -> String {
    let mut out = String::new();
    let mut skip = 0;
    for cell in cells {
        if skip > 0 {
            skip -= 1;
            continue;
        }
        out.push_str(cell.symbol());
        skip = cell.symbol().width().saturating_sub(1);
    }
    out.trim_end().to_owned()
}

/// A message that is settled.
pub fn said(from: &str, to: &str, seq: u64, text: &str) -> Envelope {
    let mut envelope =
        Envelope::new("PRIVMSG").from(from).to(to).line(text).meta("seq", seq).meta("state", "sent");
    envelope.id = Some(format!("id-{seq}"));
    envelope.ts = Some("2026-11-21T10:57:00.000Z".to_owned());
    envelope
}
