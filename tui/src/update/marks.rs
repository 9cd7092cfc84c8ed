//! Read markers of the conversations, as the node reports them at the start and from other
//! sessions.
use kirc_core::Envelope;

use crate::model::{Buffer, Kind, LeftOff, Line, Model, Place};
use crate::text::clean_name;

/// MARKREAD: at the start how much of a conversation is unread, later what was read on another
/// screen.
pub(super) fn mark_read(model: &mut Model, envelope: &Envelope) {
    match envelope.meta_u64("unread") {
        Some(unread) => at_start(model, envelope, unread),
        None => elsewhere(model, envelope),
    }
}

fn at_start(model: &mut Model, envelope: &Envelope, unread: u64) {
    let name = clean_name(envelope.to.as_deref().unwrap_or_default());
    let id = model.buffers.open(&name);
    let Some(buffer) = model.buffers.get_mut(id) else { return };
    let count = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    buffer.unread = count(unread);
    buffer.mentions = count(envelope.meta_u64("mentions").unwrap_or(0));
    buffer.marked = envelope.params.first().cloned();
    buffer.left_off = (unread > 0).then(|| LeftOff { read: buffer.marked.clone() });
    let (marked, channel) = (buffer.marked.clone(), buffer.place == Place::Channel);
    if channel && !model.touched && marked > model.left_at {
        model.left_at = marked;
        super::focus(model, id);
    }
}

/// Puts the marker before the first line that was unread at the start, once that is here.
pub(super) fn place(buffer: &mut Buffer, more: bool) {
    let Some(left_off) = &buffer.left_off else { return };
    let unread = |line: &&Line| matches!(&line.kind, Kind::Said(said) if !said.mine);
    let marker = match &left_off.read {
        Some(read) => {
            let at = buffer.lines.iter().position(|l| l.id.as_ref() == Some(read));
            at.and_then(|at| buffer.lines.iter().skip(at + 1).find(unread))
        }
        None if more => None,
        None => buffer.lines.iter().find(unread),
    };
    if let Some(key) = marker.map(|line| line.key) {
        buffer.marker = Some(key);
        buffer.left_off = None;
    }
}

fn elsewhere(model: &mut Model, envelope: &Envelope) {
    let Some(id) = envelope.to.as_deref().and_then(|to| model.buffers.find(to)) else { return };
    let Some(buffer) = model.buffers.get_mut(id) else { return };
    let Some(read) = envelope.params.first() else { return };
    let mut unread = 0;
    let mut mentions = 0;
    let direct = buffer.place == Place::Direct;
    for line in buffer.lines.iter().rev().take_while(|l| l.id.as_ref() != Some(read)) {
        if let Kind::Said(said) = &line.kind
            && !said.mine
        {
            unread += 1;
            mentions += u32::from(said.mention || direct);
        }
    }
    buffer.unread = buffer.unread.min(unread);
    buffer.mentions = buffer.mentions.min(mentions);
    if buffer.unread == 0 {
        buffer.marker = None;
        buffer.left_off = None;
        buffer.marked = Some(read.clone());
    }
}
