//! What a client is greeted with: 001 to 005, LUSERS, MOTD; and the commands that ask for the same.

use kirc_core::numeric;

use super::client::{Client, Turn};
use super::{SERVER, isupport};

/// The program and its version.
pub const VERSION: &str = concat!("kirc-", env!("CARGO_PKG_VERSION"));

/// Greets a client that has registered.
pub fn greet(client: &mut Client, turn: &mut Turn) {
    let welcome = format!("Welcome to kirc, {}", client.nick);
    client.numeric(turn, numeric::RPL_WELCOME, &[], &welcome);
    let host = format!("Your host is {SERVER}, your own node, running version {VERSION}");
    client.numeric(turn, numeric::RPL_YOURHOST, &[], &host);
    client.numeric(turn, numeric::RPL_CREATED, &[], "");
    let (letters, with_param) = (isupport::mode_letters(), isupport::param_letters());
    let params = [SERVER, VERSION, "i", &letters, &with_param];
    client.numeric(turn, numeric::RPL_MYINFO, &params, "");
    supported(client, turn);
    users(client, turn);
    motd(client, turn);
}

/// 005.
pub fn supported(client: &mut Client, turn: &mut Turn) {
    for tokens in isupport::lines() {
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        client.numeric(turn, numeric::RPL_ISUPPORT, &tokens, "");
    }
}

/// LUSERS: a node has one user.
pub fn users(client: &mut Client, turn: &mut Turn) {
    client.numeric(turn, numeric::RPL_LUSERCLIENT, &[], "There is 1 user on 1 server");
    client.numeric(turn, numeric::RPL_LUSERME, &[], "I have 1 client and 0 servers");
}

/// MOTD.
pub fn motd(client: &mut Client, turn: &mut Turn) {
    client.numeric(turn, numeric::ERR_NOMOTD, &[], "");
}
