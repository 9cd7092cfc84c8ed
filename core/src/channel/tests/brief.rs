//! Tests: the state with digests for cards differs from the whole state in nothing else.
use serde_json::{Value, json};

use super::support::*;

#[test]
fn it_is_the_whole_state_but_for_the_cards() {
    let mut room = Room::new();
    room.sets(ANN, "+rikl secret 9");
    room.sets(ANN, "+be eve bob");
    room.does(ANN, topic("what we talk about"));
    room.does(ANN, invite(EVE));
    room.does(BOB, nick(BOB, "rob", 2));
    room.does(DAN, part());

    let mut whole = serde_json::to_value(&room.state).unwrap();
    for (actor, kept) in whole["actors"].as_object_mut().unwrap() {
        let card = room.state.actors.values().find(|card| card.actor().to_string() == *actor).unwrap();
        *kept = json!(card.digest());
    }
    let brief = serde_json::to_value(room.state.brief()).unwrap();
    assert_eq!(brief, whole);
    for field in
        ["actors", "members", "gone", "floor", "flags", "key", "limit", "lists", "topic", "invited", "owners"]
    {
        assert!(brief.get(field).is_some_and(|v| *v != Value::Null), "{field} is not tested");
    }
}

#[test]
fn another_card_is_another_digest() {
    let (old, new) = (card_as(BOB, "bob", 1), card_as(BOB, "bob", 2));
    assert_ne!(old.digest(), new.digest());
    assert_eq!(old.digest(), crate::identity::Card::parse(old.envelope()).unwrap().digest());
}
