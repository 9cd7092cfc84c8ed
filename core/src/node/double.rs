//! Another node at work under one's own identity: a copy of the profile. Each misses what is said
//! through the other.

use std::collections::VecDeque;

use super::ctx::Ctx;
use crate::ids::Millis;

/// Of how many of one's own presences it is remembered that this node said them.
const SAID: usize = 16;

/// What this node has said of itself, and when it began.
#[derive(Default)]
pub(crate) struct Double {
    since: Option<Millis>,
    said: VecDeque<Millis>,
    told: bool,
}

impl Double {
    /// This node says how it is, with this time.
    pub fn say(&mut self, ts: Millis) {
        self.since.get_or_insert(ts);
        while self.said.len() >= SAID {
            self.said.pop_front();
        }
        self.said.push_back(ts);
    }

    /// Whether this node was at work at this time.
    pub fn works(&self, ts: Millis) -> bool {
        self.since.is_some_and(|since| ts > since)
    }

    /// Whether a presence under one's own name comes from somewhere else. Before this node began an
    /// earlier one spoke.
    pub fn is_other(&self, ts: Millis) -> bool {
        self.works(ts) && !self.said.contains(&ts)
    }
}

impl Ctx {
    /// Says once that another node is at work as this one.
    pub fn tell_double(&mut self) {
        if std::mem::replace(&mut self.double.told, true) {
            return;
        }
        let nick = self.nick().as_str().to_owned();
        let text = "another node is at work under your identity: a copy of this profile runs somewhere, and each of the two misses what the other says and does. Stop one of them";
        self.alarm(&nick, "double", text);
    }
}
