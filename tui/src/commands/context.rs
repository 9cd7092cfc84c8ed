//! What a command may use: the model, and a way to send requests to the node.
//!
//! Owns: labels on requests. Must not: decide what a command means.
use kirc_core::Envelope;

use crate::model::{BufferId, Kind, Model, What};
use crate::update::Effect;

/// What a command works with.
pub struct Context<'a> {
    /// The state.
    pub model: &'a mut Model,
    /// What is to be done.
    pub effects: Vec<Effect>,
}

impl<'a> Context<'a> {
    /// A context without effects yet.
    pub fn new(model: &'a mut Model) -> Self {
        Self { model, effects: Vec::new() }
    }

    /// Sends an envelope that nothing answers.
    pub fn send(&mut self, envelope: Envelope) {
        self.effects.push(Effect::Send(envelope));
    }

    /// Sends an envelope under a label, so that the answer finds its way to the present buffer.
    pub fn ask(&mut self, what: What, envelope: Envelope) -> String {
        let from = self.model.buffers.current_id();
        self.ask_from(from, what, envelope)
    }

    /// The same, from another buffer.
    pub fn ask_from(&mut self, from: BufferId, what: What, envelope: Envelope) -> String {
        let label = self.model.asks.ask(from, what);
        self.send(envelope.meta("label", label.clone()));
        label
    }

    /// Tells the user something in the present buffer.
    pub fn tell(&mut self, kind: Kind, text: impl Into<String>) {
        let id = self.model.buffers.current_id();
        self.model.tell(id, kind, text);
    }
}

/// The width that the nick column needs for a name, within reason.
pub fn fold_width(name: &str) -> usize {
    crate::text::display_width(name).min(16)
}
