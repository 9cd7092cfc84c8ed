//! `kirc invite`: gives somebody access with a text that only they can open.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use kirc_core::{Body, Envelope};

use super::talk::Talk;
use super::{Failure, Global, Outcome, block_on, files, show};
use crate::config::{parse_duration, write_private};

const EXAMPLES: &str = "\
Examples:
  kirc invite create --for bob.card --out bob.invite --expires 2d
  kirc invite accept bob.invite
  kirc invite accept - < bob.invite

The invitee gives you a card first (kirc identity export). An invite works once, and only for that card.
On real services it holds the way to your grid: whoever accepts it finds your #net as #net@you.";

/// Flags of `kirc invite`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct InviteArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make an invite for the owner of a card
    #[command(
        after_help = "Examples:\n  kirc invite create --for bob.card --out bob.invite\n  kirc invite create --for bob.card --expires 12h"
    )]
    Create {
        /// The invitee's card or public key
        #[arg(long = "for", value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        whom: PathBuf,
        /// Write it to this file instead of stdout
        #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        out: Option<PathBuf>,
        /// How long it can be accepted
        #[arg(long, value_name = "TIME", default_value = "7d", value_parser = parse_duration)]
        expires: u64,
    },
    /// Accept an invite: both sides then know each other
    #[command(after_help = "Examples:\n  kirc invite accept bob.invite\n  kirc invite accept - < bob.invite")]
    Accept {
        /// The invite; - is stdin
        #[arg(value_hint = clap::ValueHint::FilePath)]
        file: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs it.
pub fn run(global: &Global, args: &InviteArgs) -> Outcome {
    let config = global.load()?;
    let question = match &args.what {
        What::Create { whom, expires, .. } => {
            let mut body = files::card_or_key(whom)?;
            body.insert("expires".into(), (*expires).into());
            let mut question = Envelope::new("INVITATION").param("create");
            question.body = Some(Body::Object(body));
            question
        }
        What::Accept { file, .. } => {
            Envelope::new("INVITATION").param("accept").field("text", files::read(file)?)
        }
    };
    let _log = super::starter::log_to_file(&config)?;
    let answer = block_on(async {
        let mut talk = Talk::open(&config, &[]).await?;
        let result = talk.ask(question).await;
        talk.close().await;
        result
    })?;
    let field = |name: &str| answer.get(name).and_then(|v| v.as_str()).unwrap_or("");
    match &args.what {
        What::Create { out, .. } => {
            let text = field("text");
            if text.is_empty() {
                return Err(Failure::failed("the node did not give an invite"));
            }
            match out {
                Some(path) => write_private(path, text.as_bytes())?,
                None => show::say(text.trim_end())?,
            }
        }
        What::Accept { json: true, .. } => show::say(&show::as_json(&answer.body))?,
        What::Accept { .. } => show::say(&format!(
            "{} is now a contact. Compare fingerprints before you trust the name: {}\n(kirc contacts verify {})",
            show::clean(field("nick")),
            field("fingerprint"),
            show::clean(field("nick")),
        ))?,
    }
    // With --json it stands in the answer, too.
    if let Some(note) = answer.get("note").and_then(|v| v.as_str()) {
        eprintln!("Note: {}.", show::clean(note));
    }
    Ok(())
}
