//! Envelopes for people: one line each, times in the local zone, nothing in it that a terminal would obey.

use std::io::{self, Write};

use kirc_core::Envelope;

use super::{Failure, Outcome};

/// A text without control characters and without marks that turn the direction of what follows.
pub fn clean(text: &str) -> String {
    let harmless = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    };
    text.chars().map(harmless).collect()
}

/// The local time of an envelope, in a form such as `%H:%M:%S`.
fn time(envelope: &Envelope, form: &str) -> String {
    envelope
        .ts
        .as_deref()
        .and_then(|ts| ts.parse::<jiff::Timestamp>().ok())
        .map(|ts| ts.to_zoned(jiff::tz::TimeZone::system()).strftime(form).to_string())
        .unwrap_or_else(|| "--".to_owned())
}

/// Lines for a message or an event; none for what a reader of a conversation does not care about.
pub fn lines(envelope: &Envelope, with_date: bool) -> Vec<String> {
    let form = if with_date { "%Y-%m-%d %H:%M:%S" } else { "%H:%M:%S" };
    let time = time(envelope, form);
    let from = clean(envelope.from.as_deref().unwrap_or("?"));
    let to = clean(envelope.to.as_deref().unwrap_or(""));
    let text: Vec<String> = envelope.lines().into_iter().map(clean).collect();
    let first = text.first().map(String::as_str).unwrap_or("");
    let param = |i: usize| clean(envelope.params.get(i).map(String::as_str).unwrap_or(""));
    let reason = || match first {
        "" => String::new(),
        text => format!(" ({text})"),
    };
    match envelope.command.as_str() {
        "PRIVMSG" if envelope.meta.get("action").is_some_and(|v| v == true) => {
            text.iter().map(|line| format!("{time} * {from} {line}")).collect()
        }
        "PRIVMSG" => text.iter().map(|line| format!("{time} <{from}> {line}")).collect(),
        "NOTICE" => text.iter().map(|line| format!("{time} -{from}- {line}")).collect(),
        "JOIN" => vec![format!("{time} --> {from} joined {to}")],
        "PART" => vec![format!("{time} <-- {from} left {to}{}", reason())],
        "KICK" => vec![format!("{time} <-- {from} kicked {}{}", param(0), reason())],
        "TOPIC" => vec![format!("{time} -- {from} set the topic: {first}")],
        "MODE" => vec![format!("{time} -- {from} set mode {}", clean(&envelope.params.join(" ")))],
        "NICK" => vec![format!("{time} -- {from} is now {}", param(0))],
        "ALARM" => vec![format!("{time} !! {first}")],
        "GAP" => vec![format!("{time} .. {first}")],
        _ => Vec::new(),
    }
}

/// Prints a line; `Ok(false)` if nobody reads any more.
pub fn print(line: &str) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(e),
    }
}

/// Prints a text; that nobody reads it is no failure.
pub fn say(text: &str) -> Outcome {
    print(text.trim_end()).map(|_| ()).map_err(|e| Failure::failed(format!("stdout can't be written: {e}")))
}

/// Prints an envelope, as JSON or for people; `Ok(false)` if nobody reads any more.
pub fn envelope(envelope: &Envelope, json: bool, with_date: bool) -> io::Result<bool> {
    if json {
        return print(&as_json(envelope));
    }
    for line in lines(envelope, with_date) {
        if !print(&line)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Anything as one line of JSON.
pub fn as_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        let said = Envelope::new("PRIVMSG").from("bob").to("#net").line("\u{1b}[2Jhello\u{202e}\r\nworld");
        let shown = lines(&said, false).join("|");
        assert!(shown.ends_with("<bob> \u{fffd}[2Jhello\u{fffd}\u{fffd}\u{fffd}world"), "{shown}");
    }
}
