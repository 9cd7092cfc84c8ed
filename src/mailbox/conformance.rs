//! What every mailbox adapter must do: one function for each rule.
//!
//! This module owns the rules. It is independent of the adapters: a [`Rig`] opens them.
//! [`mailbox_conformance!`] turns each rule into a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kirc_core::limits;
use kirc_core::port::{RawRecord, ReadFrom, Topic};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{BATCH_BYTES, BATCH_RECORDS, BATCHES, Delivery, Mailbox, ReaderStart};
use crate::ports::Pending;

/// A service under test.
pub trait Rig: Send + Sync {
    /// An adapter on it: each as if in a process of its own.
    fn open(&self) -> Arc<dyn Mailbox>;
    /// Deletes a topic, behind the adapters' backs.
    fn delete(&self, name: &str) -> Pending<()>;
    /// Whether an adapter may hold records that were given up since, having fetched them before.
    fn reads_ahead(&self) -> bool {
        false
    }
}

/// Makes a test of each rule; the expression opens a rig.
macro_rules! mailbox_conformance {
    ($rig:expr) => {
        $crate::mailbox::conformance::mailbox_conformance!($rig;
            offsets_follow_the_order_of_calls
            partitions_are_apart
            bytes_come_back_as_they_were
            a_reader_starts_where_it_is_told
            a_place_that_is_not_there_is_moved
            a_waiting_reader_gets_what_others_append
            many_writers_make_one_order
            time_never_runs_backwards
            a_record_that_is_too_large_is_refused
            what_is_not_there_is_refused
            a_slow_reader_misses_nothing
            topics_are_made_once
            the_end_is_behind_the_last_record
            a_reader_is_told_what_was_trimmed
            a_new_life_has_a_new_incarnation
            readers_come_and_go
        );
    };
    ($rig:expr; $($rule:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                let rig = $rig;
                $crate::mailbox::conformance::$rule(&rig).await;
            }
        )*
    };
}
pub(crate) use mailbox_conformance;

mod reading;
pub use reading::*;

const PATIENCE: Duration = Duration::from_secs(30);

/// A topic that no other test uses, with two partitions.
async fn topic(mailbox: &Arc<dyn Mailbox>) -> Topic {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // A service may outlive the process and its number.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let name = format!("test-{now}-{}-{count}", std::process::id());
    mailbox.create_topics(std::slice::from_ref(&name), 2).await.unwrap();
    Topic { cluster: mailbox.cluster().to_owned(), name, partition: 0 }
}

async fn fill(mailbox: &Arc<dyn Mailbox>, topic: &Topic, count: u64) {
    let asked: Vec<_> =
        (0..count).map(|i| mailbox.append(topic, b"key".to_vec(), i.to_string().into_bytes())).collect();
    for done in asked {
        done.await.unwrap();
    }
}

async fn next(reader: &mut mpsc::Receiver<Delivery>) -> Delivery {
    let next = timeout(PATIENCE, reader.recv()).await;
    next.expect("nothing came").expect("the reader ended")
}

async fn started(reader: &mut mpsc::Receiver<Delivery>) -> ReaderStart {
    match next(reader).await {
        Delivery::Reading(start) => start,
        Delivery::Records(records) => panic!("{} records before the start", records.len()),
    }
}

async fn take(reader: &mut mpsc::Receiver<Delivery>, count: usize) -> Vec<RawRecord> {
    let mut all = Vec::new();
    while all.len() < count {
        match next(reader).await {
            Delivery::Records(records) => all.extend(records),
            Delivery::Reading(start) => panic!("moved to {start:?} after {} records", all.len()),
        }
    }
    all
}

fn text(record: &RawRecord) -> &str {
    std::str::from_utf8(&record.value).unwrap()
}

/// Appends land in the order of the calls, however late their outcome is looked at.
pub async fn offsets_follow_the_order_of_calls(rig: &dyn Rig) {
    let mailbox = rig.open();
    let topic = topic(&mailbox).await;
    let asked: Vec<_> =
        (0..2_500).map(|i| mailbox.append(&topic, vec![], i.to_string().into_bytes())).collect();
    let mut offsets = Vec::new();
    for done in asked.into_iter().rev() {
        offsets.push(done.await.unwrap());
    }
    offsets.reverse();
    assert!(offsets.iter().copied().eq(0..2_500));
    let mut reader = mailbox.read(&topic, ReadFrom::At(0)).await.unwrap();
    started(&mut reader).await;
    for (i, record) in take(&mut reader, 2_500).await.iter().enumerate() {
        assert_eq!((record.offset, text(record)), (i as u64, &*i.to_string()));
    }
}

/// Each partition has offsets and readers of its own.
pub async fn partitions_are_apart(rig: &dyn Rig) {
    let mailbox = rig.open();
    let one = topic(&mailbox).await;
    let two = Topic { partition: 1, ..one.clone() };
    fill(&mailbox, &one, 3).await;
    assert_eq!(mailbox.append(&two, vec![], b"x".to_vec()).await, Ok(0));
    let mut reader = mailbox.read(&two, ReadFrom::At(0)).await.unwrap();
    assert_eq!(started(&mut reader).await.end, 1);
    fill(&mailbox, &one, 3).await;
    assert_eq!(mailbox.append(&two, vec![], b"y".to_vec()).await, Ok(1));
    let records = take(&mut reader, 2).await;
    assert_eq!(records.iter().map(text).collect::<Vec<_>>(), ["x", "y"]);
}

/// Keys and values are bytes, and may be empty.
pub async fn bytes_come_back_as_they_were(rig: &dyn Rig) {
    let mailbox = rig.open();
    let topic = topic(&mailbox).await;
    let all: Vec<u8> = (0..=255).collect();
    let pairs = [(vec![], all.clone()), (all, b"v".to_vec()), (vec![0], vec![0, 0])];
    for (key, value) in pairs.clone() {
        mailbox.append(&topic, key, value).await.unwrap();
    }
    let other = rig.open();
    let mut reader = other.read(&topic, ReadFrom::At(0)).await.unwrap();
    started(&mut reader).await;
    let records = take(&mut reader, 3).await;
    assert!(records.into_iter().map(|r| (r.key, r.value)).eq(pairs));
}

/// Several processes append at once: one dense order, the same for all, and each writer's own order
/// kept.
pub async fn many_writers_make_one_order(rig: &dyn Rig) {
    const EACH: usize = 300;
    let first = rig.open();
    let topic = topic(&first).await;
    let mut tasks = Vec::new();
    for writer in 0..4 {
        let (mailbox, topic) = (rig.open(), topic.clone());
        tasks.push(tokio::spawn(async move {
            for i in 0..EACH {
                let value = format!("{writer} {i}").into_bytes();
                let done = mailbox.append(&topic, vec![], value);
                if i % 7 == 0 {
                    done.await.unwrap();
                } else {
                    drop(done); // Nobody looks: it is done all the same.
                }
            }
            mailbox.close().await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let mut seen = Vec::new();
    for mailbox in [first, rig.open()] {
        let mut reader = mailbox.read(&topic, ReadFrom::At(0)).await.unwrap();
        started(&mut reader).await;
        seen.push(take(&mut reader, 4 * EACH).await);
    }
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].iter().map(|r| r.offset).eq(0..4 * EACH as u64));
    for writer in 0..4 {
        let mark = format!("{writer} ");
        let own = seen[0].iter().filter_map(|r| text(r).strip_prefix(&mark));
        assert!(own.eq((0..EACH).map(|i| i.to_string())));
    }
}

/// The log's time is about now, and never earlier than that of the record before.
pub async fn time_never_runs_backwards(rig: &dyn Rig) {
    let (one, two) = (rig.open(), rig.open());
    let topic = topic(&one).await;
    for _ in 0..20 {
        fill(&one, &topic, 2).await;
        fill(&two, &topic, 1).await;
    }
    let mut reader = one.read(&topic, ReadFrom::At(0)).await.unwrap();
    started(&mut reader).await;
    let records = take(&mut reader, 60).await;
    assert!(records.is_sorted_by_key(|r| r.time));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = u64::try_from(now.as_millis()).unwrap();
    assert!(records[59].time.abs_diff(now) < 60_000);
}

/// A record of the largest size passes, a larger one is refused and disturbs nothing.
pub async fn a_record_that_is_too_large_is_refused(rig: &dyn Rig) {
    let mailbox = rig.open();
    let topic = topic(&mailbox).await;
    let large = mailbox.append(&topic, vec![1; 10], vec![2; limits::RECORD - 10]);
    let too_large = mailbox.append(&topic, vec![1; 10], vec![2; limits::RECORD - 9]);
    let small = mailbox.append(&topic, vec![], vec![]);
    assert_eq!(large.await, Ok(0));
    assert!(too_large.await.unwrap_err().0.contains("too large"));
    assert_eq!(small.await, Ok(1));
}

/// Topics and partitions that nobody made, and those of other clusters.
pub async fn what_is_not_there_is_refused(rig: &dyn Rig) {
    let mailbox = rig.open();
    let topic = topic(&mailbox).await;
    let wrong = [
        Topic { partition: 2, ..topic.clone() },
        Topic { name: "nobody-made-this".to_owned(), ..topic.clone() },
        Topic { cluster: "elsewhere".to_owned(), ..topic.clone() },
    ];
    for topic in wrong {
        let error = mailbox.append(&topic, vec![], vec![1]).await.unwrap_err();
        assert!(error.0.contains(&topic.name), "{error}");
        mailbox.end(&topic).await.unwrap_err();
        mailbox.read(&topic, ReadFrom::End).await.unwrap_err();
    }
    assert_eq!(mailbox.append(&topic, vec![], vec![1]).await, Ok(0));
}

/// Making what is there changes nothing; partitions that lack are added.
pub async fn topics_are_made_once(rig: &dyn Rig) {
    let mailbox = rig.open();
    let topic = topic(&mailbox).await;
    fill(&mailbox, &topic, 2).await;
    let mut reader = mailbox.read(&topic, ReadFrom::At(0)).await.unwrap();
    let before = started(&mut reader).await.incarnation;
    let names = [topic.name.clone()];
    rig.open().create_topics(&names, 2).await.unwrap();
    rig.open().create_topics(&names, 1).await.unwrap();
    mailbox.create_topics(&names, 4).await.unwrap();
    assert_eq!(mailbox.end(&topic).await, Ok(2));
    let third = Topic { partition: 3, ..topic.clone() };
    assert_eq!(mailbox.append(&third, vec![], vec![1]).await, Ok(0));
    let other = rig.open();
    let mut reader = other.read(&topic, ReadFrom::At(0)).await.unwrap();
    assert_eq!(started(&mut reader).await.incarnation, before);
}

/// Whoever appended it.
pub async fn the_end_is_behind_the_last_record(rig: &dyn Rig) {
    let (one, two) = (rig.open(), rig.open());
    let topic = topic(&one).await;
    assert_eq!(one.end(&topic).await, Ok(0));
    fill(&one, &topic, 5).await;
    assert_eq!(one.end(&topic).await, Ok(5));
    assert_eq!(two.end(&topic).await, Ok(5));
    one.trim(&topic, 5).await.unwrap();
    assert_eq!(two.end(&topic).await, Ok(5));
    assert_eq!(two.append(&topic, vec![], vec![1]).await, Ok(5));
}
