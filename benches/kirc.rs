//! What `kirc bench` measures, and the time from the start of the program to its first frame in a
//! terminal.
//!
//! `cargo bench --bench kirc` (add `-- --quick` for a short run, `-- --json` for JSON).

use std::io::Read;
use std::num::NonZero;
use std::path::Path;
use std::time::Instant;

use kirc::bench::{self, Plan, Row, Spread};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

const STARTS: usize = 20;
/// Goal: milliseconds to the first frame.
const FRAME_GOAL: f64 = 150.0;

fn main() {
    let quick = std::env::args().any(|a| a == "--quick");
    let json = std::env::args().any(|a| a == "--json");
    let plan = if quick { Plan::QUICK } else { Plan::FULL };
    let program = Path::new(env!("CARGO_BIN_EXE_kirc"));
    let starts = (0..STARTS).map(|_| first_frame(program)).collect();
    let spread = Spread::of(starts);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut report = runtime.block_on(bench::run(program, plan)).expect("a measurement");
    let mut row = Row::value("start to first frame", "ms", spread.p50 / 1e6);
    row.p99 = Some(spread.p99 / 1e6);
    report.rows.push(row.goal("≤", FRAME_GOAL));
    if json {
        println!("{}", serde_json::to_string(&report).expect("JSON"));
    } else {
        print!("{}", report.table());
    }
}

/// Nanoseconds until a terminal shows something.
fn first_frame(program: &Path) -> u64 {
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).expect("a terminal");
    let mut reader = pair.master.try_clone_reader().expect("a reader");
    let mut command = CommandBuilder::new(program);
    command.args(["tui", "--demo"]);
    command.env("TERM", "xterm-256color");
    let cells = |n| NonZero::new(n).expect("a size");
    let mut screen = vt100::Parser::new(cells(24), cells(80), 0);
    let mut bytes = [0; 4096];
    let since = Instant::now();
    let mut child = pair.slave.spawn_command(command).expect("kirc");
    while screen.screen().contents().trim().is_empty() {
        let count = reader.read(&mut bytes).expect("bytes");
        assert!(count > 0, "kirc ended before its first frame");
        screen.process(&bytes[..count]);
    }
    let took = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
    child.kill().expect("its end");
    child.wait().expect("its end");
    took
}
