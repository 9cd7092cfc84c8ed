//! Keys, key files, cards, safety numbers.
mod common;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use common::{KEY_FILES, card, identity, rng};
use kirc_core::Envelope;
use kirc_core::envelope::EnvelopeError;
use kirc_core::identity::{Card, Identity, IdentityError, PublicKeys, safety_number};
use serde_json::{Value, json};

#[test]
#[ignore = "makes the test keys anew"]
fn make_test_keys() {
    for n in 1..=8u64 {
        let mut rng = rng(n);
        let made = Identity::generate(&mut rng, 2048);
        let file = made.to_key_file(None, &mut rng);
        let text = std::str::from_utf8(&file).unwrap();
        let note = "{\"note\":\"TEST KEY, published with the source: never use it\",\n";
        let path = format!("{}/tests/keys/{n}.json", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(path, text.replacen('{', note, 1)).unwrap();
    }
}
