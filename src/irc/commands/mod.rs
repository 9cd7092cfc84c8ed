//! The commands of clients: one table of names, least numbers of parameters, and handlers.
//!
//! A handler makes envelopes of a line. Whether something is allowed is the core's to say.

mod channels;
pub mod people;
mod server;
mod talk;

use kirc_core::numeric;

use super::client::{Client, Turn};
use super::codec::Line;

type Handler = fn(&mut Client, &mut Turn, &Line);

/// A command, how many parameters it has at least, and what it does.
const TABLE: &[(&str, usize, Handler)] = &[
    ("AUTHENTICATE", 0, server::authenticate),
    ("AWAY", 0, people::away),
    ("BATCH", 1, talk::batch),
    ("CAP", 1, server::cap),
    ("CHATHISTORY", 0, super::chathistory::chathistory),
    ("INFO", 0, server::info),
    ("INVITE", 2, channels::invite),
    ("ISON", 1, people::ison),
    ("JOIN", 1, channels::join),
    ("KICK", 2, channels::kick),
    ("LIST", 0, channels::list),
    ("LUSERS", 0, server::lusers),
    ("MARKREAD", 1, Client::markread),
    ("MODE", 1, channels::mode),
    ("MOTD", 0, server::motd),
    ("NAMES", 0, channels::names),
    ("NICK", 0, people::nick),
    ("NOTICE", 0, talk::message),
    ("PART", 1, channels::part),
    ("PASS", 0, server::registered),
    ("PING", 0, server::ping),
    ("PONG", 0, server::nothing),
    ("PRIVMSG", 0, talk::message),
    ("QUIT", 0, server::quit),
    ("SETNAME", 1, people::setname),
    ("TAGMSG", 1, talk::tagmsg),
    ("TIME", 0, server::time),
    ("TOPIC", 1, channels::topic),
    ("USER", 0, server::registered),
    ("USERHOST", 1, people::userhost),
    ("VERSION", 0, server::version),
    ("WHO", 0, people::who),
    ("WHOIS", 1, people::whois),
];

/// Handles a line.
pub fn handle(client: &mut Client, turn: &mut Turn, line: &Line) {
    // A line inside of a batch belongs to its batch, whatever it is.
    if line.tag_value("batch").is_some() && talk::in_batch(client, turn, line) {
        return;
    }
    let command = line.command.as_str();
    match TABLE.iter().find(|(name, ..)| *name == command) {
        Some((_, least, _)) if line.params.len() < *least => {
            client.numeric(turn, numeric::ERR_NEEDMOREPARAMS, &[command], "");
        }
        Some((.., handler)) => handler(client, turn, line),
        None => client.numeric(turn, numeric::ERR_UNKNOWNCOMMAND, &[command], ""),
    }
}

/// The parts of a list with commas.
fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
