//! Commands about people: others, and oneself.

use kirc_core::names::casefold;
use kirc_core::{Envelope, numeric};

use super::parts;
use crate::irc::SERVER;
use crate::irc::asks::What;
use crate::irc::client::{Client, Turn};
use crate::irc::codec::Line;

/// Nicks of one USERHOST or ISON.
const NICKS: usize = 5;

pub fn who(client: &mut Client, turn: &mut Turn, line: &Line) {
    match line.get(0) {
        // The node answers about others.
        Some(target) if client.is_me(target) => {
            let (nick, prefix) = (client.nick.clone(), client.own_prefix());
            let (actor, cluster) = user_and_host(&prefix);
            let text = format!("0 {nick}");
            let params = ["*", actor, cluster, SERVER, &nick, "H"];
            client.numeric(turn, numeric::RPL_WHOREPLY, &params, &text);
            client.numeric(turn, numeric::RPL_ENDOFWHO, &[target], "");
        }
        Some(target) => client.ask(turn, Envelope::new("WHO").to(target), What::Until("315")),
        None => client.numeric(turn, numeric::RPL_ENDOFWHO, &["*"], ""),
    }
}

pub fn whois(client: &mut Client, turn: &mut Turn, line: &Line) {
    // WHOIS may name a server first; the nick is the last one then.
    let nicks = line.get(1).or(line.get(0)).unwrap_or_default();
    if nicks.is_empty() {
        return client.numeric(turn, numeric::ERR_NONICKNAMEGIVEN, &[], "");
    }
    for nick in parts(nicks).take(1) {
        client.ask(turn, Envelope::new("WHOIS").to(nick), What::Until("318"));
    }
}

pub fn nick(client: &mut Client, turn: &mut Turn, line: &Line) {
    match line.get(0) {
        Some(nick) => client.ask(turn, Envelope::new("NICK").param(nick), What::Once),
        None => client.numeric(turn, numeric::ERR_NONICKNAMEGIVEN, &[], ""),
    }
}

pub fn away(client: &mut Client, turn: &mut Turn, line: &Line) {
    let envelope = Envelope::new("AWAY");
    let envelope = match line.get(0) {
        Some(text) => envelope.line(text),
        None => envelope,
    };
    client.ask(turn, envelope, What::Once);
}

pub fn setname(client: &mut Client, turn: &mut Turn, line: &Line) {
    let envelope = Envelope::new("PROFILE").param("set").param("realname").line(line.params[0].as_str());
    client.ask(turn, envelope, What::Once);
}

pub fn userhost(client: &mut Client, turn: &mut Turn, line: &Line) {
    let nicks: Vec<String> = line.params.iter().take(NICKS).cloned().collect();
    ask_each(client, turn, "302", &nicks);
}

pub fn ison(client: &mut Client, turn: &mut Turn, line: &Line) {
    let nicks: Vec<String> = line.params.iter().flat_map(|p| p.split(' ')).map(str::to_owned).collect();
    ask_each(client, turn, "303", &nicks);
}

/// Asks about nicks one after the other; what is still to be asked is kept in the question:
/// numeric, nicks that are left, and what was found.
fn ask_each(client: &mut Client, turn: &mut Turn, code: &str, nicks: &[String]) {
    let left: Vec<&str> = nicks.iter().map(String::as_str).filter(|n| !n.is_empty()).collect();
    next(client, turn, &format!("{code}\n{}\n", left.join(" ")));
}

fn next(client: &mut Client, turn: &mut Turn, state: &str) {
    let mut fields = state.splitn(3, '\n');
    let (code, left, found) = (fields.next(), fields.next(), fields.next().unwrap_or_default());
    match left.unwrap_or_default().split(' ').next().filter(|nick| !nick.is_empty()) {
        Some(nick) if client.is_me(nick) => {
            let (own, prefix) = (client.nick.clone(), client.own_prefix());
            let (actor, cluster) = user_and_host(&prefix);
            let one = if code == Some("302") { format!("{own}=+{actor}@{cluster}") } else { own };
            let left = left.unwrap_or_default().split_once(' ').map_or("", |(_, left)| left);
            next(client, turn, &format!("{}\n{left}\n{found} {one}", code.unwrap_or_default()));
        }
        Some(nick) => client.ask(turn, Envelope::new("WHO").to(nick), What::Who(state.to_owned())),
        None => {
            let numeric = if code == Some("302") { numeric::RPL_USERHOST } else { numeric::RPL_ISON };
            let line = crate::irc::register::reply(numeric, &client.nick, &[], "").text(found.trim());
            client.say(turn, line);
        }
    }
}

/// An answer to a WHO of USERHOST or ISON.
pub fn found(client: &mut Client, turn: &mut Turn, e: &Envelope, asked: Option<&What>) {
    let Some(What::Who(state)) = asked else { return };
    let mut fields = state.splitn(3, '\n');
    let (code, left, found) = (fields.next(), fields.next(), fields.next());
    let (Some(code), Some(left), Some(found)) = (code, left, found) else { return };
    let asked = left.split(' ').next().unwrap_or_default();
    match e.params.as_slice() {
        [_, actor, cluster, _, nick, flags, ..]
            if e.command == "352" && casefold(nick) == casefold(asked) =>
        {
            let away = if flags.starts_with('G') { '-' } else { '+' };
            let one = if code == "302" { format!("{nick}={away}{actor}@{cluster}") } else { nick.clone() };
            client.asks.update(e, What::Who(format!("{code}\n{left}\n{found} {one}")));
        }
        _ if e.command == "352" => {}
        _ => {
            let left = left.split_once(' ').map_or("", |(_, left)| left);
            next(client, turn, &format!("{code}\n{left}\n{found}"));
        }
    }
}

/// User and host of a prefix.
fn user_and_host(prefix: &str) -> (&str, &str) {
    prefix.split_once('!').and_then(|(_, rest)| rest.split_once('@')).unwrap_or(("*", "*"))
}
