//! `kirc` and `kirc tui`: the terminal UI, over a wizard on the first run.

use std::io::IsTerminal;

use clap::Args;

use super::{Failure, Global, Outcome, block_on, setup, signals, starter, talk};
use crate::profile;

const EXAMPLES: &str = "\
Examples:
  kirc                     the same as kirc tui
  kirc tui --demo          made-up data, without a network
  kirc --profile work tui";

/// Flags of `kirc tui`.
#[derive(Debug, Default, Args)]
#[command(after_help = EXAMPLES)]
pub struct TuiArgs {
    /// Show made-up data, without a network
    #[arg(long = "demo", id = "tui-demo")]
    demo: bool,
}

/// Runs it.
pub fn run(global: &Global, args: &TuiArgs, demo: bool) -> Outcome {
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if !terminal {
        return Err(Failure::usage(
            "the terminal UI needs a terminal; for scripts there are kirc pipe, kirc send and kirc tail",
        ));
    }
    if demo || args.demo {
        return block_on(show_demo());
    }
    let mut config = global.load()?;
    if !profile::exists(&config.paths) || config.settings.nick.is_none() {
        setup::first_run(global)?;
        config = global.load()?;
    }
    let _log = starter::log_to_file(&config)?;
    block_on(async {
        let ended = signals::ended()?;
        let (session, rest) = talk::open(&config).await?.split();
        let result = show(session, &config, ended).await;
        rest.close().await;
        result
    })
}

async fn show_demo() -> Outcome {
    Err(Failure::failed("the terminal UI is not in this build"))
}

async fn show(
    session: crate::session::Session,
    config: &crate::config::Config,
    ended: impl Future<Output = ()> + Send + 'static,
) -> Outcome {
    let _ = (session, config, ended);
    Err(Failure::failed("the terminal UI is not in this build"))
}
