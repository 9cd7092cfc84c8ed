//! Everything the UI knows, as plain data.
//!
//! Owns: the state. Must not: draw, wait, or change by itself (only `update` changes it).
mod asks;
mod buffer;
mod buffers;
mod line;
mod lines;
mod members;
mod people;
mod status;

pub use asks::{Ask, Asks, What};
pub use buffer::{Buffer, History, LeftOff, Place, ScrollWish};
pub use buffers::{BufferId, Buffers};
pub use line::{Kind, Line, LineKey, Move, Namesake, Said, State};
pub use lines::{Lines, MAX_PAST};
pub use members::{Member, Members, rank_of_mode, split_ranks};
pub use people::{People, Person};
pub use status::{Channel, NodeStatus, Service};

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::input::Cycle;
use crate::layers::Layer;
use crate::options::Options;
use crate::when::{self, Millis};

/// How long who has pressed something is taken to look, ms.
const ATTENTION: Millis = 60_000;

/// What the status page says before anybody else says anything.
const WELCOME: [&str; 3] = [
    "This is kirc: chat without a server, encrypted from end to end.",
    "/join #channel enters a channel or founds it. /query nick talks to one person.",
    "F1 shows all commands, keys and signs.",
];

/// The state of the UI.
#[derive(Debug)]
pub struct Model {
    /// The present, as the driver last told it.
    pub now: Millis,
    /// The zone in which times are shown.
    pub zone: TimeZone,
    /// The name of the user's profile.
    pub profile: String,
    /// One's own nick; empty until the node has said it.
    pub me: String,
    /// Rooms, conversations and the status page.
    pub buffers: Buffers,
    /// What is known of people outside of any one channel.
    pub people: People,
    /// What the node last said of itself.
    pub node: NodeStatus,
    /// Overlays, the topmost last.
    pub layers: Vec<Layer>,
    /// Questions that wait for an answer.
    pub asks: Asks,
    /// The running completion.
    pub completion: Option<Cycle>,
    /// What was last cut out of the input.
    pub killed: String,
    /// Until when a second C-c leaves.
    pub quit_armed: Option<Millis>,
    /// The last alarm, until the user has put it away.
    pub alarm: Option<String>,
    /// Whether the terminal has the focus, if it tells.
    pub focus: Option<bool>,
    /// It is inside another program's.
    inside: bool,
    /// When the user last did something.
    pub attended: Millis,
    /// Whether the user has pressed anything yet.
    pub touched: bool,
    /// The newest message that the user has read in any channel: that channel is shown first.
    pub left_at: Option<String>,
    /// When an Esc came that had nothing to do.
    pub escaped: Option<Millis>,
    /// Rows of scrollback on the screen, as drawn last.
    pub page: u16,
}

impl Model {
    /// Whether somebody looks at the screen. A terminal that does not tell whether it has the focus
    /// may be hidden, and one inside another's too though it has told so: there only who has just
    /// pressed something looks.
    pub fn attends(&self) -> bool {
        let known = self.focus.filter(|focused| !(*focused && self.inside));
        known.unwrap_or(self.now < self.attended + ATTENTION)
    }

    /// The state before anything has come.
    pub fn new(options: &Options) -> Self {
        let mut model = Self {
            now: options.clock.now(),
            zone: options.zone.clone(),
            profile: options.profile.clone(),
            me: String::new(),
            buffers: Buffers::default(),
            people: People::default(),
            node: NodeStatus::default(),
            layers: Vec::new(),
            asks: Asks::default(),
            completion: None,
            killed: String::new(),
            quit_armed: None,
            alarm: None,
            focus: None,
            inside: options.inside,
            attended: options.clock.now(),
            touched: false,
            left_at: None,
            escaped: None,
            page: 10,
        };
        let status = model.buffers.status();
        for text in WELCOME {
            model.tell(status, Kind::Info, text);
        }
        model
    }

    /// Today, in the user's zone.
    pub fn today(&self) -> Date {
        when::local(self.now, &self.zone).1
    }

    /// A line made now, not yet in any buffer.
    pub fn line(&mut self, kind: Kind, text: Vec<String>) -> Line {
        let now = self.now;
        self.line_at(now, kind, text)
    }

    /// A line of a given time, not yet in any buffer.
    pub fn line_at(&mut self, at: Millis, kind: Kind, text: Vec<String>) -> Line {
        let (clock, day) = when::local(at, &self.zone);
        Line {
            key: self.buffers.next_key(),
            id: None,
            by: None,
            label: None,
            seq: None,
            at,
            clock,
            day,
            kind,
            text,
            state: None,
            reason: None,
            rev: 0,
        }
    }

    /// Adds a line of one's own program to a buffer.
    pub fn tell(&mut self, buffer: BufferId, kind: Kind, text: impl Into<String>) {
        let line = self.line(kind, vec![text.into()]);
        if let Some(b) = self.buffers.get_mut(buffer) {
            b.lines.insert(line);
        }
    }

    /// Unread messages and mentions in all buffers.
    pub fn unread(&self) -> (u32, u32) {
        self.buffers
            .visible()
            .fold((0, 0), |(u, m), b| (u.saturating_add(b.unread), m.saturating_add(b.mentions)))
    }
}
