//! The read position in a peer's stream: which message is next, and which ones were read.
//!
//! A message's number alone does not identify it. A sender that restores its profile from an older
//! copy continues counting from there, and two copies of one profile count in parallel: their
//! messages have numbers that were already read, but new ids.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::ids::MsgId;

/// How many of the last ids the node remembers.
const RECENT: usize = 8;

/// How a message relates to the read position of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The next message, or a new one with an earlier number: accept it.
    New,
    /// An earlier message is missing.
    Early,
    /// It was accepted before.
    Repeated,
}

/// The read position of a stream.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Kept")]
pub(super) struct Place {
    /// The highest accepted number.
    n: u64,
    /// The last accepted ids, oldest first.
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    recent: VecDeque<MsgId>,
}

/// The stored form: earlier versions stored only the number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Kept {
    Number(u64),
    Whole {
        n: u64,
        #[serde(default)]
        recent: VecDeque<MsgId>,
    },
}

impl From<Kept> for Place {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Number(n) => Self { n, recent: VecDeque::new() },
            Kept::Whole { n, recent } => Self { n, recent },
        }
    }
}

impl Place {
    /// The number of the next message.
    pub fn next(&self) -> u64 {
        self.n + 1
    }

    /// Classifies a message.
    pub fn judge(&self, n: u64, id: MsgId) -> Arrival {
        match n {
            _ if n == self.next() => Arrival::New,
            _ if n > self.next() => Arrival::Early,
            // Ids only grow: one that is older than those that are remembered was taken.
            _ if self.recent.contains(&id) || self.recent.front().is_none_or(|oldest| id < *oldest) => {
                Arrival::Repeated
            }
            _ => Arrival::New,
        }
    }

    /// Records an accepted message.
    pub fn take(&mut self, n: u64, id: MsgId) {
        self.n = self.n.max(n);
        while self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        let at = self.recent.partition_point(|other| *other < id);
        self.recent.insert(at, id);
    }

    /// Reduces the memory for this stream: another stream is read now, so no more messages are
    /// expected here.
    pub fn rest(&mut self) {
        while self.recent.len() > 1 {
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> MsgId {
        MsgId::generate(1_000 + n, 1, MsgId(0))
    }

    fn read(count: u64) -> Place {
        let mut place = Place::default();
        for n in 1..=count {
            assert_eq!(place.judge(n, id(n)), Arrival::New);
            place.take(n, id(n));
        }
        place
    }

    #[test]
    fn each_message_is_taken_once_and_in_order() {
        let place = read(20);
        assert_eq!(place.judge(22, id(22)), Arrival::Early);
        for n in 1..=20 {
            assert_eq!(place.judge(n, id(n)), Arrival::Repeated, "{n}");
        }
    }

    #[test]
    fn who_counts_anew_from_further_back_is_heard() {
        let mut place = read(20);
        for n in 15..=25 {
            let later = id(100 + n);
            assert_eq!(place.judge(n, later), Arrival::New, "{n}");
            place.take(n, later);
            assert_eq!(place.judge(n, later), Arrival::Repeated, "{n}");
        }
    }

    #[test]
    fn two_who_count_side_by_side_are_both_heard() {
        let mut place = read(20);
        for n in 21..=30 {
            // The second said it a moment before, and it comes a moment later.
            for said in [id(2 * n + 1), id(2 * n)] {
                assert_eq!(place.judge(n, said), Arrival::New, "{n}");
                place.take(n, said);
            }
        }
        assert_eq!(place.judge(30, id(60)), Arrival::Repeated);
    }

    #[test]
    fn what_an_earlier_version_kept_is_read() {
        let place: Place = serde_json::from_str("7").unwrap();
        assert_eq!((place.judge(7, id(7)), place.judge(8, id(8))), (Arrival::Repeated, Arrival::New));
        let place = read(3);
        let kept: Place = serde_json::from_str(&serde_json::to_string(&place).unwrap()).unwrap();
        assert_eq!((kept.n, kept.recent), (place.n, place.recent));
    }
}
