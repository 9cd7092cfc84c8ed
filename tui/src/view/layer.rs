//! Overlays, drawn over the middle of the screen; the input line stays visible.
//!
//! Owns: their boxes. Must not: decide their content.
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph};

use crate::layers::{Confirm, Layer, Page, Row};
use crate::text::{cut, display_width, pad, wrap};
use crate::theme::{Role, Theme};

/// Draws an overlay; tells how far it can scroll.
pub(super) fn draw(layer: &Layer, theme: Theme, frame: &mut Frame<'_>, area: Rect) -> usize {
    match layer {
        Layer::Page(page) => draw_page(page, theme, frame, area),
        Layer::Confirm(confirm) => {
            draw_confirm(confirm, theme, frame, area);
            0
        }
    }
}

fn boxed(
    title: &str,
    foot: &str,
    width: u16,
    height: u16,
    theme: Theme,
    frame: &mut Frame<'_>,
    area: Rect,
) -> Rect {
    let width = width.min(area.width);
    let height = height.min(area.height);
    let place =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    let room = usize::from(width).saturating_sub(4);
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.style(Role::LayerFrame))
        .title(Span::styled(format!(" {} ", cut(title, room)), theme.style(Role::LayerTitle)))
        .title_bottom(Line::styled(format!(" {} ", cut(foot, room)), theme.style(Role::Dim)).right_aligned());
    let inner = block.inner(place);
    // A wide cell that the box cuts in half must not reach into it: the column beside it is cleared
    // as well.
    let around = Rect {
        x: place.x.saturating_sub(1),
        width: (place.width + 2).min(area.right() - place.x.saturating_sub(1)),
        ..place
    };
    frame.render_widget(Clear, around.intersection(area));
    frame.render_widget(block, place);
    Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
}

fn draw_page(page: &Page, theme: Theme, frame: &mut Frame<'_>, area: Rect) -> usize {
    let width = u16::try_from(natural(page)).unwrap_or(u16::MAX).clamp(40, 84).min(area.width);
    let room = usize::from(width).saturating_sub(4).max(1);
    let mut rows: Vec<Line<'static>> = Vec::new();
    // The screen row at which each row of the page starts.
    let mut starts = Vec::new();
    let left = left_column(page, room);
    for (i, row) in page.rows.iter().enumerate() {
        starts.push(rows.len());
        rows.extend(lines(row, room, left, page.chosen == Some(i), theme));
    }
    let all = rows.len();
    let height = u16::try_from(all + 2).unwrap_or(u16::MAX).min(area.height);
    let shown = usize::from(height.saturating_sub(2)).max(1);
    let end = all.saturating_sub(shown);
    let first = match page.chosen {
        Some(at) => starts.get(at).copied().unwrap_or(0).saturating_sub(shown / 2),
        None => page.scroll,
    }
    .min(end);
    let foot = match (page.chosen.is_some(), end > 0) {
        (true, _) => "Up/Down choose · Enter joins · Esc".to_owned(),
        (false, true) => format!("Up/Down scroll · {}% · Esc", (first + shown) * 100 / all.max(1)),
        (false, false) => "Esc closes".to_owned(),
    };
    let inner = boxed(&page.title, &foot, width, height, theme, frame, area);
    let visible: Vec<Line<'static>> = rows.into_iter().skip(first).take(shown).collect();
    frame.render_widget(Paragraph::new(visible), inner);
    end
}

/// The width at which nothing of a page would have to wrap.
fn natural(page: &Page) -> usize {
    let left = left_column(page, 80);
    let rows = page.rows.iter().map(|r| match r {
        Row::Gap => 0,
        Row::Head(text) | Row::Text(text) | Row::Strong(text) => display_width(text),
        Row::Pair(_, text) => left + 2 + display_width(text),
        Row::Channel(_, text) => left + 4 + display_width(text),
    });
    rows.max().unwrap_or(0).max(display_width(&page.title) + 2) + 4
}

/// The width of the left column of pairs.
fn left_column(page: &Page, room: usize) -> usize {
    let most = page
        .rows
        .iter()
        .filter_map(|r| match r {
            Row::Pair(name, _) | Row::Channel(name, _) => Some(display_width(name)),
            _ => None,
        })
        .max()
        .unwrap_or(0);
    most.min(room * 9 / 20)
}

fn lines(row: &Row, room: usize, left: usize, chosen: bool, theme: Theme) -> Vec<Line<'static>> {
    let plain = |text: &str, role: Role| -> Vec<Line<'static>> {
        let rows = wrap(text, room, room);
        rows.into_iter()
            .map(|r| Line::styled(text.get(r).unwrap_or_default().to_owned(), theme.style(role)))
            .collect()
    };
    match row {
        Row::Gap => vec![Line::default()],
        Row::Head(text) => plain(text, Role::Head),
        Row::Text(text) => plain(text, Role::Text),
        Row::Strong(text) => plain(text, Role::Mention),
        Row::Channel(name, text) => {
            let sign = if chosen { "> " } else { "  " };
            let text = pad(&format!("{sign}{}  {text}", pad(name, left)), room);
            vec![Line::styled(text, theme.style(if chosen { Role::Chosen } else { Role::Text }))]
        }
        Row::Pair(name, value) => pair(name, value, room, left, theme),
    }
}

/// Name and value side by side; a name that is too long stands on a row of its own.
fn pair(name: &str, value: &str, room: usize, left: usize, theme: Theme) -> Vec<Line<'static>> {
    let key = theme.style(Role::Key);
    let mut out = Vec::new();
    let own_row = display_width(name) > left;
    if own_row {
        let rows = wrap(name, room, room);
        out.extend(rows.into_iter().map(|r| Line::styled(name.get(r).unwrap_or_default().to_owned(), key)));
    }
    let width = room.saturating_sub(left + 2).max(1);
    for range in wrap(value, width, width) {
        let first = out.is_empty();
        let head = if first { pad(name, left) } else { " ".repeat(left) };
        out.push(Line::from(vec![
            Span::styled(format!("{head}  "), key),
            Span::styled(value.get(range).unwrap_or_default().to_owned(), theme.style(Role::Text)),
        ]));
    }
    out
}

fn draw_confirm(confirm: &Confirm, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let width = area.width.min(64);
    let room = usize::from(width).saturating_sub(4).max(1);
    let mut rows: Vec<Line<'static>> = Vec::new();
    for text in &confirm.text {
        rows.push(Line::styled(cut(text, room), theme.style(Role::Text)));
    }
    rows.push(Line::default());
    rows.push(Line::from(vec![
        Span::styled("y", theme.style(Role::Key)),
        Span::raw(" yes    "),
        Span::styled("n", theme.style(Role::Key)),
        Span::raw(" no"),
    ]));
    let height = u16::try_from(rows.len() + 2).unwrap_or(u16::MAX);
    let inner = boxed(&confirm.title, "y or n", width, height, theme, frame, area);
    frame.render_widget(Paragraph::new(rows), inner);
}
