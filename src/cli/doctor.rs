//! `kirc doctor`: finds problems and says what to do about them.

use clap::Args;

use super::{Failure, Global, Outcome, block_on, show};
use crate::config::Config;
use crate::setup::doctor::{State, examine};

const EXAMPLES: &str = "\
Examples:
  kirc doctor
  kirc doctor --json | jq '.checks[] | select(.state != \"ok\")'

Exit code: 0 if nothing is wrong, 1 otherwise.";

/// Flags of `kirc doctor`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(global: &Global, args: &DoctorArgs) -> Outcome {
    let config = Config::load(global.flags());
    let checks = block_on(async { Ok(examine(config).await) })?;
    let wrong = checks.iter().filter(|c| c.state == State::Wrong).count();
    if args.json {
        let report = serde_json::json!({ "ok": wrong == 0, "checks": checks });
        show::say(&show::as_json(&report))?;
    } else {
        for check in &checks {
            let mark = match check.state {
                State::Ok => "ok",
                State::Warning => "warning",
                State::Wrong => "WRONG",
            };
            show::say(&format!("{mark:<8} {:<9} {}", check.name, check.found))?;
            if let Some(todo) = &check.todo {
                show::say(&format!("{:18} -> {todo}", ""))?;
            }
        }
    }
    match wrong {
        0 => Ok(()),
        _ if args.json => Err(Failure::Said),
        n => Err(Failure::failed(format!("{n} of {} checks found something wrong", checks.len()))),
    }
}
