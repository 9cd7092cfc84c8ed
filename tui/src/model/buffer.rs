//! One buffer: a channel, a conversation or the status page.
//!
//! Owns: the state of a single buffer. Must not: depend on other buffers.
use super::buffers::BufferId;
use super::line::{Line, LineKey};
use super::lines::Lines;
use super::members::Members;
use crate::input::Editor;
use crate::when::Millis;

/// What a buffer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The program's own page.
    Status,
    /// A channel.
    Channel,
    /// A conversation with one person.
    Direct,
}

/// How far the past has been fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// Not asked for.
    Unknown,
    /// Asked for.
    Asked,
    /// Fetched; whether there is more.
    Known {
        /// There is more.
        more: bool,
    },
}

/// How the user wants to scroll. The view carries it out and clamps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScrollWish {
    /// Rows up, in all, since the beginning (down is negative).
    pub rows: i64,
    /// How often the bottom was asked for.
    pub bottoms: u64,
}

/// A buffer.
#[derive(Debug)]
pub struct Buffer {
    /// Its number.
    pub id: BufferId,
    /// What it is for.
    pub place: Place,
    /// Channel or nick, clean; what is sent goes there.
    pub name: String,
    /// What is shown.
    pub lines: Lines,
    /// Who is there.
    pub members: Members,
    /// Names of a list that is still coming in.
    pub incoming: Vec<(String, String)>,
    /// The topic.
    pub topic: String,
    /// The channel's modes, as `+nt`.
    pub modes: String,
    /// Whether one is in the channel.
    pub joined: bool,
    /// Not in the list until something happens there.
    pub hidden: bool,
    /// The input of this buffer, with its draft and history.
    pub editor: Editor,
    /// Messages not seen.
    pub unread: u32,
    /// Those of them that name oneself.
    pub mentions: u32,
    /// The first line that was new when one last looked.
    pub marker: Option<LineKey>,
    /// The message last marked as read.
    pub marked: Option<String>,
    /// Where reading ended when the program ended last, until the marker stands there.
    pub left_off: Option<LeftOff>,
    /// How far the past has been fetched.
    pub history: History,
    /// Who is typing, and until when that is believed.
    pub typing: Vec<(String, Millis)>,
    /// When the others were last told that one is typing.
    pub told_typing: Option<Millis>,
    /// How the user wants to scroll.
    pub scroll: ScrollWish,
    /// Whether the end is on the screen, as drawn last.
    pub at_bottom: bool,
    /// The widest nick that has spoken, in columns.
    pub nick_width: usize,
}

/// Where the user was when the program ended last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOff {
    /// The last message that was read, if any was.
    pub read: Option<String>,
}

impl Buffer {
    pub(super) fn new(id: BufferId, place: Place, name: String) -> Self {
        Self {
            id,
            place,
            name,
            lines: Lines::default(),
            members: Members::default(),
            incoming: Vec::new(),
            topic: String::new(),
            modes: String::new(),
            joined: place != Place::Channel,
            hidden: false,
            editor: Editor::default(),
            unread: 0,
            mentions: 0,
            marker: None,
            marked: None,
            left_off: None,
            history: History::Unknown,
            typing: Vec::new(),
            told_typing: None,
            scroll: ScrollWish::default(),
            at_bottom: true,
            nick_width: 5,
        }
    }

    /// Whether one can talk here.
    pub fn is_talk(&self) -> bool {
        self.place != Place::Status
    }

    /// Counts a line that the user does not see; the first one bears the marker.
    pub fn count(&mut self, line: &Line, mention: bool) {
        if self.unread == 0 && self.marker.is_none() {
            self.marker = Some(line.key);
        }
        self.unread = self.unread.saturating_add(1);
        if mention {
            self.mentions = self.mentions.saturating_add(1);
        }
    }

    /// Lets go of the oldest lines, unless somebody reads the past. They can be fetched again.
    pub fn trim(&mut self) {
        if self.at_bottom && self.lines.trim() && self.is_talk() {
            self.history = History::Known { more: true };
        }
    }

    /// Nothing is unread any more.
    pub fn seen(&mut self) {
        self.unread = 0;
        self.mentions = 0;
    }

    /// Somebody types, or has stopped.
    pub fn set_typing(&mut self, nick: &str, until: Option<Millis>) {
        self.typing.retain(|(n, _)| n != nick);
        if let Some(until) = until
            && self.typing.len() < 100
        {
            self.typing.push((nick.to_owned(), until));
        }
    }
}
