//! State that another member hands over: a fold and a channel state, checked wherever they come in.

use crate::channel::ChannelState;
use crate::envelope::Envelope;
use crate::identity::Card;
use crate::ids::{ActorId, MAX_SAFE_INTEGER, Millis, MsgId};
use crate::log::Fold;
use crate::names::ChannelName;
use crate::node::channel::Replica;
use crate::node::contacts::Contacts;

/// How far ahead of here an id or a log's time may be: clocks differ, and who comes in late may
/// have a slow one, ms.
const AHEAD: Millis = 24 * 3600 * 1000;
/// Terms, epochs and counts of one author: more than a record a millisecond for 8,000 years.
const COUNT: u64 = 1 << 48;

/// Reads what an answer hands over, and checks it. `now` is the wall clock.
pub(in crate::node::channel) fn handed(
    answer: &Envelope,
    room: &ChannelName,
    contacts: &Contacts,
    now: Millis,
) -> Result<Replica, &'static str> {
    let get = |name: &str| answer.get(name).cloned().unwrap_or_default();
    let fold: Fold = serde_json::from_value(get("fold")).map_err(|_| "a fold that is not of its form")?;
    let state: ChannelState =
        serde_json::from_value(get("state")).map_err(|_| "a state that is not of its form")?;
    if state.name != *room {
        return Err("the state of another channel");
    }
    state.sound()?;
    let as_known = |(actor, card): (&ActorId, &Card)| {
        contacts.card(actor).is_none_or(|known| known.keys() == card.keys())
    };
    if !state.actors.iter().all(as_known) {
        return Err("a member under another key than is known of it");
    }
    plausible(&fold, &state, now)?;
    Ok(Replica { fold, state })
}

/// Whether numbers and times can have come about: with those at the end of their range nobody could
/// go on.
fn plausible(fold: &Fold, state: &ChannelState, now: Millis) -> Result<(), &'static str> {
    let latest = now.saturating_add(AHEAD);
    let counts = fold
        .use_of
        .keys()
        .map(|(epoch, _)| epoch.0)
        .chain([fold.term.0, fold.epoch.0])
        .chain(state.members.values().map(|m| m.n.0));
    // Each life of a log begins far behind the one before: half of the range is a million lives.
    if fold.seq.0 > MAX_SAFE_INTEGER / 2 || counts.into_iter().any(|n| n > COUNT) {
        return Err("a number that no channel comes to");
    }
    let times =
        [fold.created, fold.time].into_iter().chain(fold.challenge).chain(fold.challenged.values().copied());
    let ids = state.members.values().map(|m| m.last).chain(state.newest_departure());
    if times.chain(ids.map(MsgId::millis)).any(|at| at > latest) {
        return Err("a time that has not come");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;
    use serde_json::{Value, json};

    use super::*;
    use crate::channel::Member;
    use crate::crypto::Rng;
    use crate::identity::{Address, Identity};
    use crate::ids::{Hash, Term};
    use crate::limits;
    use crate::names::Nick;
    use crate::node::rpc;

    const NOW: Millis = 1_795_000_000_000;

    fn card(keys: &[u8], nick: &str) -> Card {
        card_of(&Identity::from_key_file(keys, None).unwrap(), nick)
    }

    fn card_of(id: &Identity, nick: &str) -> Card {
        let topic = |kind: &str| format!("{kind}-{nick}");
        let address = Address {
            cluster: "grid".into(),
            data_in: topic("data-in"),
            data_out: topic("data-out"),
            rpc_in: topic("rpc-in"),
            rpc_out: topic("rpc-out"),
        };
        Card::create(id, &Nick::parse(nick).unwrap(), &address, Default::default(), 1)
    }

    fn answer() -> (Value, Value, [Card; 2]) {
        let files: [&[u8]; 2] = [
            include_bytes!("../../../../tests/keys/1.json"),
            include_bytes!("../../../../tests/keys/2.json"),
        ];
        let cards = [card(files[0], "mallory"), card(files[1], "alice")];
        let room = ChannelName::parse("#net").unwrap();
        let fold = Fold::found(Hash::ZERO, cards[0].actor(), Term(1), NOW);
        let state = ChannelState::found(&room, &cards[0], MsgId::generate(NOW, 1, MsgId::default()));
        (json!(fold), json!(state), cards)
    }

    fn judged(fold: &Value, state: &Value) -> Result<(), &'static str> {
        let answer = Envelope::new("WELCOME").field("fold", fold.clone()).field("state", state.clone());
        let room = ChannelName::parse("#net").unwrap();
        handed(&answer, &room, &Contacts::default(), NOW).map(drop)
    }

    #[test]
    fn what_is_honest_is_taken() {
        let (fold, state, _) = answer();
        assert_eq!(judged(&fold, &state), Ok(()));
    }

    #[test]
    fn a_leader_can_not_put_its_own_key_under_anothers_name() {
        let (fold, mut state, cards) = answer();
        let own = state["members"][cards[0].actor().to_string()].clone();
        state["members"][cards[1].actor().to_string()] = own;
        assert!(judged(&fold, &state).is_err());
    }

    #[test]
    fn numbers_and_times_that_can_not_be_are_refused() {
        let (fold, state, cards) = answer();
        let me = cards[0].actor().to_string();
        for name in ["seq", "term", "epoch", "time", "created"] {
            let mut spoiled = fold.clone();
            spoiled[name] = json!(MAX_SAFE_INTEGER - 1);
            assert!(judged(&spoiled, &state).is_err(), "{name}");
        }
        let late = MsgId::generate(NOW + 2 * AHEAD, 1, MsgId::default());
        for (name, value) in [("n", json!(MAX_SAFE_INTEGER - 1)), ("last", json!(late))] {
            let mut spoiled = state.clone();
            spoiled["members"][&me][name] = value;
            assert!(judged(&fold, &spoiled).is_err(), "{name}");
        }
        let mut gone = state.clone();
        gone["gone"][cards[1].actor().to_string()] = json!(late);
        assert!(judged(&fold, &gone).is_err(), "who left with the largest id closes the door behind it");
        let mut floor = state;
        floor["floor"] = json!(late);
        assert!(judged(&fold, &floor).is_err(), "floor");
    }

    #[test]
    fn five_thousand_members_are_handed_over() {
        let id = Identity::from_key_file(include_bytes!("../../../../tests/keys/1.json"), None).unwrap();
        let joiner = Identity::from_key_file(include_bytes!("../../../../tests/keys/2.json"), None).unwrap();
        let (leader, new) = (card_of(&id, "mallory"), card_of(&joiner, "alice"));
        let room = ChannelName::parse("#net").unwrap();
        let fold = Fold::found(Hash::ZERO, leader.actor(), Term(1), NOW);
        let at = MsgId::generate(NOW, 1, MsgId::default());
        let mut state = ChannelState::found(&room, &leader, at);
        let founder = state.members[&leader.actor().owner()].clone();
        for n in 1..5_000 {
            let card = card_of(&id.somebody_else(n).unwrap(), &format!("n{n}"));
            let actor = card.actor();
            let member = Member { actor, ranks: Default::default(), ..founder.clone() };
            state.members.insert(actor.owner(), member);
            state.actors.insert(actor, card);
        }
        let answer = Envelope::new("WELCOME").field("fold", json!(fold)).field("state", json!(state));
        let parts = rpc::parts(&id, &new, at, answer, &mut Rng::seed_from_u64(1));
        let records: Vec<Vec<u8>> = parts.iter().map(Envelope::to_canonical).collect();
        assert!(records.iter().all(|r| r.len() <= limits::RECORD));
        let numbers: Vec<_> = parts.iter().filter_map(rpc::part_of).collect();
        assert_eq!(numbers.len(), records.len(), "each says which one of how many it is");
        let text: String = parts.iter().map(|part| part.lines().concat()).collect();
        let answer = rpc::open_answer(&joiner, &leader, &text).expect("it opens");
        let replica = handed(&answer, &room, &Contacts::default(), NOW).expect("it is taken");
        assert_eq!(replica.state.members.len(), 5_000);
    }
}
