//! The top bar and the bottom bar: topic, connection, leader, term, epoch, pending messages, typing
//! users.
//!
//! Owns: what is omitted first when space is short. Must not: say anything by colour alone.
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::model::{Buffer, Model, Place, Service};
use crate::text::{cut, display_width};
use crate::theme::{Role, Theme};
use crate::when;

/// The terminal's title: what is unread, and where one is. Clean, since all names are.
pub fn title(model: &Model) -> String {
    let (unread, mentions) = model.unread();
    let count = match (unread, mentions) {
        (0, 0) => String::new(),
        (n, 0) => format!("({n}) "),
        (n, m) => format!("({n} @{m}) "),
    };
    let profile = if model.profile == "default" {
        String::new()
    } else {
        format!(" [{}]", crate::text::clean(&model.profile))
    };
    format!("{count}{} · kirc{profile}", model.buffers.current().name)
}

/// Name, topic and modes.
pub(super) fn top(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let buffer = model.buffers.current();
    let width = usize::from(area.width);
    let bar = theme.style(Role::Bar);
    let (name, text, right) = match buffer.place {
        Place::Status => ("kirc".to_owned(), status_line(model), room(model)),
        Place::Channel => (buffer.name.clone(), buffer.topic.clone(), channel_right(buffer)),
        Place::Direct => (buffer.name.clone(), person(model, &buffer.name), trust(model, &buffer.name)),
    };
    let name = format!(" {} ", cut(&name, width / 2));
    let right = if width >= 50 && !right.is_empty() { format!(" {right} ") } else { String::new() };
    let room = width.saturating_sub(display_width(&name) + display_width(&right) + 1);
    let text = cut(&text, room);
    let free = room.saturating_sub(display_width(&text));
    let line = Line::from(vec![
        Span::styled(name, theme.style(Role::BarName)),
        Span::styled(format!(" {text}{}", " ".repeat(free)), bar),
        Span::styled(right, theme.style(Role::BarDim)),
    ]);
    frame.render_widget(Paragraph::new(line).style(bar), area);
}

fn status_line(model: &Model) -> String {
    if model.node.fingerprint.is_empty() {
        "encrypted chat without a server".to_owned()
    } else {
        format!("your fingerprint: {}", model.node.fingerprint)
    }
}

/// What the store keeps.
fn room(model: &Model) -> String {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    match model.node.room.map(|r| (r.used, r.limit)) {
        Some((used, Some(limit))) => format!("history {} of {} MiB", mib(used), mib(limit)),
        Some((used, None)) => format!("history {} MiB", mib(used)),
        None => String::new(),
    }
}

fn channel_right(buffer: &Buffer) -> String {
    if !buffer.joined {
        return "not joined".to_owned();
    }
    let n = buffer.members.len();
    let people = if n == 1 { "1 member".to_owned() } else { format!("{n} members") };
    if buffer.modes.is_empty() { people } else { format!("{} · {people}", buffer.modes) }
}

fn person(model: &Model, nick: &str) -> String {
    match model.people.get(nick) {
        Some(p) if !p.presence.is_empty() && !p.away.is_empty() => {
            format!("{}: {}", p.presence, p.away)
        }
        Some(p) => p.presence.clone(),
        None => String::new(),
    }
}

fn trust(model: &Model, nick: &str) -> String {
    match model.people.get(nick) {
        Some(p) if p.held => "KEY CHANGED".to_owned(),
        Some(p) if p.trust == "verified" => "verified".to_owned(),
        Some(p) if !p.trust.is_empty() => "not verified".to_owned(),
        _ => String::new(),
    }
}

/// A piece of the status line: how it reads where there is room, how where there is little, and how
/// much it matters.
struct Piece {
    long: String,
    short: String,
    rank: u8,
    role: Role,
}

fn piece(long: impl Into<String>, short: impl Into<String>, rank: u8, role: Role) -> Piece {
    Piece { long: long.into(), short: short.into(), rank, role }
}

/// The line above the input.
pub(super) fn status(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect, below: usize) {
    let width = usize::from(area.width);
    let mut typing = typing(model);
    let mut pieces = left(model, below);
    fit(&mut pieces, width.saturating_sub(display_width(&typing) + 1));
    let used: usize = pieces.iter().map(|p| display_width(&p.long) + 2).sum();
    typing = cut(&typing, width.saturating_sub(used + 1).max(width / 4));
    let typing_width = if typing.is_empty() { 0 } else { display_width(&typing) + 1 };
    fit(&mut pieces, width.saturating_sub(typing_width));
    let bar = theme.style(Role::Bar);
    let mut spans = vec![];
    let mut used = 0;
    for p in &pieces {
        let text = format!(" {} ", p.long);
        used += display_width(&text);
        spans.push(Span::styled(text, theme.style(p.role)));
    }
    if !typing.is_empty() {
        let fill = width.saturating_sub(used + typing_width);
        spans.push(Span::styled(" ".repeat(fill), bar));
        spans.push(Span::styled(format!("{typing} "), theme.style(Role::BarDim)));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)).style(bar), area);
}

/// Shortens what matters least, then drops it, until the rest fits.
fn fit(pieces: &mut Vec<Piece>, width: usize) {
    while pieces.iter().map(|p| display_width(&p.long) + 2).sum::<usize>() > width {
        if let Some(p) = pieces.iter_mut().filter(|p| p.long != p.short).max_by_key(|p| p.rank) {
            p.long = p.short.clone();
        } else if pieces.len() > 1 {
            let least = pieces.iter().enumerate().max_by_key(|(_, p)| p.rank).map_or(0, |(i, _)| i);
            pieces.remove(least);
        } else {
            return;
        }
    }
}

fn left(model: &Model, below: usize) -> Vec<Piece> {
    if model.quit_armed.is_some() {
        return vec![piece("C-c again leaves kirc", "C-c again leaves", 0, Role::BarWarn)];
    }
    let mut out = Vec::new();
    if let Some(alarm) = &model.alarm {
        out.push(piece(format!("ALARM {alarm} (Esc)"), format!("ALARM {}", cut(alarm, 16)), 0, Role::Alarm));
    }
    let me = if model.me.is_empty() { "…".to_owned() } else { model.me.clone() };
    let away = if model.node.away.is_some() { " (away)" } else { "" };
    out.push(piece(
        format!("{me}{away}"),
        format!("{}{}", cut(&me, 10), if away.is_empty() { "" } else { "(a)" }),
        2,
        Role::Bar,
    ));
    out.push(connection(model));
    out.extend(channel(model));
    out.extend(budget(model));
    let waits = model.node.outbox;
    if waits > 0 {
        out.push(piece(format!("{waits} waiting"), format!("{waits}w"), 0, Role::BarWarn));
    }
    if below > 0 {
        out.push(piece(format!("{below} below"), format!("+{below}"), 1, Role::BarWarn));
    }
    out
}

/// Shares of the budget that matter: from this many percent on it is worth a warning.
const MUCH: u64 = 80;

/// How much of the budget is in use. It is the first to make room for something else.
fn budget(model: &Model) -> Option<Piece> {
    let traffic = model.node.traffic?;
    let much = traffic.written.max(traffic.read) >= MUCH;
    let (rank, role) = if much { (2, Role::BarWarn) } else { (6, Role::BarDim) };
    let (written, read) = (traffic.written, traffic.read);
    let long = format!("budget: {written}% out, {read}% in");
    Some(piece(long, format!("{written}%/{read}%"), rank, role))
}

fn connection(model: &Model) -> Piece {
    if !model.node.heard {
        return piece("waiting for the node", "waiting", 1, Role::BarDim);
    }
    let down: Vec<(&str, &Service)> = model.node.down().collect();
    if down.is_empty() && model.node.is_paced() {
        return piece("connected, the budget is used up", "budget", 1, Role::BarWarn);
    }
    if down.is_empty() {
        return piece("connected", "up", 5, Role::BarDim);
    }
    let names: Vec<&str> = down.iter().map(|(name, _)| *name).collect();
    // One cause for all is what the user has to do something about.
    let cause = in_short(&down[0].1.reason)
        .filter(|c| down.iter().all(|(_, service)| in_short(&service.reason) == Some(*c)));
    let why = cause.map(|c| format!(" ({c})")).unwrap_or_default();
    let short = cause.map_or_else(|| format!("no {}", names.join(",")), str::to_owned);
    let long = down.iter().map(|(name, service)| match service.since {
        Some(at) => format!("no {name} since {}", when::local(at, &model.zone).0),
        None => format!("no {name}"),
    });
    piece(format!("{}{why}", long.collect::<Vec<_>>().join(", ")), short, 1, Role::BarWarn)
}

/// What a service's reason comes to, if it is one that the user can do something about.
fn in_short(reason: &str) -> Option<&'static str> {
    let causes = [
        ("is full", "disk full"),
        ("may not write", "no right to write"),
        ("is locked", "locked"),
        ("is damaged", "damaged"),
        ("was moved or deleted", "file gone"),
    ];
    causes.into_iter().find(|(sign, _)| reason.contains(sign)).map(|(_, short)| short)
}

fn channel(model: &Model) -> Vec<Piece> {
    let buffer = model.buffers.current();
    let Some(channel) = model.node.channel(&buffer.name).filter(|_| buffer.place == Place::Channel) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    let why = if channel.why.is_empty() { String::new() } else { format!(": {}", channel.why) };
    match channel.phase.as_str() {
        "joined" | "left" => {}
        phase => out.push(piece(cut(&format!("{phase}{why}"), 40), phase, 1, Role::BarWarn)),
    }
    if channel.leading {
        out.push(piece("you lead", "lead", 3, Role::BarDim));
    } else if !channel.leader.is_empty() {
        out.push(piece(
            format!("{} leads", channel.leader),
            format!("L:{}", cut(&channel.leader, 9)),
            3,
            Role::BarDim,
        ));
    } else if channel.phase != "leaderless" {
        out.push(piece("no leader", "no lead", 3, Role::BarWarn));
    }
    out.push(piece(
        format!("term {} epoch {}", channel.term, channel.epoch),
        format!("t{} e{}", channel.term, channel.epoch),
        4,
        Role::BarDim,
    ));
    if channel.waiting > 0 {
        out.push(piece(
            format!("{} held up here", channel.waiting),
            format!("{}h", channel.waiting),
            1,
            Role::BarWarn,
        ));
    }
    out
}

fn typing(model: &Model) -> String {
    let names: Vec<&str> = model.buffers.current().typing.iter().map(|(n, _)| n.as_str()).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!("{one} is typing…"),
        [one, two] => format!("{one} and {two} are typing…"),
        many => format!("{} are typing…", many.len()),
    }
}
