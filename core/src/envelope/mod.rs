//! The one message format: fields, limits, canonical form (RFC 8785) and signature.
//!
//! It knows nothing of what a command means. The parts: `read` takes bytes in and checks them,
//! `canonical` writes the one form that is signed and hashed, `sign` signs and checks, `time`
//! writes and reads `ts`.

mod canonical;
mod read;
mod sign;
mod time;

pub use canonical::{canonical_json, safe_numbers};
pub use time::{format_ts, parse_ts};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an envelope carries: lines of text, or an object. Never a bare string.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Body {
    /// Lines, or a list of values.
    Array(Vec<Value>),
    /// An object.
    Object(Map<String, Value>),
}

/// A message, everywhere.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// An IRC command or a three-digit numeric.
    pub command: String,
    /// Who says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// To whom or where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Further parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<String>,
    /// The content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
    /// Anything else; what is not known passes through untouched.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub meta: Map<String, Value>,
    /// A UUIDv7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// RFC 3339, UTC, milliseconds: `2026-11-21T10:50:55.123Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ts: Option<String>,
}

/// What is wrong with an envelope. The text is a sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not JSON, not an object, or of the wrong shape.
    #[error("not an envelope: {0}")]
    Form(String),
    /// A limit was passed.
    #[error("{what} is {size} bytes or items long; the limit is {limit}")]
    Limit {
        /// Which limit.
        what: &'static str,
        /// How large it is.
        size: usize,
        /// How large it may be.
        limit: usize,
    },
    /// The bytes are not the canonical form of what they say.
    #[error("the bytes are not in canonical form (RFC 8785)")]
    NotCanonical,
    /// A number that JCS would fold.
    #[error("a number in a signed record is not an integer of at most 2^53-1")]
    Number,
    /// No signature where one must be.
    #[error("the envelope is not signed")]
    Unsigned,
    /// A signature by a way that is not known here.
    #[error("the signature is made by {0:?}, which this version does not understand")]
    Algorithm(String),
    /// The signature does not hold.
    #[error("the signature does not hold")]
    Signature,
}

/// What a signature is for; each has its prefix, so that none can stand in for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// What an author says.
    Message,
    /// What a leader puts into a log.
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
    /// An envelope with nothing but its command.
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
