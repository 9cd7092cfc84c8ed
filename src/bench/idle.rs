//! Measures the memory and CPU time of an idle node in its own process, from `/proc`.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::{Folder, Row};

/// Goal: megabytes of resident memory.
const MEMORY_GOAL: f64 = 25.0;
/// Goal: percent of one processor.
const CPU_GOAL: f64 = 0.2;
/// How long starting may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// What goes on after joining is not idleness yet.
const SETTLE: Duration = Duration::from_secs(2);

/// A process that ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sets a profile up, starts its node, joins a channel, and looks at the node for `quiet` seconds.
pub fn measure(program: &Path, quiet: u64) -> anyhow::Result<Vec<Row>> {
    if !Path::new("/proc/self/status").exists() {
        return Ok(Vec::new());
    }
    let folder = Folder::new()?;
    let data = folder.path();
    done(kirc(program, data).args(["setup", "--nick", "idle", "--embedded", "--yes"]))?;
    let node = Running(
        kirc(program, data)
            .arg("node")
            .spawn()
            .with_context(|| format!("{} can't be started", program.display()))?,
    );
    let socket = data.join("profiles/default/kirc.sock");
    let begin = Instant::now();
    while !socket.exists() {
        if begin.elapsed() > PATIENCE {
            bail!("the idle node did not start");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    done(kirc(program, data).args(["send", "--join", "#bench", "hello"]))?;
    std::thread::sleep(SETTLE);
    let proc = Path::new("/proc").join(node.0.id().to_string());
    let (before, since) = (on_cpu(&proc)?, Instant::now());
    std::thread::sleep(Duration::from_secs(quiet));
    let busy = on_cpu(&proc)?.saturating_sub(before).as_secs_f64();
    let cpu = 100.0 * busy / since.elapsed().as_secs_f64();
    Ok(vec![
        Row::value("idle node: resident memory", "MB", resident(&proc)?).goal("≤", MEMORY_GOAL),
        Row::value("idle node: processor", "%", cpu).goal("≤", CPU_GOAL),
    ])
}

/// The program, with nothing of this machine's settings.
fn kirc(program: &Path, data: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KIRC_") {
            command.env_remove(name);
        }
    }
    command.env("KIRC_DATA_DIR", data).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn done(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stderr(Stdio::piped()).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("the idle node's profile: {}", said.trim());
    }
    Ok(())
}

/// What all threads of a process have spent on a processor.
fn on_cpu(proc: &Path) -> anyhow::Result<Duration> {
    let mut nanos = 0_u64;
    let mut exact = false;
    for thread in std::fs::read_dir(proc.join("task"))? {
        let Ok(line) = std::fs::read_to_string(thread?.path().join("schedstat")) else {
            continue;
        };
        let first = line.split_whitespace().next();
        nanos += first.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        exact = true;
    }
    if exact {
        return Ok(Duration::from_nanos(nanos));
    }
    // Without it: hundredths of a second.
    let stat = std::fs::read_to_string(proc.join("stat"))?;
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let fields = rest.split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.filter_map(|n| n.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// Resident memory in megabytes.
fn resident(proc: &Path) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(proc.join("status"))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let number = line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
    let kilobytes = number.context("the system does not tell the memory of a process")?;
    Ok(kilobytes / 1024.0)
}
