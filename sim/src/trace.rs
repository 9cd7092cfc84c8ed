//! The trace of a run, line by line, for finding the cause of a failure.

use kirc_core::Envelope;
use kirc_core::port::{Effect, Input, StoreOp};

use crate::host::EPOCH;

/// A record in a few words: what it is, whose, and where it stands; ciphertexts and signatures are
/// of no use to a reader.
fn bytes(value: &[u8]) -> String {
    let Ok(mut envelope) = serde_json::from_slice::<Envelope>(value) else {
        return format!("({} bytes)", value.len());
    };
    for name in ["sig", "alg", "nonce", "kid", "prev", "ch"] {
        envelope.meta.remove(name);
    }
    format!(
        "{} of {} id {} {} ({} bytes)",
        envelope.command,
        envelope.from.as_deref().map_or("?", |f| f.get(..4).unwrap_or(f)),
        envelope.id.as_deref().unwrap_or("-"),
        serde_json::to_string(&envelope.meta).unwrap_or_default(),
        value.len()
    )
}

/// An input in a line of the story.
pub fn tell_input(input: &Input) -> String {
    match input {
        Input::Record { topic, record } => format!(
            "Record {}/{} {} at {} {}",
            topic.name,
            topic.partition,
            record.offset,
            record.time.saturating_sub(EPOCH),
            bytes(&record.value)
        ),
        Input::Command { envelope, .. } => format!("Command {}", json(envelope)),
        other => format!("{other:?}"),
    }
}

fn json(envelope: &Envelope) -> String {
    serde_json::to_string(envelope).unwrap_or_default()
}

/// A commit in a line of the story.
pub fn tell_op(op: &StoreOp) -> String {
    match op {
        StoreOp::Put { table, key, value } => {
            format!("Put {} {key} {}", table.name(), bytes(value))
        }
        StoreOp::Log(row) => format!("Log {} {} seq {}", row.channel, row.index, row.seq),
        StoreOp::Message(row) => format!("Message {} {} seq {} {}", row.target, row.id, row.seq, row.state),
        StoreOp::Outbox(row) => format!("Outbox {} {}", row.target, row.id),
        other => format!("{other:?}"),
    }
}

/// An effect in a line of the story.
pub fn tell_effect(effect: &Effect) -> String {
    match effect {
        Effect::Append { topic, value, .. } => {
            format!("Append {}/{} {}", topic.name, topic.partition, bytes(value))
        }
        Effect::Deliver { session, envelope } => {
            format!("Deliver {} {}", session.0, json(envelope))
        }
        other => format!("{other:?}"),
    }
}
