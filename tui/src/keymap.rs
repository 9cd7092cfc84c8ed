//! The table of key bindings.
//!
//! Owns: chords and actions. Must not: carry out actions.
use std::fmt;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The table below says what each does.
pub enum Action {
    Submit,
    Newline,
    Left,
    Right,
    LineStart,
    LineEnd,
    WordLeft,
    WordRight,
    Backspace,
    Delete,
    KillWordBack,
    KillWord,
    KillToStart,
    KillToEnd,
    Yank,
    Transpose,
    Older,
    Newer,
    Complete,
    CompleteBack,
    PageUp,
    PageDown,
    ScrollTop,
    ScrollBottom,
    NextBuffer,
    PrevBuffer,
    NextUnread,
    GoTo(u8),
    Leave,
    Redraw,
    Suspend,
    Interrupt,
    Help,
}

/// A line of the table: chords, what they do, how the help says it. No help: named by another line.
pub struct Binding {
    /// `C-a M-b S-Tab Up F1`, by spaces.
    pub chords: &'static str,
    /// What they do.
    pub action: Action,
    /// In the user's words.
    pub help: &'static str,
}

const fn bind(chords: &'static str, action: Action, help: &'static str) -> Binding {
    Binding { chords, action, help }
}

/// The profile `default`: readline.
pub const DEFAULT: &[Binding] = &[
    bind("Enter", Action::Submit, "send"),
    bind("M-Enter C-j", Action::Newline, "new line"),
    bind("Tab", Action::Complete, "complete; again for the next"),
    bind("S-Tab", Action::CompleteBack, "complete, backwards"),
    bind("Up", Action::Older, "entry before"),
    bind("Down", Action::Newer, "entry after, at last the draft"),
    bind("C-z", Action::Suspend, "stop kirc; fg goes on"),
    bind("PageUp", Action::PageUp, "scroll up; at the top: fetch more"),
    bind("PageDown", Action::PageDown, "scroll down"),
    bind("M-<", Action::ScrollTop, "scroll to the top"),
    bind("M->", Action::ScrollBottom, "scroll to the bottom"),
    bind("M-Right C-n", Action::NextBuffer, "next buffer"),
    bind("M-Left C-p", Action::PrevBuffer, "buffer before"),
    bind("M-a", Action::NextUnread, "next unread, mentions first"),
    bind("M-1", Action::GoTo(1), "buffer by number (M-1 to M-9)"),
    bind("M-2", Action::GoTo(2), ""),
    bind("M-3", Action::GoTo(3), ""),
    bind("M-4", Action::GoTo(4), ""),
    bind("M-5", Action::GoTo(5), ""),
    bind("M-6", Action::GoTo(6), ""),
    bind("M-7", Action::GoTo(7), ""),
    bind("M-8", Action::GoTo(8), ""),
    bind("M-9", Action::GoTo(9), ""),
    bind("Esc", Action::Leave, "close overlay, then scroll to bottom"),
    bind("F1", Action::Help, "this help"),
    bind("C-l", Action::Redraw, "draw anew"),
    bind("C-c", Action::Interrupt, "clear the line; twice: leave"),
    bind("C-a Home", Action::LineStart, "start of line"),
    bind("C-e End", Action::LineEnd, "end of line"),
    bind("C-b Left", Action::Left, "left"),
    bind("C-f Right", Action::Right, "right"),
    bind("M-b C-Left", Action::WordLeft, "word left"),
    bind("M-f C-Right", Action::WordRight, "word right"),
    bind("Backspace C-h", Action::Backspace, "delete left"),
    bind("Delete C-d", Action::Delete, "delete right"),
    bind("C-w M-Backspace", Action::KillWordBack, "cut word left"),
    bind("M-d", Action::KillWord, "cut word right"),
    bind("C-u", Action::KillToStart, "cut to start of line"),
    bind("C-k", Action::KillToEnd, "cut to end of line"),
    bind("C-y", Action::Yank, "put back what was cut"),
    bind("C-t", Action::Transpose, "swap two characters"),
];

/// A key with its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chord {
    code: KeyCode,
    control: bool,
    alt: bool,
}

impl Chord {
    /// Reads `C-a`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let (mut control, mut alt, mut shift) = (false, false, false);
        while rest.len() > 2 {
            match rest.get(..2) {
                Some("C-") => control = true,
                Some("M-") => alt = true,
                Some("S-") => shift = true,
                _ => break,
            }
            rest = rest.get(2..)?;
        }
        let code = match rest {
            "Tab" if shift => KeyCode::BackTab,
            "Enter" => KeyCode::Enter,
            "Tab" => KeyCode::Tab,
            "Up" => KeyCode::Up,
            "Down" => KeyCode::Down,
            "Left" => KeyCode::Left,
            "Right" => KeyCode::Right,
            "Home" => KeyCode::Home,
            "End" => KeyCode::End,
            "PageUp" => KeyCode::PageUp,
            "PageDown" => KeyCode::PageDown,
            "Backspace" => KeyCode::Backspace,
            "Delete" => KeyCode::Delete,
            "Esc" => KeyCode::Esc,
            _ => {
                let mut chars = rest.chars();
                match (chars.next()?, chars.next()) {
                    (c, None) => KeyCode::Char(c),
                    ('F', Some(_)) => KeyCode::F(rest.get(1..)?.parse().ok()?),
                    _ => return None,
                }
            }
        };
        Some(Self { code, control, alt })
    }

    /// The chord of a key event. Shift counts only where it makes another key.
    pub fn of(event: &KeyEvent) -> Self {
        let code = match event.code {
            KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            KeyCode::Char(c) if event.modifiers.contains(KeyModifiers::CONTROL) => {
                KeyCode::Char(c.to_ascii_lowercase())
            }
            code => code,
        };
        // S-Enter and C-Enter are new lines elsewhere: an unfinished text is not sent by them.
        let other_enter = code == KeyCode::Enter && !event.modifiers.is_empty();
        Self {
            code,
            control: event.modifiers.contains(KeyModifiers::CONTROL) && !other_enter,
            alt: event.modifiers.contains(KeyModifiers::ALT) || other_enter,
        }
    }

    /// The same with Alt: many terminals send an Esc before it, and over a slow line that comes
    /// alone.
    pub fn with_alt(self) -> Self {
        Self { alt: true, ..self }
    }

    /// Whether it is Enter, alone.
    pub fn is_enter(self) -> bool {
        self.code == KeyCode::Enter && !self.alt && !self.control
    }

    /// The character that it types, if it types one.
    pub fn typed(self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if !self.control && !self.alt => Some(c),
            _ => None,
        }
    }
}

/// What a chord does.
pub fn action(chord: Chord) -> Option<Action> {
    DEFAULT.iter().find(|b| b.chords.split(' ').any(|c| Chord::parse(c) == Some(chord))).map(|b| b.action)
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chords.replace(' ', ", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        let mut seen = Vec::new();
        for binding in DEFAULT {
            for chord in binding.chords.split(' ') {
                let parsed = Chord::parse(chord).unwrap_or_else(|| panic!("{chord}"));
                assert!(!seen.contains(&parsed), "{chord} is bound twice");
                assert!(parsed.typed().is_none(), "{chord} would swallow text");
                seen.push(parsed);
            }
        }
        assert!(DEFAULT.iter().all(|b| !b.help.is_empty() || matches!(b.action, Action::GoTo(_))));
    }

    #[test]
    fn events_become_chords() {
        let event = KeyEvent::new(KeyCode::Char('A'), KeyModifiers::CONTROL | KeyModifiers::SHIFT);
        assert_eq!(action(Chord::of(&event)), Some(Action::LineStart));
        let event = KeyEvent::new(KeyCode::Tab, KeyModifiers::SHIFT);
        assert_eq!(action(Chord::of(&event)), Some(Action::CompleteBack));
        let event = KeyEvent::new(KeyCode::Char('A'), KeyModifiers::SHIFT);
        assert_eq!(Chord::of(&event).typed(), Some('A'));
    }
}
