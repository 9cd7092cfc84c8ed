//! Numerics: replies to requests, and refusals.
//!
//! Owns: collecting the lines of a reply until its end. Must not: interpret a text.
use kirc_core::Envelope;

use super::arrive::{channel, home, sentence};
use super::{messages, whois};
use crate::commands::Context;
use crate::layers::{Layer, Page, Row};
use crate::model::{Ask, History, Kind, What, split_ranks};
use crate::names::is_channel;
use crate::text::{clean, clean_name};
use crate::when;

pub(super) fn numeric(context: &mut Context<'_>, envelope: &Envelope) {
    match envelope.command.as_str() {
        "001" => welcome(context, envelope),
        "332" | "331" => topic(context, envelope),
        "333" | "329" => {}
        "353" => names(context, envelope),
        "366" => names_end(context, envelope),
        "324" => modes(context, envelope),
        "301" if !is_asked(context, envelope, |w| matches!(w, What::Whois(_))) => away(context, envelope),
        "311" | "312" | "313" | "317" | "319" | "301" | "330" | "338" | "671" | "276" | "307" | "320"
        | "335" => {
            whois::gather_line(context, envelope);
        }
        "318" => whois::end(context, envelope),
        "321" => {}
        "322" => listed(context, envelope),
        "323" => list_end(context, envelope),
        "346" | "348" | "367" => gather(context, envelope, mask_row(context, envelope)),
        "347" | "349" | "368" => masks_end(context, envelope),
        "352" => who(context, envelope),
        "315" => {
            close(context, envelope);
        }
        "341" => invited(context, envelope),
        "305" | "306" => {
            let text = sentence(envelope);
            context.model.node.away = (envelope.command == "306").then(String::new);
            let id = home(context.model, envelope);
            context.model.tell(id, Kind::Info, text);
            close(context, envelope);
        }
        code if code.starts_with(['4', '5', '9']) => refusal(context, envelope),
        _ => {
            let id = home(context.model, envelope);
            let text = plain(envelope);
            if !text.is_empty() {
                context.model.tell(id, Kind::Info, text);
            }
            close(context, envelope);
        }
    }
}

fn is_asked(context: &Context<'_>, envelope: &Envelope, what: impl Fn(&What) -> bool) -> bool {
    envelope.meta_str("label").and_then(|l| context.model.asks.get(l)).is_some_and(|a| what(&a.what))
}

/// The question is answered.
pub(super) fn close(context: &mut Context<'_>, envelope: &Envelope) -> Option<Ask> {
    context.model.asks.close(envelope.meta_str("label")?)
}

/// Keeps a row of an answer until its end comes.
pub(super) fn gather(context: &mut Context<'_>, envelope: &Envelope, row: (String, String)) {
    if let Some(ask) = envelope.meta_str("label").and_then(|l| context.model.asks.get_mut(l))
        && ask.rows.len() < 10_000
    {
        ask.rows.push(row);
    }
}

/// Parameter and text in one sentence.
fn plain(envelope: &Envelope) -> String {
    let text = sentence(envelope);
    let params = clean(&envelope.params.join(" "));
    match (params.is_empty(), text.is_empty()) {
        (true, _) => text,
        (_, true) => params,
        _ => format!("{params}: {text}"),
    }
}

fn param(envelope: &Envelope, at: usize) -> String {
    clean(envelope.params.get(at).map_or("", String::as_str))
}

fn welcome(context: &mut Context<'_>, envelope: &Envelope) {
    let status = context.model.buffers.status();
    if let Some(nick) = envelope.to.as_deref() {
        context.model.me = clean_name(nick);
        let text = format!("You are {}.", context.model.me);
        context.model.tell(status, Kind::Info, text);
    }
    let text = sentence(envelope);
    if !text.is_empty() {
        context.model.tell(status, Kind::Info, text);
    }
}

fn topic(context: &mut Context<'_>, envelope: &Envelope) {
    let name = envelope.params.iter().find(|p| is_channel(p)).map(String::as_str);
    let text = if envelope.command == "331" { String::new() } else { sentence(envelope) };
    if let Some(buffer) = channel(context.model, name).and_then(|id| context.model.buffers.get_mut(id)) {
        buffer.topic = text.clone();
    }
    if is_asked(context, envelope, |w| *w == What::Other) {
        let id = home(context.model, envelope);
        let said =
            if text.is_empty() { "There is no topic.".to_owned() } else { format!("The topic is: {text}") };
        context.model.tell(id, Kind::Info, said);
        close(context, envelope);
    }
}

fn names(context: &mut Context<'_>, envelope: &Envelope) {
    let name = envelope.params.iter().find(|p| is_channel(p)).cloned();
    let listed: Vec<(String, String)> = envelope
        .lines()
        .iter()
        .flat_map(|l| l.split_whitespace())
        .map(|n| {
            let (nick, ranks) = split_ranks(n);
            (clean_name(nick), ranks.to_owned())
        })
        .collect();
    if is_asked(context, envelope, |w| *w == What::Names) {
        for (nick, ranks) in &listed {
            gather(context, envelope, (nick.clone(), ranks.clone()));
        }
    }
    if let Some(buffer) =
        channel(context.model, name.as_deref()).and_then(|id| context.model.buffers.get_mut(id))
    {
        buffer.incoming.extend(listed);
    }
}

fn names_end(context: &mut Context<'_>, envelope: &Envelope) {
    let name = envelope.params.iter().find(|p| is_channel(p)).cloned();
    if let Some(buffer) =
        channel(context.model, name.as_deref()).and_then(|id| context.model.buffers.get_mut(id))
    {
        let listed = std::mem::take(&mut buffer.incoming);
        buffer.members.replace(listed);
    }
    let asked = is_asked(context, envelope, |w| matches!(w, What::Names | What::Join(_)));
    if let Some(ask) = asked.then(|| close(context, envelope)).flatten().filter(|a| a.what == What::Names) {
        let names: Vec<String> = ask
            .rows
            .iter()
            .map(|(nick, ranks)| {
                format!("{}{nick}", ranks.chars().next().map(String::from).unwrap_or_default())
            })
            .collect();
        let text =
            format!("{} ({}): {}", clean_name(&name.unwrap_or_default()), names.len(), names.join(" "));
        context.model.tell(ask.from, Kind::Info, text);
    }
}

fn modes(context: &mut Context<'_>, envelope: &Envelope) {
    let at = envelope.params.iter().position(|p| is_channel(p)).unwrap_or(0);
    let name = envelope.params.get(at).cloned();
    let modes = param(envelope, at + 1);
    if let Some(buffer) =
        channel(context.model, name.as_deref()).and_then(|id| context.model.buffers.get_mut(id))
    {
        buffer.modes = if modes == "+" { String::new() } else { modes };
    }
    if is_asked(context, envelope, |w| *w == What::Other) {
        let id = home(context.model, envelope);
        let all = clean(&envelope.params.get(at + 1..).unwrap_or_default().join(" "));
        context.model.tell(
            id,
            Kind::Info,
            format!("Modes of {}: {all}", clean_name(&name.unwrap_or_default())),
        );
        close(context, envelope);
    }
}

/// Somebody one wrote to is away.
fn away(context: &mut Context<'_>, envelope: &Envelope) {
    let nick = clean_name(&param(envelope, 0));
    let id = context.model.buffers.find(&nick).unwrap_or_else(|| home(context.model, envelope));
    context.model.tell(id, Kind::Info, format!("{nick} is away: {}", sentence(envelope)));
}

fn listed(context: &mut Context<'_>, envelope: &Envelope) {
    let members = param(envelope, 1);
    let text = sentence(envelope);
    gather(context, envelope, (clean_name(&param(envelope, 0)), format!("{members:>4}  {text}")));
}

fn list_end(context: &mut Context<'_>, envelope: &Envelope) {
    let Some(mut ask) = close(context, envelope) else {
        return;
    };
    if ask.rows.is_empty() {
        return context.model.tell(ask.from, Kind::Info, "There are no channels to show. /join founds one.");
    }
    ask.rows.sort();
    let rows = ask.rows.into_iter().map(|(name, text)| Row::Channel(name, text)).collect();
    context.model.layers.push(Layer::Page(Page::new("Channels · Enter joins", rows)));
}

fn mask_row(context: &Context<'_>, envelope: &Envelope) -> (String, String) {
    let at = usize::from(envelope.params.first().is_some_and(|p| is_channel(p)));
    let by = param(envelope, at + 1);
    let when = envelope
        .params
        .get(at + 2)
        .and_then(|t| t.parse::<u64>().ok().map(|s| s.saturating_mul(1000)).or_else(|| when::parse(t)))
        .map(|t| when::full(t, &context.model.zone))
        .unwrap_or_default();
    let by = if by.is_empty() { by } else { format!("by {by} {when}") };
    (param(envelope, at), by.trim_end().to_owned())
}

fn masks_end(context: &mut Context<'_>, envelope: &Envelope) {
    let Some(ask) = close(context, envelope) else {
        return;
    };
    let What::Masks(name) = &ask.what else {
        return;
    };
    if ask.rows.is_empty() {
        return context.model.tell(ask.from, Kind::Info, format!("The list of {name} is empty."));
    }
    let rows = ask.rows.into_iter().map(|(mask, by)| Row::Pair(mask, by)).collect();
    context.model.layers.push(Layer::Page(Page::new(format!("Masks of {name}"), rows)));
}

fn who(context: &mut Context<'_>, envelope: &Envelope) {
    let id = home(context.model, envelope);
    context.model.tell(id, Kind::Info, plain(envelope));
}

fn invited(context: &mut Context<'_>, envelope: &Envelope) {
    let id = home(context.model, envelope);
    let name = envelope.params.iter().find(|p| is_channel(p)).map(|n| clean_name(n)).unwrap_or_default();
    let nick = envelope.params.iter().find(|p| !is_channel(p)).map(|n| clean_name(n)).unwrap_or_default();
    context.model.tell(id, Kind::Info, format!("{nick} is invited into {name}."));
    close(context, envelope);
}

/// Something was refused. A refused text stays where it stands, marked; all else is said where it
/// was asked.
pub(super) fn refusal(context: &mut Context<'_>, envelope: &Envelope) {
    if messages::refused(context.model, envelope) {
        return;
    }
    let id = home(context.model, envelope);
    let text = plain(envelope);
    let ask = close(context, envelope);
    match ask.map(|a| a.what) {
        Some(What::History(of)) => {
            if let Some(buffer) = context.model.buffers.get_mut(of) {
                buffer.history = History::Known { more: false };
            }
        }
        _ => {
            context.model.tell(id, Kind::Error, text);
            count_elsewhere(context, id);
        }
    }
}

/// What is told in a buffer that is not looked at counts there.
pub(super) fn count_elsewhere(context: &mut Context<'_>, id: crate::model::BufferId) {
    if context.model.buffers.current_id() != id
        && let Some(buffer) = context.model.buffers.get_mut(id)
    {
        buffer.unread = buffer.unread.saturating_add(1);
    }
}
