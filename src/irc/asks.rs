//! What was asked of the node: which answer belongs to which command, and when it is complete.

use std::collections::HashMap;

use kirc_core::channel::ModeKind;
use kirc_core::{Envelope, numeric};

use super::chathistory::Wanted;
use super::codec::Line;

/// What an answer is for.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A command that is answered once.
    Once,
    /// A message: it comes back when it is settled.
    Message,
    /// JOIN, ended by 366.
    Join,
    /// NAMES, ended by 366.
    Names,
    /// A command ended by this numeric.
    Until(&'static str),
    /// TOPIC without a text, ended by 331 or 333.
    Topic,
    /// MODE with so many answers; 0: what is set, ended by 329.
    Mode(usize),
    /// PING with this token.
    Ping(String),
    /// `CHATHISTORY`.
    History(Box<Wanted>),
    /// LIST of these channels only.
    List(Vec<String>),
    /// USERHOST or ISON: the numeric, nicks that are left, and what was found, a line each.
    Who(String),
    /// Of the listener's own: people of a channel, or one of them.
    People,
    /// Of the listener's own: what was missed of a conversation.
    Missed(String),
    /// Of the listener's own: when a message was said, for a read marker of a target.
    MarkTime(String),
    /// Of the listener's own: the message that a read marker of a target is at.
    MarkAt(String),
    /// Of the listener's own: everything before is answered.
    Caught,
}

/// One question.
#[derive(Debug)]
pub struct Ask {
    /// What it is for.
    pub what: What,
    /// The command of a client with a label that it is part of.
    pub group: Option<u64>,
}

/// A client's command with a label.
#[derive(Debug)]
struct Group {
    label: String,
    open: usize,
    lines: Vec<Line>,
}

/// All questions that are open.
#[derive(Debug, Default)]
pub struct Asks {
    last: u64,
    open: HashMap<u64, Ask>,
    groups: HashMap<u64, Group>,
}

impl Asks {
    /// Enters a question; gives it with its label.
    pub fn ask(&mut self, envelope: Envelope, what: What, group: Option<u64>) -> Envelope {
        self.last += 1;
        if let Some(group) = group.and_then(|g| self.groups.get_mut(&g)) {
            group.open += 1;
        }
        self.open.insert(self.last, Ask { what, group });
        envelope.meta("label", self.last.to_string())
    }

    /// The question that an envelope answers.
    pub fn of(&self, envelope: &Envelope) -> Option<(u64, &Ask)> {
        let number = envelope.meta_str("label")?.parse().ok()?;
        self.open.get(&number).map(|ask| (number, ask))
    }

    /// Changes what an open question is for.
    pub fn update(&mut self, answer: &Envelope, what: What) {
        let number = answer.meta_str("label").and_then(|label| label.parse::<u64>().ok());
        if let Some(ask) = number.and_then(|number| self.open.get_mut(&number)) {
            ask.what = what;
        }
    }

    /// The number of the last question.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Whether a question is open.
    pub fn is_open(&self, number: u64) -> bool {
        self.open.contains_key(&number)
    }

    /// Counts an answer. Gives the label and the lines of a command that is complete by it.
    pub fn answered(&mut self, number: u64, answer: &Envelope) -> Option<(String, Vec<Line>)> {
        let ask = self.open.get_mut(&number)?;
        if !ends(&mut ask.what, answer) {
            return None;
        }
        let ask = self.open.remove(&number)?;
        self.close(ask.group?)
    }

    /// Begins a command with a label.
    pub fn begin(&mut self, label: &str) -> u64 {
        self.last += 1;
        self.groups.insert(self.last, Group { label: label.to_owned(), open: 1, lines: Vec::new() });
        self.last
    }

    /// Adds a line to a command's answer; gives it back if there is no such command.
    pub fn collect(&mut self, group: u64, line: Line) -> Option<Line> {
        match self.groups.get_mut(&group) {
            Some(group) => {
                group.lines.push(line);
                None
            }
            None => Some(line),
        }
    }

    /// Part of a command is done. Gives label and lines if that was the last one.
    pub fn close(&mut self, number: u64) -> Option<(String, Vec<Line>)> {
        let group = self.groups.get_mut(&number)?;
        group.open -= 1;
        if group.open > 0 {
            return None;
        }
        self.groups.remove(&number).map(|g| (g.label, g.lines))
    }
}

/// Whether an answer is the last one.
fn ends(what: &mut What, answer: &Envelope) -> bool {
    let command = answer.command.as_str();
    if matches!(answer.meta_str("state"), Some("sending" | "waiting")) {
        return false;
    }
    let refused = command == "ERROR" || numeric::refuses(command);
    match what {
        What::Join | What::Names => refused || command == "366",
        // Nobody of that name: the end comes all the same.
        What::Until(code) => command == *code || (refused && *code != "318") || command == "ERROR",
        What::List(_) => refused || command == "323",
        What::Who(_) | What::People => refused || command == "315" || command == "318",
        What::Topic => refused || matches!(command, "331" | "333"),
        What::Mode(0) => refused || command == "329",
        What::Mode(left) => {
            let one = matches!(command, "MODE" | "324" | "368" | "349" | "347");
            *left -= usize::from(one);
            refused || *left == 0
        }
        // A 301 about the peer comes before the message is settled.
        What::Message => command != "301",
        _ => true,
    }
}

/// How many answers a MODE has.
pub fn mode_answers(params: &[String]) -> usize {
    let Some((letters, rest)) = params.split_first() else { return 0 };
    let (mut given, mut add) = (rest.len(), true);
    let (mut lists, mut changes): (Vec<char>, bool) = (Vec::new(), false);
    for letter in letters.chars() {
        match letter {
            '+' | '-' => add = letter == '+',
            _ => {
                let kind = ModeKind::of(letter);
                let takes = kind.is_some_and(|k| k.has_param(add) || k == ModeKind::Key);
                let has = takes && given > 0;
                given -= usize::from(has);
                match kind {
                    Some(ModeKind::List) if !has => {
                        if !lists.contains(&letter) {
                            lists.push(letter);
                        }
                    }
                    _ => changes = true,
                }
            }
        }
    }
    (lists.len() + usize::from(changes)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(code: &str) -> Envelope {
        Envelope::new(code)
    }

    #[test]
    fn a_command_ends_with_its_last_answer() {
        let mut asks = Asks::default();
        for (what, answers) in [
            (What::Join, &["JOIN", "332", "333", "353", "366"][..]),
            (What::Join, &["475"]),
            (What::Until("318"), &["401", "318"]),
            (What::Topic, &["332", "333"]),
            (What::Mode(0), &["324", "329"]),
            (What::Mode(2), &["367", "368", "MODE"]),
            (What::Message, &["301", "PRIVMSG"]),
            (What::Once, &["AWAY"]),
        ] {
            let group = asks.begin("l");
            let asked = asks.ask(Envelope::new("X"), what.clone(), Some(group));
            let number = asked.meta_str("label").and_then(|l| l.parse().ok()).unwrap();
            assert_eq!(asks.close(group), None, "one question is open");
            for (i, code) in answers.iter().enumerate() {
                let done = asks.answered(number, &numeric(code)).is_some();
                assert_eq!(done, i + 1 == answers.len(), "{what:?} {code}");
            }
        }
    }

    #[test]
    fn what_waits_is_no_answer() {
        let mut asks = Asks::default();
        asks.ask(Envelope::new("PRIVMSG"), What::Message, None);
        let number = asks.last();
        asks.answered(number, &numeric("NOTICE").meta("state", "waiting"));
        assert!(asks.is_open(number));
        asks.answered(number, &numeric("PRIVMSG").meta("state", "sent"));
        assert!(!asks.is_open(number));
    }

    #[test]
    fn answers_of_a_mode_are_counted() {
        for (params, count) in [
            (&[][..], 0),
            (&["+b"], 1),
            (&["b"], 1),
            (&["+beI"], 3),
            (&["+ov", "a", "b"], 1),
            (&["+ob", "a"], 2),
            (&["+b", "x!*@*"], 1),
            (&["+k-l", "key"], 1),
        ] {
            let params: Vec<String> = params.iter().map(|p| (*p).to_owned()).collect();
            assert_eq!(mode_answers(&params), count, "{params:?}");
        }
    }
}
