//! The help, generated from the tables.
//!
//! Owns: its order. Must not: contain anything that is not in a table.
use crate::commands;
use crate::keymap;
use crate::layers::{Page, Row};
use crate::model::State;

/// The page of `/help`.
pub fn help_page() -> Page {
    let mut rows = vec![Row::Head("Commands".to_owned())];
    for command in commands::table() {
        let mut help = command.help.to_owned();
        if !command.aliases.is_empty() {
            help.push_str(&format!(" (/{})", command.aliases.join(", /")));
        }
        rows.push(Row::Pair(command.usage(), help));
    }
    rows.push(Row::Text("//text says “/text”.".to_owned()));
    rows.push(Row::Gap);
    rows.push(Row::Head("Keys (C- is Ctrl, M- is Alt, S- is Shift)".to_owned()));
    for binding in keymap::DEFAULT.iter().filter(|b| !b.help.is_empty()) {
        rows.push(Row::Pair(binding.to_string(), binding.help.to_owned()));
    }
    rows.push(Row::Gap);
    rows.push(Row::Head("Signs before a message".to_owned()));
    for state in State::ALL {
        rows.push(Row::Pair(state.mark().to_string(), state.meaning().to_owned()));
    }
    rows.push(Row::Pair(">".to_owned(), "names you".to_owned()));
    rows.push(Row::Pair("<".to_owned(), "recovered late, in the order it was said".to_owned()));
    rows.push(Row::Gap);
    rows.push(Row::Head("Signs in the lists".to_owned()));
    rows.push(Row::Pair("3".to_owned(), "unread messages".to_owned()));
    rows.push(Row::Pair("@1".to_owned(), "of them, messages that name you".to_owned()));
    rows.push(Row::Pair("@ % +".to_owned(), "operator, half-operator, voice".to_owned()));
    rows.push(Row::Pair("(bob)".to_owned(), "away or offline; a channel: not joined".to_owned()));
    Page::new("Help", rows)
}
