//! Graphemes that terminals draw differently: flags, skin tones, families. One terminal gives a
//! flag two columns; another (tmux) gives each half its own column, and the second half stays when
//! the first is overwritten. One draws a hand in its colour, another a hand and a coloured square
//! behind it.
//!
//! Owns: which cells beside them are written again, and where such graphemes were. Must not: change
//! what is drawn.
use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::Position;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The cells that such graphemes may have touched in the last frame.
#[derive(Debug, Default)]
pub(super) struct Doubtful(Vec<Position>);

impl Doubtful {
    /// Sees to it that what stands beside a doubtful grapheme, or where one was, is written whether
    /// it changed or not. The cursor is put to its place for that, so nothing depends on where the
    /// terminal thinks it is.
    pub(super) fn settle(&mut self, buffer: &mut Buffer) {
        let area = buffer.area;
        let before = std::mem::take(&mut self.0);
        for y in area.rows().map(|row| row.y) {
            for x in area.left()..area.right() {
                let reach = buffer.cell((x, y)).map_or(1, |cell| reach(cell.symbol()));
                let end = x.saturating_add(reach).min(area.right());
                self.0.extend((x + 1..end).map(|x| Position { x, y }));
            }
        }
        for at in before.iter().chain(&self.0) {
            if let Some(cell) = buffer.cell_mut(*at) {
                cell.set_diff_option(CellDiffOption::AlwaysUpdate);
            }
        }
    }
}

/// How many columns a terminal may take for a grapheme at the most: each character by itself,
/// halves of a flag as wide as an emoji. 1 if there is no doubt.
fn reach(symbol: &str) -> u16 {
    let mut chars = symbol.chars();
    if chars.next().is_none() || chars.next().is_none() {
        return 1;
    }
    let half = |c: char| ('\u{1f1e6}'..='\u{1f1ff}').contains(&c);
    let wide = |c: char| if half(c) { 2 } else { c.width().unwrap_or(0) };
    let apart: usize = symbol.chars().map(wide).sum();
    u16::try_from(apart.max(symbol.width())).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_terminals_may_take_apart_is_in_doubt() {
        for (symbol, columns) in [
            ("a", 1),
            ("你", 1),
            ("😀", 1),
            ("e\u{301}", 1),
            ("🇷🇺", 4),
            ("👍🏽", 4),
            ("👨‍👩‍👧", 6),
            ("❤\u{fe0f}", 2),
            ("", 1),
        ] {
            assert_eq!(reach(symbol), columns, "{symbol}");
        }
    }
}
