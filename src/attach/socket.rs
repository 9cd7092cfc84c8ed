//! The socket of a node: created, found, and replaced when stale.
//!
//! A socket's path has at most 107 bytes; a longer one is reached through the folder's descriptor.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// `sun_path` has 108 bytes, one of them for the end.
const LONGEST: usize = 107;

/// A path that fits, and what must stay open as long as it is used.
fn short(path: &Path) -> io::Result<(PathBuf, Option<File>)> {
    if path.as_os_str().len() <= LONGEST {
        return Ok((path.to_owned(), None));
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("it is too long"));
    };
    let folder = File::open(folder)?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    Ok((short, Some(folder)))
}

/// Makes the socket, mode 0600. A socket that is there is taken for stale: only who holds the lock
/// may call this.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let (short, _folder) = short(path)?;
    let listener = UnixListener::bind(short)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to the node behind the socket.
pub async fn connect(path: &Path) -> io::Result<UnixStream> {
    let (short, _folder) = short(path)?;
    UnixStream::connect(short).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn long_paths_and_stale_sockets() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("x".repeat(100)).join("y".repeat(100));
        std::fs::create_dir_all(&deep).unwrap();
        let path = deep.join("kirc.sock");
        drop(bind(&path).unwrap());
        assert!(connect(&path).await.is_err(), "nobody listens any more");
        let listener = bind(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (a, b) = tokio::join!(connect(&path), listener.accept());
        a.unwrap();
        b.unwrap();
    }
}
