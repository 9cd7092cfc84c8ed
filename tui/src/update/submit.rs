//! Handles Enter.
//!
//! Owns: distinguishing commands from text, and keeping a text that could not be sent. Must not:
//! parse commands.
use kirc_core::Envelope;

use crate::commands::{self, Context};
use crate::model::{BufferId, Kind, What};

/// Sends the input, or carries it out.
pub(super) fn submit(context: &mut Context<'_>) {
    let buffer = context.model.buffers.current_mut();
    let text = buffer.editor.text().trim_end().to_owned();
    if text.trim().is_empty() {
        return;
    }
    let id = buffer.id;
    match carry_out(context, &text) {
        Ok(()) => {
            if let Some(buffer) = context.model.buffers.get_mut(id) {
                // A command may have changed the input; what was entered is gone from it all the
                // same.
                buffer.editor.take();
                buffer.editor.history.push(&text);
            }
            super::typing::stop(context, id);
        }
        Err(why) => context.tell(Kind::Error, why),
    }
}

/// Carries out a line that was not typed.
pub(super) fn line(context: &mut Context<'_>, text: &str) {
    if let Err(why) = carry_out(context, text) {
        context.tell(Kind::Error, why);
    }
}

fn carry_out(context: &mut Context<'_>, text: &str) -> Result<(), String> {
    if commands::is_command(text) {
        // What was meant for one person, or for kirc itself, is never said to everybody in the
        // window.
        if text.contains('\n') {
            return Err("a command is one line: remove the others, or begin with // to say it all".into());
        }
        if !text.starts_with('/') {
            return Err(
                "a command begins with /: remove what stands before it, seen or not, or write // to say it"
                    .into(),
            );
        }
        return commands::run(context, text);
    }
    let text = match text.strip_prefix('/') {
        Some(rest) if rest.starts_with('/') => rest,
        _ => text,
    };
    let lines: Vec<&str> = text.split('\n').collect();
    let to = context.model.buffers.current_id();
    commands::say(context, to, &lines, false)
}

/// Leaves a channel and closes its buffer.
pub(super) fn close_channel(context: &mut Context<'_>, id: BufferId) {
    let Some(buffer) = context.model.buffers.get(id) else {
        return;
    };
    let envelope = Envelope::new("PART").to(buffer.name.clone());
    let status = context.model.buffers.status();
    context.ask_from(status, What::Other, envelope);
    context.model.buffers.close(id);
}
