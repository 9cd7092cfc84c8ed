//! Commands about the screen itself.
//!
//! Owns: clearing, closing, help, quitting. Must not: change anything that the node knows, except
//! by leaving a channel.
use kirc_core::Envelope;

use super::{Args, Context};
use crate::layers::{Confirm, Decision, Layer};
use crate::model::{History, Place};
use crate::update::{Effect, help_page};

pub(super) fn clear(context: &mut Context<'_>, _: Args) -> Result<(), String> {
    let buffer = context.model.buffers.current_mut();
    buffer.lines.clear();
    buffer.marker = None;
    buffer.scroll.bottoms += 1;
    if buffer.is_talk() {
        buffer.history = History::Known { more: true };
    }
    Ok(())
}

pub(super) fn close(context: &mut Context<'_>, _: Args) -> Result<(), String> {
    let buffer = context.model.buffers.current();
    let id = buffer.id;
    match buffer.place {
        Place::Status => return Err("The status page stays. /quit leaves.".to_owned()),
        Place::Channel if buffer.joined => {
            let confirm = Confirm {
                title: format!("Close {}", buffer.name),
                text: vec![format!("Leave {} and close its buffer?", buffer.name)],
                yes: Decision::CloseChannel(id),
            };
            context.model.layers.push(Layer::Confirm(confirm));
        }
        Place::Channel | Place::Direct => context.model.buffers.close(id),
    }
    Ok(())
}

pub(super) fn help(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    let name = args.word(0).trim_start_matches('/');
    if !name.is_empty() {
        let command = super::find(name).ok_or_else(|| format!("There is no command /{name}."))?;
        context.tell(crate::model::Kind::Info, format!("{}: {}", command.usage(), command.help));
        return Ok(());
    }
    context.model.layers.push(Layer::Page(help_page()));
    Ok(())
}

pub(super) fn quit(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    let envelope = Envelope::new("QUIT");
    context.send(if args.rest.is_empty() { envelope } else { envelope.line(args.rest) });
    context.effects.push(Effect::Quit);
    Ok(())
}
