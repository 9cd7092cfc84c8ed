//! Armour: bytes as text that survives mail, chat and a printer, with a checksum that detects
//! damage.
//!
//! It does not know what the bytes mean. The checksum detects accidents only; the signature inside
//! protects against attackers.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::{IdentityError, form};
use crate::ids::digest;

const WIDTH: usize = 64;

/// Puts bytes between `BEGIN KIRC {kind}` and `END KIRC {kind}`.
pub(super) fn wrap(kind: &str, bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let mut out = format!("-----BEGIN KIRC {kind}-----\n");
    for line in text.as_bytes().chunks(WIDTH) {
        out.extend(line.iter().map(|b| *b as char));
        out.push('\n');
    }
    out.push('=');
    out.push_str(&checksum(kind, bytes));
    out.push_str(&format!("\n-----END KIRC {kind}-----\n"));
    out
}

/// Extracts the bytes. Text before and after, white space and the `>` of a quoted mail do not
/// matter.
pub(super) fn unwrap(kind: &str, text: &str, most: usize) -> Result<Vec<u8>, IdentityError> {
    let name = kind.to_lowercase();
    if text.len() > most * 2 {
        return form(format!("this is not a kirc {name}: it is too large"));
    }
    let begin = format!("-----BEGIN KIRC {kind}-----");
    let end = format!("-----END KIRC {kind}-----");
    let Some((_, rest)) = text.split_once(&begin) else {
        return form(format!("there is no kirc {name} here: it starts with {begin}"));
    };
    let Some((inside, _)) = rest.split_once(&end) else {
        return form(format!("the {name} was cut off: it ends with {end}"));
    };
    let damaged = || {
        IdentityError::Form(format!(
            "the {name} was damaged on its way: copy it again, from {begin} to {end}"
        ))
    };
    let (mut data, mut sum) = (String::new(), None);
    for line in inside.lines() {
        let line: String =
            line.trim_start_matches(['>', ' ', '\t']).chars().filter(|c| !c.is_whitespace()).collect();
        match line.strip_prefix('=') {
            // Base64 may end with `=`, but our lines hold 64 characters, so none starts with one.
            Some(rest) if rest.len() == 8 => sum = Some(rest.to_owned()),
            _ => data.push_str(&line),
        }
    }
    let bytes = STANDARD.decode(&data).map_err(|_| damaged())?;
    if sum.as_deref() != Some(checksum(kind, &bytes).as_str()) {
        return Err(damaged());
    }
    if bytes.len() > most {
        return form(format!("the {name} is too large"));
    }
    Ok(bytes)
}

fn checksum(kind: &str, bytes: &[u8]) -> String {
    let hash = digest("kirc.v1.armour", &[kind.as_bytes(), bytes]);
    URL_SAFE_NO_PAD.encode(&hash[..6])
}
