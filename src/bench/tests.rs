//! Tests that the measurements work: small runs finish and produce numbers.

use super::*;

#[test]
fn a_spread_is_taken_from_sorted_values() {
    let spread = Spread::of((1..=100).rev().collect());
    assert_eq!((spread.p50, spread.p99), (50.0, 99.0));
    let none = Spread::of(Vec::new());
    assert_eq!((none.p50, none.p99), (0.0, 0.0));
}

#[test]
fn bare_hops_and_appends_end() {
    let folder = Folder::new().unwrap();
    let mut hops = Hops::open(&folder.path().join("a.db"), 100).unwrap();
    assert!((0..5).all(|_| hops.hop().unwrap() > 0));
    assert!(bare::appends(&folder.path().join("b.db"), 100, 25, 10).unwrap() > 0.0);
    let path = folder.path().to_owned();
    drop((hops, folder));
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_reach_the_reader_and_each_step_is_timed() {
    let folder = Folder::new().unwrap();
    let mut stage = Stage::open(&folder.path().into()).await.unwrap();
    for _ in 0..3 {
        let (said, heard) = talk::single(&mut stage).await.unwrap();
        assert!(said < heard);
    }
    assert!(talk::flood(&mut stage, 50).await.unwrap() > 0.0);
    let times = stage.take_times();
    // What is said one by one goes one by one; what comes while that is on its way may go together.
    assert!(times.said.len() >= 53 && times.relayed.len() >= 4 && times.read.len() >= 4);
    stage.close().await;
}

#[test]
fn a_goal_says_whether_it_was_reached() {
    let row = |bare: f64| Row::micros("x", Spread::of(vec![3_000])).beside("y", bare).goal("ratio ≤", 1.5);
    assert_eq!((row(2.0).met, row(1.0).met), (Some(true), Some(false)));
    let report = Report { rows: vec![row(2.0)], record_bytes: 7 };
    assert!(report.table().contains("1.50"), "{}", report.table());
}
