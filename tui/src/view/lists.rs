//! The lists at the sides, and the line that replaces a list when space is short.
//!
//! Owns: which part of a long list is shown. Must not: sort a list for each frame.
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};

use super::state::{Nicks, ViewState};
use crate::model::{Buffer, Model, Place};
use crate::text::{cut, display_width, pad};
use crate::theme::{Role, Theme};

/// `3`, `3 @1`, or nothing.
fn counts(buffer: &Buffer) -> String {
    match (buffer.unread, buffer.mentions) {
        (0, 0) => String::new(),
        (n, 0) => short(n),
        (n, m) if n == m => format!("@{}", short(m)),
        (n, m) => format!("{} @{}", short(n), short(m)),
    }
}

fn short(n: u32) -> String {
    if n > 999 { "1k+".to_owned() } else { n.to_string() }
}

fn name(model: &Model, buffer: &Buffer) -> String {
    let out = match buffer.place {
        Place::Channel => !buffer.joined,
        Place::Direct => model.people.is_away(&buffer.name),
        Place::Status => false,
    };
    if out { format!("({})", buffer.name) } else { buffer.name.clone() }
}

fn role(model: &Model, buffer: &Buffer) -> Role {
    if buffer.id == model.buffers.current_id() {
        Role::Current
    } else if buffer.mentions > 0 {
        Role::UnreadMention
    } else if buffer.unread > 0 {
        Role::Unread
    } else {
        Role::Dim
    }
}

/// The buffer list.
pub(super) fn buffers(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let block = Block::new().borders(Borders::RIGHT).border_style(theme.style(Role::Frame));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let width = usize::from(inner.width);
    let height = usize::from(inner.height);
    let all: Vec<&Buffer> = model.buffers.visible().collect();
    let current = all.iter().position(|b| b.id == model.buffers.current_id()).unwrap_or(0);
    let first = window(current, all.len(), height);
    let mut rows = Vec::new();
    for (i, buffer) in all.iter().enumerate().skip(first).take(height) {
        let counts = counts(buffer);
        let here = if buffer.id == model.buffers.current_id() { '>' } else { ' ' };
        let number = if i < 9 { format!("{here}{} ", i + 1) } else { format!("{here}  ") };
        let tail = if counts.is_empty() { String::new() } else { format!(" {counts} ") };
        let room = width.saturating_sub(display_width(&number) + display_width(&tail));
        let style = theme.style(role(model, buffer));
        rows.push(Line::from(vec![
            Span::styled(number, style),
            Span::styled(pad(&name(model, buffer), room), style),
            Span::styled(tail, style),
        ]));
    }
    frame.render_widget(Paragraph::new(rows), inner);
}

/// The first row to show so that `at` is among them.
fn window(at: usize, len: usize, height: usize) -> usize {
    at.saturating_sub(height / 2).min(len.saturating_sub(height))
}

/// The nick list.
pub(super) fn nicks(model: &Model, state: &mut ViewState, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let buffer = model.buffers.current();
    let fresh = state.nicks.as_ref().is_some_and(|n| n.buffer == buffer.id && n.rev == buffer.members.rev);
    if !fresh {
        let names = buffer.members.sorted().iter().map(|m| (m.rank(), m.nick.clone())).collect();
        state.nicks = Some(Nicks { buffer: buffer.id, rev: buffer.members.rev, names });
    }
    let block = Block::new().borders(Borders::LEFT).border_style(theme.style(Role::Frame));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let Some(nicks) = &state.nicks else {
        return;
    };
    let height = usize::from(inner.height);
    let width = usize::from(inner.width);
    let more = nicks.names.len() > height;
    let shown = if more { height.saturating_sub(1) } else { height };
    let mut rows: Vec<Line<'_>> = nicks
        .names
        .iter()
        .take(shown)
        .map(|(rank, nick)| {
            let away = model.people.is_away(nick);
            let name = if away { format!("({nick})") } else { nick.clone() };
            let style = if away {
                theme.style(Role::Dim)
            } else if crate::names::same(nick, &model.me) {
                theme.style(Role::OwnNick)
            } else {
                theme.nick(nick)
            };
            Line::from(vec![
                Span::styled(rank.map_or(" ".to_owned(), String::from), theme.style(Role::Rank)),
                Span::styled(cut(&name, width.saturating_sub(1)), style),
            ])
        })
        .collect();
    if more {
        rows.push(Line::styled(format!(" and {} more", nicks.names.len() - shown), theme.style(Role::Dim)));
    }
    frame.render_widget(Paragraph::new(rows), inner);
}

/// One line for a narrow screen: the present buffer, then those with something unread, then the
/// others.
pub(super) fn activity(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width);
    let mut all: Vec<(usize, &Buffer)> = model.buffers.visible().enumerate().collect();
    all.sort_by_key(|(i, b)| {
        let here = b.id == model.buffers.current_id();
        (!here, b.mentions == 0, b.unread == 0, *i)
    });
    let mut spans = Vec::new();
    let mut used = 0;
    let total = all.len();
    for (done, (i, buffer)) in all.into_iter().enumerate() {
        let here = buffer.id == model.buffers.current_id();
        let counts = counts(buffer);
        let tail = if counts.is_empty() { counts } else { format!(" {counts}") };
        let number = if i < 9 { format!("{} ", i + 1) } else { String::new() };
        let text =
            format!("{}{number}{}{tail} ", if here { ">" } else { " " }, cut(&name(model, buffer), 12));
        if used + display_width(&text) + 4 > width {
            let rest = format!(" +{}", total - done);
            spans.push(Span::styled(rest, theme.style(Role::Dim)));
            break;
        }
        used += display_width(&text);
        spans.push(Span::styled(text, theme.style(role(model, buffer))));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}
