//! `kirc bench`: measures the speed of this program on this machine, or on real services.

use clap::Args;

use super::{Failure, Global, Outcome, block_on, show};
use crate::bench::{self, Plan};

const EXAMPLES: &str = "\
Examples:
  kirc bench
  kirc bench --quick
  kirc bench grid                    on the real services of the settings (KIRC_KAFKA, KIRC_VALKEY, KIRC_POSTGRES)
  kirc bench grid --members 200      and a kick in a channel of so many
  kirc bench --json | jq '.rows[] | select(.met == false)'

It works in a temporary folder, with nodes and a grid of its own; no profile is touched. A full run takes half a minute or more.
On real services it uses names of its own, takes its topics and schemas away at the end, and does not keep to KIRC_BUDGET.
A goal that is missed is said, but is no failure: machines differ.";

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Where {
    /// An embedded grid
    Embedded,
    /// The real services of the settings, beside rdkafka alone
    Grid,
}

/// Flags of `kirc bench`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct BenchArgs {
    /// Where it is measured
    #[arg(value_enum, default_value = "embedded")]
    place: Where,
    /// Members of the large channel of `grid`; 0 leaves it out
    #[arg(long, default_value_t = 0, value_name = "N")]
    members: usize,
    /// A short run
    #[arg(long)]
    quick: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(global: &Global, args: &BenchArgs) -> Outcome {
    let plan = if args.quick { Plan::QUICK } else { Plan::FULL };
    let program =
        std::env::current_exe().map_err(|e| Failure::failed(format!("this program can't be found: {e}")))?;
    let config = global.load()?;
    if args.place == Where::Grid {
        bench::grid_needs(&config).map_err(Failure::usage)?;
    }
    let report = block_on(async {
        let measured = match args.place {
            Where::Embedded => bench::run(&program, plan).await,
            Where::Grid => bench::run_grid(&config, plan, args.members).await,
        };
        measured.map_err(|e| Failure::failed(format!("{e:#}")))
    })?;
    if args.json {
        return show::say(&show::as_json(&report));
    }
    show::say(report.table().trim_end())
}
