//! Pending requests to the node, so that its replies can be matched to them.
//!
//! Owns: labels. Must not: send.
use std::collections::VecDeque;

use super::buffers::BufferId;

/// Questions remembered at the most; the oldest is forgotten first.
const MAX_ASKS: usize = 256;

/// A question.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// Its label.
    pub label: String,
    /// The buffer in which it was asked.
    pub from: BufferId,
    /// What was asked.
    pub what: What,
    /// What has been answered so far: name and value.
    pub rows: Vec<(String, String)>,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Text was sent to a buffer.
    Text(BufferId),
    /// Who somebody is.
    Whois(String),
    /// Which channels there are.
    List,
    /// Who is in a channel.
    Names,
    /// A channel's masks.
    Masks(String),
    /// To join a channel.
    Join(String),
    /// Older lines of a buffer.
    History(BufferId),
    /// Fingerprints; the word is `confirm`, `revoke` or nothing.
    Verify(String),
    /// Contacts; the word is what was to be done.
    Contact(String),
    /// Anything whose answer explains itself.
    Other,
}

/// The questions that wait.
#[derive(Debug, Default)]
pub struct Asks {
    open: VecDeque<Ask>,
    next: u64,
}

impl Asks {
    /// Remembers a question and gives its label.
    pub fn ask(&mut self, from: BufferId, what: What) -> String {
        self.next += 1;
        let label = format!("tui{}", self.next);
        if self.open.len() == MAX_ASKS {
            self.open.pop_front();
        }
        self.open.push_back(Ask { label: label.clone(), from, what, rows: Vec::new() });
        label
    }

    /// The question of a label.
    pub fn get(&self, label: &str) -> Option<&Ask> {
        self.open.iter().find(|a| a.label == label)
    }

    /// The question of a label, to be added to.
    pub fn get_mut(&mut self, label: &str) -> Option<&mut Ask> {
        self.open.iter_mut().find(|a| a.label == label)
    }

    /// The question is answered.
    pub fn close(&mut self, label: &str) -> Option<Ask> {
        let at = self.open.iter().position(|a| a.label == label)?;
        self.open.remove(at)
    }
}
