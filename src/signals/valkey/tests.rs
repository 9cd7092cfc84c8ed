//! Tests the signals on a real Valkey against the conformance rules and against their own
//! guarantees.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kirc_core::port::{SignalOp, SignalReply};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{ValkeySettings, ValkeySignals};
use crate::config::Secret;
use crate::ports::Health;
use crate::signals::Signals;
use crate::signals::conformance::{Opened, Rig};
use crate::tests::{Wire, by, ca, own_name, place, service, wait_for};

/// A part of a Valkey that is one test's own.
struct Real(ValkeySettings);

fn real(name: &str) -> Option<Real> {
    let prefix = format!("kirc:{}:", own_name());
    Some(Real(ValkeySettings { url: service(name)?, prefix, ca: ca() }))
}

impl Real {
    /// The same one by a wire.
    async fn by_wire(&self) -> (Wire, ValkeySettings) {
        let wire = Wire::to(&place(&self.0.url)).await;
        let url = by(&self.0.url, &wire);
        (wire, ValkeySettings { url, ..self.0.clone() })
    }
}

impl Rig for Real {
    fn open(&self) -> Opened {
        let (signals, published) = ValkeySignals::open(&self.0).unwrap();
        (Arc::new(signals), published)
    }
}

impl Drop for Real {
    /// Removes what the test has left.
    fn drop(&mut self) {
        wait_for(async {
            let (signals, _published) = ValkeySignals::open(&self.0).unwrap();
            if let Ok(SignalReply::Members(keys)) =
                signals.call(SignalOp::Keys { prefix: String::new() }).await
            {
                for key in keys {
                    let _ = signals.call(SignalOp::Delete { key }).await;
                }
            }
        });
    }
}

macro_rules! or_leave {
    ($rig:expr) => {
        match $rig {
            Some(rig) => rig,
            None => return,
        }
    };
}

mod with_tls {
    crate::signals::conformance::signals_conformance!(or_leave!(super::real("KIRC_TEST_VALKEY")));
}

mod plain {
    crate::signals::conformance::signals_conformance!(or_leave!(super::real("KIRC_TEST_VALKEY_PLAIN")));
}

fn s(text: &str) -> String {
    text.to_owned()
}

async fn is(health: &mut watch::Receiver<Health>, up: bool) -> Health {
    let is = timeout(Duration::from_secs(20), health.wait_for(|h| h.up == up)).await;
    is.expect("health did not change").unwrap().clone()
}

/// Listened to again, and only then told up; what was asked for while it was away included.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_come_again_after_a_cut() {
    let rig = or_leave!(real("KIRC_TEST_VALKEY"));
    let (wire, settings) = rig.by_wire().await;
    let (signals, mut published) = ValkeySignals::open(&settings).unwrap();
    let (other, _) = ValkeySignals::open(&rig.0).unwrap();
    let mut health = signals.health();
    let subscribe = |c: &str| SignalOp::Subscribe { channel: s(c) };
    for i in 0..50 {
        signals.call(subscribe(&format!("c{i}"))).await.unwrap();
    }
    signals.call(SignalOp::Unsubscribe { channel: s("c7") }).await.unwrap();
    for round in 0..3 {
        wire.block(true);
        let down = is(&mut health, false).await;
        assert!(down.reason.contains("127.0.0.1:") || down.reason.contains("localhost:"), "{down:?}");
        let refused = signals.call(subscribe(&format!("late{round}"))).await;
        assert!(refused.is_err(), "{refused:?}");
        wire.block(false);
        let up = is(&mut health, true).await;
        assert_eq!(up, Health::well());
        for channel in ["c0", "c7", "c49", &format!("late{round}")] {
            let op = SignalOp::Publish { channel: s(channel), payload: s("again") };
            other.call(op).await.unwrap();
        }
        for expected in ["c0", "c49", &format!("late{round}")] {
            let heard = timeout(Duration::from_secs(10), published.recv()).await.unwrap().unwrap();
            assert_eq!((heard.channel.as_str(), heard.payload.as_str()), (expected, "again"));
        }
    }
}

/// Who only looks now and then sees that there was a cut, however short.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_cut_is_seen() {
    let rig = or_leave!(real("KIRC_TEST_VALKEY_PLAIN"));
    let (wire, settings) = rig.by_wire().await;
    let (signals, _published) = ValkeySignals::open(&settings).unwrap();
    signals.call(SignalOp::Get { key: s("k") }).await.unwrap();
    let mut health = signals.health();
    wire.cut();
    is(&mut health, false).await;
    let since = std::time::Instant::now();
    is(&mut health, true).await;
    assert!(since.elapsed() > Duration::from_millis(150), "{:?}", since.elapsed());
}

/// What was on its way fails with a sentence, in place of waiting for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_on_their_way_fail_when_the_connection_is_cut() {
    let rig = or_leave!(real("KIRC_TEST_VALKEY_PLAIN"));
    let (wire, settings) = rig.by_wire().await;
    let (signals, _published) = ValkeySignals::open(&settings).unwrap();
    signals.call(SignalOp::Get { key: s("k") }).await.unwrap();
    wire.swallow_answers(true);
    let calls: Vec<_> = (0..100)
        .map(|i| signals.call(SignalOp::Set { key: format!("k{i}"), value: s("v"), ttl: Some(60_000) }))
        .collect();
    let (watcher, _) = ValkeySignals::open(&rig.0).unwrap();
    let there = async {
        while watcher.call(SignalOp::Get { key: s("k99") }).await == Ok(SignalReply::Value(None)) {}
    };
    timeout(Duration::from_secs(10), there).await.unwrap();
    wire.cut();
    for call in calls {
        let error = call.await.unwrap_err();
        assert!(error.0.contains("was cut"), "{error}");
    }
    wire.swallow_answers(false);
    is(&mut signals.health(), true).await;
    let value = signals.call(SignalOp::Get { key: s("k99") }).await;
    assert!(matches!(value, Ok(SignalReply::Value(Some(_)))), "{value:?}");
}

/// Who takes the scripts away and who relies on them take turns.
static SCRIPTS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A server that has lost its scripts is given them again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_are_gone_travel_again() {
    let rig = or_leave!(real("KIRC_TEST_VALKEY"));
    let admin = or_leave!(service("KIRC_TEST_VALKEY_ADMIN"));
    let _turn = SCRIPTS.lock().await;
    let (signals, _published) = ValkeySignals::open(&rig.0).unwrap();
    let claim = SignalOp::Claim { key: s("k"), value: s("a"), ttl: 60_000 };
    assert_eq!(signals.call(claim).await, Ok(SignalReply::Claimed(true)));
    let admin = ValkeySettings { url: admin, prefix: s(""), ca: ca() };
    let place = super::settings::Place::parse(&admin).unwrap();
    let config = crate::tls::client(ca().as_ref(), crate::tls::Check::Full).unwrap();
    let (to, _) = tokio::sync::mpsc::channel(1);
    let events = super::connect::Events { to, prefix: "".into(), lost: Arc::default() };
    let tls = place.tls.then(|| Arc::new(config));
    let mut link = super::connect::connect(place, tls, events).await.unwrap();
    redis::cmd("SCRIPT").arg("FLUSH").query_async::<()>(&mut link.conn).await.unwrap();
    let renew = SignalOp::Renew { key: s("k"), value: s("a"), ttl: 60_000 };
    assert_eq!(signals.call(renew).await, Ok(SignalReply::Renewed(true)));
    let release = SignalOp::Release { key: s("k"), value: s("a") };
    assert_eq!(signals.call(release).await, Ok(SignalReply::Done));
    assert_eq!(signals.call(SignalOp::Get { key: s("k") }).await, Ok(SignalReply::Value(None)));
}

/// The order of calls is the order of work, also for a burst of calls of all kinds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_calls_keeps_its_order() {
    let rig = or_leave!(real("KIRC_TEST_VALKEY"));
    let _turn = SCRIPTS.lock().await;
    let (signals, _published) = ValkeySignals::open(&rig.0).unwrap();
    let mut calls = Vec::new();
    for i in 0..1_500 {
        let value = i.to_string();
        drop(signals.call(SignalOp::Set { key: s("k"), value: value.clone(), ttl: None }));
        let renewed = signals.call(SignalOp::Renew { key: s("k"), value: value.clone(), ttl: 60_000 });
        calls.push((value, renewed, signals.call(SignalOp::Get { key: s("k") })));
        if i % 500 == 0 {
            drop(signals.call(SignalOp::Release { key: s("k"), value: i.to_string() }));
        }
    }
    for (value, renewed, got) in calls {
        assert_eq!(renewed.await, Ok(SignalReply::Renewed(true)));
        match got.await.unwrap() {
            SignalReply::Value(Some((got, Some(_)))) => assert_eq!(got, value),
            other => panic!("{other:?}"),
        }
    }
}

/// Nothing is there, then something is, and a call that was made before is not lost for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_opens_without_a_server_and_finds_it_later() {
    let rig = or_leave!(real("KIRC_TEST_VALKEY"));
    let (wire, settings) = rig.by_wire().await;
    wire.block(true);
    let (signals, _published) = ValkeySignals::open(&settings).unwrap();
    assert!(signals.call(SignalOp::Get { key: s("k") }).await.is_err());
    let mut health = signals.health();
    is(&mut health, false).await;
    wire.block(false);
    is(&mut health, true).await;
    signals.call(SignalOp::Get { key: s("k") }).await.unwrap();
    signals.close().await.unwrap();
}

/// What goes wrong is said in words that help, and without the password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_are_sentences() {
    let rig = or_leave!(real("KIRC_TEST_VALKEY"));
    let url = rig.0.url.expose().to_owned();
    let at = place(&rig.0.url);
    let port = at.rsplit_once(':').unwrap().1.to_owned();
    let failure = |url: String, ca, prefix: &str| {
        let settings = ValkeySettings { url: Secret::new(url), prefix: s(prefix), ca };
        async move {
            let (signals, _published) = ValkeySignals::open(&settings).unwrap();
            let set = SignalOp::Set { key: s("k"), value: s("v"), ttl: Some(1_000) };
            let error = signals.call(set).await.unwrap_err().0;
            assert_eq!(*signals.health().borrow(), Health { up: false, reason: error.clone() });
            error
        }
    };
    let wrong = failure(format!("valkeys://kirc:hidden@{at}"), ca(), "kirc:").await;
    assert!(wrong.contains("check user and password") && !wrong.contains("hidden"), "{wrong}");
    let unknown = failure(url.clone(), None, "kirc:").await;
    assert!(unknown.contains("ca.pem"), "{unknown}");
    let plain = failure(url.replace("valkeys://", "valkey://"), None, "kirc:").await;
    assert!(plain.contains("does it want TLS (valkeys://)?"), "{plain}");
    let name = failure(format!("valkeys://kirc:hidden@127.0.0.2:{port}"), ca(), "kirc:").await;
    assert!(name.contains("nobody listens") || name.contains("another name"), "{name}");
    let nobody = failure(s("valkey://u:hidden@127.0.0.1:1"), None, "kirc:").await;
    assert!(nobody.contains("nobody listens at 127.0.0.1:1"), "{nobody}");
    let forbidden = failure(url, ca(), "another:").await;
    assert!(forbidden.contains("begin with kirc's prefix"), "{forbidden}");
}

/// A refused call makes the service down; the next of its kind that works makes it up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_refused_is_forgotten_when_it_works_again() {
    let rig = or_leave!(real("KIRC_TEST_VALKEY"));
    let (signals, _published) = ValkeySignals::open(&rig.0).unwrap();
    signals.call(SignalOp::Set { key: s("k"), value: s("v"), ttl: None }).await.unwrap();
    // A key of another kind: the server refuses.
    let error = signals.call(SignalOp::Member { key: s("k"), member: s("m"), add: true }).await.unwrap_err();
    assert!(error.0.contains("WRONGTYPE"), "{error}");
    signals.call(SignalOp::Get { key: s("k") }).await.unwrap();
    assert!(!signals.health().borrow().up);
    signals.call(SignalOp::Delete { key: s("k") }).await.unwrap();
    assert!(signals.health().borrow().up);
}

/// More than there is room for: what was missed is known to be missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_told() {
    let rig = or_leave!(real("KIRC_TEST_VALKEY_PLAIN"));
    let (signals, mut published) = ValkeySignals::open(&rig.0).unwrap();
    signals.call(SignalOp::Subscribe { channel: s("c") }).await.unwrap();
    for i in 0..1_100 {
        signals.call(SignalOp::Publish { channel: s("c"), payload: i.to_string() }).await.unwrap();
    }
    let mut health = signals.health();
    let down = is(&mut health, false).await;
    assert!(down.reason.contains("more was published"), "{down:?}");
    for _ in 0..crate::signals::EVENTS {
        published.recv().await.unwrap();
    }
    is(&mut health, true).await;
}

/// At most as many keys as are promised.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_a_thousand_at_the_most() {
    let rig = or_leave!(real("KIRC_TEST_VALKEY_PLAIN"));
    let (signals, _published) = ValkeySignals::open(&rig.0).unwrap();
    let set: Vec<_> = (0..1_200)
        .map(|i| signals.call(SignalOp::Set { key: format!("k{i}"), value: s("v"), ttl: Some(30_000) }))
        .collect();
    for done in set {
        done.await.unwrap();
    }
    match signals.call(SignalOp::Keys { prefix: s("k") }).await.unwrap() {
        SignalReply::Members(keys) => assert_eq!(keys.len(), 1_000),
        other => panic!("{other:?}"),
    }
    let fields = BTreeMap::new();
    assert_eq!(signals.call(SignalOp::HashSet { key: s("h"), fields }).await, Ok(SignalReply::Done));
}

#[test]
fn settings_that_make_no_sense_are_refused_without_the_password() {
    let cases = [
        ("http://u:hidden@h:1", "valkeys://"),
        ("valkey://u:hidden@h:1/x", "number of the database"),
        ("valkey://u:hidden@h:1?x=1", "leave them out"),
        ("valkey://hidden@h:1", "user:password@"),
    ];
    for (url, expected) in cases {
        let settings = ValkeySettings { url: Secret::new(url), prefix: s("kirc:"), ca: None };
        let error = settings.check().unwrap_err().0;
        assert!(error.contains(expected) && !error.contains("hidden"), "{error}");
        assert!(!format!("{settings:?}").contains("hidden"));
    }
}
