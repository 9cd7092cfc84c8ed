//! The filter between other nodes' data and a session's events: what may pass, by command, name and
//! type.
//!
//! Fields of the node itself (`label`, `state`, `reattached`, `closing`, ALARM, STATUS …) never
//! come from other nodes' data: a name that is not in this list does not pass, no matter who signed
//! it. The input of sessions goes through the same list.

use serde_json::{Map, Value};

use crate::envelope::{Envelope, EnvelopeError, line_end};

/// The first character of client-only field names, as in IRC's client-only tags (IRCv3
/// message-tags).
const CLIENT_ONLY: char = '+';
/// The maximum bytes of such a name, and of a value.
const NAME: usize = 64;
const VALUE: usize = 4_096;

/// Whether a field of `meta` may pass, from a session to others and from others to a session.
fn passes(name: &str, value: &Value) -> bool {
    match name {
        "action" => value.is_boolean(),
        _ if name.starts_with(CLIENT_ONLY) => {
            let plain = |c: char| !c.is_control() && c != ' ';
            let small = match value {
                Value::String(text) => text.len() <= VALUE && line_end(text).is_none(),
                Value::Bool(_) | Value::Number(_) => true,
                _ => false,
            };
            name.len() > 1 && name.len() <= NAME && name.chars().all(plain) && small
        }
        _ => false,
    }
}

/// The fields of `meta` that the author may set.
pub(crate) fn user_meta(e: &Envelope) -> Map<String, Value> {
    e.meta.iter().filter(|(k, v)| passes(k, v)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// An error for a field of `meta` from a session that would be lost silently: it does not pass, and
/// it is not a field of docs/session.md.
pub(crate) fn strange_meta(e: &Envelope) -> Option<EnvelopeError> {
    const OURS: [&str; 25] = [
        "label", "ch", "n", "after", "epoch", "kid", "seen", "sig", "alg", "seq", "actor", "state", "self",
        "verified", "namesake", "mention", "late", "stream", "id", "replay", "limit", "more", "alone",
        "reason", "time",
    ];
    let strange = e.meta.iter().find(|(k, v)| !passes(k, v) && !OURS.contains(&k.as_str()));
    strange.map(|(name, _)| {
        let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
        EnvelopeError::Form(format!(
            "meta.{name} would not reach anybody: what is your own has a name that begins with + and is text of at most {VALUE} bytes, a number, true or false; action is true or false"
        ))
    })
}
