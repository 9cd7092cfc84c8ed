//! The message format: fields, limits, canonical form (RFC 8785) and signature.
//!
//! There is one format for all messages. This module does not know what a command means. Its parts:
//! `read` reads bytes and checks them, `canonical` writes the form that is signed and hashed,
//! `sign` signs and verifies, `time` writes and reads `ts`.

mod canonical;
mod read;
mod sign;
mod time;

pub use canonical::{canonical_json, safe_numbers};
pub(crate) use read::line_end;
pub use time::{format_ts, parse_ts};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The content of an envelope: lines of text or an object, never a bare string.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Body {
    /// Lines, or a list of values.
    Array(Vec<Value>),
    /// An object.
    Object(Map<String, Value>),
}

/// A message: the one format for sessions, nodes and logs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// An IRC command or a three-digit numeric.
    pub command: String,
    /// The sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The receiver or the channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Further parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<String>,
    /// The content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
    /// Everything else; unknown fields pass through unchanged.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub meta: Map<String, Value>,
    /// A UUIDv7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// RFC 3339, UTC, milliseconds: `2026-11-21T10:50:55.123Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ts: Option<String>,
}

/// What is wrong with an envelope, as a sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not JSON, not an object, or of the wrong shape.
    #[error("not an envelope: {0}")]
    Form(String),
    /// A limit was exceeded.
    #[error("{what} is {size} bytes or items long; the limit is {limit}")]
    Limit {
        /// Which limit.
        what: &'static str,
        /// The actual size.
        size: usize,
        /// The largest allowed size.
        limit: usize,
    },
    /// The bytes are not in canonical form.
    #[error("the bytes are not in canonical form (RFC 8785)")]
    NotCanonical,
    /// A number that JCS can't represent exactly.
    #[error("a number in a signed record is not an integer of at most 2^53-1")]
    Number,
    /// A required signature is missing.
    #[error("the envelope is not signed")]
    Unsigned,
    /// An unknown signature algorithm.
    #[error("the signature is made by {0:?}, which this version does not understand")]
    Algorithm(String),
    /// The signature is invalid.
    #[error("the signature does not hold")]
    Signature,
}

/// The purpose of a signature. Each purpose has its own prefix, so no signature can replace one for
/// another purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// An author's message.
    Message,
    /// A leader's log record.
    Log,
    /// CLAIM.
    Claim,
    /// CHALLENGE.
    Challenge,
    /// HELD.
    Held,
    /// A wrapped key.
    Wrap,
    /// A card.
    Card,
    /// An invite.
    Invite,
    /// A request or answer between nodes.
    Request,
    /// A presence or a profile.
    Presence,
}

impl Envelope {
    /// An envelope with only a command.
    pub fn new(command: impl Into<String>) -> Self {
        Self { command: command.into(), ..Self::default() }
    }
    /// Sets `from`.
    #[must_use]
    pub fn from(mut self, from: impl Into<String>) -> Self {
        self.from = Some(from.into());
        self
    }
    /// Sets `to`.
    #[must_use]
    pub fn to(mut self, to: impl Into<String>) -> Self {
        self.to = Some(to.into());
        self
    }
    /// Adds a parameter.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.params.push(param.into());
        self
    }
    /// Adds a line to an array body.
    #[must_use]
    pub fn line(mut self, line: impl Into<String>) -> Self {
        match &mut self.body {
            Some(Body::Array(lines)) => lines.push(Value::String(line.into())),
            _ => self.body = Some(Body::Array(vec![Value::String(line.into())])),
        }
        self
    }
    /// Sets a field of an object body.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        match &mut self.body {
            Some(Body::Object(map)) => {
                map.insert(name.to_owned(), value.into());
            }
            _ => {
                let mut map = Map::new();
                map.insert(name.to_owned(), value.into());
                self.body = Some(Body::Object(map));
            }
        }
        self
    }
    /// Sets a field of `meta`.
    #[must_use]
    pub fn meta(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.meta.insert(name.to_owned(), value.into());
        self
    }
    /// The text lines of the body (strings of an array body).
    pub fn lines(&self) -> Vec<&str> {
        match &self.body {
            Some(Body::Array(v)) => v.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
    /// A field of an object body.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match &self.body {
            Some(Body::Object(map)) => map.get(name),
            _ => None,
        }
    }
    /// A string in `meta`.
    pub fn meta_str(&self, name: &str) -> Option<&str> {
        self.meta.get(name).and_then(Value::as_str)
    }
    /// An integer in `meta`.
    pub fn meta_u64(&self, name: &str) -> Option<u64> {
        self.meta.get(name).and_then(Value::as_u64)
    }
}
