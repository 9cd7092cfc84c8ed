//! State changes: one message in, effects out.
//!
//! Owns: every change of the model. Must not: draw, wait, read a clock or touch the terminal.
mod arrive;
mod changes;
mod help;
mod keys;
mod marks;
mod messages;
mod numerics;
mod reports;
mod submit;
mod timers;
pub mod typing;
mod whois;

pub use help::help_page;
pub use timers::next_wake;

use kirc_core::Envelope;
use ratatui::crossterm::event::KeyEvent;

use crate::commands::Context;
use crate::model::{BufferId, History, Kind, Model, Place, What};
use crate::when::Millis;

/// What can happen.
#[derive(Debug, Clone)]
pub enum Message {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal got or lost the focus.
    Focus(bool),
    /// The node says something.
    Envelope(Envelope),
    /// Time has passed.
    Tick,
    /// The screen was drawn.
    Drawn(Drawn),
}

/// What drawing found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drawn {
    /// The buffer on the screen.
    pub buffer: Option<BufferId>,
    /// Rows of scrollback.
    pub page: u16,
    /// The oldest line is on the screen.
    pub at_top: bool,
    /// The newest line is on the screen.
    pub at_bottom: bool,
    /// How far the topmost page can scroll.
    pub layer_end: usize,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Send an envelope to the node.
    Send(Envelope),
    /// Ring.
    Bell,
    /// Draw everything anew.
    Redraw,
    /// Stop the program, as C-z does.
    Suspend,
    /// Leave.
    Quit,
}

/// Changes the state.
pub fn update(model: &mut Model, now: Millis, message: Message) -> Vec<Effect> {
    model.now = model.now.max(now);
    timers::expire(model);
    let mut context = Context::new(model);
    match message {
        Message::Key(key) => keys::key(&mut context, key),
        Message::Paste(text) => keys::paste(&mut context, &text),
        Message::Focus(focused) => context.model.focus = Some(focused),
        Message::Envelope(envelope) => arrive::envelope(&mut context, &envelope),
        Message::Tick => {}
        Message::Drawn(drawn) => seen(&mut context, drawn),
    }
    fetch(&mut context, false);
    context.effects
}

/// The first thing to say to the node.
pub fn hello() -> Envelope {
    let caps = ["state", "typing", "presence", "replay", "status"];
    Envelope::new("HELLO").meta("caps", caps.to_vec())
}

/// Looks at another buffer. The marker of the one that is left has done its work.
pub fn focus(model: &mut Model, id: BufferId) {
    if model.buffers.current_id() == id {
        return;
    }
    let left = model.buffers.current_mut();
    if left.unread == 0 {
        left.marker = None;
    }
    model.completion = None;
    model.buffers.focus(id);
}

/// What stands at the top of the largest past that is shown.
const TOP: &str = "Older lines are kept, but no more are shown at once.";

/// Asks for the past of the present buffer: when it is first looked at, or when more is wanted.
fn fetch(context: &mut Context<'_>, more: bool) {
    let buffer = context.model.buffers.current_mut();
    let wanted = match buffer.history {
        History::Unknown => true,
        History::Known { more: true } => more,
        _ => false,
    };
    if !wanted || buffer.place == Place::Status || !buffer.joined {
        return;
    }
    if buffer.lines.len() >= crate::model::MAX_PAST {
        let at = buffer.lines.get(0).map_or(0, |first| first.at);
        let line = context.model.line_at(at, Kind::Info, vec![TOP.to_owned()]);
        return context.model.buffers.current_mut().lines.insert_first(line);
    }
    let first = buffer.history == History::Unknown;
    buffer.history = History::Asked;
    let id = buffer.id;
    let mut envelope = Envelope::new("HISTORY").to(buffer.name.clone()).meta("limit", 50);
    if !first && let Some(oldest) = buffer.lines.oldest_id() {
        envelope = envelope.param("before").param(oldest);
    }
    context.ask(What::History(id), envelope);
}

/// What was drawn was seen, if the terminal has the focus.
fn seen(context: &mut Context<'_>, drawn: Drawn) {
    context.model.page = drawn.page.max(1);
    if let Some(crate::layers::Layer::Page(page)) = context.model.layers.last_mut() {
        page.scroll = page.scroll.min(drawn.layer_end);
    }
    let attends = context.model.attends();
    let Some(buffer) = drawn.buffer.and_then(|id| context.model.buffers.get_mut(id)) else {
        return;
    };
    buffer.at_bottom = drawn.at_bottom;
    buffer.trim();
    let scrolled_to_top = drawn.at_top && !drawn.at_bottom;
    // What was unread at the start and is not here yet, nobody has seen.
    let shown = buffer.left_off.is_none() || matches!(buffer.history, History::Known { .. });
    if attends && drawn.at_bottom && shown {
        buffer.seen();
        let newest = buffer.lines.newest_id().map(str::to_owned);
        if buffer.is_talk() && newest.is_some() && newest != buffer.marked {
            let mark = Envelope::new("MARKREAD").to(buffer.name.clone());
            let mark = mark.param(newest.clone().unwrap_or_default());
            buffer.marked = newest;
            context.send(mark);
        }
    }
    if scrolled_to_top && drawn.buffer == Some(context.model.buffers.current_id()) {
        fetch(context, true);
    }
}
