//! Detects another node that runs under the same identity: a copy of the profile. Each of the two
//! misses messages sent through the other.

use std::collections::VecDeque;

use super::ctx::Ctx;
use crate::ids::Millis;

/// How many of its own presences this node remembers.
const SAID: usize = 16;

/// The presences that this node sent, and when it started.
#[derive(Default)]
pub(crate) struct Double {
    since: Option<Millis>,
    said: VecDeque<Millis>,
    told: bool,
}

impl Double {
    /// Records a presence that this node sends with this time.
    pub fn say(&mut self, ts: Millis) {
        self.since.get_or_insert(ts);
        while self.said.len() >= SAID {
            self.said.pop_front();
        }
        self.said.push_back(ts);
    }

    /// Whether this node was running at this time.
    pub fn works(&self, ts: Millis) -> bool {
        self.since.is_some_and(|since| ts > since)
    }

    /// Whether a presence under the user's own identity comes from another node. Presences from
    /// before this node started come from an earlier run.
    pub fn is_other(&self, ts: Millis) -> bool {
        self.works(ts) && !self.said.contains(&ts)
    }
}

impl Ctx {
    /// Reports once that another node runs under this identity.
    pub fn tell_double(&mut self) {
        if std::mem::replace(&mut self.double.told, true) {
            return;
        }
        let nick = self.nick().as_str().to_owned();
        let text = "another node is at work under your identity: a copy of this profile runs somewhere, and each of the two misses what the other says and does. Stop one of them";
        self.alarm(&nick, "double", text);
    }
}
