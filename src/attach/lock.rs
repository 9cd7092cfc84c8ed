//! The lock that determines which process is the node of a profile. The operating system releases
//! it when the process ends, however it ends.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::AttachError;

/// The right to be the node, until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

fn open(path: &Path) -> Result<File, AttachError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(error(path))
}

fn error(path: &Path) -> impl FnOnce(std::io::Error) -> AttachError {
    let path = path.to_owned();
    move |source| AttachError::Lock { path, source }
}

/// Takes the lock if nobody has it.
pub fn try_lock(path: &Path) -> Result<Option<Lock>, AttachError> {
    let mut file = open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(None),
        Err(errno) => return Err(error(path)(errno.into())),
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        write!(file, "{}", std::process::id())
    };
    write(&mut file).map_err(error(path))?;
    Ok(Some(Lock { _file: file }))
}

/// The process that holds the lock, as far as it says so; `None` if nobody does.
pub fn holder(path: &Path) -> Option<u32> {
    let mut file = File::open(path).ok()?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => None,
        Err(_) => {
            let mut text = String::new();
            file.read_to_string(&mut text).ok()?;
            text.trim().parse().ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_holds_it_and_it_is_free_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kirc.lock");
        let lock = try_lock(&path).unwrap().unwrap();
        assert!(try_lock(&path).unwrap().is_none());
        assert_eq!(holder(&path), Some(std::process::id()));
        drop(lock);
        assert_eq!(holder(&path), None);
        assert!(try_lock(&path).unwrap().is_some());
    }
}
