//! What each transaction of the store contains, and what happens while commits fail.

use std::sync::Arc;
use std::time::Duration;

use kirc_core::Envelope;
use kirc_core::port::{Effect, Input, PortError, Service, SessionId, StoreOp};
use tokio::time::sleep;

use super::clock::now;
use super::engine::Engine;
use super::hub::Event;
use super::outgoing::Batch;
use super::{EVENTS, Machine};
use crate::ports::Health;

impl<M: Machine> Engine<M> {
    /// Asks for what is due: a transaction, or nothing but effects that had to stand behind one.
    pub(super) async fn commit_due(&mut self, inputs: &mut Vec<Input>) {
        while let Some(mut batch) = self.outgoing.take_due() {
            if batch.ops.is_empty() {
                self.carry_all_out(batch, inputs).await;
                continue;
            }
            let ops = Arc::new(std::mem::take(&mut batch.ops));
            let done = self.store.commit(ops.clone());
            self.outgoing.begun(ops, batch, done);
        }
    }

    /// A transaction came to its end: what stood behind it may go.
    pub(super) async fn committed(
        &mut self,
        (mut batch, result): (Batch, Result<(), PortError>),
        inputs: &mut Vec<Input>,
    ) {
        if let Err(error) = result {
            let ops = std::mem::take(&mut batch.ops);
            if !self.commit_again(ops, error, inputs).await {
                self.stopped = true;
                return;
            }
        }
        self.carry_all_out(batch, inputs).await;
    }

    async fn carry_all_out(&mut self, batch: Batch, inputs: &mut Vec<Input>) {
        for effect in batch.effects {
            self.carry_out(effect, inputs).await;
        }
        for session in batch.gone {
            self.sessions.remove(session);
        }
    }

    /// Tries until it works. `false` only if the node is to end and the store still fails.
    /// What doors say meanwhile is told that it waits, and why; it is taken into `inputs`.
    async fn commit_again(
        &mut self,
        mut ops: Vec<StoreOp>,
        mut error: PortError,
        inputs: &mut Vec<Input>,
    ) -> bool {
        let mut pause = Duration::from_millis(20);
        loop {
            let down = Health { up: false, reason: error.to_string() };
            if let Some(input) = self.tell(Service::Store, down) {
                ops.extend(self.say_at_once(input).await);
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
                            self.sessions.deliver(session, said);
                        }
                    }
                }
            }
            if stopping && pause >= Duration::from_millis(320) {
                tracing::error!(%error, "the store fails, and the node is to end");
                return false;
            }
            pause = (pause * 2).min(Duration::from_secs(2));
            match self.store.commit(Arc::new(ops.clone())).await {
                Err(again) => error = again,
                Ok(()) => {
                    if let Some(well) = self.tell(Service::Store, Health::well()) {
                        // What comes of that stands behind all else.
                        let mut effects = Vec::new();
                        self.machine.handle(now(), well, &mut effects);
                        let ops = take_store(&mut effects);
                        self.outgoing.add(Batch { ops, effects, gone: Vec::new() });
                    }
                    return true;
                }
            }
        }
    }

    /// Lets the node know how a service is. What it says to sessions is delivered; all else waits.
    pub(super) async fn say_at_once(&mut self, input: Input) -> Vec<StoreOp> {
        let mut effects = Vec::new();
        self.machine.handle(now(), input, &mut effects);
        let ops = take_store(&mut effects);
        let mut later = Vec::new();
        for effect in effects {
            match effect {
                Effect::Deliver { session, envelope } => {
                    self.sessions.deliver(session, envelope);
                }
                other => later.push(other),
            }
        }
        if !later.is_empty() {
            self.outgoing.add(Batch { effects: later, ..Batch::default() });
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
    ops
}
