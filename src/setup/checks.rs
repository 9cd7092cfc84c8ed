//! The doctor's individual checks.

use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, SystemTime};

use kirc_core::Envelope;
use kirc_core::port::{PortError, Room, Snapshot, Table};
use tokio::io::{AsyncWriteExt, BufReader};

use super::doctor::Check;
use super::in_use;
use crate::attach::{connect, holder, line, next_envelope};
use crate::config::{Config, EnvFile, FileError, TABLE, check_private};
use crate::embedded::{self, Grid};
use crate::profile::{self, ProfileError};
use crate::services;
use crate::store::{EmbeddedStore, Store};

/// 2026-01-01: no kirc is older.
const FIRST: u64 = 1_767_225_600;

/// Names in `.env` that look like ours and are not.
pub(super) fn settings(config: &Config) -> Check {
    let unknown: Vec<String> = config
        .sources
        .file()
        .into_iter()
        .flat_map(EnvFile::pairs)
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("KIRC_"))
        .filter(|name| !["KIRC_PROFILE", "KIRC_DATA_DIR"].contains(name))
        .filter(|name| TABLE.iter().all(|s| s.name != *name))
        .map(str::to_owned)
        .collect();
    let file = config.paths.env_file();
    if !unknown.is_empty() {
        return Check::warning(
            "settings",
            format!("{} sets {}, which kirc does not know", file.display(), unknown.join(", ")),
            "look for a spelling mistake; .env.example has all names",
        );
    }
    match &config.settings.nick {
        Some(nick) => Check::ok("settings", format!("nick {nick}, read from {}", file.display())),
        None => Check::wrong("settings", "no nick is set", "run: kirc setup"),
    }
}

/// Files and folders that others can get at.
pub(super) fn rights(config: &Config) -> Vec<Check> {
    let paths = &config.paths;
    let folder = paths.profile();
    if !folder.exists() {
        let found = format!("{} is not there", folder.display());
        return vec![Check::wrong("files", found, "run: kirc setup")];
    }
    let store = paths.store();
    let mut all = vec![
        folder.clone(),
        paths.env_file(),
        paths.identity(),
        paths.lock(),
        paths.socket(),
        paths.log(),
        config.grid(),
    ];
    for end in ["", "-wal", "-shm"] {
        all.push(Path::new(&format!("{}{end}", store.display())).to_owned());
    }
    let wrong: Vec<Check> = all
        .iter()
        .filter(|path| path.exists())
        .filter_map(|path| match check_private(path) {
            Ok(()) => None,
            Err(error @ FileError::Exposed { want, .. }) => Some(Check::wrong(
                "files",
                error.to_string(),
                format!("run: chmod {want:o} '{}'", path.display()),
            )),
            Err(error) => Some(Check::wrong(
                "files",
                error.to_string(),
                format!("make yourself the owner of {}", path.display()),
            )),
        })
        .collect();
    if wrong.is_empty() {
        return vec![Check::ok("files", format!("only you can get at {}", folder.display()))];
    }
    wrong
}

/// The key file.
pub(super) fn keys(config: &Config) -> Check {
    let path = config.paths.identity();
    if let Err(error) = profile::check_keys_there(&config.paths) {
        return Check::wrong("keys", error.to_string(), "do what it says");
    }
    if !path.exists() {
        return Check::wrong("keys", format!("{} is not there", path.display()), "run: kirc setup");
    }
    match profile::read_identity(&path, config.settings.passphrase.as_ref()) {
        Ok(identity) => Check::ok("keys", format!("fingerprint {}", identity.public().fingerprint())),
        Err(ProfileError::PassphraseNeeded) => {
            Check::ok("keys", "sealed by a passphrase (not opened here; KIRC_PASSPHRASE would)")
        }
        Err(error) => Check::wrong(
            "keys",
            error.to_string(),
            "give the right passphrase, or put a copy of the key file in its place; without it this identity is lost",
        ),
    }
}

/// Whether a node runs, and whether it answers.
pub(super) async fn node(config: &Config) -> (Check, bool) {
    let lock = config.paths.lock();
    let Some(pid) = holder(&lock) else {
        if connect(&config.paths.socket()).await.is_err() {
            return (Check::ok("node", "none runs for this profile"), false);
        }
        let found = format!("one runs and answers, but {} was taken from it", lock.display());
        return (Check::warning("node", found, "end the node and start it again"), true);
    };
    let answer = tokio::time::timeout(Duration::from_secs(2), connect(&config.paths.socket())).await;
    let check = match answer {
        Ok(Ok(_)) => Check::ok("node", format!("process {pid} runs it and answers")),
        _ => Check::wrong(
            "node",
            format!("process {pid} holds the profile and does not answer"),
            format!("end it: kill {pid}"),
        ),
    };
    (check, true)
}

/// What a running node says of itself: of its grid, and of what it could not take.
pub(super) async fn told(config: &Config) -> Vec<Check> {
    let heard = tokio::time::timeout(Duration::from_secs(2), listen(config)).await;
    let mut found = Vec::new();
    for said in heard.ok().and_then(Result::ok).unwrap_or_default() {
        if said.command == "ALARM" {
            found.push(Check::warning("node", said.lines().join(" "), "do what it says"));
        }
        let refused = said.get("services").map(|services| services["mailbox"]["refused"].clone());
        for (topic, reasons) in refused.as_ref().and_then(|r| r.as_object()).into_iter().flatten() {
            let each = reasons.as_object().into_iter().flatten().map(|(why, n)| format!("{n} {why}"));
            let what = format!(
                "{topic} brought records that were not taken: {}",
                each.collect::<Vec<_>>().join(", ")
            );
            let todo =
                "a few do no harm; if they grow, somebody who may write there writes garbage: see kirc.log";
            found.push(Check::warning("records", what, todo));
        }
        found.extend(in_use::of_status(&said));
    }
    found
}

/// What the node says at once: up to its first STATUS.
async fn listen(config: &Config) -> std::io::Result<Vec<Envelope>> {
    let mut stream = connect(&config.paths.socket()).await?;
    let hello = Envelope::new("HELLO").meta("caps", vec!["status"]);
    stream.write_all(&line(&hello)).await?;
    let mut read = BufReader::new(stream);
    let mut heard = Vec::new();
    while let Some(Ok(said)) = next_envelope(&mut read).await {
        let last = said.command == "STATUS";
        heard.push(said);
        if last {
            break;
        }
    }
    Ok(heard)
}

/// The store, unless a node has it open; and the grid that it speaks of.
pub(super) async fn store(config: &Config, running: bool) -> (Vec<Check>, Option<String>) {
    if config.settings.postgres.is_some() {
        return (tables(config, running).await, None);
    }
    let path = config.paths.store();
    let one = |check: Check| (vec![check], None);
    if running {
        return one(Check::ok("store", format!("{} is open in the running node", path.display())));
    }
    if !path.exists() {
        return one(Check::ok("store", format!("{} is made when the node first starts", path.display())));
    }
    let opened = EmbeddedStore::open(&config.paths.profile()).map_err(|e| e.to_string());
    let read = match opened {
        Ok(store) => contents(config, &store).await.map_err(|e| e.to_string()),
        Err(error) => Err(error),
    };
    match read {
        Ok((snapshot, history)) => {
            let home = snapshot.values.get(&(Table::Setting, "home".to_owned()));
            let home = home.and_then(|home| serde_json::from_slice(home).ok());
            (vec![Check::ok("store", format!("{} can be read", path.display())), history], home)
        }
        Err(error) => one(Check::wrong("store", error, "do what it says")),
    }
}

/// What a store holds, and how much that is. It is closed afterwards.
async fn contents(config: &Config, store: &dyn Store) -> Result<(Snapshot, Check), PortError> {
    let (loaded, size) = (store.load().await, store.size().await);
    let _ = store.close().await;
    let size = size?;
    let limit = services::history_limit(config);
    Ok((loaded?, in_use::history(Room { used: size.used, disk: size.disk, limit })))
}

/// The store on PostgreSQL.
async fn tables(config: &Config, running: bool) -> Vec<Check> {
    let wrong = |error: String| vec![Check::wrong("store", error, "do what it says; KIRC_POSTGRES names it")];
    let well = |found: String| Check::ok("store", found);
    let told = match services::postgres(config) {
        Ok(Some(settings)) => settings.probe().await,
        Ok(None) => return vec![well("none is set".to_owned())],
        Err(error) => Err(error),
    };
    let told = match told {
        Ok(told) => told,
        Err(error) => return wrong(error.to_string()),
    };
    let place = format!(
        "PostgreSQL {} at {}:{}, schema {} of the database {}, {} connections",
        told.version, told.host, told.port, told.schema, told.database, told.connections
    );
    if !told.has_tables {
        return vec![well(format!("{place}; its tables are made when the node first starts"))];
    }
    if running {
        return vec![well(format!("{place}; open in the running node"))];
    }
    let read = match services::open_store(config) {
        Ok(store) => contents(config, &*store).await.map_err(|e| e.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match read {
        Ok((_, history)) => vec![well(format!("{place}; it can be read")), history],
        Err(error) => wrong(error),
    }
}

/// The grid, and whether it is the one on which the profile has lived.
pub(super) async fn grid(config: &Config, home: Option<String>) -> Check {
    let dir = config.grid();
    if !dir.exists() {
        return Check::warning(
            "grid",
            format!("{} is not there yet", dir.display()),
            "kirc setup or the first start makes it",
        );
    }
    match super::check_grid(&dir).await {
        Ok(()) => match Grid::open(&dir, embedded::Settings::default()) {
            Ok(grid) if home.is_some_and(|home| home != grid.id()) && config.settings.kafka.is_none() => {
                Check::warning(
                    "grid",
                    format!(
                        "{} works, but it is not the grid on which this profile has lived",
                        dir.display()
                    ),
                    "set KIRC_GRID as it was before; or, if another grid is meant, join a channel there",
                )
            }
            _ => Check::ok("grid", format!("{} works", dir.display())),
        },
        Err(error) => Check::wrong("grid", error.to_string(), "do what it says, or set KIRC_GRID"),
    }
}

/// The clock: not in the past, and not behind what was written before.
pub(super) fn clock(config: &Config) -> Check {
    let now = SystemTime::now();
    let since = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let todo = "set the clock, or let it be set: timedatectl set-ntp true";
    if since < FIRST {
        return Check::wrong("clock", "the clock says it is before 2026", todo);
    }
    let paths = [
        config.paths.store(),
        config.paths.identity(),
        config.paths.env_file(),
        config.grid().join("mailbox.db"),
        config.grid().join("mailbox.db-wal"),
    ];
    let newest = paths.iter().filter_map(|p| std::fs::metadata(p).and_then(|m| m.modified()).ok()).max();
    let ahead = newest.and_then(|newest| newest.duration_since(now).ok());
    match ahead {
        Some(ahead) if ahead > Duration::from_secs(60) => Check::wrong(
            "clock",
            format!(
                "files of kirc were written {} min in the future: the clock is behind, or was ahead",
                ahead.as_secs() / 60
            ),
            todo,
        ),
        _ => {
            let utc = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S");
            let skew = crate::config::duration_text(config.settings.clock_skew);
            Check::ok("clock", format!("{utc} UTC; others accept up to {skew} of difference"))
        }
    }
}

/// The terminal.
pub(super) fn terminal() -> Check {
    let name = "terminal";
    if !std::io::stdout().is_terminal() {
        return Check::ok(name, "stdout is no terminal; the terminal UI needs one");
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let term = variable("TERM").unwrap_or_default();
    if term.is_empty() || term == "dumb" {
        return Check::wrong(name, format!("TERM is \"{term}\""), "set TERM, for example to xterm-256color");
    }
    let locale = variable("LC_ALL").or_else(|| variable("LC_CTYPE")).or_else(|| variable("LANG"));
    let utf8 = locale.as_deref().is_some_and(|l| {
        let l = l.to_ascii_lowercase();
        l.contains("utf-8") || l.contains("utf8")
    });
    if !utf8 {
        return Check::warning(
            name,
            format!("the locale is {}", locale.as_deref().unwrap_or("not set")),
            "set LANG to one with UTF-8, for example C.UTF-8",
        );
    }
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    match size {
        Some(s) if s.ws_col < 40 || s.ws_row < 10 => Check::warning(
            name,
            format!("it has {} columns and {} rows", s.ws_col, s.ws_row),
            "make it larger: 80 columns and 24 rows are comfortable",
        ),
        _ => Check::ok(name, format!("{term}, UTF-8")),
    }
}
