//! Wakes the reading threads of this process and of other processes on the same machine.
//!
//! This module owns a folder of sockets, one for each adapter that listens. A wake-up carries no
//! data and promises nothing: a thread that is woken looks for new data itself, and each thread
//! also looks every few seconds without being woken.
//!
//! File events were measured as an alternative: they cost one more thread and two more wake-ups per
//! commit (also in the process that commits), and on some systems they are late.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::clock::random_name;
use super::db::make_folder;

/// How often a thread looks that others can wake.
const SLOW: Duration = Duration::from_secs(5);
/// How often a thread looks that others can't wake: the folder's file system has no sockets.
const QUICK: Duration = Duration::from_millis(25);
/// A folder that was changed this short a time ago may change again without its time telling.
const FRESH: Duration = Duration::from_millis(100);
/// The longest path that a socket may have everywhere.
const LONGEST: usize = 100;

/// A folder whose files have short names for sockets, however long its path is.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    open: File,
}

impl Folder {
    fn new(path: &Path) -> io::Result<Self> {
        make_folder(path).map_err(io::Error::other)?;
        let (path, open) = (path.to_owned(), File::open(path)?);
        Ok(Self { path, open })
    }

    fn short(&self, path: &Path) -> PathBuf {
        match path.file_name() {
            Some(name) if path.as_os_str().len() > LONGEST => {
                let fd = self.open.as_raw_fd();
                PathBuf::from(format!("/proc/self/fd/{fd}")).join(name)
            }
            _ => path.to_owned(),
        }
    }
}

/// Wakes a thread of this process. Rings that it has not heard yet are one.
#[derive(Debug, Clone)]
pub struct Bell {
    rung: Arc<AtomicBool>,
    socket: Arc<UnixDatagram>,
}

impl Bell {
    /// Wakes it.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            let _ = self.socket.send(b"!");
        }
    }
}

/// What a thread sleeps on.
#[derive(Debug)]
pub struct Ear {
    dir: PathBuf,
    rung: Arc<AtomicBool>,
    inner: UnixDatagram,
    /// Where others ring, and its name.
    outer: Option<(UnixDatagram, PathBuf)>,
}

impl Ear {
    /// An ear in a folder of sockets, and the bell for those of this process.
    pub fn new(dir: &Path) -> io::Result<(Self, Bell)> {
        let (inner, socket) = UnixDatagram::pair()?;
        inner.set_nonblocking(true)?;
        socket.set_nonblocking(true)?;
        let rung = Arc::<AtomicBool>::default();
        let mut ear = Self { dir: dir.to_owned(), rung: rung.clone(), inner, outer: None };
        ear.open();
        let socket = Arc::new(socket);
        Ok((ear, Bell { rung, socket }))
    }

    /// Lets others ring, if they can't.
    pub fn open(&mut self) {
        if self.outer.as_ref().is_some_and(|(_, path)| path.exists()) {
            return;
        }
        let bind = || -> io::Result<(UnixDatagram, PathBuf)> {
            let folder = Folder::new(&self.dir)?;
            let path = folder.path.join(random_name()?);
            let socket = UnixDatagram::bind(folder.short(&path))?;
            socket.set_nonblocking(true)?;
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
            Ok((socket, path))
        };
        self.outer = bind().ok();
    }

    /// The name of the socket on which others ring.
    pub fn name(&self) -> Option<&Path> {
        self.outer.as_ref().map(|(_, path)| path.as_path())
    }

    /// Sleeps until somebody rings; `most` bounds it further.
    pub fn sleep(&mut self, most: Duration) {
        let patience = match &self.outer {
            Some(_) => most.min(SLOW),
            None => most.min(QUICK),
        };
        let timeout = Timespec::try_from(patience).ok();
        let ready = {
            let mut fds = vec![PollFd::new(&self.inner, PollFlags::IN)];
            fds.extend(self.outer.iter().map(|(s, _)| PollFd::new(s, PollFlags::IN)));
            poll(&mut fds, timeout.as_ref())
        };
        if ready == Ok(0) {
            self.open();
        }
        let mut buffer = [0; 8];
        while self.inner.recv(&mut buffer).is_ok() {}
        if let Some((socket, _)) = &self.outer {
            while socket.recv(&mut buffer).is_ok() {}
        }
        // Only now: a mark that stays without its ring would keep all later ones from being sent.
        // Who finds the mark set just before this has put its question where it is looked for just
        // after.
        self.rung.swap(false, Ordering::AcqRel);
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        if let Some((_, path)) = &self.outer {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Wakes the threads of other processes.
#[derive(Debug)]
pub struct Touch {
    dir: PathBuf,
    socket: Option<(UnixDatagram, Folder)>,
    /// Who listened when the folder had this time.
    others: Vec<PathBuf>,
    seen: Option<SystemTime>,
}

impl Touch {
    /// Will ring in this folder of sockets.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, socket: None, others: Vec::new(), seen: None }
    }

    /// Wakes everybody but `own`. A failure costs them speed only.
    pub fn touch(&mut self, own: Option<&Path>) {
        if self.ring(own).is_err() {
            self.forget();
        }
    }

    /// Looks at the folder anew before the next ring.
    pub fn forget(&mut self) {
        self.socket = None;
        self.seen = None;
    }

    fn ring(&mut self, own: Option<&Path>) -> io::Result<()> {
        let changed = std::fs::metadata(&self.dir)?.modified()?;
        if self.socket.is_none() {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            self.socket = Some((socket, Folder::new(&self.dir)?));
        }
        let Some((socket, folder)) = &self.socket else {
            return Ok(());
        };
        if self.seen != Some(changed) {
            self.others.clear();
            for entry in std::fs::read_dir(&self.dir)? {
                self.others.push(folder.short(&entry?.path()));
            }
            let fresh = changed.elapsed().map_or(true, |age| age < FRESH);
            self.seen = (!fresh).then_some(changed);
        }
        let own = own.and_then(Path::file_name);
        for other in &self.others {
            if other.file_name() == own {
                continue;
            }
            // One that does not keep up has rings enough; one that died is cleared away.
            if let Err(e) = socket.send_to(b"!", other)
                && e.kind() == io::ErrorKind::ConnectionRefused
            {
                let _ = std::fs::remove_file(other);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn woken(ear: &mut Ear) -> bool {
        let since = Instant::now();
        ear.sleep(Duration::from_millis(300));
        since.elapsed() < Duration::from_millis(250)
    }

    fn rings(dir: &Path) {
        let (mut one, bell) = Ear::new(dir).unwrap();
        let (mut two, _bell) = Ear::new(dir).unwrap();
        let mut touch = Touch::new(dir.to_owned());
        touch.touch(one.name());
        assert!(woken(&mut two) && !woken(&mut one));
        bell.ring();
        bell.ring();
        assert!(woken(&mut one) && !woken(&mut one));
        // The folder has an age by now, and is not read again; who comes new is seen all the same.
        touch.touch(None);
        assert!(woken(&mut one) && woken(&mut two));
        let (mut three, _bell) = Ear::new(dir).unwrap();
        touch.touch(None);
        assert!(woken(&mut three));
    }

    #[test]
    fn a_ring_wakes_others() {
        let dir = tempfile::tempdir().unwrap();
        rings(&dir.path().join("wake"));
    }

    /// Questions are put and answered one by one: a ring that is lost shows as a long sleep.
    #[test]
    fn no_ring_is_lost() {
        use std::sync::mpsc::channel;
        let dir = tempfile::tempdir().unwrap();
        let (mut ear, bell) = Ear::new(&dir.path().join("wake")).unwrap();
        let (ask, asked) = channel::<std::sync::mpsc::Sender<()>>();
        let askers: Vec<_> = (0..3)
            .map(|_| {
                let (ask, bell) = (ask.clone(), bell.clone());
                std::thread::spawn(move || {
                    for _ in 0..10_000 {
                        let (answer, answered) = channel();
                        ask.send(answer).unwrap();
                        bell.ring();
                        answered.recv().unwrap();
                    }
                })
            })
            .collect();
        drop(ask);
        let (mut count, mut turn) = (0, 0);
        let mut touch = Touch::new(dir.path().join("wake"));
        while count < 30_000 {
            // Others ring as well, so that it is woken at all kinds of moments.
            turn += 1;
            if turn % 2 == 0 {
                touch.touch(None);
            }
            let since = Instant::now();
            ear.sleep(Duration::MAX);
            assert!(since.elapsed() < Duration::from_secs(2));
            while let Ok(answer) = asked.try_recv() {
                count += 1;
                answer.send(()).unwrap();
            }
        }
        for asker in askers {
            asker.join().unwrap();
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_long_path_does_not_matter() {
        let dir = tempfile::tempdir().unwrap();
        rings(&dir.path().join("d".repeat(200)).join("wake"));
    }

    #[test]
    fn the_socket_of_a_dead_process_is_cleared_away() {
        let dir = tempfile::tempdir().unwrap();
        let dead = dir.path().join("dead");
        drop(UnixDatagram::bind(&dead).unwrap());
        Touch::new(dir.path().to_owned()).touch(None);
        assert!(!dead.exists());
    }

    #[test]
    fn an_ear_whose_folder_was_deleted_opens_again() {
        let dir = tempfile::tempdir().unwrap();
        let wake = dir.path().join("wake");
        let (mut ear, bell) = Ear::new(&wake).unwrap();
        std::fs::remove_dir_all(&wake).unwrap();
        ear.sleep(Duration::from_millis(10));
        Touch::new(wake).touch(None);
        assert!(woken(&mut ear));
        bell.ring();
        assert!(woken(&mut ear));
    }
}
