//! `kirc identity`: keys, fingerprint, card, passphrase.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use kirc_core::{Body, Envelope};
use serde_json::{Value, json};

use super::talk::Talk;
use super::{Failure, Global, Outcome, block_on, show};
use crate::config::{Config, Secret, write_private};
use crate::profile;

const EXAMPLES: &str = "\
Examples:
  kirc identity show
  kirc identity fingerprint
  kirc identity export --out alice.card       give this to whoever is to invite you
  kirc identity passphrase                    seal the key file, or change its passphrase
  kirc identity passphrase --remove";

/// Flags of `kirc identity`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct IdentityArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Who one is: nick, actor id, fingerprint, keys
    #[command(after_help = "Examples:\n  kirc identity show\n  kirc identity show --json")]
    Show {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// The fingerprint, to read aloud
    #[command(after_help = "Examples:\n  kirc identity fingerprint")]
    Fingerprint {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// One's own card: public keys, nick, mailbox address, public profile; signed
    #[command(
        after_help = "Examples:\n  kirc identity export > alice.card\n  kirc identity export --out alice.card"
    )]
    Export {
        /// Write it to this file
        #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        out: Option<PathBuf>,
    },
    /// Seal the key file by a passphrase, change the passphrase, or take it away
    #[command(after_help = "Examples:\n  kirc identity passphrase\n  kirc identity passphrase --remove\n\n\
        Without a terminal, KIRC_PASSPHRASE is the present one and KIRC_NEW_PASSPHRASE the new one.")]
    Passphrase {
        /// Leave the key file unsealed
        #[arg(long)]
        remove: bool,
    },
}

/// Runs it.
pub fn run(global: &Global, args: &IdentityArgs) -> Outcome {
    let config = global.load()?;
    match &args.what {
        What::Show { json } => show(&config, *json),
        What::Fingerprint { json } => {
            let (identity, _) = profile::unlock(&config)?;
            let fingerprint = identity.public().fingerprint();
            show::say(&if *json {
                show::as_json(&json!({ "fingerprint": fingerprint }))
            } else {
                fingerprint
            })
        }
        What::Export { out } => export(&config, out.as_deref()),
        What::Passphrase { remove } => passphrase(&config, *remove),
    }
}

fn show(config: &Config, as_json: bool) -> Outcome {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
    let (identity, given) = profile::unlock(config)?;
    let keys = identity.public();
    let nick = config.settings.nick.as_ref().map_or("", |n| n.as_str());
    let file = config.paths.identity();
    let sealed = given.is_some() && profile::read_identity(&file, None).is_err();
    let (ed25519, rsa) = (B64.encode(keys.ed25519()), B64.encode(keys.rsa_der()));
    if as_json {
        return show::say(&show::as_json(&json!({
            "profile": config.paths.profile_name(),
            "nick": nick,
            "actor": keys.actor().to_string(),
            "fingerprint": keys.fingerprint(),
            "ed25519": ed25519,
            "rsa": rsa,
            "key_file": file,
            "sealed": sealed,
        })));
    }
    show::say(&format!(
        "profile      {}\nnick         {nick}\nactor        {}\nfingerprint  {}\ned25519      {ed25519}\nkey file     {} ({})",
        config.paths.profile_name(),
        keys.actor(),
        keys.fingerprint(),
        file.display(),
        if sealed { "sealed by a passphrase" } else { "not sealed: kirc identity passphrase" },
    ))
}

fn export(config: &Config, out: Option<&std::path::Path>) -> Outcome {
    let _log = super::starter::log_to_file(config)?;
    let answer = block_on(async {
        let mut talk = Talk::open(config, &[]).await?;
        let result = talk.ask(Envelope::new("CARD")).await;
        talk.close().await;
        result
    })?;
    let card = match &answer.body {
        Some(Body::Object(body)) => body.get("card").cloned(),
        _ => None,
    };
    let card: kirc_core::identity::Card = card
        .and_then(|card: Value| serde_json::from_value(card).ok())
        .ok_or_else(|| Failure::failed("the node did not give a card"))?;
    let text = card.to_text();
    match out {
        Some(path) => Ok(write_private(path, text.as_bytes())?),
        None => show::say(&text),
    }
}

fn passphrase(config: &Config, remove: bool) -> Outcome {
    let (identity, _) = profile::unlock(config)?;
    let given = std::env::var("KIRC_NEW_PASSPHRASE").ok().filter(|p| !p.is_empty()).map(Secret::new);
    let new = if remove {
        None
    } else if given.is_some() {
        given
    } else if std::io::stdin().is_terminal() {
        let new = profile::ask_new_passphrase("New passphrase:")?;
        if new.is_none() {
            return Err(Failure::failed("an empty passphrase is none; to take it away say --remove"));
        }
        new
    } else {
        return Err(Failure::usage("without a terminal the new passphrase comes from KIRC_NEW_PASSPHRASE"));
    };
    profile::write_identity(&config.paths, &identity, new.as_ref())?;
    // Not believed until it was read back.
    profile::read_identity(&config.paths.identity(), new.as_ref())?;
    eprintln!(
        "The key file is {}.",
        if new.is_some() { "sealed by the new passphrase" } else { "not sealed any more" }
    );
    Ok(())
}
