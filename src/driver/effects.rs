//! Effects, one by one: each goes to its port, its outcome comes back as an input.

use std::sync::Arc;

use kirc_core::port::{Effect, Input, PortError};

use super::Machine;
use super::engine::Engine;
use crate::ports::Pending;

impl<M: Machine> Engine<M> {
    /// Carries an effect out. The store's are not meant: they were committed before.
    pub(super) async fn carry_out(&mut self, effect: Effect, inputs: &mut Vec<Input>) {
        match effect {
            Effect::Store(_) => {}
            Effect::Deliver { session, envelope } => {
                if !self.sessions.deliver(session, envelope).await {
                    inputs.push(Input::Detach { session });
                }
            }
            Effect::Append { ticket, topic, key, value } => {
                let pending = match self.ports.mailbox(&topic.cluster) {
                    Some(mailbox) => mailbox.append(&topic, key, value),
                    None => unknown(&topic.cluster),
                };
                self.appends.push(topic, ticket, pending);
            }
            Effect::Read { topic, from } => match self.ports.mailbox(&topic.cluster) {
                Some(mailbox) => {
                    let mailbox: Arc<_> = mailbox.clone();
                    self.readers.read(&mailbox, topic, from);
                }
                None => tracing::warn!(cluster = topic.cluster, "no such cluster is known"),
            },
            Effect::StopRead { topic } => self.readers.stop(&topic),
            Effect::End { ticket, topic } => {
                let pending = match self.ports.mailbox(&topic.cluster) {
                    Some(mailbox) => mailbox.end(&topic),
                    None => unknown(&topic.cluster),
                };
                self.later(async move {
                    let result = pending.await;
                    Input::End { ticket, result }
                });
            }
            Effect::Signal { ticket, op } => {
                let pending = self.ports.signals.call(op);
                self.later(async move {
                    let result = pending.await;
                    Input::Signalled { ticket, result }
                });
            }
            Effect::Query { ticket, query } => {
                let pending = self.ports.store.query(query);
                self.later(async move {
                    let result = pending.await;
                    Input::Queried { ticket, result }
                });
            }
            Effect::Stopped => self.stopped = true,
        }
    }

    fn later(&self, outcome: impl Future<Output = Input> + Send + 'static) {
        self.outcomes.push(Box::pin(outcome));
    }
}

fn unknown<T: Send + 'static>(cluster: &str) -> Pending<T> {
    let error = PortError(format!("no way to the cluster {cluster} is known"));
    Box::pin(std::future::ready(Err(error)))
}
