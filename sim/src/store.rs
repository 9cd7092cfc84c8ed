//! The model of a node's store: the data that an adapter would hold. A commit is atomic and
//! survives every crash.

use std::collections::{BTreeMap, BTreeSet};

use kirc_core::port::{
    Answer, LogRow, MessageRow, OutboxRow, Point, Query, Snapshot, StoreOp, Table, Window,
};

/// A store, and what was ever put under [`Table::Key`] (for the wiretap of promise 5).
#[derive(Default, Clone)]
pub struct Store {
    values: BTreeMap<(Table, String), Vec<u8>>,
    messages: Vec<MessageRow>,
    index: BTreeMap<(String, String, String), usize>,
    outbox: BTreeMap<String, OutboxRow>,
    logs: BTreeMap<String, BTreeMap<u64, LogRow>>,
    keys: Vec<Vec<u8>>,
    /// Conversations of which messages went.
    trimmed: BTreeSet<String>,
}

impl Store {
    /// Carries out one transaction.
    pub fn commit(&mut self, ops: Vec<StoreOp>) {
        for op in ops {
            self.apply(op);
        }
    }

    fn apply(&mut self, op: StoreOp) {
        match op {
            StoreOp::Put { table, key, value } => {
                if table == Table::Key {
                    self.keys.push(value.clone());
                }
                self.values.insert((table, key), value);
            }
            StoreOp::Delete { table, key } => {
                self.values.remove(&(table, key));
            }
            StoreOp::DeletePrefix { table, prefix } => {
                self.values.retain(|(t, k), _| *t != table || !k.starts_with(&prefix));
            }
            StoreOp::Message(row) => {
                let key = (row.target.clone(), row.author.clone(), row.id.clone());
                match self.index.get(&key).and_then(|at| self.messages.get_mut(*at)) {
                    Some(kept) if kept.state == "failed" => *kept = row,
                    Some(_) => {}
                    None => {
                        self.index.insert(key, self.messages.len());
                        self.messages.push(row);
                    }
                }
            }
            StoreOp::MessageState { target, id, state } => {
                for row in &mut self.messages {
                    if row.target == target && row.id == id {
                        row.state.clone_from(&state);
                    }
                }
            }
            StoreOp::Outbox(row) => {
                self.outbox.insert(row.id.clone(), row);
            }
            StoreOp::Settled { id } => {
                self.outbox.remove(&id);
            }
            StoreOp::Log(row) => {
                self.logs.entry(row.channel.clone()).or_default().entry(row.index).or_insert(row);
            }
        }
    }

    /// Takes the oldest away, as a store does that is kept to a size: of each log and of the
    /// messages so many stay.
    pub fn trim(&mut self, keep: usize) {
        for log in self.logs.values_mut() {
            while log.len() > keep {
                log.pop_first();
            }
        }
        let gone = self.messages.drain(..self.messages.len().saturating_sub(keep));
        self.trimmed.extend(gone.map(|row| row.target));
        let key = |row: &MessageRow| (row.target.clone(), row.author.clone(), row.id.clone());
        self.index = self.messages.iter().enumerate().map(|(place, row)| (key(row), place)).collect();
    }

    /// What a node gets to start from.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { values: self.values.clone(), outbox: self.outbox.values().cloned().collect() }
    }

    /// Answers a question.
    pub fn ask(&self, query: Query) -> Answer {
        match query {
            Query::History { target, window, limit } => {
                let mut rows: Vec<&MessageRow> =
                    self.messages.iter().filter(|r| r.target == target).collect();
                rows.sort_by_key(|r| r.seq);
                let (rows, more) = part(&rows, &window, limit as usize);
                let trimmed = window.is_open_to_the_past() && !more && self.trimmed.contains(&target);
                Answer::History { rows: rows.iter().copied().cloned().collect(), more, trimmed }
            }
            Query::Log { channel, from, to, limit } => {
                let mut size = 0;
                let mut rows = Vec::new();
                for row in self.logs.get(&channel).into_iter().flat_map(BTreeMap::values) {
                    if row.seq < from || row.seq > to {
                        continue;
                    }
                    size += row.value.len() as u64;
                    if size > limit && !rows.is_empty() {
                        break;
                    }
                    rows.push(row.clone());
                }
                Answer::Log { rows }
            }
        }
    }

    /// All messages, in the order in which they were stored.
    pub fn messages(&self) -> &[MessageRow] {
        &self.messages
    }

    /// What waits in the outbox.
    pub fn outbox(&self) -> impl Iterator<Item = &OutboxRow> {
        self.outbox.values()
    }

    /// The records of logs that are kept, by channel id.
    pub fn logs(&self) -> &BTreeMap<String, BTreeMap<u64, LogRow>> {
        &self.logs
    }

    /// The id of the channel that the node knows under this name.
    pub fn channel_id(&self, name: &str) -> Option<String> {
        let known = self.values.get(&(Table::Setting, format!("known/{name}")))?;
        serde_json::from_slice(known).ok()
    }

    /// Every value ever put under [`Table::Key`].
    pub fn keys(&self) -> &[Vec<u8>] {
        &self.keys
    }

    /// The small values.
    pub fn values(&self) -> &BTreeMap<(Table, String), Vec<u8>> {
        &self.values
    }
}

/// A window of a conversation, and whether it has more.
fn part<'a>(rows: &'a [&'a MessageRow], window: &Window, limit: usize) -> (&'a [&'a MessageRow], bool) {
    // The place of a point, and how long it is.
    let find = |point: &Point| match point {
        Point::Message(id) => rows.iter().position(|r| r.id == *id).map(|at| (at, 1)),
        Point::Time(time) => Some((rows.partition_point(|r| r.ts < *time), 0)),
    };
    let bound = |point: &Option<Point>, none| point.as_ref().map_or(Some(none), find);
    match window {
        Window::Newest { after, before } | Window::Oldest { after, before } => {
            let (Some((after, long)), Some((before, _))) =
                (bound(after, (0, 0)), bound(before, (rows.len(), 0)))
            else {
                return (&[], false);
            };
            let all = &rows[(after + long).min(before)..before];
            let cut = all.len().saturating_sub(limit);
            match window {
                Window::Oldest { .. } => (&all[..all.len() - cut], cut > 0),
                _ => (&all[cut..], cut > 0),
            }
        }
        Window::Around(point) => {
            let Some((at, long)) = find(point) else { return (&[], false) };
            let from = (at + long).saturating_sub(limit - limit / 2);
            (&rows[from..(from + limit).min(rows.len())], from > 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, seq: u64) -> MessageRow {
        MessageRow {
            target: "#net".into(),
            id: id.into(),
            author: "a".into(),
            seq,
            ts: 0,
            state: "sent".into(),
            sealed: Vec::new(),
        }
    }

    #[test]
    fn a_message_again_changes_nothing() {
        let mut store = Store::default();
        store.commit(vec![StoreOp::Message(row("1", 1)), StoreOp::Message(row("1", 9))]);
        store.commit(vec![StoreOp::Message(row("2", 2))]);
        assert_eq!(store.messages().iter().map(|m| m.seq).collect::<Vec<_>>(), [1, 2]);
        let Answer::History { rows, more, .. } = store.ask(Query::History {
            target: "#net".into(),
            window: Window::before(Some("2".into())),
            limit: 5,
        }) else {
            panic!("a history was asked for");
        };
        assert_eq!((rows.len(), more), (1, false));
    }
}
