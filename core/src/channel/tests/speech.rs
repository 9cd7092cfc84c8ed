//! Tests: who may speak, and under which nick.
use super::support::*;
use crate::channel::ActKind::{Message, Notice};

#[test]
fn members_speak_and_others_do_not() {
    let mut room = Room::new();
    let change = room.does(BOB, Message);
    assert!(!change.membership && change.modes.is_empty());
    room.does(BOB, Notice);
    assert_eq!(room.refused(EVE, Message), ("404".to_owned(), vec!["#room".to_owned()]));
    room.sets(ANN, "-n");
    assert_eq!(room.code(EVE, Notice), "404");
}

#[test]
fn a_moderated_channel_hears_voices_only() {
    let mut room = Room::new();
    room.sets(ANN, "+mv bob");
    room.does(BOB, Message);
    room.does(ANN, Message);
    assert_eq!(room.code(CID, Message), "404");
}

#[test]
fn a_banned_member_is_mute_until_it_has_a_voice_or_an_exception() {
    let mut room = Room::new();
    let change = room.sets(ANN, "+b bob");
    assert_eq!(room.shown(&change), "+b bob!*@*");
    assert!(room.state.members.contains_key(&id(BOB)));
    assert_eq!(room.code(BOB, Message), "404");
    assert_eq!(room.code(BOB, nick(BOB, "rob", 2)), "437");
    room.sets(ANN, "-t");
    assert_eq!(room.code(BOB, topic("x")), "482");
    room.sets(ANN, "+v bob");
    room.does(BOB, Message);
    room.sets(ANN, "-v+e bob bob");
    room.does(BOB, Message);
    room.does(BOB, nick(BOB, "rob", 2));
}

#[test]
fn registered_only_mutes_who_is_not() {
    let mut room = Room::of_ann();
    room.does(BOB, join_as(BOB, None, false, true));
    room.sets(ANN, "+R");
    assert_eq!(room.code(BOB, Message), "404");
    room.sets(ANN, "+v bob");
    room.does(BOB, Message);
    room.sets(ANN, "+E");
    assert_eq!(room.code(BOB, Message), "404");
}

#[test]
fn a_nick_changes_with_a_newer_card_of_the_same_actor() {
    let mut room = Room::new();
    let change = room.does(BOB, nick(BOB, "rob", 2));
    let (old, new) = change.nick.unwrap();
    assert_eq!((old.as_str(), new.as_str()), ("bob", "rob"));
    assert!(change.source.unwrap().starts_with("bob!"));
    assert_eq!(room.code(BOB, nick(BOB, "bob", 2)), "400");
    assert_eq!(room.code(BOB, nick(CID, "zed", 9)), "400");
    assert_eq!(room.code(BOB, nick(BOB, "CID", 3)), "433");
    let change = room.does(BOB, nick(BOB, "ROB", 3));
    assert!(change.nick.is_some());
    let change = room.does(BOB, nick(BOB, "ROB", 4));
    assert!(change.nick.is_none());
    let found = crate::names::Nick::parse("rob").unwrap();
    assert_eq!(room.state.by_nick(&found).map(|(a, _)| *a), Some(id(BOB)));
}

#[test]
fn masks_count_for_members_from_when_they_are_set() {
    let mut room = Room::new();
    let story = [
        ("+b bob", false),
        ("+e *!*@grid.example", true),
        ("-e *!*@grid.example", false),
        ("-b bob", true),
        ("+b *!*@grid.example", false),
        ("+e bob", true),
    ];
    for (modes, speaks) in story {
        room.sets(ANN, modes);
        assert_eq!(room.state.allows(id(BOB), Message).is_ok(), speaks, "{modes}");
    }
    // A ban of a nick is no ban of who has it next.
    room.sets(ANN, "-be *!*@grid.example bob");
    room.does(CID, nick(CID, "cyd", 2));
    room.sets(ANN, "+b cid!*@*");
    assert!(room.state.allows(id(CID), Message).is_ok());
    room.does(CID, nick(CID, "cid", 3));
    assert!(room.state.allows(id(CID), Message).is_err());
}
