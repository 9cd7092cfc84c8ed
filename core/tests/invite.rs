//! Invites and their armour.
mod common;

use common::{card, identity, rng};
use kirc_core::identity::{Card, Identity, IdentityError, Invite};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const NOW: u64 = 1_795_258_255_123;
const DAY: u64 = 86_400_000;

fn grid() -> Map<String, Value> {
    let grid = json!({
        "bootstrap": ["kafka-1.example:9092", "kafka-2.example:9092"],
        "user": "guest-7",
        "ca": "-----BEGIN CERTIFICATE-----\n…",
        "partitions": 2,
    });
    grid.as_object().cloned().unwrap()
}

fn invite(from: &Identity, to: &Identity) -> Invite {
    let card = card(from, "Alice");
    let expires = NOW + DAY;
    Invite::create(from, &card, to.public(), grid(), expires, NOW, &mut rng(3)).unwrap()
}

#[test]
fn an_invite_opens_for_whom_it_was_made() {
    let (alice, bob) = (identity(0), identity(1));
    let made = invite(&alice, &bob);
    assert_eq!(made.to, bob.actor());
    assert!(made.text.starts_with("-----BEGIN KIRC INVITE-----\n"));
    assert!(made.text.ends_with("\n-----END KIRC INVITE-----\n"));
    assert!(made.text.lines().all(|line| line.len() <= 64));
    assert!(!made.text.contains(made.secret.expose().as_str()));

    let opened = Invite::open(&made.text, &bob, NOW + DAY - 1).unwrap();
    assert_eq!(opened.card, card(&alice, "Alice"));
    assert_eq!(opened.grid, grid());
    assert_eq!(opened.secret, made.secret);
    assert_eq!((opened.id, opened.expires), (made.id, made.expires));
    assert!(format!("{opened:?} {made:?}").contains("InviteSecret(…)"));
    assert!(!format!("{opened:?}").contains(made.secret.expose().as_str()));
}

#[test]
fn an_invite_for_somebody_else_says_for_whom() {
    let (alice, bob, carol) = (identity(0), identity(1), identity(2));
    let error = Invite::open(&invite(&alice, &bob).text, &carol, NOW).unwrap_err();
    assert_eq!(error, IdentityError::NotForMe { to: bob.actor(), me: carol.actor() });
    assert!(error.to_string().contains(&bob.actor().to_string()));
}

#[test]
fn an_invite_expires() {
    let (alice, bob) = (identity(0), identity(1));
    let made = invite(&alice, &bob);
    let error = Invite::open(&made.text, &bob, NOW + DAY).unwrap_err();
    assert_eq!(error, IdentityError::Expired("2026-11-22T10:50:55.123Z".into()));
    let card = card(&alice, "Alice");
    let late = Invite::create(&alice, &card, bob.public(), grid(), NOW, NOW, &mut rng(3));
    assert!(late.is_err());
}

#[test]
fn what_could_not_be_signed_or_is_not_ones_own_is_not_made() {
    let (alice, bob) = (identity(0), identity(1));
    let create = |card: &Card, grid: Value| {
        let grid = grid.as_object().cloned().unwrap();
        Invite::create(&alice, card, bob.public(), grid, NOW + 1, NOW, &mut rng(3)).unwrap_err()
    };
    create(&card(&bob, "Bob"), json!({}));
    create(&card(&alice, "Alice"), json!({"a": 0.5}));
    let error = create(&card(&alice, "Alice"), json!({"a": "x".repeat(64 * 1024)}));
    assert!(error.to_string().contains("limit"), "{error}");
}

#[test]
fn armour_survives_mail() {
    let (alice, bob) = (identity(0), identity(1));
    let text = invite(&alice, &bob).text;
    let quoted: String = text.lines().map(|line| format!("> {line}\r\n")).collect();
    let spaced = text.replace('\n', " \n\n\t");
    for text in [format!("Hi Bob!\n\n{text}\nCheers, Alice\n"), text.replace('\n', "\r\n"), quoted, spaced] {
        Invite::open(&text, &bob, NOW).unwrap();
    }
}

#[test]
fn damage_is_named_as_such() {
    let (alice, bob) = (identity(0), identity(1));
    let text = invite(&alice, &bob).text;
    let says = |text: &str, what: &str| {
        let error = Invite::open(text, &bob, NOW).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    says("", "no kirc invite here");
    says(&text[..text.len() / 2], "cut off");
    let mut lines: Vec<&str> = text.lines().collect();
    lines.remove(5);
    says(&lines.join("\n"), "damaged");
    let no_sum: Vec<&str> = text.lines().filter(|line| !line.starts_with('=')).collect();
    says(&no_sum.join("\n"), "damaged");
    says(&card(&alice, "Alice").to_text(), "no kirc invite here");
    says(&text.repeat(100), "too large");
}

/// What somebody with the invitee's public key can build: all but the inviter's signature.
#[test]
fn an_invite_that_was_not_signed_by_its_inviter_for_this_invitee_is_refused() {
    use kirc_core::Envelope;
    use kirc_core::envelope::{Domain, EnvelopeError, canonical_json, format_ts};

    let (alice, bob, mallory) = (identity(0), identity(1), identity(2));
    let open = |inner: Envelope| {
        let label = canonical_json(&json!({"kirc": "invite.v1", "to": bob.actor()}));
        let inner = inner.to_canonical();
        let sealed = kirc_core::crypto::seal(&inner, bob.public(), &label, &mut rng(4));
        let outer = json!({"kirc": "invite", "v": 1, "to": bob.actor(), "sealed": sealed});
        let text = common::armour("INVITE", &canonical_json(&outer));
        Invite::open(&text, &bob, NOW).map(drop)
    };
    let mut inner = Envelope::new("INVITE")
        .from(alice.actor().to_string())
        .to(bob.actor().to_string())
        .field("card", json!(card(&alice, "Alice")))
        .field("grid", json!({}))
        .field("secret", "A".repeat(43))
        .field("expires", format_ts(NOW + DAY));
    inner.id = Some("01936f0e-6f31-7000-8000-000000000000".into());

    open(inner.clone().sign(Domain::Invite, &alice)).unwrap();
    let signature = Err(IdentityError::Envelope(EnvelopeError::Signature));
    assert_eq!(open(inner.clone().sign(Domain::Invite, &mallory)), signature);
    assert_eq!(open(inner.clone().sign(Domain::Message, &alice)), signature);
    let unsigned = Err(IdentityError::Envelope(EnvelopeError::Unsigned));
    assert_eq!(open(inner.clone()), unsigned);
    // An invite for Mallory that she seals anew for Bob.
    let to_mallory = inner.clone().to(mallory.actor().to_string());
    assert!(open(to_mallory.sign(Domain::Invite, &alice)).is_err());
    let more = inner.clone().field("more", 1);
    assert!(open(more.sign(Domain::Invite, &alice)).is_err());
    let endless = inner.field("expires", "never");
    assert!(open(endless.sign(Domain::Invite, &alice)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_flipped_character_is_found(at in 0usize..100_000, to in "[A-Za-z0-9+/=]") {
        let (alice, bob) = (identity(0), identity(1));
        let text = invite(&alice, &bob).text;
        let from = text.find('\n').unwrap() + 1;
        let end = text.find("-----END").unwrap() - 1;
        let at = from + at % (end - from);
        prop_assume!(&text[at..=at] != "\n" && text[at..=at] != to);
        let changed = format!("{}{to}{}", &text[..at], &text[at + 1..]);
        prop_assert!(Invite::open(&changed, &bob, NOW).is_err());
    }

    #[test]
    fn no_text_makes_it_panic(inside in "(?s).{0,200}") {
        let bob = identity(1);
        for kind in ["INVITE", "CARD"] {
            let text = format!("-----BEGIN KIRC {kind}-----{inside}-----END KIRC {kind}-----");
            prop_assert!(Invite::open(&text, &bob, NOW).is_err());
            prop_assert!(Card::from_text(&text).is_err());
            prop_assert!(Card::from_text(&inside).is_err());
        }
    }
}
