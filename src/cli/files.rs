//! Files given as arguments: cards, key files, invites. `-` is standard input.

use std::io::Read;
use std::path::Path;

use kirc_core::identity::Card;
use serde_json::{Map, Value};

use super::Failure;

/// More than any card or invite has.
const LARGEST: u64 = 1 << 20;

/// The text of a file, or of standard input.
pub fn read(path: &Path) -> Result<String, Failure> {
    let failed = |e: std::io::Error| Failure::failed(format!("{} can't be read: {e}", path.display()));
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().take(LARGEST).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut text))
    }
    .map_err(failed)?;
    Ok(text)
}

/// The body of a question about somebody: a card in its text form or as JSON, or
/// `{"ed25519": …, "rsa": …}`.
pub fn card_or_key(path: &Path) -> Result<Map<String, Value>, Failure> {
    let text = read(path)?;
    let mut body = Map::new();
    if let Ok(value) = serde_json::from_str::<Value>(&text) {
        let is_key = value.get("ed25519").is_some() && value.get("rsa").is_some();
        if !is_key && serde_json::from_value::<Card>(value.clone()).is_err() {
            return Err(not_a_card(path, "its signature or form does not hold"));
        }
        body.insert("card".into(), value);
        return Ok(body);
    }
    let card = Card::from_text(&text).map_err(|e| not_a_card(path, &e.to_string()))?;
    let value = serde_json::to_value(&card).map_err(|e| not_a_card(path, &e.to_string()))?;
    body.insert("card".into(), value);
    Ok(body)
}

fn not_a_card(path: &Path, why: &str) -> Failure {
    Failure::failed(format!(
        "{} is neither a card nor a public key: {why}; a card comes from `kirc identity export`",
        path.display()
    ))
}
