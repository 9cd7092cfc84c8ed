//! `kirc setup`: the wizard, or the same without a question.

use std::path::PathBuf;

use clap::Args;
use kirc_core::names::Nick;

use super::{Failure, Global, Outcome, block_on, show};
use crate::config::Config;
use crate::setup::{Plan, Report, SetupError, apply, wizard};

const EXAMPLES: &str = "\
Examples:
  kirc setup                                        asks
  kirc setup --nick alice --embedded --yes          asks nothing
  kirc --profile work setup --nick al --embedded --grid /srv/grid --yes

Keys are made once and never again; lines of .env that are not kirc's stay as they are. A passphrase comes from the
prompt or from KIRC_PASSPHRASE, never from the command line.";

/// Flags of `kirc setup`.
#[derive(Debug, Default, Args)]
#[command(after_help = EXAMPLES)]
pub struct SetupArgs {
    /// The name that others see
    #[arg(long, value_name = "NAME", value_parser = |text: &str| Nick::parse(text).map_err(|e| e.to_string()))]
    nick: Option<Nick>,
    /// Meet others on this machine, in a folder; nothing to install
    #[arg(long)]
    embedded: bool,
    /// The folder of the embedded grid
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    grid: Option<PathBuf>,
    /// Ask nothing: take what is given, and defaults for the rest
    #[arg(long, short = 'y')]
    yes: bool,
    /// Print what was set up as JSON
    #[arg(long)]
    json: bool,
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Runs it.
pub fn run(global: &Global, args: &SetupArgs) -> Outcome {
    let config = global.load()?;
    let grid = match &args.grid {
        Some(dir) => Some(
            std::path::absolute(dir).map_err(|e| Failure::usage(format!("--grid {}: {e}", dir.display())))?,
        ),
        None => None,
    };
    let plan = if args.yes {
        let nick = args.nick.clone().or_else(|| config.settings.nick.clone());
        Plan {
            nick: nick.ok_or_else(|| Failure::usage("--yes needs --nick NAME on the first run"))?,
            grid,
            passphrase: config.settings.passphrase.clone(),
        }
    } else if wizard::can_ask() {
        wizard::ask(&config, args.nick.clone(), grid)?
    } else {
        return Err(Failure::usage(
            "stdin is no terminal, so nothing can be asked; say: kirc setup --nick NAME --embedded --yes",
        ));
    };
    let report = finish(&config, &plan)?;
    if args.json {
        return show::say(&show::as_json(&report));
    }
    show::say(&in_words(&report))
}

/// The wizard before the first screen.
pub fn first_run(global: &Global) -> Outcome {
    let config = global.load()?;
    let plan = wizard::ask(&config, None, None)?;
    let report = finish(&config, &plan)?;
    show::say(&in_words(&report))
}

fn finish(config: &Config, plan: &Plan) -> Result<Report, Failure> {
    let report = block_on(async { Ok(apply(config, plan).await?) })?;
    let wins = |name: &str| {
        config
            .sources
            .get(name)
            .filter(|(_, origin)| *origin != crate::config::Origin::File)
            .map(|(value, _)| value.to_owned())
    };
    if let Some(nick) = wins("KIRC_NICK").filter(|n| n != plan.nick.as_str()) {
        eprintln!("kirc: KIRC_NICK={nick} in the environment wins over the nick that was written");
    }
    if crate::attach::holder(&config.paths.lock()).is_some() {
        eprintln!("kirc: the node of this profile runs; it takes the settings at its next start");
    }
    Ok(report)
}

fn in_words(report: &Report) -> String {
    let keys = if report.new_keys { "made" } else { "kept" };
    let fingerprint = report.fingerprint.as_deref().unwrap_or("(the key file is sealed)");
    format!(
        "Profile \"{}\" is set up.\n\n  nick         {}\n  fingerprint  {fingerprint}\n  keys         {} ({keys})\n  \
         settings     {}\n  grid         {}\n\nNext: kirc, then /join #somewhere. Keep a copy of the key file: it is who you are.",
        report.profile,
        report.nick,
        report.key_file.display(),
        report.env_file.display(),
        report.grid.display(),
    )
}
