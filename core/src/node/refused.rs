//! Refused records from others: counted by topic and reason, shown in STATUS, and logged at
//! intervals.
//!
//! It stores no content of the records and nothing that their sender chose.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ctx::Ctx;
use crate::ids::Millis;
use crate::port::Effect;

/// The minimum interval between log entries, ms.
const EVERY: Millis = 60_000;

/// The counts of refused records.
#[derive(Default)]
pub(crate) struct Refused {
    /// By topic, then by reason.
    counts: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// The number that is not logged yet.
    untold: u64,
    /// When the next log entry is allowed.
    tell_at: Millis,
}

impl Refused {
    /// The form for STATUS.
    pub fn to_json(&self) -> Value {
        json!(self.counts)
    }

    /// When a log entry is due.
    pub fn wake(&self) -> Option<Millis> {
        (self.untold > 0).then_some(self.tell_at)
    }

    fn in_words(&self) -> String {
        let by_topic = self.counts.iter().map(|(topic, reasons)| {
            let reasons: Vec<String> = reasons.iter().map(|(why, n)| format!("{n} {why}")).collect();
            format!("{topic}: {}", reasons.join(", "))
        });
        by_topic.collect::<Vec<_>>().join("; ")
    }
}

impl Ctx {
    /// Counts a refused record of a topic. `why` follows a number in the text: "not signed by its
    /// author".
    pub fn refuse(&mut self, topic: &str, why: &'static str) {
        *self.refused.counts.entry(topic.to_owned()).or_default().entry(why).or_default() += 1;
        self.refused.untold += 1;
        self.status_dirty = true;
    }

    /// Writes a log entry if one is due.
    pub fn tell_refused(&mut self) {
        if self.refused.wake().is_none_or(|at| self.now.mono < at) {
            return;
        }
        self.refused.tell_at = self.now.mono + EVERY;
        let new = std::mem::take(&mut self.refused.untold);
        let text = format!(
            "records were refused, {new} since this was said last; since the start {}",
            self.refused.in_words()
        );
        self.out.push(Effect::Warn { text });
    }
}
