//! How a channel's state and members are stored and loaded.
//!
//! Each member, each former member and each actor's card is a row of its own, so what somebody does
//! in a channel of thousands changes a few rows.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::channel::{Act, ActKind, Change, ChannelState, ModeKind, from_parts, head};
use crate::identity::Card;
use crate::ids::{ActorId, Count, MsgId, UserId};
use crate::node::channel::{Channel, Replica};
use crate::node::ctx::Ctx;
use crate::port::{StoreOp, Table};

/// How far an author is. It changes with each message, the rest of a member seldom.
#[derive(Serialize, Deserialize)]
struct CounterRow {
    n: Count,
    last: MsgId,
}

/// The rows of a channel beside its own. No name of a channel has a space in it, so that nothing of
/// one channel looks like something of another.
#[derive(Clone, Copy)]
enum Row<'a> {
    Card(&'a ActorId),
    Member(&'a UserId),
    Gone(&'a UserId),
}

impl Row<'_> {
    const KINDS: [&'static str; 3] = ["card", "member", "gone"];

    fn key(self, channel: &str) -> String {
        let [card, member, gone] = Self::KINDS;
        match self {
            Self::Card(actor) => format!("{channel} {card}/{actor}"),
            Self::Member(user) => format!("{channel} {member}/{user}"),
            Self::Gone(user) => format!("{channel} {gone}/{user}"),
        }
    }
}

fn counter(channel: &str, user: &UserId) -> String {
    format!("{channel} {user}")
}

/// How the rows of all members of a channel begin.
pub(in crate::node::channel) fn prefix(channel: &str) -> String {
    format!("{channel} ")
}

/// Whether a row of `Table::Channel` is a channel's own.
pub(crate) fn is_state(key: &str) -> bool {
    !key.contains(' ')
}

impl Replica {
    /// Stores the whole state.
    pub fn store(&self, cx: &mut Ctx, channel: &str) {
        let state = &self.state;
        for table in [Table::Channel, Table::Counter] {
            cx.store(StoreOp::DeletePrefix { table, prefix: prefix(channel) });
        }
        cx.put_sealed(Table::Channel, channel, &head(state));
        for (actor, card) in &state.actors {
            cx.put_sealed(Table::Channel, Row::Card(actor).key(channel), card);
        }
        for (user, member) in &state.members {
            cx.put_sealed(Table::Channel, Row::Member(user).key(channel), member);
        }
        for (user, last) in &state.gone {
            cx.put_sealed(Table::Channel, Row::Gone(user).key(channel), last);
        }
    }

    /// Stores what an act changed.
    pub fn store_change(&self, cx: &mut Ctx, channel: &str, act: &Act, change: &Change) {
        let state = &self.state;
        let came = change.joined.is_some() || change.left.is_some();
        if !came && !change.topic && !change.card && change.modes.is_empty() && change.invited.is_none() {
            return;
        }
        cx.put_sealed(Table::Channel, channel, &head(state));
        let brings_card = match &act.kind {
            ActKind::Join { card, .. } => card.is_some(),
            ActKind::Card { .. } => true,
            _ => false,
        };
        if let Some(card) = state.actors.get(&act.actor).filter(|_| brings_card) {
            cx.put_sealed(Table::Channel, Row::Card(&act.actor).key(channel), card);
        }
        let ranked =
            change.modes.iter().filter(|m| matches!(ModeKind::of(m.letter), Some(ModeKind::Rank(_))));
        let ranked = ranked.filter_map(|mode| UserId::parse(mode.param.as_deref()?).ok());
        let changed = change.joined.into_iter().chain(Some(act.author).filter(|_| change.card)).chain(ranked);
        for user in changed {
            if let Some(member) = state.members.get(&user) {
                cx.put_sealed(Table::Channel, Row::Member(&user).key(channel), member);
            }
        }
        let delete = |row: Row| StoreOp::Delete { table: Table::Channel, key: row.key(channel) };
        if let Some(user) = &change.joined {
            cx.store(delete(Row::Gone(user)));
        }
        if let Some(user) = &change.left {
            cx.store(delete(Row::Member(user)));
            cx.store(StoreOp::Delete { table: Table::Counter, key: counter(channel, user) });
            if let Some(last) = state.gone.get(user) {
                cx.put_sealed(Table::Channel, Row::Gone(user).key(channel), last);
            }
        }
        if let Some(user) = &change.forgotten {
            cx.store(delete(Row::Gone(user)));
        }
        if let Some(actor) = &change.actor_left {
            cx.store(delete(Row::Card(actor)));
        }
    }

    /// Stores how far an author is.
    pub fn store_counter(&self, cx: &mut Ctx, channel: &str, user: &UserId) {
        if let Some(member) = self.state.members.get(user) {
            cx.put(Table::Counter, counter(channel, user), &CounterRow { n: member.n, last: member.last });
        }
    }
}

impl Channel {
    /// Nothing is kept of state, members and place any more.
    pub(in crate::node::channel) fn forget_state(&mut self, cx: &mut Ctx) {
        let prefix = prefix(&self.key);
        cx.store(StoreOp::Delete { table: Table::Channel, key: self.key.clone() });
        cx.store(StoreOp::DeletePrefix { table: Table::Channel, prefix: prefix.clone() });
        cx.store(StoreOp::Delete { table: Table::Head, key: self.key.clone() });
        cx.store(StoreOp::DeletePrefix { table: Table::Counter, prefix });
    }
}

/// The stored state of a channel.
pub(crate) fn restore_state(
    cx: &Ctx,
    channel: &str,
    values: &BTreeMap<(Table, String), Vec<u8>>,
) -> Result<ChannelState, String> {
    let rows = Rows { cx, channel, values };
    let [card, member, gone] = Row::KINDS;
    let actors: BTreeMap<ActorId, Card> = rows.of(card)?;
    let members = rows.of(member)?;
    let gone = rows.of(gone)?;
    let mut state = from_parts(rows.head()?, actors, members, gone).map_err(|e| rows.broken(e))?;
    for (user, member) in &mut state.members {
        let row = values.get(&(Table::Counter, counter(channel, user)));
        let row: Option<CounterRow> = row.and_then(|r| serde_json::from_slice(r).ok());
        if let Some(row) = row.filter(|r| r.last > member.last) {
            (member.n, member.last) = (row.n, row.last);
        }
    }
    match state.members.values().all(|m| state.actors.contains_key(&m.actor)) {
        true => Ok(state),
        false => Err(format!("the card of a member of {channel} is not there")),
    }
}

/// What is stored of one channel.
struct Rows<'a> {
    cx: &'a Ctx,
    channel: &'a str,
    values: &'a BTreeMap<(Table, String), Vec<u8>>,
}

impl Rows<'_> {
    fn broken(&self, why: impl std::fmt::Display) -> String {
        format!("channel {}: {why}", self.channel)
    }

    fn open<T: DeserializeOwned>(&self, sealed: &[u8]) -> Result<T, String> {
        let plain = self.cx.id.open_local(sealed).map_err(|e| self.broken(e))?;
        serde_json::from_slice(&plain).map_err(|e| self.broken(e))
    }

    fn head(&self) -> Result<serde_json::Value, String> {
        let row = self.values.get(&(Table::Channel, self.channel.to_owned()));
        self.open(row.ok_or_else(|| self.broken("it is not there"))?)
    }

    fn of<K: FromStr + Ord, T: DeserializeOwned>(&self, kind: &str) -> Result<BTreeMap<K, T>, String> {
        let prefix = format!("{} {kind}/", self.channel);
        let from = (Table::Channel, prefix.clone());
        let rows = self.values.range(from..).map(|((table, key), value)| (table, key, value));
        let mut all = BTreeMap::new();
        for (table, key, value) in rows {
            let Some(id) = key.strip_prefix(&prefix).filter(|_| *table == Table::Channel) else { break };
            let id = id.parse().map_err(|_| self.broken(format!("{id} is no id")))?;
            all.insert(id, self.open(value)?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests;
