//! `CHATHISTORY` (IRCv3 draft/chathistory), answered from the node's HISTORY.

use kirc_core::{Envelope, numeric};

use super::asks::What;
use super::client::{Client, Turn};
use super::codec::Line;
use super::isupport::HISTORY;

/// How a subcommand reads: its name here and in HISTORY, and how many points it has.
const SUBCOMMANDS: [(&str, &str, usize); 5] = [
    ("LATEST", "latest", 1),
    ("BEFORE", "before", 1),
    ("AFTER", "after", 1),
    ("AROUND", "around", 1),
    ("BETWEEN", "between", 2),
];

/// CHATHISTORY of a client.
pub fn chathistory(client: &mut Client, turn: &mut Turn, line: &Line) {
    let subcommand = line.get(0).unwrap_or_default().to_ascii_uppercase();
    let Some((_, name, points)) = SUBCOMMANDS.iter().find(|(name, ..)| *name == subcommand) else {
        let text = "Subcommands are LATEST, BEFORE, AFTER, AROUND and BETWEEN";
        return client.fail(turn, "CHATHISTORY", "INVALID_PARAMS", &[&subcommand], text);
    };
    let (Some(target), Some(limit)) = (line.get(1), line.get(2 + points)) else {
        return client.fail(
            turn,
            "CHATHISTORY",
            "NEED_MORE_PARAMS",
            &[&subcommand],
            "A parameter is missing",
        );
    };
    let Some(limit) = limit.parse::<usize>().ok().filter(|limit| *limit > 0) else {
        let text = "The limit is a number from 1 up";
        return client.fail(turn, "CHATHISTORY", "INVALID_PARAMS", &[&subcommand], text);
    };
    let mut envelope = Envelope::new("HISTORY").to(target).meta("limit", limit.min(HISTORY));
    if !(subcommand == "LATEST" && line.get(2) == Some("*")) {
        envelope = envelope.param(*name);
        for given in &line.params[2..2 + points] {
            let Some(point) = point(given) else {
                let text = "A point is msgid=… or timestamp=…";
                return client.fail(turn, "CHATHISTORY", "INVALID_PARAMS", &[&subcommand], text);
            };
            envelope = envelope.param(point);
        }
    }
    client.ask(turn, envelope, What::History(target.to_owned()));
}

fn point(text: &str) -> Option<String> {
    text.strip_prefix("msgid=").or_else(|| text.strip_prefix("timestamp=")).map(str::to_owned)
}

/// The node refuses: it has no such conversation.
pub fn refused(client: &mut Client, turn: &mut Turn, target: &str, why: &str) {
    let code = numeric::ERR_NOSUCHCHANNEL.text;
    let text = if why.is_empty() { code } else { why };
    client.fail(turn, "CHATHISTORY", "INVALID_TARGET", &[target], text);
}
