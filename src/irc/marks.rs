//! Channels that the client is in, and read markers: the node's are messages, IRC's are times.

use std::collections::{BTreeMap, HashMap};

use kirc_core::Envelope;
use kirc_core::envelope::{format_ts, parse_ts};
use kirc_core::names::casefold;

use super::SERVER;
use super::asks::What;
use super::caps::Cap;
use super::client::{Client, Turn};
use super::codec::Line;
use super::playback::said;

/// Conversations whose marker is remembered at the most.
const MOST: usize = 4_000;

/// The channels and markers.
#[derive(Debug, Default)]
pub struct Marks {
    channels: BTreeMap<String, String>,
    /// The last message that was shown: id and time.
    last: HashMap<String, (String, String)>,
    /// Up to when a conversation was read.
    read: HashMap<String, String>,
    /// The last messages that an earlier connection of the same client was shown.
    before: Shown,
}

/// The last message that was shown, by conversation.
pub type Shown = HashMap<String, String>;

impl Marks {
    /// Whether the client is in a channel, or about to be.
    pub fn is_in(&self, channel: &str) -> bool {
        self.channels.contains_key(&casefold(channel))
    }

    /// The client comes into a channel.
    pub fn enter(&mut self, channel: &str) {
        self.channels.insert(casefold(channel), channel.to_owned());
    }

    /// It is out.
    pub fn leave(&mut self, channel: &str) {
        self.channels.remove(&casefold(channel));
    }

    /// All channels.
    pub fn channels(&self) -> Vec<String> {
        self.channels.values().cloned().collect()
    }

    /// A message was shown.
    pub fn seen(&mut self, target: &str, message: &Envelope) {
        if let (Some(id), Some(ts)) = (&message.id, &message.ts) {
            if self.last.len() >= MOST {
                self.last.clear();
            }
            self.last.insert(casefold(target), (id.clone(), ts.clone()));
        }
    }

    /// What an earlier connection of the same client was shown.
    pub fn set_before(&mut self, before: Shown) {
        self.before = before;
    }

    /// What this connection was shown, and the earlier one.
    pub fn shown(&self) -> Shown {
        let mut shown = self.before.clone();
        shown.extend(self.last.iter().map(|(target, (id, _))| (target.clone(), id.clone())));
        shown
    }

    /// From which message on a conversation is played back: what was read, or what the client was
    /// shown before if that is later. Ids compare by their times.
    pub fn missed_since(&self, target: &str, read: Option<&String>) -> Option<String> {
        self.before.get(&casefold(target)).max(read).cloned()
    }

    fn set_read(&mut self, target: &str, ts: &str) {
        if self.read.len() >= MOST {
            self.read.clear();
        }
        let old = self.read.entry(casefold(target)).or_default();
        // A marker only goes forward; times of this form compare as texts.
        if old.as_str() < ts {
            ts.clone_into(old);
        }
    }
}

impl Client {
    /// The marker of a conversation as a line.
    pub(super) fn mark_line(&self, target: &str) -> Line {
        let read = self.marks.read.get(&casefold(target));
        let at = read.map_or("*".to_owned(), |ts| format!("timestamp={ts}"));
        Line::new("MARKREAD").from(SERVER).param(target).param(at)
    }

    /// Asks when a message was said, which is what the marker is at.
    pub(super) fn ask_mark_time(&mut self, turn: &mut Turn, target: &str, id: &str) {
        let question = Envelope::new("HISTORY").to(target).param("around").param(id).meta("limit", 1);
        self.ask(turn, question, What::MarkTime(target.to_owned()));
    }

    /// Another screen has read a conversation up to a message.
    pub(super) fn on_markread(&mut self, turn: &mut Turn, e: &Envelope) {
        let (Some(target), Some(id)) = (&e.to, e.params.first()) else { return };
        if !self.caps.has(Cap::ReadMarker) {
            return;
        }
        let known = self.marks.last.get(&casefold(target)).filter(|(last, _)| last == id);
        match known.map(|(_, ts)| ts.clone()) {
            Some(ts) => {
                self.marks.set_read(target, &ts);
                let line = self.mark_line(target);
                self.say(turn, line);
            }
            None => self.ask_mark_time(turn, target, id),
        }
    }

    /// The answer to [`Client::ask_mark_time`].
    pub(super) fn on_mark_time(&mut self, turn: &mut Turn, target: &str, e: &Envelope, arriving: bool) {
        if let Some(ts) = last_time(e) {
            self.marks.set_read(target, &ts);
            if !arriving {
                let line = self.mark_line(target);
                self.say(turn, line);
            }
        }
    }

    /// MARKREAD of the client: asks for the marker or moves it.
    pub(super) fn markread(&mut self, turn: &mut Turn, line: &Line) {
        let target = line.get(0).unwrap_or_default().to_owned();
        let Some(at) = line.get(1) else {
            let line = self.mark_line(&target);
            return self.say(turn, line);
        };
        let Some(millis) = at.strip_prefix("timestamp=").and_then(parse_ts) else {
            return self.fail(turn, "MARKREAD", "INVALID_PARAMS", &[&target], "A marker is timestamp=…");
        };
        let ts = format_ts(millis);
        let read = self.marks.read.get(&casefold(&target));
        if read.is_some_and(|read| *read >= ts) {
            let line = self.mark_line(&target);
            return self.say(turn, line);
        }
        match self.marks.last.get(&casefold(&target)).filter(|(_, last)| *last <= ts) {
            Some((id, _)) => {
                let envelope = Envelope::new("MARKREAD").to(target.as_str()).param(id.as_str());
                self.tell(turn, envelope);
                self.marks.set_read(&target, &ts);
                let line = self.mark_line(&target);
                self.say(turn, line);
            }
            None => {
                let before = format_ts(millis + 1);
                let question = Envelope::new("HISTORY").to(target.as_str()).param("before").param(before);
                self.marks.set_read(&target, &ts);
                // What is not a message is among them.
                self.ask(turn, question.meta("limit", 50), What::MarkAt(target));
            }
        }
    }

    /// The message that a marker of the client is at.
    pub(super) fn on_mark_at(&mut self, turn: &mut Turn, target: &str, e: &Envelope) {
        if let Some(id) = said(e).last().and_then(|e| e.id.clone()) {
            let envelope = Envelope::new("MARKREAD").to(target).param(id);
            self.tell(turn, envelope);
        }
        let line = self.mark_line(target);
        self.say(turn, line);
    }
}

/// The time of the last message in a HISTORY.
fn last_time(history: &Envelope) -> Option<String> {
    said(history).last().and_then(|e| e.ts.clone())
}
