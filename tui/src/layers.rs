//! Overlays: pages to read or choose from, and prompts.
//!
//! Owns: what an overlay contains and how keys navigate it. Must not: draw, send, or swallow the
//! user's typing — a page that a reply opened must not swallow the sentence that the user is
//! writing.
use crate::keymap::Action;
use crate::model::BufferId;

/// An overlay.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    /// Something to read or to choose from.
    Page(Page),
    /// A question that is answered by yes or no.
    Confirm(Confirm),
}

/// Something to read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// Its heading.
    pub title: String,
    /// Its content.
    pub rows: Vec<Row>,
    /// The first row shown.
    pub scroll: usize,
    /// The row chosen, if any can be.
    pub chosen: Option<usize>,
}

/// A row of a page.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// A heading.
    Head(String),
    /// A name and what it is.
    Pair(String, String),
    /// A sentence.
    Text(String),
    /// What must not be overlooked.
    Strong(String),
    /// A channel that can be joined: name, members, topic.
    Channel(String, String),
    /// Nothing.
    Gap,
}

/// A question.
#[derive(Debug, Clone, PartialEq)]
pub struct Confirm {
    /// Its heading.
    pub title: String,
    /// What is asked.
    pub text: Vec<String>,
    /// What yes means.
    pub yes: Decision,
}

/// What a yes sets off.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Puts text into the input.
    Paste(String),
    /// Leaves the channel and closes its buffer.
    CloseChannel(BufferId),
}

/// What became of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Handled {
    /// It did something here.
    Consumed,
    /// It is for what lies below.
    Passed,
    /// The overlay is done.
    Close,
    /// The overlay is done, and this channel is to be joined.
    Join(String),
}

impl Page {
    /// A page without a choice.
    pub fn new(title: impl Into<String>, rows: Vec<Row>) -> Self {
        let chosen = rows.iter().position(|r| matches!(r, Row::Channel(..)));
        Self { title: title.into(), rows, scroll: 0, chosen }
    }

    /// Handles an action. `page` is the number of rows that are on the screen, `idle` whether
    /// nothing is being written.
    pub fn act(&mut self, action: Action, page: usize, idle: bool) -> Handled {
        let step = page.saturating_sub(1).max(1);
        match action {
            Action::Leave => return Handled::Close,
            Action::Help if idle => return Handled::Close,
            Action::Older => self.go(-1),
            Action::Newer => self.go(1),
            Action::PageUp => self.go(-i64::try_from(step).unwrap_or(1)),
            Action::PageDown => self.go(i64::try_from(step).unwrap_or(1)),
            Action::ScrollTop => self.go(i64::MIN / 2),
            Action::ScrollBottom => self.go(i64::MAX / 2),
            Action::Submit if idle => {
                return match self.chosen.and_then(|i| self.rows.get(i)) {
                    Some(Row::Channel(name, _)) => Handled::Join(name.clone()),
                    _ => Handled::Close,
                };
            }
            _ => return Handled::Passed,
        }
        Handled::Consumed
    }

    fn go(&mut self, by: i64) {
        let shift = |at: usize, last: usize| {
            let to = i64::try_from(at).unwrap_or(0).saturating_add(by).max(0);
            usize::try_from(to).unwrap_or(0).min(last)
        };
        let last = self.rows.len().saturating_sub(1);
        match self.chosen {
            Some(at) => {
                let to = shift(at, last);
                if matches!(self.rows.get(to), Some(Row::Channel(..))) {
                    self.chosen = Some(to);
                } else {
                    self.chosen = self.rows.iter().position(|r| matches!(r, Row::Channel(..)));
                }
            }
            None => self.scroll = shift(self.scroll, last),
        }
    }
}
