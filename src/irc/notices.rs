//! What a client is told once and not again: services that went away, messages that wait.

use std::collections::{HashMap, HashSet};

use kirc_core::Envelope;
use kirc_core::names::casefold;
use serde_json::Value;

/// Conversations whose reason to wait is remembered at the most.
const MOST: usize = 1_000;

/// What was told.
#[derive(Debug, Default)]
pub struct Notices {
    away: HashSet<String>,
    waits: HashMap<String, String>,
    refused: Option<String>,
}

impl Notices {
    /// Sentences about services that went away or came back since the last STATUS.
    pub fn status(&mut self, status: &Envelope) -> Vec<String> {
        let Some(Value::Object(services)) = status.get("services") else { return Vec::new() };
        let mut out = Vec::new();
        for (name, service) in services {
            let up = service.get("up").and_then(Value::as_bool).unwrap_or(true);
            let reason = service.get("reason").and_then(Value::as_str).unwrap_or_default();
            if !up && self.away.insert(name.clone()) {
                out.push(format!("The service \"{name}\" is away: {reason}"));
            } else if up && self.away.remove(name) {
                out.push(format!("The service \"{name}\" is back"));
            }
        }
        out
    }

    /// Whether this reason to wait is new for a conversation.
    pub fn waits(&mut self, target: &str, reason: &str) -> bool {
        if self.waits.len() >= MOST {
            self.waits.clear();
        }
        self.waits.insert(casefold(target), reason.to_owned()).as_deref() != Some(reason)
    }

    /// A message to a conversation was settled: from now on a reason to wait is a new one.
    pub fn settled(&mut self, target: &str) {
        if !self.waits.is_empty() {
            self.waits.remove(&casefold(target));
        }
    }

    /// A message was refused by a numeric that the client has seen.
    pub fn refused(&mut self, id: &str) {
        self.refused = Some(id.to_owned());
    }

    /// Whether the client has seen already that a message was refused.
    pub fn knows_refusal(&self, id: &str) -> bool {
        self.refused.as_deref() == Some(id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_is_told_of_when_it_goes_and_when_it_comes() {
        let mut notices = Notices::default();
        let status = |up: bool| {
            Envelope::new("STATUS").field("services", json!({"mailbox": {"up": up, "reason": "gone"}}))
        };
        assert!(notices.status(&status(true)).is_empty());
        assert_eq!(notices.status(&status(false)).len(), 1);
        assert!(notices.status(&status(false)).is_empty());
        assert_eq!(notices.status(&status(true)), ["The service \"mailbox\" is back"]);
    }

    #[test]
    fn a_reason_to_wait_is_told_once() {
        let mut notices = Notices::default();
        assert!(notices.waits("#Net", "no key"));
        assert!(!notices.waits("#net", "no key"));
        assert!(notices.waits("#net", "no leader"));
        notices.settled("#net");
        assert!(notices.waits("#net", "no leader"));
    }
}
