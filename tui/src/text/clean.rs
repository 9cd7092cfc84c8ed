//! The one filter for text that others wrote.
//!
//! Owns: removing everything that could control the terminal, reorder the line, hide in it or pile
//! up over neighbouring text. Must not: shorten text for layout, or depend on its author. Filtered
//! text is safe in cells, titles and logs.
use kirc_core::names::is_hidden_in_text;
use unicode_segmentation::UnicodeSegmentation;

/// Lines that one message may take; the rest is named, not shown.
const MAX_LINES: usize = 64;
/// Characters that one line may have.
const MAX_CHARS: usize = 8192;
/// How far the end of a control string is looked for.
const MAX_STRING: usize = 2048;
/// Marks that may sit on one base character. Real scripts need few; piles of them climb over other
/// lines.
const MAX_MARKS: usize = 5;

/// One line, harmless: no control characters, escape sequences, bidi controls or invisible padding.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = Scan::new(text);
    let mut marks = 0;
    let mut count = 0;
    while let Some(c) = chars.next_visible() {
        if count >= MAX_CHARS {
            break;
        }
        match c {
            '\t' => {
                out.push_str("    ");
                count += 4;
                marks = 0;
                continue;
            }
            '\n' | '\r' | '\u{2028}' | '\u{2029}' | '\u{85}' => {
                if !out.ends_with(' ') {
                    out.push(' ');
                    count += 1;
                }
                marks = 0;
                continue;
            }
            _ => {}
        }
        if is_joiner(c) {
            // Joiners only where scripts and emoji need them: between two characters that are not
            // ASCII.
            let after = out.chars().next_back().is_some_and(joins);
            let before = chars.peek().is_some_and(|c| joins(c) && !is_mark(c));
            if !(after && before) || marks >= MAX_MARKS {
                continue;
            }
            marks += 1;
        } else if is_mark(c) {
            // Nothing to sit on, or too many sitting there already.
            if out.is_empty() || out.ends_with(' ') || marks >= MAX_MARKS {
                continue;
            }
            marks += 1;
        } else if is_joiner_after(&out) {
            // A chain of joined emoji stays one pile.
        } else {
            marks = 0;
        }
        out.push(c);
        count += 1;
    }
    out
}

/// The lines of a body, each clean. A line break inside a line makes two.
pub fn clean_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut out = Vec::new();
    for line in lines {
        for part in line.split('\n') {
            if out.len() == MAX_LINES {
                out.push("(more lines follow; they are not shown)".to_owned());
                return out;
            }
            out.push(clean(part.trim_end_matches('\r')));
        }
    }
    out
}

/// A name (nick, channel): clean, without spaces, of at most 64 graphemes, never empty.
pub fn clean_name(text: &str) -> String {
    let name: String =
        clean(text).graphemes(true).filter(|g| !g.chars().all(char::is_whitespace)).take(64).collect();
    if name.is_empty() { "?".to_owned() } else { name }
}

fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

fn is_joiner_after(out: &str) -> bool {
    out.ends_with('\u{200d}')
}

fn joins(c: char) -> bool {
    !c.is_ascii() && !is_joiner(c) && !is_hidden_in_text(c) && !c.is_whitespace() && !c.is_control()
}

/// Characters of no width of their own that sit on the one before.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}') || unicode_width::UnicodeWidthChar::width(c).unwrap_or(0) == 0
}

/// Walks over text and leaves out sequences and characters that must not be seen.
struct Scan<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.chars().peekable() }
    }

    fn peek(&mut self) -> Option<char> {
        self.rest.peek().copied()
    }

    fn next_visible(&mut self) -> Option<char> {
        loop {
            let c = self.rest.next()?;
            match c {
                '\u{1b}' => self.skip_escape(),
                '\u{9b}' => self.skip_csi(),
                '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => self.skip_string(),
                '\u{3}' => self.skip_irc_colour(),
                '\t' | '\n' | '\r' | '\u{85}' => return Some(c),
                c if c.is_control() || is_hidden_in_text(c) => {}
                c => return Some(c),
            }
        }
    }

    /// After ESC.
    fn skip_escape(&mut self) {
        match self.peek() {
            Some('[') => {
                self.rest.next();
                self.skip_csi();
            }
            Some(']' | 'P' | 'X' | '^' | '_') => {
                self.rest.next();
                self.skip_string();
            }
            Some(' '..='/') => {
                while self.rest.next_if(|c| matches!(c, ' '..='/')).is_some() {}
                self.rest.next_if(|c| matches!(c, '0'..='~'));
            }
            Some('0'..='Z' | '\\' | '`'..='~') => {
                self.rest.next();
            }
            _ => {}
        }
    }

    /// After CSI: parameters, intermediates, one final byte. What is malformed ends the sequence.
    fn skip_csi(&mut self) {
        while self.rest.next_if(|c| matches!(c, '0'..='?')).is_some() {}
        while self.rest.next_if(|c| matches!(c, ' '..='/')).is_some() {}
        self.rest.next_if(|c| matches!(c, '@'..='~'));
    }

    /// After OSC, DCS, SOS, PM or APC: up to BEL or ST, but not over the end of a line, so that
    /// nobody can make a whole message vanish by opening a string.
    fn skip_string(&mut self) {
        let mut ahead = self.rest.clone();
        let mut escape = false;
        for _ in 0..MAX_STRING {
            match ahead.next() {
                None | Some('\n' | '\r') => return,
                Some('\u{7}' | '\u{9c}') => break,
                Some('\\') if escape => break,
                Some(c) => escape = c == '\u{1b}',
            }
        }
        self.rest = ahead;
    }

    /// After IRC's colour mark: up to two digits, a comma, up to two digits.
    fn skip_irc_colour(&mut self) {
        let digits = |scan: &mut Self| {
            let mut n = 0;
            while n < 2 && scan.rest.next_if(char::is_ascii_digit).is_some() {
                n += 1;
            }
            n
        };
        if digits(self) > 0 {
            let mut ahead = self.rest.clone();
            if ahead.next() == Some(',') && ahead.next().is_some_and(|c| c.is_ascii_digit()) {
                self.rest.next();
                digits(self);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr;

    use super::*;

    #[test]
    fn plain_text_stays() {
        for text in ["hello, world", "grüße, 你好, שלום", "👨‍👩‍👧 and ❤️", "e\u{301}", "نمی\u{200c}خواهم"]
        {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn sequences_go_whole() {
        assert_eq!(clean("a\u{1b}[31mred\u{1b}[0m"), "ared");
        assert_eq!(clean("\u{9b}2Jx"), "x");
        assert_eq!(clean("\u{1b}]0;title\u{7}x"), "x");
        assert_eq!(clean("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\"), "link");
        assert_eq!(clean("\u{1b}(0x\u{1b}c"), "x");
        assert_eq!(clean("\u{3}04,12red\u{3} \u{2}bold"), "red bold");
        assert_eq!(clean("\u{1b}]never ends"), "never ends");
    }

    #[test]
    fn order_and_hiding_go() {
        assert_eq!(clean("a\u{202e}b\u{2066}c\u{2069}"), "abc");
        assert_eq!(clean("pay\u{200b}pal\u{feff}\u{ad}"), "paypal");
        assert_eq!(clean("a\u{200d}b"), "ab");
        assert_eq!(clean("x\u{e0041}\u{e0042}"), "x");
        assert_eq!(clean("one\u{2028}two\nthree"), "one two three");
    }

    #[test]
    fn piles_of_marks_are_cut() {
        let pile = format!("a{}b", "\u{301}".repeat(50));
        assert_eq!(clean(&pile).chars().count(), 2 + MAX_MARKS);
        assert_eq!(clean("\u{301}x"), "x");
    }

    #[test]
    fn names_have_no_spaces_and_are_never_empty() {
        assert_eq!(clean_name("al ice\u{202e}"), "alice");
        assert_eq!(clean_name("\u{1b}[31m"), "?");
    }

    #[test]
    fn bodies_are_bounded() {
        assert_eq!(clean_lines(["a\r\nb", "c"]), ["a", "b", "c"]);
        let many = "x\n".repeat(1000);
        assert_eq!(clean_lines([many.as_str()]).len(), MAX_LINES + 1);
    }

    proptest! {
        #[test]
        fn nothing_dangerous_passes(text in any::<String>()) {
            let out = clean(&text);
            prop_assert!(!out.chars().any(|c| c.is_control() || is_hidden_in_text(c)), "{out:?}");
            prop_assert!(out.width() <= out.chars().count() * 2);
        }

        #[test]
        fn dense_escapes_do_not_pass(parts in prop::collection::vec(
            prop::sample::select(vec!["\u{1b}", "[", "]", "31m", "\u{7}", "\\", "\u{9b}", "\u{9d}", "a", "\u{202e}",
                "\u{200d}", "\u{301}", "👩", "\u{3}", "0", ",", "\n", "\t", "\u{fe0f}"]), 0..60)) {
            let out = clean(&parts.concat());
            prop_assert!(!out.chars().any(|c| c.is_control() || is_hidden_in_text(c)), "{out:?}");
        }

        #[test]
        fn cleaning_twice_changes_nothing(text in any::<String>()) {
            let once = clean(&text);
            prop_assert_eq!(clean(&once), once.clone());
        }

        #[test]
        fn ascii_passes_untouched(text in "[ -~]{0,200}") {
            prop_assert_eq!(clean(&text), text);
        }
    }
}
