//! Where a message spends its time: its path in seven sections, each from one moment to the next.

use std::time::Instant;

use super::stage::{Step, Times};
use super::{Row, Spread};

/// The stretches, in the order in which a message passes them.
const STRETCHES: [&str; 7] = [
    "  author's door to node",
    "  author: seal and sign",
    "  author to leader",
    "  leader: relay step",
    "  leader to reader",
    "  reader: check and open",
    "  reader's node to door",
];
/// The place of the relay step among them.
const RELAY: usize = 3;

/// The ways of many messages, in nanoseconds.
#[derive(Debug, Default)]
pub struct Ways {
    whole: Vec<u64>,
    stretches: [Vec<u64>; 7],
}

impl Ways {
    /// Takes the way of one message in: when it was said and heard, and what the nodes did
    /// meanwhile.
    pub fn add(&mut self, (said, heard): Step, times: &Times) {
        self.whole.push(between(said, heard));
        let (Some(author), Some(leader), Some(reader)) =
            (times.said.first(), times.relayed.first(), times.read.first())
        else {
            return;
        };
        let moments = [said, author.0, author.1, leader.0, leader.1, reader.0, reader.1, heard];
        for (stretch, pair) in self.stretches.iter_mut().zip(moments.windows(2)) {
            if let [from, to] = pair {
                stretch.push(between(*from, *to));
            }
        }
    }

    /// The whole way, and its stretches as lines of the report; the relay step beside its
    /// signatures.
    pub fn report(self, signatures: Spread) -> (Spread, Vec<Row>) {
        let rows = STRETCHES.iter().zip(self.stretches).enumerate();
        let rows = rows.map(|(place, (name, times))| {
            let row = Row::micros(name, Spread::of(times));
            if place == RELAY { row.beside("one verify, one sign", signatures.p50 / 1e3) } else { row }
        });
        (Spread::of(self.whole), rows.collect())
    }
}

fn between(from: Instant, to: Instant) -> u64 {
    let time = to.saturating_duration_since(from);
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
