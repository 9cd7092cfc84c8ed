//! Errors of a database file. Each message says which file, what is wrong and what to do next.
//!
//! This module classifies the errors of SQLite and of the operating system. It repairs nothing.

use std::io;
use std::path::{Path, PathBuf};

use kirc_core::port::PortError;
use rusqlite::ErrorCode;

/// A kind of trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// No space is left.
    Full,
    /// Another process kept it locked for too long.
    Busy,
    /// What stands in it is not what was written. The text says how that was noticed.
    Damaged(String),
    /// It was moved or deleted while it was in use.
    Gone,
    /// The system does not allow it.
    Denied(String),
    /// A newer kirc wrote it: found version, known version.
    Newer(i64, i64),
    /// Another kirc uses it and it can't be shared.
    InUse,
    /// Anything else.
    Other(String),
}

impl Fault {
    /// Whether the file itself is bad, so that another try can't help.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(_))
    }

    /// What was noticed, in words, as it stands in a sentence about the file.
    pub fn why(&self) -> String {
        match self {
            Self::Damaged(why) | Self::Denied(why) | Self::Other(why) => why.clone(),
            Self::Full => "the disk is full".to_owned(),
            Self::Busy => "it is locked".to_owned(),
            Self::Gone => "it was moved or deleted".to_owned(),
            Self::Newer(..) => "a newer kirc wrote it".to_owned(),
            Self::InUse => "another kirc uses it".to_owned(),
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        let text = error.to_string();
        match &error {
            E::SqliteFailure(cause, _) | E::SqlInputError { error: cause, .. } => {
                match cause.code {
                    ErrorCode::DiskFull => Self::Full,
                    ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
                    ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Damaged(text),
                    ErrorCode::ReadOnly if cause.extended_code == rusqlite::ffi::SQLITE_READONLY_DBMOVED => {
                        Self::Gone
                    }
                    ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
                        Self::Denied(text)
                    }
                    ErrorCode::SystemIoFailure => match cause.extended_code {
                        rusqlite::ffi::SQLITE_IOERR_SHORT_READ | rusqlite::ffi::SQLITE_IOERR_CORRUPTFS => {
                            Self::Damaged(text)
                        }
                        // The index of the write-ahead log could not grow: no other cause than a
                        // full disk is known.
                        rusqlite::ffi::SQLITE_IOERR_SHMSIZE => Self::Full,
                        _ => Self::Other(text),
                    },
                    _ if text.contains("no such table") || text.contains("no such column") => {
                        Self::Damaged(text)
                    }
                    _ => Self::Other(text),
                }
            }
            E::FromSqlConversionFailure(..)
            | E::IntegralValueOutOfRange(..)
            | E::InvalidColumnType(..)
            | E::QueryReturnedNoRows
            | E::Utf8Error(..) => Self::Damaged(text),
            _ => Self::Other(text),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::Denied(error.to_string())
            }
            io::ErrorKind::NotFound => Self::Gone,
            _ => Self::Other(error.to_string()),
        }
    }
}

impl From<rustix::io::Errno> for Fault {
    fn from(error: rustix::io::Errno) -> Self {
        io::Error::from(error).into()
    }
}

/// Trouble with a file of a grid or of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// Which file or folder.
    pub path: PathBuf,
    /// What is wrong.
    pub fault: Fault,
}

impl FileError {
    /// Trouble with this file.
    pub fn new(path: &Path, fault: impl Into<Fault>) -> Self {
        Self { path: path.to_owned(), fault: fault.into() }
    }
}

impl std::error::Error for FileError {}

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.display();
        let folder = self.path.parent().unwrap_or(&self.path).display();
        match &self.fault {
            Fault::Full => {
                write!(f, "the disk that holds {path} is full; free some space, kirc goes on by itself")
            }
            Fault::Busy => {
                write!(f, "{path} is locked by another process; if this stays so, end the kirc that hangs")
            }
            Fault::Damaged(why) => write!(
                f,
                "{path} is damaged ({why}); nothing was changed. Keep a copy of {folder}, then put a backup in its \
                 place, or rename the file and start kirc again: what was said in channels comes back from the other members"
            ),
            Fault::Gone => {
                write!(f, "{path} was moved or deleted while kirc used it; put it back or start kirc again")
            }
            Fault::Denied(why) => write!(
                f,
                "kirc may not write {path} ({why}); make yourself the owner of {folder} and its files"
            ),
            Fault::Newer(found, known) => write!(
                f,
                "{path} was written by a newer kirc (version {found} of its layout, this one knows {known}); \
                 update kirc, nothing was changed"
            ),
            Fault::InUse => write!(f, "another kirc uses {folder}; end it, or choose another profile"),
            Fault::Other(why) => write!(f, "{path} can't be used: {why}"),
        }
    }
}

impl From<FileError> for PortError {
    fn from(error: FileError) -> Self {
        Self(error.to_string())
    }
}
