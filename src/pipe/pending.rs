//! The sent envelopes that are not answered yet, for the pipe's final report.

use std::collections::BTreeMap;

use kirc_core::Envelope;

/// Marks labels of the pipe's own; they are taken off again before anything is shown.
const OWN: &str = "kirc-pipe-";

/// What was sent under a label.
#[derive(Debug)]
struct Sent {
    what: String,
    /// A JOIN: its answer has several parts.
    join: bool,
    /// It was sent to a node whose process has ended since.
    doubtful: bool,
}

/// The book.
#[derive(Debug, Default)]
pub struct Pending {
    count: u64,
    flush: Option<String>,
    flushed: bool,
    open: BTreeMap<u64, (String, Sent)>,
}

impl Pending {
    /// Enters what is sent; gives it with a label.
    pub fn sent(&mut self, envelope: Envelope) -> Envelope {
        self.count += 1;
        let (label, envelope) = match envelope.meta_str("label") {
            Some(label) => (label.to_owned(), envelope),
            None => {
                let label = format!("{OWN}{}", self.count);
                (label.clone(), envelope.meta("label", label))
            }
        };
        let silent = ["HELLO", "TYPING", "MARKREAD", "QUIT", "PONG"];
        if !silent.contains(&envelope.command.as_str()) {
            let sent = Sent { what: describe(&envelope), join: envelope.command == "JOIN", doubtful: false };
            self.open.insert(self.count, (label, sent));
        }
        envelope
    }

    /// The question whose answer says that all is settled.
    pub fn flush(&mut self) -> Envelope {
        self.count += 1;
        let label = format!("{OWN}{}", self.count);
        self.flush = Some(label.clone());
        Envelope::new("FLUSH").meta("label", label)
    }

    /// Strikes out what an envelope answers; gives what is to be shown of it.
    pub fn heard(&mut self, mut envelope: Envelope) -> Option<Envelope> {
        let Some(label) = envelope.meta_str("label").map(str::to_owned) else {
            return Some(envelope);
        };
        if self.flush.as_ref() == Some(&label) {
            self.flushed = true;
            return None;
        }
        let oldest = self.open.iter().find(|(_, (l, _))| *l == label);
        if let Some((number, join)) = oldest.map(|(number, (_, sent))| (*number, sent.join))
            && settles(&envelope, join)
        {
            self.open.remove(&number);
        }
        if label.starts_with(OWN) {
            envelope.meta.remove("label");
        }
        Some(envelope)
    }

    /// Whether the node says that all is settled, and every JOIN was answered to its end.
    pub fn flushed(&self) -> bool {
        self.flushed && !self.open.values().any(|(_, s)| s.join && !s.doubtful)
    }

    /// The node's process has ended: what is open may never have reached it.
    pub fn doubtful(&mut self) {
        self.open.values_mut().for_each(|(_, s)| s.doubtful = true);
    }

    /// How much of what is open was sent to a process that has ended.
    pub fn lost(&self) -> usize {
        self.open.values().filter(|(_, s)| s.doubtful).count()
    }

    /// How much is not answered.
    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// What is not answered, in words, oldest first.
    pub fn open(&self) -> Vec<&str> {
        self.open.values().map(|(_, s)| s.what.as_str()).collect()
    }
}

/// Whether an answer is the last word on what it answers.
fn settles(answer: &Envelope, join: bool) -> bool {
    let refused = answer.command == "ERROR" || answer.command.starts_with(['4', '5']);
    if join {
        return refused || answer.command == "366";
    }
    !matches!(answer.meta_str("state"), Some("sending" | "waiting"))
}

fn describe(envelope: &Envelope) -> String {
    let to = envelope.to.as_deref().unwrap_or("");
    let text = envelope.lines().first().copied().unwrap_or("");
    let short: String = text.chars().take(60).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    let quoted = match text {
        "" => String::new(),
        _ => format!(" \"{short}{dots}\""),
    };
    format!("{} {to}{quoted}", envelope.command).trim_end().chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_answered_is_struck_out_and_labels_of_our_own_stay_inside() {
        let mut book = Pending::default();
        let message = |text: &str| Envelope::new("PRIVMSG").to("#net").line(text);
        let first = book.sent(message("one"));
        let second = book.sent(message("two").meta("label", "mine"));
        book.sent(Envelope::new("TYPING").to("#net"));
        assert_eq!(second.meta_str("label"), Some("mine"));
        assert_eq!(book.open(), [r##"PRIVMSG #net "one""##, r##"PRIVMSG #net "two""##]);

        let sending = first.clone().meta("state", "sending");
        let shown = book.heard(sending).unwrap();
        assert_eq!(shown.meta_str("label"), None);
        assert_eq!(book.open().len(), 2);
        book.heard(first.meta("state", "sent")).unwrap();
        assert_eq!(book.heard(second).unwrap().meta_str("label"), Some("mine"));
        assert!(book.open().is_empty());

        let flush = book.flush();
        assert!(book.heard(flush).is_none() && book.flushed());
    }

    #[test]
    fn a_join_is_answered_with_its_last_line() {
        let mut book = Pending::default();
        let label = book.sent(Envelope::new("JOIN").to("#net"));
        let label = label.meta_str("label").unwrap();
        let flush = book.flush();
        book.heard(flush);
        for (command, flushed) in [("JOIN", false), ("353", false), ("366", true)] {
            book.heard(Envelope::new(command).meta("label", label));
            assert_eq!(book.flushed(), flushed, "{command}");
        }
    }

    #[test]
    fn after_the_node_moved_open_messages_are_in_doubt() {
        let mut book = Pending::default();
        book.sent(Envelope::new("PRIVMSG").to("bob").line("x"));
        assert_eq!(book.lost(), 0);
        book.doubtful();
        assert_eq!(book.lost(), 1);
    }
}
