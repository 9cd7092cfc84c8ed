//! What the embedded grid costs beside SQLite alone with the same settings: one hop, two hops,
//! appends a second.
//!
//! `cargo bench --bench grid`. A hop is: append, wake whoever waits, read. It compares; it decides
//! nothing.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use kirc::embedded::{Grid, Settings};
use kirc::mailbox::{Delivery, EmbeddedMailbox, Mailbox};
use kirc::store::{EmbeddedStore, Store};
use kirc_core::port::{ReadFrom, StoreOp, Table, Topic};
use rusqlite::Connection;
use tokio::sync::mpsc;

const HOPS: usize = 3_000;
const APPENDS: usize = 20_000;
const SIZE: usize = 900;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    println!("{:<44} {:>9} {:>9} {:>9}", "hops, µs", "p50", "p99", "max");
    let bare_one = bare_hops(1);
    let one = runtime.block_on(hops(1));
    let bare_two = bare_hops(2);
    let two = runtime.block_on(hops(2));
    row("one hop, bare SQLite and a channel", &bare_one);
    row("one hop, mailbox, same process", &one);
    row("two hops, bare SQLite and channels", &bare_two);
    row("two hops, mailboxes as two processes", &two);
    let ratio = two[two.len() / 2] as f64 / bare_two[bare_two.len() / 2] as f64;
    println!("two hops, ratio of the p50: {ratio:.2}\n");

    println!("{:<44} {:>9}", "records of 900 bytes", "per s");
    rate("bare insert, a transaction each", bare_inserts(1));
    rate("append, each waited for", runtime.block_on(appends(1)));
    rate("bare insert, 500 in a transaction", bare_inserts(500));
    rate("append, 500 on their way", runtime.block_on(appends(500)));
    rate("read from the start", runtime.block_on(reads()));
    rate("store: message, position and head a commit", runtime.block_on(commits()));
}

fn row(what: &str, sorted: &[u64]) {
    let at = |part: usize| sorted[(sorted.len() - 1) * part / 100];
    println!("{what:<44} {:>9} {:>9} {:>9}", at(50), at(99), at(100));
}

fn rate(what: &str, per_second: f64) {
    println!("{what:<44} {per_second:>9.0}");
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn bare(path: &Path) -> Connection {
    let conn = Connection::open(path).expect("a database");
    conn.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0; \
         CREATE TABLE IF NOT EXISTS r (id INTEGER PRIMARY KEY, value BLOB)",
    )
    .expect("a table");
    conn
}

fn bare_insert(conn: &Connection, value: &[u8]) {
    let insert = conn.prepare_cached("INSERT INTO r (value) VALUES (?)");
    insert.and_then(|mut s| s.execute([value])).expect("an insert");
}

/// Passes what arrives in one database on to the next.
fn bare_hop(path: &Path, woken: &Receiver<()>, pass: impl Fn(Vec<u8>)) {
    let conn = bare(path);
    let mut last = 0_i64;
    while woken.recv().is_ok() {
        let mut read =
            conn.prepare_cached("SELECT id, value FROM r WHERE id > ? ORDER BY id").expect("a query");
        let mut rows = read.query([last]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            last = row.get(0).expect("an id");
            pass(row.get(1).expect("a value"));
        }
    }
}

fn bare_hops(count: usize) -> Vec<u64> {
    let dir = folder();
    let (done, arrived) = channel();
    let file = |i: usize| dir.path().join(format!("{i}.db"));
    let mut wake: Sender<()> = {
        let (wake, woken) = channel();
        let path = file(count);
        let done = done.clone();
        std::thread::spawn(move || {
            bare_hop(&path, &woken, |_| {
                let _ = done.send(());
            })
        });
        wake
    };
    for i in (1..count).rev() {
        let (mine, woken) = channel();
        let (from, to) = (file(i), file(i + 1));
        std::thread::spawn(move || {
            let conn = bare(&to);
            bare_hop(&from, &woken, |value| {
                bare_insert(&conn, &value);
                let _ = wake.send(());
            });
        });
        wake = mine;
    }
    let conn = bare(&file(1));
    std::thread::sleep(Duration::from_millis(100));
    let mut times = Vec::new();
    for _ in 0..HOPS {
        let since = Instant::now();
        bare_insert(&conn, &[7; SIZE]);
        let _ = wake.send(());
        arrived.recv().expect("an arrival");
        times.push(micros(since));
    }
    times.sort_unstable();
    times
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

async fn mailbox(dir: &Path) -> (EmbeddedMailbox, [Topic; 2]) {
    let grid = Grid::open(dir, Settings::default()).expect("a grid");
    let mailbox = grid.mailbox().expect("a mailbox");
    let names = ["data-in", "data-out"].map(str::to_owned);
    mailbox.create_topics(&names, 1).await.expect("topics");
    let cluster = mailbox.cluster().to_owned();
    let topics = names.map(|name| Topic { cluster: cluster.clone(), name, partition: 0 });
    (mailbox, topics)
}

/// The next records.
async fn next(reader: &mut mpsc::Receiver<Delivery>) -> usize {
    loop {
        match reader.recv().await.expect("a delivery") {
            Delivery::Records(records) => return records.len(),
            Delivery::Reading(_) => {}
        }
    }
}

/// One: an author reads what it appended. Two: a leader, with an adapter of its own, passes it on.
async fn hops(count: usize) -> Vec<u64> {
    let dir = folder();
    let (author, [data_in, data_out]) = mailbox(dir.path()).await;
    let (leader, _) = mailbox(dir.path()).await;
    let last = if count == 1 { &data_in } else { &data_out };
    let mut reader = author.read(last, ReadFrom::At(0)).await.expect("a reader");
    if count == 2 {
        let mut inbox = leader.read(&data_in, ReadFrom::At(0)).await.expect("a reader");
        tokio::spawn(async move {
            loop {
                for _ in 0..next(&mut inbox).await {
                    drop(leader.append(&data_out, vec![], vec![7; SIZE]));
                }
            }
        });
    }
    let mut times = Vec::new();
    for _ in 0..HOPS {
        let since = Instant::now();
        drop(author.append(&data_in, vec![], vec![7; SIZE]));
        next(&mut reader).await;
        times.push(micros(since));
    }
    times.sort_unstable();
    times
}

fn bare_inserts(group: usize) -> f64 {
    let dir = folder();
    let conn = bare(&dir.path().join("a.db"));
    let since = Instant::now();
    for _ in 0..APPENDS / group {
        conn.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
        for _ in 0..group {
            bare_insert(&conn, &[7; SIZE]);
        }
        conn.execute_batch("COMMIT").expect("a commit");
    }
    APPENDS as f64 / since.elapsed().as_secs_f64()
}

async fn appends(group: usize) -> f64 {
    let dir = folder();
    let (mailbox, [topic, _]) = mailbox(dir.path()).await;
    let since = Instant::now();
    for _ in 0..APPENDS / group {
        let all: Vec<_> = (0..group).map(|_| mailbox.append(&topic, vec![], vec![7; SIZE])).collect();
        for done in all {
            done.await.expect("an append");
        }
    }
    APPENDS as f64 / since.elapsed().as_secs_f64()
}

async fn reads() -> f64 {
    let dir = folder();
    let (mailbox, [topic, _]) = mailbox(dir.path()).await;
    for _ in 0..APPENDS {
        drop(mailbox.append(&topic, vec![], vec![7; SIZE]));
    }
    let last = mailbox.append(&topic, vec![], vec![]);
    last.await.expect("an append");
    let since = Instant::now();
    let mut reader = mailbox.read(&topic, ReadFrom::At(0)).await.expect("a reader");
    let mut count = 0;
    while count < APPENDS {
        count += next(&mut reader).await;
    }
    APPENDS as f64 / since.elapsed().as_secs_f64()
}

async fn commits() -> f64 {
    let dir = folder();
    let store = EmbeddedStore::open(dir.path()).expect("a store");
    let count = APPENDS / 4;
    let since = Instant::now();
    for i in 0..count {
        let put =
            |table, key: &str| StoreOp::Put { table, key: key.to_owned(), value: i.to_be_bytes().to_vec() };
        let message = kirc_core::port::MessageRow {
            target: "#net".to_owned(),
            id: format!("{i:036}"),
            author: "a".repeat(32),
            seq: i as u64,
            ts: 0,
            state: "sent".to_owned(),
            sealed: vec![7; SIZE],
        };
        let ops = vec![StoreOp::Message(message), put(Table::Position, "p"), put(Table::Head, "h")];
        store.commit(ops.into()).await.expect("a commit");
    }
    count as f64 / since.elapsed().as_secs_f64()
}
