//! Tests: who may join.
use super::support::*;
use crate::limits;

#[test]
fn an_open_channel_lets_anybody_in() {
    let mut room = Room::new();
    let change = room.does(EVE, join_as(EVE, None, false, false));
    assert!(change.membership);
    assert_eq!(change.joined, Some(id(EVE)));
    assert_eq!(change.source, room.state.prefix(&id(EVE)));
    assert!(room.state.members[&id(EVE)].ranks.is_empty());
}

#[test]
fn who_is_in_cannot_join_again() {
    let mut room = Room::new();
    let (code, params) = room.refused(BOB, join(BOB));
    assert_eq!((code.as_str(), params), ("443", vec!["bob".to_owned(), "#room".to_owned()]));
}

#[test]
fn a_card_must_be_the_authors() {
    let mut room = Room::new();
    assert_eq!(room.code(EVE, join(BOB)), "400");
}

#[test]
fn a_ban_keeps_out_by_nick_identity_or_cluster_unless_excepted() {
    let actor = format!("*!{}@*", id(EVE));
    for mask in ["EVE", actor.as_str(), "*!*@grid.*", &id(EVE).to_string()] {
        let mut room = Room::new();
        room.sets(ANN, &format!("+b {mask}"));
        assert_eq!(room.refused(EVE, join(EVE)), ("474".to_owned(), vec!["#room".to_owned()]));
        room.sets(ANN, "+e e?e");
        room.does(EVE, join(EVE));
    }
}

#[test]
fn an_invite_opens_ban_and_invite_only_once() {
    let mut room = Room::new();
    room.sets(ANN, "+ib eve");
    assert_eq!(room.code(EVE, join(EVE)), "474");
    room.sets(ANN, "-b eve");
    assert_eq!(room.code(EVE, join(EVE)), "473");
    room.sets(ANN, "+b eve");
    assert_eq!(room.does(ANN, invite(EVE)).invited, Some(id(EVE)));
    assert!(room.state.is_invited(&id(EVE)));
    room.does(EVE, join(EVE));
    room.does(EVE, part());
    assert_eq!(room.code(EVE, join(EVE)), "474");
}

#[test]
fn an_invite_of_a_plain_member_opens_nothing() {
    let mut room = Room::new();
    room.does(BOB, invite(EVE));
    room.sets(ANN, "+i");
    assert_eq!(room.code(EVE, join(EVE)), "473");
    assert_eq!(room.code(BOB, invite(EVE)), "482");
}

#[test]
fn invites_of_somebody_who_was_kicked_are_void() {
    let mut room = Room::new();
    room.sets(ANN, "+io bob");
    room.does(BOB, invite(EVE));
    room.does(ANN, kick(BOB));
    assert_eq!(room.code(EVE, join(EVE)), "473");
}

#[test]
fn members_are_not_invited() {
    let mut room = Room::new();
    let (code, params) = room.refused(ANN, invite(BOB));
    assert_eq!((code.as_str(), params), ("443", vec!["bob".to_owned(), "#room".to_owned()]));
}

#[test]
fn an_invite_exception_opens_invite_only() {
    let mut room = Room::new();
    room.sets(ANN, "+iI eve");
    room.does(EVE, join(EVE));
}

#[test]
fn the_gates_come_in_ircs_order() {
    let mut room = Room::new();
    room.sets(ANN, "+biklRZ eve secret 4");
    let mut stranger = |key, registered, tls| room.code(EVE, join_as(EVE, key, registered, tls));
    assert_eq!(stranger(None, false, false), "474");
    room.sets(ANN, "-b eve");
    let mut stranger = |key, registered, tls| room.code(EVE, join_as(EVE, key, registered, tls));
    assert_eq!(stranger(None, false, false), "473");
    room.sets(ANN, "-i");
    let mut stranger = |key, registered, tls| room.code(EVE, join_as(EVE, key, registered, tls));
    assert_eq!(stranger(None, false, false), "475");
    assert_eq!(stranger(Some("Secret"), false, false), "475");
    assert_eq!(stranger(Some("secret"), false, false), "471");
    room.sets(ANN, "+l 5");
    let mut stranger = |key, registered, tls| room.code(EVE, join_as(EVE, key, registered, tls));
    assert_eq!(stranger(Some("secret"), false, false), "477");
    assert_eq!(stranger(Some("secret"), true, false), "489");
    room.does(EVE, join_as(EVE, Some("secret"), true, true));
}

#[test]
fn a_nick_is_borne_once_whatever_its_case() {
    let mut room = Room::new();
    room.does(BOB, nick(BOB, "[x]", 2));
    let joining = crate::channel::ActKind::Join {
        card: Some(Box::new(card_as(EVE, "{X}", 1))),
        hosted: None,
        key: None,
        registered: true,
        tls: true,
    };
    assert_eq!(room.refused(EVE, joining), ("433".to_owned(), vec!["{X}".to_owned()]));
}

#[test]
fn an_old_join_cannot_be_played_again() {
    let mut room = Room::new();
    let old = room.act(EVE, join(EVE));
    room.state.apply(&old);
    room.does(EVE, part());
    assert_eq!(room.state.check(&old).unwrap_err().code, "400");
    room.does(EVE, join(EVE));
    assert!(!room.state.gone.contains_key(&id(EVE)));
}

#[test]
fn who_left_long_ago_is_remembered_by_the_newest_of_them() {
    let mut room = Room::new();
    let old = room.act(EVE, join(EVE));
    room.state.apply(&old);
    room.does(EVE, part());
    // So many others have left since that Eve is one of the oldest.
    for number in 0..crate::limits::GONE {
        let id = room.act(BOB, part()).id;
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(number as u64).to_be_bytes());
        room.state.gone.insert(crate::ids::ActorId::of_key(&key).owner(), id);
    }
    room.does(DAN, part());
    assert!(!room.state.gone.contains_key(&id(EVE)) && room.state.gone.len() <= crate::limits::GONE + 1);
    assert_eq!(room.state.check(&old).unwrap_err().code, "400");
    assert_eq!(room.state.order(&old), crate::channel::Order::Seen);
    room.does(EVE, join(EVE));
}

#[test]
fn owners_of_a_registered_channel_come_back_as_owners() {
    let mut room = Room::new();
    room.sets(ANN, "+rik secret");
    for who in [ANN, BOB, CID, DAN] {
        room.does(who, part());
    }
    assert!(room.state.members.is_empty() && room.state.has('r'));
    assert_eq!(room.code(BOB, join(BOB)), "473");
    let change = room.does(ANN, join(ANN));
    assert_eq!(room.shown(&change.modes), "+qo ann ann");
    assert_eq!(room.state.rank_prefixes(&id(ANN)), "~@");

    let mut room = Room::new();
    room.does(ANN, part());
    let change = room.does(ANN, join(ANN));
    assert!(change.modes.is_empty() && room.state.rank_prefix(&id(ANN)).is_empty());
}

#[test]
fn owners_who_are_away_when_a_registration_ends_own_nothing() {
    let mut room = Room::new();
    room.sets(ANN, "+rq bob");
    room.does(BOB, part());
    room.sets(ANN, "-r");
    assert_eq!(room.state.sound(), Ok(()));
    assert!(room.does(BOB, join(BOB)).modes.is_empty());
}

#[test]
fn invites_that_wait_are_bounded() {
    let mut room = Room::new();
    for i in 0..=limits::INVITES {
        let target = crate::ids::ActorId::of_key(&[i as u8; 32]).owner();
        room.does(ANN, crate::channel::ActKind::Invite { target });
    }
    assert_eq!(room.state.invited.len(), limits::INVITES);
    assert!(!room.state.is_invited(&crate::ids::ActorId::of_key(&[0; 32]).owner()));
}
