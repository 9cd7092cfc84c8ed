//! `kirc setup`: the wizard, or the same without questions; `kirc setup infra`: creates what is
//! missing on the services.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use kirc_core::names::Nick;

use super::{Failure, Global, Outcome, block_on, show};
use crate::config::Config;
use crate::setup::infra::{self, Mark, Wishes};
use crate::setup::{Place, Plan, Report, SetupError, apply, env, wizard};

const EXAMPLES: &str = "\
Examples:
  kirc setup                                        asks: nick, grid, passphrase
  kirc setup --nick alice --embedded --yes          asks nothing: a grid on this machine
  kirc setup --nick alice --yes                     the services that KIRC_KAFKA and others name
  kirc --profile work setup --nick al --embedded --grid /srv/grid --yes
  kirc setup infra                                  makes what is missing on the services

Services come from the environment (KIRC_KAFKA, KIRC_VALKEY, KIRC_POSTGRES, KIRC_CA, ...) or from .env. Each is tried
first: if one can't be used, nothing is written. What came from the environment then stands in .env, readable by you only.

Keys are made once and never again; lines of .env that are not kirc's stay as they are. A passphrase comes from the
prompt or from KIRC_PASSPHRASE, never from the command line.";

const INFRA_EXAMPLES: &str = "\
Examples:
  kirc setup infra
  kirc setup infra --rotate-peer
  kirc --profile work setup infra --json

It makes topics, tables, rules, and the Kafka user that contacts share. It can be run any number of times, and before a
profile has a nick and keys. Users and rules need KIRC_KAFKA_ADMIN_USER, unless your own Kafka user may make them; where
nobody may (on a cloud), it says who made them. Exit code: 0 if all that is needed is there, 1 otherwise.";

/// Flags of `kirc setup`.
#[derive(Debug, Default, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct SetupArgs {
    /// What else than the profile
    #[command(subcommand)]
    what: Option<What>,
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

/// What can be set up besides the profile.
#[derive(Debug, Subcommand)]
enum What {
    /// Make what is missing on the services: topics, rules, the user that contacts share, tables
    Infra(InfraArgs),
}

/// Flags of `kirc setup infra`.
#[derive(Debug, Args)]
#[command(after_help = INFRA_EXAMPLES)]
struct InfraArgs {
    /// Give the Kafka user that contacts share a new password
    #[arg(long)]
    rotate_peer: bool,
    /// Print the steps as JSON, one a line
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
    if let Some(What::Infra(args)) = &args.what {
        return infra(&config, Wishes { rotate_peer: args.rotate_peer }, args.json);
    }
    let grid = match &args.grid {
        Some(dir) => Some(
            std::path::absolute(dir).map_err(|e| Failure::usage(format!("--grid {}: {e}", dir.display())))?,
        ),
        None => None,
    };
    let embedded = args.embedded || grid.is_some();
    let asks = !args.yes;
    let plan = if args.yes {
        let nick = args.nick.clone().or_else(|| config.settings.nick.clone());
        let grid = match config.settings.kafka {
            Some(_) if !embedded => Place::Services(env::from_elsewhere(&config)?),
            _ => Place::Embedded(grid),
        };
        Plan {
            nick: nick.ok_or_else(|| Failure::usage("--yes needs --nick NAME on the first run"))?,
            grid,
            passphrase: config.settings.passphrase.clone(),
        }
    } else if wizard::can_ask() {
        wizard::ask(&config, args.nick.clone(), embedded.then_some(Place::Embedded(grid)))?
    } else {
        return Err(Failure::usage(
            "stdin is no terminal, so nothing can be asked; say: kirc setup --nick NAME --embedded --yes, or leave \
             --embedded away with the services in the environment",
        ));
    };
    let report = finish(&config, &plan)?;
    if args.json {
        return show::say(&show::as_json(&report));
    }
    show::say(&in_words(&report))?;
    after(global, &plan, asks)
}

/// The wizard before the first screen.
pub fn first_run(global: &Global) -> Outcome {
    let config = global.load()?;
    let plan = wizard::ask(&config, None, None)?;
    let report = finish(&config, &plan)?;
    show::say(&in_words(&report))?;
    after(global, &plan, true)
}

/// What is missing on services that were just given, if somebody is there to say yes.
fn after(global: &Global, plan: &Plan, asks: bool) -> Outcome {
    if asks && matches!(plan.grid, Place::Services(_)) && wizard::ask_infra()? {
        return infra(&global.load()?, Wishes::default(), false);
    }
    Ok(())
}

fn infra(config: &Config, wishes: Wishes, json: bool) -> Outcome {
    let tell = |mark: Mark, text: &str| {
        let word = match mark {
            Mark::Made => "made",
            Mark::There => "there",
            Mark::Note => "note",
            Mark::Wrong => "WRONG",
        };
        let line = match json {
            true => serde_json::json!({ "state": word.to_ascii_lowercase(), "text": text }).to_string(),
            false => format!("{word:<6} {text}"),
        };
        // A reader that is gone is no reason to stop half-way.
        let _ = show::say(&line);
    };
    match block_on(async { Ok(infra::make(config, wishes, &tell).await?) })? {
        0 => Ok(()),
        _ if json => Err(Failure::Said),
        n => Err(Failure::failed(format!("{n} things that are needed could not be made"))),
    }
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
    if matches!(plan.grid, Place::Embedded(_)) && wins("KIRC_KAFKA").is_some() {
        eprintln!(
            "kirc: KIRC_KAFKA in the environment wins over the embedded grid that was written: take it away there"
        );
    }
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
        report.grid,
    )
}
