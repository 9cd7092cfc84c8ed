//! `kirc history`: past messages, from the profile's own store.

use clap::Args;
use kirc_core::{Body, Envelope};

use super::talk::Talk;
use super::{Failure, Global, Outcome, block_on, show};

const EXAMPLES: &str = "\
Examples:
  kirc history '#net'
  kirc history bob --limit 200
  kirc history '#net' --json | jq -r 'select(.from==\"bob\") | .body[]'
  kirc history '#net' --before 019abc00-0000-7000-8000-000000000000

Where older messages are no longer kept (KIRC_HISTORY_LIMIT), stderr says so, and with --json meta.trimmed of the oldest is true.";

/// Flags of `kirc history`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct HistoryArgs {
    /// A channel, or a nick
    #[arg(value_parser = super::talk::target)]
    target: String,
    /// Only what was said before the message with this id
    #[arg(long, value_name = "ID")]
    before: Option<String>,
    /// How many messages at the most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// One envelope a line
    #[arg(long)]
    json: bool,
}

/// Messages that are asked for at once.
const PAGE: u32 = 500;

/// Runs it.
pub fn run(global: &Global, args: &HistoryArgs) -> Outcome {
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
    let (mut pages, mut trimmed) = (Vec::new(), false);
    let mut before = args.before.clone();
    let mut left = args.limit;
    while left > 0 {
        let page = fetch(talk, &args.target, before.take(), left.min(PAGE)).await?;
        left -= u32::try_from(page.messages.len()).unwrap_or(left).min(left);
        before = page.messages.first().and_then(|m| m.id.clone());
        let done = !page.more || before.is_none();
        trimmed = page.trimmed;
        pages.push(page.messages);
        if done {
            break;
        }
    }
    Ok(Page { messages: pages.into_iter().rev().flatten().collect(), more: false, trimmed })
}

/// Messages, oldest first.
pub struct Page {
    pub messages: Vec<Envelope>,
    /// Whether there are older ones.
    more: bool,
    /// There were older ones, which are no longer kept.
    trimmed: bool,
}

/// One page.
pub async fn fetch(
    talk: &mut Talk,
    target: &str,
    before: Option<String>,
    limit: u32,
) -> Result<Page, Failure> {
    let mut question = Envelope::new("HISTORY").to(target).meta("limit", limit);
    if let Some(id) = before {
        question = question.param("before").param(id);
    }
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
