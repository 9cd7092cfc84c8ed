//! `kirc send`: sends a message and waits until it is sent or refused.

use std::io::Read;
use std::time::Duration;

use clap::Args;
use kirc_core::Envelope;

use super::talk::{self, Talk};
use super::{Failure, Global, Outcome, block_on, show};
use crate::config::parse_duration;

const EXAMPLES: &str = "\
Examples:
  kirc send '#net' hello everybody
  kirc send bob 'are you there?'
  uptime | kirc send --join '#ops' -
  kirc send '#net' --json build done | jq -r .id";

/// Flags of `kirc send`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SendArgs {
    /// A channel, or a nick
    #[arg(value_parser = super::talk::target)]
    target: String,
    /// What to say; - reads it from stdin, a line each
    #[arg(required = true, trailing_var_arg = true)]
    text: Vec<String>,
    /// Join the channel first, if need be
    #[arg(long)]
    join: bool,
    /// The key of the channel to join
    #[arg(long, value_name = "KEY", requires = "join")]
    key: Option<String>,
    /// Send it as a notice
    #[arg(long)]
    notice: bool,
    /// Send it as an action (/me)
    #[arg(long, conflicts_with = "notice")]
    action: bool,
    /// How long to wait until it is settled [default: KIRC_SETTLE_TIMEOUT, 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<u64>,
    /// Print the settled message as JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(global: &Global, args: &SendArgs) -> Outcome {
    let config = global.load()?;
    let lines = lines(args)?;
    let _log = super::starter::log_to_file(&config)?;
    block_on(async {
        let mut talk = Talk::open(&config, &["state"]).await?;
        let patience = Duration::from_millis(args.timeout.unwrap_or(config.settings.settle_timeout));
        let result = send(&mut talk, args, lines, patience).await;
        talk.close().await;
        result
    })
}

fn lines(args: &SendArgs) -> Result<Vec<String>, Failure> {
    if args.text != ["-"] {
        let lines: Vec<String> = args.text.join(" ").lines().map(str::to_owned).collect();
        if lines.iter().all(String::is_empty) {
            return Err(Failure::usage("the text is empty: nothing was sent"));
        }
        return Ok(lines);
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|e| Failure::failed(format!("stdin can't be read: {e}")))?;
    // A byte order mark is how some editors begin a file; it is nothing that is said.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.is_empty() {
        return Err(Failure::failed("stdin is empty: nothing was sent"));
    }
    Ok(lines)
}

async fn send(talk: &mut Talk, args: &SendArgs, lines: Vec<String>, patience: Duration) -> Outcome {
    if talk::is_channel(&args.target) {
        talk.in_channel(&args.target, args.join, args.key.as_deref()).await?;
    }
    for part in lines.chunks(kirc_core::limits::LINES) {
        let command = if args.notice { "NOTICE" } else { "PRIVMSG" };
        let mut message = Envelope::new(command).to(&args.target);
        for line in part {
            message = message.line(line);
        }
        if args.action {
            message = message.meta("action", true);
        }
        let settled = talk
            .ask_until(message, patience, |heard| {
                heard.command == command && !matches!(heard.meta_str("state"), Some("sending" | "waiting"))
            })
            .await?;
        if settled.meta_str("state") == Some("failed") {
            return Err(Failure::failed("the message was refused"));
        }
        if args.json {
            let mut settled = settled;
            settled.meta.remove("label");
            show::envelope(&settled, true, false)
                .map_err(|e| Failure::failed(format!("it was said, but stdout can't be written: {e}")))?;
        }
    }
    Ok(())
}
