//! Tests: acts from envelopes and back.
use super::support::*;
use crate::channel::{Act, ActKind, ModeChange, Refusal};
use crate::envelope::{Envelope, EnvelopeError, format_ts};
use crate::ids::{Count, MsgId};
use crate::limits;
use serde_json::json;

fn stamped(envelope: Envelope) -> Envelope {
    let mut out = envelope.from(id(BOB).to_string()).to("#room").meta("n", 7);
    out.id = Some(MsgId::generate(5000, 1, MsgId::default()).to_string());
    out.ts = Some(format_ts(5000));
    out
}

fn parse(envelope: Envelope) -> Result<ActKind, EnvelopeError> {
    Act::parse(&stamped(envelope)).map(|act| act.kind)
}

#[test]
fn every_kind_survives_its_envelope() {
    let kinds = [
        join(BOB),
        join_as(BOB, Some("secret"), false, false),
        part(),
        ActKind::Part { reason: "bye".to_owned() },
        kick(CID),
        ActKind::Mode { changes: vec![ModeChange::new(true, 'i', ""), ModeChange::new(false, 'b', "*!*@*")] },
        topic("hello"),
        topic(""),
        nick(BOB, "rob", 2),
        invite(EVE),
        rotate(),
        ActKind::Nothing { command: "PONG".to_owned() },
        ActKind::Nothing { command: "DANCE".to_owned() },
    ];
    for kind in kinds {
        let act = Act::parse(&stamped(kind.to_envelope())).unwrap();
        assert_eq!(act.kind, kind);
        assert_eq!((act.author, act.n, act.ts), (id(BOB), Count(7), 5000));
        let again: Envelope = serde_json::from_value(json!(kind.to_envelope())).unwrap();
        assert_eq!(parse(again).unwrap(), kind);
    }
    for kind in [ActKind::Message, ActKind::Notice] {
        assert_eq!(parse(kind.to_envelope().line("hello")).unwrap(), kind);
    }
}

#[test]
fn text_has_limits_and_no_line_breaks() {
    let say = || Envelope::new("PRIVMSG");
    let many = |n: usize| (0..n).fold(say(), |e, _| e.line("x"));
    assert!(parse(many(limits::LINES)).is_ok());
    assert!(matches!(parse(many(limits::LINES + 1)), Err(EnvelopeError::Limit { .. })));
    assert!(parse(say().line("x".repeat(limits::LINE))).is_ok());
    assert!(matches!(parse(say().line("x".repeat(limits::LINE + 1))), Err(EnvelopeError::Limit { .. })));
    for bad in [say(), say().line(""), say().line("a\r\nQUIT"), say().line("a\0"), say().field("text", "x")] {
        assert!(matches!(parse(bad), Err(EnvelopeError::Form(_))));
    }
    let topic = |text: &str| Envelope::new("TOPIC").line(text);
    assert!(parse(topic(&"x".repeat(limits::TOPIC))).is_ok());
    assert!(parse(topic(&"x".repeat(limits::TOPIC + 1))).is_err());
    assert!(parse(topic("a\nb")).is_err());
    assert!(parse(topic("a").line("b")).is_err());
    assert!(parse(Envelope::new("TOPIC")).is_err());
    assert!(parse(Envelope::new("PART").line("x".repeat(limits::REASON + 1))).is_err());
}

#[test]
fn what_an_act_needs_must_be_there() {
    let whole = stamped(part().to_envelope());
    assert!(Act::parse(&whole).is_ok());
    for broken in [
        Envelope { from: None, ..whole.clone() },
        Envelope { from: Some("bob".to_owned()), ..whole.clone() },
        Envelope { id: None, ..whole.clone() },
        Envelope { id: Some("1".to_owned()), ..whole.clone() },
        Envelope { ts: None, ..whole.clone() },
        Envelope { ts: Some("today".to_owned()), ..whole.clone() },
        whole.clone().meta("n", "7"),
        whole.clone().meta("n", -1),
        whole.clone().meta("n", 1u64 << 53),
        Envelope { meta: Default::default(), ..whole.clone() },
    ] {
        assert!(Act::parse(&broken).is_err(), "{broken:?}");
    }
}

#[test]
fn misshapen_commands_are_refused() {
    for bad in [
        Envelope::new("JOIN"),
        Envelope::new("JOIN").field("card", "mine"),
        join(BOB).to_envelope().field("tls", "yes"),
        join(BOB).to_envelope().field("key", 1),
        join(BOB).to_envelope().field("key", "k".repeat(limits::KEY + 1)),
        Envelope::new("KICK"),
        Envelope::new("KICK").param("bob"),
        Envelope::new("INVITE").param(id(EVE).to_string()).param("x"),
        Envelope::new("MODE"),
        Envelope::new("MODE").field("changes", json!([{"add": true, "letter": "oo"}])),
        Envelope::new("MODE").field("changes", json!([{"letter": "o"}])),
        Envelope::new("MODE").field("changes", json!(vec![json!({"add": true, "letter": "i"}); 25])),
        Envelope::new("MODE")
            .field("changes", json!(vec![json!({"add": true, "letter": "b", "param": "a"}); 7])),
        Envelope::new("NICK").field("card", json!({"command": "CARD"})),
    ] {
        assert!(parse(bad.clone()).is_err(), "{bad:?}");
    }
}

#[test]
fn a_refusal_becomes_a_numeric() {
    let refusal = Refusal::new(crate::numeric::ERR_CHANOPRIVSNEEDED, &["#room"], "");
    let reply = refusal.to_envelope("bob");
    assert_eq!((reply.command.as_str(), reply.to.as_deref()), ("482", Some("bob")));
    assert_eq!(reply.params, ["#room"]);
    assert_eq!(reply.lines(), [refusal.text.as_str()]);
}
