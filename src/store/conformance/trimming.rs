//! The rules for size and trimming.

use kirc_core::port::{MessageRow, OutboxRow, StoreOp, Table};

use super::{Rig, history, ids, is_trimmed, log, message, put, record, reopen};
use crate::store::{KEPT, STEP};

/// A message of a known size, as old as its place.
fn large(target: &str, place: u64) -> StoreOp {
    StoreOp::Message(MessageRow {
        sealed: vec![7; 900],
        ..message(target, &format!("{place:06}"), "ann", place)
    })
}

/// More when something comes, less when it goes; about right.
pub async fn the_size_follows_what_is_kept(rig: &dyn Rig) {
    let store = rig.open();
    store.load().await.unwrap();
    let before = store.size().await.unwrap().used;
    store.commit((0..2_000).map(|i| large("#a", i)).collect::<Vec<_>>().into()).await.unwrap();
    let full = store.size().await.unwrap();
    let came = full.used - before;
    assert!((1_800_000..3_500_000).contains(&came), "{came} bytes for 2,000 messages of 900");
    assert!(full.disk >= full.used * 3 / 4, "{full:?}");
    let mut gone = 0;
    while gone < came / 2 {
        let step = store.trim(came / 2 - gone).await.unwrap();
        assert!(step > 0);
        gone += step;
    }
    let now = store.size().await.unwrap().used;
    let freed = full.used - now;
    assert!(
        freed > came / 3 && freed < came * 2 / 3,
        "{freed} of {came} bytes went when {gone} were said to"
    );
    let store = reopen(rig, store).await;
    let (rows, more) = history(&store, "#a", None, 2_000).await;
    assert!(!more && (600..1_400).contains(&rows.len()), "{} messages are left", rows.len());
    assert_eq!(rows.last().unwrap().seq, 1_999, "the newest stays");
}

/// By age, over all conversations and logs; so many bytes, and no more than a step.
pub async fn the_oldest_is_trimmed_first(rig: &dyn Rig) {
    let store = rig.open();
    // Messages have their time from their place: 1_700_000_000_000 and it.
    let ops = (0..20).map(|i| large(if i % 2 == 0 { "#a" } else { "@bob" }, i));
    store.commit(ops.collect::<Vec<_>>().into()).await.unwrap();
    let gone = store.trim(1).await.unwrap();
    assert!((1_000..1_300).contains(&gone), "{gone}: one message");
    assert!(store.trim(9 * gone).await.unwrap() >= 9 * 1_000);
    let (a, _) = history(&store, "#a", None, 100).await;
    let (bob, _) = history(&store, "@bob", None, 100).await;
    let seqs = |rows: &[MessageRow]| rows.iter().map(|r| r.seq).collect::<Vec<_>>();
    assert_eq!((seqs(&a), seqs(&bob)), (vec![10, 12, 14, 16, 18], vec![11, 13, 15, 17, 19]));
    // What went is not known any more: nothing stands before it.
    assert_eq!(history(&store, "#a", Some("000004"), 5).await, (vec![], false));
    assert!(log(&store, "c", 0, u64::MAX, 1_000).await.is_empty());
    // A record that is older than all messages goes before them, one that is younger behind them.
    let old = (0..KEPT + 2).map(|i| StoreOp::Log(record("c", i, i)));
    store.commit(old.collect::<Vec<_>>().into()).await.unwrap();
    store.trim(1).await.unwrap();
    assert_eq!(log(&store, "c", 0, 5, 20).await, [1, 2]);
    assert_eq!(history(&store, "#a", None, 100).await.0.len(), 5);
    store.commit((100..2_000).map(|i| large("#b", i)).collect::<Vec<_>>().into()).await.unwrap();
    store.trim(u64::MAX).await.unwrap();
    let (rows, _) = history(&store, "#b", None, 5_000).await;
    let left = 1_900 + 10 + 1 - STEP;
    assert_eq!(rows.len() as u64, left, "a step takes {STEP}: first a record and ten messages");
}

/// At its beginning, and only of a conversation that lost something.
pub async fn history_says_where_it_was_trimmed(rig: &dyn Rig) {
    let store = rig.open();
    let ops = (0..20).map(|i| large(if i % 2 == 0 { "#a" } else { "@bob" }, i));
    store.commit(ops.collect::<Vec<_>>().into()).await.unwrap();
    for target in ["#a", "@bob", "#nothing"] {
        assert!(!is_trimmed(&store, target, None, 100).await, "{target}: all is there");
    }
    store.trim(1).await.unwrap();
    assert!(!is_trimmed(&store, "#a", None, 5).await, "there is more, and it says so");
    assert!(is_trimmed(&store, "#a", None, 9).await);
    assert!(is_trimmed(&store, "#a", Some("000008"), 5).await);
    assert!(is_trimmed(&store, "#a", Some("000000"), 5).await, "a place that went");
    assert!(!is_trimmed(&store, "@bob", None, 100).await, "of this nothing went");
    while store.trim(u64::MAX).await.unwrap() > 0 {}
    let store = reopen(rig, store).await;
    for target in ["#a", "@bob"] {
        assert!(is_trimmed(&store, target, None, 100).await, "{target}: all went");
    }
    store.commit(vec![large("#a", 30), large("#new", 31)].into()).await.unwrap();
    assert!(is_trimmed(&store, "#a", None, 100).await);
    assert!(!is_trimmed(&store, "#new", None, 100).await);
}

/// What waits: the outbox, messages that the user has to decide about, and every small thing.
pub async fn what_is_not_settled_is_never_trimmed(rig: &dyn Rig) {
    let store = rig.open();
    let held = MessageRow { state: "held".to_owned(), ..message("@bob", "1", "bob", 1) };
    let waiting = OutboxRow { id: "2".to_owned(), target: "#a".to_owned(), sealed: vec![1; 500] };
    let ops = vec![
        StoreOp::Message(held.clone()),
        StoreOp::Message(message("@bob", "3", "bob", 3)),
        StoreOp::Outbox(waiting.clone()),
        put(Table::Position, "data-in", b"17"),
        put(Table::Head, "#a", b"head"),
    ];
    store.commit(ops.into()).await.unwrap();
    assert!(store.trim(u64::MAX).await.unwrap() > 0);
    assert_eq!(store.trim(u64::MAX).await, Ok(0), "there is nothing left that may go");
    let store = reopen(rig, store).await;
    let snapshot = store.load().await.unwrap();
    assert_eq!((snapshot.values.len(), snapshot.outbox), (2, vec![waiting]));
    assert_eq!(history(&store, "@bob", None, 9).await, (vec![held], false));
    // Decided about, it is history like any other.
    let state = ("@bob".to_owned(), "1".to_owned(), "sent".to_owned());
    let op = StoreOp::MessageState { target: state.0, id: state.1, state: state.2 };
    store.commit(vec![op].into()).await.unwrap();
    assert!(store.trim(u64::MAX).await.unwrap() > 0);
    assert!(ids(&history(&store, "@bob", None, 9).await.0).is_empty());
}

/// Of each log a row without a hole, up to its newest record, and never less than what members may
/// ask for soon.
pub async fn a_trimmed_log_keeps_its_end(rig: &dyn Rig) {
    let store = rig.open();
    let rows = |channel: &'static str, n: u64| (1..=n).map(move |i| StoreOp::Log(record(channel, i, i)));
    store
        .commit(rows("busy", 3 * KEPT).chain(rows("quiet", KEPT / 2)).collect::<Vec<_>>().into())
        .await
        .unwrap();
    assert!(store.trim(2_000).await.unwrap() >= 2_000);
    let busy = log(&store, "busy", 0, u64::MAX, u64::MAX).await;
    assert!((1..3 * KEPT).contains(&busy[0]), "the oldest went: {}", busy[0]);
    assert_eq!(busy, (busy[0]..=3 * KEPT).collect::<Vec<_>>(), "there is a hole");
    while store.trim(u64::MAX).await.unwrap() > 0 {}
    let busy = log(&store, "busy", 0, u64::MAX, u64::MAX).await;
    assert_eq!(busy, (2 * KEPT + 1..=3 * KEPT).collect::<Vec<_>>());
    assert_eq!(log(&store, "quiet", 0, u64::MAX, u64::MAX).await.len() as u64, KEPT / 2);
    // What is there already is not kept twice, and what comes goes on behind it.
    store.commit(rows("busy", 3 * KEPT + 1).collect::<Vec<_>>().into()).await.unwrap();
    assert_eq!(log(&store, "busy", 3 * KEPT, u64::MAX, u64::MAX).await, [3 * KEPT, 3 * KEPT + 1]);
}
