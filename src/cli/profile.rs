//! `kirc profile`: the user's own profile as others see it, and the profiles of others.

use clap::{Args, Subcommand};
use kirc_core::Envelope;
use serde_json::Value;

use super::talk::Talk;
use super::{Global, Outcome, block_on, show};

const EXAMPLES: &str = "\
Examples:
  kirc profile show
  kirc profile set realname 'Alice Liddell'
  kirc profile set notes 'met at the tea party' --private
  kirc profile publish                       so that people on the grid find you
  kirc profile find bob";

/// Flags of `kirc profile`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ProfileArgs {
    #[command(subcommand)]
    what: What,
    /// As JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// One's own, public and private
    #[command(after_help = "Examples:\n  kirc profile show --json")]
    Show,
    /// Set a field; an empty value takes it away
    #[command(
        after_help = "Examples:\n  kirc profile set realname 'Alice Liddell'\n  kirc profile set realname ''"
    )]
    Set {
        /// Which
        field: String,
        /// To what
        value: String,
        /// In the private profile, which stays on this machine
        #[arg(long)]
        private: bool,
    },
    /// Publish the public profile on the grid
    #[command(after_help = "Examples:\n  kirc profile publish")]
    Publish,
    /// Look for somebody's published profile
    #[command(after_help = "Examples:\n  kirc profile find bob --json")]
    Find {
        /// Whose
        nick: String,
    },
}

/// Runs it.
pub fn run(global: &Global, args: &ProfileArgs) -> Outcome {
    let config = global.load()?;
    let ask = |what: &str| Envelope::new("PROFILE").param(what);
    let question = match &args.what {
        What::Show => ask("show"),
        What::Publish => ask("publish"),
        What::Find { nick } => ask("find").param(nick),
        What::Set { field, value, private } => {
            let question = ask("set").param(field).line(value);
            if *private { question.meta("private", true) } else { question }
        }
    };
    let _log = super::starter::log_to_file(&config)?;
    let answer = block_on(async {
        let mut talk = Talk::open(&config, &[]).await?;
        let result = talk.ask(question).await;
        talk.close().await;
        result
    })?;
    let text = if args.json { show::as_json(&answer.body) } else { in_words(&answer) };
    show::say(&text)
}

fn in_words(answer: &Envelope) -> String {
    let mut lines = Vec::new();
    for name in ["nick", "actor", "fingerprint"] {
        if let Some(text) = answer.get(name).and_then(Value::as_str) {
            lines.push(format!("{name:<12} {}", show::clean(text)));
        }
    }
    for (part, title) in [("profile", "public"), ("private", "private")] {
        let Some(fields) = answer.get(part).and_then(Value::as_object) else {
            continue;
        };
        for (name, value) in fields {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let name = show::clean(name);
            lines.push(format!("{name:<12} {} ({title})", show::clean(&value)));
        }
    }
    if let Some(published) = answer.get("published").and_then(Value::as_bool) {
        let text = if published { "yes" } else { "no" };
        lines.push(format!("{:<12} {text}", "published"));
    }
    lines.join("\n")
}
