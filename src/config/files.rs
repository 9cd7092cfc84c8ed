//! Files and folders that only their owner may access.
//!
//! This module owns file modes and atomic writes. It is independent of the content.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why a file or folder can't be used. The text is a sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("{} can't be {what}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried: "read", "written", ….
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Others can get at it.
    #[error("others can get at {} (mode {mode:o}); run: chmod {want:o} '{}'", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode it should have.
        want: u32,
    },
}

impl FileError {
    pub(crate) fn io(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, what, source }
    }
}

/// The mode of a file, if group or others have any right on it.
pub fn others_can_read(path: &Path) -> io::Result<Option<u32>> {
    let mode = fs::metadata(path)?.permissions().mode() & 0o7777;
    Ok((mode & 0o077 != 0).then_some(mode))
}

/// Refuses a file or folder that group or others have any right on, or that belongs to somebody
/// else.
pub fn check_private(path: &Path) -> Result<(), FileError> {
    let meta = fs::metadata(path).map_err(FileError::io(path, "looked at"))?;
    let mode = meta.permissions().mode() & 0o7777;
    let want = if meta.is_dir() { 0o700 } else { 0o600 };
    if mode & 0o077 != 0 {
        return Err(FileError::Exposed { path: path.to_owned(), mode, want });
    }
    let me = rustix::process::geteuid().as_raw();
    if meta.uid() != me {
        return Err(FileError::Io {
            path: path.to_owned(),
            what: "used",
            source: io::Error::other(format!("it belongs to user {}, and this is user {me}", meta.uid())),
        });
    }
    Ok(())
}

/// Makes a folder, and those above it that are missing, for its owner only.
pub fn make_private_dir(path: &Path) -> Result<(), FileError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(FileError::io(path, "made"))
}

/// Writes a file of mode 0600 so that at any moment either the old or the new one is whole on the
/// disk.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temp = folder.join(format!(".{name}.{}.new", std::process::id()));
    let result = write_and_rename(&temp, path, folder, bytes);
    if result.is_err() {
        let _ = fs::remove_file(&temp);
    }
    result.map_err(FileError::io(path, "written"))
}

fn write_and_rename(temp: &Path, path: &Path, folder: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(temp)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(temp, path)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_files_are_for_their_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b");
        make_private_dir(&inner).unwrap();
        assert_eq!(others_can_read(&inner).unwrap(), None);
        let file = inner.join("x");
        write_private(&file, b"one").unwrap();
        write_private(&file, b"two").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        check_private(&file).unwrap();
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 1);

        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let said = check_private(&file).unwrap_err().to_string();
        assert!(said.contains("chmod 600"), "{said}");
    }
}
