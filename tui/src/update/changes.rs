//! Changes of channels: joins and departures, ranks, topics, names.
//!
//! Owns: applying and announcing them. Must not: check them; the node did.
use kirc_core::Envelope;

use super::arrive::{channel, from, sentence};
use super::focus;
use crate::commands::Context;
use crate::model::{BufferId, Kind, Line, Model, Move, What, rank_of_mode};
use crate::names::{is_channel, same};
use crate::text::{clean, clean_name};
use crate::when;

fn is_replay(envelope: &Envelope) -> bool {
    envelope.meta.get("replay").and_then(serde_json::Value::as_bool).unwrap_or(false)
}

fn line(model: &mut Model, envelope: &Envelope, kind: Kind, text: Vec<String>) -> Line {
    let at = envelope.ts.as_deref().and_then(when::parse).unwrap_or(model.now);
    let mut line = model.line_at(at, kind, text);
    line.id = envelope.id.clone();
    line.by = envelope.meta_str("actor").map(str::to_owned);
    line.seq = envelope.meta_u64("seq");
    line
}

/// Puts the line of a change into a buffer.
fn tell(model: &mut Model, id: BufferId, envelope: &Envelope, old: bool) {
    let Some((kind, text)) = describe(envelope) else {
        return;
    };
    let moves = matches!(kind, Kind::Moves(_));
    let line = line(model, envelope, kind, text.into_iter().collect());
    if let Some(buffer) = model.buffers.get_mut(id) {
        match (moves, old) {
            (true, old) => buffer.lines.insert_move(line, old),
            (false, true) => buffer.lines.insert_old(line),
            (false, false) => buffer.lines.insert(line),
        }
    }
}

/// What a change is called.
fn describe(envelope: &Envelope) -> Option<(Kind, Option<String>)> {
    let who = from(envelope);
    let reason = sentence(envelope);
    let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let moved = |came| {
        Kind::Moves(vec![Move {
            nick: who.clone(),
            came,
            reason: Some(reason.clone()).filter(|r| !r.is_empty()),
        }])
    };
    let first = || clean_name(envelope.params.first().map_or("", String::as_str));
    Some(match envelope.command.as_str() {
        "JOIN" => (moved(true), None),
        "PART" | "QUIT" => (moved(false), None),
        "KICK" => (Kind::Event, Some(format!("{who} removed {}{because}", first()))),
        "MODE" => (Kind::Event, Some(format!("{who} set {}", clean(&envelope.params.join(" "))))),
        "TOPIC" if reason.is_empty() => (Kind::Event, Some(format!("{who} cleared the topic"))),
        "TOPIC" => (Kind::Event, Some(format!("{who} set the topic{because}"))),
        "NICK" => (Kind::Event, Some(format!("{who} is now {}", first()))),
        _ => return None,
    })
}

/// A change that happened before this session began: told, not applied.
pub(super) fn past(model: &mut Model, id: BufferId, envelope: &Envelope) {
    tell(model, id, envelope, true);
}

pub(super) fn join(context: &mut Context<'_>, envelope: &Envelope) {
    let Some(name) = envelope.to.as_deref().filter(|n| is_channel(n)).map(clean_name) else {
        return;
    };
    let who = from(envelope);
    let replay = is_replay(envelope);
    if !same(&who, &context.model.me) {
        if let Some(id) = channel(context.model, Some(&name)) {
            if let Some(buffer) = context.model.buffers.get_mut(id) {
                buffer.members.add(&who, "");
            }
            if !replay {
                tell(context.model, id, envelope, false);
            }
        }
        return;
    }
    let id = context.model.buffers.open(&name);
    if let Some(buffer) = context.model.buffers.get_mut(id) {
        buffer.joined = true;
        buffer.members.add(&who, "");
    }
    if !replay {
        tell(context.model, id, envelope, false);
    }
    let label = envelope.meta_str("label");
    // Who has gone elsewhere meanwhile, or types, stays there: the rest of a line would go to the
    // new channel.
    let current = context.model.buffers.current();
    let (here, idle) = (current.id, current.editor.is_empty());
    let asked = label.and_then(|l| context.model.asks.get(l));
    let asked = asked.is_some_and(|a| matches!(a.what, What::Join(_)) && a.from == here && idle);
    let fresh =
        !context.model.touched && context.model.buffers.current_id() == context.model.buffers.status();
    if asked || fresh {
        focus(context.model, id);
    }
}

pub(super) fn part(context: &mut Context<'_>, envelope: &Envelope) {
    let who = from(envelope);
    let mine = same(&who, &context.model.me);
    let rooms: Vec<BufferId> = match envelope.to.as_deref() {
        Some(to) => channel(context.model, Some(to)).into_iter().collect(),
        None => {
            context.model.buffers.iter().filter(|b| b.members.get(&who).is_some()).map(|b| b.id).collect()
        }
    };
    for id in rooms {
        if let Some(buffer) = context.model.buffers.get_mut(id) {
            buffer.members.remove(&who);
            buffer.set_typing(&who, None);
        }
        tell(context.model, id, envelope, false);
        if mine {
            left(context.model, id);
        }
    }
}

fn left(model: &mut Model, id: BufferId) {
    if let Some(buffer) = model.buffers.get_mut(id) {
        buffer.joined = false;
        buffer.members.clear();
        buffer.typing.clear();
    }
}

pub(super) fn kick(context: &mut Context<'_>, envelope: &Envelope) {
    let Some(id) = channel(context.model, envelope.to.as_deref()) else {
        return;
    };
    let whom = clean_name(envelope.params.first().map_or("", String::as_str));
    if let Some(buffer) = context.model.buffers.get_mut(id) {
        buffer.members.remove(&whom);
        buffer.set_typing(&whom, None);
    }
    tell(context.model, id, envelope, false);
    if same(&whom, &context.model.me) {
        left(context.model, id);
        let looks = context.model.buffers.current_id() == id;
        if let Some(buffer) = context.model.buffers.get_mut(id)
            && !looks
        {
            buffer.unread += 1;
            buffer.mentions += 1;
        }
        context.effects.push(super::Effect::Bell);
    }
}

pub(super) fn mode(context: &mut Context<'_>, envelope: &Envelope) {
    let Some(id) = channel(context.model, envelope.to.as_deref()) else {
        return;
    };
    if let Some(buffer) = context.model.buffers.get_mut(id) {
        let mut words = envelope.params.iter().skip(1);
        let mut given = true;
        for c in envelope.params.first().map_or("", String::as_str).chars() {
            match c {
                '+' => given = true,
                '-' => given = false,
                'b' | 'e' | 'I' => {
                    words.next();
                }
                c => {
                    if let Some(rank) = rank_of_mode(c) {
                        if let Some(nick) = words.next() {
                            buffer.members.set_rank(&clean_name(nick), rank, given);
                        }
                    } else if c.is_ascii_alphanumeric() {
                        if c == 'k' || (c == 'l' && given) {
                            words.next();
                        }
                        set_mode(&mut buffer.modes, c, given);
                    }
                }
            }
        }
    }
    if !is_replay(envelope) {
        tell(context.model, id, envelope, false);
    }
}

fn set_mode(modes: &mut String, mode: char, given: bool) {
    let mut all: std::collections::BTreeSet<char> =
        modes.chars().filter(char::is_ascii_alphanumeric).collect();
    if given {
        all.insert(mode);
    } else {
        all.remove(&mode);
    }
    *modes = if all.is_empty() { String::new() } else { format!("+{}", all.into_iter().collect::<String>()) };
}

pub(super) fn topic(context: &mut Context<'_>, envelope: &Envelope) {
    let Some(id) = channel(context.model, envelope.to.as_deref()) else {
        return;
    };
    if let Some(buffer) = context.model.buffers.get_mut(id) {
        buffer.topic = sentence(envelope);
    }
    if !is_replay(envelope) {
        tell(context.model, id, envelope, false);
    }
}

pub(super) fn nick(context: &mut Context<'_>, envelope: &Envelope) {
    let old = from(envelope);
    let Some(new) = envelope.params.first().map(|n| clean_name(n)) else {
        return;
    };
    if old == new {
        return;
    }
    let model = &mut *context.model;
    let own = envelope.meta.get("self").is_some_and(|v| v == true);
    let mine = own || same(&old, &model.me);
    let named = envelope.to.as_deref().filter(|to| is_channel(to));
    let rooms: Vec<BufferId> = match named {
        Some(to) => channel(model, Some(to)).into_iter().collect(),
        // The node's word on one's own name: each channel that takes it says so itself, and one may
        // refuse it.
        None if own => Vec::new(),
        None => model.buffers.iter().filter(|b| b.members.get(&old).is_some()).map(|b| b.id).collect(),
    };
    for id in rooms {
        if let Some(buffer) = model.buffers.get_mut(id) {
            buffer.members.rename(&old, &new);
            buffer.set_typing(&old, None);
        }
        tell(model, id, envelope, false);
    }
    if mine {
        model.me = new.clone();
        if named.is_none() {
            let status = model.buffers.status();
            model.tell(status, Kind::Info, format!("You are now {new}."));
        }
        return;
    }
    model.people.rename(&old, &new);
    if let Some(id) = model.buffers.find(&old).filter(|_| model.buffers.find(&new).is_none()) {
        model.buffers.rename(id, &new);
        tell(model, id, envelope, false);
    }
}

pub(super) fn invite(context: &mut Context<'_>, envelope: &Envelope) {
    let name = clean_name(envelope.params.first().map_or("", String::as_str));
    if envelope.to.as_deref().is_some_and(is_channel) {
        // Somebody in a channel that we are in invited somebody else.
        if let Some(id) = channel(context.model, envelope.to.as_deref()) {
            let text = format!("{} invited {name}", from(envelope));
            let line = line(context.model, envelope, Kind::Event, vec![text]);
            if let Some(buffer) = context.model.buffers.get_mut(id) {
                buffer.lines.insert(line);
            }
        }
        return;
    }
    let text = format!("{} invites you into {name}: /join {name}", from(envelope));
    let status = context.model.buffers.status();
    let current = context.model.buffers.current_id();
    context.model.tell(status, Kind::Info, text.clone());
    if current != status {
        context.model.tell(current, Kind::Info, text);
    }
    context.effects.push(super::Effect::Bell);
}
