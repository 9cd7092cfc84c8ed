//! Tests the paced mailbox on an embedded grid.

use super::*;
use crate::embedded::{Grid, Settings};
use crate::mailbox::ReaderStart;

/// A paced mailbox on an embedded grid with topics `data-in` and `rpc-in`.
async fn paced(rate: u64) -> (tempfile::TempDir, Arc<Paced>, impl Fn(&str) -> Topic) {
    let dir = tempfile::tempdir().unwrap();
    let grid = Grid::open(dir.path(), Settings::default()).unwrap();
    let mailbox: Arc<dyn Mailbox> = Arc::new(grid.mailbox().unwrap());
    mailbox.create_topics(&["data-in".to_owned(), "rpc-in".to_owned()], 1).await.unwrap();
    let cluster = grid.id().to_owned();
    let topic = move |name: &str| Topic { cluster: cluster.clone(), name: name.to_owned(), partition: 0 };
    (dir, Paced::new(mailbox, rate, &["rpc-"], Some(topic("data-in"))), topic)
}

#[tokio::test]
async fn what_exceeds_the_budget_waits_and_people_come_first() {
    let (_dir, mailbox, topic) = paced(20_000).await;
    let begin = Instant::now();
    let record = |n: u8| vec![n; 4_000];
    // The burst is used up; then housekeeping is asked for before a message.
    let burst: Vec<_> = (0..13).map(|n| mailbox.append(&topic("rpc-in"), vec![], record(n))).collect();
    let later = mailbox.append(&topic("rpc-in"), vec![], record(13));
    let message = mailbox.append(&topic("data-in"), vec![], record(99));
    let mut health = mailbox.health();
    health.wait_for(|h| h.up && h.reason.contains("KIRC_BUDGET")).await.unwrap();
    let message = async { message.await.map(|_| Instant::now()) };
    let later = async { later.await.map(|_| Instant::now()) };
    let (message, later) = tokio::join!(message, later);
    assert!(message.unwrap() < later.unwrap(), "housekeeping went before a message");
    for (place, done) in burst.into_iter().enumerate() {
        assert_eq!(done.await.unwrap(), place as u64);
    }
    // 15 records of 3,070 bytes on the wire, of which the burst of 40,000 covers 13.
    assert!(begin.elapsed() > Duration::from_millis(200), "{:?}", begin.elapsed());
    health.wait_for(|h| h.reason.is_empty()).await.unwrap();
}

/// What comes next of a reader: records, and when they came.
async fn records(from: &mut mpsc::Receiver<Delivery>, count: usize) -> Vec<(Offset, Instant)> {
    let mut came = Vec::new();
    while came.len() < count {
        match from.recv().await.unwrap() {
            Delivery::Records(records) => came.extend(records.iter().map(|r| (r.offset, Instant::now()))),
            Delivery::Reading(start) => panic!("{start:?}"),
        }
    }
    came
}

async fn begin(mailbox: &Paced, topic: &Topic) -> (ReaderStart, mpsc::Receiver<Delivery>) {
    let mut deliveries = mailbox.read(topic, ReadFrom::At(0)).await.unwrap();
    match deliveries.recv().await.unwrap() {
        Delivery::Reading(start) => (start, deliveries),
        Delivery::Records(records) => panic!("{records:?}"),
    }
}

#[tokio::test]
async fn history_is_read_at_the_pace_in_its_order_and_what_is_said_now_comes_first() {
    let (_dir, mailbox, topic) = paced(20_000).await;
    // 30 records of 3,070 bytes on the wire were there before, written past the budget.
    for n in 0..30 {
        mailbox.inner.append(&topic("rpc-in"), vec![], vec![n; 4_000]).await.unwrap();
    }
    let (live_start, mut live) = begin(&mailbox, &topic("data-in")).await;
    assert_eq!(live_start.end, 0);
    let since = Instant::now();
    let (start, mut history) = begin(&mailbox, &topic("rpc-in")).await;
    assert_eq!((start.at, start.end), (0, 30));
    // The burst of 40,000 is used up: from here on it is 20,000 a second.
    let mut came = records(&mut history, 13).await;
    for n in 0..3 {
        mailbox.inner.append(&topic("data-in"), vec![], vec![n; 4_000]).await.unwrap();
    }
    let said = records(&mut live, 3).await;
    came.extend(records(&mut history, 30 - came.len()).await);
    assert_eq!(came.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), (0..30).collect::<Vec<_>>());
    assert_eq!(said.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [0, 1, 2]);
    let behind = came.iter().filter(|(_, at)| *at > said[2].1).count();
    assert!(behind > 8, "{behind} records of history came behind what was said now");
    // 33 records are 101,310 bytes, of which the burst covers 40,000.
    let took = since.elapsed();
    assert!(took > Duration::from_millis(2_900), "{took:?}");
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[tokio::test]
async fn what_is_moved_is_counted_both_ways() {
    let (_dir, mailbox, topic) = paced(1_000_000).await;
    let mut traffic = mailbox.traffic().unwrap();
    for n in 0..10 {
        mailbox.append(&topic("data-in"), vec![], vec![n; 4_000]).await.unwrap();
    }
    let (_, mut deliveries) = begin(&mailbox, &topic("data-in")).await;
    records(&mut deliveries, 10).await;
    // 10 records of 3,070 bytes in a minute.
    let both = Traffic { written: 512, read: 512, budget: 1_000_000 };
    traffic.wait_for(|now| *now == both).await.unwrap();
}

#[tokio::test]
async fn a_reader_that_nobody_wants_any_more_ends() {
    let (_dir, mailbox, topic) = paced(10_000).await;
    for n in 0..30 {
        mailbox.inner.append(&topic("rpc-in"), vec![], vec![n; 4_000]).await.unwrap();
    }
    let gate = Arc::downgrade(&mailbox.gate);
    let (_, deliveries) = begin(&mailbox, &topic("rpc-in")).await;
    drop((deliveries, mailbox));
    while gate.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
}
