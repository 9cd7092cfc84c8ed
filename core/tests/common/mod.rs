//! What the tests of this crate share: fixed identities and seeded random numbers.
#![allow(dead_code)]

use kirc_core::crypto::Rng;
use kirc_core::identity::{Address, Card, Identity};
use kirc_core::names::Nick;
use rand_chacha::rand_core::SeedableRng;

/// Eight key files that are published, so for tests only.
pub const KEY_FILES: [&[u8]; 8] = [
    include_bytes!("../keys/1.json"),
    include_bytes!("../keys/2.json"),
    include_bytes!("../keys/3.json"),
    include_bytes!("../keys/4.json"),
    include_bytes!("../keys/5.json"),
    include_bytes!("../keys/6.json"),
    include_bytes!("../keys/7.json"),
    include_bytes!("../keys/8.json"),
];

pub fn identity(n: usize) -> Identity {
    Identity::from_key_file(KEY_FILES[n], None).expect("a test key file")
}

pub fn rng(seed: u64) -> Rng {
    Rng::seed_from_u64(seed)
}

pub fn address() -> Address {
    Address {
        cluster: "grid-1".into(),
        data_in: "data-in".into(),
        data_out: "data-out".into(),
        rpc_in: "rpc-in".into(),
        rpc_out: "rpc-out".into(),
    }
}

pub fn card(me: &Identity, nick: &str) -> Card {
    let nick = Nick::parse(nick).expect("a nick");
    let profile = serde_json::json!({"about": "has a cat"});
    let profile = profile.as_object().cloned().expect("an object");
    Card::create(me, &nick, &address(), profile, 1_795_258_255_123)
}

/// The armour of invites and cards, written down a second time: what others' programs would make.
pub fn armour(kind: &str, bytes: &[u8]) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let sum = kirc_core::ids::digest("kirc.v1.armour", &[kind.as_bytes(), bytes]);
    let (data, sum) = (STANDARD.encode(bytes), URL_SAFE_NO_PAD.encode(&sum[..6]));
    format!("-----BEGIN KIRC {kind}-----\n{data}\n={sum}\n-----END KIRC {kind}-----\n")
}
