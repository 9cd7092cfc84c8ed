//! Tests: users that a node hosts, beside its owner.
use std::sync::Arc;

use super::support::*;
use crate::channel::{Act, ActKind, HostedJoin, HostedUser, Who, after};
use crate::ids::{Count, MsgId, UserId, UserMark};
use crate::names::Nick;

fn guest(nick: &str) -> Arc<HostedUser> {
    Arc::new(HostedUser {
        nick: Nick::parse(nick).unwrap(),
        user: nick.to_owned(),
        host: "guests.example".to_owned(),
        account: None,
        realname: String::new(),
    })
}

fn mark(nick: &str) -> UserMark {
    let mut mark = [0; 16];
    mark[..nick.len()].copy_from_slice(nick.as_bytes());
    UserMark(mark)
}

fn user(host: usize, nick: &str) -> UserId {
    UserId::hosted(actor(host), &mark(nick).0)
}

/// The JOIN of a guest on somebody's node, with the node's card or without.
fn joins(host: usize, nick: &str, with_card: bool) -> ActKind {
    let hosted = HostedJoin { user: guest(nick), mark: mark(nick) };
    ActKind::Join {
        card: with_card.then(|| Box::new(card(host))),
        hosted: Some(Box::new(hosted)),
        key: None,
        registered: false,
        tls: true,
    }
}

/// The next act of a guest, signed by this actor.
fn act(room: &mut Room, signer: usize, author: UserId, kind: ActKind) -> Act {
    let member = room.state.members.get(&author).map(|m| (m.n, m.last));
    let stamped = room.act(signer, kind);
    let (n, last) = member.map_or((Count(1), None), |(n, last)| (n.next(), Some(after(last))));
    Act { author, n, after: last, ..stamped }
}

fn does(room: &mut Room, host: usize, nick: &str, kind: ActKind) -> crate::channel::Change {
    let act = act(room, host, user(host, nick), kind);
    assert_eq!(room.state.check(&act), Ok(()));
    let change = room.state.apply(&act);
    assert_eq!(room.state.sound(), Ok(()));
    change
}

fn refused(room: &mut Room, signer: usize, author: UserId, kind: ActKind) -> String {
    let act = act(room, signer, author, kind);
    room.state.check(&act).expect_err("it was allowed").code
}

#[test]
fn keys_follow_actors_and_not_their_users() {
    let mut room = Room::new();
    // The first user of a node brings its key holder, the second none.
    let change = does(&mut room, EVE, "gus", joins(EVE, "gus", true));
    assert!(change.membership && change.joined == Some(user(EVE, "gus")));
    let change = does(&mut room, EVE, "hal", joins(EVE, "hal", false));
    assert!(!change.membership && change.actor_left.is_none());
    assert_eq!(room.state.actors.len(), 5);
    assert_eq!(room.state.prefix(&user(EVE, "hal")).unwrap(), "hal!hal@guests.example");
    // The last one takes it along.
    let change = does(&mut room, EVE, "gus", part());
    assert!(!change.membership && change.actor_left.is_none());
    let change = does(&mut room, EVE, "hal", part());
    assert!(change.membership && change.actor_left == Some(actor(EVE)));
    assert!(!room.state.actors.contains_key(&actor(EVE)));
}

#[test]
fn an_owner_that_leaves_leaves_its_guests_there() {
    let mut room = Room::new();
    does(&mut room, BOB, "gus", joins(BOB, "gus", false));
    let change = room.does(BOB, part());
    assert!(!change.membership && change.actor_left.is_none());
    does(&mut room, BOB, "gus", ActKind::Message);
    // And comes back with the card that it has by then.
    let back = ActKind::Join {
        card: Some(Box::new(card_as(BOB, "rob", 2))),
        hosted: None,
        key: None,
        registered: true,
        tls: true,
    };
    assert!(!room.does(BOB, back).membership);
    assert_eq!(room.state.nick(&id(BOB)).unwrap().as_str(), "rob");
}

#[test]
fn who_is_kicked_costs_its_host_the_epoch() {
    let mut room = Room::new();
    does(&mut room, BOB, "gus", joins(BOB, "gus", false));
    let change = room.does(ANN, ActKind::Kick { target: user(BOB, "gus"), reason: String::new() });
    assert!(change.kicked && change.membership && change.actor_left.is_none());
    assert_eq!(change.left_nick.unwrap().as_str(), "gus");
    // What its host says for it from now on is nobody's.
    assert_eq!(refused(&mut room, BOB, user(BOB, "gus"), ActKind::Message), "404");
}

#[test]
fn a_node_speaks_for_its_own_users_only() {
    let mut room = Room::new();
    does(&mut room, BOB, "gus", joins(BOB, "gus", false));
    for kind in [ActKind::Message, part(), ActKind::User { user: guest("zed") }] {
        assert!(!refused(&mut room, CID, user(BOB, "gus"), kind).is_empty());
    }
    assert_eq!(refused(&mut room, BOB, id(CID), part()), "442");
    // Nor does a host speak for its owner by a card, or an owner for a guest.
    assert_eq!(refused(&mut room, BOB, user(BOB, "gus"), nick(BOB, "rob", 2)), "400");
}

#[test]
fn a_guest_needs_its_node_or_the_nodes_card() {
    let mut room = Room::new();
    assert_eq!(refused(&mut room, EVE, user(EVE, "gus"), joins(EVE, "gus", false)), "400");
    assert_eq!(refused(&mut room, EVE, user(EVE, "gus"), joins(BOB, "gus", true)), "400");
    assert_eq!(refused(&mut room, BOB, user(BOB, "bob"), joins(BOB, "bob", false)), "433");
}

#[test]
fn masks_name_a_guest_its_host_or_its_whole_node() {
    for mask in ["gus", "*!*@guests.example", &format!("*!{}@*", actor(BOB)), "*!*@grid.example"] {
        let mut room = Room::new();
        room.sets(ANN, &format!("+b {mask}"));
        assert_eq!(refused(&mut room, BOB, user(BOB, "gus"), joins(BOB, "gus", false)), "474", "{mask}");
        room.sets(ANN, &format!("-b {mask}"));
        does(&mut room, BOB, "gus", joins(BOB, "gus", false));
        room.sets(ANN, &format!("+b {mask}"));
        assert_eq!(refused(&mut room, BOB, user(BOB, "gus"), ActKind::Message), "404", "{mask}");
        assert_eq!(refused(&mut room, BOB, user(BOB, "gus"), ActKind::User { user: guest("hal") }), "437");
    }
}

#[test]
fn a_guest_gets_ranks_and_another_nick() {
    let mut room = Room::new();
    does(&mut room, BOB, "gus", joins(BOB, "gus", false));
    assert_eq!(room.sets(ANN, "+o gus").len(), 1);
    let change = does(&mut room, BOB, "gus", ActKind::User { user: guest("hal") });
    assert_eq!(
        change.nick.map(|(old, new)| (old.to_string(), new.to_string())),
        Some(("gus".into(), "hal".into()))
    );
    let member = &room.state.members[&user(BOB, "gus")];
    assert!(matches!(&member.who, Who::Hosted(seen) if seen.nick.as_str() == "hal"));
    assert_eq!(
        room.state.by_nick(&Nick::parse("HAL").unwrap()).map(|(user, _)| *user),
        Some(user(BOB, "gus"))
    );
    does(&mut room, BOB, "gus", kick(CID));
}

#[test]
fn a_guest_is_read_back_as_it_was_said() {
    let author = user(BOB, "gus");
    let stamped = |kind: &ActKind, author: UserId| {
        let e = kind.to_envelope().from(actor(BOB).to_string()).to("#room").meta("n", 3u64);
        let e = if author == id(BOB) { e } else { e.meta("user", author.to_string()) };
        let at = MsgId::generate(9, 0, MsgId::default());
        let (id, ts) = (Some(at.to_string()), Some(crate::envelope::format_ts(9)));
        Act::parse(&crate::Envelope { id, ts, ..e })
    };
    for kind in
        [joins(BOB, "gus", false), joins(BOB, "gus", true), ActKind::User { user: guest("hal") }, part()]
    {
        let act = stamped(&kind, author).unwrap();
        assert_eq!((act.actor, act.author, &act.kind), (actor(BOB), author, &kind));
    }
    // An id that is not the hash of actor and mark, or an owner's without its card.
    assert!(stamped(&joins(BOB, "gus", false), user(BOB, "hal")).is_err());
    assert!(stamped(&joins(BOB, "gus", false), user(CID, "gus")).is_err());
    assert!(stamped(&joins(BOB, "gus", false), id(BOB)).is_err());
    assert!(stamped(&ActKind::User { user: guest("hal") }, id(BOB)).is_err());
    assert!(stamped(&nick(BOB, "rob", 2), author).is_err());
}
