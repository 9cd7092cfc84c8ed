//! What somebody offers of an old log, judged: taken is what stood in it, once, and nothing that a
//! leader would like to have stood in it.

use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::crypto::Rng;
use crate::identity::Identity;
use crate::ids::{Epoch, Hash, Term};
use crate::log::tests::fixture::{Room, config, room};
use crate::log::{Stand, life_of};

fn late_of(old: &Room) -> Backfill {
    Backfill::theirs(Replica { fold: old.fold.clone(), state: old.state.clone() }, 5_000)
}

fn take(old: &Room, late: &mut Backfill, record: &Kept) -> Took {
    late.take(record, &room(), &old.ring, &config())
}

fn says(old: &Room, late: &mut Backfill, record: &Kept) -> Option<String> {
    match take(old, late, record) {
        Took::Said(said) => Some(said.iter().flat_map(|one| one.opened.envelope.lines()).collect::<String>()),
        _ => None,
    }
}

#[test]
fn what_stood_in_the_old_log_is_taken_once_and_in_its_order() {
    let mut old = Room::new();
    let mut late = late_of(&old);
    let records = [old.bob_says("one"), old.bob_says("two"), old.bob_says("three")];
    assert_eq!(says(&old, &mut late, &records[1]), None, "the second without the first");
    for (record, text) in records.iter().zip(["one", "two", "three"]) {
        assert_eq!(says(&old, &mut late, record).as_deref(), Some(text));
        assert_eq!(says(&old, &mut late, record), None, "{text} again");
    }
    let bob = old.bob.actor().owner();
    let id = late.state.members[&bob].last;
    assert!(late.has(&bob, id) && !late.has(&bob, MsgId(id.0 + 1)));
}

#[test]
fn nothing_is_smuggled_in() {
    let mut old = Room::new();
    let mut late = late_of(&old);
    let honest = old.said(&old.bob, &old.bob, "PRIVMSG", "honest");
    let in_bobs_name = old.said(&old.bob, &old.ann, "PRIVMSG", "forged by the leader");
    let elsewhere = Envelope { ..honest.clone() }.meta("ch", ChannelId([3; 24]).to_string());
    let elsewhere = elsewhere.sign(Domain::Message, &old.bob);
    let outsider = Identity::generate(&mut Rng::seed_from_u64(8), 2048);
    let mut of_outsider = honest.clone();
    of_outsider.from = Some(outsider.actor().to_string());
    let of_outsider = of_outsider.sign(Domain::Message, &outsider);
    let not_allowed = old.said(&old.bob, &old.bob, "TOPIC", "by who may not");
    let mut altered = old.relayed(&honest, &old.ann);
    let at = altered.len() / 2;
    altered[at] ^= 1;
    let (seq, head) = old.next();
    let wrong_key = LogRecord::key_envelope(Epoch(2), old.kid, "x", Hash([1; 24]), &[]);
    let (fold, ann) = (&old.fold, &old.ann);
    let card = old.state.actors[&ann.actor()].clone();
    let claim = |anew: bool| match anew {
        true => {
            let what = (Term(2), fold.claim, fold.channel);
            let stand = Stand { seq: fold.seq, head: fold.head };
            LogRecord::claim_restart(ann, &card, &room(), what, (stand, life_of("new")), 1)
        }
        false => LogRecord::claim(ann, &card, &room(), Term(2), fold.claim, Some(fold.channel), 1),
    };
    for (what, bytes) in [
        ("a message that its author did not sign", old.relayed(&in_bobs_name, ann)),
        ("a message of another channel", old.relayed(&elsewhere, ann)),
        ("a message by an outsider", old.relayed(&of_outsider, ann)),
        ("something that its author may not do", old.relayed(&not_allowed, ann)),
        ("a place that the leader did not sign", old.relayed(&honest, &old.bob)),
        ("a record that was altered", altered),
        (
            "an epoch that commits to another state",
            LogRecord::leader(wrong_key, ann, &room(), Term(1), seq, head),
        ),
        ("a claim that begins a log anew", claim(true)),
        ("a claim while the leader lived", claim(false)),
        ("garbage", b"{}".to_vec()),
    ] {
        let record = Kept { time: 1_100, value: bytes };
        assert!(matches!(take(&old, &mut late, &record), Took::Void), "{what}");
        assert_eq!(late.fold.stand(), old.fold.stand(), "{what} moved it");
    }
    // What was tried does not keep out what is true.
    let genuine = old.bob_says("genuine");
    assert_eq!(says(&old, &mut late, &genuine).as_deref(), Some("genuine"));
}

#[test]
fn without_its_key_a_record_waits() {
    let mut old = Room::new();
    let mut late = late_of(&old);
    let record = old.bob_says("sealed");
    let ring = std::mem::take(&mut old.ring);
    assert!(matches!(take(&old, &mut late, &record), Took::Stall));
    old.ring = ring;
    assert_eq!(says(&old, &mut late, &record).as_deref(), Some("sealed"));
}

#[test]
fn a_new_log_begins_with_a_claim_on_what_one_has_and_with_nothing_else() {
    let mut old = Room::new();
    let more = old.said(&old.bob, &old.bob, "PRIVMSG", "of the old leader, late");
    let more = old.relayed(&more, &old.ann);
    let bob = old.state.actors[&old.bob.actor()].clone();
    let fold = old.fold.clone();
    let what = (Term(2), fold.claim, fold.channel);
    let anew = |stand: Stand, who: &Identity| {
        LogRecord::claim_restart(who, &bob, &room(), what, (stand, life_of("new")), 1)
    };
    let good = anew(fold.stand(), &old.bob);
    let plain = LogRecord::claim(&old.bob, &bob, &room(), Term(2), fold.claim, Some(fold.channel), 1);
    let other = anew(Stand { seq: fold.seq, head: Hash([4; 24]) }, &old.bob);
    let less = anew(Stand { seq: Seq(0), head: fold.head }, &old.bob);
    let having = LogRecord::having(&old.bob, &room(), fold.channel, (Term(1), Seq(9)), 1);
    let config = config();
    let mut judged = |value: &[u8], anew: bool| {
        let parsed = LogRecord::parse(value, &room()).unwrap();
        let hash = crate::node::channel::replica::reader::claim_hash(value);
        let judge = Judge {
            config: &config,
            ring: &old.ring,
            hash,
            time: 2_000,
            trusted: None,
            sent: &|_| None,
            anew,
        };
        old.fold.step(&mut old.state, &parsed, judge)
    };
    assert!(matches!(judged(&good, false), Verdict::Void(_)), "where the log is not new");
    for (what, value) in
        [("plain", &plain), ("other", &other), ("less", &less), ("having", &having), ("more", &more)]
    {
        assert!(matches!(judged(value, true), Verdict::Void(_)), "{what}");
    }
    // One that lands in another life of the log than it was meant for is told by what it says.
    let parsed = LogRecord::parse(&good, &room()).unwrap();
    assert!(parsed.begins_other(Some("newer")) && !parsed.begins_other(Some("new")));
    assert_eq!(judged(&good, true), Verdict::Claimed);
    assert!(
        matches!(judged(&more, false), Verdict::Void(_)),
        "what the leader before appends counts no more"
    );
    assert_eq!(old.fold.leader, old.bob.actor());
    // Numbers and epochs of its own: no number means two records, whatever others have more.
    assert!(!crate::log::same_life(old.fold.seq, fold.seq));
    assert!(old.fold.seq > fold.seq && old.fold.epoch > fold.epoch);
}
