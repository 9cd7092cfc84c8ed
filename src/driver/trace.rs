//! Describes inputs and effects in a word or two for the log at trace level, never with a body, a
//! key or a value.

use kirc_core::port::{Effect, Input, StoreOp};

/// An input, without what it carries.
pub(super) fn input(input: &Input) -> String {
    match input {
        Input::Start => "start".into(),
        Input::Tick => "tick".into(),
        Input::Attach { session } => format!("attach {}", session.0),
        Input::Detach { session } => format!("detach {}", session.0),
        Input::Command { session, envelope } => {
            let name: String = envelope.command.chars().take(16).collect();
            format!("command {} {name:?}", session.0)
        }
        Input::Reading { topic, at, end, .. } => {
            format!("reading {}/{} at {at} of {end}", topic.name, topic.partition)
        }
        Input::Record { topic, record } => {
            format!("record {}/{} {}", topic.name, topic.partition, record.offset)
        }
        Input::Appended { request_id, result } => {
            format!("appended {} {}", request_id.0, outcome(result.as_ref()))
        }
        Input::Created { request_id, result } => {
            format!("created {} {}", request_id.0, outcome(result.as_ref().map(|()| "well")))
        }
        Input::End { request_id, result } => format!("end {} {}", request_id.0, outcome(result.as_ref())),
        Input::Signalled { request_id, result } => {
            format!("signalled {} {}", request_id.0, outcome(result.as_ref().map(|_| "ok")))
        }
        Input::Published { channel, .. } => format!("published {channel}"),
        Input::Granted { request_id, result } => {
            format!("granted {} {}", request_id.0, outcome(result.as_ref().map(|_| "ok")))
        }
        Input::Revoked { request_id, result } => {
            format!("revoked {} {}", request_id.0, outcome(result.as_ref().map(|()| "well")))
        }
        Input::Queried { request_id, result } => {
            format!("queried {} {}", request_id.0, outcome(result.as_ref().map(|_| "ok")))
        }
        Input::Service { service, up, .. } => format!("service {service:?} {up}"),
        Input::Figures(_) => "figures".into(),
        Input::Shutdown => "shutdown".into(),
    }
}

fn outcome<T: std::fmt::Display, E: std::fmt::Display>(result: Result<T, E>) -> String {
    match result {
        Ok(value) => value.to_string(),
        Err(error) => format!("failed: {error}"),
    }
}

/// An effect, without what it carries.
pub(super) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Store(op) => format!("store {}", store(op)),
        Effect::Query { request_id, .. } => format!("query {}", request_id.0),
        Effect::Append { request_id, topic, value, .. } => {
            format!("append {} {}/{} {} bytes", request_id.0, topic.name, topic.partition, value.len())
        }
        Effect::Create { request_id, topic, partitions } => {
            format!("create {} {} with {partitions} partitions", request_id.0, topic.name)
        }
        Effect::Read { topic, from } => format!("read {}/{} {from:?}", topic.name, topic.partition),
        Effect::StopRead { topic } => format!("stop {}/{}", topic.name, topic.partition),
        Effect::End { request_id, topic } => {
            format!("end {} {}/{}", request_id.0, topic.name, topic.partition)
        }
        Effect::Signal { request_id, .. } => format!("signal {}", request_id.0),
        Effect::Deliver { session, envelope } => {
            format!("deliver {} {}", session.0, envelope.command)
        }
        Effect::Reach { cluster, .. } => format!("reach {cluster}"),
        Effect::Grant { request_id, .. } => format!("grant {}", request_id.0),
        Effect::Revoke { request_id, .. } => format!("revoke {}", request_id.0),
        Effect::Warn { .. } => "warn".into(),
        Effect::Stopped => "stopped".into(),
    }
}

fn store(op: &StoreOp) -> &'static str {
    match op {
        StoreOp::Put { table, .. } => table.name(),
        StoreOp::Delete { .. } => "delete",
        StoreOp::DeletePrefix { .. } => "delete prefix",
        StoreOp::Message(_) => "message",
        StoreOp::MessageState { .. } => "message state",
        StoreOp::Outbox(_) => "outbox",
        StoreOp::Settled { .. } => "settled",
        StoreOp::Log(_) => "log",
    }
}
