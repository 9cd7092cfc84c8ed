//! The destination of log lines: standard error for `kirc node`, and a file in the profile's folder
//! for everything else, so that terminals and pipes stay clean. Bodies, keys and secrets are never
//! logged; the types that hold them do not show them.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::config::{FileError, LogFormat};

/// A log file that is larger than this is put aside at the next start.
const LARGE: u64 = 5 * 1024 * 1024;

/// Keeps the log's writer alive: what was logged is written when it is dropped.
pub struct LogGuard(#[allow(dead_code)] Option<WorkerGuard>);

/// Logs to standard error.
pub fn to_stderr(levels: &str, format: LogFormat) -> LogGuard {
    let (writer, guard) = tracing_appender::non_blocking(io::stderr());
    start(levels, format, BoxMakeWriter::new(writer), false);
    LogGuard(Some(guard))
}

/// Logs to a file.
pub fn to_file(levels: &str, path: &Path) -> Result<LogGuard, FileError> {
    if std::fs::metadata(path).is_ok_and(|m| m.len() > LARGE) {
        let _ = std::fs::rename(path, path.with_extension("log.1"));
    }
    let file: File = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(FileError::io(path, "opened"))?;
    let (writer, guard) = tracing_appender::non_blocking(file);
    start(levels, LogFormat::Text, BoxMakeWriter::new(writer), false);
    Ok(LogGuard(Some(guard)))
}

fn start(levels: &str, format: LogFormat, writer: BoxMakeWriter, ansi: bool) {
    let filter = EnvFilter::new(levels);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(ansi);
    // A second start in one process (tests) keeps the first.
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}
