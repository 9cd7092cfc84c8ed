//! Typing notifications, in both directions.
//!
//! Owns: when to notify others. Must not: send them the unfinished text.
use kirc_core::Envelope;

use crate::commands::Context;
use crate::model::BufferId;

/// The others are told at most this often.
const TELL_EVERY: u64 = 3_000;
/// How long somebody is believed to type without saying so again.
pub const BELIEVE: u64 = 6_000;

/// The input of the present buffer has changed.
pub fn touched(context: &mut Context<'_>) {
    let now = context.model.now;
    let buffer = context.model.buffers.current_mut();
    if !buffer.is_talk() || !buffer.joined {
        return;
    }
    let text = buffer.editor.text();
    let secret = crate::commands::is_command(text);
    if text.is_empty() || secret {
        let id = buffer.id;
        stop(context, id);
    } else if buffer.told_typing.is_none_or(|told| now.saturating_sub(told) >= TELL_EVERY) {
        buffer.told_typing = Some(now);
        let envelope = Envelope::new("TYPING").to(buffer.name.clone()).param("active");
        context.send(envelope);
    }
}

/// Nothing is being written any more.
pub fn stop(context: &mut Context<'_>, id: BufferId) {
    if let Some(buffer) = context.model.buffers.get_mut(id)
        && buffer.told_typing.take().is_some()
    {
        let envelope = Envelope::new("TYPING").to(buffer.name.clone()).param("done");
        context.send(envelope);
    }
}
