//! One line of a buffer as rows of the screen.
//!
//! Owns: columns, wrapping and the style of each part. Must not: depend on its position on the
//! screen.
use std::ops::Range;

use ratatui::style::Style;
use ratatui::text::{Line as Text, Span};

use crate::model::{Kind, Line, Move, Namesake, Said, State};
use crate::text::{cut, display_width, wrap};
use crate::theme::{Role, Theme};

/// How the columns lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    /// All of them.
    pub(super) width: usize,
    /// The nick column; 0: the nick stands before the text.
    pub(super) nick: usize,
}

/// `10:50 ` and the sign behind it.
const TIME: usize = 6;

impl Columns {
    /// The columns of a width, for nicks of at most `nick` columns.
    pub(super) fn new(width: usize, nick: usize) -> Self {
        let most = match width {
            0..45 => 0,
            45..60 => 9,
            60..80 => 12,
            _ => 16,
        };
        Self { width, nick: if most == 0 { 0 } else { nick.clamp(4, most) } }
    }

    fn indent(self) -> usize {
        if self.nick == 0 { TIME + 2 } else { TIME + 2 + self.nick + 1 }
    }

    fn text(self) -> usize {
        self.width.saturating_sub(self.indent()).max(1)
    }
}

/// How many rows a line takes.
pub(super) fn height(line: &Line, columns: Columns) -> usize {
    pieces(line, columns).iter().map(|p| p.rows.len()).sum()
}

/// A run of text with its rows.
struct Piece {
    text: String,
    rows: Vec<Range<usize>>,
    kind: PieceKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PieceKind {
    Text,
    Note,
}

/// The author as it stands before the text, where there is no nick column.
fn inline_head(line: &Line) -> String {
    match &line.kind {
        Kind::Said(said) if said.action => "* ".to_owned(),
        Kind::Said(said) => format!("{} ", author(said)),
        other => format!("{} ", bullet(other).0),
    }
}

fn author(said: &Said) -> String {
    let rank = said.rank.map(String::from).unwrap_or_default();
    let name = format!("{rank}{}", said.from);
    if said.notice { format!("-{name}-") } else { name }
}

fn pieces(line: &Line, columns: Columns) -> Vec<Piece> {
    let width = columns.text();
    let mut first = width;
    if columns.nick == 0 {
        first = width.saturating_sub(display_width(&inline_head(line))).max(1);
    }
    let mut out = Vec::new();
    for text in content(line) {
        let rows = wrap(&text, first, width);
        first = width;
        out.push(Piece { text, rows, kind: PieceKind::Text });
    }
    if let Some(note) = note(line) {
        let rows = wrap(&note, width, width);
        out.push(Piece { text: note, rows, kind: PieceKind::Note });
    }
    out
}

/// The text of a line, as it is shown.
fn content(line: &Line) -> Vec<String> {
    match &line.kind {
        Kind::Moves(moves) => vec![moved(moves)],
        Kind::Said(said) if line.is_held() => {
            vec![format!(
                "(held back: the key of {0} has changed. /verify {0}, then /contact accept {0})",
                said.from
            )]
        }
        Kind::Said(said) if said.action => {
            let mut lines = line.text.clone();
            if let Some(first) = lines.first_mut() {
                *first = format!("{} {first}", said.from);
            }
            lines
        }
        Kind::Said(_) if line.text.iter().all(String::is_empty) && line.state == Some(State::Waiting) => {
            vec!["(not readable yet)".to_owned()]
        }
        _ if line.text.is_empty() => vec![String::new()],
        _ => line.text.clone(),
    }
}

/// What stands below a message that did not simply go through.
fn note(line: &Line) -> Option<String> {
    let reason = line.reason.as_deref().unwrap_or_default();
    if let Kind::Said(Said { namesake: Some(namesake), from, .. }) = &line.kind {
        return Some(match namesake {
            Namesake::Same => format!("not the {from} whose key you know"),
            Namesake::Alike(other) => format!("looks like {other}, who has another key"),
        });
    }
    match line.state? {
        State::Failed if reason.is_empty() => Some("not sent".to_owned()),
        State::Failed => Some(format!("not sent: {reason}")),
        State::Waiting if reason.is_empty() => Some("waits".to_owned()),
        State::Waiting => Some(format!("waits: {reason}")),
        State::Unverified if reason.is_empty() => Some("unverified: the author's key has changed".to_owned()),
        State::Unverified => Some(format!("unverified: {reason}")),
        _ => None,
    }
}

fn moved(moves: &[Move]) -> String {
    if let [one] = moves {
        let because = one.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
        return format!("{} {}{because}", one.nick, if one.came { "came" } else { "left" });
    }
    let list = |came| {
        let names: Vec<&str> = moves.iter().filter(|m| m.came == came).map(|m| m.nick.as_str()).collect();
        let verb = if came { "came" } else { "left" };
        (!names.is_empty()).then(|| format!("{} {verb}", names.join(", ")))
    };
    [list(true), list(false)].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// The sign between time and nick.
fn sign(line: &Line, theme: Theme) -> Span<'static> {
    let (sign, role) = match (&line.kind, line.state) {
        (Kind::Said(said), Some(state)) if said.mine => (
            state.mark(),
            match state {
                State::Sending | State::Waiting => Role::Pending,
                State::Failed | State::Held | State::Unverified => Role::Failed,
                _ => Role::Settled,
            },
        ),
        (Kind::Said(said), _) if said.namesake.is_some() => ('?', Role::Failed),
        (Kind::Said(_), Some(state @ (State::Held | State::Unverified))) => (state.mark(), Role::Failed),
        (Kind::Said(_), Some(State::Waiting)) => (State::Waiting.mark(), Role::Pending),
        (Kind::Said(said), _) if said.mention => ('>', Role::Mention),
        (Kind::Said(said), _) if said.late => ('<', Role::Dim),
        _ => (' ', Role::Text),
    };
    Span::styled(format!("{sign} "), theme.style(role))
}

/// What stands in the nick column.
fn head(line: &Line, columns: Columns, theme: Theme) -> Vec<Span<'static>> {
    let right = |text: String, style: Style| {
        let text = cut(&text, columns.nick);
        let fill = columns.nick.saturating_sub(display_width(&text));
        vec![Span::raw(" ".repeat(fill)), Span::styled(text, style), Span::raw(" ")]
    };
    match &line.kind {
        Kind::Said(said) if said.action => right("*".to_owned(), nick_style(said, theme)),
        Kind::Said(said) => {
            let text = cut(&author(said), columns.nick);
            let fill = columns.nick.saturating_sub(display_width(&text));
            let mut spans = vec![Span::raw(" ".repeat(fill))];
            match said.rank.filter(|_| !said.notice) {
                Some(rank) => {
                    let name = text.get(rank.len_utf8()..).unwrap_or_default().to_owned();
                    spans.push(Span::styled(rank.to_string(), theme.style(Role::Rank)));
                    spans.push(Span::styled(name, nick_style(said, theme)));
                }
                None => spans.push(Span::styled(text, nick_style(said, theme))),
            }
            spans.push(Span::raw(" "));
            spans
        }
        other => {
            let (text, role) = bullet(other);
            right(text.to_owned(), theme.style(role))
        }
    }
}

fn bullet(kind: &Kind) -> (&'static str, Role) {
    match kind {
        Kind::Moves(moves) if moves.iter().all(|m| m.came) => ("->", Role::Event),
        Kind::Moves(moves) if moves.iter().all(|m| !m.came) => ("<-", Role::Event),
        Kind::Moves(_) => ("<>", Role::Event),
        Kind::Info => ("i", Role::Key),
        Kind::Error => ("!", Role::Error),
        Kind::Alarm => ("!!!", Role::Alarm),
        Kind::Gap => ("...", Role::Failed),
        Kind::Event | Kind::Said(_) => ("--", Role::Event),
    }
}

fn nick_style(said: &Said, theme: Theme) -> Style {
    if said.mine {
        theme.style(Role::OwnNick)
    } else if said.mention {
        theme.style(Role::Mention)
    } else {
        theme.nick(&said.from)
    }
}

fn text_style(line: &Line, theme: Theme) -> Style {
    theme.style(match &line.kind {
        Kind::Said(_) if line.is_held() => Role::Dim,
        Kind::Said(said) if said.notice => Role::Dim,
        Kind::Said(_) if line.is_pending() => Role::Dim,
        Kind::Said(_) | Kind::Info => Role::Text,
        Kind::Moves(_) | Kind::Event => Role::Event,
        Kind::Error => Role::Error,
        Kind::Alarm => Role::Alarm,
        Kind::Gap => Role::Failed,
    })
}

/// The rows of a line. As many as `height` says.
pub(super) fn rows(line: &Line, columns: Columns, theme: Theme) -> Vec<Text<'static>> {
    let mut out: Vec<Text<'static>> = Vec::new();
    let indent = " ".repeat(columns.indent().min(columns.width.saturating_sub(1)));
    for piece in pieces(line, columns) {
        let links = links(&piece.text);
        for range in &piece.rows {
            let mut spans = Vec::new();
            if out.is_empty() {
                spans.push(Span::styled(format!("{} ", line.clock), theme.style(Role::Dim)));
                spans.push(sign(line, theme));
                if columns.nick > 0 {
                    spans.extend(head(line, columns, theme));
                } else {
                    let style = match &line.kind {
                        Kind::Said(said) => nick_style(said, theme),
                        other => theme.style(bullet(other).1),
                    };
                    spans.push(Span::styled(inline_head(line), style));
                }
            } else {
                spans.push(Span::raw(indent.clone()));
            }
            let (style, links) = match piece.kind {
                PieceKind::Text => (text_style(line, theme), links.as_slice()),
                PieceKind::Note => (theme.style(Role::Failed), &[][..]),
            };
            styled(&piece.text, range, links, style, theme, &mut spans);
            out.push(Text::from(spans));
        }
    }
    out
}

/// Where links stand in a text.
fn links(text: &str) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut from = 0;
    while let Some(at) = ["https://", "http://", "mailto:"]
        .iter()
        .filter_map(|p| text.get(from..).and_then(|t| t.find(p)))
        .min()
    {
        let start = from + at;
        let rest = text.get(start..).unwrap_or_default();
        let end = rest.find(|c: char| c.is_whitespace() || "<>\"“”".contains(c)).unwrap_or(rest.len());
        let link =
            rest.get(..end).unwrap_or_default().trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '\'']);
        out.push(start..start + link.len());
        from = start + end.max(1);
    }
    out
}

fn styled(
    text: &str,
    row: &Range<usize>,
    links: &[Range<usize>],
    style: Style,
    theme: Theme,
    out: &mut Vec<Span<'static>>,
) {
    let mut at = row.start;
    let mut push = |from: usize, to: usize, style: Style| {
        if let Some(part) = text.get(from..to).filter(|p| !p.is_empty()) {
            out.push(Span::styled(part.to_owned(), style));
        }
    };
    for link in links {
        let (from, to) = (link.start.max(row.start), link.end.min(row.end));
        if from < to {
            push(at, from, style);
            push(from, to, style.patch(theme.style(Role::Link)));
            at = to;
        }
    }
    push(at, row.end, style);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found() {
        let text = "see https://a.example/x, and (http://b.example).";
        let found: Vec<_> = links(text).into_iter().map(|r| &text[r]).collect();
        assert_eq!(found, ["https://a.example/x", "http://b.example"]);
    }

    #[test]
    fn moves_read_as_a_sentence() {
        let m = |nick: &str, came| Move { nick: nick.to_owned(), came, reason: None };
        assert_eq!(moved(&[m("a", true)]), "a came");
        assert_eq!(moved(&[m("a", true), m("b", false), m("c", true)]), "a, c came · b left");
    }
}
