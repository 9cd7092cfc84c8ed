//! Keys, key files, cards, safety numbers.
mod common;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use common::{KEY_FILES, card, identity, rng};
use kirc_core::Envelope;
use kirc_core::envelope::EnvelopeError;
use kirc_core::identity::{Card, Identity, IdentityError, PublicKeys, safety_number};
use serde_json::{Map, Value, json};

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

#[test]
fn new_keys_work_and_come_back_from_their_file() {
    let mut rng = rng(42);
    let me = Identity::generate(&mut rng, 3072);
    let file = me.to_key_file(None, &mut rng);
    let again = Identity::from_key_file(&file, Some("not asked for")).unwrap();
    assert_eq!(again.public(), me.public());
    let sealed = me.seal_local(b"what I keep");
    assert_eq!(again.open_local(&sealed).unwrap(), b"what I keep");
    let signed = Envelope::new("X").sign(kirc_core::envelope::Domain::Message, &again);
    let domain = kirc_core::envelope::Domain::Message;
    signed.verify(domain, me.public()).unwrap();
}

#[test]
fn a_sealed_key_file_opens_with_its_passphrase_only() {
    let me = identity(0);
    let file = me.to_key_file(Some("korrekt häst"), &mut rng(1));
    let text = std::str::from_utf8(&file).unwrap();
    assert!(!text.contains("\"rsa\""), "nothing private stands outside the seal");
    let again = Identity::from_key_file(&file, Some("korrekt häst")).unwrap();
    assert_eq!(again.public(), me.public());
    let sealed = me.seal_local(b"what I keep");
    assert_eq!(again.open_local(&sealed).unwrap(), b"what I keep");

    let open = |file: &[u8], pass| Identity::from_key_file(file, pass).unwrap_err();
    assert_eq!(open(&file, Some("korrekt hast")), IdentityError::Passphrase);
    assert_eq!(open(&file, Some("")), IdentityError::Passphrase);
    assert_eq!(open(&file, None), IdentityError::PassphraseNeeded);

    // Changed bytes look like a wrong passphrase; costs beyond bounds are not even tried.
    let change = |name: &str, value: Value| {
        let mut file: Value = serde_json::from_slice(&file).unwrap();
        file["sealed"][name] = value;
        open(file.to_string().as_bytes(), Some("korrekt häst"))
    };
    assert_eq!(change("t", json!(2)), IdentityError::Passphrase);
    assert_eq!(change("ct", json!("AAAA")), IdentityError::Passphrase);
    for (name, value) in [
        ("m", json!(u32::MAX)),
        ("m", json!(0)),
        ("m", json!(u64::MAX)),
        ("t", json!(1000)),
        ("p", json!(64)),
        ("p", json!(-1)),
        ("salt", json!("")),
        ("nonce", json!("AAAA")),
        ("alg", json!("rot13")),
        ("ct", json!(7)),
    ] {
        let error = change(name, value);
        assert!(matches!(error, IdentityError::Form(_)), "{name}: {error:?}");
    }
}

#[test]
fn a_key_file_that_is_none_is_refused_without_quoting_it() {
    let good = String::from_utf8(KEY_FILES[0].to_vec()).unwrap();
    for bad in [
        String::new(),
        "null".into(),
        "[]".into(),
        "{\"kirc\":\"identity\",\"v\":1}".into(),
        good.replace("\"v\":1", "\"v\":2"),
        good.replace("\"identity\"", "\"other\""),
        good.replace("\"rsa\":\"MII", "\"rsa\":\"MIJ"),
        good.replace("\"ed25519\":\"MF", "\"ed25519\":\"MG"),
        good.replace("\"store\":\"", "\"store\":\"A"),
        good.replace("\"store\"", "\"stone\""),
        good.replace('}', ""),
        format!("{good}{}", " ".repeat(20_000)),
    ] {
        let error = Identity::from_key_file(bad.as_bytes(), None).unwrap_err();
        assert!(matches!(error, IdentityError::Form(_)), "{error:?}");
        assert!(error.to_string().len() < 120, "{error}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let me = identity(0);
    let shown = format!("{me:?} {:?}", me.public());
    let actor = me.actor();
    assert_eq!(shown, format!("Identity({actor}) PublicKeys({actor})"));
    let key = kirc_core::crypto::ChannelKey::from_bytes([0xab; 32]);
    assert_eq!(format!("{key:?}"), "ChannelKey(…)");
}

#[test]
fn weak_and_odd_public_keys_are_refused() {
    let good = identity(0).public().clone();
    let rsa = good.rsa_der().to_vec();
    PublicKeys::from_parts(*good.ed25519(), rsa.clone()).unwrap();
    // The identity point, a point of order 2, one of order 4, and the identity in another form (y =
    // p + 1).
    let mut identity_point = [0; 32];
    identity_point[0] = 1;
    let order_4 = [0; 32];
    let mut order_2 = [0xff; 32];
    (order_2[0], order_2[31]) = (0xec, 0x7f);
    let mut other_form = [0xff; 32];
    (other_form[0], other_form[31]) = (0xee, 0x7f);
    for weak in [identity_point, order_2, order_4, other_form, [0xff; 32]] {
        let error = PublicKeys::from_parts(weak, rsa.clone()).unwrap_err();
        assert!(matches!(error, IdentityError::Form(_)), "{weak:?}");
    }

    use rsa::BigUint;
    use rsa::pkcs8::EncodePublicKey;
    let der = |bits: usize, e: u32| {
        let n = (BigUint::from(1u8) << (bits - 1)) + BigUint::from(1u8);
        let key = rsa::RsaPublicKey::new_unchecked(n, BigUint::from(e));
        key.to_public_key_der().unwrap().as_bytes().to_vec()
    };
    PublicKeys::from_parts(*good.ed25519(), der(2048, 65_537)).unwrap();
    PublicKeys::from_parts(*good.ed25519(), der(4096, 3)).unwrap();
    let mut trailing = rsa.clone();
    trailing.push(0);
    for bad in [
        der(1024, 65_537),
        der(2047, 65_537),
        der(4097, 65_537),
        der(2048, 65_536),
        der(2048, 1),
        trailing,
        rsa[1..].to_vec(),
        Vec::new(),
    ] {
        assert!(PublicKeys::from_parts(*good.ed25519(), bad).is_err());
    }
}

#[test]
fn a_card_says_who_it_is_and_can_be_passed_on() {
    let me = identity(0);
    let made = card(&me, "Alice");
    let bytes = made.envelope().to_canonical();
    let read = Card::parse(&Envelope::from_canonical(&bytes).unwrap()).unwrap();
    assert_eq!(read, made);
    assert_eq!(read.actor(), me.actor());
    assert_eq!(read.nick().as_str(), "Alice");
    assert_eq!(read.address(), &common::address());
    assert_eq!(read.rev(), 1_795_258_255_123);
    assert_eq!(read.profile()["about"], "has a cat");
    let text = serde_json::to_string(&made).unwrap();
    assert_eq!(serde_json::from_str::<Card>(&text).unwrap(), made);

    let armoured = made.to_text();
    assert!(armoured.starts_with("-----BEGIN KIRC CARD-----\n"));
    assert_eq!(Card::from_text(&armoured).unwrap(), made);
    assert_eq!(Card::from_text(&format!("\n {text}\n")).unwrap(), made);
}

#[test]
fn a_card_that_was_tampered_with_is_refused() {
    let me = identity(0);
    let good = card(&me, "Alice").envelope().clone();
    let change = |f: &dyn Fn(&mut Map<String, Value>)| {
        let mut envelope = good.clone();
        match &mut envelope.body {
            Some(kirc_core::Body::Object(map)) => f(map),
            _ => unreachable!(),
        }
        Card::parse(&envelope).unwrap_err()
    };
    let forged = IdentityError::Envelope(EnvelopeError::Signature);
    assert_eq!(change(&|b| drop(b.insert("nick".into(), "Mallory".into()))), forged);
    assert_eq!(change(&|b| drop(b.insert("rev".into(), 9.into()))), forged);
    assert_eq!(change(&|b| b["address"]["rpc_in"] = "rpc-mallory".into()), forged);
    assert_eq!(change(&|b| drop(b.insert("more".into(), 1.into()))), forged);
    // Another's RSA key under my name, and my name over another's key.
    let other = identity(1);
    let rsa = B64.encode(other.public().rsa_der());
    assert_eq!(change(&|b| drop(b.insert("rsa".into(), rsa.clone().into()))), forged);
    let ed = B64.encode(other.public().ed25519());
    let error = change(&|b| drop(b.insert("ed25519".into(), ed.clone().into())));
    assert!(error.to_string().contains("another actor"), "{error}");
    // Of a wrong form.
    for (name, value) in [
        ("nick", json!("not a nick")),
        ("address", json!({"cluster": "c"})),
        ("ed25519", json!("AAAA")),
        ("rsa", json!("AAAA")),
        ("rev", json!(-1)),
        ("profile", json!("x".repeat(9000))),
    ] {
        let error = change(&|b| drop(b.insert(name.into(), value.clone())));
        assert!(matches!(error, IdentityError::Form(_)), "{name}: {error:?}");
    }
    let mut unsigned = good.clone();
    unsigned.meta.remove("sig");
    let error = Card::parse(&unsigned).unwrap_err();
    assert_eq!(error, IdentityError::Envelope(EnvelopeError::Unsigned));
    assert!(Card::parse(&Envelope::new("CARD")).is_err());
    assert!(Card::parse(&Envelope::new("KARD")).is_err());
}

#[test]
fn a_card_with_a_number_that_folds_is_refused() {
    let me = identity(0);
    let nick = kirc_core::names::Nick::parse("a").unwrap();
    for number in [json!(9_007_199_254_740_992u64), json!(1.5)] {
        let mut profile = Map::new();
        profile.insert("n".into(), number);
        let card = Card::create(&me, &nick, &common::address(), profile, 1);
        let error = Card::parse(card.envelope()).unwrap_err();
        assert_eq!(error, IdentityError::Envelope(EnvelopeError::Number));
    }
}

#[test]
fn people_compare_the_same_numbers() {
    let (a, b, c) = (identity(0), identity(1), identity(2));
    let number = safety_number(a.public(), b.public());
    assert_eq!(number, safety_number(b.public(), a.public()));
    assert_ne!(number, safety_number(a.public(), c.public()));
    let groups: Vec<&str> = number.split(' ').collect();
    assert_eq!(groups.len(), 12);
    for group in groups {
        assert!(group.len() == 5 && group.bytes().all(|b| b.is_ascii_digit()));
    }
    // Another RSA key, another number.
    let swapped = PublicKeys::from_parts(*b.public().ed25519(), c.public().rsa_der().to_vec());
    assert_ne!(number, safety_number(a.public(), &swapped.unwrap()));

    let print = a.public().fingerprint();
    assert_eq!(print.replace(' ', ""), a.actor().to_string());
    assert!(print.split(' ').all(|group| group.len() == 4));
}
