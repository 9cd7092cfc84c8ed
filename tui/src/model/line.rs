//! One line of a buffer, and the states of a message.
//!
//! Owns: the definition of a line. Must not: depend on its position or on how it is drawn.
use jiff::civil::Date;

use crate::when::Millis;

/// A line's own number; it stays when the line moves.
pub type LineKey = u64;

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its number.
    pub key: LineKey,
    /// The id of the record it shows.
    pub id: Option<String>,
    /// Its author's actor id; none for what is one's own, or if it is not told.
    pub by: Option<String>,
    /// The label under which it was sent, until the node has given it an id.
    pub label: Option<String>,
    /// Its place in the channel's log.
    pub seq: Option<u64>,
    /// When it was said.
    pub at: Millis,
    /// The same as `10:50`, in the user's zone.
    pub clock: String,
    /// The day it belongs to, in the user's zone.
    pub day: Date,
    /// What it is.
    pub kind: Kind,
    /// Its text, clean.
    pub text: Vec<String>,
    /// How far the message has got.
    pub state: Option<State>,
    /// Why it is in that state.
    pub reason: Option<String>,
    /// Grows with each change, so that what was computed from it is found to be stale.
    pub rev: u32,
}

/// What a line is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Somebody's words.
    Said(Said),
    /// Who came and went, folded.
    Moves(Vec<Move>),
    /// A change of the channel: topic, modes, kicks, keys.
    Event,
    /// The program's answer.
    Info,
    /// Something did not work.
    Error,
    /// Something may be wrong with a key or a log.
    Alarm,
    /// Records are missing here.
    Gap,
}

/// Who said it, and how.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Said {
    /// The author's nick, clean.
    pub from: String,
    /// The author's rank in the channel when it was said.
    pub rank: Option<char>,
    /// `/me`.
    pub action: bool,
    /// A NOTICE.
    pub notice: bool,
    /// One's own.
    pub mine: bool,
    /// One's own nick is in it.
    pub mention: bool,
    /// It was recovered late.
    pub late: bool,
    /// Its author may be taken for somebody else.
    pub namesake: Option<Namesake>,
}

/// For whom an author may be taken, who has another key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namesake {
    /// Somebody known who bears the same nick.
    Same,
    /// Somebody whose nick looks the same: this one.
    Alike(String),
}

/// Somebody coming or going.
#[derive(Debug, Clone, PartialEq)]
pub struct Move {
    /// Who.
    pub nick: String,
    /// Came, or went.
    pub came: bool,
    /// The reason given.
    pub reason: Option<String>,
}

/// How far a message has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// In the outbox.
    Sending,
    /// Waits for a key, a leader or a service.
    Waiting,
    /// In the log, or in the peer's mailbox.
    Sent,
    /// The peer's node has it.
    Delivered,
    /// The peer has seen it.
    Read,
    /// Refused.
    Failed,
    /// From a key that changed; not shown until it is accepted.
    Held,
    /// From a key that changed; nothing is accepted yet.
    Unverified,
}

impl State {
    /// All of them, for the legend.
    pub const ALL: [State; 8] = [
        State::Sending,
        State::Waiting,
        State::Sent,
        State::Delivered,
        State::Read,
        State::Failed,
        State::Held,
        State::Unverified,
    ];

    /// Reads `meta.state`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == text)
    }

    /// Its name in an envelope.
    pub fn word(self) -> &'static str {
        match self {
            State::Sending => "sending",
            State::Waiting => "waiting",
            State::Sent => "sent",
            State::Delivered => "delivered",
            State::Read => "read",
            State::Failed => "failed",
            State::Held => "held",
            State::Unverified => "unverified",
        }
    }

    /// Its mark: ASCII, one column, told apart without colour.
    pub fn mark(self) -> char {
        match self {
            State::Sending => '~',
            State::Waiting => '?',
            State::Sent => '.',
            State::Delivered => ':',
            State::Read => '*',
            State::Failed => '!',
            State::Held => '=',
            State::Unverified => '%',
        }
    }

    /// What it means, for the legend.
    pub fn meaning(self) -> &'static str {
        match self {
            State::Sending => "sending: kept on disk, not in the log yet",
            State::Waiting => "waiting for a key, a leader or a service",
            State::Sent => "sent: in the order that everybody sees",
            State::Delivered => "delivered to the other's node",
            State::Read => "read",
            State::Failed => "failed: refused, the reason stands below",
            State::Held => "held back: the author's key has changed",
            State::Unverified => "unverified: the author's key has changed",
        }
    }
}

/// What names a record: its id, and its author if that is somebody else.
pub type Record = (String, Option<String>);

impl Line {
    /// What names its record, if it has one: id and author. An id alone is anybody's to take.
    pub fn record(&self) -> Option<Record> {
        Some((self.id.clone()?, self.by.clone()))
    }

    /// Whether the user said it.
    pub fn is_mine(&self) -> bool {
        matches!(&self.kind, Kind::Said(said) if said.mine)
    }

    /// Whether this is one's own message that has no settled place yet.
    pub fn is_pending(&self) -> bool {
        self.is_mine() && self.seq.is_none() && matches!(self.state, Some(State::Sending | State::Waiting))
    }

    /// Whether the text must stay hidden.
    pub fn is_held(&self) -> bool {
        self.state == Some(State::Held)
    }

    /// Marks the line as changed.
    pub fn touch(&mut self) {
        self.rev = self.rev.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_ascii_and_distinct() {
        let marks: std::collections::BTreeSet<char> = State::ALL.iter().map(|s| s.mark()).collect();
        assert_eq!(marks.len(), State::ALL.len());
        assert!(marks.iter().all(char::is_ascii_graphic));
        assert!(State::ALL.iter().all(|s| State::parse(s.word()) == Some(*s)));
    }
}
