//! The story of a run, line by line, for whoever looks for the cause of a failure.

use kirc_core::Envelope;
use kirc_core::port::{Effect, Input, StoreOp};

use crate::host::EPOCH;

fn bytes(value: &[u8]) -> String {
    String::from_utf8_lossy(&value[..value.len().min(700)]).into_owned()
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
        StoreOp::Message(row) => format!(
            "Message {} {} seq {} {}",
            row.target, row.id, row.seq, row.state
        ),
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
