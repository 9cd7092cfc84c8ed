//! `kirc history`: past messages, from the profile's own store.

use clap::Args;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use kirc_core::envelope::{format_ts, parse_ts};
use kirc_core::ids::MsgId;
use kirc_core::limits::HISTORY;
use kirc_core::{Body, Envelope};

use super::talk::Talk;
use super::{Failure, Global, Outcome, block_on, show};

const EXAMPLES: &str = "\
Examples:
  kirc history '#net'
  kirc history bob --limit 200
  kirc history '#net' --json | jq -r 'select(.from==\"bob\") | .body[]'
  kirc history '#net' --before 019abc00-0000-7000-8000-000000000000
  kirc history '#net' --after 2026-01-31 --before '2026-02-01 12:00' --limit 10000
  kirc history bob --around 2026-01-31T12:00:00Z

A time without a zone is one of this machine's zone.

Where older messages are no longer kept (KIRC_HISTORY_LIMIT), stderr says so, and with --json meta.trimmed of the oldest is true.";

/// Flags of `kirc history`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct HistoryArgs {
    /// A channel, or a nick
    #[arg(value_parser = super::talk::target)]
    target: String,
    /// Only what was said before a message or a time; the newest of it
    #[arg(long, value_name = "ID|TIME", value_parser = point)]
    before: Option<String>,
    /// Only what was said after a message or from a time on; the oldest of it
    #[arg(long, value_name = "ID|TIME", value_parser = point)]
    after: Option<String>,
    /// What was said around a message or a time, 500 messages at the most
    #[arg(long, value_name = "ID|TIME", value_parser = point, conflicts_with_all = ["before", "after"])]
    around: Option<String>,
    /// How many messages at the most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// One envelope a line
    #[arg(long)]
    json: bool,
}

/// A message's id, or a time as the node takes it.
fn point(text: &str) -> Result<String, String> {
    if MsgId::parse(text).is_ok() {
        return Ok(text.to_owned());
    }
    let here = |time: DateTime| time.to_zoned(TimeZone::system()).ok().map(|zoned| zoned.timestamp());
    let time = text.parse::<Timestamp>().ok().or_else(|| here(text.parse().ok()?));
    let time = time.and_then(|time| u64::try_from(time.as_millisecond()).ok());
    time.map(format_ts).ok_or_else(|| {
        "neither the id of a message nor a time like 2026-01-31, '2026-01-31 12:00' or 2026-01-31T12:00:00Z"
            .to_owned()
    })
}

/// Where a point is in time.
fn time_of(point: &str) -> Option<u64> {
    MsgId::parse(point).map(MsgId::millis).ok().or_else(|| parse_ts(point))
}

/// Runs it.
pub fn run(global: &Global, args: &HistoryArgs) -> Outcome {
    let [after, before] = [&args.after, &args.before].map(|p| p.as_deref().and_then(time_of));
    if after.zip(before).is_some_and(|(after, before)| after > before) {
        return Err(Failure::usage("--after is later than --before: nothing is between them"));
    }
    let config = global.load()?;
    let _log = super::starter::log_to_file(&config)?;
    let mut found = block_on(async {
        let mut talk = Talk::open(&config, &[]).await?;
        let result = pages(&mut talk, args).await;
        talk.close().await;
        result
    })?;
    if found.trimmed {
        eprintln!(
            "Note: what was said before is no longer kept: the oldest goes when there is too much (KIRC_HISTORY_LIMIT)."
        );
        if let Some(oldest) = found.messages.first_mut() {
            oldest.meta.insert("trimmed".to_owned(), true.into());
        }
    }
    for message in &found.messages {
        let going_on = show::envelope(message, args.json, true)
            .map_err(|e| Failure::failed(format!("stdout can't be written: {e}")))?;
        if !going_on {
            break;
        }
    }
    Ok(())
}

async fn pages(talk: &mut Talk, args: &HistoryArgs) -> Result<Page, Failure> {
    if let Some(around) = &args.around {
        return fetch(talk, &args.target, &["around", around], args.limit.min(HISTORY)).await;
    }
    // From the end that the user named to the other one.
    let onward = args.after.is_some();
    let (mut after, mut before) = (args.after.clone(), args.before.clone());
    let (mut pages, mut trimmed, mut left) = (Vec::new(), false, args.limit);
    while left > 0 {
        let params: &[&str] = match (&after, &before) {
            (None, None) => &[],
            (None, Some(before)) => &["before", before],
            (Some(after), None) => &["after", after],
            (Some(after), Some(before)) => &["between", after, before],
        };
        let page = fetch(talk, &args.target, params, left.min(HISTORY)).await?;
        left -= u32::try_from(page.messages.len()).unwrap_or(left).min(left);
        let last = if onward { page.messages.last() } else { page.messages.first() };
        let last = last.and_then(|m| m.id.clone());
        let done = !page.more || last.is_none();
        *(if onward { &mut after } else { &mut before }) = last;
        trimmed = page.trimmed;
        pages.push(page.messages);
        if done {
            break;
        }
    }
    if !onward {
        pages.reverse();
    }
    Ok(Page { messages: pages.into_iter().flatten().collect(), more: false, trimmed })
}

/// Messages, oldest first.
pub struct Page {
    pub messages: Vec<Envelope>,
    /// Whether there are more.
    more: bool,
    /// There were older ones, which are no longer kept.
    trimmed: bool,
}

/// One page, of what the parameters of HISTORY say.
pub async fn fetch(talk: &mut Talk, target: &str, params: &[&str], limit: u32) -> Result<Page, Failure> {
    let mut question = Envelope::new("HISTORY").to(target).meta("limit", limit);
    question.params = params.iter().map(|p| (*p).to_owned()).collect();
    let answer = talk.ask(question).await?;
    let says = |what: &str| answer.meta.get(what).is_some_and(|m| m == true);
    let (more, trimmed) = (says("more"), says("trimmed"));
    let messages = match answer.body {
        Some(Body::Array(items)) => {
            items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect()
        }
        _ => Vec::new(),
    };
    Ok(Page { messages, more, trimmed })
}
