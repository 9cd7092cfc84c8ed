//! Combines many changes: it groups rows by kind, so that one statement writes all rows of a kind.
//!
//! This module ensures that the result equals applying the changes one by one. It is independent of
//! SQL.
//!
//! Small values, messages, the outbox and logs never share a table, so nobody can observe their
//! relative order. Of several changes to one key, the last one counts. Applying everything a second
//! time changes nothing, so it may be repeated when the outcome is unknown: what was set is set to
//! the same value, what was deleted is absent, and what is inserted once is already there.

use std::collections::{BTreeMap, BTreeSet};

use kirc_core::port::{LogRow, MessageRow, OutboxRow, StoreOp, Table};

/// Messages that are added, and then states that change.
#[derive(Debug, Default)]
pub struct Talk<'o> {
    /// By conversation, id and author.
    pub added: BTreeMap<(&'o str, &'o str, &'o str), &'o MessageRow>,
    /// By conversation and id.
    pub states: BTreeMap<(&'o str, &'o str), &'o str>,
}

/// All that is to be done, in the order of the fields.
#[derive(Debug, Default)]
pub struct Plan<'o> {
    pub cleared: Vec<(Table, &'o str)>,
    /// What is put, or taken away, under a key.
    pub entries: BTreeMap<(Table, &'o str), Option<&'o [u8]>>,
    /// Nearly always one; more if a message comes behind a change of state that it must not get, or
    /// behind itself when it had failed.
    pub talks: Vec<Talk<'o>>,
    /// What is put into the outbox, or settled, by id.
    pub outbox: BTreeMap<&'o str, Option<&'o OutboxRow>>,
    pub log: Vec<&'o LogRow>,
}

impl<'o> Plan<'o> {
    /// The plan for changes in a row.
    pub fn new(ops: impl IntoIterator<Item = &'o StoreOp>) -> Self {
        let mut plan = Self::default();
        let mut kept = BTreeSet::new();
        for op in ops {
            match op {
                StoreOp::Put { table, key, value } => {
                    plan.entries.insert((*table, key), Some(value));
                }
                StoreOp::Delete { table, key } => {
                    plan.entries.insert((*table, key), None);
                }
                StoreOp::DeletePrefix { table, prefix } => {
                    // What was put before it goes with it; what is put behind it is put when it is
                    // done.
                    plan.entries.retain(|(t, key), _| t != table || !key.starts_with(prefix.as_str()));
                    plan.cleared.push((*table, prefix));
                }
                StoreOp::Message(row) => plan.add(row),
                StoreOp::MessageState { target, id, state } => {
                    plan.last_talk().states.insert((target, id), state);
                }
                StoreOp::Outbox(row) => {
                    plan.outbox.insert(&row.id, Some(row));
                }
                StoreOp::Settled { id } => {
                    plan.outbox.insert(id, None);
                }
                StoreOp::Log(row) => {
                    if kept.insert((row.channel.as_str(), row.index)) {
                        plan.log.push(row);
                    }
                }
            }
        }
        plan
    }

    fn last_talk(&mut self) -> &mut Talk<'o> {
        if self.talks.is_empty() {
            self.talks.push(Talk::default());
        }
        let last = self.talks.len() - 1;
        &mut self.talks[last]
    }

    fn add(&mut self, row: &'o MessageRow) {
        let (target, id, author) = (row.target.as_str(), row.id.as_str(), row.author.as_str());
        let talk = self.last_talk();
        let known = talk.added.get(&(target, id, author));
        if known.is_some_and(|known| known.state != "failed") {
            return;
        }
        if known.is_some() || talk.states.contains_key(&(target, id)) {
            self.talks.push(Talk::default());
        }
        self.last_talk().added.insert((target, id, author), row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str) -> StoreOp {
        StoreOp::Put { table: Table::Head, key: key.to_owned(), value: vec![1] }
    }

    #[test]
    fn a_cleared_prefix_takes_what_came_before_and_leaves_what_comes_behind() {
        let clear = |prefix: &str| StoreOp::DeletePrefix { table: Table::Head, prefix: prefix.to_owned() };
        let other = StoreOp::Put { table: Table::Key, key: "ab".to_owned(), value: vec![] };
        let ops = [put("ab"), put("b"), other, clear("a"), put("ac")];
        let plan = Plan::new(&ops);
        let keys: Vec<_> = plan.entries.keys().copied().collect();
        assert_eq!(keys, [(Table::Head, "ac"), (Table::Head, "b"), (Table::Key, "ab")]);
        assert_eq!(plan.cleared, [(Table::Head, "a")]);
    }

    #[test]
    fn a_state_is_for_the_messages_before_it() {
        let message = |author: &str| {
            StoreOp::Message(MessageRow {
                target: "#a".to_owned(),
                id: "1".to_owned(),
                author: author.to_owned(),
                seq: 1,
                ts: 1,
                state: "sent".to_owned(),
                sealed: vec![],
            })
        };
        let state = |id: &str, state: &str| StoreOp::MessageState {
            target: "#a".to_owned(),
            id: id.to_owned(),
            state: state.to_owned(),
        };
        let ops =
            [message("ann"), state("2", "read"), state("1", "held"), state("1", "read"), message("bob")];
        let plan = Plan::new(&ops);
        assert_eq!(plan.talks.len(), 2);
        assert_eq!(plan.talks[0].states[&("#a", "1")], "read");
        assert_eq!((plan.talks[0].added.len(), plan.talks[1].added.len()), (1, 1));
    }
}
