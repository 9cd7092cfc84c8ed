//! The commands: one table for parsing, completion and help.
//!
//! Owns: the definition of a command and the parsing of its arguments. Must not: depend on keys or
//! the screen.
mod channel;
mod context;
mod people;
mod screen;
mod table;
mod talk;

pub use context::{Context, fold_width};
pub use table::table;
pub use talk::{say, too_large};

use crate::model::Place;

/// A command.
pub struct Command {
    /// Its name, without the slash.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// Its arguments, in order.
    pub args: &'static [Arg],
    /// What it does, in one line.
    pub help: &'static str,
    /// Where it can be given.
    pub allowed: Allowed,
    /// What it does.
    pub run: fn(&mut Context<'_>, Args) -> Result<(), String>,
}

/// Where a command can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// Everywhere.
    Anywhere,
    /// In channels and conversations.
    Talk,
}

/// An argument.
#[derive(Debug, Clone, Copy)]
pub struct Arg {
    /// What the help calls it.
    pub name: &'static str,
    /// How it is read.
    pub kind: ArgKind,
    /// What can stand there.
    pub completer: Completer,
}

/// How an argument is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgKind {
    /// A channel, where the word starts with `#`; otherwise the channel one is in.
    Channel,
    /// A word that must be there.
    Word,
    /// A word that may be there.
    Maybe,
    /// All further words, at least one.
    Words,
    /// All that follows, as it was typed; it may be nothing.
    Rest,
    /// All that follows, as it was typed; something must be there.
    Text,
}

/// What can stand at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completer {
    /// Anything; nothing is offered.
    None,
    /// Channels.
    Channel,
    /// Nicks.
    Nick,
    /// Names of commands.
    Command,
    /// One of these.
    Words(&'static [&'static str]),
}

/// Arguments, read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Args {
    /// The channel, named or the one one is in.
    pub channel: String,
    /// Words, in order.
    pub words: Vec<String>,
    /// What followed, as it was typed.
    pub rest: String,
}

impl Args {
    /// A word, or nothing.
    pub fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", String::as_str)
    }
}

/// Finds a command by name or alias.
pub fn find(name: &str) -> Option<&'static Command> {
    let name = name.to_ascii_lowercase();
    table().iter().find(|c| c.name == name || c.aliases.contains(&name.as_str()))
}

impl Command {
    /// `/kick [#channel] NICK [REASON]`
    pub fn usage(&self) -> String {
        let mut out = format!("/{}", self.name);
        for arg in self.args {
            match arg.kind {
                ArgKind::Channel | ArgKind::Maybe | ArgKind::Rest => {
                    out.push_str(&format!(" [{}]", arg.name))
                }
                ArgKind::Word | ArgKind::Text => out.push_str(&format!(" {}", arg.name)),
                ArgKind::Words => out.push_str(&format!(" {} …", arg.name)),
            }
        }
        out
    }

    /// What fits at a place: `place` words stand before it, the first of them is `first`, and
    /// `word` has been begun.
    pub fn completer(&self, place: usize, first: Option<&str>, word: &str) -> Completer {
        let mut args = self.args;
        let mut place = place;
        if let Some((arg, rest)) = args.split_first()
            && arg.kind == ArgKind::Channel
        {
            let here = if place == 0 { Some(word) } else { first };
            if here.is_some_and(|w| w.starts_with('#')) {
                if place == 0 {
                    return arg.completer;
                }
                place -= 1;
            }
            args = rest;
        }
        match args.get(place).or(args.last()) {
            Some(arg) if place < args.len() || arg.kind == ArgKind::Words => arg.completer,
            Some(arg) if arg.kind == ArgKind::Text || arg.kind == ArgKind::Rest => arg.completer,
            _ => Completer::None,
        }
    }

    /// Reads what was typed behind the command. `here` is the channel one is in, if any.
    pub fn read(&self, text: &str, here: Option<&str>) -> Result<Args, String> {
        let mut args = Args::default();
        let mut rest = text.trim_start();
        for arg in self.args {
            match arg.kind {
                ArgKind::Channel => {
                    if rest.starts_with('#') {
                        args.channel = next_word(&mut rest).unwrap_or_default();
                    } else if let Some(here) = here {
                        args.channel = here.to_owned();
                    } else {
                        return Err(format!("Which channel? {}", self.usage()));
                    }
                }
                ArgKind::Word => match next_word(&mut rest) {
                    Some(word) => args.words.push(word),
                    None => return Err(format!("{} is missing: {}", arg.name, self.usage())),
                },
                ArgKind::Maybe => args.words.extend(next_word(&mut rest)),
                ArgKind::Words => {
                    while let Some(word) = next_word(&mut rest) {
                        args.words.push(word);
                    }
                    if args.words.is_empty() {
                        return Err(format!("{} is missing: {}", arg.name, self.usage()));
                    }
                }
                ArgKind::Rest | ArgKind::Text => {
                    args.rest = rest.trim_end().to_owned();
                    rest = "";
                    if arg.kind == ArgKind::Text && args.rest.is_empty() {
                        return Err(format!("{} is missing: {}", arg.name, self.usage()));
                    }
                }
            }
        }
        if rest.trim().is_empty() {
            Ok(args)
        } else {
            Err(format!("Too much: “{}”. {}", rest.trim(), self.usage()))
        }
    }
}

/// Whether a text is a command, or was meant to be one. `//` is said, as text that begins with `/`.
pub fn is_command(text: &str) -> bool {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || kirc_core::names::is_invisible(c));
    text.starts_with('/') && !text.starts_with("//")
}

/// Carries a line out that starts with a slash. An error is a sentence for the user.
pub fn run(context: &mut Context<'_>, line: &str) -> Result<(), String> {
    let text = line.trim_start_matches('/');
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let Some(command) = find(name) else {
        return Err(format!("There is no command /{name}. F1 shows all of them."));
    };
    let buffer = context.model.buffers.current();
    if command.allowed == Allowed::Talk && !buffer.is_talk() {
        return Err(format!("/{} needs a channel or a conversation.", command.name));
    }
    let here = (buffer.place == Place::Channel).then(|| buffer.name.clone());
    let args = command.read(rest, here.as_deref())?;
    (command.run)(context, args)
}

fn next_word(rest: &mut &str) -> Option<String> {
    let text = rest.trim_start();
    if text.is_empty() {
        *rest = "";
        return None;
    }
    let (word, after) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    *rest = after.trim_start();
    Some(word.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_is_sound() {
        let mut names = BTreeSet::new();
        for command in table() {
            for name in std::iter::once(&command.name).chain(command.aliases) {
                assert!(names.insert(*name), "{name} stands twice");
                assert!(name.chars().all(|c| c.is_ascii_lowercase()), "{name}");
                assert_eq!(find(&name.to_uppercase()).unwrap().name, command.name);
            }
            assert!(!command.help.is_empty() && !command.help.ends_with('.'), "{}", command.name);
            assert!(command.usage().len() <= 44, "{}", command.usage());
            for (i, arg) in command.args.iter().enumerate() {
                assert!(arg.kind != ArgKind::Channel || i == 0, "{}", command.name);
                let greedy = matches!(arg.kind, ArgKind::Words | ArgKind::Rest | ArgKind::Text);
                assert!(!greedy || i + 1 == command.args.len(), "{}", command.name);
            }
        }
        for asked in [
            "join", "part", "msg", "query", "me", "nick", "topic", "mode", "op", "deop", "voice", "devoice",
            "kick", "ban", "unban", "invite", "names", "whois", "list", "away", "back", "rotate", "verify",
            "contact", "profile", "clear", "close", "quit", "help",
        ] {
            assert!(find(asked).is_some(), "{asked}");
        }
    }

    #[test]
    fn arguments_are_read() {
        let kick = find("kick").unwrap();
        let args = kick.read("bob  too  loud ", Some("#net")).unwrap();
        assert_eq!((args.channel.as_str(), args.word(0), args.rest.as_str()), ("#net", "bob", "too  loud"));
        let args = kick.read("#dev bob", Some("#net")).unwrap();
        assert_eq!((args.channel.as_str(), args.word(0)), ("#dev", "bob"));
        assert!(kick.read("", Some("#net")).unwrap_err().contains("NICK"));
        assert!(kick.read("bob", None).unwrap_err().contains("Which channel"));
        assert!(find("whois").unwrap().read("a b", None).unwrap_err().contains("Too much"));
    }

    #[test]
    fn places_know_what_fits() {
        let kick = find("kick").unwrap();
        assert_eq!(kick.completer(0, None, "b"), Completer::Nick);
        assert_eq!(kick.completer(0, None, "#"), Completer::Channel);
        assert_eq!(kick.completer(1, Some("#net"), "b"), Completer::Nick);
        let op = find("op").unwrap();
        assert_eq!(op.completer(3, Some("a"), "b"), Completer::Nick);
    }
}
