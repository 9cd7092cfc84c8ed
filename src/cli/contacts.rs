//! `kirc contacts`: the user's contacts, and which of their keys the user has verified.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use kirc_core::{Body, Envelope};
use serde_json::Value;

use super::talk::Talk;
use super::{Global, Outcome, block_on, files, show};

const EXAMPLES: &str = "\
Examples:
  kirc contacts list
  kirc contacts show bob --json
  kirc contacts verify bob            compare the safety number, then confirm
  kirc contacts add bob.card
  kirc contacts accept bob            trust the new key of somebody whose key has changed
  kirc contacts remove bob";

/// Flags of `kirc contacts`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ContactsArgs {
    #[command(subcommand)]
    what: What,
    /// As JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// All contacts
    #[command(after_help = "Examples:\n  kirc contacts list\n  kirc contacts list --json | jq -r '.[].nick'")]
    List,
    /// One contact
    #[command(after_help = "Examples:\n  kirc contacts show bob")]
    Show {
        /// Whom
        nick: String,
    },
    /// Compare keys: shows the safety number and asks whether the other side sees the same
    #[command(
        after_help = "Examples:\n  kirc contacts verify bob\n  kirc contacts verify bob --confirm\n  kirc contacts verify bob --revoke"
    )]
    Verify {
        /// Whom
        nick: String,
        /// The numbers are the same: mark the contact as verified
        #[arg(long, conflicts_with = "revoke")]
        confirm: bool,
        /// Take the mark away
        #[arg(long)]
        revoke: bool,
        /// Which key was compared, by its fingerprint, where a new one is held back
        #[arg(long, value_name = "FINGERPRINT", requires = "confirm")]
        key: Option<String>,
    },
    /// Add the owner of a card
    #[command(after_help = "Examples:\n  kirc contacts add bob.card")]
    Add {
        /// The card; - is stdin
        #[arg(value_hint = clap::ValueHint::FilePath)]
        card: PathBuf,
    },
    /// Accept a key that has changed; what was held is shown
    #[command(after_help = "Examples:\n  kirc contacts accept bob")]
    Accept {
        /// Whose
        nick: String,
    },
    /// Reject a key that has changed
    #[command(after_help = "Examples:\n  kirc contacts reject bob")]
    Reject {
        /// Whose
        nick: String,
    },
    /// Forget a contact
    #[command(after_help = "Examples:\n  kirc contacts remove bob")]
    Remove {
        /// Whom
        nick: String,
    },
}

/// Runs it.
pub fn run(global: &Global, args: &ContactsArgs) -> Outcome {
    let config = global.load()?;
    let contact = |what: &str| Envelope::new("CONTACT").param(what);
    let question = match &args.what {
        What::List => contact("list"),
        What::Show { nick } => contact("show").param(nick),
        What::Accept { nick } => contact("accept").param(nick),
        What::Reject { nick } => contact("reject").param(nick),
        What::Remove { nick } => contact("remove").param(nick),
        What::Add { card } => {
            let mut question = contact("add");
            question.body = Some(Body::Object(files::card_or_key(card)?));
            question
        }
        What::Verify { nick, .. } => Envelope::new("VERIFY").to(nick),
    };
    let _log = super::starter::log_to_file(&config)?;
    block_on(async {
        let mut talk = Talk::open(&config, &[]).await?;
        let result = match &args.what {
            What::Verify { nick, confirm, revoke, key } => {
                verify(&mut talk, nick, (*confirm, *revoke), key.as_deref(), args.json).await
            }
            what => match talk.ask(question).await {
                Ok(answer) => contacts(&answer, what, args.json),
                Err(failure) => Err(failure),
            },
        };
        talk.close().await;
        result
    })
}

fn contacts(answer: &Envelope, what: &What, json: bool) -> Outcome {
    if let Some(note) = answer.meta_str("note") {
        eprintln!("Note: {}.", show::clean(note));
    }
    let single = matches!(what, What::Show { .. });
    let list = match &answer.body {
        Some(Body::Array(list)) => list.as_slice(),
        _ => &[],
    };
    if json {
        return match list {
            [one] if single => show::say(&show::as_json(one)),
            list => show::say(&show::as_json(&list)),
        };
    }
    match what {
        What::List | What::Show { .. } if list.is_empty() => {
            return show::say("No contacts yet: kirc invite, kirc contacts add.");
        }
        What::Remove { nick } => return show::say(&format!("{} is forgotten.", show::clean(nick))),
        What::Reject { nick } => {
            return show::say(&format!("The new key of {} is rejected.", show::clean(nick)));
        }
        _ => {}
    }
    for contact in list {
        let field = |name: &str| show::clean(contact[name].as_str().unwrap_or(""));
        let held = match &contact["held"] {
            Value::Number(n) if n.as_u64() == Some(0) => String::new(),
            Value::Null | Value::Bool(false) => String::new(),
            Value::Number(n) => format!("  {n} held: the key has changed"),
            _ => "  held: the key has changed".to_owned(),
        };
        show::say(&format!(
            "{:<16} {:<8} {:<8} {}{held}",
            field("nick"),
            field("trust"),
            field("presence"),
            field("fingerprint"),
        ))?;
    }
    Ok(())
}

async fn verify(
    talk: &mut Talk,
    nick: &str,
    (confirm, revoke): (bool, bool),
    key: Option<&str>,
    json: bool,
) -> Outcome {
    let question = Envelope::new("VERIFY").to(nick);
    let question = match (confirm, revoke) {
        (true, _) => key.into_iter().fold(question.param("confirm"), Envelope::param),
        (_, true) => question.param("revoke"),
        _ => question,
    };
    let answer = talk.ask(question).await?;
    if json {
        return show::say(&show::as_json(&answer.body));
    }
    tell(&answer)?;
    let trusted = answer.get("trust").and_then(Value::as_str) == Some("verified");
    let held = answer.get("held").and_then(|h| h["fingerprint"].as_str()).map(str::to_owned);
    if confirm || revoke || (trusted && held.is_none()) || !std::io::stdin().is_terminal() {
        return Ok(());
    }
    let known = answer.get("fingerprint").and_then(Value::as_str).unwrap_or_default().to_owned();
    let meant = tokio::task::block_in_place(|| match held {
        None => {
            let asked = "Does the other side see the same safety number?";
            inquire::Confirm::new(asked).with_default(false).prompt().map(|same| same.then_some(known))
        }
        Some(held) => {
            let choices = vec![
                "none of them".to_owned(),
                format!("the one known until now: {known}"),
                format!("the new one: {held}"),
            ];
            let choice = inquire::Select::new("Which of the two has the other side?", choices).raw_prompt();
            choice.map(|choice| match choice.index {
                1 => Some(known),
                2 => Some(held),
                _ => None,
            })
        }
    });
    match meant {
        Ok(Some(key)) => {
            let question = Envelope::new("VERIFY").to(nick).param("confirm").param(key);
            tell(&talk.ask(question).await?)
        }
        _ => show::say("Not verified. If the numbers differ, somebody may be in between."),
    }
}

fn tell(answer: &Envelope) -> Outcome {
    let field = |name: &str| show::clean(answer.get(name).and_then(Value::as_str).unwrap_or(""));
    show::say(&format!(
        "{}: {}\n  their fingerprint  {}\n  your fingerprint   {}\n  safety number      {}",
        field("nick"),
        match field("trust").as_str() {
            "verified" => "verified",
            _ => "not verified",
        },
        field("fingerprint"),
        field("own_fingerprint"),
        field("safety_number"),
    ))?;
    let Some(held) = answer.get("held") else { return Ok(()) };
    let of_held = |name: &str| show::clean(held[name].as_str().unwrap_or(""));
    show::say(&format!(
        "A new key of {0} is held back, with what was said under it:\n  its fingerprint    {1}\n  safety number      {2}\nConfirm the key that you have compared: kirc contacts verify {0} --confirm --key FINGERPRINT",
        field("nick"),
        of_held("fingerprint"),
        of_held("safety_number"),
    ))
}
