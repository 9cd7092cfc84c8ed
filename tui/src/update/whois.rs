//! Pages about people: whois, verification, profiles.
//!
//! Owns: these pages. Must not: confirm a key by a key press; a page that a reply opened could
//! catch a stray one.
use kirc_core::Envelope;
use serde_json::Value;

use super::arrive::home;
use super::numerics::{close, gather};
use crate::commands::Context;
use crate::layers::{Layer, Page, Row};
use crate::model::{Kind, What};
use crate::text::{clean, clean_name};

/// A line of a WHOIS answer.
fn row(envelope: &Envelope) -> (String, String) {
    let name = match envelope.command.as_str() {
        "311" => "user",
        "312" => "node",
        "313" => "role",
        "317" => "idle",
        "319" => "channels",
        "301" => "away",
        "330" | "276" => "fingerprint",
        "671" => "security",
        "338" => "host",
        _ => "",
    };
    let params = clean(&envelope.params.get(1..).unwrap_or_default().join(" "));
    let text = clean(envelope.lines().first().copied().unwrap_or_default());
    let value = match envelope.command.as_str() {
        "330" | "276" if !params.is_empty() => params,
        "301" | "319" | "671" if !text.is_empty() => text,
        _ => [params, text].join(" ").trim().to_owned(),
    };
    (name.to_owned(), value)
}

pub(super) fn gather_line(context: &mut Context<'_>, envelope: &Envelope) {
    gather(context, envelope, row(envelope));
}

/// The end of a WHOIS answer: shows the card.
pub(super) fn end(context: &mut Context<'_>, envelope: &Envelope) {
    let Some(ask) = close(context, envelope) else {
        return;
    };
    let What::Whois(nick) = ask.what else {
        return;
    };
    if ask.rows.is_empty() {
        return;
    }
    let nick = clean_name(&nick);
    let mut rows: Vec<Row> = ask.rows.into_iter().map(|(name, value)| Row::Pair(name, value)).collect();
    if let Some(person) = context.model.people.get(&nick) {
        if !person.presence.is_empty() {
            rows.push(Row::Pair("presence".to_owned(), person.presence.clone()));
        }
        if !person.trust.is_empty() {
            rows.push(Row::Pair("trust".to_owned(), trust(&person.trust).to_owned()));
        }
    }
    rows.push(Row::Gap);
    rows.push(Row::Text(format!("/verify {nick} compares keys · /query {nick} talks")));
    context.model.layers.push(Layer::Page(Page::new(nick, rows)));
}

/// What a degree of trust means.
pub(super) fn trust(word: &str) -> &str {
    match word {
        "tofu" => "on first use; not compared yet",
        "verified" => "verified: compared by you",
        other => other,
    }
}

fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(s)) => clean(s),
        Some(Value::Null) | None => String::new(),
        Some(other) => clean(&other.to_string()),
    }
}

/// Groups of a fingerprint or number, so that they can be read aloud.
fn rows_of_groups(number: &str, per_row: usize) -> Vec<Row> {
    let groups: Vec<String> = if number.contains([' ', ':', '-']) {
        number.split([' ', ':', '-']).filter(|g| !g.is_empty()).map(str::to_owned).collect()
    } else {
        let chars: Vec<char> = number.chars().collect();
        chars.chunks(5).map(|c| c.iter().collect()).collect()
    };
    groups.chunks(per_row.max(1)).map(|c| Row::Strong(format!("  {}", c.join(" ")))).collect()
}

/// VERIFY: both fingerprints and the safety number, or the outcome of a confirmation.
pub(super) fn verify(context: &mut Context<'_>, envelope: &Envelope) {
    let id = home(context.model, envelope);
    let ask = close(context, envelope);
    let nick = clean_name(&text(envelope.get("nick")));
    let state = text(envelope.get("trust"));
    let fingerprint = text(envelope.get("fingerprint"));
    if let Some(person) = context.model.people.entry(&nick) {
        person.trust.clone_from(&state);
        person.fingerprint.clone_from(&fingerprint);
    }
    if let Some(What::Verify(word)) = ask.map(|a| a.what)
        && !word.is_empty()
    {
        let said = if state == "verified" {
            format!("{nick} is verified: you have compared the keys.")
        } else {
            format!("{nick} is not verified any more ({}).", trust(&state))
        };
        return context.model.tell(id, Kind::Info, said);
    }
    let mut rows =
        vec![Row::Text(format!("Compare this number with {nick}, in person or by a call:")), Row::Gap];
    rows.extend(rows_of_groups(&text(envelope.get("safety_number")), 4));
    rows.push(Row::Gap);
    rows.push(Row::Pair(nick.clone(), fingerprint));
    rows.push(Row::Pair("you".to_owned(), text(envelope.get("own_fingerprint"))));
    rows.push(Row::Pair("trust".to_owned(), trust(&state).to_owned()));
    rows.push(Row::Gap);
    let held = envelope.get("held");
    if let Some(held) = held {
        rows.push(Row::Head("A new key is held back".to_owned()));
        rows.extend(rows_of_groups(&text(held.get("safety_number")), 4));
        rows.push(Row::Gap);
        rows.push(Row::Pair("its fingerprint".to_owned(), text(held.get("fingerprint"))));
        rows.push(Row::Gap);
    }
    rows.push(Row::Text("Is it the same in both programs? Then type".to_owned()));
    match held {
        None => rows.push(Row::Strong(format!("  /verify {nick} confirm"))),
        Some(held) => {
            let keys = [text(envelope.get("fingerprint")), text(held.get("fingerprint"))];
            let command = |key: &String| Row::Strong(format!("  /verify {nick} confirm {key}"));
            rows.push(command(&keys[0]));
            rows.push(Row::Text("or, of the new key,".to_owned()));
            rows.push(command(&keys[1]));
        }
    }
    rows.push(Row::Text("If not: somebody may be in between. Do not confirm.".to_owned()));
    context.model.layers.push(Layer::Page(Page::new(format!("Verify {nick}"), rows)));
}

/// PROFILE.
pub(super) fn profile(context: &mut Context<'_>, envelope: &Envelope) {
    close(context, envelope);
    let nick = clean_name(&text(envelope.get("nick")));
    let mut rows = vec![Row::Pair("fingerprint".to_owned(), text(envelope.get("fingerprint")))];
    for (part, head) in [("profile", "Public"), ("private", "Private: stays here")] {
        if let Some(fields) = envelope.get(part).and_then(Value::as_object).filter(|f| !f.is_empty()) {
            rows.push(Row::Gap);
            rows.push(Row::Head(head.to_owned()));
            rows.extend(fields.iter().map(|(name, value)| Row::Pair(clean(name), text(Some(value)))));
        }
    }
    if let Some(published) = envelope.get("published").and_then(Value::as_bool) {
        rows.push(Row::Gap);
        let word = if published { "yes" } else { "no; /profile publish" };
        rows.push(Row::Pair("published".to_owned(), word.to_owned()));
    }
    context.model.layers.push(Layer::Page(Page::new(format!("Profile of {nick}"), rows)));
}
