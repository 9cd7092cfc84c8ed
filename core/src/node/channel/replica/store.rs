//! How a channel's state and members are stored and loaded.
//!
//! Each member's card is a row of its own, so a join or part changes one row in a channel of
//! hundreds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::channel::ChannelState;
use crate::identity::Card;
use crate::ids::{Count, Hash, MsgId, UserId};
use crate::node::channel::Channel;
use crate::node::ctx::Ctx;
use crate::port::{StoreOp, Table};

#[derive(Serialize, Deserialize)]
struct CounterRow {
    n: Count,
    last: MsgId,
}

/// The row of a member or an actor of a channel. No name of a channel has a space in it, so that
/// nothing of one channel looks like something of another.
fn member_row(channel: &str, member: &impl std::fmt::Display) -> String {
    format!("{channel} {member}")
}

/// How the rows of all members of a channel begin.
pub(in crate::node::channel) fn prefix(channel: &str) -> String {
    format!("{channel} ")
}

/// Whether a row of `Table::Channel` is a channel's state, and not a member's card.
pub(crate) fn is_state(key: &str) -> bool {
    !key.contains(' ')
}

impl Channel {
    /// Keeps the state, and the cards that are new in it.
    pub fn store_state(&mut self, cx: &mut Ctx) {
        let Some(replica) = &self.replica else { return };
        cx.put_sealed(Table::Channel, self.key.clone(), &replica.state.brief());
        let actors = &replica.state.actors;
        for actor in self.cards.keys().filter(|a| !actors.contains_key(*a)) {
            cx.store(StoreOp::Delete { table: Table::Channel, key: member_row(&self.key, actor) });
        }
        self.cards.retain(|actor, _| actors.contains_key(actor));
        for (actor, card) in actors {
            let digest = card.digest();
            if self.cards.insert(*actor, digest) != Some(digest) {
                cx.put_sealed(Table::Channel, member_row(&self.key, actor), card);
            }
        }
    }

    /// Keeps how far an author is.
    pub fn store_counter(&self, cx: &mut Ctx, user: &UserId) {
        let key = member_row(&self.key, user);
        match self.replica.as_ref().and_then(|r| r.state.members.get(user)) {
            Some(member) => cx.put(Table::Counter, key, &CounterRow { n: member.n, last: member.last }),
            None => cx.store(StoreOp::Delete { table: Table::Counter, key }),
        }
    }

    /// Nothing is kept of state, members and place any more.
    pub(in crate::node::channel) fn forget_state(&mut self, cx: &mut Ctx) {
        self.cards.clear();
        let prefix = prefix(&self.key);
        cx.store(StoreOp::Delete { table: Table::Channel, key: self.key.clone() });
        cx.store(StoreOp::DeletePrefix { table: Table::Channel, prefix: prefix.clone() });
        cx.store(StoreOp::Delete { table: Table::Head, key: self.key.clone() });
        cx.store(StoreOp::DeletePrefix { table: Table::Counter, prefix });
    }

    /// What is kept of the members beside the state.
    pub(in crate::node::channel) fn restore_members(
        &mut self,
        state: &mut ChannelState,
        values: &BTreeMap<(Table, String), Vec<u8>>,
    ) {
        self.cards.extend(state.actors.iter().map(|(actor, card)| (*actor, card.digest())));
        for (user, member) in &mut state.members {
            let row = values.get(&(Table::Counter, member_row(&self.key, user)));
            let row: Option<CounterRow> = row.and_then(|r| serde_json::from_slice(r).ok());
            if let Some(row) = row.filter(|r| r.last > member.last) {
                member.n = row.n;
                member.last = row.last;
            }
        }
    }
}

/// The state that is kept of a channel, with the cards in it.
pub(crate) fn restore_state(
    cx: &Ctx,
    channel: &str,
    values: &BTreeMap<(Table, String), Vec<u8>>,
) -> Result<ChannelState, String> {
    let open = |key: &str| {
        let row = values.get(&(Table::Channel, key.to_owned()));
        let row = row.ok_or_else(|| format!("{key} is not there"))?;
        cx.id.open_local(row).map_err(|e| e.to_string())
    };
    let of = |e: serde_json::Error| format!("channel {channel}: {e}");
    let mut state: Value = serde_json::from_slice(&open(channel)?).map_err(of)?;
    for (actor, kept) in state.get_mut("actors").and_then(Value::as_object_mut).into_iter().flatten() {
        let plain = open(&format!("{channel} {actor}")).map_err(|e| format!("a card of {channel}: {e}"))?;
        let card: Card = serde_json::from_slice(&plain).map_err(of)?;
        let digest: Option<Hash> = serde_json::from_value(kept.clone()).ok();
        if digest != Some(card.digest()) {
            return Err(format!("a card of {channel} is not the one that belongs there"));
        }
        *kept = serde_json::to_value(&card).map_err(of)?;
    }
    serde_json::from_value(state).map_err(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_of_a_channel_looks_like_one_of_another() {
        let actor = crate::ids::ActorId::of_key(&[7; 32]);
        // A name may hold a slash, so that one channel's name and a slash may begin another's.
        for (one, other) in [("#a", "#a/b"), ("#a", "#ab"), ("#a@bob", "#a")] {
            for (one, other) in [(one, other), (other, one)] {
                assert!(!member_row(one, &actor).starts_with(&format!("{other} ")));
            }
            assert!(is_state(one) && !is_state(&member_row(one, &actor)));
        }
    }
}
