//! Tests faults of a grid's folder: files that are damaged, deleted, replaced or full, before and
//! during use.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use kirc_core::port::{ReadFrom, SignalOp, SignalReply, StoreOp, Table, Topic};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::db::FileId;
use super::{Grid, Settings};
use crate::mailbox::{Delivery, EmbeddedMailbox, Mailbox, ReaderStart};
use crate::signals::Signals;
use crate::store::{EmbeddedStore, Store};

const PATIENCE: Duration = Duration::from_secs(20);

fn grid(dir: &Path) -> Grid {
    Grid::open(dir, Settings::default()).unwrap()
}

async fn mailbox(dir: &Path) -> (EmbeddedMailbox, Topic) {
    let mailbox = grid(dir).mailbox().unwrap();
    let name = "data-out".to_owned();
    mailbox.create_topics(std::slice::from_ref(&name), 1).await.unwrap();
    let topic = Topic { cluster: mailbox.cluster().to_owned(), name, partition: 0 };
    (mailbox, topic)
}

async fn fill(mailbox: &EmbeddedMailbox, topic: &Topic, count: u64) {
    let all: Vec<_> = (0..count)
        .map(|i| mailbox.append(topic, vec![], vec![u8::try_from(i % 256).unwrap(); 200]))
        .collect();
    for done in all {
        done.await.unwrap();
    }
}

async fn read(mailbox: &EmbeddedMailbox, topic: &Topic) -> (ReaderStart, mpsc::Receiver<Delivery>) {
    let mut reader = mailbox.read(topic, ReadFrom::At(0)).await.unwrap();
    (started(&mut reader).await, reader)
}

/// The next start; records before it are passed over.
async fn started(reader: &mut mpsc::Receiver<Delivery>) -> ReaderStart {
    loop {
        let next = timeout(PATIENCE, reader.recv()).await.expect("nothing came");
        if let Delivery::Reading(start) = next.unwrap() {
            return start;
        }
    }
}

/// What was set aside.
fn aside(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name());
    let mut names: Vec<_> = names.map(|n| n.into_string().unwrap()).collect();
    names.retain(|n| n.contains(".db.damaged-"));
    names
}

type Damage = (&'static str, fn(&Path));

/// Ways to damage a file that nobody uses.
const DAMAGES: [Damage; 5] = [
    ("cut short", |path| cut(path, 2)),
    ("cut to a piece of a page", |path| {
        OpenOptions::new().write(true).open(path).unwrap().set_len(100).unwrap();
    }),
    ("overwritten", |path| fs::write(path, vec![b'x'; 50_000]).unwrap()),
    ("overwritten in the middle", |path| {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        let middle = file.metadata().unwrap().len() / 8192 * 4096;
        file.write_all_at(&[0xee; 8192], middle).unwrap();
    }),
    ("another database", |path| {
        fs::remove_file(path).unwrap();
        let conn = rusqlite::Connection::open(path).unwrap();
        conn.execute_batch("CREATE TABLE cookies (a)").unwrap();
    }),
];

fn cut(path: &Path, by: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let len = file.metadata().unwrap().len();
    file.set_len(len / by).unwrap();
}

#[tokio::test]
async fn a_damaged_mailbox_is_set_aside() {
    for (what, damage) in DAMAGES {
        let dir = tempfile::tempdir().unwrap();
        let (before, topic) = mailbox(dir.path()).await;
        fill(&before, &topic, 2_000).await;
        let (old, _) = read(&before, &topic).await;
        before.close().await.unwrap();
        drop(before);

        damage(&dir.path().join("mailbox.db"));
        let (after, topic) = mailbox(dir.path()).await;
        let said = after.health().borrow().clone();
        assert!(said.up && said.reason.contains("is kept as"), "{what}: {said:?}");
        assert_eq!(aside(dir.path()).len(), 1, "{what}: {:?}", aside(dir.path()));
        let (new, _) = read(&after, &topic).await;
        assert_ne!(new.incarnation, old.incarnation, "{what}");
        assert_eq!((new.start, new.end), (0, 0), "{what}");
        assert_eq!(after.append(&topic, vec![], vec![1]).await, Ok(0), "{what}");
        assert_eq!(mailbox(dir.path()).await.0.health().borrow().reason, "");
    }
}

#[tokio::test]
async fn damaged_signals_are_set_aside() {
    for (what, damage) in DAMAGES {
        let dir = tempfile::tempdir().unwrap();
        let set = |i: u32| SignalOp::Set { key: format!("presence:{i}"), value: "x".repeat(100), ttl: None };
        let (before, _) = grid(dir.path()).signals().unwrap();
        for i in 0..300 {
            before.call(set(i)).await.unwrap();
        }
        before.close().await.unwrap();
        drop(before);
        damage(&dir.path().join("signals.db"));
        let (after, _) = grid(dir.path()).signals().unwrap();
        assert_eq!(aside(dir.path()).len(), 1, "{what}");
        let get = SignalOp::Get { key: "presence:7".to_owned() };
        assert_eq!(after.call(get).await, Ok(SignalReply::Value(None)), "{what}");
        assert_eq!(after.call(set(1)).await, Ok(SignalReply::Done), "{what}");
    }
}

/// Two processes use it; the file is overwritten under them. Both go on with the same new one.
#[tokio::test]
async fn a_mailbox_that_is_overwritten_in_use_begins_a_new_life() {
    let dir = tempfile::tempdir().unwrap();
    let (one, topic) = mailbox(dir.path()).await;
    let (two, _) = mailbox(dir.path()).await;
    fill(&one, &topic, 3_000).await;
    let (old, mut reader) = read(&two, &topic).await;
    let file = dir.path().join("mailbox.db");
    let junk = vec![0xee; fs::metadata(&file).unwrap().len().max(400_000) as usize];
    let write = |path: &Path| OpenOptions::new().write(true).open(path).unwrap().write_all_at(&junk, 0);
    write(&file).unwrap();
    write(&dir.path().join("mailbox.db-wal")).unwrap();
    // Whoever comes next notices.
    let (three, _) = mailbox(dir.path()).await;
    fill(&three, &topic, 1).await;
    let new = started(&mut reader).await;
    assert_ne!(new.incarnation, old.incarnation);
    fill(&one, &topic, 1).await;
    fill(&two, &topic, 1).await;
    for mailbox in [&one, &two, &three] {
        let said = mailbox.health().borrow().reason.clone();
        assert!(!said.contains("Damaged("), "{said}");
        assert_eq!(mailbox.end(&topic).await, Ok(3));
        let (start, _) = read(mailbox, &topic).await;
        assert_eq!(start.incarnation, new.incarnation);
    }
    assert!(!aside(dir.path()).is_empty());
}

/// Two processes use it; somebody empties the file. It is set aside whole, and nobody writes into
/// its old index.
#[tokio::test]
async fn a_mailbox_that_is_emptied_in_use_begins_a_new_life() {
    let dir = tempfile::tempdir().unwrap();
    let (one, topic) = mailbox(dir.path()).await;
    let (two, _) = mailbox(dir.path()).await;
    fill(&one, &topic, 3_000).await;
    let (old, mut reader) = read(&two, &topic).await;
    let file = dir.path().join("mailbox.db");
    fs::write(&file, "").unwrap();
    let emptied = FileId::of(&file);
    let (three, _) = mailbox(dir.path()).await;
    assert_ne!(FileId::of(&file), emptied);
    assert!(aside(dir.path()).iter().any(|name| name.starts_with("mailbox.db.damaged-")));
    fill(&three, &topic, 1).await;
    let new = started(&mut reader).await;
    assert_ne!(new.incarnation, old.incarnation);
    fill(&one, &topic, 1).await;
    fill(&two, &topic, 1).await;
    for mailbox in [&one, &two, &three] {
        assert_eq!(mailbox.end(&topic).await, Ok(3));
    }
}

#[tokio::test]
async fn signals_that_are_emptied_in_use_begin_anew() {
    let dir = tempfile::tempdir().unwrap();
    let set = |i: u32| SignalOp::Set { key: format!("presence:{i}"), value: "x".repeat(100), ttl: None };
    let get = |i: u32| SignalOp::Get { key: format!("presence:{i}") };
    let (one, _) = grid(dir.path()).signals().unwrap();
    one.call(set(1)).await.unwrap();
    let file = dir.path().join("signals.db");
    fs::write(&file, "").unwrap();
    let emptied = FileId::of(&file);
    let (two, _) = grid(dir.path()).signals().unwrap();
    assert_ne!(FileId::of(&file), emptied);
    two.call(set(2)).await.unwrap();
    assert_eq!(one.call(get(2)).await, Ok(SignalReply::Value(Some(("x".repeat(100), None)))));
}

#[tokio::test]
async fn a_mailbox_that_is_deleted_in_use_begins_a_new_life() {
    for all in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("grid");
        let (one, topic) = mailbox(&folder).await;
        let (two, _) = mailbox(&folder).await;
        fill(&one, &topic, 10).await;
        let (old, mut reader) = read(&two, &topic).await;
        if all {
            fs::remove_dir_all(&folder).unwrap();
        } else {
            fs::remove_file(folder.join("mailbox.db")).unwrap();
        }
        assert_eq!(one.append(&topic, vec![], vec![1]).await, Ok(0));
        let new = started(&mut reader).await;
        assert_ne!(new.incarnation, old.incarnation);
        assert_eq!(two.append(&topic, vec![], vec![2]).await, Ok(1));
        assert_eq!(one.end(&topic).await, Ok(2));
        let (three, _) = mailbox(&folder).await;
        assert_eq!(three.end(&topic).await, Ok(2), "the same grid goes on");
    }
}

/// Many find the damage at the same time: one file is set aside, one is made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_sets_it_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (first, topic) = mailbox(dir.path()).await;
    fill(&first, &topic, 1_000).await;
    first.close().await.unwrap();
    drop(first);
    cut(&dir.path().join("mailbox.db"), 3);
    let open = |_| {
        let dir = dir.path().to_owned();
        std::thread::spawn(move || grid(&dir).mailbox().unwrap())
    };
    let threads: Vec<_> = (0..8).map(open).collect();
    let all: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    assert_eq!(aside(dir.path()).len(), 1);
    let names = [topic.name.clone()];
    all[0].create_topics(&names, 1).await.unwrap();
    for (i, mailbox) in all.iter().enumerate() {
        assert_eq!(mailbox.append(&topic, vec![], vec![1]).await, Ok(i as u64));
    }
}

#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mailbox, topic) = mailbox(dir.path()).await;
    fill(&mailbox, &topic, 10).await;
    mailbox.limit_pages(40);
    let mut done = 10;
    let error = loop {
        match mailbox.append(&topic, vec![], vec![1; 3_000]).await {
            Ok(offset) => {
                assert_eq!(offset, done);
                done += 1;
            }
            Err(error) => break error,
        }
    };
    assert!(error.0.contains("the disk that holds") && error.0.contains("mailbox.db is full"), "{error}");
    assert!(!mailbox.health().borrow().up);
    // What is there can be read, and once there is room it goes on where it was.
    assert_eq!(mailbox.end(&topic).await, Ok(done));
    mailbox.limit_pages(4_000);
    assert_eq!(mailbox.append(&topic, vec![], vec![1; 3_000]).await, Ok(done));
    assert!(mailbox.health().borrow().up);
}

#[tokio::test]
async fn a_newer_layout_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    mailbox(dir.path()).await.0.close().await.unwrap();
    let conn = rusqlite::Connection::open(dir.path().join("mailbox.db")).unwrap();
    conn.execute("UPDATE schema_version SET version = 99", []).unwrap();
    drop(conn);
    let error = grid(dir.path()).mailbox().unwrap_err();
    assert!(error.0.contains("newer kirc (version 99"), "{error}");
    assert!(aside(dir.path()).is_empty());
}

#[tokio::test]
async fn a_grid_keeps_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("grid");
    let (mailbox, _) = mailbox(&folder).await;
    let id = mailbox.cluster().to_owned();
    assert_eq!(grid(&folder).id(), id);
    fs::remove_file(folder.join("grid.id")).unwrap();
    assert_eq!(grid(&folder).id(), id);
    fs::write(folder.join("grid.id"), "garbage").unwrap();
    assert_eq!(grid(&folder).id(), id);
    assert_eq!(grid(&folder).id(), id);
}

#[tokio::test]
async fn only_the_owner_may_look() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("grid");
    let (mailbox, topic) = mailbox(&folder).await;
    fill(&mailbox, &topic, 1).await;
    let (_signals, _published) = grid(&folder).signals().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), wanted, "{}", path.display());
    }
}

#[test]
fn a_folder_that_cant_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let error = Grid::open(&dir.path().join("file/grid"), Settings::default()).unwrap_err();
    assert!(error.to_string().contains("file/grid"), "{error}");
}

/// The same on a real disk that is full: set `KIRC_TEST_SMALL_DISK` to a folder on a file system of
/// a few MiB.
#[tokio::test]
async fn a_real_full_disk_loses_nothing() {
    let Ok(small) = std::env::var("KIRC_TEST_SMALL_DISK") else {
        eprintln!("skipped: KIRC_TEST_SMALL_DISK is not set");
        return;
    };
    let dir = tempfile::tempdir_in(small).unwrap();
    let (mailbox, topic) = mailbox(dir.path()).await;
    let (signals, _published) = grid(dir.path()).signals().unwrap();
    let store = EmbeddedStore::open(&dir.path().join("profile")).unwrap();
    let put = |i: u64| {
        let (table, key, value) = (Table::Setting, i.to_string(), vec![7; 3_000]);
        store.commit(vec![StoreOp::Put { table, key, value }].into())
    };
    let set = |i: u64| {
        let (key, value) = (format!("k{i}"), "v".repeat(9_000));
        signals.call(SignalOp::Set { key, value, ttl: None })
    };
    fill(&mailbox, &topic, 10).await;
    put(0).await.unwrap();
    set(0).await.unwrap();

    let ballast = dir.path().join("ballast");
    let full = fs::write(&ballast, vec![1; 64 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let (mut appended, mut kept, mut turn) = (10, 1, 0);
    let errors = loop {
        turn += 1;
        let append = mailbox.append(&topic, vec![], vec![1; 3_000]).await;
        let commit = put(kept).await;
        appended += u64::from(append.is_ok());
        kept += u64::from(commit.is_ok());
        if let (Err(a), Err(b), Err(c)) = (append, commit, set(turn).await) {
            break [a, b, c];
        }
    };
    for error in &errors {
        assert!(error.0.contains("the disk that holds") && error.0.contains("is full"), "{error}");
    }
    assert_eq!(mailbox.end(&topic).await, Ok(appended));
    assert_eq!(store.load().await.unwrap().values.len() as u64, kept);
    let refused = grid(dir.path()).mailbox().err();
    fs::remove_file(&ballast).unwrap();

    assert!(refused.is_none_or(|e| e.0.contains("is full")));
    assert_eq!(mailbox.append(&topic, vec![], vec![1]).await, Ok(appended));
    put(kept).await.unwrap();
    set(turn + 1).await.unwrap();
    assert_eq!(store.load().await.unwrap().values.len() as u64, kept + 1);
    assert!(mailbox.health().borrow().up && store.health().borrow().up);
    assert!(aside(dir.path()).is_empty());
}
