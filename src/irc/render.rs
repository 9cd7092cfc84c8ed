//! Envelopes as lines, by what the client has asked for.

use kirc_core::Envelope;
use kirc_core::names::NODE;
use kirc_core::numeric;
use serde_json::Value;

use super::asks::What;
use super::caps::Cap;
use super::client::{Client, Turn};
use super::codec::{LINE, Line, pieces};
use super::{SERVER, chathistory};

/// Shows an envelope that answers a question, or none.
pub fn show(client: &mut Client, turn: &mut Turn, e: &Envelope, asked: Option<&What>) {
    match e.command.as_str() {
        "PRIVMSG" | "NOTICE" => message_or_notice(client, turn, e, asked),
        "JOIN" => join(client, turn, e, asked),
        "PART" | "KICK" | "MODE" | "TOPIC" => act(client, turn, e),
        "NICK" => nick(client, turn, e),
        "INVITE" => invite(client, turn, e),
        "TYPING" => typing(client, turn, e),
        "PRESENCE" => presence(client, turn, e),
        "STATUS" => {
            for text in client.notices.status(e) {
                let line = client.notice(&text);
                client.say(turn, line);
            }
        }
        "ALARM" | "GAP" => {
            let text = format!("Warning: {}", text_of(e));
            let about = e.to.clone().filter(|to| to.starts_with('#')).unwrap_or(client.nick.clone());
            let line = Line::new("NOTICE").from(SERVER).param(about).text(text);
            client.say(turn, line);
        }
        "STATE" => state(client, turn, e),
        "MARKREAD" => client.on_markread(turn, e),
        "PONG" => {
            if let Some(What::Ping(token)) = asked {
                let line = Line::new("PONG").from(SERVER).param(SERVER).text(token);
                client.say(turn, line);
            }
        }
        "HISTORY" => match asked {
            Some(What::History(wanted)) => chathistory::answered(client, turn, (**wanted).clone(), e),
            Some(What::MarkTime(target)) => {
                let (target, arriving) = (target.clone(), client.arriving);
                client.on_mark_time(turn, &target, e, arriving);
            }
            Some(What::MarkAt(target)) => {
                let target = target.clone();
                client.on_mark_at(turn, &target, e);
            }
            _ => {}
        },
        "PROFILE" => {
            if let Some(Value::String(name)) = e.get("profile").and_then(|p| p.get("realname")) {
                let line = Line::new("SETNAME").from(client.own_prefix()).text(name);
                client.say(turn, line);
            }
        }
        "ERROR" => error(client, turn, e, asked),
        "EPOCH" | "FLUSH" => {}
        code if numeric::by_code(code).is_some() => numeric_line(client, turn, e, asked),
        _ => {}
    }
}

/// The first line of an envelope's body.
fn text_of(e: &Envelope) -> String {
    e.lines().join(" ")
}

/// The prefix of the one who says an envelope.
fn source(client: &Client, e: &Envelope) -> String {
    let from = e.from.as_deref().unwrap_or(NODE);
    match e.meta_str("actor") {
        Some(actor) => client.people.prefix(from, actor, &client.actor),
        None if from == NODE => SERVER.to_owned(),
        None => client.people.prefix_of(from).unwrap_or_else(|| from.to_owned()),
    }
}

/// Tags that say when, by whom, and which message.
fn tags(client: &Client, e: &Envelope) -> Vec<(String, String)> {
    let mut tags = Vec::new();
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|_| client.caps.allows_tag(name)) {
            tags.push((name.to_owned(), value.to_owned()));
        }
    };
    add("time", e.ts.as_deref());
    add("msgid", e.id.as_deref());
    add("account", e.meta_str("actor"));
    for (name, value) in e.meta.iter().filter(|(name, _)| name.starts_with('+')) {
        match value {
            Value::String(text) => add(name, Some(text)),
            Value::Bool(true) => add(name, Some("")),
            other => add(name, Some(&other.to_string())),
        }
    }
    tags
}

/// Says a line with an envelope's source and tags.
fn say_of(client: &mut Client, turn: &mut Turn, e: &Envelope, line: Line) {
    let line = Line { tags: tags(client, e), source: Some(source(client, e)), ..line };
    client.say(turn, line);
}

fn message_or_notice(client: &mut Client, turn: &mut Turn, e: &Envelope, asked: Option<&What>) {
    if matches!(e.meta_str("state"), Some("sending" | "waiting")) {
        if let (Some("waiting"), true) = (e.meta_str("state"), e.from.as_deref() == Some(NODE)) {
            waiting(client, turn, "*", &text_of(e));
        }
        return;
    }
    let own = e.meta.contains_key("self");
    let target = e.to.clone().unwrap_or_default();
    if own {
        client.notices.settled(&target);
    }
    let peer = if client.is_me(&target) { e.from.clone().unwrap_or_default() } else { target };
    client.marks.seen(&peer, e);
    // What this connection said itself comes back only if the client has asked for that.
    if own && asked.is_some() && !client.caps.has(Cap::EchoMessage) {
        return;
    }
    for line in message(client, e, false) {
        client.say(turn, line);
    }
}

/// A message as lines: one for each of its own, or a batch for clients that know it.
pub fn message(client: &mut Client, e: &Envelope, past: bool) -> Vec<Line> {
    let (source, tags) = (source(client, e), tags(client, e));
    let target = match e.to.as_deref().unwrap_or_default() {
        // The nick that the client believes to have.
        to if !to.starts_with('#') && !e.meta.contains_key("self") => client.nick.clone(),
        to => to.to_owned(),
    };
    let action = e.meta.get("action").and_then(Value::as_bool).unwrap_or(false);
    let frame = if action { "\u{1}ACTION \u{1}".len() } else { 0 };
    let taken = source.len() + e.command.len() + target.len() + 5 + frame;
    let room = (LINE - 2).saturating_sub(taken).max(64);
    let mut lines = Vec::new();
    for (i, text) in e.lines().into_iter().enumerate() {
        // Clients don't show a message without a text.
        let text = if text.is_empty() { " " } else { text };
        let text = match (past && i == 0 && !client.caps.has(Cap::ServerTime), &e.ts) {
            (true, Some(ts)) => format!("[{}] {text}", local_time(ts)),
            _ => text.to_owned(),
        };
        for (k, piece) in pieces(&text, room).into_iter().enumerate() {
            let piece = if action { format!("\u{1}ACTION {piece}\u{1}") } else { piece.to_owned() };
            let line = Line::new(e.command.as_str()).from(&source).param(&target).text(piece);
            lines.push((line, k > 0));
        }
    }
    super::multiline::join(client, &source, &target, tags, lines)
}

/// The time of a message for people, in their own time zone.
fn local_time(ts: &str) -> String {
    let at = ts.parse::<jiff::Timestamp>().map(|t| t.to_zoned(jiff::tz::TimeZone::system()));
    at.map_or_else(|_| ts.to_owned(), |at| at.strftime("%Y-%m-%d %H:%M").to_string())
}

fn join(client: &mut Client, turn: &mut Turn, e: &Envelope, asked: Option<&What>) {
    let channel = e.to.clone().unwrap_or_default();
    let own = e.meta.contains_key("self");
    if asked == Some(&What::Join) && e.meta.contains_key("replay") {
        // The client is in already, and IRC's JOIN says nothing then.
        return;
    }
    let line = Line::new("JOIN").param(&channel);
    let line = if client.caps.has(Cap::ExtendedJoin) {
        let account = e.meta_str("actor").unwrap_or("*").to_owned();
        line.param(account).text(e.from.as_deref().unwrap_or_default())
    } else {
        line
    };
    say_of(client, turn, e, line);
    if own && client.caps.has(Cap::ReadMarker) {
        let line = client.mark_line(&channel);
        client.say(turn, line);
    }
}

fn act(client: &mut Client, turn: &mut Turn, e: &Envelope) {
    let channel = e.to.as_deref().unwrap_or_default();
    let mut line = Line::new(e.command.as_str()).param(channel);
    line.params.extend(e.params.iter().cloned());
    let line = match (e.command.as_str(), e.lines().first()) {
        ("TOPIC", text) => line.text(text.copied().unwrap_or_default()),
        (_, Some(reason)) => line.text(*reason),
        (_, None) => line,
    };
    let out = match e.command.as_str() {
        "PART" => e.meta.contains_key("self"),
        "KICK" => e.meta_str("target") == Some(&client.actor),
        _ => false,
    };
    say_of(client, turn, e, line);
    if out {
        client.marks.leave(channel);
    }
}

fn nick(client: &mut Client, turn: &mut Turn, e: &Envelope) {
    let Some(new) = e.params.first().cloned() else { return };
    let actor = e.meta_str("actor").unwrap_or_default().to_owned();
    if actor == client.actor {
        // It is told once for all channels, and here once for each.
        if e.to.is_none() && client.nick != new {
            let line = Line::new("NICK").from(client.own_prefix()).param(&new);
            client.nick.clone_from(&new);
            client.people.rename(&actor, &new);
            client.say(turn, line);
        }
        return;
    }
    if client.people.nick(&actor) != Some(new.as_str()) {
        say_of(client, turn, e, Line::new("NICK").param(&new));
        client.people.rename(&actor, &new);
    }
}

fn invite(client: &mut Client, turn: &mut Turn, e: &Envelope) {
    let to = e.to.as_deref().unwrap_or_default();
    let other = e.params.first().cloned().unwrap_or_default();
    let (nick, channel) = if to.starts_with('#') { (other, to.to_owned()) } else { (to.to_owned(), other) };
    let me = client.is_me(&nick);
    let own = e.meta.contains_key("self");
    if (me && !to.starts_with('#')) || (!me && !own && client.caps.has(Cap::InviteNotify)) {
        say_of(client, turn, e, Line::new("INVITE").param(nick).param(channel));
    }
}

fn typing(client: &mut Client, turn: &mut Turn, e: &Envelope) {
    if !client.caps.has(Cap::MessageTags) {
        return;
    }
    let state = e.params.first().map_or("active", String::as_str).to_owned();
    let target = e.to.clone().unwrap_or_default();
    let line = Line::new("TAGMSG").from(source(client, e)).param(target).tag("+typing", state);
    client.say(turn, line);
}

fn presence(client: &mut Client, turn: &mut Turn, e: &Envelope) {
    if !client.caps.has(Cap::AwayNotify) {
        return;
    }
    let line = Line::new("AWAY");
    let line = match e.params.first().map(String::as_str) {
        Some("away") => line.text(e.lines().first().copied().unwrap_or("away")),
        Some("offline") => line.text("offline"),
        _ => line,
    };
    say_of(client, turn, e, line);
}

fn state(client: &mut Client, turn: &mut Turn, e: &Envelope) {
    let target = e.to.clone().unwrap_or_default();
    match e.params.first().map(String::as_str) {
        Some("waiting") => waiting(client, turn, &target, &text_of(e)),
        Some("failed") if e.id.as_deref().is_none_or(|id| !client.notices.knows_refusal(id)) => {
            let text = format!("A message was refused: {}", text_of(e));
            client.fail(turn, "PRIVMSG", "MESSAGE_REFUSED", &[&target], &text);
        }
        _ => {}
    }
}

/// Says that what the client said waits, once for each reason.
fn waiting(client: &mut Client, turn: &mut Turn, target: &str, reason: &str) {
    if client.notices.waits(target, reason) {
        let text = format!("Your message waits and will be sent: {reason}");
        let line = client.standard("NOTE", "PRIVMSG", "MESSAGE_WAITS", &[target], &text);
        client.say(turn, line);
    }
}

fn error(client: &mut Client, turn: &mut Turn, e: &Envelope, asked: Option<&What>) {
    let text = text_of(e);
    if e.meta.contains_key("closing") {
        turn.close = Some(format!("Closing link: {text}"));
    } else if !matches!(asked, Some(What::People | What::Missed(_) | What::MarkTime(_))) {
        let command = if asked.is_some_and(|w| matches!(w, What::History(_))) { "CHATHISTORY" } else { "*" };
        client.fail(turn, command, "MESSAGE_ERROR", &[], &text);
    }
}

fn numeric_line(client: &mut Client, turn: &mut Turn, e: &Envelope, asked: Option<&What>) {
    learn(client, e);
    if let Some(id) = e.meta_str("id") {
        client.notices.refused(id);
    }
    match (e.command.as_str(), asked) {
        (_, Some(What::People | What::Missed(_) | What::MarkTime(_) | What::MarkAt(_))) | ("001", _) => {}
        (_, Some(What::Who(_))) => super::commands::people::found(client, turn, e, asked),
        ("353" | "366" | "332" | "333", Some(What::Join)) if e.meta.contains_key("replay") => {}
        ("353" | "366", what) if what != Some(&What::Names) && client.caps.has(Cap::NoImplicitNames) => {}
        ("353", _) => names(client, turn, e),
        ("322", Some(What::List(wanted))) if !listed(wanted, e) => {}
        ("330", _) => account(client, turn, e),
        (code, Some(What::History(wanted))) if numeric::refuses(code) => {
            chathistory::refused(client, turn, &wanted.target, &text_of(e));
        }
        _ => {
            let line = as_numeric(client, e);
            client.say(turn, line);
        }
    }
}

/// A numeric as it is, with the client's own nick.
fn as_numeric(client: &Client, e: &Envelope) -> Line {
    let mut line = Line::new(e.command.as_str()).from(SERVER).param(&client.nick);
    line.params.extend(e.params.iter().cloned());
    if let ("352", Some(flags)) = (e.command.as_str(), line.params.last_mut())
        && let Some((here, signs)) = flags.split_at_checked(1)
    {
        *flags = format!("{here}{}", ranks(client, signs));
    }
    match e.lines().first() {
        Some(_) => line.text(text_of(e)),
        None => line,
    }
}

/// Who is who, from WHO and WHOIS.
fn learn(client: &mut Client, e: &Envelope) {
    match (e.command.as_str(), e.params.as_slice()) {
        ("352", [_, actor, cluster, _, nick, ..]) | ("311", [nick, actor, cluster, ..]) => {
            client.people.learn(actor, nick, cluster);
        }
        _ => {}
    }
}

fn listed(wanted: &[String], e: &Envelope) -> bool {
    use kirc_core::names::casefold;
    let name = e.params.first().map(|n| casefold(n)).unwrap_or_default();
    wanted.is_empty() || wanted.iter().any(|w| casefold(w) == name)
}

/// 330: the account is the actor; the fingerprint is a line of its own.
fn account(client: &mut Client, turn: &mut Turn, e: &Envelope) {
    let (Some(nick), Some(print)) = (e.params.first(), e.params.get(1)) else { return };
    let prefix = client.people.prefix_of(nick).unwrap_or_default();
    let actor = prefix.split(['!', '@']).nth(1).unwrap_or(print).to_owned();
    let (nick, text) = (nick.clone(), format!("{} {print}", text_of(e)));
    client.numeric(turn, numeric::RPL_WHOISACCOUNT, &[&nick, &actor], "");
    client.numeric(turn, numeric::RPL_WHOISSPECIAL, &[&nick], &text);
}

/// Ranks as the client reads them: the highest, or all with `multi-prefix`.
fn ranks<'a>(client: &Client, signs: &'a str) -> &'a str {
    if client.caps.has(Cap::MultiPrefix) { signs } else { signs.get(..1).unwrap_or_default() }
}

/// 353, in as many lines as it takes.
fn names(client: &mut Client, turn: &mut Turn, e: &Envelope) {
    let (kind, channel) = (e.params.first().cloned(), e.params.get(1).cloned());
    let (kind, channel) = (kind.unwrap_or_default(), channel.unwrap_or_default());
    let room = (LINE - 2).saturating_sub(SERVER.len() + client.nick.len() + channel.len() + 12).max(64);
    let mut text = String::new();
    let mut lines = Vec::new();
    for name in e.lines() {
        let nick = name.trim_start_matches(['~', '&', '@', '%', '+']);
        let prefix = client.people.prefix_of(nick).filter(|_| client.caps.has(Cap::UserhostInNames));
        let name = format!(
            "{}{}",
            ranks(client, &name[..name.len() - nick.len()]),
            prefix.as_deref().unwrap_or(nick)
        );
        if !text.is_empty() && text.len() + 1 + name.len() > room {
            lines.push(std::mem::take(&mut text));
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&name);
    }
    if !text.is_empty() {
        lines.push(text);
    }
    for text in lines {
        client.numeric(turn, numeric::RPL_NAMREPLY, &[&kind, &channel], &text);
    }
}
