//! Envelopes: form, limits, canonical form, signature.
mod common;

use common::identity;
use kirc_core::envelope::{Domain, EnvelopeError, canonical_json, format_ts};
use kirc_core::{Body, Envelope, limits};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

// --- RFC 8785's own examples -------------------------------------------------------------------

fn jcs(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap();
    let ours = String::from_utf8(canonical_json(&value)).unwrap();
    assert_eq!(ours, serde_json_canonicalizer::to_string(&value).unwrap());
    ours
}

#[test]
fn rfc_8785_section_3_2() {
    // §3.2.2: literals, numbers, strings.
    let sample = r#"{
        "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
        "literals": [null, true, false]
    }"#;
    let expected = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
                    \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
    assert_eq!(jcs(sample), expected);

    // §3.2.3: the order of UTF-16, not of UTF-8.
    let sample = r#"{
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\ud83d\ude00": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis"
    }"#;
    let expected = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
                    \"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\
                    \"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
    assert_eq!(jcs(sample), expected);
    // Inside of an envelope, too.
    let mut envelope = Envelope::new("X");
    envelope.meta = serde_json::from_str(sample).unwrap();
    let text = String::from_utf8(envelope.to_canonical()).unwrap();
    assert_eq!(text, format!("{{\"command\":\"X\",\"meta\":{expected}}}"));
}

/// Appendix B: IEEE 754 doubles and how they are written.
const NUMBERS: &[(u64, &str)] = &[
    (0x0000_0000_0000_0000, "0"),
    (0x8000_0000_0000_0000, "0"),
    (0x0000_0000_0000_0001, "5e-324"),
    (0x8000_0000_0000_0001, "-5e-324"),
    (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
    (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
    (0x4340_0000_0000_0000, "9007199254740992"),
    (0xc340_0000_0000_0000, "-9007199254740992"),
    (0x4430_0000_0000_0000, "295147905179352830000"),
    (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
    (0x44b5_2d02_c7e1_4af6, "1e+23"),
    (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
    (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
    (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
    (0x444b_1ae4_d6e2_ef50, "1e+21"),
    (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
    (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
    (0x41b3_de43_5555_5553, "333333333.3333332"),
    (0x41b3_de43_5555_5554, "333333333.33333325"),
    (0x41b3_de43_5555_5555, "333333333.3333333"),
    (0x41b3_de43_5555_5556, "333333333.3333334"),
    (0x41b3_de43_5555_5557, "333333333.33333343"),
    (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
    (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
];

#[test]
fn rfc_8785_appendix_b() {
    for (bits, text) in NUMBERS {
        let value = json!(f64::from_bits(*bits));
        assert_eq!(serde_json_canonicalizer::to_string(&value).unwrap(), *text);
        assert_eq!(canonical_json(&value), text.as_bytes());
    }
    for bits in [0x7fff_ffff_ffff_ffff, 0x7ff0_0000_0000_0000] {
        assert!(serde_json_canonicalizer::to_vec(&f64::from_bits(bits)).is_err());
    }
}

// --- What a session hands in -------------------------------------------------------------------

fn from_json(text: &str) -> Result<Envelope, EnvelopeError> {
    Envelope::from_json(text.as_bytes())
}

#[test]
fn a_session_may_write_any_json() {
    let read = from_json(
        r##" { "to":"#net" ,"command":"PRIVMSG", "params":[], "from":null,
              "body":[ "h\u00e9llo" ], "meta":{"label":"7","own":{"a":[1,-2,true,null]}} } "##,
    );
    let made = Envelope::new("PRIVMSG")
        .to("#net")
        .line("héllo")
        .meta("label", "7")
        .meta("own", json!({"a": [1, -2, true, null]}));
    assert_eq!(read.unwrap(), made);
}

#[test]
fn what_is_no_envelope_is_refused_in_a_sentence() {
    for (text, says) in [
        ("", "EOF"),
        ("[]", "not a JSON object"),
        ("\"hi\"", "not a JSON object"),
        ("{}", "no command"),
        (r#"{"command":""}"#, "no command"),
        (r#"{"command":null}"#, "no command"),
        (r#"{"command":7}"#, "command must be a string"),
        (r#"{"command":"PRIV MSG"}"#, "letters, digits"),
        (r#"{"command":"X","body":"hello"}"#, "bare string"),
        (r#"{"command":"X","body":7}"#, "body must be"),
        (r#"{"command":"X","params":"a"}"#, "list of strings"),
        (r#"{"command":"X","params":[1]}"#, "list of strings"),
        (r#"{"command":"X","meta":[]}"#, "meta must be an object"),
        (r#"{"command":"X","from":{}}"#, "from must be a string"),
        (r#"{"command":"X","label":"7"}"#, "meta"),
        (r#"{"command":"X","command":"Y"}"#, "twice"),
        (r#"{"command":"X","meta":{"a":{"b":1,"b":1}}}"#, "twice"),
        (r#"{"command":"X","body":["a\nb"]}"#, "line break"),
        (r#"{"command":"X","params":["a\r"]}"#, "line break"),
        (r#"{"command":"X","id":"7"}"#, "UUID"),
        (r#"{"command":"X","ts":"now"}"#, "2026-11-21T10:50:55.123Z"),
        (r#"{"command":"X"} {}"#, "trailing"),
    ] {
        match from_json(text) {
            Err(EnvelopeError::Form(why)) => assert!(why.contains(says), "{text}: {why}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    for number in ["1.5", "1e3", "-0", "9007199254740992", "-9007199254740992", "1e300"] {
        let text = format!("{{\"command\":\"X\",\"meta\":{{\"a\":[{number}]}}}}");
        assert_eq!(from_json(&text), Err(EnvelopeError::Number), "{number}");
    }
    assert!(from_json(&"[".repeat(10_000)).is_err());
}

#[test]
fn limits_hold_at_their_edge() {
    let say = |line: &str, n: usize| from_json(&json!({"command": "X", "body": vec![line; n]}).to_string());
    say(&"x".repeat(limits::LINE), 1).unwrap();
    say("x", limits::LINES).unwrap();
    let error = say(&"x".repeat(limits::LINE + 1), 1).unwrap_err();
    let EnvelopeError::Limit { size, limit, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!((size, limit), (limits::LINE + 1, limits::LINE));
    assert!(matches!(say("x", limits::LINES + 1), Err(EnvelopeError::Limit { .. })));
    let long = json!({"command": "X", "body": {"a": "x".repeat(limits::ENVELOPE)}}).to_string();
    assert!(matches!(from_json(&long), Err(EnvelopeError::Limit { .. })));
    // A record may hold more than a session may say.
    let mut record = Envelope::new("KEY").field("a", "x".repeat(limits::ENVELOPE));
    Envelope::from_canonical(&record.to_canonical()).unwrap();
    record = record.field("a", "x".repeat(limits::RECORD));
    let result = Envelope::from_canonical(&record.to_canonical());
    assert!(matches!(result, Err(EnvelopeError::Limit { .. })));
}

// --- Records -----------------------------------------------------------------------------------

#[test]
fn a_record_has_one_form() {
    let good = r##"{"body":["hi"],"command":"PRIVMSG","meta":{"a":1,"b":-2},"params":["p"],"to":"#net"}"##;
    Envelope::from_canonical(good.as_bytes()).unwrap();
    for bad in [
        good.replace("\":", "\": "),
        format!("{good}\n"),
        format!(" {good}"),
        good.replace("\"a\":1,\"b\":-2", "\"b\":-2,\"a\":1"),
        good.replace("\"a\":1,", "\"a\":1,\"a\":1,"),
        good.replace("\"a\":1,", "\"a\":0,\"a\":1,"),
        good.replace("hi", "h\\u0069"),
        good.replace("hi", "h\\/i"),
        good.replace("\"command\"", "\"command\":\"PRIVMSG\",\"command\""),
        good.replace("\"command\"", "\"from\":null,\"command\""),
        good.replace("[\"p\"]", "[]"),
        good.replace("{\"a\":1,\"b\":-2}", "{}"),
    ] {
        let result = Envelope::from_canonical(bad.as_bytes());
        assert_eq!(result, Err(EnvelopeError::NotCanonical), "{bad}");
    }
    for number in ["1.0", "0.5", "-0", "1e2", "9007199254740992", "-9007199254740992", "18446744073709551616"]
    {
        for place in [good.replace(":1,", &format!(":{number},")), good.replace("\"hi\"", number)] {
            let result = Envelope::from_canonical(place.as_bytes());
            assert_eq!(result, Err(EnvelopeError::Number), "{place}");
        }
    }
    let largest = good.replace("-2", "-9007199254740991").replace(":1", ":9007199254740991");
    Envelope::from_canonical(largest.as_bytes()).unwrap();
    let unknown = good.replace("\"to\"", "\"tp\"");
    assert!(matches!(Envelope::from_canonical(unknown.as_bytes()), Err(EnvelopeError::Form(_))));
    assert!(Envelope::from_canonical(&[0xff, 0xfe]).is_err());
}

#[test]
fn a_signature_is_bound_to_key_domain_and_every_byte() {
    let (alice, bob) = (identity(0), identity(1));
    let signed = Envelope::new("PRIVMSG")
        .from(alice.actor().to_string())
        .to("#net")
        .line("hello")
        .meta("n", 7)
        .sign(Domain::Message, &alice);
    assert_eq!(signed.meta_str("alg"), Some("ed25519"));
    signed.verify(Domain::Message, alice.public()).unwrap();
    let bytes = signed.to_canonical();
    let read = Envelope::from_canonical(&bytes).unwrap();
    assert_eq!(read, signed);
    read.verify(Domain::Message, alice.public()).unwrap();
    // Signing again changes nothing.
    assert_eq!(read.sign(Domain::Message, &alice), signed);

    let wrong = Err(EnvelopeError::Signature);
    assert_eq!(signed.verify(Domain::Message, bob.public()), wrong);
    for domain in [Domain::Log, Domain::Claim, Domain::Challenge, Domain::Wrap] {
        assert_eq!(signed.verify(domain, alice.public()), wrong);
    }
    for domain in [Domain::Card, Domain::Invite, Domain::Request, Domain::Presence] {
        assert_eq!(signed.verify(domain, alice.public()), wrong);
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let verified =
            Envelope::from_canonical(&changed).and_then(|e| e.verify(Domain::Message, alice.public()));
        assert!(verified.is_err(), "byte {at}");
    }
}

#[test]
fn what_is_signed_is_written_down() {
    // Prefix and canonical form without meta.sig, checked by hand: other programs must be able to
    // do the same.
    use base64::Engine;
    let alice = identity(0);
    let signed = Envelope::new("X").meta("a", 1).sign(Domain::Log, &alice);
    let sig =
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signed.meta_str("sig").unwrap()).unwrap();
    let message = b"kirc.v1.log\0{\"command\":\"X\",\"meta\":{\"a\":1,\"alg\":\"ed25519\"}}";
    let key = ed25519_dalek::VerifyingKey::from_bytes(alice.public().ed25519()).unwrap();
    let sig = ed25519_dalek::Signature::from_slice(&sig).unwrap();
    key.verify_strict(message, &sig).unwrap();
}

#[test]
fn what_is_missing_or_unknown_is_named() {
    let alice = identity(0);
    let verify = |e: &Envelope| e.verify(Domain::Log, alice.public()).unwrap_err();
    let signed = Envelope::new("X").sign(Domain::Log, &alice);
    assert_eq!(verify(&Envelope::new("X")), EnvelopeError::Unsigned);
    assert_eq!(verify(&signed.clone().meta("sig", 7)), EnvelopeError::Unsigned);
    let other = verify(&signed.clone().meta("alg", "ml-dsa-44"));
    assert_eq!(other, EnvelopeError::Algorithm("ml-dsa-44".into()));
    let none = verify(&signed.clone().meta("alg", Value::Null));
    assert_eq!(none, EnvelopeError::Algorithm(String::new()));
    for sig in ["", "AAAA", "!", &"A".repeat(86), &"A".repeat(400)] {
        let error = verify(&signed.clone().meta("sig", sig));
        assert_eq!(error, EnvelopeError::Signature, "{sig}");
    }
    // A number that folds: the signature would hold for its neighbour too.
    let folds = Envelope::new("X").meta("n", u64::MAX).sign(Domain::Log, &alice);
    assert_eq!(verify(&folds), EnvelopeError::Number);
}

#[test]
fn fifty_characters_stay_within_their_budget() {
    // What one line costs inside the encryption: the log's 1,000 bytes must hold it as base64, and
    // the log's own frame.
    let alice = identity(0);
    let mut said = Envelope::new("PRIVMSG")
        .from(alice.actor().to_string())
        .to("#net")
        .line("x".repeat(50))
        .meta("n", 1000);
    said.id = Some("01936f0e-6f31-7000-8000-000000000000".into());
    said.ts = Some(format_ts(1_795_258_255_123));
    let size = said.sign(Domain::Message, &alice).to_canonical().len();
    assert!(size < 360, "{size}");
}

// --- Properties --------------------------------------------------------------------------------

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991i64..=9_007_199_254_740_991).prop_map(Value::from),
        "(?s).{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            map(inner).prop_map(Value::Object),
        ]
    })
}

fn map(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let key = prop_oneof!["[a-z]{1,4}", "(?s).{0,6}", "[\u{e000}-\u{ffff}😀-😅]{1,2}"];
    prop::collection::btree_map(key, value, 0..5).prop_map(|map| map.into_iter().collect())
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let text = || prop::option::of("(?s).{0,12}");
    let body = prop::option::of(prop_oneof![
        prop::collection::vec(value(), 0..4).prop_map(Body::Array),
        map(value()).prop_map(Body::Object),
    ]);
    let params = prop::collection::vec("(?s).{0,8}", 0..4);
    let fields = (text(), text(), text(), text(), params);
    ("[A-Z0-9]{1,8}", fields, body, map(value())).prop_map(
        |(command, (from, to, id, ts, params), body, meta)| Envelope {
            command,
            from,
            to,
            params,
            body,
            meta,
            id,
            ts,
        },
    )
}

proptest! {
    #[test]
    fn the_canonical_form_is_the_librarys_and_reads_back(envelope in envelope()) {
        let bytes = envelope.to_canonical();
        prop_assert_eq!(&bytes, &serde_json_canonicalizer::to_vec(&envelope).unwrap());
        let read = Envelope::from_canonical(&bytes).unwrap();
        prop_assert_eq!(&read, &envelope);
        // The derived reader, which others use inside of their own types, says the same.
        prop_assert_eq!(serde_json::from_slice::<Envelope>(&bytes).unwrap(), envelope);
    }

    #[test]
    fn any_envelope_can_be_signed(envelope in envelope()) {
        let alice = identity(0);
        let signed = envelope.sign(Domain::Request, &alice);
        let read = Envelope::from_canonical(&signed.to_canonical()).unwrap();
        prop_assert_eq!(read.verify(Domain::Request, alice.public()), Ok(()));
    }

    #[test]
    fn what_from_json_takes_can_be_signed_and_sent(envelope in envelope()) {
        let pretty = serde_json::to_vec_pretty(&envelope).unwrap();
        if let Ok(read) = Envelope::from_json(&pretty) {
            prop_assert_eq!(Envelope::from_canonical(&read.to_canonical()).unwrap(), read);
        }
    }

    #[test]
    fn floats_are_the_librarys(bits: u64) {
        let number = f64::from_bits(bits);
        prop_assume!(number.is_finite());
        let value = json!([number]);
        prop_assert_eq!(canonical_json(&value), serde_json_canonicalizer::to_vec(&value).unwrap());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Envelope::from_json(&bytes);
        let _ = Envelope::from_canonical(&bytes);
    }

    #[test]
    fn no_damaged_envelope_makes_it_panic(envelope in envelope(), at: prop::sample::Index, byte: u8) {
        let mut bytes = envelope.to_canonical();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = Envelope::from_json(&bytes);
        if let Ok(read) = Envelope::from_canonical(&bytes) {
            prop_assert_eq!(read.to_canonical(), bytes);
        }
    }
}

/// `cargo test -p kirc-core --test envelope -- --ignored --nocapture speed`
#[test]
#[ignore = "prints what an operation costs"]
#[allow(clippy::disallowed_methods)] // a measurement needs a clock
fn speed() {
    use kirc_core::crypto::{ChannelKey, unwrap, wrap};
    fn measure<T>(what: &str, n: u32, mut f: impl FnMut() -> T) {
        let best = (0..15)
            .map(|_| {
                let start = std::time::Instant::now();
                (0..n).for_each(|_| drop(std::hint::black_box(f())));
                start.elapsed() / n
            })
            .min();
        println!("{what:>16} {:8.2} µs", best.unwrap().as_secs_f64() * 1e6);
    }
    let alice = identity(0);
    let mut said = Envelope::new("PRIVMSG")
        .from(alice.actor().to_string())
        .to("#net")
        .line("x".repeat(50))
        .meta("n", 1000)
        .meta("seen", json!([1, 2, "hash"]));
    said.id = Some("01936f0e-6f31-7000-8000-000000000000".into());
    said.ts = Some(format_ts(1_795_258_255_123));
    let signed = said.clone().sign(Domain::Message, &alice);
    let bytes = signed.to_canonical();
    let key = ChannelKey::from_bytes([7; 32]);
    let token = key.encrypt(&bytes);
    let mut rng = common::rng(1);
    let wrapped = wrap(&key, alice.public(), b"label", &mut rng);
    println!("{} bytes", bytes.len());
    measure("to_canonical", 1000, || signed.to_canonical());
    measure("the library's", 1000, || serde_json_canonicalizer::to_vec(&signed).unwrap());
    measure("from_canonical", 1000, || Envelope::from_canonical(&bytes).unwrap());
    measure("from_json", 1000, || Envelope::from_json(&bytes).unwrap());
    measure("sign", 100, || said.clone().sign(Domain::Message, &alice));
    measure("verify", 100, || signed.verify(Domain::Message, alice.public()).unwrap());
    measure("encrypt", 1000, || key.encrypt(&bytes));
    measure("decrypt", 1000, || key.decrypt(&token).unwrap());
    measure("wrap", 10, || wrap(&key, alice.public(), b"label", &mut rng));
    measure("unwrap", 10, || unwrap(&wrapped, &alice, b"label").unwrap());
    let file = common::KEY_FILES[0];
    measure("from_key_file", 10, || kirc_core::identity::Identity::from_key_file(file, None).unwrap());
}
