//! Turns bytes into envelopes, and only valid ones.
//!
//! There are two entry points: [`Envelope::from_json`] for the input of sessions (any JSON form,
//! strict limits, errors as sentences for the user) and [`Envelope::from_canonical`] for records
//! (exactly one form, byte for byte). This file checks no signature and knows no command.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::canonical::safe_numbers;
use super::{Body, Envelope, EnvelopeError, parse_ts};
use crate::ids::MsgId;
use crate::limits;

/// The maximum length of a command.
const COMMAND: usize = 32;

impl Envelope {
    /// Reads an envelope from a session: any JSON form, checked against the limits. It refuses
    /// duplicate keys and numbers that can't be signed, while the user can still be told.
    pub fn from_json(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        limit("the envelope", bytes.len(), limits::ENVELOPE)?;
        let Strict(value) = serde_json::from_slice(bytes).map_err(|e| EnvelopeError::Form(e.to_string()))?;
        safe_numbers(&value)?;
        let envelope = Self::from_value(value)?;
        envelope.check_limits()?;
        Ok(envelope)
    }

    /// Checks an envelope that was built instead of read, against the limits of
    /// [`Envelope::from_json`].
    pub fn check(&self) -> Result<(), EnvelopeError> {
        let mut size = Size(0);
        serde_json::to_writer(&mut size, self).map_err(|e| EnvelopeError::Form(e.to_string()))?;
        limit("the envelope", size.0, limits::ENVELOPE)?;
        self.check_limits()
    }

    /// Reads a record from a mailbox: at most [`crate::limits::RECORD`] bytes, canonical byte for
    /// byte, without floats or integers above 2^53-1.
    pub fn from_canonical(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        Self::canonical_within(bytes, limits::RECORD)
    }

    /// The same for bytes assembled from several records.
    pub(crate) fn canonical_within(bytes: &[u8], most: usize) -> Result<Self, EnvelopeError> {
        limit("the record", bytes.len(), most)?;
        let value: Value = serde_json::from_slice(bytes).map_err(|e| EnvelopeError::Form(e.to_string()))?;
        safe_numbers(&value)?;
        let envelope = Self::from_value(value)?;
        // Also refuses a key that stands twice, and a field that is there but empty.
        if envelope.to_canonical() != bytes {
            return Err(EnvelopeError::NotCanonical);
        }
        Ok(envelope)
    }

    /// Reads an envelope from a JSON value. It checks the fields and their types only.
    pub(crate) fn from_value(value: Value) -> Result<Self, EnvelopeError> {
        let Value::Object(map) = value else {
            return form("it is not a JSON object");
        };
        let mut envelope = Self::default();
        for (name, value) in map {
            match name.as_str() {
                "command" => envelope.command = text("command", value)?.unwrap_or_default(),
                "from" => envelope.from = text("from", value)?,
                "to" => envelope.to = text("to", value)?,
                "id" => envelope.id = text("id", value)?,
                "ts" => envelope.ts = text("ts", value)?,
                "params" => envelope.params = params(value)?,
                "body" => envelope.body = body(value)?,
                "meta" => {
                    envelope.meta = match value {
                        Value::Object(map) => map,
                        Value::Null => Map::new(),
                        _ => return form("meta must be an object"),
                    }
                }
                other => {
                    let other: String = other.chars().take(40).collect();
                    return form(format!(
                        "there is no field {other:?}; what is your own goes into meta, by a name that begins with +"
                    ));
                }
            }
        }
        if envelope.command.is_empty() {
            return form("it has no command");
        }
        Ok(envelope)
    }

    fn check_limits(&self) -> Result<(), EnvelopeError> {
        limit("the command", self.command.len(), COMMAND)?;
        if !self.command.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return form("a command has only letters, digits and _");
        }
        for name in [&self.from, &self.to].into_iter().flatten() {
            line(name, "from and to")?;
        }
        limit("the list of params", self.params.len(), limits::LINES)?;
        for param in &self.params {
            line(param, "a parameter")?;
        }
        if let Some(Body::Array(lines)) = &self.body {
            limit("the list of lines", lines.len(), limits::LINES)?;
            for text in lines.iter().filter_map(Value::as_str) {
                line(text, "a line")?;
            }
        }
        if let Some(id) = &self.id {
            MsgId::parse(id).map_err(|e| EnvelopeError::Form(e.to_string()))?;
        }
        if self.ts.as_deref().is_some_and(|ts| parse_ts(ts).is_none()) {
            return form("ts must look like 2026-11-21T10:50:55.123Z");
        }
        Ok(())
    }
}

/// A writer that counts bytes.
struct Size(usize);

impl std::io::Write for Size {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn form<T>(why: impl Into<String>) -> Result<T, EnvelopeError> {
    Err(EnvelopeError::Form(why.into()))
}

fn limit(what: &'static str, size: usize, limit: usize) -> Result<(), EnvelopeError> {
    if size > limit {
        return Err(EnvelopeError::Limit { what, size, limit });
    }
    Ok(())
}

fn line(text: &str, what: &'static str) -> Result<(), EnvelopeError> {
    limit(what, text.len(), limits::LINE)?;
    match line_end(text) {
        Some('\0') => form(format!("{what} holds no NUL: leave that character out")),
        Some(_) => form(format!("{what} holds no line break: give each line as an item of body")),
        None => Ok(()),
    }
}

/// The first character of a text that would end its line for readers of IRC (RFC 1459, section
/// 2.3.1).
pub(crate) fn line_end(text: &str) -> Option<char> {
    text.chars().find(|c| matches!(c, '\n' | '\r' | '\0'))
}

fn text(name: &str, value: Value) -> Result<Option<String>, EnvelopeError> {
    match value {
        Value::String(text) => Ok(Some(text)),
        Value::Null => Ok(None),
        _ => form(format!("{name} must be a string")),
    }
}

fn params(value: Value) -> Result<Vec<String>, EnvelopeError> {
    let items = match value {
        Value::Array(items) => items,
        Value::Null => Vec::new(),
        _ => return form("params must be a list of strings"),
    };
    items
        .into_iter()
        .map(|item| match item {
            Value::String(text) => Ok(text),
            _ => form("params must be a list of strings"),
        })
        .collect()
}

fn body(value: Value) -> Result<Option<Body>, EnvelopeError> {
    match value {
        Value::Array(items) => Ok(Some(Body::Array(items))),
        Value::Object(map) => Ok(Some(Body::Object(map))),
        Value::Null => Ok(None),
        Value::String(_) => form("body is a bare string; give a list of lines: \"body\":[\"hello\"]"),
        _ => form("body must be a list of lines or an object"),
    }
}

/// A value without duplicate keys: serde_json would silently keep the last one.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }
    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom("a key stands twice in one object"));
            }
            let Strict(value) = access.next_value()?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
