//! Tests: what is stored of a channel is what was there, and an act stores what it changed.

use super::*;
use crate::channel::{HostedJoin, HostedUser};
use crate::identity::Identity;
use crate::ids::UserMark;
use crate::log::tests::fixture::{Room, config};
use crate::names::Nick;
use crate::node::Node;
use crate::port::{Effect, Now, Snapshot};

const CHANNEL: &str = "#room";

/// A store of one channel, as the effects of a node make it.
struct Kept {
    node: Node,
    values: BTreeMap<(Table, String), Vec<u8>>,
    replica: Replica,
    time: u64,
}

impl Kept {
    fn new(room: &Room) -> Self {
        let key = include_bytes!("../../../../../tests/keys/1.json");
        let id = Identity::from_key_file(key, None).expect("a key");
        let (fold, state) = (room.fold.clone(), room.state.clone());
        let node =
            Node::restore(config(), id, &Snapshot::default(), [1; 32], Now::default()).expect("a node");
        Self { node, values: BTreeMap::new(), replica: Replica { fold, state }, time: 1_000 }
    }

    /// Carries out what was to be stored; returns how many bytes that was.
    fn commit(&mut self) -> usize {
        let mut bytes = 0;
        for effect in self.node.cx.out.drain(..) {
            match effect {
                Effect::Store(StoreOp::Put { table, key, value }) => {
                    bytes += key.len() + value.len();
                    self.values.insert((table, key), value);
                }
                Effect::Store(StoreOp::Delete { table, key }) => {
                    self.values.remove(&(table, key));
                }
                Effect::Store(StoreOp::DeletePrefix { table, prefix }) => {
                    self.values.retain(|(t, key), _| *t != table || !key.starts_with(&prefix));
                }
                other => panic!("{other:?}"),
            }
        }
        bytes
    }

    /// An act, stored as when it is read; what is stored is the state then.
    fn does(&mut self, actor: ActorId, author: UserId, kind: ActKind) -> usize {
        self.time += 1;
        let n = self.replica.state.members.get(&author).map_or(Count(1), |m| m.n.next());
        let id = MsgId::generate(self.time, 0, MsgId::default());
        let act = Act { actor, author, n, after: None, id, ts: self.time, kind };
        let change = self.replica.state.apply(&act);
        self.replica.store_change(&mut self.node.cx, CHANNEL, &act, &change);
        self.replica.store_counter(&mut self.node.cx, CHANNEL, &author);
        let bytes = self.commit();
        let kept = restore_state(&self.node.cx, CHANNEL, &self.values).expect("it is there");
        assert_eq!(kept, self.replica.state, "after {}", act.kind.command());
        assert_eq!(kept.sound(), Ok(()));
        bytes
    }
}

fn join(card: &Card) -> ActKind {
    let card = Some(Box::new(card.clone()));
    ActKind::Join { card, hosted: None, key: None, registered: true, tls: true }
}

fn part() -> ActKind {
    ActKind::Part { reason: String::new() }
}

#[test]
fn what_an_act_changed_is_stored_and_nothing_else() {
    let room = Room::new();
    let mut kept = Kept::new(&room);
    kept.replica.store(&mut kept.node.cx, CHANNEL);
    kept.commit();
    let (ann, bob) = (room.ann.actor(), room.bob.actor());
    let mode = |text: &str, state: &ChannelState| {
        let args: Vec<String> = text.split(' ').map(str::to_owned).collect();
        ActKind::Mode { changes: state.parse_modes(&args).expect("a MODE").changes }
    };
    let state = kept.replica.state.clone();
    kept.does(bob, bob.owner(), ActKind::Message);
    kept.does(ann, ann.owner(), mode("+ov bob bob", &state));
    kept.does(ann, ann.owner(), mode("+kb-v secret eve!*@* bob", &state));
    kept.does(ann, ann.owner(), ActKind::Topic { text: "what we talk about".into() });
    let seen = HostedUser {
        nick: Nick::parse("gus").unwrap(),
        user: "gus".into(),
        host: "guests.example".into(),
        account: None,
        realname: String::new(),
    };
    let mark = UserMark([3; 16]);
    let gus = UserId::hosted(bob, &mark.0);
    let hosted = HostedJoin { user: std::sync::Arc::new(seen.clone()), mark };
    let joins = |card| ActKind::Join {
        card,
        hosted: Some(Box::new(hosted.clone())),
        key: None,
        registered: false,
        tls: true,
    };
    kept.does(bob, gus, joins(None));
    let renamed = HostedUser { nick: Nick::parse("hal").unwrap(), ..seen };
    kept.does(bob, gus, ActKind::User { user: std::sync::Arc::new(renamed) });
    let card = kept.replica.state.actors[&bob].clone();
    kept.does(bob, bob.owner(), part());
    kept.does(ann, ann.owner(), ActKind::Kick { target: gus, reason: String::new() });
    assert!(!kept.replica.state.actors.contains_key(&bob));
    kept.does(bob, gus, joins(Some(Box::new(card.clone()))));
    kept.does(ann, ann.owner(), ActKind::Invite { target: bob.owner() });
    kept.does(bob, bob.owner(), join(&card));
}

#[test]
fn a_join_of_thousands_costs_what_one_of_three_does() {
    let room = Room::new();
    let costs = |members: u64| {
        let mut kept = Kept::new(&room);
        let someone = |n: u64| {
            let id = room.bob.somebody_else(n).expect("somebody");
            let nick = Nick::parse(&format!("n{n}")).unwrap();
            Card::create(&id, &nick, room.state.actors[&room.ann.actor()].address(), Default::default(), 1)
        };
        let state = &mut kept.replica.state;
        let like = state.members[&room.bob.actor().owner()].clone();
        for n in 1..members {
            let card = someone(n);
            let actor = card.actor();
            state.members.insert(actor.owner(), crate::channel::Member { actor, ..like.clone() });
            state.actors.insert(actor, card);
        }
        kept.replica.store(&mut kept.node.cx, CHANNEL);
        kept.commit();
        let card = someone(members + 1);
        let user = card.actor().owner();
        let came = kept.does(card.actor(), user, join(&card));
        let left = kept.does(card.actor(), user, part());
        (came, left)
    };
    let (few, many) = (costs(3), costs(1_000));
    println!("bytes stored for a JOIN and a PART: {few:?} with 3 others, {many:?} with 1,000");
    assert!(many.0 < few.0 + 200 && many.1 < few.1 + 200, "{few:?}, then {many:?}");
}
