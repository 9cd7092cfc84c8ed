//! Tests: what holds for any sequence of acts. Replicas agree, nothing panics, and nobody without a
//! rank can take one.
use super::support::*;
use crate::channel::{Act, ActKind, ChannelState, ModeChange, Order, Rank};
use crate::ids::{Count, MsgId};
use proptest::prelude::*;

/// An attempted act. Its numbers are turned into people and cards when it runs.
#[derive(Debug, Clone)]
enum Try {
    Speak,
    Join(bool, bool, bool),
    Part,
    Kick(usize),
    Mode(Vec<(bool, char, String)>),
    Topic(String),
    Nick(usize),
    Invite(usize),
    Rotate,
}

const NEW_NICKS: [&str; 4] = ["ann", "zed", "Bob", "yan"];

impl Try {
    fn kind(&self, who: usize, rev: u64) -> ActKind {
        match self {
            Self::Speak => ActKind::Message,
            Self::Join(key, registered, tls) => join_as(who, key.then_some("key"), *registered, *tls),
            Self::Part => part(),
            Self::Kick(target) => kick(*target),
            Self::Mode(changes) => ActKind::Mode {
                changes: changes.iter().map(|(a, l, p)| ModeChange::new(*a, *l, p)).collect(),
            },
            Self::Topic(text) => topic(text),
            Self::Nick(which) => nick(who, NEW_NICKS[*which], rev),
            Self::Invite(target) => invite(*target),
            Self::Rotate => rotate(),
        }
    }
}

fn change() -> impl Strategy<Value = (bool, char, String)> {
    let param = prop_oneof![
        3 => (0..PEOPLE).prop_map(|who| id(who).to_string()),
        1 => Just("key".to_owned()),
        1 => "[0-9]{1,2}",
        1 => "[a-e*?!@]{0,6}",
        1 => Just(String::new()),
    ];
    let letter = prop::sample::select("imnpstrERZklbeIqaohvX".chars().collect::<Vec<_>>());
    (any::<bool>(), letter, param)
}

fn attempt() -> impl Strategy<Value = (usize, Try)> {
    let what = prop_oneof![
        2 => Just(Try::Speak),
        4 => (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(k, r, t)| Try::Join(k, r, t)),
        1 => Just(Try::Part),
        1 => (0..PEOPLE).prop_map(Try::Kick),
        6 => prop::collection::vec(change(), 1..4).prop_map(Try::Mode),
        1 => "[a-c]{0,3}".prop_map(Try::Topic),
        1 => (0..NEW_NICKS.len()).prop_map(Try::Nick),
        1 => (0..PEOPLE).prop_map(Try::Invite),
        1 => Just(Try::Rotate),
    ];
    (0..PEOPLE, what)
}

fn story() -> impl Strategy<Value = Vec<(usize, Try)>> {
    prop::collection::vec(attempt(), 0..40)
}

/// Whether what is looked up is what the state says.
fn index_is_right(state: &ChannelState) -> bool {
    let anew: ChannelState = serde_json::from_slice(&serde_json::to_vec(state).unwrap()).unwrap();
    let people = NEW_NICKS.iter().copied().chain(["ann", "bob", "cid", "dan", "eve"]);
    let mut nicks = people.map(|nick| crate::names::Nick::parse(nick).unwrap());
    let banned = |m: &crate::channel::Member| anew.is_banned(&m.who, &anew.actors[&m.actor]);
    state.newest() == anew.newest()
        && nicks.all(|nick| state.by_nick(&nick) == anew.by_nick(&nick))
        && state.members.iter().all(|(user, m)| state.index.is_banned(state, user) == banned(m))
}

/// Runs a sequence of attempts and returns the allowed acts.
fn told(room: &mut Room, story: &[(usize, Try)]) -> Vec<Act> {
    let mut allowed = Vec::new();
    for (rev, (who, what)) in (2..).zip(story) {
        let act = room.act(*who, what.kind(*who, rev));
        if room.state.order(&act) == Order::Next && room.state.check(&act).is_ok() {
            room.state.apply(&act);
            allowed.push(act);
        }
    }
    allowed
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn replicas_that_fold_the_same_acts_are_the_same(story in story()) {
        let mut room = Room::new();
        let start = room.state.clone();
        let acts = told(&mut room, &story);
        let mut other = start;
        for (i, act) in acts.iter().enumerate() {
            prop_assert_eq!(other.order(act), Order::Next);
            prop_assert_eq!(other.check(act), Ok(()));
            other.apply(act);
            prop_assert_eq!(other.order(act), Order::Seen);
            prop_assert_eq!(other.sound(), Ok(()));
            prop_assert!(index_is_right(&other));
            if i == acts.len() / 2 {
                // Somebody who was handed the state half-way goes on like all others.
                let bytes = serde_json::to_vec(&other).unwrap();
                let read: ChannelState = serde_json::from_slice(&bytes).unwrap();
                prop_assert_eq!(&read, &other);
                prop_assert_eq!(serde_json::to_vec(&read).unwrap(), bytes);
                other = read;
            }
        }
        prop_assert_eq!(&other, &room.state);
        let (a, b) = (serde_json::to_value(&other).unwrap(), serde_json::to_value(&room.state).unwrap());
        prop_assert_eq!(&a, &b);
        prop_assert_eq!(serde_json::from_value::<ChannelState>(a).unwrap(), other);
    }

    #[test]
    fn a_report_says_what_became_of_the_modes(story in story()) {
        let mut room = Room::new();
        for (rev, (who, what)) in (2..).zip(&story) {
            let act = room.act(*who, what.kind(*who, rev));
            if room.state.check(&act).is_err() {
                continue;
            }
            let before = room.state.clone();
            let change = room.state.apply(&act);
            if matches!(act.kind, ActKind::Mode { .. }) {
                // Doing only what was reported leads to the same state, and reports the same again.
                let mut other = before;
                let reported = Act { kind: ActKind::Mode { changes: change.modes.clone() }, ..act };
                let again = other.apply(&reported);
                prop_assert_eq!(&again.modes, &change.modes);
                prop_assert_eq!(&other, &room.state);
            }
            prop_assert_eq!(change.membership, change.joined.is_some() || change.left.is_some());
        }
    }

    #[test]
    fn nothing_panics_in_any_order_with_any_count(
        story in story(),
        counts in prop::collection::vec((any::<u8>(), any::<u64>()), 40),
    ) {
        let mut room = Room::new();
        for ((rev, (who, what)), (n, low)) in (2..).zip(&story).zip(counts) {
            let mut act = room.act(*who, what.kind(*who, rev));
            act.n = Count(u64::from(n));
            act.id = MsgId(u128::from(low));
            let _ = room.state.order(&act);
            let _ = room.state.check(&act);
            // Also what was refused: a reducer that is misused must not fall over.
            room.state.apply(&act);
            let _ = (room.state.mode_string(true), room.state.list('b'), room.state.topic());
        }
    }

    #[test]
    fn who_has_no_rank_changes_no_mode(story in story()) {
        let mut room = Room::new();
        room.sets(ANN, "-t");
        let modes = |s: &ChannelState| (s.mode_string(true), s.list('b'), s.list('e'), s.list('I'));
        let before = modes(&room.state);
        let plain: Vec<_> = story.into_iter().filter(|(who, _)| *who != ANN).collect();
        told(&mut room, &plain);
        prop_assert_eq!(modes(&room.state), before);
        prop_assert!(room.state.members.iter().all(|(a, m)| *a == id(ANN) || m.ranks.is_empty()));
        prop_assert_eq!(room.state.rank_prefixes(&id(ANN)), "~@");
    }

    #[test]
    fn nobody_rises_above_who_let_them(story in story()) {
        // Operators, halfops and voices among themselves make no admin and no owner, and lose
        // neither.
        let mut room = Room::new();
        room.sets(ANN, "+ohv bob cid dan");
        let rest: Vec<_> = story.into_iter().filter(|(who, _)| *who != ANN).collect();
        told(&mut room, &rest);
        let high = |m: &crate::channel::Member| m.at_least(Rank::Admin);
        let above: Vec<_> = room.state.members.iter().filter(|(_, m)| high(m)).map(|(a, _)| *a).collect();
        prop_assert_eq!(above, vec![id(ANN)]);
    }

    #[test]
    fn reading_mode_never_panics(words in prop::collection::vec("[-+a-zA-Z0-9*!@:, ]{0,9}", 0..5)) {
        if let Ok(request) = crate::channel::parse_mode_args(&words, |_| None) {
            for change in &request.changes {
                prop_assert!(crate::channel::ModeKind::of(change.letter).is_some());
            }
        }
    }
}

#[test]
fn impossible_states_are_found() {
    let mut room = Room::new();
    room.sets(ANN, "+bk eve secret");
    room.does(ANN, topic("hello"));
    assert_eq!(room.state.sound(), Ok(()));
    let whole = serde_json::to_value(&room.state).unwrap();
    let bob = id(BOB).to_string();
    type Spoil<'a> = &'a dyn Fn(&mut serde_json::Value);
    let spoils: [Spoil; 9] = [
        &|s| s["members"][id(CID).to_string()] = s["members"][&bob].clone(),
        &|s| s["members"][&bob]["ranks"] = serde_json::json!(["Owner"]),
        &|s| s["gone"][&bob] = s["members"][&bob]["last"].clone(),
        &|s| s["owners"] = serde_json::json!([id(EVE)]),
        &|s| s["flags"] = serde_json::json!(["x"]),
        &|s| s["flags"] = serde_json::json!(["E"]),
        &|s| s["key"] = serde_json::json!("a b"),
        &|s| s["lists"]["b"][0]["mask"] = serde_json::json!("a b!*@*"),
        &|s| s["topic"]["text"] = serde_json::json!("a\r\nb"),
    ];
    for (i, spoil) in spoils.iter().enumerate() {
        let mut state = whole.clone();
        spoil(&mut state);
        let state: ChannelState = serde_json::from_value(state).unwrap();
        assert!(state.sound().is_err(), "spoil {i}");
    }
}
