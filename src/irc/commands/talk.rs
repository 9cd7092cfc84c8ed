//! Messages, notices, typing, and messages of several lines.

use kirc_core::{Envelope, limits, numeric};

use super::parts;
use crate::irc::asks::What;
use crate::irc::caps::Cap;
use crate::irc::client::{Client, Turn};
use crate::irc::codec::Line;

/// Bytes of the name and the value of a client's own tag that a message may carry.
const TAG: (usize, usize) = (64, 4096);

pub fn message(client: &mut Client, turn: &mut Turn, line: &Line) {
    let command = line.command.as_str();
    let Some(targets) = line.get(0) else {
        return client.numeric(turn, numeric::ERR_NORECIPIENT, &[command], "");
    };
    let Some(text) = line.get(1) else {
        return client.numeric(turn, numeric::ERR_NOTEXTTOSEND, &[], "");
    };
    let targets: Vec<&str> = parts(targets).collect();
    if targets.len() > limits::TARGETS {
        let first = targets.first().copied().unwrap_or("*");
        return client.numeric(turn, numeric::ERR_TOOMANYTARGETS, &[first], "");
    }
    for target in targets {
        send(client, turn, line, target, vec![text.to_owned()]);
    }
}

/// Sends a message of some lines, with a line's command and tags.
pub fn send(client: &mut Client, turn: &mut Turn, line: &Line, target: &str, texts: Vec<String>) {
    let action = |text: &str| {
        let inside = text.strip_prefix("\u{1}ACTION")?;
        Some(inside.strip_suffix('\u{1}').unwrap_or(inside).trim_start().to_owned())
    };
    let mut envelope = Envelope::new(line.command.as_str()).to(target);
    for text in texts {
        envelope = match action(&text) {
            Some(text) => envelope.line(text).meta("action", true),
            None => envelope.line(text),
        };
    }
    for (name, value) in &line.tags {
        let fits = name.len() > 1 && name.len() <= TAG.0 && value.len() <= TAG.1;
        if name.starts_with('+') && fits && !value.contains(['\r', '\n', '\0']) {
            envelope = envelope.meta(name, value.as_str());
        }
    }
    client.ask(turn, envelope, What::Message);
}

/// TAGMSG: only typing has a meaning on the network; all else is for nobody.
pub fn tagmsg(client: &mut Client, turn: &mut Turn, line: &Line) {
    if !client.caps.has(Cap::MessageTags) {
        return client.numeric(turn, numeric::ERR_UNKNOWNCOMMAND, &["TAGMSG"], "");
    }
    let state = match line.tag_value("+typing") {
        Some("active") => "active",
        Some("paused" | "done") => "done",
        _ => return,
    };
    for target in parts(&line.params[0]).take(limits::TARGETS) {
        let envelope = Envelope::new("TYPING").to(target).param(state);
        client.tell(turn, envelope);
    }
}

/// BATCH of the client: a message of several lines begins or ends.
pub fn batch(client: &mut Client, turn: &mut Turn, line: &Line) {
    let name = line.params[0].clone();
    let answer = match name.split_at_checked(1) {
        Some(("+", name)) => client.multiline.open(client.caps, name, line),
        Some(("-", name)) => match client.multiline.close(name) {
            Ok((line, target, texts)) => return send(client, turn, &line, &target, texts),
            Err(why) => Err(why),
        },
        _ => Err(("INVALID_PARAMS", "A batch is opened by + and closed by -")),
    };
    if let Err((code, why)) = answer {
        client.fail(turn, "BATCH", code, &[], why);
    }
}

/// A line inside of a batch; `false` if there is no such batch.
pub fn in_batch(client: &mut Client, turn: &mut Turn, line: &Line) -> bool {
    match client.multiline.add(line) {
        Some(Ok(())) => true,
        Some(Err((code, why))) => {
            client.fail(turn, "BATCH", code, &[], why);
            true
        }
        None => false,
    }
}
