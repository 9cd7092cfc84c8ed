//! Completion of commands, channels, nicks and words.
//!
//! Owns: the candidates for the word at the cursor, and cycling through them. Must not: change the
//! model.
use std::ops::Range;

use super::Editor;
use crate::commands::{self, Completer};
use crate::model::{Model, Place};
use crate::names::fold;

/// A completion that Tab walks through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle {
    /// Where the word stands; grows and shrinks with what is put in.
    pub range: Range<usize>,
    /// What fits, the best first; the word as typed stands at the end.
    pub candidates: Vec<String>,
    /// Which one is in.
    pub at: usize,
}

impl Cycle {
    /// Steps on, and puts the next candidate in.
    pub fn step(&mut self, editor: &mut Editor, back: bool) {
        let n = self.candidates.len();
        self.at = if back { (self.at + n - 1) % n } else { (self.at + 1) % n };
        self.put(editor);
    }

    fn put(&mut self, editor: &mut Editor) {
        if let Some(word) = self.candidates.get(self.at) {
            editor.replace(self.range.clone(), word);
            self.range.end = self.range.start + word.len();
        }
    }
}

/// Starts a completion and puts the first candidate in.
pub fn complete(model: &Model, editor: &mut Editor) -> Option<Cycle> {
    let head = editor.head();
    let start =
        head.rfind(char::is_whitespace).map_or(0, |i| i + head[i..].chars().next().map_or(1, char::len_utf8));
    let word = &head[start..];
    let before = &head[..start];
    let is_command = editor.text().starts_with('/') && commands::is_command(editor.text());
    let (found, suffix) = if is_command && start == 0 {
        (command_names(word), " ")
    } else if is_command {
        let name = before.trim_start_matches('/').split_whitespace().next().unwrap_or_default();
        let place = before.split_whitespace().count().saturating_sub(1);
        let args: Vec<&str> = before.split_whitespace().skip(1).collect();
        let completer = commands::find(name)?.completer(place, args.first().copied(), word);
        (candidates(model, completer, word), " ")
    } else if word.starts_with('#') {
        (candidates(model, Completer::Channel, word), " ")
    } else if word.is_empty() {
        return None;
    } else {
        (candidates(model, Completer::Nick, word), if start == 0 { ": " } else { " " })
    };
    if found.is_empty() {
        return None;
    }
    let mut candidates: Vec<String> = found.into_iter().map(|c| format!("{c}{suffix}")).collect();
    candidates.push(word.to_owned());
    let mut cycle = Cycle { range: start..head.len(), candidates, at: 0 };
    cycle.put(editor);
    Some(cycle)
}

fn command_names(word: &str) -> Vec<String> {
    let prefix = word.trim_start_matches('/').to_ascii_lowercase();
    let names = commands::table().iter().map(|c| c.name);
    let mut found: Vec<String> = names.filter(|n| n.starts_with(&prefix)).map(|n| format!("/{n}")).collect();
    if found.is_empty() {
        let aliases = commands::table().iter().flat_map(|c| c.aliases);
        found = aliases.filter(|n| n.starts_with(&prefix)).map(|n| format!("/{n}")).collect();
    }
    found
}

fn candidates(model: &Model, completer: Completer, word: &str) -> Vec<String> {
    let prefix = fold(word);
    let fits = |name: &str| fold(name).starts_with(&prefix);
    match completer {
        Completer::None => Vec::new(),
        Completer::Words(words) => words.iter().filter(|w| fits(w)).map(|w| (*w).to_owned()).collect(),
        Completer::Command => {
            commands::table().iter().map(|c| c.name).filter(|n| fits(n)).map(str::to_owned).collect()
        }
        Completer::Channel => {
            let mut names: Vec<String> = model
                .buffers
                .iter()
                .filter(|b| b.place == Place::Channel)
                .map(|b| b.name.clone())
                .filter(|n| fits(n))
                .collect();
            let current = &model.buffers.current().name;
            names.sort_by_key(|n| (n != current, fold(n)));
            names
        }
        Completer::Nick => nicks(model, fits),
    }
}

/// Who spoke last comes first, then the rest of the room, then everybody known.
fn nicks(model: &Model, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let buffer = model.buffers.current();
    let mut here: Vec<_> =
        buffer.members.iter().filter(|m| fits(&m.nick) && fold(&m.nick) != fold(&model.me)).collect();
    here.sort_by_cached_key(|m| (std::cmp::Reverse(m.spoke), fold(&m.nick)));
    let mut names: Vec<String> = here.into_iter().map(|m| m.nick.clone()).collect();
    let talks = model.buffers.iter().filter(|b| b.place == Place::Direct).map(|b| &b.name);
    let others = buffer.place != Place::Channel || names.is_empty();
    if others {
        for nick in talks.chain(model.people.iter().map(|p| &p.nick)) {
            if fits(nick) && !names.iter().any(|n| fold(n) == fold(nick)) {
                names.push(nick.clone());
            }
        }
    }
    names
}
