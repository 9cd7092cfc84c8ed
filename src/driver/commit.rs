//! What goes to the store in one transaction, and what happens while that fails.

use std::collections::HashSet;
use std::time::Duration;

use kirc_core::Envelope;
use kirc_core::port::{Effect, Input, Service, SessionId, StoreOp};
use tokio::time::sleep;

use super::clock::now;
use super::engine::Engine;
use super::hub::Event;
use super::{EVENTS, Machine};
use crate::ports::Health;

impl<M: Machine> Engine<M> {
    /// Commits, and tries until it works. `false` only if the node is to end and the store still fails.
    /// What doors say meanwhile is told that it waits, and why; it is taken into `inputs`.
    pub(super) async fn commit(&mut self, mut ops: Vec<StoreOp>, inputs: &mut Vec<Input>) -> bool {
        let mut pause = Duration::from_millis(20);
        let mut failed = false;
        loop {
            let Err(error) = self.store.commit(ops.clone()).await else {
                if failed {
                    let well = self.tell(Service::Store, Health::well());
                    // Its effects are carried out with the others, behind them.
                    let mut later = Vec::new();
                    if let Some(input) = well {
                        self.machine.handle(now(), input, &mut later);
                    }
                    let more = take_store(&mut later);
                    self.effects.append(&mut later);
                    if !more.is_empty() {
                        ops = more;
                        failed = false;
                        continue;
                    }
                }
                return true;
            };
            failed = true;
            let down = Health { up: false, reason: error.to_string() };
            if let Some(input) = self.tell(Service::Store, down) {
                ops.extend(self.while_down(input).await);
            }
            let stopping = self.stop.is_cancelled();
            let nap = sleep(pause);
            tokio::pin!(nap);
            loop {
                tokio::select! {
                    () = &mut nap => break,
                    () = self.stop.cancelled(), if !stopping => break,
                    Some(event) = self.inbox.recv(), if inputs.len() < EVENTS => {
                        let said = waits(&event, &error.0);
                        self.event(event, inputs);
                        if let Some((session, said)) = said {
                            self.sessions.deliver(session, said).await;
                        }
                    }
                }
            }
            if stopping && pause >= Duration::from_millis(320) {
                tracing::error!(%error, "the store fails, and the node is to end");
                return false;
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// Lets the node know that its store fails. What it says to sessions is delivered; all else waits.
    async fn while_down(&mut self, input: Input) -> Vec<StoreOp> {
        let mut effects = Vec::new();
        self.machine.handle(now(), input, &mut effects);
        let ops = take_store(&mut effects);
        for effect in effects {
            match effect {
                Effect::Deliver { session, envelope } => {
                    self.sessions.deliver(session, envelope).await;
                }
                other => self.effects.push(other),
            }
        }
        ops
    }
}

/// What a door is told that says something while the store fails.
fn waits(event: &Event, reason: &str) -> Option<(SessionId, Envelope)> {
    let Event::Say(session, said) = event else { return None };
    let label = said.meta.get("label");
    if label.is_none() && said.command != "HELLO" {
        return None;
    }
    let mut note = Envelope::new("NOTICE").from("kirc").line(format!("the node can't go on now: {reason}"));
    // No answer yet: what was said is done when the store is well.
    note.meta.insert("state".into(), "waiting".into());
    note.to.clone_from(&said.to);
    Some((*session, label.iter().fold(note, |note, label| note.meta("label", (*label).clone()))))
}

/// Takes the store's effects out of a list; the others keep their order.
pub(super) fn take_store(effects: &mut Vec<Effect>) -> Vec<StoreOp> {
    let mut ops = Vec::new();
    let mut rest = Vec::with_capacity(effects.len());
    for effect in effects.drain(..) {
        match effect {
            Effect::Store(op) => ops.push(op),
            other => rest.push(other),
        }
    }
    *effects = rest;
    without_overwritten(ops)
}

/// Leaves out what a later operation of the same transaction overwrites: nobody can ever see it.
fn without_overwritten(ops: Vec<StoreOp>) -> Vec<StoreOp> {
    if ops.len() < 8 {
        return ops;
    }
    let mut seen = HashSet::new();
    let mut keep: Vec<bool> = ops
        .iter()
        .rev()
        .map(|op| match op {
            StoreOp::Put { table, key, .. } => seen.insert((*table, key.as_str())),
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
    use super::*;
    use kirc_core::port::Table;

    fn put(key: &str, value: u8) -> StoreOp {
        StoreOp::Put { table: Table::Position, key: key.to_owned(), value: vec![value] }
    }

    #[test]
    fn of_many_values_for_a_key_the_last_is_written_and_the_order_stays() {
        let mut effects: Vec<Effect> = (0..20).map(|i| Effect::Store(put("a", i))).collect();
        effects.insert(3, Effect::Store(put("b", 1)));
        effects.push(Effect::Stopped);
        let delete = StoreOp::Delete { table: Table::Position, key: "b".into() };
        effects.push(Effect::Store(delete.clone()));
        let ops = take_store(&mut effects);
        assert_eq!(ops, vec![put("b", 1), put("a", 19), delete]);
        assert_eq!(effects, vec![Effect::Stopped]);
    }
}
