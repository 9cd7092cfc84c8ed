//! The input line: text, cursor, history.
//!
//! Owns: editing. Must not: send, or interpret the text.
mod complete;
mod history;

pub use complete::{Cycle, complete};
pub use history::InputHistory;

use unicode_segmentation::UnicodeSegmentation;

/// An editable text with a cursor.
#[derive(Debug, Default, Clone)]
pub struct Editor {
    text: String,
    cursor: usize,
    /// What was entered before.
    pub history: InputHistory,
}

impl Editor {
    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The cursor, as a byte in the text; always between graphemes.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Replaces the text; the cursor goes to its end.
    pub fn set(&mut self, text: impl Into<String>) {
        self.text = text.into();
        self.cursor = self.text.len();
    }

    /// Takes the text out.
    pub fn take(&mut self) -> String {
        self.cursor = 0;
        self.history.leave();
        std::mem::take(&mut self.text)
    }

    /// Puts text in at the cursor.
    pub fn insert(&mut self, text: &str) {
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
    }

    /// Replaces a range; the cursor goes behind what was put in.
    pub fn replace(&mut self, range: std::ops::Range<usize>, with: &str) {
        if self.text.get(range.clone()).is_some() {
            self.text.replace_range(range.clone(), with);
            self.cursor = range.start + with.len();
        }
    }

    /// One grapheme left.
    pub fn left(&mut self) {
        self.cursor = self.before();
    }

    /// One grapheme right.
    pub fn right(&mut self) {
        self.cursor = self.after();
    }

    /// To the start of the row.
    pub fn home(&mut self) {
        self.cursor = self.row_start();
    }

    /// To the end of the row.
    pub fn end(&mut self) {
        self.cursor = self.row_end();
    }

    /// To the start of the word before.
    pub fn word_left(&mut self) {
        self.cursor = self.word_before();
    }

    /// To the end of the next word.
    pub fn word_right(&mut self) {
        self.cursor = self.word_after();
    }

    /// Removes the grapheme before the cursor.
    pub fn backspace(&mut self) {
        let from = self.before();
        self.text.replace_range(from..self.cursor, "");
        self.cursor = from;
    }

    /// Removes the grapheme under the cursor.
    pub fn delete(&mut self) {
        let to = self.after();
        self.text.replace_range(self.cursor..to, "");
    }

    /// Cuts the word before the cursor, up to a space, as a shell does.
    pub fn kill_word_back(&mut self) -> String {
        let head = self.head().trim_end();
        let from = head
            .rfind(char::is_whitespace)
            .map_or(0, |i| i + head[i..].chars().next().map_or(1, char::len_utf8));
        self.cut(from, self.cursor)
    }

    /// Cuts to the end of the next word.
    pub fn kill_word(&mut self) -> String {
        self.cut(self.cursor, self.word_after())
    }

    /// Cuts to the start of the row.
    pub fn kill_to_start(&mut self) -> String {
        self.cut(self.row_start(), self.cursor)
    }

    /// Cuts to the end of the row.
    pub fn kill_to_end(&mut self) -> String {
        let end = self.row_end();
        let end = if end == self.cursor { self.after() } else { end };
        self.cut(self.cursor, end)
    }

    /// Swaps the two graphemes around the cursor.
    pub fn transpose(&mut self) {
        if self.cursor == self.text.len() {
            self.left();
        }
        let (from, to) = (self.before(), self.after());
        if from < self.cursor && self.cursor < to {
            let swapped = format!("{}{}", &self.text[self.cursor..to], &self.text[from..self.cursor]);
            self.text.replace_range(from..to, &swapped);
            self.cursor = to;
        }
    }

    /// One row up; false if there is none.
    pub fn row_up(&mut self) -> bool {
        let start = self.row_start();
        if start == 0 {
            return false;
        }
        let column = self.text[start..self.cursor].graphemes(true).count();
        self.cursor = start - 1;
        let above = self.row_start();
        self.cursor = advance(&self.text, above, start - 1, column);
        true
    }

    /// One row down; false if there is none.
    pub fn row_down(&mut self) -> bool {
        let end = self.row_end();
        if end == self.text.len() {
            return false;
        }
        let column = self.text[self.row_start()..self.cursor].graphemes(true).count();
        self.cursor = end + 1;
        let below = self.row_end();
        self.cursor = advance(&self.text, end + 1, below, column);
        true
    }

    /// Walks to the entry before in the history.
    pub fn older(&mut self) {
        if let Some(text) = self.history.older(&self.text) {
            self.set(text);
        }
    }

    /// Walks to the entry after in the history, at last to the draft.
    pub fn newer(&mut self) {
        if let Some(text) = self.history.newer() {
            self.set(text);
        }
    }

    /// The text before the cursor.
    pub fn head(&self) -> &str {
        self.text.get(..self.cursor).unwrap_or_default()
    }

    fn tail(&self) -> &str {
        self.text.get(self.cursor..).unwrap_or_default()
    }

    fn before(&self) -> usize {
        self.head().grapheme_indices(true).next_back().map_or(0, |(i, _)| i)
    }

    fn after(&self) -> usize {
        self.cursor + self.tail().graphemes(true).next().map_or(0, str::len)
    }

    fn row_start(&self) -> usize {
        self.head().rfind('\n').map_or(0, |i| i + 1)
    }

    fn row_end(&self) -> usize {
        self.tail().find('\n').map_or(self.text.len(), |i| self.cursor + i)
    }

    fn word_before(&self) -> usize {
        let mut at = self.cursor;
        let mut inside = false;
        for (i, c) in self.head().char_indices().rev() {
            if c.is_alphanumeric() {
                inside = true;
            } else if inside {
                break;
            }
            at = i;
        }
        at
    }

    fn word_after(&self) -> usize {
        let mut at = self.cursor;
        let mut inside = false;
        for (i, c) in self.tail().char_indices() {
            if c.is_alphanumeric() {
                inside = true;
            } else if inside {
                break;
            }
            at = self.cursor + i + c.len_utf8();
        }
        at
    }

    fn cut(&mut self, from: usize, to: usize) -> String {
        let gone = self.text.get(from..to).unwrap_or_default().to_owned();
        self.text.replace_range(from..to, "");
        self.cursor = from;
        gone
    }
}

fn advance(text: &str, from: usize, to: usize, graphemes: usize) -> usize {
    text.get(from..to).and_then(|row| row.grapheme_indices(true).nth(graphemes)).map_or(to, |(i, _)| from + i)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn editor(text: &str) -> Editor {
        let mut e = Editor::default();
        e.set(text);
        e
    }

    #[test]
    fn readline_moves_and_cuts() {
        let mut e = editor("one two-three");
        e.word_left();
        assert_eq!(e.head(), "one two-");
        assert_eq!(e.kill_to_start(), "one two-");
        e.insert("one two ");
        assert_eq!(e.kill_word_back(), "two ");
        e.end();
        e.left();
        e.left();
        e.transpose();
        assert_eq!(e.text(), "one there");
        e.home();
        assert_eq!(e.kill_word(), "one");
        e.delete();
        assert_eq!(e.kill_to_end(), "there");
        assert!(e.is_empty());
    }

    #[test]
    fn graphemes_are_one_step() {
        let mut e = editor("a👨‍👩‍👧e\u{301}");
        e.backspace();
        e.left();
        assert_eq!(e.head(), "a");
        e.delete();
        assert_eq!(e.text(), "a");
    }

    #[test]
    fn rows_are_walked_before_history() {
        let mut e = editor("long row\nx\nlast one");
        assert!(e.row_up());
        assert_eq!(e.head(), "long row\nx");
        assert!(e.row_up());
        assert_eq!(e.head(), "l");
        assert!(!e.row_up());
        assert!(e.row_down() && e.row_down() && !e.row_down());
    }

    proptest! {
        #[test]
        fn the_cursor_stays_inside(text in any::<String>(), keys in prop::collection::vec(0u8..18, 0..60)) {
            let mut e = editor(&text);
            for k in keys {
                match k {
                    0 => e.left(), 1 => e.right(), 2 => e.home(), 3 => e.end(), 4 => e.word_left(),
                    5 => e.word_right(), 6 => e.backspace(), 7 => e.delete(), 8 => { e.kill_word_back(); }
                    9 => { e.kill_word(); } 10 => { e.kill_to_start(); } 11 => { e.kill_to_end(); }
                    12 => e.transpose(), 13 => { e.row_up(); } 14 => { e.row_down(); }
                    15 => e.insert("é\n"), 16 => e.older(), _ => e.newer(),
                }
                prop_assert!(e.text().is_char_boundary(e.cursor()));
            }
        }
    }
}
