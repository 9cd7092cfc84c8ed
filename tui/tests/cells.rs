//! What stands on a terminal that takes other widths for a grapheme than the program does. tmux
//! gives each half of a flag a cell of its own and a skin tone two more, and so does the terminal
//! of this test.
mod common;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use kirc_core::Envelope;
use kirc_tui::{App, Clock, DEMO_NOW, Handle, Options};
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use tokio::sync::mpsc;

const WIDTH: u16 = 80;
const HEIGHT: u16 = 24;

/// A terminal in memory.
#[derive(Clone)]
struct Paper(Arc<Mutex<vt100::Parser>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().process(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn rows(&self) -> Vec<String> {
        self.0.lock().unwrap().screen().rows(0, WIDTH).map(|row| row.trim_end().to_owned()).collect()
    }

    fn input(&self) -> String {
        self.rows().pop().unwrap()
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

#[tokio::test]
async fn nothing_is_left_of_a_flag_that_goes() {
    let paper = Paper(Arc::new(Mutex::new(vt100::Parser::new(
        HEIGHT.try_into().unwrap(),
        WIDTH.try_into().unwrap(),
        0,
    ))));
    let fixed = TerminalOptions { viewport: Viewport::Fixed(Rect::new(0, 0, WIDTH, HEIGHT)) };
    let terminal = Terminal::with_options(CrosstermBackend::new(paper.clone()), fixed).unwrap();
    let (to_node, _heard) = mpsc::channel(1_024);
    let (node, from_node) = mpsc::channel(1_024);
    let (keys, mut pressed) = mpsc::channel(1_024);
    let events = Box::pin(futures_util::stream::poll_fn(move |cx| pressed.poll_recv(cx).map(|e| e.map(Ok))));
    let options = Options { clock: Clock::fixed(DEMO_NOW), ..Options::default() };
    let outer = Box::new(common::Outer::default());
    let mut app = App::new(terminal, events, Handle { to_node, from_node }, &options, outer);
    app.settle().await.unwrap();
    node.send(Envelope::new("001").to("alice")).await.unwrap();
    node.send(Envelope::new("JOIN").from("alice").to("#net")).await.unwrap();
    app.settle().await.unwrap();

    let plain = KeyModifiers::NONE;
    let typed = |text: &str| -> Vec<Event> { text.chars().map(|c| key(KeyCode::Char(c), plain)).collect() };
    for (text, rubbed, left) in
        [("🇷🇺 🇩🇪🇫🇷", 1, "🇷🇺 🇩🇪"), ("👍🏽", 0, "👍"), ("👍🏽👍🏽 so", 3, "👍👍"), ("🇷🇺🇩🇪 ab", 4, "🇷🇺")]
    {
        for event in typed(text) {
            keys.send(event).await.unwrap();
        }
        app.settle().await.unwrap();
        for _ in 0..rubbed {
            keys.send(key(KeyCode::Backspace, plain)).await.unwrap();
        }
        app.settle().await.unwrap();
        assert_eq!(paper.input(), format!("> {left}"), "{text} without {rubbed}");
        keys.send(key(KeyCode::Char('u'), KeyModifiers::CONTROL)).await.unwrap();
        app.settle().await.unwrap();
        assert_eq!(paper.input(), "> message to #net");
    }

    // What is said, scrolled away and cleared leaves nothing either.
    for (n, text) in ["🇷🇺", "🇩🇪 🇫🇷 flags", "👍🏽", "x", "🇷🇺🇷🇺🇷🇺"].into_iter().enumerate()
    {
        let said = Envelope::new("PRIVMSG").from("bob").to("#net").line(text).meta("seq", n as u64 + 1);
        node.send(Envelope { id: Some(format!("id-{n}")), ..said }).await.unwrap();
        app.settle().await.unwrap();
    }
    let shown = paper.rows().concat();
    assert!(shown.contains("🇩🇪 🇫🇷 flags") && !shown.contains('🏽'), "{shown}");
    for event in typed("/clear").into_iter().chain([key(KeyCode::Enter, plain)]) {
        keys.send(event).await.unwrap();
    }
    app.settle().await.unwrap();
    let kept = paper.rows();
    let halves = kept.iter().flat_map(|row| row.chars()).filter(|c| ('🇦'..='🇿').contains(c) || *c == '🏽');
    assert_eq!(halves.count(), 0, "{kept:#?}");
}
