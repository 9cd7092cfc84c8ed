//! The single checks of the doctor.

use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::doctor::Check;
use crate::attach::{connect, holder};
use crate::config::{Config, EnvFile, FileError, TABLE, check_private};
use crate::profile::{self, ProfileError};
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
    if !path.exists() {
        return Check::wrong("keys", format!("{} is not there", path.display()), "run: kirc setup");
    }
    match profile::read_identity(&path, config.settings.passphrase.as_ref()) {
        Ok(identity) => Check::ok("keys", format!("fingerprint {}", identity.public().fingerprint())),
    if let Err(error) = profile::check_keys_there(&config.paths) {
        return Check::wrong("keys", error.to_string(), "do what it says");
    }
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
        return (Check::ok("node", "none runs for this profile"), false);
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

/// The store, unless a node has it open.
pub(super) async fn store(config: &Config, running: bool) -> Check {
    let path = config.paths.store();
    if running {
        return Check::ok("store", format!("{} is open in the running node", path.display()));
    }
    if !path.exists() {
        return Check::ok("store", format!("{} is made when the node first starts", path.display()));
    }
    match EmbeddedStore::open(&config.paths.profile()) {
        Ok(store) => {
            let loaded = store.load().await;
            let _ = store.close().await;
            match loaded {
                Ok(_) => Check::ok("store", format!("{} can be read", path.display())),
                Err(error) => Check::wrong("store", error.to_string(), "do what it says"),
            }
        }
        Err(error) => Check::wrong("store", error.to_string(), "do what it says"),
    }
}

/// The grid.
pub(super) async fn grid(config: &Config) -> Check {
    let dir = config.grid();
    if !dir.exists() {
        return Check::warning(
            "grid",
            format!("{} is not there yet", dir.display()),
            "kirc setup or the first start makes it",
        );
    }
    match super::check_grid(&dir).await {
        Ok(()) => Check::ok("grid", format!("{} works", dir.display())),
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
