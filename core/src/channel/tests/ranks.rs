//! Tests: who may do what to whom.
use super::support::*;
use crate::channel::Rank;

/// A channel with an owner (Ann) and one member of each of these ranks: Bob, Cid, Dan, Eve.
fn room_of(ranks: [&str; 4]) -> Room {
    let mut room = Room::new();
    room.does(EVE, join(EVE));
    for (letter, nick) in ranks.iter().zip(["bob", "cid", "dan", "eve"]) {
        if !letter.is_empty() {
            room.sets(ANN, &format!("+{letter} {nick}"));
        }
    }
    room
}

#[test]
fn the_founder_is_owner_and_operator() {
    let room = Room::of_ann();
    assert_eq!(room.state.rank_prefix(&id(ANN)), "~");
    assert_eq!(room.state.rank_prefixes(&id(ANN)), "~@");
    assert_eq!(room.state.rank_prefix(&id(BOB)), "");
    assert_eq!(room.state.mode_string(true), ("+nt".to_owned(), vec![]));
    assert!(Rank::Voice < Rank::Halfop && Rank::Admin < Rank::Owner);
}

#[test]
fn each_rank_gives_what_it_may() {
    for (giver, may) in [("a", "ohv"), ("o", "ohv"), ("h", "v"), ("v", ""), ("", "")] {
        for letter in "qaohv".chars() {
            let mut room = room_of([giver, "", "", ""]);
            let text = format!("+{letter} cid");
            if may.contains(letter) {
                let done = room.sets(BOB, &text);
                assert_eq!(room.shown(&done), text);
            } else {
                assert_eq!(room.sets_not(BOB, &text), "482", "{giver} gives {letter}");
            }
        }
    }
}

#[test]
fn the_owner_gives_and_takes_all() {
    let mut room = Room::new();
    let done = room.sets(ANN, "+qaohv bob bob bob bob bob");
    assert_eq!(room.shown(&done), "+qaohv bob bob bob bob bob");
    assert_eq!(room.state.rank_prefixes(&id(BOB)), "~&@%+");
    room.sets(ANN, "-qaohv bob bob bob bob bob");
    assert_eq!(room.state.rank_prefixes(&id(BOB)), "");
}

#[test]
fn nobody_takes_from_who_ranks_higher() {
    let mut room = room_of(["a", "o", "h", "o"]);
    assert_eq!(room.sets_not(CID, "-o ann"), "482");
    room.sets(ANN, "+o bob");
    assert_eq!(room.sets_not(CID, "-o bob"), "482");
    assert_eq!(room.sets_not(DAN, "-o cid"), "482");
    assert_eq!(room.sets_not(BOB, "-o ann"), "482");
    room.sets(CID, "-o eve");
    room.sets(BOB, "-o cid");
}

#[test]
fn anybody_drops_own_ranks() {
    let mut room = room_of(["a", "o", "h", "v"]);
    room.sets(BOB, "-a bob");
    room.sets(CID, "-o cid");
    room.sets(DAN, "-h dan");
    room.sets(EVE, "-v eve");
    room.sets(ANN, "-qo ann ann");
    assert!(room.state.members.values().all(|m| m.ranks.is_empty()));
    assert_eq!(room.sets_not(ANN, "+q ann"), "482");
}

#[test]
fn kicks_follow_rank() {
    // Rows: owner Ann, then what Bob, Cid, Dan and Eve are; who kicks whom, and whether it works.
    for (ranks, kicker, target, works) in [
        (["a", "a", "o", "h"], BOB, CID, true),
        (["a", "a", "o", "h"], BOB, ANN, false),
        (["o", "o", "a", "h"], BOB, CID, true),
        (["o", "o", "a", "h"], BOB, DAN, false),
        (["o", "o", "a", "h"], BOB, EVE, true),
        (["h", "h", "v", ""], BOB, CID, false),
        (["h", "h", "v", ""], BOB, DAN, true),
        (["h", "h", "v", ""], BOB, EVE, true),
        (["h", "o", "v", ""], BOB, CID, false),
        (["v", "", "", ""], BOB, CID, false),
        (["", "", "", ""], BOB, CID, false),
        (["q", "", "", ""], BOB, ANN, true),
    ] {
        let mut room = room_of(ranks);
        if works {
            let change = room.does(kicker, kick(target));
            assert!(change.kicked && change.membership);
            assert_eq!(change.left, Some(id(target)));
            assert!(change.left_nick.is_some());
        } else {
            assert_eq!(room.code(kicker, kick(target)), "482", "{ranks:?} {kicker} {target}");
        }
    }
}

#[test]
fn only_members_are_kicked_and_only_members_kick() {
    let mut room = Room::new();
    let (code, params) = room.refused(ANN, kick(EVE));
    assert_eq!((code.as_str(), params), ("441", vec![id(EVE).to_string(), "#room".to_owned()]));
    assert_eq!(room.refused(EVE, kick(ANN)), ("442".to_owned(), vec!["#room".to_owned()]));
}

#[test]
fn a_kicked_owner_of_a_registered_channel_owns_it_no_more() {
    let mut room = Room::new();
    room.sets(ANN, "+rq bob");
    room.does(ANN, kick(BOB));
    assert!(room.does(BOB, join(BOB)).modes.is_empty());
}

#[test]
fn rotation_is_for_operators() {
    let mut room = room_of(["h", "o", "", ""]);
    assert_eq!(room.code(BOB, rotate()), "482");
    assert_eq!(room.does(CID, rotate()).modes, []);
}

#[test]
fn the_topic_is_for_halfops_while_t_is_set() {
    let mut room = room_of(["h", "v", "", ""]);
    assert!(room.does(BOB, topic("hello")).topic);
    assert_eq!(room.state.topic().map(|t| (t.0, t.1)), Some(("hello", "bob")));
    assert_eq!(room.code(CID, topic("mine")), "482");
    room.sets(BOB, "-t");
    assert!(room.does(DAN, topic("")).topic);
    assert_eq!(room.state.topic(), None);
    assert!(!room.does(DAN, topic("")).topic);
}
