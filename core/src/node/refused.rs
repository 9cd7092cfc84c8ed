//! What others sent that can't be taken: counted by topic and reason, shown in STATUS, said in the
//! log now and then.
//!
//! It holds no word of what was sent, and nothing that its sender chose.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ctx::Ctx;
use crate::ids::Millis;
use crate::port::Effect;

/// How often the log says it at the most, ms.
const EVERY: Millis = 60_000;

/// What was refused.
#[derive(Default)]
pub(crate) struct Refused {
    /// By topic, then by reason.
    counts: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// What the log has not been told yet.
    untold: u64,
    /// When it may be told again.
    tell_at: Millis,
}

impl Refused {
    /// For STATUS.
    pub fn to_json(&self) -> Value {
        json!(self.counts)
    }

    /// When there is something to tell.
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
    /// A record of a topic was not taken. `why` goes behind a number: "not signed by its author".
    pub fn refuse(&mut self, topic: &str, why: &'static str) {
        *self.refused.counts.entry(topic.to_owned()).or_default().entry(why).or_default() += 1;
        self.refused.untold += 1;
        self.status_dirty = true;
    }

    /// Tells the log, if it is time to.
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
