//! Tests: the order of an author's acts.
use super::support::*;
use crate::channel::{ActKind::Message, Order};
use crate::ids::{Count, MsgId};

#[test]
fn a_members_acts_follow_one_another() {
    let mut room = Room::new();
    let first = room.act(BOB, Message);
    assert_eq!(room.state.order(&first), Order::Next);
    let mut ahead = room.act(BOB, Message);
    ahead.n = Count(first.n.0 + 1);
    assert_eq!(room.state.order(&ahead), Order::Ahead);
    room.state.apply(&first);
    assert_eq!(room.state.order(&first), Order::Seen);
    assert_eq!(room.state.order(&ahead), Order::Next);
    ahead.id = first.id;
    assert_eq!(room.state.order(&ahead), Order::Seen);
    ahead.id = MsgId(first.id.0 - 1);
    assert_eq!(room.state.order(&ahead), Order::Seen);
}

#[test]
fn a_join_counts_from_where_the_joiner_says() {
    let mut room = Room::new();
    let mut joining = room.act(EVE, join(EVE));
    joining.n = Count(40);
    assert_eq!(room.state.order(&joining), Order::Next);
    room.state.apply(&joining);
    let member = &room.state.members[&id(EVE)];
    assert_eq!((member.n, member.last), (Count(40), joining.id));
    assert_eq!(room.state.order(&joining), Order::Seen);
    room.does(EVE, part());
    assert_eq!(room.state.order(&joining), Order::Seen);
}

#[test]
fn who_was_kicked_keeps_its_own_last_id() {
    let mut room = Room::new();
    let said = room.act(BOB, Message);
    room.state.apply(&said);
    let change = room.does(ANN, kick(BOB));
    assert_eq!(change.left_nick.unwrap().as_str(), "bob");
    assert_eq!(room.state.gone[&id(BOB)], said.id);
    let leaving = room.act(CID, part());
    let change = room.state.apply(&leaving);
    assert!(!change.kicked && change.membership);
    assert_eq!(room.state.gone[&id(CID)], leaving.id);
}

#[test]
fn an_act_of_a_stranger_changes_nothing() {
    let mut room = Room::new();
    let before = room.state.clone();
    let act = room.act(EVE, part());
    assert_eq!(room.state.apply(&act), crate::channel::Change::default());
    assert_eq!(room.state, before);
}
