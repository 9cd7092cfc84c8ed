//! Commands about people: the user and others.
//!
//! Owns: their envelopes. Must not: judge keys; it only passes on the user's judgement.
use kirc_core::{Envelope, limits};

use super::{Args, Context};
use crate::model::What;

/// What `/contact` can do.
pub const CONTACT_WORDS: &[&str] = &["list", "show", "accept", "reject", "remove"];
/// What `/profile` can do.
pub const PROFILE_WORDS: &[&str] = &["show", "set", "private", "publish", "find"];

pub(super) fn nick(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    context.ask(What::Other, Envelope::new("NICK").param(args.word(0)));
    Ok(())
}

pub(super) fn whois(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    context.ask(What::Whois(args.word(0).to_owned()), Envelope::new("WHOIS").to(args.word(0)));
    Ok(())
}

pub(super) fn away(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    if args.rest.len() > limits::REASON {
        return Err(format!("An away text has at most {} bytes.", limits::REASON));
    }
    let text = if args.rest.is_empty() { "away".to_owned() } else { args.rest };
    context.ask(What::Other, Envelope::new("AWAY").line(text));
    Ok(())
}

pub(super) fn back(context: &mut Context<'_>, _: Args) -> Result<(), String> {
    context.ask(What::Other, Envelope::new("AWAY"));
    Ok(())
}

/// Where a new key is held back, which one was compared stands behind `confirm`.
pub(super) fn verify(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    let envelope = Envelope::new("VERIFY").to(args.word(0));
    let mut words = args.rest.split_whitespace();
    let word = words.next().unwrap_or_default();
    let key: String = words.collect();
    let envelope = match (word, key.is_empty()) {
        ("", _) => envelope,
        ("confirm", false) => envelope.param("confirm").param(key),
        ("confirm" | "revoke", true) => envelope.param(word),
        ("revoke", false) => return Err("Nothing can stand behind revoke.".to_owned()),
        (other, _) => return Err(format!("“{other}”? Only confirm or revoke can stand there.")),
    };
    context.ask(What::Verify(word.to_owned()), envelope);
    Ok(())
}

pub(super) fn contact(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    let verb = match args.word(0) {
        "" => "list",
        verb if CONTACT_WORDS.contains(&verb) => verb,
        other => return Err(format!("“{other}”? One of: {}.", CONTACT_WORDS.join(", "))),
    };
    let mut envelope = Envelope::new("CONTACT").param(verb);
    match (verb, args.word(1)) {
        ("list", _) => {}
        (_, "") => return Err(format!("Who? /contact {verb} NICK")),
        (_, nick) => envelope = envelope.param(nick),
    }
    context.ask(What::Contact(verb.to_owned()), envelope);
    Ok(())
}

pub(super) fn profile(context: &mut Context<'_>, args: Args) -> Result<(), String> {
    let envelope = Envelope::new("PROFILE");
    let (field, value) = args.rest.split_once(char::is_whitespace).unwrap_or((&args.rest, ""));
    let envelope = match args.word(0) {
        "" | "show" => envelope.param("show"),
        "publish" => envelope.param("publish"),
        "find" if !field.is_empty() => envelope.param("find").param(field),
        "find" => return Err("Who? /profile find NICK".to_owned()),
        verb @ ("set" | "private") => {
            if field.is_empty() {
                return Err(format!("/profile {verb} FIELD TEXT"));
            }
            let envelope = envelope.param("set").param(field).line(value.trim());
            if verb == "private" { envelope.meta("private", true) } else { envelope }
        }
        other => return Err(format!("“{other}”? One of: {}.", PROFILE_WORDS.join(", "))),
    };
    context.ask(What::Other, envelope);
    Ok(())
}
