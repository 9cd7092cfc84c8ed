//! Tests the embedded store against the conformance rules and against its own guarantees.

use std::sync::Arc;

use super::conformance::{Rig, store_conformance};
use super::{EmbeddedStore, Store};

struct Embedded(tempfile::TempDir);

fn rig() -> Embedded {
    Embedded(tempfile::tempdir().unwrap())
}

impl Rig for Embedded {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(EmbeddedStore::open(self.0.path()).unwrap())
    }
}

store_conformance!(rig());

use std::fs::{self, OpenOptions};
use std::path::Path;

use kirc_core::port::{StoreOp, Table};

fn put(key: &str, bytes: usize) -> Vec<StoreOp> {
    let (table, key, value) = (Table::Setting, key.to_owned(), vec![7; bytes]);
    vec![StoreOp::Put { table, key, value }]
}

async fn filled(dir: &Path) {
    let store = EmbeddedStore::open(dir).unwrap();
    for i in 0..200 {
        store.commit(put(&i.to_string(), 1_000).into()).await.unwrap();
    }
    store.close().await.unwrap();
}

/// What an earlier release wrote still opens. The text is that release's own: never change it.
#[tokio::test]
async fn a_store_of_version_1_opens() {
    const VERSION_1: &str = "
        CREATE TABLE schema_version (version INTEGER NOT NULL);
        INSERT INTO schema_version VALUES (1);
        PRAGMA application_id = 1802072676;
        CREATE TABLE contact (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE channel (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE head (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE counter (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE \"key\" (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE position (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE direct (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE setting (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE profile (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE credential (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE account (key TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE outbox (id TEXT PRIMARY KEY, target TEXT NOT NULL, sealed BLOB NOT NULL);
        CREATE TABLE message (target TEXT NOT NULL, id TEXT NOT NULL, author TEXT NOT NULL, seq INTEGER NOT NULL,
            ts INTEGER NOT NULL, state TEXT NOT NULL, sealed BLOB NOT NULL);
        CREATE UNIQUE INDEX message_once ON message (target, id, author);
        CREATE INDEX message_order ON message (target, seq, id, author);
        CREATE TABLE log (channel TEXT NOT NULL, idx INTEGER NOT NULL, seq INTEGER NOT NULL, time INTEGER NOT NULL,
            value BLOB NOT NULL);
        CREATE UNIQUE INDEX log_once ON log (channel, idx);
        CREATE INDEX log_seq ON log (channel, seq, idx);
        INSERT INTO setting VALUES ('nick', x'616e6e');
        INSERT INTO outbox VALUES ('1', '#a', x'00');
    ";
    let dir = tempfile::tempdir().unwrap();
    let conn = rusqlite::Connection::open(dir.path().join("store.db")).unwrap();
    conn.execute_batch(VERSION_1).unwrap();
    drop(conn);
    let store = EmbeddedStore::open(dir.path()).unwrap();
    let snapshot = store.load().await.unwrap();
    assert_eq!(snapshot.values[&(Table::Setting, "nick".to_owned())], b"ann");
    assert_eq!(snapshot.outbox.len(), 1);
    store.commit(put("more", 1).into()).await.unwrap();
}

/// One that was emptied is not taken for a new one; one that is missing is made, also over what a
/// crash left behind.
#[tokio::test]
async fn an_empty_store_is_refused_and_a_missing_one_is_made() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let path = dir.path().join("store.db");
    fs::write(&path, "").unwrap();
    for _ in 0..2 {
        let error = EmbeddedStore::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("store.db is damaged (it is empty); nothing was changed"), "{error}");
    }
    fs::remove_file(&path).unwrap();
    fs::write(dir.path().join("store.db.new"), "half a file").unwrap();
    fs::write(dir.path().join("store.db.new-journal"), "half a journal").unwrap();
    let store = EmbeddedStore::open(dir.path()).unwrap();
    assert!(store.load().await.unwrap().values.is_empty());
    store.commit(put("more", 1).into()).await.unwrap();
    assert!(!dir.path().join("store.db.new").exists());
}

#[tokio::test]
async fn a_newer_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let conn = rusqlite::Connection::open(dir.path().join("store.db")).unwrap();
    conn.execute("UPDATE schema_version SET version = 99", []).unwrap();
    drop(conn);
    let error = EmbeddedStore::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("newer kirc (version 99"), "{error}");
}

#[tokio::test]
async fn a_profile_is_used_by_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path()).unwrap();
    let error = EmbeddedStore::open(dir.path()).unwrap_err().to_string();
    assert!(error.starts_with("another kirc uses"), "{error}");
    store.close().await.unwrap();
    EmbeddedStore::open(dir.path()).unwrap();
}

/// What the user keeps is never set aside: the error names the file, and nothing was touched.
#[tokio::test]
async fn a_damaged_store_is_left_as_it_is() {
    let damages: [fn(&Path); 4] = [
        |path| cut(path, 2),
        |path| cut(path, 1_000_000),
        |path| fs::write(path, "not a database at all, but some text").unwrap(),
        |path| {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 8192 * 4096;
            bytes[middle..middle + 8192].fill(0xee);
            fs::write(path, bytes).unwrap();
        },
    ];
    for (i, damage) in damages.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        filled(dir.path()).await;
        damage(&path);
        let before = fs::read(&path).unwrap();
        let error = EmbeddedStore::open(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("store.db is damaged (") && error.contains("nothing was changed"),
            "{i}: {error}"
        );
        assert_eq!(fs::read(&path).unwrap(), before, "{i}");
    }
}

fn cut(path: &Path, by: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let len = file.metadata().unwrap().len();
    file.set_len(len / by).unwrap();
}

#[tokio::test]
async fn a_store_whose_file_is_gone_but_not_its_log_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path()).unwrap();
    store.commit(put("a", 10).into()).await.unwrap();
    // As a crash leaves it: the log holds the commit.
    let copy = tempfile::tempdir().unwrap();
    fs::copy(dir.path().join("store.db-wal"), copy.path().join("store.db-wal")).unwrap();
    let error = EmbeddedStore::open(copy.path()).unwrap_err().to_string();
    assert!(error.contains("write-ahead log is there"), "{error}");
    fs::copy(dir.path().join("store.db"), copy.path().join("store.db")).unwrap();
    let saved = EmbeddedStore::open(copy.path()).unwrap();
    assert_eq!(saved.load().await.unwrap().values.len(), 1);
}

#[tokio::test]
async fn a_store_that_is_moved_in_use_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (path, other) = (dir.path().join("store.db"), dir.path().join("other.db"));
    let store = EmbeddedStore::open(dir.path()).unwrap();
    store.commit(put("a", 10).into()).await.unwrap();
    fs::rename(&path, &other).unwrap();
    let error = store.commit(put("b", 10).into()).await.unwrap_err();
    assert!(error.0.contains("moved or deleted"), "{error}");
    assert!(!store.health().borrow().up);
    fs::rename(&other, &path).unwrap();
    store.commit(put("b", 10).into()).await.unwrap();
    assert!(store.health().borrow().up);
}

#[tokio::test]
async fn a_full_disk_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path()).unwrap();
    store.commit(put("a", 10).into()).await.unwrap();
    store.limit_pages(60);
    let mut ops = put("a", 20);
    ops.extend((0..100).flat_map(|i| put(&i.to_string(), 4_000)));
    let error = store.commit(ops.clone().into()).await.unwrap_err();
    assert!(error.0.contains("store.db is full"), "{error}");
    let values = store.load().await.unwrap().values;
    assert_eq!(values.len(), 1);
    assert_eq!(values[&(Table::Setting, "a".to_owned())].len(), 10);
    store.limit_pages(6_000);
    store.commit(ops.into()).await.unwrap();
    assert_eq!(store.load().await.unwrap().values.len(), 101);
}

/// A page of history costs the page, wherever it is: its place is found by the message's id.
#[tokio::test]
async fn the_place_of_a_message_is_looked_up() {
    let dir = tempfile::tempdir().unwrap();
    EmbeddedStore::open(dir.path()).unwrap().close().await.unwrap();
    let conn = rusqlite::Connection::open(dir.path().join("store.db")).unwrap();
    let plan = format!("EXPLAIN QUERY PLAN {}", super::sql::PLACE);
    let plan: String = conn.query_row(&plan, ["#a", "1"], |row| row.get("detail")).unwrap();
    assert!(plan.contains("message_once (target=? AND id=?)"), "{plan}");
}
