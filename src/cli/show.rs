//! Envelopes as text for people: one line each, times in the local zone, without control sequences
//! that a terminal would execute.

use std::io::{self, Write};

use kirc_core::Envelope;
use kirc_core::names::is_hidden_in_text;

use super::{Failure, Outcome};

/// A text without control characters and without marks that turn the direction of what follows.
pub fn clean(text: &str) -> String {
    let harmless = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() || turns(c) => '\u{fffd}',
        c => c,
    };
    text.chars().filter(|c| turns(*c) || !is_hidden_in_text(*c)).map(harmless).collect()
}

/// Marks that turn the direction of what follows, and ends of a line that no other program takes
/// for one.
fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
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
    let mut text: Vec<String> = envelope.lines().into_iter().map(clean).collect();
    if envelope.meta_str("state") == Some("unverified")
        && let Some(last) = text.last_mut()
    {
        let why = envelope.meta_str("reason").unwrap_or("the author's key has changed");
        last.push_str(&format!(" [unverified: {}]", clean(why)));
    }
    if envelope.meta.get("namesake").is_some_and(|v| v == true)
        && let Some(last) = text.last_mut()
    {
        last.push_str(&match envelope.meta_str("looks_like") {
            Some(other) => format!(" [looks like {}, who has another key]", clean(other)),
            None => format!(" [not the {from} whose key you know]"),
        });
    }
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
    #[test]
    fn what_nobody_sees_is_left_out() {
        let hidden = "pay\u{200b}pal\u{feff} a\u{e0041}b\u{2028}c\u{2029}d";
        assert_eq!(clean(hidden), "paypal ab\u{fffd}c\u{fffd}d");
        assert_eq!(clean("\u{1f468}\u{200d}\u{1f469} \u{0646}\u{200c}\u{0647}").chars().count(), 7);
    }

    #[test]
    fn what_is_doubtful_says_so() {
        let other = Envelope::new("PRIVMSG").from("bob").to("#net").line("hi").meta("namesake", true);
        assert!(lines(&other, false)[0].ends_with("<bob> hi [not the bob whose key you know]"));
        let other = other.from("b0b").meta("looks_like", "bob");
        assert!(lines(&other, false)[0].ends_with("<b0b> hi [looks like bob, who has another key]"));
        let said = Envelope::new("PRIVMSG").from("bob").to("al").line("hi").meta("state", "unverified");
        assert!(lines(&said.meta("reason", "clocks"), false)[0].ends_with("<bob> hi [unverified: clocks]"));
    }
}
