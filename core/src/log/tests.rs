//! Tests: a record with several acts counts as a whole or not at all.

pub(crate) mod fixture;

use self::fixture::{Room, room};
use super::key_use::KeyUse;
use super::{Kept, LogRecord, Verdict};
use crate::envelope::{Domain, Envelope};
use crate::identity::Identity;
use crate::ids::{Epoch, KeyId, MsgId, Seq, Term};

/// Consecutive messages of one author, each after the one before.
fn in_a_row(room: &Room, author: &Identity, texts: &[(&str, &str)]) -> Vec<Envelope> {
    let member = &room.state.members[&author.actor().owner()];
    let (mut n, mut last) = (member.n, member.last);
    let mut all = Vec::new();
    for (command, text) in texts {
        let said = room.said(author, author, command, text);
        let id = MsgId::generate(room.time + 1, 7, last);
        n = n.next();
        let e = said.meta("n", n.0).meta("after", crate::channel::after(last));
        all.push(Envelope { id: Some(id.to_string()), ..e }.sign(Domain::Message, author));
        last = id;
    }
    all
}

fn judged(room: &mut Room, acts: &[Envelope]) -> Verdict {
    let bytes = room.relayed_together(acts, &room.ann);
    room.judge(&Kept { time: 1_500, value: bytes })
}

#[test]
fn several_acts_take_as_many_places() {
    let mut room = Room::new();
    let before = room.fold.seq;
    let acts = in_a_row(&room, &room.bob, &[("PRIVMSG", "one"), ("NOTICE", "two"), ("PRIVMSG", "three")]);
    let Verdict::Acted(acted) = judged(&mut room, &acts) else { panic!("it counts") };
    let places: Vec<Seq> = acted.iter().map(|one| one.seq).collect();
    assert_eq!(places, [1, 2, 3].map(|n| Seq(before.0 + n)));
    let texts: Vec<String> = acted.iter().map(|one| one.opened.envelope.lines().concat()).collect();
    assert_eq!(texts, ["one", "two", "three"]);
    assert_eq!(room.fold.seq, Seq(before.0 + 3));
    // And what comes next stands behind all of them.
    let next = room.bob_says("four");
    assert!(matches!(room.judge(&next), Verdict::Void(_)), "it was taken in already");
    assert_eq!(room.fold.seq, Seq(before.0 + 4));
}

#[test]
fn one_that_is_no_good_makes_the_whole_no_good() {
    let mut room = Room::new();
    let say = |room: &Room, texts: &[(&str, &str)]| in_a_row(room, &room.bob, texts);
    let honest = say(&room, &[("PRIVMSG", "one"), ("PRIVMSG", "two"), ("PRIVMSG", "three")]);
    let [one, two, three] = [0, 1, 2].map(|i| honest[i].clone());
    let by_leader = room.said(&room.bob, &room.ann, "PRIVMSG", "in bob's name");
    let topic = in_a_row(&room, &room.ann, &[("TOPIC", "news")]).remove(0);
    let part = say(&room, &[("PRIVMSG", "one"), ("PART", "bye")]);
    let (fold, state) = (room.fold.clone(), room.state.clone());
    for (what, acts) in [
        ("one is left out", vec![one.clone(), three.clone()]),
        ("two change places", vec![two.clone(), one.clone()]),
        ("the last is there twice", vec![one.clone(), two.clone(), two.clone()]),
        ("its author did not sign one", vec![one.clone(), by_leader]),
        ("the topic among messages", vec![one.clone(), topic]),
        ("a departure among messages", part),
    ] {
        let verdict = judged(&mut room, &acts);
        assert!(matches!(verdict, Verdict::Forged(_)), "{what}: {verdict:?}");
        assert_eq!((&room.fold.seq, &room.fold.head), (&fold.seq, &fold.head), "{what}");
        assert_eq!(room.state, state, "{what}");
    }
    assert!(matches!(judged(&mut room, &honest), Verdict::Acted(_)));
}

#[test]
fn a_batch_holds_more_than_one_and_not_too_many() {
    let written = Room::new();
    let acts = in_a_row(&written, &written.bob, &[("PRIVMSG", "x"); crate::limits::BATCH + 1]);
    let parse = |count: usize| {
        let bytes = written.relayed_together(&acts[..count], &written.ann);
        LogRecord::parse(&bytes, &room())
    };
    assert!(parse(crate::limits::BATCH).is_ok());
    assert!(parse(crate::limits::BATCH + 1).is_err());
    assert!(parse(0).is_err(), "none");
    // One act has one form.
    let bytes = written.relayed(&acts[0], &written.ann);
    let e = Envelope::from_canonical(&bytes).unwrap();
    let act = serde_json::json!([[e.from, e.id, e.get("ct")]]);
    let batch = Envelope { command: "BATCH".into(), from: None, id: None, body: None, ..e };
    let one = batch.field("acts", act).sign(Domain::Log, &written.ann);
    assert!(LogRecord::parse(&one.to_canonical(), &room()).is_err());
}

#[test]
fn without_its_key_a_batch_waits_and_changes_nothing() {
    let mut room = Room::new();
    let acts = in_a_row(&room, &room.bob, &[("PRIVMSG", "one"), ("PRIVMSG", "two")]);
    let ring = std::mem::take(&mut room.ring);
    let state = room.state.clone();
    assert_eq!(judged(&mut room, &acts), Verdict::Stall);
    assert_eq!(room.state, state);
    room.ring = ring;
    assert!(matches!(judged(&mut room, &acts), Verdict::Acted(_)));
}

/// A leader that announces a key has answered a challenge once a member shows that it has the key,
/// and only if the key came after the challenge.
#[test]
fn a_key_that_a_member_has_is_an_answer() {
    let challenge = |room: &mut Room| {
        let bytes = LogRecord::challenge(&room.bob, &self::room(), room.fold.channel, Term(1), 3);
        let record = room.kept(bytes);
        room.step(&record);
    };
    let key = |room: &mut Room| {
        let state = room.fold.state_hash(&room.state);
        let record = room.by_leader(LogRecord::key_envelope(Epoch(2), KeyId([2; 16]), "join", state, &[]));
        room.step(&record);
        assert!(room.fold.fresh_key().is_none());
    };
    let held = |room: &mut Room| {
        let what = (Term(1), Epoch(2), KeyId([2; 16]));
        let bytes = LogRecord::held(&room.bob, &self::room(), room.fold.channel, what.0, (what.1, what.2));
        let record = room.kept(bytes);
        room.step(&record);
    };
    for answered in [true, false] {
        let mut room = Room::new();
        room.fold.use_of = KeyUse::default();
        if answered {
            challenge(&mut room);
            key(&mut room);
            assert!(room.fold.challenge.is_some(), "nobody has the key yet");
        } else {
            key(&mut room);
            challenge(&mut room);
        }
        held(&mut room);
        assert_eq!(room.fold.challenge.is_none(), answered);
    }
}
