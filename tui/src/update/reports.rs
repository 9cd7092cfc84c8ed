//! The node's unsolicited reports: status, presence, typing, alarms, gaps, keys, contacts.
//!
//! Owns: where each is shown. Must not: soften an alarm.
use kirc_core::{Body, Envelope};
use serde_json::Value;

use super::arrive::{channel, from, home, sentence};
use super::numerics::{close, count_elsewhere, refusal};
use super::{Effect, whois};
use crate::commands::Context;
use crate::layers::{Layer, Page, Row};
use crate::model::{Kind, Service, What};
use crate::names::{is_channel, same};
use crate::text::{clean, clean_name};

/// TYPING.
pub(super) fn typing(context: &mut Context<'_>, envelope: &Envelope) {
    let who = from(envelope);
    let to = envelope.to.as_deref().unwrap_or_default();
    if same(&who, &context.model.me) {
        return;
    }
    let name = if is_channel(to) { to } else { &who };
    let until = context.model.now.saturating_add(super::typing::BELIEVE);
    let active = envelope.params.first().is_some_and(|p| p == "active");
    if let Some(buffer) = context.model.buffers.find(name).and_then(|id| context.model.buffers.get_mut(id)) {
        buffer.set_typing(&who, active.then_some(until));
    }
}

/// PRESENCE.
pub(super) fn presence(context: &mut Context<'_>, envelope: &Envelope) {
    let who = from(envelope);
    let presence = clean(envelope.params.first().map_or("", String::as_str));
    let away = sentence(envelope);
    if let Some(person) = context.model.people.entry(&who) {
        person.presence = presence;
        person.away = away;
    }
}

/// STATUS. A service that goes down or comes back is told.
pub(super) fn status(context: &mut Context<'_>, envelope: &Envelope) {
    let before = context.model.node.services.clone();
    let first = !context.model.node.heard;
    if let Some(nick) = context.model.node.read(envelope) {
        context.model.me = nick;
    }
    let page = context.model.buffers.status();
    let services = context.model.node.services.clone();
    for (name, service) in services {
        let was_up = before.get(&name).map_or(first || service.up, |s| s.up);
        match (was_up, service.up) {
            (true, false) => {
                let Service { reason, .. } = service;
                let text = format!("{name} is not reachable: {reason}. What you write waits.");
                context.model.tell(page, Kind::Error, text);
                count_elsewhere(context, page);
            }
            (false, true) => context.model.tell(page, Kind::Info, format!("{name} is reachable again.")),
            _ => {}
        }
    }
    close(context, envelope);
}

/// ALARM: in the buffer that it is about, and in the status line until it is put away.
pub(super) fn alarm(context: &mut Context<'_>, envelope: &Envelope) {
    let to = envelope.to.as_deref().unwrap_or_default();
    let kind = clean(envelope.params.first().map_or("", String::as_str));
    let text = sentence(envelope);
    let about = context.model.buffers.find(to);
    let id = about.unwrap_or_else(|| context.model.buffers.status());
    let mut said = format!("{}: {text}", kind.to_uppercase());
    if kind == "key-changed" && !to.is_empty() && !is_channel(to) {
        let nick = clean_name(to);
        said.push_str(&format!(" Compare by /verify {nick}, then /contact accept {nick}."));
        if let Some(person) = context.model.people.entry(&nick) {
            person.held = true;
        }
    }
    let current = context.model.buffers.current_id();
    if about.is_none() && current != id {
        context.model.tell(current, Kind::Alarm, said.clone());
    }
    context.model.tell(id, Kind::Alarm, said);
    let looks = current == id;
    if let Some(buffer) = context.model.buffers.get_mut(id)
        && !looks
    {
        buffer.hidden = false;
        buffer.unread = buffer.unread.saturating_add(1);
        buffer.mentions = buffer.mentions.saturating_add(1);
    }
    context.model.alarm = Some(format!("{kind} {}", clean_name(to)));
    context.effects.push(Effect::Bell);
}

/// GAP.
pub(super) fn gap(context: &mut Context<'_>, envelope: &Envelope) {
    let id = home(context.model, envelope);
    let n = clean(envelope.params.first().map_or("some", String::as_str));
    let text = sentence(envelope);
    let said = if text.is_empty() { "nobody here has them".to_owned() } else { text };
    context.model.tell(id, Kind::Gap, format!("{n} records are missing here: {said}"));
}

/// EPOCH.
pub(super) fn epoch(context: &mut Context<'_>, envelope: &Envelope) {
    let Some(id) = channel(context.model, envelope.to.as_deref()) else {
        return;
    };
    let number = clean(envelope.params.first().map_or("", String::as_str));
    let reason = clean(envelope.params.get(1).map_or("", String::as_str));
    let because = if reason.is_empty() { reason } else { format!(" ({reason})") };
    let at = envelope.ts.as_deref().and_then(crate::when::parse).unwrap_or(context.model.now);
    let mut line = context.model.line_at(at, Kind::Event, vec![format!("new key: epoch {number}{because}")]);
    line.seq = envelope.meta_u64("seq");
    if let Some(buffer) = context.model.buffers.get_mut(id) {
        buffer.lines.insert(line);
    }
    let folded = envelope.to.as_deref().map(crate::names::fold).unwrap_or_default();
    if let (Ok(epoch), Some(state)) = (number.parse(), context.model.node.channels.get_mut(&folded)) {
        state.epoch = epoch;
    }
}

/// ERROR.
pub(super) fn error(context: &mut Context<'_>, envelope: &Envelope) {
    refusal(context, envelope);
}

fn field(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).map(clean).unwrap_or_default()
}

/// CONTACT: the list, one of them, or the outcome of a decision.
pub(super) fn contact(context: &mut Context<'_>, envelope: &Envelope) {
    let id = home(context.model, envelope);
    let asked = close(context, envelope).map(|a| a.what);
    if let Some(note) = envelope.meta_str("note") {
        context.model.tell(id, Kind::Info, clean(note));
    }
    let entries = match &envelope.body {
        Some(Body::Array(entries)) => entries.as_slice(),
        _ => &[],
    };
    let mut rows = Vec::new();
    for entry in entries {
        let nick = clean_name(&field(entry, "nick"));
        let held =
            entry.get("held").is_some_and(|h| h.as_bool().unwrap_or(h.as_u64().is_some_and(|n| n > 0)));
        let (presence, trust) = (field(entry, "presence"), field(entry, "trust"));
        let fingerprint = field(entry, "fingerprint");
        rows.push(Row::Head(nick.clone()));
        rows.push(Row::Pair("trust".to_owned(), whois::trust(&trust).to_owned()));
        rows.push(Row::Pair(
            "presence".to_owned(),
            [presence.as_str(), &field(entry, "away")].join(" ").trim().to_owned(),
        ));
        rows.push(Row::Pair("fingerprint".to_owned(), fingerprint.clone()));
        if held {
            rows.push(Row::Strong(format!(
                "A new key is held back: /verify {nick}, then /contact accept {nick} or reject"
            )));
        }
        rows.push(Row::Gap);
        if let Some(person) = context.model.people.entry(&nick) {
            (person.presence, person.trust, person.fingerprint) = (presence, trust, fingerprint);
            person.away = field(entry, "away");
            person.held = held;
        }
    }
    rows.pop();
    match asked {
        Some(What::Contact(verb)) if matches!(verb.as_str(), "accept" | "reject" | "remove") => {
            let done = match verb.as_str() {
                "accept" => "The new key is accepted.",
                "reject" => "The new key is rejected.",
                _ => "The contact is removed.",
            };
            context.model.tell(id, Kind::Info, done);
        }
        Some(_) if rows.is_empty() => context.model.tell(id, Kind::Info, "There are no contacts yet."),
        Some(_) => context.model.layers.push(Layer::Page(Page::new("Contacts", rows))),
        None => {}
    }
}
