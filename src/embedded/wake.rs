//! Wakes the reading threads of this process and of other processes on the same machine.
//!
//! This module owns a folder of sockets, one for each adapter that listens. A wake-up carries no
//! data and promises nothing: a thread that is woken looks for new data itself, and each thread
//! also looks every few seconds without being woken.
//!
//! Who listens for some partitions only has a link to its socket in a folder for each of them, so
//! that what is written elsewhere does not wake it.
//!
//! File events were measured as an alternative: they cost one more thread and two more wake-ups per
//! commit (also in the process that commits), and on some systems they are late.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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

/// How many folders there are for partitions. Two partitions with one folder wake each other's
/// readers, which costs them a look.
const SLOTS: u64 = 1024;

/// What a partition's readers listen for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(u64);

impl Slot {
    /// That of a partition. All programs on a machine have to agree on it: FNV-1a.
    pub fn of(topic: &str, partition: u32) -> Self {
        let bytes = topic.bytes().chain(partition.to_be_bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(hash % SLOTS)
    }

    fn folder(self, dir: &Path) -> PathBuf {
        dir.join(format!("p{}", self.0))
    }
}

/// Who is woken.
#[derive(Debug)]
pub enum Whom {
    /// Everybody.
    All,
    /// Those who listen for one of these.
    Of(BTreeSet<Slot>),
}

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
    listens: Arc<Mutex<BTreeSet<Slot>>>,
}

impl Bell {
    /// Wakes it.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            let _ = self.socket.send(b"!");
        }
    }

    /// Wakes it if it is one of these.
    pub fn ring_if(&self, whom: &Whom) {
        let listens = self.listens.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(whom, Whom::All) || matches!(whom, Whom::Of(slots) if !slots.is_disjoint(&listens)) {
            drop(listens);
            self.ring();
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
    /// What it listens for, apart from what concerns everybody.
    listens: Arc<Mutex<BTreeSet<Slot>>>,
    /// The links for that, all of them: otherwise it looks often instead.
    linked: bool,
}

impl Ear {
    /// An ear in a folder of sockets, and the bell for those of this process.
    pub fn new(dir: &Path) -> io::Result<(Self, Bell)> {
        let (inner, socket) = UnixDatagram::pair()?;
        inner.set_nonblocking(true)?;
        socket.set_nonblocking(true)?;
        let rung = Arc::<AtomicBool>::default();
        let listens = Arc::<Mutex<BTreeSet<Slot>>>::default();
        let (dir, outer) = (dir.to_owned(), None);
        let mut ear = Self { dir, rung: rung.clone(), inner, outer, listens: listens.clone(), linked: true };
        ear.open();
        let socket = Arc::new(socket);
        Ok((ear, Bell { rung, socket, listens }))
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
        let listens = self.listens.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.linked = listens.into_iter().all(|slot| self.link(slot).is_ok());
    }

    /// Listens for these and no others. What was written before it is not heard of: look once more.
    pub fn listen_for(&mut self, slots: &BTreeSet<Slot>) {
        let mut listens = self.listens.lock().unwrap_or_else(PoisonError::into_inner);
        if *listens == *slots {
            return;
        }
        let before = std::mem::replace(&mut *listens, slots.clone());
        drop(listens);
        for slot in before.difference(slots) {
            if let Some(link) = self.link_of(*slot) {
                let _ = std::fs::remove_file(link);
            }
        }
        for slot in slots.difference(&before) {
            self.linked &= self.link(*slot).is_ok();
        }
    }

    fn link_of(&self, slot: Slot) -> Option<PathBuf> {
        let name = self.outer.as_ref()?.1.file_name()?;
        Some(slot.folder(&self.dir).join(name))
    }

    fn link(&self, slot: Slot) -> io::Result<()> {
        let Some(link) = self.link_of(slot) else { return Ok(()) };
        let name = link.file_name().unwrap_or_default();
        make_folder(&slot.folder(&self.dir)).map_err(io::Error::other)?;
        std::os::unix::fs::symlink(Path::new("..").join(name), &link)
    }

    /// The name of the socket on which others ring.
    pub fn name(&self) -> Option<&Path> {
        self.outer.as_ref().map(|(_, path)| path.as_path())
    }

    /// Sleeps until somebody rings; `most` bounds it further.
    pub fn sleep(&mut self, most: Duration) {
        let patience = match &self.outer {
            Some(_) if self.linked => most.min(SLOW),
            _ => most.min(QUICK),
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
        self.listen_for(&BTreeSet::new());
        if let Some((_, path)) = &self.outer {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Those who listen, by a folder's last change.
#[derive(Debug)]
struct Listeners {
    folder: Folder,
    others: Vec<PathBuf>,
    seen: Option<SystemTime>,
}

impl Listeners {
    /// Looks who listens, if that may have changed. `None` if nobody ever did.
    fn look(known: Option<Self>, dir: &Path) -> io::Result<Option<Self>> {
        let changed = match std::fs::metadata(dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found?.modified()?,
        };
        let mut all = match known {
            Some(all) => all,
            None => Self { folder: Folder::new(dir)?, others: Vec::new(), seen: None },
        };
        if all.seen != Some(changed) {
            all.others.clear();
            for entry in std::fs::read_dir(dir)? {
                let entry = entry?;
                if !entry.file_type()?.is_dir() {
                    all.others.push(all.folder.short(&entry.path()));
                }
            }
            let fresh = changed.elapsed().map_or(true, |age| age < FRESH);
            all.seen = (!fresh).then_some(changed);
        }
        Ok(Some(all))
    }
}

/// Wakes the threads of other processes.
#[derive(Debug)]
pub struct Touch {
    dir: PathBuf,
    socket: Option<UnixDatagram>,
    /// Everybody, and those who listen for something.
    known: BTreeMap<Option<Slot>, Listeners>,
}

impl Touch {
    /// Will ring in this folder of sockets.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, socket: None, known: BTreeMap::new() }
    }

    /// Wakes these but `own`. A failure costs them speed only.
    pub fn touch(&mut self, whom: &Whom, own: Option<&Path>) {
        if self.ring(whom, own).is_err() {
            self.forget();
        }
    }

    /// Looks at the folders anew before the next ring.
    pub fn forget(&mut self) {
        self.socket = None;
        self.known.clear();
    }

    fn ring(&mut self, whom: &Whom, own: Option<&Path>) -> io::Result<()> {
        if self.socket.is_none() {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            self.socket = Some(socket);
        }
        let slots: Vec<Option<Slot>> = match whom {
            Whom::All => vec![None],
            Whom::Of(slots) => slots.iter().copied().map(Some).collect(),
        };
        let mut rung: BTreeSet<std::ffi::OsString> =
            own.and_then(Path::file_name).map(Into::into).into_iter().collect();
        for slot in slots {
            let dir = slot.map_or_else(|| self.dir.clone(), |slot| slot.folder(&self.dir));
            let Some(listeners) = Listeners::look(self.known.remove(&slot), &dir)? else { continue };
            let Some(socket) = &self.socket else { return Ok(()) };
            for other in &listeners.others {
                if !other.file_name().is_some_and(|name| rung.insert(name.to_owned())) {
                    continue;
                }
                // One that does not keep up has rings enough; one that died is cleared away, with
                // its links.
                if let Err(e) = socket.send_to(b"!", other)
                    && matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
                {
                    let _ = std::fs::remove_file(other);
                }
            }
            self.known.insert(slot, listeners);
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
        touch.touch(&Whom::All, one.name());
        assert!(woken(&mut two) && !woken(&mut one));
        bell.ring();
        bell.ring();
        assert!(woken(&mut one) && !woken(&mut one));
        // The folder has an age by now, and is not read again; who comes new is seen all the same.
        touch.touch(&Whom::All, None);
        assert!(woken(&mut one) && woken(&mut two));
        let (mut three, _bell) = Ear::new(dir).unwrap();
        touch.touch(&Whom::All, None);
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
                touch.touch(&Whom::All, None);
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
        Touch::new(dir.path().to_owned()).touch(&Whom::All, None);
        assert!(!dead.exists());
    }

    #[test]
    fn an_ear_whose_folder_was_deleted_opens_again() {
        let dir = tempfile::tempdir().unwrap();
        let wake = dir.path().join("wake");
        let (mut ear, bell) = Ear::new(&wake).unwrap();
        std::fs::remove_dir_all(&wake).unwrap();
        ear.sleep(Duration::from_millis(10));
        Touch::new(wake).touch(&Whom::All, None);
        assert!(woken(&mut ear));
        bell.ring();
        assert!(woken(&mut ear));
    }

    fn slots(all: &[&str]) -> BTreeSet<Slot> {
        all.iter().map(|topic| Slot::of(topic, 0)).collect()
    }

    #[test]
    fn what_is_written_elsewhere_wakes_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let wake = dir.path().join("wake");
        let (mut one, bell) = Ear::new(&wake).unwrap();
        let (mut two, _bell) = Ear::new(&wake).unwrap();
        let mut touch = Touch::new(wake.clone());
        let at = |topics: &[&str]| Whom::Of(slots(topics));
        one.listen_for(&slots(&["a", "b"]));
        two.listen_for(&slots(&["b", "c"]));
        touch.touch(&at(&["a"]), None);
        assert!(woken(&mut one) && !woken(&mut two));
        touch.touch(&at(&["b", "c"]), one.name());
        assert!(!woken(&mut one) && woken(&mut two));
        touch.touch(&at(&["d"]), None);
        assert!(!woken(&mut one) && !woken(&mut two));
        bell.ring_if(&at(&["c"]));
        assert!(!woken(&mut one));
        bell.ring_if(&at(&["c", "b"]));
        assert!(woken(&mut one));
        touch.touch(&Whom::All, None);
        assert!(woken(&mut one) && woken(&mut two));
        // Who stops listening for something hears no more of it, and who begins does.
        one.listen_for(&slots(&["d"]));
        touch.touch(&at(&["a", "b"]), None);
        assert!(!woken(&mut one) && woken(&mut two));
        touch.touch(&at(&["d"]), None);
        assert!(woken(&mut one));
        // Another folder: all of it is linked again.
        std::fs::remove_dir_all(&wake).unwrap();
        one.sleep(Duration::from_millis(10));
        touch.touch(&at(&["d"]), None);
        assert!(woken(&mut one));
        drop(one);
        drop(two);
        let folders = std::fs::read_dir(&wake).unwrap().map(|e| e.unwrap().path());
        let left: Vec<_> = folders.flat_map(|f| std::fs::read_dir(f).unwrap()).collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn a_dead_process_is_cleared_away_from_where_it_listened() {
        let dir = tempfile::tempdir().unwrap();
        let (mut ear, _bell) = Ear::new(dir.path()).unwrap();
        ear.listen_for(&slots(&["a"]));
        let link = ear.link_of(Slot::of("a", 0)).unwrap();
        let whom = Whom::Of(slots(&["a"]));
        // It ends without a word.
        let path = ear.outer.take().unwrap().1;
        Touch::new(dir.path().to_owned()).touch(&whom, None);
        assert!(!link.is_symlink());
        Touch::new(dir.path().to_owned()).touch(&Whom::All, None);
        assert!(!path.exists());
    }
}
