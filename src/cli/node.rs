//! `kirc node`: the node without a terminal.

use clap::Args;

use super::starter::NodeStarter;
use super::{Failure, Global, Outcome, block_on, signals};
use crate::attach::{Host, Starter, holder, try_lock};
use crate::config::LogFormat;
use crate::{logging, profile};

const EXAMPLES: &str = "\
Examples:
  kirc node
  kirc --profile work node --log-format json 2>> node.log
  KIRC_LOG=debug kirc node

While it runs, `kirc`, `kirc send`, `kirc pipe` and the others attach to it. SIGTERM or SIGINT ends it in order.";

/// Flags of `kirc node`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct NodeArgs {
    /// How log lines look [default: KIRC_LOG_FORMAT, text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

/// Runs it.
pub fn run(global: &Global, args: &NodeArgs) -> Outcome {
    let config = global.load()?;
    let format = args.log_format.unwrap_or(config.settings.log_format);
    let _log = logging::to_stderr(&config.settings.log, format);
    profile::check(&config.paths)?;
    block_on(async {
        let ended = signals::ended()?;
        let Some(lock) = try_lock(&config.paths.lock())? else {
            let pid = holder(&config.paths.lock()).map_or(String::new(), |p| format!(" (process {p})"));
            return Err(Failure::failed(format!(
                "the node of profile \"{}\" runs already{pid}",
                config.paths.profile_name()
            )));
        };
        let host = NodeStarter::new(&config).start(lock).await?;
        ended.await;
        host.stop().await;
        Ok(())
    })
}
