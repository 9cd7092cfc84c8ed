//! `kirc account`: the owner's password for IRC clients.

use std::io::{IsTerminal, Read};

use clap::{Args, Subcommand};

use super::{Failure, Global, Outcome, show};
use crate::config::Secret;
use crate::{password, profile};

const EXAMPLES: &str = "\
Examples:
  kirc account passwd
  kirc account passwd --generate";

/// Flags of `kirc account`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AccountArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Set the password; a node that runs knows it at once
    #[command(
        after_help = "Examples:\n  kirc account passwd\n  kirc account passwd --generate\n  kirc account passwd < secret\n\n\
        Without a terminal, the first line of stdin is the password."
    )]
    Passwd {
        /// Make a random one and print it
        #[arg(long)]
        generate: bool,
    },
}

/// Runs it.
pub fn run(global: &Global, args: &AccountArgs) -> Outcome {
    let config = global.load()?;
    profile::check(&config.paths)?;
    let What::Passwd { generate } = args.what;
    let new = if generate { password::generate().map_err(failed)? } else { ask()? };
    password::set(&config.paths.password(), &new).map_err(failed)?;
    if generate {
        show::say(new.expose())?;
    }
    let nick = config.settings.nick.as_ref().map_or("owner", |nick| nick.as_str());
    eprintln!("The password is set. IRC clients log in as {nick}; where they connect: kirc node --help");
    Ok(())
}

fn failed(error: password::PasswordError) -> Failure {
    Failure::failed(error.to_string())
}

/// From the terminal twice, or the first line of stdin.
fn ask() -> Result<Secret, Failure> {
    if std::io::stdin().is_terminal() {
        let new = profile::ask_new_passphrase("New password for IRC clients:")?;
        return new.ok_or_else(|| Failure::failed("an empty password is none"));
    }
    let mut text = zeroize::Zeroizing::new(String::new());
    let most = password::LONGEST as u64 + 2;
    std::io::stdin()
        .take(most)
        .read_to_string(&mut text)
        .map_err(|e| Failure::failed(format!("the password can't be read from stdin: {e}")))?;
    Ok(Secret::new(text.lines().next().unwrap_or_default()))
}
