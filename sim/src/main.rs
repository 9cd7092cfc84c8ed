//! `kirc-sim`: runs seeds and reports which promise was broken in which of them.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kirc_sim::mutants;
use kirc_sim::plan::Kind;
use kirc_sim::pool;
use kirc_sim::run::{Choice, Outcome, excerpt, run};

const HELP: &str = "\
Runs the network of kirc with seeded faults and checks the promises of its design.

  kirc-sim [--seeds N] [--from S] [--jobs J] [--kind KIND] [--mutant NAME] [--trace]

  --seeds N      how many seeds to run (100)
  --from S       the first seed (0)
  --fresh N      N seeds that nobody has run, drawn from the clock; they are printed, so that they can be run again
  --jobs J       how many at once (one for each core)
  --kind KIND    calm, mixed, crashes, pauses, cuts, appends, signals, churn, hostile or vanishing (the seed decides);
                 or clusters: two of them, with the faults that the seed decides on
  --mutant NAME  with a deliberately broken rule; `list` names them
  --trace        tell the whole story of each seed";

struct Args {
    seeds: u64,
    from: u64,
    jobs: usize,
    choice: Choice,
}

fn main() -> ExitCode {
    let args = match parse(std::env::args().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => return ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    if std::env::var_os("RUST_BACKTRACE").is_none() {
        // A panic of a node is reported with its seed, once.
        std::panic::set_hook(Box::new(|_| {}));
    }
    let told = AtomicU64::new(0);
    let began = Instant::now();
    let tally = pool::many(args.from, args.seeds, args.jobs, args.choice, |outcome| {
        if told.fetch_add(1, Ordering::Relaxed) < 10 {
            report(outcome, args.choice);
        }
    });
    let took = began.elapsed().as_secs_f64().max(0.001);
    let runs = (tally.passed + tally.failed.len() as u64) as f64;
    println!(
        "{:.1} runs/s on {} jobs ({:.1} s); {} messages sent, {} records in logs ({} with several acts), {} inputs",
        runs / took,
        args.jobs,
        took,
        tally.settled,
        tally.appended,
        tally.batches,
        tally.handled
    );
    if !tally.failed.is_empty() {
        let seeds: Vec<String> = tally.failed.keys().take(50).map(u64::to_string).collect();
        println!("seeds that failed: {}", seeds.join(" "));
    }
    println!("{} passed, {} failed", tally.passed, tally.failed.len());
    if tally.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(outcome: &Outcome, choice: Choice) {
    let clusters = if outcome.two_clusters { ", two clusters" } else { "" };
    let mut text = format!("seed {} ({}{clusters}):\n", outcome.seed, outcome.kind.name());
    for breach in outcome.breaches.iter().take(5) {
        text += &format!("  promise {}: at {}: {}\n", breach.promise.name(), breach.at, breach.text);
    }
    if outcome.breaches.len() > 5 {
        text += &format!("  … and {} more\n", outcome.breaches.len() - 5);
    }
    if let Some(breach) = outcome.breaches.first() {
        let again = run(outcome.seed, Choice { tell: true, ..choice });
        let story = if choice.tell {
            again.story
        } else {
            let lines = excerpt(&again.story, breach, 12);
            lines.iter().map(|l| l.chars().take(300).collect()).collect()
        };
        for line in story {
            text += &format!("    {line}\n");
        }
    }
    println!("{text}");
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Args>, String> {
    let mut parsed = Args {
        seeds: 100,
        from: 0,
        jobs: std::thread::available_parallelism().map_or(1, usize::from),
        choice: Choice::default(),
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--seeds" => parsed.seeds = number(&value()?)?,
            "--fresh" => {
                parsed.seeds = number(&value()?)?;
                parsed.from = clock();
                println!("seeds from the clock: --from {} --seeds {}", parsed.from, parsed.seeds);
            }
            "--from" => parsed.from = number(&value()?)?,
            "--jobs" => parsed.jobs = number(&value()?)? as usize,
            "--trace" => parsed.choice.tell = true,
            "--kind" => {
                let name = value()?;
                let kind = Kind::parse(&name).ok_or_else(|| format!("no kind is called {name}"))?;
                parsed.choice.kind = Some(kind);
            }
            "--mutant" => {
                let name = value()?;
                if name == "list" {
                    for case in mutants::CASES {
                        println!("{:20} {}", case.name, case.kind.name());
                    }
                    return Ok(None);
                }
                let case = mutants::parse(&name).ok_or_else(|| format!("no mutant is called {name}"))?;
                parsed.choice.mutant = Some(case.mutant);
                parsed.choice.kind = parsed.choice.kind.or(Some(case.kind));
            }
            "--help" | "-h" => {
                println!("{HELP}");
                return Ok(None);
            }
            other => return Err(format!("{other} is not understood")),
        }
    }
    Ok(Some(parsed))
}

/// Milliseconds since 1970: nobody has run the seeds of this moment.
fn clock() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or_default()
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}
