//! Tests the driver with a scripted machine on the embedded grid, and with a store that fails on
//! demand.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use kirc_core::Envelope;
use kirc_core::port::{
    Answer, PortError, Query, ReadFrom, RequestId, Service, SessionId, Snapshot, StoreOp, Table, Topic,
};
use tokio::sync::watch;
use tokio::time::timeout;

use super::*;
use crate::embedded::{Grid, Settings};
use crate::ports::{Health, Pending};
use crate::session::{Attach, Session};
use crate::store::Size;

type Script = Box<dyn FnMut(&Input, &mut Vec<Effect>) + Send>;

/// A machine that does what its test says, and writes down what happened to it.
struct Scripted {
    script: Script,
    seen: Arc<Mutex<Vec<Input>>>,
    wakes: VecDeque<Millis>,
}

impl Machine for Scripted {
    fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Effect>) {
        assert!(now.wall > 0 && now.mono > 0);
        if input == Input::Tick {
            self.wakes.pop_front();
        }
        if input == Input::Shutdown {
            out.push(Effect::Stopped);
        }
        (self.script)(&input, out);
        self.seen.lock().unwrap().push(input);
    }
    fn next_wake(&self) -> Option<Millis> {
        self.wakes.front().copied()
    }
}

/// A store that fails when told to.
#[derive(Debug)]
struct Moody {
    failing: AtomicBool,
    /// It gives no answer at all.
    hanging: AtomicBool,
    committed: Mutex<Vec<Vec<StoreOp>>>,
    tries: AtomicUsize,
    health: watch::Sender<Health>,
}

impl Store for Moody {
    fn load(&self) -> Pending<Snapshot> {
        Box::pin(std::future::ready(Ok(Snapshot::default())))
    }
    fn commit(&self, ops: Arc<Vec<StoreOp>>) -> Pending<()> {
        self.tries.fetch_add(1, Ordering::Relaxed);
        if self.hanging.load(Ordering::Relaxed) {
            return Box::pin(std::future::pending());
        }
        let result = if self.failing.load(Ordering::Relaxed) {
            Err(PortError("the disk is full".into()))
        } else {
            self.committed.lock().unwrap().push(ops.to_vec());
            Ok(())
        };
        Box::pin(std::future::ready(result))
    }
    fn query(&self, _: Query) -> Pending<Answer> {
        Box::pin(std::future::pending())
    }
    fn size(&self) -> Pending<Size> {
        Box::pin(std::future::pending())
    }
    fn trim(&self, _: u64) -> Pending<u64> {
        Box::pin(std::future::pending())
    }
    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }
    fn close(&self) -> Pending<()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

struct Stage {
    _dir: tempfile::TempDir,
    cluster: String,
    store: Arc<Moody>,
    mailbox: Arc<dyn Mailbox>,
    seen: Arc<Mutex<Vec<Input>>>,
    driver: Driver,
}

impl Stage {
    async fn new(wakes: impl IntoIterator<Item = Millis>, make: impl FnOnce(String) -> Script) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let grid = Grid::open(dir.path(), Settings::default()).unwrap();
        let (signals, published) = grid.signals().unwrap();
        let mailbox: Arc<dyn Mailbox> = Arc::new(grid.mailbox().unwrap());
        mailbox.create_topics(&["t".to_owned()], 2).await.unwrap();
        let store = Arc::new(Moody {
            failing: AtomicBool::new(false),
            hanging: AtomicBool::new(false),
            committed: Mutex::default(),
            tries: AtomicUsize::new(0),
            health: watch::channel(Health::well()).0,
        });
        let cluster = grid.id().to_owned();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let machine = Scripted {
            script: make(cluster.clone()),
            seen: seen.clone(),
            wakes: wakes.into_iter().collect(),
        };
        let ports = Ports {
            mailbox: mailbox.clone(),
            signals: Arc::new(signals),
            published,
            store: store.clone(),
            abroad: Arc::new(crate::remote_grids::HereOnly),
        };
        Self { _dir: dir, cluster, store, mailbox, seen, driver: start(machine, ports).unwrap() }
    }

    async fn until<T>(&self, mut found: impl FnMut(&[Input]) -> Option<T>) -> T {
        for _ in 0..2_000 {
            if let Some(value) = found(&self.seen.lock().unwrap()) {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it did not happen: {:?}", self.seen.lock().unwrap());
    }

    async fn door(&self) -> Session {
        self.driver.hub().attach().await.unwrap()
    }
}

/// The next thing that a door hears, if it comes in time.
async fn hears(door: &mut Session) -> Option<Envelope> {
    timeout(Duration::from_secs(20), door.from_node.recv()).await.expect("nothing was said")
}

fn topic(cluster: &str, partition: u32) -> Topic {
    Topic { cluster: cluster.to_owned(), name: "t".to_owned(), partition }
}

fn append(topic: Topic, request_id: u64) -> Effect {
    Effect::Append {
        request_id: RequestId(request_id),
        topic,
        key: b"k".to_vec(),
        value: request_id.to_string().into_bytes(),
        early: false,
    }
}

fn put(value: u8) -> Effect {
    Effect::Store(StoreOp::Put { table: Table::Setting, key: "a".to_owned(), value: vec![value] })
}

#[tokio::test]
async fn appends_are_answered_in_order_and_records_are_read() {
    let stage = Stage::new([], |cluster| {
        Box::new(move |input, out| {
            if *input == Input::Start {
                out.push(Effect::Read { topic: topic(&cluster, 1), from: ReadFrom::At(0) });
                out.extend((0..100).map(|i| append(topic(&cluster, (i % 2) as u32), i)));
                out.push(put(1));
                out.push(append(topic("elsewhere", 0), 1000));
            }
        })
    })
    .await;
    let appended = stage
        .until(|seen| {
            let answers: Vec<_> = seen
                .iter()
                .filter_map(|i| match i {
                    Input::Appended { request_id, result } => Some((request_id.0, result.is_ok())),
                    _ => None,
                })
                .collect();
            (answers.len() == 101).then_some(answers)
        })
        .await;
    for parity in [0, 1] {
        let order: Vec<u64> =
            appended.iter().filter(|(t, ok)| *t < 1000 && *ok && t % 2 == parity).map(|(t, _)| *t).collect();
        let want: Vec<u64> = (0..100).filter(|t| t % 2 == parity).collect();
        assert_eq!(order, want);
    }
    assert!(appended.contains(&(1000, false)), "an unknown cluster is an error");
    let read = stage
        .until(|seen| {
            let values: Vec<_> = seen
                .iter()
                .filter_map(|i| match i {
                    Input::Record { record, .. } => Some(record.value.clone()),
                    _ => None,
                })
                .collect();
            (values.len() == 50).then_some(values)
        })
        .await;
    assert_eq!(read[0], b"1");
    assert_eq!(read[49], b"99");
    assert_eq!(stage.store.committed.lock().unwrap().len(), 1);
    stage.driver.stop().await;
}

#[tokio::test]
async fn a_reader_that_was_moved_is_never_heard_of_again() {
    let stage = Stage::new([], |cluster| {
        let mut moved = false;
        Box::new(move |input, out| {
            let read = |from| Effect::Read { topic: topic(&cluster, 0), from };
            match input {
                Input::Command { .. } => out.push(read(ReadFrom::At(0))),
                Input::Record { .. } if !moved => {
                    moved = true;
                    out.push(read(ReadFrom::At(5)));
                }
                _ => {}
            }
        })
    })
    .await;
    let place = topic(&stage.cluster, 0);
    for i in 0..10u8 {
        stage.mailbox.append(&place, vec![], vec![i]).await.unwrap();
    }
    let door = stage.door().await;
    door.to_node.send(Envelope::new("READ")).await.unwrap();
    let seen = stage
        .until(|seen| {
            let last = |i: &Input| matches!(i, Input::Record { record, .. } if record.offset == 9);
            let moves = seen.iter().filter(|i| matches!(i, Input::Reading { .. })).count();
            let at = seen.iter().rposition(|i| matches!(i, Input::Reading { .. }))?;
            (moves == 2 && seen[at..].iter().any(last)).then(|| seen.to_vec())
        })
        .await;
    let second = seen.iter().rposition(|i| matches!(i, Input::Reading { .. })).unwrap();
    let offsets: Vec<u64> = seen[second..]
        .iter()
        .filter_map(|i| match i {
            Input::Record { record, .. } => Some(record.offset),
            _ => None,
        })
        .collect();
    assert_eq!(offsets, [5, 6, 7, 8, 9]);
    stage.driver.stop().await;
}

#[tokio::test]
async fn while_the_store_fails_nothing_else_happens_and_sessions_are_told() {
    let stage = Stage::new([], |cluster| {
        Box::new(move |input, out| match input {
            Input::Command { .. } => {
                out.push(put(7));
                out.push(append(topic(&cluster, 0), 1));
            }
            Input::Service { up, .. } => {
                let state = if *up { "up" } else { "down" };
                out.push(Effect::Deliver {
                    session: SessionId(1),
                    envelope: Envelope::new("STATUS").param(state),
                });
            }
            _ => {}
        })
    })
    .await;
    let mut door = stage.door().await;
    stage.store.failing.store(true, Ordering::Relaxed);
    door.to_node.send(Envelope::new("GO")).await.unwrap();
    assert_eq!(door.from_node.recv().await.unwrap().params, ["down"]);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(stage.store.tries.load(Ordering::Relaxed) > 1);
    let end = stage.mailbox.end(&topic(&stage.cluster, 0)).await.unwrap();
    assert_eq!(end, 0, "the append waits for the store");

    stage.store.failing.store(false, Ordering::Relaxed);
    assert_eq!(door.from_node.recv().await.unwrap().params, ["up"]);
    stage.until(|seen| seen.iter().find(|i| matches!(i, Input::Appended { .. })).cloned()).await;
    let told = |seen: &[Input]| {
        let told = |i: &&Input| matches!(i, Input::Service { service: Service::Store, .. });
        Some(seen.iter().filter(told).count())
    };
    assert_eq!(stage.until(told).await, 2);
    stage.driver.stop().await;
}

/// A way that is cut gives no answer for long: who sits before it is told of that meanwhile, and
/// the node goes on.
#[tokio::test]
async fn while_the_store_hangs_sessions_are_told_and_only_what_needs_it_waits() {
    let stage = Stage::new([], |cluster| {
        Box::new(move |input, out| match input {
            Input::Command { envelope, .. } if envelope.command == "GO" => {
                out.push(put(7));
                out.push(Effect::Deliver { session: SessionId(1), envelope: Envelope::new("DONE") });
            }
            Input::Command { .. } => {
                let Effect::Append { request_id, topic, key, value, .. } = append(topic(&cluster, 0), 1)
                else {
                    return;
                };
                out.push(Effect::Append { request_id, topic, key, value, early: true });
            }
            Input::Service { .. } => {
                out.push(Effect::Deliver { session: SessionId(1), envelope: Envelope::new("STATUS") });
            }
            _ => {}
        })
    })
    .await;
    let mut door = stage.door().await;
    stage.store.hanging.store(true, Ordering::Relaxed);
    door.to_node.send(Envelope::new("GO")).await.unwrap();
    while stage.store.tries.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    stage.store.health.send_replace(Health { up: false, reason: "no answer".into() });
    assert_eq!(hears(&mut door).await.unwrap().command, "STATUS");
    door.to_node.send(Envelope::new("SEND")).await.unwrap();
    stage.until(|seen| seen.iter().find(|i| matches!(i, Input::Appended { .. })).cloned()).await;
    assert!(door.from_node.try_recv().is_err(), "what is to be kept first waits");
    stage.driver.stop().await;
}

/// Who comes while the store fails hears why nothing happens, and what it said is done when the
/// store is well.
#[tokio::test]
async fn doors_that_come_while_the_store_fails_are_told_why() {
    let stage = Stage::new([], |_| {
        Box::new(move |input, out| {
            if let Input::Command { session, envelope } = input {
                out.push(put(7));
                let envelope = Envelope::new("DONE").param(envelope.command.clone());
                out.push(Effect::Deliver { session: *session, envelope });
            }
        })
    })
    .await;
    let mut first = stage.door().await;
    stage.store.failing.store(true, Ordering::Relaxed);
    first.to_node.send(Envelope::new("GO")).await.unwrap();
    while stage.store.tries.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    let mut late = stage.door().await;
    late.to_node.send(Envelope::new("HELLO")).await.unwrap();
    late.to_node.send(Envelope::new("PRIVMSG").to("#net").meta("label", "x")).await.unwrap();
    for label in [None, Some("x")] {
        let told = hears(&mut late).await.unwrap();
        assert_eq!((told.command.as_str(), told.meta_str("label")), ("NOTICE", label));
        assert!(told.lines()[0].contains("the disk is full"), "{told:?}");
    }
    stage.store.failing.store(false, Ordering::Relaxed);
    assert_eq!(hears(&mut first).await.unwrap().params, ["GO"]);
    for command in ["HELLO", "PRIVMSG"] {
        assert_eq!(hears(&mut late).await.unwrap().params, [command]);
    }
    stage.driver.stop().await;
}

#[tokio::test]
async fn a_door_that_does_not_read_is_ended_and_holds_up_nobody() {
    let stage = Stage::new([], |_| {
        Box::new(move |input, out| {
            if let Input::Command { session, envelope } = input {
                let to = if envelope.command == "FLOOD" { 1 } else { session.0 };
                let count = if envelope.command == "FLOOD" { 20_000 } else { 1 };
                out.extend(
                    (0..count)
                        .map(|_| Effect::Deliver { session: SessionId(to), envelope: Envelope::new("X") }),
                );
            }
        })
    })
    .await;
    let mut slow = stage.door().await;
    let mut quick = stage.door().await;
    quick.to_node.send(Envelope::new("FLOOD")).await.unwrap();
    quick.to_node.send(Envelope::new("ME")).await.unwrap();
    let heard = timeout(Duration::from_secs(5), quick.from_node.recv()).await;
    assert_eq!(heard.unwrap().unwrap().command, "X");
    stage.until(|seen| seen.iter().find(|i| **i == Input::Detach { session: SessionId(1) }).cloned()).await;
    let mut last = None;
    while let Some(heard) = slow.from_node.recv().await {
        last = Some(heard);
    }
    assert_eq!(last.unwrap().command, "ERROR");
    assert!(timeout(Duration::from_secs(2), slow.to_node.closed()).await.is_ok());
    stage.driver.stop().await;
}

#[tokio::test]
async fn ticks_come_when_they_are_due_and_the_end_is_awaited() {
    let begin = now().mono;
    let stage = Stage::new([begin + 20, begin + 60], |_| Box::new(|_, _| {})).await;
    let mut door = stage.door().await;
    let ticks = |seen: &[Input]| {
        let count = seen.iter().filter(|i| **i == Input::Tick).count();
        (count == 2).then_some(())
    };
    stage.until(ticks).await;
    assert!(now().mono >= begin + 60);
    door.to_node.send(Envelope::new("QUIT")).await.unwrap();
    assert!(door.from_node.recv().await.is_none(), "QUIT ends the session");
    let other = stage.door().await;
    let hub = stage.driver.hub();
    stage.driver.stop().await;
    let mut other = other;
    assert!(other.from_node.recv().await.is_none());
    assert!(hub.attach().await.is_none());
    let seen = stage.seen.lock().unwrap();
    assert!(seen.contains(&Input::Shutdown));
}
