//! Carries out effects one by one: each goes to its port, and its outcome returns as an input.

use kirc_core::port::{Effect, Input, RequestId, Topic};

use super::Machine;
use super::engine::Engine;
use crate::ports::ready;

impl<M: Machine> Engine<M> {
    /// Carries out what need not wait for the store, up to the first append that must: so each
    /// partition keeps its order.
    pub(super) fn append_early(&mut self) {
        let mut rest = Vec::with_capacity(self.effects.len());
        let mut held = self.outgoing.holds_back();
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Append { request_id, topic, key, value, early: true } if !held => {
                    self.append(request_id, topic, key, value);
                }
                other => {
                    held |= other.holds_back();
                    rest.push(other);
                }
            }
        }
        self.effects = rest;
    }

    fn append(&mut self, request_id: RequestId, topic: Topic, key: Vec<u8>, value: Vec<u8>) {
        let pending = match self.grids.mailbox(&topic.cluster) {
            Ok(mailbox) => mailbox.append(&topic, key, value),
            Err(error) => ready(Err(error)),
        };
        self.appends.push(topic, request_id, pending);
    }

    /// Carries an effect out. The store's are not meant: they were committed before.
    pub(super) async fn carry_out(&mut self, effect: Effect, inputs: &mut Vec<Input>) {
        match effect {
            Effect::Store(_) => {}
            Effect::Deliver { session, envelope } => {
                if !self.sessions.deliver(session, envelope) {
                    inputs.push(Input::Detach { session });
                }
            }
            Effect::Append { request_id, topic, key, value, .. } => {
                self.append(request_id, topic, key, value)
            }
            Effect::Create { request_id, topic, partitions } => {
                let pending = self.grids.create(&topic, partitions);
                self.later(async move {
                    let result = pending.await;
                    Input::Created { request_id, result }
                });
            }
            Effect::Read { topic, from } => match self.grids.mailbox(&topic.cluster) {
                Ok(mailbox) => self.readers.read(&mailbox, topic, from),
                Err(error) => tracing::warn!(topic = topic.name, %error, "a topic can't be read"),
            },
            Effect::StopRead { topic } => self.readers.stop(&topic),
            Effect::End { request_id, topic } => {
                let pending = match self.grids.mailbox(&topic.cluster) {
                    Ok(mailbox) => mailbox.end(&topic),
                    Err(error) => ready(Err(error)),
                };
                self.later(async move {
                    let result = pending.await;
                    Input::End { request_id, result }
                });
            }
            Effect::Signal { grid, request_id, op } => {
                let pending = match self.grids.signals(&grid) {
                    Ok(signals) => signals.call(op),
                    Err(error) => ready(Err(error)),
                };
                self.later(async move {
                    let result = pending.await;
                    Input::Signalled { request_id, result }
                });
            }
            Effect::Query { request_id, query } => {
                let pending = self.store.query(query);
                self.later(async move {
                    let result = pending.await;
                    Input::Queried { request_id, result }
                });
            }
            Effect::Reach { cluster, way } => {
                if self.grids.reach(cluster.clone(), way)
                    && let Ok(mailbox) = self.grids.mailbox(&cluster)
                {
                    self.readers.moved(&cluster, &mailbox);
                }
            }
            Effect::Grant { request_id, name } => {
                let pending = self.grids.abroad().grant(&name);
                self.later(async move {
                    let result = pending.await;
                    Input::Granted { request_id, result }
                });
            }
            Effect::Revoke { request_id, name } => {
                let pending = self.grids.abroad().revoke(&name);
                self.later(async move {
                    let result = pending.await;
                    Input::Revoked { request_id, result }
                });
            }
            Effect::Warn { text } => tracing::warn!("{text}"),
            Effect::Stopped => self.stopped = true,
        }
    }

    fn later(&self, outcome: impl Future<Output = Input> + Send + 'static) {
        self.outcomes.push(Box::pin(outcome));
    }
}
