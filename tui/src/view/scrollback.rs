//! The lines of the active buffer.
//!
//! Owns: which of them are visible. Must not: lay out more than those.
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line as Text, Span};
use ratatui::widgets::Paragraph;

use super::row::{self, Columns};
use super::state::ViewState;
use crate::model::{Buffer, History, Model};
use crate::text::display_width;
use crate::theme::{Role, Theme};
use crate::update::Drawn;
use crate::when;

/// Columns that stay free at the right, so that text does not run into the nick list.
const MARGIN: u16 = 1;

/// Draws, and tells what is on the screen and how many lines are below it.
pub(super) fn draw(
    model: &Model,
    state: &mut ViewState,
    theme: Theme,
    frame: &mut Frame<'_>,
    area: Rect,
) -> (Drawn, usize) {
    let buffer = model.buffers.current();
    let columns = Columns::new(usize::from(area.width.saturating_sub(MARGIN)), buffer.nick_width);
    let height = usize::from(area.height);
    let mut scroll = state.scrolls.get(&buffer.id).copied().unwrap_or_default();
    if scroll.done.bottoms != buffer.scroll.bottoms {
        scroll.anchor = None;
        scroll.done = buffer.scroll;
    }
    let by = buffer.scroll.rows - scroll.done.rows;
    scroll.done = buffer.scroll;
    let mut heights = |i: usize| item_height(model, buffer, state, i, columns);
    let (bottom, at_top) = window(buffer, scroll.anchor, by, height, &mut heights);
    let at_bottom = bottom.is_none();
    let last = buffer.lines.len().saturating_sub(1);
    let (lowest, hidden) = bottom.unwrap_or((last, 0));
    scroll.anchor = bottom.and_then(|(i, cut)| buffer.lines.get(i).map(|l| (l.key, cut)));
    state.scrolls.insert(buffer.id, scroll);

    let mut rows: Vec<Text<'static>> = Vec::new();
    let mut at = lowest;
    while !buffer.lines.is_empty() && rows.len() < height + hidden {
        let mut item = item_rows(model, buffer, at, columns, theme);
        item.append(&mut rows);
        rows = item;
        match at.checked_sub(1) {
            Some(above) => at = above,
            None => break,
        }
    }
    rows.truncate(rows.len().saturating_sub(hidden));
    let first = rows.len().saturating_sub(height);
    let shown: Vec<Text<'static>> = rows.split_off(first);
    // A buffer that does not fill the screen stands at its bottom, by the input.
    let free = height - shown.len();
    let below = Rect {
        y: area.y + u16::try_from(free).unwrap_or(0),
        height: u16::try_from(shown.len()).unwrap_or(0),
        ..area
    };
    frame.render_widget(Paragraph::new(shown), below);
    if free > 0 && buffer.history == History::Asked {
        let note = Text::styled("fetching older lines", theme.style(Role::Dim)).centered();
        frame.render_widget(Paragraph::new(note), Rect { height: 1, ..area });
    }
    let drawn = Drawn { buffer: Some(buffer.id), page: area.height, at_top, at_bottom, layer_end: 0 };
    (drawn, if at_bottom { 0 } else { last - lowest + usize::from(hidden > 0) })
}

/// Where the window's lower edge is after scrolling `by` rows up: a line and how many of its rows
/// are hidden; nothing is the very bottom. And whether the oldest row is inside.
fn window(
    buffer: &Buffer,
    anchor: Option<(u64, usize)>,
    by: i64,
    height: usize,
    heights: &mut dyn FnMut(usize) -> usize,
) -> (Option<(usize, usize)>, bool) {
    let Some(last) = buffer.lines.len().checked_sub(1) else {
        return (None, true);
    };
    let (mut at, mut cut) =
        anchor.and_then(|(key, cut)| buffer.lines.position(key).map(|i| (i, cut))).unwrap_or((last, 0));
    if by > 0 {
        cut = cut.saturating_add(usize::try_from(by).unwrap_or(0));
        while at > 0 && cut >= heights(at) {
            cut -= heights(at);
            at -= 1;
        }
    } else {
        down(&mut at, &mut cut, usize::try_from(-by).unwrap_or(0), last, heights);
    }
    cut = cut.min(heights(at).saturating_sub(1));
    // How many rows there are from here up; if too few, the window goes down until it is filled.
    let mut above = heights(at) - cut;
    let mut top = at;
    while above < height && top > 0 {
        top -= 1;
        above += heights(top);
    }
    let at_top = top == 0 && above <= height;
    if above < height {
        down(&mut at, &mut cut, height - above, last, heights);
    }
    let bottom = (at, cut) != (last, 0);
    (bottom.then_some((at, cut)), at_top)
}

fn down(at: &mut usize, cut: &mut usize, by: usize, last: usize, heights: &mut dyn FnMut(usize) -> usize) {
    let mut left = by;
    loop {
        if left <= *cut {
            *cut -= left;
            return;
        }
        left -= *cut;
        *cut = 0;
        if *at == last {
            return;
        }
        *at += 1;
        *cut = heights(*at);
    }
}

/// What stands above a line: a new day, the read marker.
fn above(model: &Model, buffer: &Buffer, at: usize) -> (Option<String>, bool) {
    let Some(line) = buffer.lines.get(at) else {
        return (None, false);
    };
    let before = at.checked_sub(1).and_then(|i| buffer.lines.get(i));
    let new_day = before.is_none_or(|b| b.day != line.day);
    let day = new_day.then(|| when::day_name(line.day, model.today()));
    (day, buffer.marker == Some(line.key))
}

fn item_height(model: &Model, buffer: &Buffer, state: &mut ViewState, at: usize, columns: Columns) -> usize {
    let Some(line) = buffer.lines.get(at) else {
        return 0;
    };
    let (day, marker) = above(model, buffer, at);
    let own = state.height(line, columns.width, columns.nick, || row::height(line, columns));
    own + usize::from(day.is_some()) + usize::from(marker)
}

fn item_rows(
    model: &Model,
    buffer: &Buffer,
    at: usize,
    columns: Columns,
    theme: Theme,
) -> Vec<Text<'static>> {
    let Some(line) = buffer.lines.get(at) else {
        return Vec::new();
    };
    let (day, marker) = above(model, buffer, at);
    let mut out = Vec::new();
    if let Some(day) = day {
        out.push(rule(&day, '─', columns.width, theme, Role::Day));
    }
    if marker {
        out.push(rule("new", '-', columns.width, theme, Role::Marker));
    }
    out.extend(row::rows(line, columns, theme));
    out
}

fn rule(text: &str, dash: char, width: usize, theme: Theme, role: Role) -> Text<'static> {
    let text = format!(" {} ", crate::text::cut(text, width.saturating_sub(4)));
    let free = width.saturating_sub(display_width(&text));
    let left = free / 2;
    let dashes = |n: usize| std::iter::repeat_n(dash, n).collect::<String>();
    Text::from(Span::styled(format!("{}{text}{}", dashes(left), dashes(free - left)), theme.style(role)))
}
