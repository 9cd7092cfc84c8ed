//! What others write becomes what they said, and nothing that only one's own node says.

use kirc_core::crypto::{self, ChannelKey, Rng};
use kirc_core::envelope::{Domain, format_ts};
use kirc_core::identity::Card;
use kirc_core::ids::{ChannelId, Epoch, MsgId};
use kirc_sim::keys;
use rand_chacha::rand_core::SeedableRng;
use serde_json::Value;

use super::*;

const MALLORY: usize = 2;

/// The card of a host, as its node gives it.
fn card(world: &mut World, host: usize) -> Card {
    says(world, host, Envelope::new("CARD"));
    world.run_until(world.now + 1_000);
    let card = heard(world, host, "CARD").pop().and_then(|e| e.get("card").cloned()).expect("a card");
    Card::parse(&serde_json::from_value(card).expect("an envelope")).expect("a card")
}

/// A direct message as a program could make it that keeps to the form and to nothing else.
fn direct(world: &World, cards: [&Card; 2], key: &ChannelKey, n: u64, inner: Envelope) -> Vec<u8> {
    let [from, to] = cards;
    let (me, peer) = (from.actor(), to.actor());
    let id = keys::identity(MALLORY);
    let kid = key.id(&peer.0, Epoch(0));
    let label = crypto::wrap_label(&ChannelId([0; 24]), Epoch(0), &kid, &me, &peer);
    let mut rng = Rng::from_seed([7; 32]);
    let wrap = Envelope::new("WRAP").from(me.to_string()).to(peer.to_string()).meta("kid", kid.to_string());
    let wrap = wrap
        .field("alg", "rsa-oaep-sha256")
        .field("ct", crypto::wrap(key, to.keys(), &label, &mut rng))
        .sign(Domain::Wrap, &id);
    let now = world.hosts[ALICE].clocks(world.now).wall;
    let msg = MsgId::generate(now, n.into(), MsgId(u128::from(n))).to_string();
    let inner = inner.from(me.to_string()).to(peer.to_string()).meta("kid", kid.to_string());
    let mut inner = inner.meta("stream", "0123456789abcdef").meta("n", n);
    (inner.id, inner.ts) = (Some(msg.clone()), Some(format_ts(now)));
    let token = key.encrypt(&inner.sign(Domain::Message, &id).to_canonical());
    let e = Envelope::new("DM").from(me.to_string()).to(peer.to_string()).meta("kid", kid.to_string());
    let e = e.field("ct", token).field("wrap", json!(wrap)).field("card", json!(from.envelope()));
    Envelope { id: Some(msg), ..e }.to_canonical()
}

#[test]
fn a_direct_message_is_something_said_and_nothing_else() {
    let mut world = joined(scene(3), 1);
    world.run_until(5_000);
    let cards = [card(&mut world, MALLORY), card(&mut world, ALICE)];
    let cards = [&cards[0], &cards[1]];
    let key = ChannelKey::generate(&mut Rng::from_seed([9; 32]));
    let mut said = vec![
        Envelope::new("ERROR").line("the node ends").meta("closing", true),
        Envelope::new("ALARM").line("your keys were stolen"),
        Envelope::new("STATUS").field("caught_up", true),
        Envelope::new("VERIFY").field("nick", "bob").field("trust", "verified"),
        Envelope::new("001"),
        Envelope { body: serde_json::from_value(json!(["a\r\0", 7, {}])).ok(), ..Envelope::new("PRIVMSG") },
    ];
    let count = said.len() as u64;
    let mut last = Envelope::new("PRIVMSG").line("hello").meta("+mood", "fine").meta("action", true);
    for name in ["reattached", "closing", "self", "label", "late", "replay", "alone", "reason"] {
        last = last.meta(name, true);
    }
    said.push(last);
    let before = world.witness.heard.len();
    let topic = Topic { cluster: "grid".into(), name: "data-in-alice".into(), partition: 0 };
    for (n, inner) in (1..).zip(said) {
        let bytes = direct(&world, cards, &key, n, inner);
        world.send(MALLORY, None, topic.clone(), cards[0].actor().to_string().into_bytes(), bytes, 0);
        world.run_until(world.now + 500);
    }
    world.run_until(world.now + 5_000);
    let new = world.witness.heard.iter().skip(before).filter(|h| h.host == ALICE && h.main);
    let of_mallory: Vec<&Envelope> = new
        .map(|h| &h.envelope)
        .filter(|e| e.meta_str("actor") == Some(&cards[0].actor().to_string()))
        .collect();
    assert_eq!(of_mallory.len(), 1, "{count} that are nothing said, and one that is: {of_mallory:?}");
    let e = of_mallory[0];
    assert_eq!((e.command.as_str(), e.lines()), ("PRIVMSG", vec!["hello"]));
    let mut names: Vec<&str> = e.meta.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["+mood", "action", "actor", "mention", "state", "verified"]);
    assert_eq!(e.meta_str("state"), Some("sent"));
    for command in ["ALARM", "VERIFY", "STATUS"] {
        let others = heard(&world, ALICE, command).into_iter();
        assert_eq!(others.filter(|e| e.lines().concat().contains("stolen")).count(), 0);
    }
}

#[test]
fn what_is_ones_own_is_passed_on_and_the_nodes_words_are_not() {
    let mut world = joined(scene(2), 2);
    world.run_until(10_000);
    let say = |text: &str| Envelope::new("PRIVMSG").to("#net").line(text);
    says(&mut world, BOB, say("tagged").meta("+mood", "fine").meta("late", true).meta("self", true));
    says(&mut world, BOB, say("strange").meta("closing", true).meta("label", "strange"));
    world.run_until(15_000);
    let all = heard(&world, ALICE, "PRIVMSG");
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].meta.get("+mood"), Some(&Value::from("fine")));
    assert!(!all[0].meta.contains_key("late") && !all[0].meta.contains_key("self"));
    let refused = heard(&world, BOB, "400");
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].meta_str("label"), Some("strange"));
}
