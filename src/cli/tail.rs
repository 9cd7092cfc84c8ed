//! `kirc tail`: follows a channel or a conversation.

use clap::Args;
use kirc_core::Envelope;
use kirc_core::names::casefold;

use super::talk::{self, Talk};
use super::{Failure, Global, Outcome, block_on, history, show, signals};

const EXAMPLES: &str = "\
Examples:
  kirc tail '#net'
  kirc tail --join '#ops' --lines 0
  kirc tail bob
  kirc tail '#net' --json | jq -r 'select(.command==\"PRIVMSG\") | .body[]'";

/// Flags of `kirc tail`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TailArgs {
    /// A channel, or a nick
    #[arg(value_parser = super::talk::target)]
    target: String,
    /// How much of what was said before is shown first
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=500))]
    lines: u32,
    /// Join the channel first, if need be
    #[arg(long)]
    join: bool,
    /// The key of the channel to join
    #[arg(long, value_name = "KEY", requires = "join")]
    key: Option<String>,
    /// One envelope a line
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(global: &Global, args: &TailArgs) -> Outcome {
    let config = global.load()?;
    let _log = super::starter::log_to_file(&config)?;
    block_on(async {
        let ended = signals::ended()?;
        let mut talk = Talk::open(&config, &[]).await?;
        let result = tokio::select! {
            result = follow(&mut talk, args) => result,
            () = ended => Ok(()),
        };
        talk.close().await;
        result
    })
}

async fn follow(talk: &mut Talk, args: &TailArgs) -> Outcome {
    let failed = |e: std::io::Error| Failure::failed(format!("stdout can't be written: {e}"));
    if talk::is_channel(&args.target) {
        talk.in_channel(&args.target, args.join, args.key.as_deref()).await?;
    }
    if args.lines > 0 {
        let before = history::fetch(talk, &args.target, None, args.lines).await?.messages;
        for message in &before {
            if !show::envelope(message, args.json, false).map_err(failed)? {
                return Ok(());
            }
        }
    }
    loop {
        let heard = talk.hear().await?;
        if heard.meta.contains_key("reattached") {
            eprintln!("kirc: {}", talk::text(&heard));
        } else if concerns(&heard, &args.target, &talk.nick)
            && !show::envelope(&heard, args.json, false).map_err(failed)?
        {
            return Ok(());
        }
    }
}

/// Whether an envelope belongs to this conversation.
fn concerns(heard: &Envelope, target: &str, own: &str) -> bool {
    if heard.command.as_bytes().iter().all(u8::is_ascii_digit) || heard.command == "HISTORY" {
        return false;
    }
    let target = casefold(target);
    let is = |name: &Option<String>, want: &str| name.as_deref().map(casefold).as_deref() == Some(want);
    if is(&heard.to, &target) {
        return true;
    }
    // A direct message of the peer: from them, to one's own nick.
    !talk::is_channel(&target) && is(&heard.from, &target) && is(&heard.to, &casefold(own))
}
