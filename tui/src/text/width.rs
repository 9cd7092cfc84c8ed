//! Widths, truncation and wrapping, by graphemes and terminal columns.
//!
//! Owns: every decision about where a row ends. Must not: style or sanitise text (sanitising comes
//! before).
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Columns that a text takes.
pub fn display_width(text: &str) -> usize {
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// The text in at most `width` columns; what was cut is shown by `…`.
pub fn cut(text: &str, width: usize) -> String {
    if display_width(text) <= width {
        return text.to_owned();
    }
    if width == 0 {
        return String::new();
    }
    let mut out = String::new();
    let mut used = 0;
    for g in text.graphemes(true) {
        let w = g.width();
        if used + w > width - 1 {
            break;
        }
        out.push_str(g);
        used += w;
    }
    out.push('…');
    out
}

/// The text in exactly `width` columns: cut, or filled with spaces.
pub fn pad(text: &str, width: usize) -> String {
    let mut out = cut(text, width);
    let have = display_width(&out);
    out.extend(std::iter::repeat_n(' ', width.saturating_sub(have)));
    out
}

/// Bytes of a text that fit in `width` columns; at least one grapheme.
fn fitting(text: &str, width: usize) -> usize {
    let mut used = 0;
    let mut end = 0;
    for g in text.graphemes(true) {
        used += g.width();
        if used > width && end > 0 {
            break;
        }
        end += g.len();
    }
    end
}

/// The rows of a text: byte ranges, broken at spaces where there are some, at graphemes where a
/// word is too long.
///
/// The first row may have another width than the others. There is always at least one row.
pub fn wrap(text: &str, first: usize, rest: usize) -> Vec<Range<usize>> {
    let rest = rest.max(1);
    let mut rows = Vec::new();
    let mut width = first.max(1);
    let mut start = 0;
    let mut used = 0;
    // Where the row could end: (end of the row, start of the next).
    let mut last_break: Option<(usize, usize)> = None;
    let mut graphemes = text.grapheme_indices(true).peekable();
    while let Some((at, g)) = graphemes.next() {
        let w = g.width();
        if g == " " {
            if used + 1 > width {
                // A space that falls off the end breaks the row by itself; more of them fall off
                // too.
                rows.push(start..at);
                let mut next = at + 1;
                while let Some((i, _)) = graphemes.next_if(|(_, g)| *g == " ") {
                    next = i + 1;
                }
                start = next;
                used = 0;
                width = rest;
                last_break = None;
                continue;
            }
            used += 1;
            last_break = Some((at, at + 1));
            continue;
        }
        // What is carried to the next row may be too long for it as well, where rows differ in
        // width.
        while used + w > width && at > start {
            match last_break.take().filter(|&(end, _)| end > start) {
                Some((end, next)) => {
                    rows.push(start..end);
                    start = next;
                }
                None => {
                    let end = start + fitting(text.get(start..at).unwrap_or_default(), width);
                    rows.push(start..end);
                    start = end;
                }
            }
            used = display_width(text.get(start..at).unwrap_or_default());
            width = rest;
        }
        used += w;
    }
    if start < text.len() || rows.is_empty() {
        rows.push(start..text.len());
    }
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(text: &str, first: usize, rest: usize) -> Vec<&str> {
        wrap(text, first, rest).into_iter().map(|r| &text[r]).collect()
    }

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(rows("one two three", 7, 7), ["one two", "three"]);
        assert_eq!(rows("one two three", 4, 20), ["one", "two three"]);
        assert_eq!(rows("abcdefgh", 3, 3), ["abc", "def", "gh"]);
        assert_eq!(rows("a bcdefgh", 3, 3), ["a", "bcd", "efg", "h"]);
        assert_eq!(rows("", 5, 5), [""]);
        assert_eq!(rows("    code", 10, 10), ["    code"]);
    }

    #[test]
    fn wide_cells_are_not_split() {
        assert_eq!(rows("你好吗", 4, 4), ["你好", "吗"]);
        assert_eq!(rows("👨‍👩‍👧👨‍👩‍👧", 3, 3), ["👨‍👩‍👧", "👨‍👩‍👧"]);
        assert_eq!(cut("你好吗", 5), "你好…");
        assert_eq!(pad("你", 4), "你  ");
    }

    proptest! {
        #[test]
        fn rows_fit_and_lose_nothing_but_spaces(text in any::<String>(), first in 2usize..40, rest in 2usize..40) {
            let text = super::super::clean(&text);
            let found = wrap(&text, first, rest);
            for (i, r) in found.iter().enumerate() {
                let limit = if i == 0 { first } else { rest };
                let row = &text[r.clone()];
                prop_assert!(display_width(row) <= limit || row.graphemes(true).count() == 1, "{row:?} in {limit}");
            }
            let joined: String = found.into_iter().map(|r| text[r].to_owned()).collect();
            prop_assert_eq!(joined.replace(' ', ""), text.replace(' ', ""));
        }

        #[test]
        fn cut_fits(text in any::<String>(), width in 0usize..30) {
            prop_assert!(display_width(&cut(&super::super::clean(&text), width)) <= width);
            prop_assert_eq!(display_width(&pad(&super::super::clean(&text), width)), width);
        }
    }
}
