//! Messages: arrivals, changes of their state, history.
//!
//! Owns: which line belongs to a message, and what counts as unread. Must not: decide a message's
//! state; the node does.
use kirc_core::{Body, Envelope};

use super::arrive::{from, sentence};
use super::{Effect, changes};
use crate::commands::{Context, fold_width};
use crate::model::{BufferId, History, Kind, Line, Model, Namesake, Place, Said, State, What};
use crate::names::{is_channel, same};
use crate::text::{clean, clean_lines, clean_name};
use crate::when;

/// What stands where history ends that began earlier.
const TRIMMED: &str = "What was said before this is no longer kept: the oldest goes when there is too much (KIRC_HISTORY_LIMIT).";

/// PRIVMSG and NOTICE.
pub(super) fn said(context: &mut Context<'_>, envelope: &Envelope) {
    if envelope.from.is_none() {
        // The node itself speaks.
        let home = super::arrive::home(context.model, envelope);
        for text in clean_lines(envelope.lines()) {
            context.model.tell(home, Kind::Info, text);
        }
        return;
    }
    let id = room(context.model, envelope);
    place(context, id, envelope, false);
}

fn is_mine(model: &Model, envelope: &Envelope) -> bool {
    let claimed = envelope.meta.get("self").and_then(serde_json::Value::as_bool);
    claimed.unwrap_or_else(|| envelope.from.as_deref().is_some_and(|f| same(f, &model.me)))
}

/// Whose record it is, if it is not one's own.
fn author(envelope: &Envelope, mine: bool) -> Option<String> {
    envelope.meta_str("actor").filter(|_| !mine).map(str::to_owned)
}

/// The buffer a message belongs to, opened if need be.
fn room(model: &mut Model, envelope: &Envelope) -> BufferId {
    let to = envelope.to.as_deref().unwrap_or_default();
    let mine = is_mine(model, envelope);
    let name = if is_channel(to) || mine { clean_name(to) } else { from(envelope) };
    model.buffers.open(&name)
}

fn place(context: &mut Context<'_>, id: BufferId, envelope: &Envelope, old: bool) {
    let model = &mut *context.model;
    let mine = is_mine(model, envelope);
    let by = from(envelope);
    let Some(existing) = find(model, id, envelope, mine) else {
        let line = new_line(model, id, envelope, mine);
        return arrive(context, id, line, &by, old);
    };
    let at = envelope.ts.as_deref().and_then(when::parse);
    let zone = model.zone.clone();
    let Some(buffer) = model.buffers.get_mut(id) else {
        return;
    };
    let Some(mut line) = buffer.lines.take(existing) else {
        return;
    };
    line.touch();
    line.id = envelope.id.clone().or(line.id);
    line.seq = envelope.meta_u64("seq").or(line.seq);
    if let Some(at) = at {
        line.at = at;
        (line.clock, line.day) = when::local(at, &zone);
    }
    let text = clean_lines(envelope.lines());
    if !text.is_empty() {
        line.text = text;
    }
    line.state = state_of(envelope).or(line.state.filter(|s| !matches!(s, State::Sending | State::Waiting)));
    line.reason = reason_of(envelope);
    buffer.lines.insert(line);
    if let Some(label) = envelope.meta_str("label")
        && state_of(envelope) != Some(State::Sending)
    {
        context.model.asks.close(label);
    }
}

/// The line that an envelope is about: by id, by label, or one's own oldest nameless one with the
/// same text.
fn find(model: &mut Model, id: BufferId, envelope: &Envelope, mine: bool) -> Option<u64> {
    let buffer = model.buffers.get_mut(id)?;
    let record = envelope.id.clone().map(|id| (id, author(envelope, mine)));
    if let Some(line) = record.and_then(|r| buffer.lines.by_record_mut(&r)) {
        return Some(line.key);
    }
    if !mine {
        return None;
    }
    if let Some(label) = envelope.meta_str("label") {
        return buffer.lines.by_label_mut(label).map(|l| l.key);
    }
    let text = clean_lines(envelope.lines());
    buffer.lines.iter().find(|l| l.id.is_none() && l.is_pending() && l.text == text).map(|l| l.key)
}

fn state_of(envelope: &Envelope) -> Option<State> {
    envelope.meta_str("state").and_then(State::parse)
}

fn reason_of(envelope: &Envelope) -> Option<String> {
    envelope.meta_str("reason").map(clean).filter(|r| !r.is_empty())
}

fn flag(envelope: &Envelope, name: &str) -> bool {
    envelope.meta.get(name).and_then(serde_json::Value::as_bool).unwrap_or(false)
}

fn namesake(envelope: &Envelope) -> Option<Namesake> {
    let alike = envelope.meta_str("looks_like").map(|nick| Namesake::Alike(clean_name(nick)));
    flag(envelope, "namesake").then(|| alike.unwrap_or(Namesake::Same))
}

fn new_line(model: &mut Model, id: BufferId, envelope: &Envelope, mine: bool) -> Line {
    let from = from(envelope);
    let buffer = model.buffers.get(id);
    let said = Said {
        rank: buffer.and_then(|b| b.members.get(&from)).and_then(|m| m.rank()),
        from,
        action: flag(envelope, "action"),
        notice: envelope.command == "NOTICE",
        mine,
        mention: !mine && flag(envelope, "mention"),
        late: flag(envelope, "late"),
        namesake: namesake(envelope).filter(|_| !mine),
    };
    let at = envelope.ts.as_deref().and_then(when::parse).unwrap_or(model.now);
    let mut line = model.line_at(at, Kind::Said(said), clean_lines(envelope.lines()));
    line.id = envelope.id.clone();
    line.by = author(envelope, mine);
    line.seq = envelope.meta_u64("seq");
    line.state = state_of(envelope);
    line.reason = reason_of(envelope);
    line
}

fn arrive(context: &mut Context<'_>, id: BufferId, line: Line, author: &str, old: bool) {
    let current = context.model.buffers.current_id() == id;
    let focused = context.model.attends();
    let Some(buffer) = context.model.buffers.get_mut(id) else {
        return;
    };
    let (mine, mention, rank) = match &line.kind {
        Kind::Said(said) => (said.mine, said.mention, said.rank.is_some()),
        _ => (true, false, false),
    };
    buffer.nick_width = buffer.nick_width.max(fold_width(author) + usize::from(rank));
    if old {
        buffer.lines.insert_old(line);
        return;
    }
    let known = line.record().is_some_and(|r| buffer.lines.has(&r));
    let mention = mention || buffer.place == Place::Direct;
    buffer.members.spoke(author);
    buffer.set_typing(author, None);
    let on_screen = current && focused && buffer.at_bottom;
    if !(mine || known || on_screen) {
        buffer.count(&line, mention);
        if mention {
            context.effects.push(Effect::Bell);
        }
    }
    if mine && !known {
        // Who answers, perhaps on another screen, has seen what stood before.
        buffer.seen();
        buffer.marker = None;
    }
    buffer.lines.insert(line);
    buffer.trim();
}

/// STATE.
pub(super) fn state(context: &mut Context<'_>, envelope: &Envelope) {
    let (Some(id), Some(state)) =
        (envelope.id.as_deref(), envelope.params.first().and_then(|p| State::parse(p)))
    else {
        return;
    };
    let reason = Some(sentence(envelope)).filter(|r| !r.is_empty());
    let label = envelope.meta_str("label").map(str::to_owned);
    let near = envelope.to.as_deref().and_then(|to| context.model.buffers.find(to));
    for buffer in context.model.buffers.iter_mut() {
        if near.is_some_and(|n| n != buffer.id) {
            continue;
        }
        let known = buffer.lines.by_record_mut(&(id.to_owned(), None)).map(|l| l.key);
        let key =
            known.or_else(|| label.as_deref().and_then(|l| buffer.lines.by_label_mut(l)).map(|l| l.key));
        if let Some(mut line) = key.and_then(|k| buffer.lines.take(k)) {
            line.id = Some(id.to_owned());
            line.state = Some(state);
            line.reason = reason;
            line.touch();
            let key = line.key;
            buffer.lines.insert(line);
            if state == State::Read {
                buffer.lines.read_before(key);
            }
            return;
        }
    }
}

/// A text was refused before it was a message, or later: it stays, with the reason. True if a line
/// was found.
pub(super) fn refused(model: &mut Model, envelope: &Envelope) -> bool {
    let label = envelope.meta_str("label");
    let id = envelope.meta_str("id").or(envelope.id.as_deref());
    let reason = sentence(envelope);
    for buffer in model.buffers.iter_mut() {
        let key = id.and_then(|i| buffer.lines.by_record_mut(&(i.to_owned(), None))).map(|l| l.key);
        let key = key.or_else(|| label.and_then(|l| buffer.lines.by_label_mut(l)).map(|l| l.key));
        if let Some(mut line) = key.and_then(|k| buffer.lines.take(k)) {
            line.state = Some(State::Failed);
            line.reason = Some(reason);
            line.touch();
            buffer.lines.insert(line);
            if let Some(label) = label {
                model.asks.close(label);
            }
            return true;
        }
    }
    false
}

/// HISTORY.
pub(super) fn history(context: &mut Context<'_>, envelope: &Envelope) {
    let asked = envelope.meta_str("label").and_then(|l| context.model.asks.close(l));
    let asked = match asked.map(|a| a.what) {
        Some(What::History(id)) => Some(id),
        _ => None,
    };
    let named = envelope.to.as_deref().and_then(|to| context.model.buffers.find(to));
    let Some(id) = asked.or(named) else {
        return;
    };
    if let Some(Body::Array(records)) = &envelope.body {
        for record in records {
            let Ok(record) = serde_json::from_value::<Envelope>(record.clone()) else {
                continue;
            };
            match record.command.as_str() {
                "PRIVMSG" | "NOTICE" if record.from.is_some() => place(context, id, &record, true),
                _ => changes::past(context.model, id, &record),
            }
        }
    }
    let more = flag(envelope, "more");
    if flag(envelope, "trimmed") && !more {
        // Without a word it would look like the beginning.
        let first = context.model.buffers.get(id).and_then(|b| b.lines.get(0)).map(|l| l.at);
        let at = first.unwrap_or(context.model.now);
        let line = context.model.line_at(at, Kind::Info, vec![TRIMMED.to_owned()]);
        if let Some(buffer) = context.model.buffers.get_mut(id) {
            buffer.lines.insert_first(line);
        }
    }
    if let Some(buffer) = context.model.buffers.get_mut(id) {
        buffer.history = History::Known { more };
        super::marks::place(buffer, more);
    }
}
