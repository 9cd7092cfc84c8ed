//! Handles an envelope from the node.
//!
//! Owns: which module of `update` handles which command. Must not: read bodies.
use kirc_core::Envelope;

use super::{changes, marks, messages, numerics, reports};
use crate::commands::Context;
use crate::model::{BufferId, Model, Place};
use crate::names::is_channel;
use crate::text::clean_name;

pub(super) fn envelope(context: &mut Context<'_>, envelope: &Envelope) {
    match envelope.command.as_str() {
        "PRIVMSG" | "NOTICE" => messages::said(context, envelope),
        "STATE" => messages::state(context, envelope),
        "HISTORY" => messages::history(context, envelope),
        "MARKREAD" => marks::mark_read(context.model, envelope),
        "JOIN" => changes::join(context, envelope),
        "PART" | "QUIT" => changes::part(context, envelope),
        "KICK" => changes::kick(context, envelope),
        "MODE" => changes::mode(context, envelope),
        "TOPIC" => changes::topic(context, envelope),
        "NICK" => changes::nick(context, envelope),
        "INVITE" => changes::invite(context, envelope),
        "TYPING" => reports::typing(context, envelope),
        "PRESENCE" => reports::presence(context, envelope),
        "STATUS" => reports::status(context, envelope),
        "ALARM" => reports::alarm(context, envelope),
        "GAP" => reports::gap(context, envelope),
        "EPOCH" => reports::epoch(context, envelope),
        "ERROR" => reports::error(context, envelope),
        "VERIFY" => super::whois::verify(context, envelope),
        "CONTACT" => reports::contact(context, envelope),
        "PROFILE" => super::whois::profile(context, envelope),
        code if code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit()) => {
            numerics::numeric(context, envelope)
        }
        // What a later version says is not this one's business.
        _ => {}
    }
}

/// Who an envelope is from, clean.
pub(super) fn from(envelope: &Envelope) -> String {
    clean_name(envelope.from.as_deref().unwrap_or_default())
}

/// The sentence of a body, clean.
pub(super) fn sentence(envelope: &Envelope) -> String {
    envelope.lines().first().map(|l| crate::text::clean(l)).unwrap_or_default()
}

/// The buffer that an answer belongs to: where it was asked, else the channel it speaks of, else
/// the status page.
pub(super) fn home(model: &Model, envelope: &Envelope) -> BufferId {
    let asked = envelope.meta_str("label").and_then(|l| model.asks.get(l)).map(|a| a.from);
    let names = envelope.to.iter().chain(envelope.params.iter().take(2));
    asked
        .filter(|id| model.buffers.get(*id).is_some())
        .or_else(|| names.filter(|n| is_channel(n)).find_map(|n| model.buffers.find(n)))
        .unwrap_or_else(|| model.buffers.status())
}

/// The buffer of the channel an envelope is about, if it is open.
pub(super) fn channel(model: &Model, name: Option<&str>) -> Option<BufferId> {
    let id = model.buffers.find(name?)?;
    model.buffers.get(id).filter(|b| b.place == Place::Channel).map(|b| b.id)
}
