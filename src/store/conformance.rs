//! What every store adapter must do: one function for each rule.
//!
//! This module owns the rules. It is independent of the adapters: a [`Rig`] opens them.
//! [`store_conformance!`] turns each rule into a test.

use std::sync::Arc;

use kirc_core::port::{Answer, LogRow, MessageRow, OutboxRow, Point, Query, StoreOp, Table, Window};

pub use trimming::*;

use super::Store;

mod trimming;

/// A store under test: an empty one for each rig.
pub trait Rig: Send + Sync {
    /// An adapter on it. The one before was closed.
    fn open(&self) -> Arc<dyn Store>;
}

/// Makes a test of each rule; the expression opens a rig.
macro_rules! store_conformance {
    ($rig:expr) => {
        $crate::store::conformance::store_conformance!($rig;
            an_empty_store_is_empty
            what_is_put_is_there_after_opening_again
            the_last_change_counts
            prefixes_are_not_patterns
            the_outbox_keeps_its_order
            history_has_windows
            a_message_is_kept_once
            what_failed_may_come_after_all
            history_goes_back_in_pages
            a_state_changes
            a_log_is_read_by_sequence
            a_log_keeps_what_it_has
            a_large_commit_is_whole
            commits_and_questions_keep_their_order
            the_size_follows_what_is_kept
            the_oldest_is_trimmed_first
            history_says_where_it_was_trimmed
            what_is_not_settled_is_never_trimmed
            a_trimmed_log_keeps_its_end
        );
    };
    ($rig:expr; $($rule:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                let rig = $rig;
                $crate::store::conformance::$rule(&rig).await;
            }
        )*
    };
}
pub(crate) use store_conformance;

fn put(table: Table, key: &str, value: &[u8]) -> StoreOp {
    StoreOp::Put { table, key: key.to_owned(), value: value.to_vec() }
}

fn message(target: &str, id: &str, author: &str, seq: u64) -> MessageRow {
    MessageRow {
        target: target.to_owned(),
        id: id.to_owned(),
        author: author.to_owned(),
        seq,
        ts: 1_700_000_000_000 + seq,
        state: "sent".to_owned(),
        sealed: vec![0, 255, 1],
    }
}

fn record(channel: &str, index: u64, seq: u64) -> LogRow {
    LogRow {
        channel: channel.to_owned(),
        index,
        seq,
        time: 1_000 + index,
        value: vec![u8::try_from(index).unwrap_or(0); 10],
    }
}

async fn reopen(rig: &dyn Rig, store: Arc<dyn Store>) -> Arc<dyn Store> {
    store.close().await.unwrap();
    drop(store);
    rig.open()
}

async fn history(
    store: &Arc<dyn Store>,
    target: &str,
    before: Option<&str>,
    limit: u32,
) -> (Vec<MessageRow>, bool) {
    let query = Query::History {
        target: target.to_owned(),
        window: Window::before(before.map(str::to_owned)),
        limit,
    };
    match store.query(query).await.unwrap() {
        Answer::History { rows, more, .. } => (rows, more),
        Answer::Log { .. } => panic!("a log"),
    }
}

/// Whether older messages than these went.
async fn is_trimmed(store: &Arc<dyn Store>, target: &str, before: Option<&str>, limit: u32) -> bool {
    let query = Query::History {
        target: target.to_owned(),
        window: Window::before(before.map(str::to_owned)),
        limit,
    };
    matches!(store.query(query).await.unwrap(), Answer::History { trimmed: true, .. })
}

async fn log(store: &Arc<dyn Store>, channel: &str, from: u64, to: u64, limit: u64) -> Vec<u64> {
    let query = Query::Log { channel: channel.to_owned(), from, to, limit };
    match store.query(query).await.unwrap() {
        Answer::Log { rows } => rows.iter().map(|r| r.index).collect(),
        Answer::History { .. } => panic!("a history"),
    }
}

/// The ids in a window.
async fn window(store: &Arc<dyn Store>, window: Window, limit: u32) -> (Vec<String>, bool) {
    let query = Query::History { target: "#a".to_owned(), window, limit };
    match store.query(query).await.unwrap() {
        Answer::History { rows, more, .. } => (rows.into_iter().map(|row| row.id).collect(), more),
        Answer::Log { .. } => panic!("a log"),
    }
}

fn ids(rows: &[MessageRow]) -> Vec<&str> {
    rows.iter().map(|m| m.id.as_str()).collect()
}

/// Nothing but nothing.
pub async fn an_empty_store_is_empty(rig: &dyn Rig) {
    let store = rig.open();
    let snapshot = store.load().await.unwrap();
    assert!(snapshot.values.is_empty() && snapshot.outbox.is_empty());
    assert_eq!(history(&store, "#a", None, 10).await, (vec![], false));
    assert!(log(&store, "c", 0, u64::MAX, 1_000).await.is_empty());
    store.commit(vec![].into()).await.unwrap();
}

/// Every table, any bytes.
pub async fn what_is_put_is_there_after_opening_again(rig: &dyn Rig) {
    let store = rig.open();
    let all: Vec<u8> = (0..=255).collect();
    let ops = Table::ALL.map(|table| put(table, table.name(), &all)).to_vec();
    store.commit(ops.into()).await.unwrap();
    store.commit(vec![put(Table::Key, "ké y\"'", b"")].into()).await.unwrap();
    let store = reopen(rig, store).await;
    let values = store.load().await.unwrap().values;
    assert_eq!(values.len(), Table::ALL.len() + 1);
    for table in Table::ALL {
        assert_eq!(values[&(table, table.name().to_owned())], all);
    }
    assert_eq!(values[&(Table::Key, "ké y\"'".to_owned())], b"");
}

/// In one commit and from one to the next.
pub async fn the_last_change_counts(rig: &dyn Rig) {
    let store = rig.open();
    let (t, key) = (Table::Head, || "k".to_owned());
    let delete = StoreOp::Delete { table: t, key: key() };
    let clear = StoreOp::DeletePrefix { table: t, prefix: "k".to_owned() };
    let cases: [(Vec<StoreOp>, Option<&[u8]>); 6] = [
        (vec![put(t, "k", b"1"), put(t, "k", b"2")], Some(b"2")),
        (vec![put(t, "k", b"3"), delete.clone()], None),
        (vec![delete.clone(), put(t, "k", b"4")], Some(b"4")),
        (vec![put(t, "k", b"5"), clear.clone()], None),
        (vec![clear.clone(), put(t, "k", b"6")], Some(b"6")),
        (vec![put(t, "k", b"7"), clear, put(t, "k", b"8"), delete], None),
    ];
    for (ops, expected) in cases {
        store.commit(ops.into()).await.unwrap();
        let values = store.load().await.unwrap().values;
        assert_eq!(values.get(&(t, key())).map(Vec::as_slice), expected);
    }
}

/// Only what starts with it, only in its table.
pub async fn prefixes_are_not_patterns(rig: &dyn Rig) {
    let store = rig.open();
    let keys = ["a%", "a%b", "a_", "ab", "b", "A%c"];
    let mut ops: Vec<_> = keys.iter().map(|k| put(Table::Counter, k, b"")).collect();
    ops.push(put(Table::Position, "a%x", b""));
    store.commit(ops.into()).await.unwrap();
    let prefix = |table, prefix: &str| StoreOp::DeletePrefix { table, prefix: prefix.to_owned() };
    store.commit(vec![prefix(Table::Counter, "a%")].into()).await.unwrap();
    let values = store.load().await.unwrap().values;
    let left: Vec<_> = values.keys().map(|(_, key)| key.as_str()).collect();
    assert_eq!(left, ["A%c", "a_", "ab", "b", "a%x"]);
    store.commit(vec![prefix(Table::Counter, "")].into()).await.unwrap();
    assert_eq!(store.load().await.unwrap().values.len(), 1);
}

/// By id, replaced under the same id, gone when settled.
pub async fn the_outbox_keeps_its_order(rig: &dyn Rig) {
    let store = rig.open();
    let row = |id: &str, sealed: &[u8]| OutboxRow {
        id: id.to_owned(),
        target: "#a".to_owned(),
        sealed: sealed.to_vec(),
    };
    let rows = ["3", "1", "2"].map(|id| StoreOp::Outbox(row(id, b"x"))).to_vec();
    store.commit(rows.into()).await.unwrap();
    let settled = StoreOp::Settled { id: "1".to_owned() };
    store.commit(vec![StoreOp::Outbox(row("3", b"y")), settled].into()).await.unwrap();
    let store = reopen(rig, store).await;
    assert_eq!(store.load().await.unwrap().outbox, [row("2", b"x"), row("3", b"y")]);
}

/// By id and by time, from either end.
pub async fn history_has_windows(rig: &dyn Rig) {
    let store = rig.open();
    // Ten messages, one a second; between the fifth and the sixth the log was lost and began anew.
    let place = |n: u64| if n < 5 { n } else { (1 << 32) + n };
    let of = |n: u64| MessageRow { ts: 1_000 * n, ..message("#a", &format!("m{n}"), "x", place(n)) };
    let mut ops: Vec<StoreOp> = (0..10).map(|n| StoreOp::Message(of(n))).collect();
    ops.push(StoreOp::Message(MessageRow { ts: 4_000, ..message("#b", "m4", "x", 3) }));
    store.commit(ops.into()).await.unwrap();
    let id = |n: u64| Some(Point::Message(format!("m{n}")));
    let at = |ms: u64| Some(Point::Time(ms));
    let newest = |after, before| Window::Newest { after, before };
    let oldest = |after, before| Window::Oldest { after, before };
    let around = |point: Option<Point>| Window::Around(point.unwrap());
    type Case<'c> = (Window, u32, &'c [u64], bool);
    let cases: &[Case<'_>] = &[
        (newest(None, None), 3, &[7, 8, 9], true),
        (newest(None, id(5)), 2, &[3, 4], true),
        (newest(None, id(2)), 5, &[0, 1], false),
        (newest(id(7), None), 5, &[8, 9], false),
        (newest(id(2), None), 2, &[8, 9], true),
        (newest(id(2), id(7)), 2, &[5, 6], true),
        (oldest(id(2), id(7)), 2, &[3, 4], true),
        (oldest(id(2), id(7)), 9, &[3, 4, 5, 6], false),
        (oldest(id(8), None), 5, &[9], false),
        (oldest(None, None), 2, &[0, 1], true),
        (newest(None, at(3_000)), 9, &[0, 1, 2], false),
        (newest(None, at(3_001)), 2, &[2, 3], true),
        (oldest(at(5_000), None), 2, &[5, 6], true),
        (oldest(at(4_999), at(7_000)), 9, &[5, 6], false),
        (oldest(at(9_001), None), 9, &[], false),
        (newest(None, at(0)), 9, &[], false),
        (newest(None, at(1 << 50)), 1, &[9], true),
        (around(id(5)), 5, &[3, 4, 5, 6, 7], true),
        (around(id(0)), 4, &[0, 1, 2, 3], false),
        (around(id(9)), 4, &[8, 9], true),
        (around(at(5_000)), 4, &[3, 4, 5, 6], true),
        (around(id(3)), 1, &[3], true),
    ];
    for (which, limit, expected, more) in cases {
        let expected: Vec<String> = expected.iter().map(|n| format!("m{n}")).collect();
        let found = window(&store, which.clone(), *limit).await;
        assert_eq!(found, (expected, *more), "{which:?}, {limit}");
    }
    // Alone in a channel all has one position.
    let alone = |n: u64| MessageRow { ts: 10_000 + n, ..message("#a", &format!("n{n}"), "x", 1 << 33) };
    store.commit((0..6).map(|n| StoreOp::Message(alone(n))).collect::<Vec<_>>().into()).await.unwrap();
    for (which, expected) in [
        (oldest(at(10_003), None), vec!["n3", "n4", "n5"]),
        (oldest(at(9_500), at(10_002)), vec!["n0", "n1"]),
        (newest(at(10_004), None), vec!["n4", "n5"]),
        (oldest(at(10_006), None), vec![]),
    ] {
        let found = window(&store, which.clone(), 9).await.0;
        assert_eq!(found, expected, "{which:?}");
    }
    // Nothing stands on either side of what is not here.
    let nowhere = || Some(Point::Message("m77".to_owned()));
    for which in [newest(None, nowhere()), oldest(nowhere(), None), around(nowhere())] {
        assert_eq!(window(&store, which, 9).await, (vec![], false));
    }
    let elsewhere = Query::History { target: "#c".to_owned(), window: oldest(at(1), None), limit: 9 };
    assert!(matches!(store.query(elsewhere).await.unwrap(), Answer::History { rows, .. } if rows.is_empty()));
}

/// The same target, author and id again changes nothing; another author's id is another message.
pub async fn a_message_is_kept_once(rig: &dyn Rig) {
    let store = rig.open();
    let first = message("#a", "1", "ann", 5);
    let again = MessageRow { seq: 9, sealed: vec![], ..first.clone() };
    let other = message("#a", "1", "bob", 6);
    let elsewhere = message("#b", "1", "ann", 1);
    for row in [&first, &again, &other, &elsewhere, &again] {
        store.commit(vec![StoreOp::Message(row.clone())].into()).await.unwrap();
    }
    let store = reopen(rig, store).await;
    assert_eq!(history(&store, "#a", None, 10).await, (vec![first, other], false));
    assert_eq!(history(&store, "#b", None, 10).await, (vec![elsewhere], false));
}

/// What was refused, and stands in the log after all, is kept as it stands there; also when both
/// come in one commit.
pub async fn what_failed_may_come_after_all(rig: &dyn Rig) {
    let store = rig.open();
    let failed = |id| MessageRow { state: "failed".to_owned(), ..message("#a", id, "ann", 0) };
    let said = |id, seq| message("#a", id, "ann", seq);
    store.commit(vec![StoreOp::Message(failed("1"))].into()).await.unwrap();
    let both = [failed("2"), said("2", 7), said("1", 5), failed("1")];
    store.commit(both.map(StoreOp::Message).to_vec().into()).await.unwrap();
    store.commit(vec![StoreOp::Message(failed("2")), StoreOp::Message(said("2", 9))].into()).await.unwrap();
    let store = reopen(rig, store).await;
    assert_eq!(history(&store, "#a", None, 10).await, (vec![said("1", 5), said("2", 7)], false));
}

/// Newest page first, each page oldest first; by sequence, then by id.
pub async fn history_goes_back_in_pages(rig: &dyn Rig) {
    let store = rig.open();
    let places = [("e", 5), ("a", 9), ("d", 1), ("c", 3), ("b", 3)];
    let rows = places.map(|(id, seq)| StoreOp::Message(message("#a", id, "ann", seq)));
    store.commit(rows.to_vec().into()).await.unwrap();
    store.commit(vec![StoreOp::Message(message("#aa", "z", "ann", 4))].into()).await.unwrap();
    let (rows, more) = history(&store, "#a", None, 2).await;
    assert_eq!((ids(&rows), more), (vec!["e", "a"], true));
    let (rows, more) = history(&store, "#a", Some("e"), 2).await;
    assert_eq!((ids(&rows), more), (vec!["b", "c"], true));
    let (rows, more) = history(&store, "#a", Some("b"), 2).await;
    assert_eq!((ids(&rows), more), (vec!["d"], false));
    let (rows, more) = history(&store, "#a", None, 5).await;
    assert_eq!((ids(&rows), more), (vec!["d", "b", "c", "e", "a"], false));
    for before in ["d", "z", "unknown"] {
        assert_eq!(history(&store, "#a", Some(before), 5).await, (vec![], false));
    }
}

/// Of one message, also in the commit that adds it.
pub async fn a_state_changes(rig: &dyn Rig) {
    let store = rig.open();
    let state = |id: &str, state: &str| StoreOp::MessageState {
        target: "#a".to_owned(),
        id: id.to_owned(),
        state: state.to_owned(),
    };
    let rows = ["1", "2"].map(|id| StoreOp::Message(message("#a", id, "ann", 1)));
    let mut ops = rows.to_vec();
    ops.push(state("2", "delivered"));
    ops.push(state("unknown", "read"));
    store.commit(ops.into()).await.unwrap();
    store.commit(vec![state("1", "read")].into()).await.unwrap();
    let (rows, _) = history(&store, "#a", None, 5).await;
    let states: Vec<_> = rows.iter().map(|m| m.state.as_str()).collect();
    assert_eq!(states, ["read", "delivered"]);
}

/// A range of sequence numbers, with all that stands under them, as many bytes as fit, one record
/// at the least.
pub async fn a_log_is_read_by_sequence(rig: &dyn Rig) {
    let store = rig.open();
    let seqs = [0, 1, 2, 2, 2, 3, 4];
    let rows = seqs.iter().enumerate().map(|(i, seq)| StoreOp::Log(record("c", i as u64, *seq)));
    store.commit(rows.collect::<Vec<_>>().into()).await.unwrap();
    store.commit(vec![StoreOp::Log(record("d", 0, 2))].into()).await.unwrap();
    assert_eq!(log(&store, "c", 0, u64::MAX, 1_000).await, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(log(&store, "c", 2, 2, 1_000).await, [2, 3, 4]);
    assert_eq!(log(&store, "c", 2, 3, 30).await, [2, 3, 4]);
    assert_eq!(log(&store, "c", 2, 3, 29).await, [2, 3]);
    assert_eq!(log(&store, "c", 3, 4, 0).await, [5]);
    assert!(log(&store, "c", 5, 9, 1_000).await.is_empty());
    assert_eq!(log(&store, "d", 0, 9, 1_000).await, [0]);
}

/// The same index again changes nothing, and nothing of a record is lost.
pub async fn a_log_keeps_what_it_has(rig: &dyn Rig) {
    let store = rig.open();
    let first = record("c", 7, 3);
    let again = LogRow { value: b"another".to_vec(), ..first.clone() };
    store.commit(vec![StoreOp::Log(first.clone()), StoreOp::Log(again)].into()).await.unwrap();
    let store = reopen(rig, store).await;
    let query = Query::Log { channel: "c".to_owned(), from: 3, to: 3, limit: 100 };
    assert_eq!(store.query(query).await, Ok(Answer::Log { rows: vec![first] }));
}

/// Thousands of changes in one.
pub async fn a_large_commit_is_whole(rig: &dyn Rig) {
    let store = rig.open();
    let mut ops: Vec<_> =
        (0..5_000).map(|i| StoreOp::Message(message("#a", &format!("{i:05}"), "ann", i))).collect();
    ops.extend((0..2_000).map(|i| put(Table::Counter, &format!("k{}", i % 10), b"v")));
    store.commit(ops.into()).await.unwrap();
    let (rows, more) = history(&store, "#a", None, 4_000).await;
    assert_eq!((rows.len(), more, rows[0].seq), (4_000, true, 1_000));
    assert_eq!(store.load().await.unwrap().values.len(), 10);
}

/// A question sees what was committed before it was asked, though nobody waited for that.
pub async fn commits_and_questions_keep_their_order(rig: &dyn Rig) {
    let store = rig.open();
    for i in 0..200_u64 {
        let row = message("#a", &format!("{i:05}"), "ann", i);
        drop(store.commit(vec![StoreOp::Message(row), put(Table::Head, "h", &i.to_be_bytes())].into()));
        if i % 20 == 0 {
            let (rows, _) = history(&store, "#a", None, 1).await;
            assert_eq!(rows[0].seq, i);
        }
    }
    let store = reopen(rig, store).await;
    let head = &store.load().await.unwrap().values[&(Table::Head, "h".to_owned())];
    assert_eq!(*head, 199_u64.to_be_bytes());
}
