//! Commands about channels.

use kirc_core::names::casefold;
use kirc_core::{Envelope, numeric};

use super::parts;
use crate::irc::asks::{What, mode_answers};
use crate::irc::client::{Client, Turn};
use crate::irc::codec::Line;

pub fn join(client: &mut Client, turn: &mut Turn, line: &Line) {
    let list = line.params.first().map_or("", String::as_str);
    if list == "0" {
        for channel in client.marks.channels() {
            client.ask(turn, Envelope::new("PART").to(channel), What::Once);
        }
        return;
    }
    let mut keys = line.params.get(1).map_or("", String::as_str).split(',');
    for channel in parts(list) {
        let envelope = Envelope::new("JOIN").to(channel);
        let envelope = match keys.next() {
            Some(key) if !key.is_empty() => envelope.param(key),
            _ => envelope,
        };
        client.ask(turn, envelope, What::Join);
    }
}

pub fn part(client: &mut Client, turn: &mut Turn, line: &Line) {
    for channel in parts(&line.params[0]) {
        let envelope = Envelope::new("PART").to(channel);
        let envelope = match line.get(1) {
            Some(reason) => envelope.line(reason),
            None => envelope,
        };
        client.ask(turn, envelope, What::Once);
    }
}

pub fn topic(client: &mut Client, turn: &mut Turn, line: &Line) {
    let envelope = Envelope::new("TOPIC").to(line.params[0].as_str());
    match line.params.get(1) {
        Some(text) => client.ask(turn, envelope.line(text.as_str()), What::Once),
        None => client.ask(turn, envelope, What::Topic),
    }
}

pub fn names(client: &mut Client, turn: &mut Turn, line: &Line) {
    match line.get(0) {
        Some(list) => {
            for channel in parts(list) {
                client.ask(turn, Envelope::new("NAMES").to(channel), What::Names);
            }
        }
        None => client.numeric(turn, numeric::RPL_ENDOFNAMES, &["*"], ""),
    }
}

pub fn list(client: &mut Client, turn: &mut Turn, line: &Line) {
    let wanted: Vec<String> = parts(line.get(0).unwrap_or_default()).map(str::to_owned).collect();
    client.ask(turn, Envelope::new("LIST"), What::List(wanted));
}

pub fn invite(client: &mut Client, turn: &mut Turn, line: &Line) {
    let envelope = Envelope::new("INVITE").to(line.params[0].as_str()).param(line.params[1].as_str());
    client.ask(turn, envelope, What::Until("341"));
}

pub fn kick(client: &mut Client, turn: &mut Turn, line: &Line) {
    // One channel and several nicks, or as many nicks as channels (RFC 2812, section 3.2.8).
    let channels: Vec<&str> = parts(&line.params[0]).collect();
    for (i, nick) in parts(&line.params[1]).enumerate() {
        let Some(channel) = channels.get(i).or(channels.first()) else { return };
        let envelope = Envelope::new("KICK").to(*channel).param(nick);
        let envelope = match line.get(2) {
            Some(reason) => envelope.line(reason),
            None => envelope,
        };
        client.ask(turn, envelope, What::Once);
    }
}

pub fn mode(client: &mut Client, turn: &mut Turn, line: &Line) {
    let target = line.params[0].as_str();
    if target.starts_with('#') {
        let mut envelope = Envelope::new("MODE").to(target);
        envelope.params = line.params[1..].to_vec();
        let answers = mode_answers(&envelope.params);
        return client.ask(turn, envelope, What::Mode(answers));
    }
    if !client.is_me(target) && casefold(target) != casefold(&client.wished) {
        return client.numeric(turn, numeric::ERR_USERSDONTMATCH, &[], "");
    }
    user_mode(client, turn, line.params.get(1).map(String::as_str));
}

/// One's own modes: nobody lists the user of a node, so `i` is always set.
fn user_mode(client: &mut Client, turn: &mut Turn, letters: Option<&str>) {
    let Some(letters) = letters else {
        return client.numeric(turn, numeric::RPL_UMODEIS, &["+i"], "");
    };
    if letters.chars().any(|c| !matches!(c, '+' | '-' | 'i')) {
        client.numeric(turn, numeric::ERR_UMODEUNKNOWNFLAG, &[], "");
    }
}
