//! Channel keys, wraps, seals.
mod common;

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD as B64};
use common::{identity, rng};
use kirc_core::crypto::{ChannelKey, CryptoError, open, seal, unwrap, wrap, wrap_label};
use kirc_core::ids::{ChannelId, Epoch};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The key of the Fernet specification's test vectors.
fn spec_key() -> ChannelKey {
    let key = URL_SAFE.decode("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=").unwrap();
    ChannelKey::from_bytes(key.try_into().unwrap())
}

#[test]
fn fernet_reads_the_specifications_token() {
    // github.com/fernet/spec, generate.json: made in 1985, and old age is no reason to refuse it.
    let token = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
    assert_eq!(spec_key().decrypt(token).unwrap(), b"hello");
}

#[test]
fn tokens_carry_no_time_and_any_time_is_read() {
    let key = spec_key();
    let token = key.encrypt(b"hello");
    let bytes = URL_SAFE.decode(&token).unwrap();
    assert_eq!(bytes[..9], [0x80, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(key.decrypt(&token).unwrap(), b"hello");
    // A token from the end of time, made by somebody with a broken clock.
    let text = URL_SAFE.encode(key.expose());
    let other = fernet::Fernet::new(&text).unwrap();
    let late = other.encrypt_at_time(b"late", u64::MAX);
    assert_eq!(key.decrypt(&late).unwrap(), b"late");
}

#[test]
fn a_flipped_byte_or_another_key_does_not_open() {
    let key = spec_key();
    let token = URL_SAFE.decode(key.encrypt(b"hello")).unwrap();
    for at in 0..token.len() {
        let mut bytes = token.clone();
        bytes[at] ^= 1;
        let result = key.decrypt(&URL_SAFE.encode(bytes));
        assert_eq!(result, Err(CryptoError::Open), "byte {at}");
    }
    // The same half that signs, another that encrypts: the MAC holds, the text is another. The
    // KeyID tells them apart.
    let mut bytes = *key.expose();
    bytes[31] ^= 1;
    let twin = ChannelKey::from_bytes(bytes);
    assert_ne!(twin.decrypt(&key.encrypt(b"hello")), Ok(b"hello".to_vec()));
    assert_ne!(twin.id(b"ch", Epoch(1)), key.id(b"ch", Epoch(1)));
}

#[test]
fn the_key_id_commits_to_channel_epoch_and_key() {
    let key = ChannelKey::generate(&mut rng(1));
    let id = key.id(b"channel", Epoch(7));
    assert_eq!(key.duplicate().id(b"channel", Epoch(7)), id);
    assert_ne!(key.id(b"channel", Epoch(8)), id);
    assert_ne!(key.id(b"channeL", Epoch(7)), id);
    assert_ne!(ChannelKey::generate(&mut rng(2)).id(b"channel", Epoch(7)), id);
    // The same seed, the same key: a run can be repeated.
    assert_eq!(ChannelKey::generate(&mut rng(1)).expose(), key.expose());
}

#[test]
fn a_wrap_opens_for_its_receiver_under_its_label_only() {
    let (alice, bob, carol) = (identity(0), identity(1), identity(2));
    let key = ChannelKey::generate(&mut rng(1));
    let channel = ChannelId([7; 24]);
    let kid = key.id(&channel.0, Epoch(3));
    let label = wrap_label(&channel, Epoch(3), &kid, &alice.actor(), &bob.actor());
    let ct = wrap(&key, bob.public(), &label, &mut rng(5));
    assert_eq!(ct, wrap(&key, bob.public(), &label, &mut rng(5)), "all chance is the seed's");
    assert_eq!(unwrap(&ct, &bob, &label).unwrap().expose(), key.expose());

    let refused = |ct: &str, me, label: &[u8]| unwrap(ct, me, label).unwrap_err();
    assert_eq!(refused(&ct, &carol, &label), CryptoError::Open);
    for other in [
        wrap_label(&channel, Epoch(4), &kid, &alice.actor(), &bob.actor()),
        wrap_label(&channel, Epoch(3), &kid, &carol.actor(), &bob.actor()),
        wrap_label(&ChannelId([8; 24]), Epoch(3), &kid, &alice.actor(), &bob.actor()),
        Vec::new(),
        vec![0xff, 0xfe],
    ] {
        assert_eq!(refused(&ct, &bob, &other), CryptoError::Open);
    }
    for bad in ["", "A", "AAAA", "not base64!", &ct[1..], &format!("{ct}AAAA")] {
        assert_eq!(refused(bad, &bob, &label), CryptoError::Open);
    }
    let mut bytes = B64.decode(&ct).unwrap();
    bytes[100] ^= 1;
    assert_eq!(refused(&B64.encode(bytes), &bob, &label), CryptoError::Open);
}

#[test]
fn a_wrap_of_something_that_is_no_key_does_not_open() {
    use rsa::pkcs8::DecodePublicKey;
    let bob = identity(1);
    let public = rsa::RsaPublicKey::from_public_key_der(bob.public().rsa_der()).unwrap();
    for plain in [&b""[..], &[1; 31], &[1; 33], &[1; 190]] {
        let padding = rsa::Oaep::new_with_label::<rsa::sha2::Sha256, _>("label");
        let ct = public.encrypt(&mut rng(1), padding, plain).unwrap();
        let result = unwrap(&B64.encode(ct), &bob, b"label");
        assert_eq!(result.unwrap_err(), CryptoError::Open);
    }
}

#[test]
fn a_label_need_not_be_text() {
    let bob = identity(1);
    let key = ChannelKey::generate(&mut rng(1));
    let ct = wrap(&key, bob.public(), &[0xff, 1], &mut rng(2));
    assert_eq!(unwrap(&ct, &bob, &[0xff, 1]).unwrap().expose(), key.expose());
    assert!(unwrap(&ct, &bob, &[0xff, 2]).is_err());
}

/// Both libraries take each other's keys and texts: the private side of one is not the public
/// side's author.
#[test]
fn the_two_rsa_libraries_understand_each_other() {
    use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
    let bob = identity(1);
    let public = PublicEncryptingKey::from_der(bob.public().rsa_der()).unwrap();
    let public = OaepPublicEncryptingKey::new(public).unwrap();
    let mut ct = vec![0; public.ciphertext_size()];
    let key = [9; 32];
    let ct = public.encrypt(&OAEP_SHA256_MGF1SHA256, &key, &mut ct, Some(b"label")).unwrap();
    assert_eq!(unwrap(&B64.encode(ct), &bob, b"label").unwrap().expose(), &key);
}

#[test]
fn a_seal_opens_for_its_receiver_and_keeps_its_name() {
    let (bob, carol) = (identity(1), identity(2));
    let plain = vec![42; 10_000];
    let sealed = seal(&plain, bob.public(), b"label", &mut rng(1));
    assert_eq!(sealed["alg"], "rsa-oaep-sha256+fernet");
    assert_eq!(open(&sealed, &bob, b"label").unwrap(), plain);
    assert_eq!(open(&sealed, &carol, b"label"), Err(CryptoError::Open));
    assert_eq!(open(&sealed, &bob, b"other"), Err(CryptoError::Open));
    let change = |name: &str, value: Value| {
        let mut sealed = sealed.clone();
        sealed[name] = value;
        open(&sealed, &bob, b"label")
    };
    assert_eq!(change("ct", json!("AAAA")), Err(CryptoError::Open));
    assert_eq!(change("key", json!("AAAA")), Err(CryptoError::Open));
    assert_eq!(change("alg", json!("rot13")), Err(CryptoError::Form));
    assert_eq!(change("ct", json!(null)), Err(CryptoError::Form));
    assert_eq!(open(&json!("text"), &bob, b"label"), Err(CryptoError::Form));
}

#[test]
fn the_store_seal_is_ones_own() {
    let (bob, carol) = (identity(1), identity(2));
    let sealed = bob.seal_local(b"a line");
    assert_eq!(bob.open_local(&sealed).unwrap(), b"a line");
    assert_eq!(carol.open_local(&sealed), Err(CryptoError::Open));
    assert_eq!(bob.open_local(&[0xff]), Err(CryptoError::Open));
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(plain in prop::collection::vec(any::<u8>(), 0..2000), seed: u64) {
        let key = ChannelKey::generate(&mut rng(seed));
        prop_assert_eq!(key.decrypt(&key.encrypt(&plain)).unwrap(), plain);
    }

    #[test]
    fn no_token_makes_it_panic(token in "(?s).{0,300}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let key = spec_key();
        prop_assert!(key.decrypt(&token).is_err());
        // Well-formed base64 too, led by Fernet's version byte and a time near the end of it.
        let mut forged = vec![0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        forged.extend(bytes);
        prop_assert!(key.decrypt(&URL_SAFE.encode(&forged)).is_err());
        let me = identity(0);
        prop_assert!(unwrap(&token, &me, b"label").is_err());
        prop_assert!(unwrap(&B64.encode(&forged), &me, b"label").is_err());
    }
}
