//! Commands about the server and the connection.

use kirc_core::{Envelope, numeric};

use crate::irc::asks::What;
use crate::irc::client::{Client, Turn};
use crate::irc::codec::Line;
use crate::irc::hello::{self, VERSION};
use crate::irc::{SERVER, register};

pub fn cap(client: &mut Client, turn: &mut Turn, line: &Line) {
    let nick = client.nick.clone();
    for line in register::cap(&mut client.caps, &nick, line) {
        client.say(turn, line);
    }
}

pub fn authenticate(client: &mut Client, turn: &mut Turn, _line: &Line) {
    client.numeric(turn, numeric::ERR_SASLALREADY, &[], "");
}

pub fn registered(client: &mut Client, turn: &mut Turn, _line: &Line) {
    client.numeric(turn, numeric::ERR_ALREADYREGISTERED, &[], "");
}

pub fn nothing(_client: &mut Client, _turn: &mut Turn, _line: &Line) {}

/// PING goes through the node: its answer comes behind everything that was said before.
pub fn ping(client: &mut Client, turn: &mut Turn, line: &Line) {
    let Some(token) = line.params.first() else {
        return client.numeric(turn, numeric::ERR_NOORIGIN, &[], "");
    };
    client.ask(turn, Envelope::new("PING"), What::Ping(token.clone()));
}

pub fn quit(client: &mut Client, turn: &mut Turn, _line: &Line) {
    client.tell(turn, Envelope::new("QUIT"));
    turn.close = Some("Closing link: quit".into());
}

pub fn motd(client: &mut Client, turn: &mut Turn, _line: &Line) {
    hello::motd(client, turn);
}

pub fn lusers(client: &mut Client, turn: &mut Turn, _line: &Line) {
    hello::users(client, turn);
}

pub fn version(client: &mut Client, turn: &mut Turn, _line: &Line) {
    client.numeric(turn, numeric::RPL_VERSION, &[VERSION, SERVER], "A serverless, end-to-end encrypted chat");
    hello::supported(client, turn);
}

pub fn time(client: &mut Client, turn: &mut Turn, _line: &Line) {
    let now = jiff::Zoned::now().strftime("%A %B %-d %Y -- %H:%M:%S %:z").to_string();
    client.numeric(turn, numeric::RPL_TIME, &[SERVER], &now);
}

pub fn info(client: &mut Client, turn: &mut Turn, _line: &Line) {
    let lines = [
        "kirc is a serverless, end-to-end encrypted chat. This server is your own node;",
        "every channel is encrypted between the nodes of its members.",
        "Here the node encrypts and decrypts for you: whoever runs it can read along.",
    ];
    for text in lines {
        client.numeric(turn, numeric::RPL_INFO, &[], text);
    }
    client.numeric(turn, numeric::RPL_ENDOFINFO, &[], "");
}
