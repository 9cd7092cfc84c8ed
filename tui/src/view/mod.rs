//! The screen as a function of the state.
//!
//! Owns: layout. Must not: change the model, send, or remember anything outside the view state.
mod ambiguous_width;
mod bars;
mod input;
mod layer;
mod lists;
mod row;
mod scrollback;
mod state;

pub use bars::title;
pub use state::ViewState;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

use crate::model::Model;
use crate::model::Place;
use crate::theme::Theme;
use crate::update::Drawn;

/// Below this width the nick list goes.
const NICKS_FROM: u16 = 60;
/// Below this width the buffer list becomes a line.
const BUFFERS_FROM: u16 = 50;

/// Draws everything, and tells what it found out.
pub fn view(model: &Model, state: &mut ViewState, theme: Theme, frame: &mut Frame<'_>) -> Drawn {
    let area = frame.area();
    if area.width < 4 || area.height < 3 {
        return Drawn::default();
    }
    let narrow = area.width < BUFFERS_FROM;
    let input = input::height(model, area.width).min(area.height / 3).max(1);
    let parts = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(u16::from(narrow && area.height >= 6)),
        Constraint::Length(1),
        Constraint::Length(input),
    ]);
    let [top, middle, activity, status, line] = parts.areas(area);
    bars::top(model, theme, frame, top);
    let drawn = middle_part(model, state, theme, frame, middle);
    if activity.height > 0 {
        lists::activity(model, theme, frame, activity);
    }
    bars::status(model, theme, frame, status, drawn.1);
    input::draw(model, theme, frame, line);
    let mut drawn = drawn.0;
    if let Some(top) = model.layers.last() {
        drawn.layer_end = layer::draw(top, theme, frame, middle);
    }
    state.doubtful.settle(frame.buffer_mut());
    drawn
}

fn middle_part(
    model: &Model,
    state: &mut ViewState,
    theme: Theme,
    frame: &mut Frame<'_>,
    area: Rect,
) -> (Drawn, usize) {
    let buffer = model.buffers.current();
    let with_nicks = area.width >= NICKS_FROM && buffer.place == Place::Channel && buffer.joined;
    let with_buffers = area.width >= BUFFERS_FROM;
    let buffers = if !with_buffers {
        0
    } else if area.width >= 100 {
        22
    } else if area.width >= 80 {
        17
    } else {
        14
    };
    let nicks = if !with_nicks {
        0
    } else if area.width >= 100 {
        18
    } else {
        12
    };
    let [left, chat, right] =
        Layout::horizontal([Constraint::Length(buffers), Constraint::Min(1), Constraint::Length(nicks)])
            .areas(area);
    if with_buffers {
        lists::buffers(model, theme, frame, left);
    }
    if with_nicks {
        lists::nicks(model, state, theme, frame, right);
    }
    scrollback::draw(model, state, theme, frame, chat)
}
