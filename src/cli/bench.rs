//! `kirc bench`: how fast this program is on this machine.

use clap::Args;

use super::{Failure, Outcome, block_on, show};
use crate::bench::{self, Plan};

const EXAMPLES: &str = "\
Examples:
  kirc bench
  kirc bench --quick
  kirc bench --json | jq '.rows[] | select(.met == false)'

It works in a temporary folder, with nodes and a grid of its own; no profile is touched. A full run takes about a minute.
A goal that is missed is said, but is no failure: machines differ.";

/// Flags of `kirc bench`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct BenchArgs {
    /// A short run
    #[arg(long)]
    quick: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &BenchArgs) -> Outcome {
    let plan = if args.quick { Plan::QUICK } else { Plan::FULL };
    let program =
        std::env::current_exe().map_err(|e| Failure::failed(format!("this program can't be found: {e}")))?;
    let report = block_on(async {
        let measured = bench::run(&program, plan).await;
        measured.map_err(|e| Failure::failed(format!("{e:#}")))
    })?;
    if args.json {
        return show::say(&show::as_json(&report));
    }
    show::say(report.table().trim_end())
}
