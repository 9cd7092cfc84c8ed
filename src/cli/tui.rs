//! `kirc` and `kirc tui`: the terminal UI, after the wizard on the first run.

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
        let options = kirc_tui::Options {
            profile: config.paths.profile_name().to_owned(),
            ..kirc_tui::Options::from_env()
        };
        let handle = kirc_tui::Handle { to_node: session.to_node, from_node: session.from_node };
        let exit = kirc_tui::run(handle, options, ended).await;
        rest.close().await;
        match exit? {
            kirc_tui::Exit::Quit => Ok(()),
            kirc_tui::Exit::NodeGone(why) => Err(Failure::failed(why)),
        }
    })
}

async fn show_demo() -> Outcome {
    Ok(kirc_tui::demo(kirc_tui::Options::from_env()).await?)
}

impl From<kirc_tui::TuiError> for Failure {
    fn from(error: kirc_tui::TuiError) -> Self {
        Self::failed(error.to_string())
    }
}
