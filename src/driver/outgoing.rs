//! Effects that wait for the store: each waits for the changes that it must not overtake, in
//! batches of one transaction each.
//!
//! This module owns their order. One transaction is in flight at a time; what the node decides
//! meanwhile goes into the next one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use kirc_core::port::{Effect, PortError, SessionId, StoreOp};
use tokio::time::Instant;

use crate::ports::Pending;

/// How long a message of one's own may wait to be kept. It is told to be *sending* when it is; by
/// then it is often *sent*, and need not be kept as one that waits.
const PATIENCE: Duration = Duration::from_millis(5);
/// Changes that may wait before the node is asked for no more.
const FULL: usize = 4_096;

/// Changes, what follows from them, and sessions that have heard the last of it then.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) ops: Vec<StoreOp>,
    pub(super) effects: Vec<Effect>,
    pub(super) gone: Vec<SessionId>,
}

/// A transaction on its way.
struct Running {
    ops: Arc<Vec<StoreOp>>,
    rest: Batch,
    done: Pending<()>,
}

/// All that waits for the store.
#[derive(Default)]
pub(super) struct Outgoing {
    next: Batch,
    /// When the next is due; none if it is now.
    due: Option<Instant>,
    running: Option<Running>,
}

impl Outgoing {
    /// Nothing waits: what needs no store can go at once.
    pub(super) fn is_clear(&self) -> bool {
        self.running.is_none() && self.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.next.ops.is_empty() && self.next.effects.is_empty() && self.next.gone.is_empty()
    }

    /// So much waits that no more is taken in.
    pub(super) fn is_full(&self) -> bool {
        self.next.ops.len() >= FULL
    }

    /// Whether something waits that an early append may not overtake; another one that waits is
    /// such a thing, too.
    pub(super) fn holds_back(&self) -> bool {
        let running = self.running.iter().flat_map(|r| &r.rest.effects);
        self.next.effects.iter().chain(running).any(|effect| effect.holds_back() || effect.is_early())
    }

    /// Adds what the node decided.
    pub(super) fn add(&mut self, mut batch: Batch) {
        // What needs no store waits only for what was decided before.
        let calm = if self.is_empty() { !batch.ops.is_empty() } else { self.due.is_some() };
        let patient = calm
            && batch.gone.is_empty()
            && batch.ops.iter().all(|op| matches!(op, StoreOp::Outbox(_)))
            && batch.effects.iter().all(|effect| matches!(effect, Effect::Deliver { .. }));
        self.due = patient.then(|| self.due.unwrap_or_else(|| Instant::now() + PATIENCE));
        self.next.ops.append(&mut batch.ops);
        self.next.effects.append(&mut batch.effects);
        self.next.gone.append(&mut batch.gone);
    }

    /// When something is to be done, if nothing else happens.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.due.filter(|_| self.running.is_none() && !self.is_empty())
    }

    /// What may go to the store now.
    pub(super) fn take_due(&mut self) -> Option<Batch> {
        let due = self.due.is_none_or(|due| Instant::now() >= due);
        if self.running.is_some() || self.is_empty() || !due {
            return None;
        }
        self.due = None;
        let mut batch = std::mem::take(&mut self.next);
        batch.ops = without_overwritten(batch.ops);
        Some(batch)
    }

    /// A transaction was asked for.
    pub(super) fn begun(&mut self, ops: Arc<Vec<StoreOp>>, rest: Batch, done: Pending<()>) {
        self.running = Some(Running { ops, rest, done });
    }

    /// What became of the transaction that is on its way; never, if there is none. The changes come
    /// back with a failure.
    pub(super) async fn ended(&mut self) -> (Batch, Result<(), PortError>) {
        let Some(running) = &mut self.running else {
            return std::future::pending().await;
        };
        let result = (&mut running.done).await;
        let Some(Running { ops, rest, .. }) = self.running.take() else {
            return std::future::pending().await;
        };
        match result {
            Ok(()) => (rest, Ok(())),
            Err(error) => (Batch { ops: Arc::unwrap_or_clone(ops), ..rest }, Err(error)),
        }
    }
}

/// Leaves out what a later operation of the same transaction overwrites: nobody can ever see it.
fn without_overwritten(ops: Vec<StoreOp>) -> Vec<StoreOp> {
    let mut seen = HashSet::new();
    let mut settled = HashSet::new();
    let mut keep: Vec<bool> = ops
        .iter()
        .rev()
        .map(|op| match op {
            StoreOp::Put { table, key, .. } => seen.insert((*table, key.as_str())),
            StoreOp::Settled { id } => {
                settled.insert(id.as_str());
                true
            }
            StoreOp::Outbox(row) => !settled.contains(row.id.as_str()),
            _ => true,
        })
        .collect();
    keep.reverse();
    let mut keep = keep.into_iter();
    let mut ops = ops;
    ops.retain(|_| keep.next().unwrap_or(true));
    ops
}

#[cfg(test)]
mod tests {
    use kirc_core::Envelope;
    use kirc_core::port::{OutboxRow, RequestId, Table, Topic};

    use super::*;

    fn put(key: &str, value: u8) -> StoreOp {
        StoreOp::Put { table: Table::Position, key: key.to_owned(), value: vec![value] }
    }

    fn sending(id: &str) -> Batch {
        let row = OutboxRow { id: id.to_owned(), target: "#net".to_owned(), sealed: vec![1] };
        let deliver = Effect::Deliver { session: SessionId(1), envelope: Envelope::new("PRIVMSG") };
        Batch { ops: vec![StoreOp::Outbox(row)], effects: vec![deliver], gone: Vec::new() }
    }

    #[test]
    fn of_many_values_for_a_key_the_last_is_written_and_the_order_stays() {
        let mut out = Outgoing::default();
        let mut ops: Vec<StoreOp> = (0..20).map(|i| put("a", i)).collect();
        ops.insert(3, put("b", 1));
        let delete = StoreOp::Delete { table: Table::Position, key: "b".into() };
        ops.push(delete.clone());
        out.add(Batch { ops, effects: vec![Effect::Stopped], gone: Vec::new() });
        let due = out.take_due().expect("it is due");
        assert_eq!(due.ops, vec![put("b", 1), put("a", 19), delete]);
        assert_eq!(due.effects, vec![Effect::Stopped]);
        assert!(out.is_clear());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_sending_waits_a_moment_and_is_not_kept_if_it_is_settled_by_then() {
        let mut out = Outgoing::default();
        out.add(sending("1"));
        out.add(sending("2"));
        let due = out.wake().expect("it is kept soon");
        assert!(out.take_due().is_none());
        // The log has one of them.
        let settled = StoreOp::Settled { id: "1".into() };
        out.add(Batch { ops: vec![settled.clone(), put("a", 1)], ..Batch::default() });
        let batch = out.take_due().expect("it is due now");
        assert_eq!(batch.ops, [sending("2").ops, vec![settled, put("a", 1)]].concat());
        assert_eq!(batch.effects.len(), 2);

        out.add(sending("3"));
        tokio::time::sleep_until(due + PATIENCE).await;
        assert_eq!(out.take_due().expect("nothing else came").ops, sending("3").ops);
    }

    #[test]
    fn an_early_append_that_waits_is_not_overtaken_by_the_next() {
        let append = |early| Effect::Append {
            request_id: RequestId(1),
            topic: Topic { cluster: "c".into(), name: "t".into(), partition: 0 },
            key: Vec::new(),
            value: Vec::new(),
            early,
        };
        for early in [true, false] {
            let mut out = Outgoing::default();
            out.add(sending("1"));
            assert!(!out.holds_back());
            out.add(Batch { effects: vec![append(early)], ..Batch::default() });
            assert!(out.holds_back());
            let mut batch = out.take_due().expect("it is due now");
            let ops = Arc::new(std::mem::take(&mut batch.ops));
            out.begun(ops, batch, Box::pin(std::future::pending()));
            assert!(out.holds_back(), "also while the store is at work");
        }
    }

    #[test]
    fn what_else_is_decided_does_not_wait() {
        for effect in [Effect::Stopped, Effect::Warn { text: String::new() }] {
            let mut out = Outgoing::default();
            out.add(sending("1"));
            out.add(Batch { effects: vec![effect], ..Batch::default() });
            assert_eq!(out.take_due().expect("it is due now").effects.len(), 2);
        }
        let mut out = Outgoing::default();
        out.add(Batch { effects: sending("1").effects, ..Batch::default() });
        assert_eq!(out.take_due().expect("nothing is to be kept").effects.len(), 1);
        out.add(Batch { ops: vec![put("a", 1)], ..Batch::default() });
        out.add(sending("1"));
        assert_eq!(out.take_due().expect("the first is due").ops.len(), 2);
    }
}
