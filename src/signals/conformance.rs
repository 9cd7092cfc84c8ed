//! What every signals adapter must do: one function for each rule.
//!
//! This module owns the rules. It is independent of the adapters: a [`Rig`] opens them.
//! [`signals_conformance!`] turns each rule into a test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kirc_core::port::{SignalOp, SignalReply};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::{Published, Signals};

/// An adapter and what is published to it.
pub type Opened = (Arc<dyn Signals>, mpsc::Receiver<Published>);

/// A service under test. Each rig has keys of its own (a prefix that no other test uses).
pub trait Rig: Send + Sync {
    /// An adapter on it: each as if in a process of its own.
    fn open(&self) -> Opened;
}

/// Makes a test of each rule; the expression opens a rig.
macro_rules! signals_conformance {
    ($rig:expr) => {
        $crate::signals::conformance::signals_conformance!($rig;
            one_of_many_claims
            a_claim_is_renewed_and_released_by_its_holder_only
            lives_end
            values_are_set_and_deleted
            sets_have_members
            hashes_have_fields
            keys_are_found_by_their_prefix
            who_listens_hears
            who_came_later_or_left_does_not_hear
            a_burst_arrives_in_order
        );
    };
    ($rig:expr; $($rule:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                let rig = $rig;
                $crate::signals::conformance::$rule(&rig).await;
            }
        )*
    };
}
pub(crate) use signals_conformance;

fn s(text: &str) -> String {
    text.to_owned()
}

async fn claim(by: &Opened, key: &str, value: &str, ttl: u64) -> bool {
    let op = SignalOp::Claim { key: s(key), value: s(value), ttl };
    match by.0.call(op).await.unwrap() {
        SignalReply::Claimed(yes) => yes,
        other => panic!("{other:?}"),
    }
}

async fn renew(by: &Opened, key: &str, value: &str, ttl: u64) -> bool {
    let op = SignalOp::Renew { key: s(key), value: s(value), ttl };
    match by.0.call(op).await.unwrap() {
        SignalReply::Renewed(yes) => yes,
        other => panic!("{other:?}"),
    }
}

async fn get(by: &Opened, key: &str) -> Option<(String, Option<u64>)> {
    match by.0.call(SignalOp::Get { key: s(key) }).await.unwrap() {
        SignalReply::Value(value) => value,
        other => panic!("{other:?}"),
    }
}

async fn list(by: &Opened, op: SignalOp) -> Vec<String> {
    match by.0.call(op).await.unwrap() {
        SignalReply::Members(mut members) => {
            members.sort();
            members
        }
        other => panic!("{other:?}"),
    }
}

async fn hash(by: &Opened, key: &str) -> BTreeMap<String, String> {
    match by.0.call(SignalOp::HashGet { key: s(key) }).await.unwrap() {
        SignalReply::Hash(fields) => fields,
        other => panic!("{other:?}"),
    }
}

async fn done(by: &Opened, op: SignalOp) {
    assert_eq!(by.0.call(op).await, Ok(SignalReply::Done));
}

async fn publish(by: &Opened, channel: &str, payload: &str) {
    let op = SignalOp::Publish { channel: s(channel), payload: s(payload) };
    done(by, op).await;
}

async fn hear(by: &mut Opened) -> (String, String) {
    let heard = timeout(Duration::from_secs(30), by.1.recv()).await;
    let heard = heard.expect("nothing came").expect("the events ended");
    (heard.channel, heard.payload)
}

/// Of several that claim a key at once, one gets it.
pub async fn one_of_many_claims(rig: &dyn Rig) {
    let all: Vec<Opened> = (0..4).map(|_| rig.open()).collect();
    for round in 0..10 {
        let key = format!("leader {round}");
        let claims: Vec<_> = all
            .iter()
            .enumerate()
            .map(|(i, by)| {
                let (key, value) = (key.clone(), i.to_string());
                by.0.call(SignalOp::Claim { key, value, ttl: 30_000 })
            })
            .collect();
        let mut winners = Vec::new();
        for (i, claim) in claims.into_iter().enumerate() {
            if claim.await == Ok(SignalReply::Claimed(true)) {
                winners.push(i.to_string());
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(get(&all[0], &key).await.unwrap().0, winners[0]);
    }
}

/// Another's mark changes nothing.
pub async fn a_claim_is_renewed_and_released_by_its_holder_only(rig: &dyn Rig) {
    let (a, b) = (rig.open(), rig.open());
    assert!(claim(&a, "k", "a", 10_000).await);
    assert!(!claim(&b, "k", "b", 10_000).await);
    assert!(!claim(&a, "k", "a", 10_000).await, "it has a value already");
    assert!(!renew(&b, "k", "b", 90_000).await);
    assert!(renew(&a, "k", "a", 90_000).await);
    let (value, left) = get(&b, "k").await.unwrap();
    assert_eq!(value, "a");
    assert!((60_000..=90_000).contains(&left.unwrap()));
    done(&b, SignalOp::Release { key: s("k"), value: s("b") }).await;
    assert!(get(&b, "k").await.is_some());
    done(&a, SignalOp::Release { key: s("k"), value: s("a") }).await;
    assert_eq!(get(&a, "k").await, None);
    assert!(!renew(&a, "k", "a", 1_000).await);
    assert!(claim(&b, "k", "b", 1_000).await);
}

/// What is over is as if it had never been.
pub async fn lives_end(rig: &dyn Rig) {
    let (a, b) = (rig.open(), rig.open());
    assert!(claim(&a, "k", "a", 300).await);
    let op = SignalOp::Set { key: s("p"), value: s("here"), ttl: Some(300) };
    done(&a, op).await;
    assert!(get(&b, "k").await.is_some() && get(&b, "p").await.is_some());
    sleep(Duration::from_millis(400)).await;
    assert_eq!((get(&b, "k").await, get(&b, "p").await), (None, None));
    assert!(list(&b, SignalOp::Keys { prefix: s("") }).await.is_empty());
    assert!(!renew(&a, "k", "a", 300).await);
    assert!(claim(&b, "k", "b", 300).await);
    assert!(!renew(&a, "k", "a", 300).await);
    assert!(renew(&b, "k", "b", 10_000).await);
    sleep(Duration::from_millis(400)).await;
    assert_eq!(get(&a, "k").await.unwrap().0, "b");
}

/// Setting replaces value and life.
pub async fn values_are_set_and_deleted(rig: &dyn Rig) {
    let (a, b) = (rig.open(), rig.open());
    assert_eq!(get(&a, "k").await, None);
    let set = |value: &str, ttl| SignalOp::Set { key: s("k"), value: s(value), ttl };
    done(&a, set("one", Some(200))).await;
    done(&a, set("two ünï\n\"", None)).await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(get(&b, "k").await, Some((s("two ünï\n\""), None)));
    done(&b, SignalOp::Delete { key: s("k") }).await;
    done(&b, SignalOp::Delete { key: s("k") }).await;
    assert_eq!(get(&a, "k").await, None);
}

/// Adding twice is adding once.
pub async fn sets_have_members(rig: &dyn Rig) {
    let (a, b) = (rig.open(), rig.open());
    let member = |m: &str, add| SignalOp::Member { key: s("set"), member: s(m), add };
    for m in ["x", "y", "x", "z"] {
        done(&a, member(m, true)).await;
    }
    done(&b, member("y", false)).await;
    done(&b, member("nobody", false)).await;
    let members = SignalOp::Members { key: s("set") };
    assert_eq!(list(&b, members.clone()).await, ["x", "z"]);
    done(&a, SignalOp::Delete { key: s("set") }).await;
    assert!(list(&b, members).await.is_empty());
}

/// An empty value deletes a field.
pub async fn hashes_have_fields(rig: &dyn Rig) {
    let (a, b) = (rig.open(), rig.open());
    let fields = |list: &[(&str, &str)]| -> BTreeMap<String, String> {
        list.iter().map(|(f, v)| (s(f), s(v))).collect()
    };
    let set = |list: &[(&str, &str)]| SignalOp::HashSet { key: s("h"), fields: fields(list) };
    assert!(hash(&a, "h").await.is_empty());
    done(&a, set(&[("leader", "me"), ("topic", "tea")])).await;
    done(&b, set(&[("topic", "coffee"), ("modes", "+nt"), ("leader", "")])).await;
    assert_eq!(hash(&a, "h").await, fields(&[("modes", "+nt"), ("topic", "coffee")]));
    done(&a, SignalOp::Delete { key: s("h") }).await;
    assert!(hash(&b, "h").await.is_empty());
}

/// Keys of all kinds, without those of others.
pub async fn keys_are_found_by_their_prefix(rig: &dyn Rig) {
    let a = rig.open();
    let key = |name: &str| s(name);
    done(&a, SignalOp::Set { key: key("channel:a:x"), value: s("1"), ttl: None }).await;
    done(&a, SignalOp::Member { key: key("channel:b"), member: s("m"), add: true }).await;
    let fields = BTreeMap::from([(s("f"), s("v"))]);
    done(&a, SignalOp::HashSet { key: key("channel:c"), fields }).await;
    done(&a, SignalOp::Set { key: key("channel"), value: s("1"), ttl: None }).await;
    done(&a, SignalOp::Set { key: key("channel;"), value: s("1"), ttl: None }).await;
    let found = list(&a, SignalOp::Keys { prefix: s("channel:") }).await;
    assert_eq!(found, ["channel:a:x", "channel:b", "channel:c"]);
    // What has a meaning in patterns has none here.
    done(&a, SignalOp::Set { key: key("#a*[b]?:x"), value: s("1"), ttl: None }).await;
    assert_eq!(list(&a, SignalOp::Keys { prefix: s("#a*[b]?") }).await, ["#a*[b]?:x"]);
    assert!(list(&a, SignalOp::Keys { prefix: s("*") }).await.is_empty());
}

/// Whoever listens, the publisher too; and only what they listen to.
pub async fn who_listens_hears(rig: &dyn Rig) {
    let (mut a, mut b, mut c) = (rig.open(), rig.open(), rig.open());
    let subscribe = |name: &str| SignalOp::Subscribe { channel: s(name) };
    done(&a, subscribe("one")).await;
    done(&a, subscribe("one")).await;
    done(&b, subscribe("one")).await;
    done(&b, subscribe("two")).await;
    done(&c, subscribe("two")).await;
    publish(&a, "one", "hello").await;
    publish(&a, "two", "world").await;
    let (one, two) = ((s("one"), s("hello")), (s("two"), s("world")));
    assert_eq!(hear(&mut a).await, one);
    let mut heard = [hear(&mut b).await, hear(&mut b).await];
    heard.sort();
    assert_eq!(heard, [one, two.clone()]);
    assert_eq!(hear(&mut c).await, two);
    sleep(Duration::from_millis(50)).await;
    assert!(a.1.try_recv().is_err(), "once, though subscribed to twice");
}

/// Nothing is kept for who was not there.
pub async fn who_came_later_or_left_does_not_hear(rig: &dyn Rig) {
    let (a, mut b) = (rig.open(), rig.open());
    publish(&a, "c", "before").await;
    done(&b, SignalOp::Subscribe { channel: s("c") }).await;
    publish(&a, "c", "now").await;
    assert_eq!(hear(&mut b).await.1, "now");
    done(&b, SignalOp::Unsubscribe { channel: s("c") }).await;
    publish(&a, "c", "away").await;
    done(&b, SignalOp::Subscribe { channel: s("c") }).await;
    publish(&a, "c", "back").await;
    assert_eq!(hear(&mut b).await.1, "back");
}

/// More than waits for a slow listener.
pub async fn a_burst_arrives_in_order(rig: &dyn Rig) {
    let (a, mut b) = (rig.open(), rig.open());
    done(&b, SignalOp::Subscribe { channel: s("c") }).await;
    let asked: Vec<_> = (0..1_000)
        .map(|i| {
            let payload = i.to_string();
            a.0.call(SignalOp::Publish { channel: s("c"), payload })
        })
        .collect();
    for done in asked {
        done.await.unwrap();
    }
    for i in 0..1_000 {
        assert_eq!(hear(&mut b).await.1, i.to_string());
    }
}
