//! The input line.
//!
//! Owns: the cursor's position and the visible rows. Must not: edit.
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::model::{Model, Place};
use crate::text::{clean, cut, display_width, wrap};
use crate::theme::{Role, Theme};

/// Rows of input shown at the most.
const MOST: u16 = 6;
const PROMPT: &str = "> ";

/// Rows of text, each with its start in the text.
fn rows(text: &str, width: usize) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        for range in wrap(line, width, width) {
            out.push((start + range.start, line.get(range).unwrap_or_default().to_owned()));
        }
        start += line.len() + 1;
    }
    out
}

fn room(width: u16) -> usize {
    usize::from(width).saturating_sub(PROMPT.len() + 1).max(1)
}

/// Rows that the input takes.
pub(super) fn height(model: &Model, width: u16) -> u16 {
    let n = rows(model.buffers.current().editor.text(), room(width)).len();
    u16::try_from(n).unwrap_or(MOST).min(MOST)
}

/// Draws the input and sets the cursor.
pub(super) fn draw(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let buffer = model.buffers.current();
    let editor = &buffer.editor;
    let rows = rows(editor.text(), room(area.width));
    let cursor_row = rows.iter().rposition(|(start, _)| *start <= editor.cursor()).unwrap_or(0);
    let height = usize::from(area.height.max(1));
    let first = cursor_row.saturating_sub(height - 1).min(rows.len().saturating_sub(height));
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (i, (_, text)) in rows.iter().enumerate().skip(first).take(height) {
        let prompt = if i == 0 { PROMPT } else { "  " };
        lines.push(Line::from(vec![Span::styled(prompt, theme.style(Role::Prompt)), Span::raw(clean(text))]));
    }
    if editor.is_empty()
        && let Some(line) = lines.first_mut()
    {
        let hint = cut(&placeholder(model), room(area.width));
        line.push_span(Span::styled(hint, theme.style(Role::Placeholder)));
    }
    frame.render_widget(Paragraph::new(lines), area);
    let column = rows.get(cursor_row).map_or(0, |(start, _)| {
        display_width(&clean(editor.text().get(*start..editor.cursor()).unwrap_or_default()))
    });
    let x = u16::try_from(column + PROMPT.len()).unwrap_or(u16::MAX).min(area.width.saturating_sub(1));
    let y = u16::try_from(cursor_row - first).unwrap_or(0);
    frame.set_cursor_position(Position::new(area.x + x, area.y + y.min(area.height.saturating_sub(1))));
}

fn placeholder(model: &Model) -> String {
    let buffer = model.buffers.current();
    match buffer.place {
        Place::Status => "/join #channel, /query nick, /help".to_owned(),
        Place::Channel if !buffer.joined => format!("you are not in {0}: /join {0}", buffer.name),
        _ => format!("message to {}", buffer.name),
    }
}
