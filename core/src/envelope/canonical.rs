//! The canonical form, RFC 8785 (JCS): the bytes that are signed and hashed.
//!
//! This file only writes; it reads no bytes and knows no keys. It writes strings, order and
//! structure itself, in one pass and without copying the values. It leaves numbers that are not
//! safe integers to `serde_json_canonicalizer`, and the tests compare the whole output with that
//! crate as well.

use std::cmp::Ordering;
use std::io::Write;

use serde_json::{Map, Number, Value};

use super::{Body, Envelope, EnvelopeError};
use crate::ids::MAX_SAFE_INTEGER;

impl Envelope {
    /// The canonical form (RFC 8785) of the whole envelope.
    pub fn to_canonical(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        write_envelope(&mut out, self, None);
        out
    }
}

/// The canonical form (RFC 8785) of any value: for labels, cards and all else that is hashed or
/// signed.
pub fn canonical_json(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write_value(&mut out, value);
    out
}

/// Refuses every number that is not an integer of at most 2^53-1, at any depth.
pub fn safe_numbers(value: &Value) -> Result<(), EnvelopeError> {
    match value {
        Value::Number(n) if !is_safe(n) => Err(EnvelopeError::Number),
        Value::Array(items) => items.iter().try_for_each(safe_numbers),
        Value::Object(map) => map.values().try_for_each(safe_numbers),
        _ => Ok(()),
    }
}

/// The same check for all fields of an envelope.
pub(super) fn safe_envelope(envelope: &Envelope) -> Result<(), EnvelopeError> {
    match &envelope.body {
        Some(Body::Array(items)) => items.iter().try_for_each(safe_numbers)?,
        Some(Body::Object(map)) => map.values().try_for_each(safe_numbers)?,
        None => {}
    }
    envelope.meta.values().try_for_each(safe_numbers)
}

fn is_safe(n: &Number) -> bool {
    match (n.as_u64(), n.as_i64()) {
        (Some(u), _) => u <= MAX_SAFE_INTEGER,
        (None, Some(i)) => i.unsigned_abs() <= MAX_SAFE_INTEGER,
        (None, None) => false,
    }
}

/// Writes an envelope, its fields in canonical order; `skip` is a field of `meta` to leave out.
pub(super) fn write_envelope(out: &mut Vec<u8>, envelope: &Envelope, skip: Option<&str>) {
    out.push(b'{');
    match &envelope.body {
        Some(Body::Array(items)) => {
            out.extend_from_slice(b"\"body\":");
            write_array(out, items);
            out.push(b',');
        }
        Some(Body::Object(map)) => {
            out.extend_from_slice(b"\"body\":");
            write_map(out, map, None);
            out.push(b',');
        }
        None => {}
    }
    out.extend_from_slice(b"\"command\":");
    write_string(out, &envelope.command);
    write_field(out, "from", envelope.from.as_deref());
    write_field(out, "id", envelope.id.as_deref());
    if !envelope.meta.is_empty() {
        out.extend_from_slice(b",\"meta\":");
        write_map(out, &envelope.meta, skip);
    }
    if !envelope.params.is_empty() {
        out.extend_from_slice(b",\"params\":[");
        for (i, param) in envelope.params.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write_string(out, param);
        }
        out.push(b']');
    }
    write_field(out, "to", envelope.to.as_deref());
    write_field(out, "ts", envelope.ts.as_deref());
    out.push(b'}');
}

fn write_field(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        out.push(b',');
        write_string(out, name);
        out.push(b':');
        write_string(out, value);
    }
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(n) => write_number(out, n),
        Value::String(s) => write_string(out, s),
        Value::Array(items) => write_array(out, items),
        Value::Object(map) => write_map(out, map, None),
    }
}

fn write_array(out: &mut Vec<u8>, items: &[Value]) {
    out.push(b'[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_value(out, item);
    }
    out.push(b']');
}

fn write_map(out: &mut Vec<u8>, map: &Map<String, Value>, skip: Option<&str>) {
    out.push(b'{');
    let start = out.len();
    let mut entry = |key: &str, value: &Value| {
        if skip == Some(key) {
            return;
        }
        if out.len() > start {
            out.push(b',');
        }
        write_string(out, key);
        out.push(b':');
        write_value(out, value);
    };
    // serde_json keeps maps in the order of UTF-8, or of insertion if some crate asks it to; JCS
    // wants that of UTF-16. For nearly all maps the first is the last already.
    if map.keys().zip(map.keys().skip(1)).all(|(a, b)| utf16_order(a, b) == Ordering::Less) {
        for (key, value) in map {
            entry(key, value);
        }
    } else {
        let mut entries: Vec<_> = map.iter().collect();
        entries.sort_by(|(a, _), (b, _)| utf16_order(a, b));
        for (key, value) in entries {
            entry(key, value);
        }
    }
    out.push(b'}');
}

fn utf16_order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

fn write_number(out: &mut Vec<u8>, n: &Number) {
    // A write to a vector does not fail, and serde_json holds no NaN and no infinity.
    if is_safe(n) {
        let _ = write!(out, "{n}");
    } else {
        match serde_json_canonicalizer::to_vec(n) {
            Ok(text) => out.extend_from_slice(&text),
            Err(_) => out.extend_from_slice(b"null"),
        }
    }
}

/// Writes a string by RFC 8785 §3.2.2.2: the shortest form, with lower-case hexadecimal.
fn write_string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut plain = 0;
    for (i, byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            0x08 => b'b',
            0x09 => b't',
            0x0a => b'n',
            0x0c => b'f',
            0x0d => b'r',
            0x00..=0x1f => 0,
            _ => continue,
        };
        out.extend_from_slice(&bytes[plain..i]);
        plain = i + 1;
        match short {
            0 => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
            short => out.extend_from_slice(&[b'\\', short]),
        }
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}
