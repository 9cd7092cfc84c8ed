//! Commands that send messages.
//!
//! Owns: turning text into messages that are shown at once. Must not: decide whether they were
//! sent.
use kirc_core::{Envelope, limits};

use super::{Args, Context, fold_width};
use crate::model::{BufferId, Kind, Place, Said, State, What};
use crate::names::{is_channel, same};
use crate::text::clean_lines;
use crate::update::typing;

/// Says lines in a buffer. They show at once as *sending*; the node's answer moves them to their
/// place.
pub fn say(context: &mut Context<'_>, to: BufferId, lines: &[&str], action: bool) -> Result<(), String> {
    if let Some(why) = too_large(lines) {
        return Err(why);
    }
    let Some(buffer) = context.model.buffers.get(to) else {
        return Err("That buffer is gone.".to_owned());
    };
    if buffer.place == Place::Status {
        return Err("This is the status page. /join a channel or /query somebody.".to_owned());
    }
    if buffer.place == Place::Channel && !buffer.joined {
        return Err(format!("You are not in {0}. /join {0}", buffer.name));
    }
    let mut envelope = Envelope::new("PRIVMSG").to(buffer.name.clone());
    for line in lines {
        envelope = envelope.line(*line);
    }
    if action {
        envelope = envelope.meta("action", true);
    }
    let me = context.model.me.clone();
    let rank = buffer.members.get(&me).and_then(|m| m.rank());
    let label = context.ask_from(to, What::Text(to), envelope);
    let said = Said { from: me.clone(), rank, action, mine: true, ..Said::default() };
    let mut line = context.model.line(Kind::Said(said), clean_lines(lines.iter().copied()));
    line.label = Some(label);
    line.state = Some(State::Sending);
    if let Some(buffer) = context.model.buffers.get_mut(to) {
        buffer.lines.insert(line);
        buffer.nick_width = buffer.nick_width.max(fold_width(&me) + usize::from(rank.is_some()));
        buffer.members.spoke(&me);
        buffer.marker = None;
        buffer.scroll.bottoms += 1;
    }
    typing::stop(context, to);
    Ok(())
}

/// Why lines can't be one message, if they can't.
pub fn too_large(lines: &[&str]) -> Option<String> {
    if lines.len() > limits::LINES {
        return Some(format!("A message has at most {} lines; this has {}.", limits::LINES, lines.len()));
    }
    let long = lines.iter().map(|l| l.len()).max().unwrap_or(0);
    if long > limits::LINE {
        return Some(format!("A line has at most {} bytes; this one has {long}.", limits::LINE));
    }
    let all: usize = lines.iter().map(|l| l.len()).sum();
    (all > limits::ENVELOPE / 2).then(|| format!("That is too much for one message: {all} bytes."))
}

fn room(context: &mut Context<'_>, name: &str) -> Result<BufferId, String> {
    if name.contains(',') {
        return Err("One name at a time.".to_owned());
    }
    if is_channel(name) {
        return context
            .model
            .buffers
            .find(name)
            .ok_or_else(|| format!("You are not in {name}. /join {name}"));
    }
    if same(name, "status") && context.model.me.is_empty() {
        return Err("The node has not answered yet.".to_owned());
    }
    Ok(context.model.buffers.open(name))
}

pub(super) fn msg(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    let to = room(context, args.word(0))?;
    let lines: Vec<&str> = args.rest.lines().collect();
    say(context, to, &lines, false)
}

pub(super) fn query(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    let to = room(context, args.word(0))?;
    crate::update::focus(context.model, to);
    if args.rest.is_empty() {
        return Ok(());
    }
    let lines: Vec<&str> = args.rest.lines().collect();
    say(context, to, &lines, false)
}

pub(super) fn me(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    let to = context.model.buffers.current_id();
    let lines: Vec<&str> = args.rest.lines().collect();
    say(context, to, &lines, true)
}
