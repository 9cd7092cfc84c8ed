//! Commands about channels.
//!
//! Owns: their envelopes. Must not: decide whether they are allowed; the node does.
use kirc_core::{Envelope, limits};

use super::{Args, Context};
use crate::model::{Place, What};
use crate::names::is_channel;

pub(super) fn join(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    let name = match args.word(0) {
        name if is_channel(name) => name.to_owned(),
        name => format!("#{name}"),
    };
    if let Some(id) = context.model.buffers.find(&name)
        && context.model.buffers.get(id).is_some_and(|b| b.joined)
    {
        crate::update::focus(context.model, id);
        return Ok(());
    }
    let mut envelope = Envelope::new("JOIN").to(name.clone());
    if !args.word(1).is_empty() {
        envelope = envelope.param(args.word(1));
    }
    context.ask(What::Join(name), envelope);
    Ok(())
}

pub(super) fn part(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    let envelope = Envelope::new("PART").to(args.channel);
    let envelope = if args.rest.is_empty() { envelope } else { envelope.line(args.rest) };
    context.ask(What::Other, envelope);
    Ok(())
}

pub(super) fn topic(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    let envelope = Envelope::new("TOPIC").to(args.channel);
    let envelope = match args.rest.as_str() {
        "" => envelope,
        "-clear" => envelope.line(""),
        text if text.len() > limits::TOPIC => {
            return Err(format!("A topic has at most {} bytes; this has {}.", limits::TOPIC, text.len()));
        }
        text => envelope.line(text),
    };
    context.ask(What::Other, envelope);
    Ok(())
}

pub(super) fn mode(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    let mut envelope = Envelope::new("MODE").to(args.channel.clone());
    for word in args.rest.split_whitespace() {
        envelope = envelope.param(word);
    }
    let list = envelope.params.len() == 1 && matches!(args.rest.trim_start_matches('+'), "b" | "e" | "I");
    let what = if list { What::Masks(args.channel) } else { What::Other };
    context.ask(what, envelope);
    Ok(())
}

fn rank(context: &mut Context<'_>, args: Args, sign: char, mode: char) -> Result<(), String> {
    if args.words.len() > limits::MODES {
        return Err(format!("At most {} at a time.", limits::MODES));
    }
    let mut modes = String::from(sign);
    modes.extend(std::iter::repeat_n(mode, args.words.len()));
    let mut envelope = Envelope::new("MODE").to(args.channel).param(modes);
    for nick in args.words {
        envelope = envelope.param(nick);
    }
    context.ask(What::Other, envelope);
    Ok(())
}

pub(super) fn op(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    rank(context, args, '+', 'o')
}

pub(super) fn deop(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    rank(context, args, '-', 'o')
}

pub(super) fn voice(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    rank(context, args, '+', 'v')
}

pub(super) fn devoice(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    rank(context, args, '-', 'v')
}

pub(super) fn kick(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    let envelope = Envelope::new("KICK").to(args.channel.clone()).param(args.word(0));
    let envelope = if args.rest.is_empty() { envelope } else { envelope.line(args.rest) };
    context.ask(What::Other, envelope);
    Ok(())
}

fn mask(word: &str) -> String {
    if word.contains(['!', '@', '*', '?', ':', '$']) { word.to_owned() } else { format!("{word}!*@*") }
}

pub(super) fn ban(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    let envelope = Envelope::new("MODE").to(args.channel.clone()).param("+b");
    if args.word(0).is_empty() {
        context.ask(What::Masks(args.channel), envelope);
    } else {
        context.ask(What::Other, envelope.param(mask(args.word(0))));
    }
    Ok(())
}

pub(super) fn unban(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    let envelope = Envelope::new("MODE").to(args.channel.clone()).param("-b");
    context.ask(What::Other, envelope.param(mask(args.word(0))));
    Ok(())
}

pub(super) fn invite(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    let buffer = context.model.buffers.current();
    let channel = match args.word(1) {
        "" if buffer.place == Place::Channel => buffer.name.clone(),
        "" => return Err("Into which channel? /invite NICK #CHANNEL".to_owned()),
        name => name.to_owned(),
    };
    context.ask(What::Other, Envelope::new("INVITE").to(args.word(0)).param(channel));
    Ok(())
}

pub(super) fn names(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    context.ask(What::Names, Envelope::new("NAMES").to(args.channel));
    Ok(())
}

pub(super) fn list(context: &mut Context<'_>, _: Args) -> Result<(), String> {
    context.ask(What::List, Envelope::new("LIST"));
    Ok(())
}

pub(super) fn rotate(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    context.ask(What::Other, Envelope::new("ROTATE").to(args.channel));
    Ok(())
}
