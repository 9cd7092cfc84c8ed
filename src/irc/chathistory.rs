//! `CHATHISTORY` (IRCv3 draft/chathistory), answered from the node's HISTORY.
//!
//! The node's history has what changed a channel, too. That is left out here, and what is missing
//! is asked for again.

use kirc_core::{Envelope, limits, numeric};

use super::asks::What;
use super::client::{Client, Turn};
use super::codec::Line;
use super::playback::{envelopes, is_said, play};

/// How a subcommand reads: its name here and in HISTORY, and how many points it has.
const SUBCOMMANDS: [(&str, &str, usize); 5] = [
    ("LATEST", "latest", 1),
    ("BEFORE", "before", 1),
    ("AFTER", "after", 1),
    ("AROUND", "around", 1),
    ("BETWEEN", "between", 2),
];
/// How often more is asked for.
const ROUNDS: usize = 20;

/// What a client has asked for, and what of it is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The conversation.
    pub target: String,
    limit: usize,
    /// The parameters of the last HISTORY.
    params: Vec<String>,
    found: Vec<Envelope>,
    rounds: usize,
}

impl Wanted {
    fn question(&self) -> Envelope {
        let missing = self.limit.saturating_sub(self.found.len()).max(1);
        let envelope = Envelope::new("HISTORY").to(self.target.as_str()).meta("limit", missing);
        Envelope { params: self.params.clone(), ..envelope }
    }

    /// Takes in an answer; whether more has to be asked for.
    fn take(&mut self, answer: &Envelope) -> bool {
        let mut all = envelopes(answer);
        let more = answer.meta.get("more").and_then(serde_json::Value::as_bool).unwrap_or(false);
        let ends = (all.first().and_then(|e| e.id.clone()), all.last().and_then(|e| e.id.clone()));
        all.retain(is_said);
        // Of the newest the older ones are missing, of the oldest the newer ones.
        let newest = match self.params.first().map(String::as_str) {
            None | Some("latest" | "before") => true,
            Some("between") => self.runs_backwards(),
            _ => false,
        };
        if newest {
            all.append(&mut self.found);
            self.found = all;
        } else {
            self.found.append(&mut all);
        }
        if self.params.first().is_some_and(|name| name == "around") {
            return false;
        }
        self.rounds += 1;
        let (Some(first), Some(last)) = ends else { return false };
        let far = self.params.last().filter(|_| self.params.len() > 1).cloned();
        let list = |parts: &[&str]| parts.iter().map(|p| (*p).to_owned()).collect();
        self.params = match (self.params.first().map(String::as_str), far) {
            (Some("latest" | "between"), Some(far)) if newest => list(&["between", &first, &far]),
            (Some("between"), Some(far)) => list(&["between", &last, &far]),
            _ if newest => list(&["before", &first]),
            _ => list(&["after", &last]),
        };
        more && self.found.len() < self.limit && self.rounds < ROUNDS
    }

    /// Whether BETWEEN names the later end first. Ids and times are compared by their times.
    fn runs_backwards(&self) -> bool {
        use kirc_core::envelope::parse_ts;
        use kirc_core::ids::MsgId;
        let time = |p: &String| MsgId::parse(p).ok().map(MsgId::millis).or_else(|| parse_ts(p));
        time(&self.params[1]) > time(&self.params[2])
    }
}

/// CHATHISTORY of a client.
pub fn chathistory(client: &mut Client, turn: &mut Turn, line: &Line) {
    let subcommand = line.get(0).unwrap_or_default().to_ascii_uppercase();
    let fail = |client: &mut Client, turn: &mut Turn, code, text| {
        let about = if subcommand.is_empty() { "*" } else { &subcommand };
        client.fail(turn, "CHATHISTORY", code, &[about], text);
    };
    let Some((_, name, points)) = SUBCOMMANDS.iter().find(|(name, ..)| *name == subcommand) else {
        let text = "Subcommands are LATEST, BEFORE, AFTER, AROUND and BETWEEN";
        return fail(client, turn, "INVALID_PARAMS", text);
    };
    let (Some(target), Some(limit)) = (line.get(1), line.get(2 + points)) else {
        return fail(client, turn, "NEED_MORE_PARAMS", "A parameter is missing");
    };
    let Some(limit) = limit.parse::<usize>().ok().filter(|limit| *limit > 0) else {
        return fail(client, turn, "INVALID_PARAMS", "The limit is a number from 1 up");
    };
    let mut params = Vec::new();
    if !(subcommand == "LATEST" && line.get(2) == Some("*")) {
        params.push((*name).to_owned());
        for given in &line.params[2..2 + points] {
            let Some(point) = point(given) else {
                return fail(client, turn, "INVALID_PARAMS", "A point is msgid=… or timestamp=…");
            };
            params.push(point);
        }
    }
    let limit = limit.min(limits::HISTORY as usize);
    let wanted = Wanted { target: target.to_owned(), limit, params, found: Vec::new(), rounds: 0 };
    client.ask(turn, wanted.question(), What::History(Box::new(wanted)));
}

fn point(text: &str) -> Option<String> {
    text.strip_prefix("msgid=").or_else(|| text.strip_prefix("timestamp=")).map(str::to_owned)
}

/// An answer of the node: all is there, or more is asked for.
pub fn answered(client: &mut Client, turn: &mut Turn, mut wanted: Wanted, e: &Envelope) {
    if wanted.take(e) {
        client.ask(turn, wanted.question(), What::History(Box::new(wanted)));
    } else {
        play(client, turn, &wanted.target, &wanted.found);
    }
}

/// The node refuses: it has no such conversation.
pub fn refused(client: &mut Client, turn: &mut Turn, target: &str, why: &str) {
    let text = if why.is_empty() { numeric::ERR_NOSUCHCHANNEL.text } else { why };
    client.fail(turn, "CHATHISTORY", "INVALID_TARGET", &[target], text);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(commands: &[(&str, &str)], more: bool) -> Envelope {
        let mut e = Envelope::new("HISTORY").meta("more", more);
        let one = |(command, id): &(&str, &str)| json!({"command": command, "id": id});
        e.body = Some(kirc_core::Body::Array(commands.iter().map(one).collect()));
        e
    }

    #[test]
    fn what_is_left_out_is_made_up_for() {
        let wanted = |params: &[&str]| Wanted {
            target: "#net".into(),
            limit: 2,
            params: params.iter().map(|p| (*p).to_owned()).collect(),
            found: Vec::new(),
            rounds: 0,
        };
        let ids = |w: &Wanted| w.found.iter().filter_map(|e| e.id.clone()).collect::<Vec<_>>().join("");
        let mut newest = wanted(&[]);
        assert!(newest.take(&answer(&[("MODE", "c"), ("PRIVMSG", "d")], true)));
        assert_eq!(newest.question().params, ["before", "c"]);
        assert_eq!(newest.question().meta_u64("limit"), Some(1));
        assert!(!newest.take(&answer(&[("PRIVMSG", "b")], true)));
        assert_eq!(ids(&newest), "bd");
        let mut oldest = wanted(&["after", "a"]);
        assert!(oldest.take(&answer(&[("PRIVMSG", "b"), ("JOIN", "c")], true)));
        assert_eq!(oldest.question().params, ["after", "c"]);
        assert!(!oldest.take(&answer(&[("PRIVMSG", "d")], false)));
        assert_eq!(ids(&oldest), "bd");
        let mut latest = wanted(&["latest", "a"]);
        assert!(latest.take(&answer(&[("JOIN", "c"), ("JOIN", "d")], true)));
        assert_eq!(latest.question().params, ["between", "c", "a"]);
        assert!(!latest.take(&answer(&[], false)));
    }
}
