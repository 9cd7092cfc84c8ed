//! Measures this program on this machine: on its own embedded grid in a temporary folder, compared
//! with plain SQLite.
//!
//! This module owns what is measured and how it is reported. Its front ends are `kirc bench` and
//! `cargo bench`. It makes no decisions about channels: the real driver runs three real nodes as
//! usual, and their times are taken from outside.

mod bare;
mod crowd;
mod folder;
mod grid;
mod idle;
mod place;
mod raw;
mod report;
mod signatures;
mod stage;
mod talk;
mod way;

use std::path::Path;

pub use folder::Folder;
pub use grid::{needs as grid_needs, run as run_grid};
pub use report::{Report, Row, Spread};

use bare::Hops;
use stage::Stage;
use way::Ways;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Messages that are sent one at a time.
    pub singles: usize,
    /// Messages that are sent at full speed.
    pub flood: usize,
    /// Seconds of quiet for the idle node.
    pub quiet: u64,
}

impl Plan {
    /// The full measurement.
    pub const FULL: Self = Self { singles: 500, flood: 20_000, quiet: 5 };
    /// A short one: says whether it works, and roughly how fast.
    pub const QUICK: Self = Self { singles: 50, flood: 1_000, quiet: 2 };
}

/// Goal: how much slower a message may be than two bare hops, by the p50.
const LATENCY_GOAL: f64 = 1.5;
/// Singles between two looks at the bare hops.
const BLOCK: usize = 25;

/// Measures. `program` is the `kirc` that is started for the idle node.
pub async fn run(program: &Path, plan: Plan) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let folder = Folder::new()?;
    // First: nothing else of this process runs then.
    report.rows.extend(idle::measure(program, plan.quiet)?);

    let mut stage = Stage::open(&folder.path().into()).await?;
    let size = stage.record_size();
    let mut hops = Hops::open(&folder.path().join("hops.db"), size)?;
    let (mut ways, mut bare) = (Ways::default(), Vec::new());
    while bare.len() < plan.singles {
        let block = BLOCK.min(plan.singles - bare.len());
        for _ in 0..block {
            let way = talk::single(&mut stage).await?;
            ways.add(way, &stage.take_times());
        }
        for _ in 0..block {
            bare.push(hops.hop()?);
        }
    }
    let (messages, stretches) = ways.report(signatures::measure(plan.singles, size));
    let bare = Spread::of(bare);
    let latency = Row::micros("author to reader", messages)
        .beside("two bare SQLite hops", bare.p50 / 1e3)
        .goal("ratio ≤", LATENCY_GOAL);
    report.rows.push(latency);
    report.rows.extend(stretches);
    report.rows.push(Row::micros("two bare SQLite hops", bare));

    let rate = talk::flood(&mut stage, plan.flood).await?;
    stage.close().await;
    let grouped = bare::appends(&folder.path().join("many.db"), size, plan.flood, 1_000)?;
    let single = bare::appends(&folder.path().join("one.db"), size, plan.flood, 1)?;
    report
        .rows
        .push(Row::rate("messages through one leader", rate).beside("appends, 1000 a commit", grouped));
    report.rows.push(Row::rate("  the same", rate).beside("appends, one a commit", single));
    report.record_bytes = size;
    Ok(report)
}

#[cfg(test)]
mod tests;
