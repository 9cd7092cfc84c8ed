//! `kirc node`: the node without a terminal.

use clap::Args;

use super::starter::NodeStarter;
use super::{Failure, Global, Outcome, block_on, signals};
use crate::attach::{Host, Starter, holder, try_lock};
use crate::config::LogFormat;
use crate::irc::{IrcServer, ListenError, Listener};
use crate::{logging, profile};

const EXAMPLES: &str = "\
Examples:
  kirc node
  kirc node --irc 127.0.0.1:6667         any IRC client is a client, too
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
    /// Where IRC clients connect, on loopback [default: KIRC_IRC, nowhere]
    #[arg(long, value_name = "ADDR:PORT")]
    irc: Option<String>,
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
        // Before the node starts: what is wrong with the address ends this at once.
        let listener = listener(args.irc.as_deref().or(config.settings.irc.as_deref()))?;
        let host = NodeStarter::new(&config).start(lock).await?;
        let irc = match listener.map(|l| IrcServer::start(l, host.node(), config.paths.password())) {
            Some(Err(error)) => {
                host.stop().await;
                return Err(Failure::failed(format!("IRC clients can't be served: {error}")));
            }
            irc => irc.and_then(Result::ok),
        };
        ended.await;
        if let Some(irc) = irc {
            irc.stop().await;
        }
        host.stop().await;
        Ok(())
    })
}

/// The socket for IRC clients, if there shall be one.
fn listener(address: Option<&str>) -> Result<Option<Listener>, Failure> {
    let Some(address) = address.filter(|address| !address.is_empty()) else { return Ok(None) };
    Listener::bind(address).map(Some).map_err(|error| match error {
        ListenError::Address(_) | ListenError::NotLoopback(_) => Failure::usage(error.to_string()),
        error => Failure::failed(error.to_string()),
    })
}
