//! The model of the signal service: expiring keys, sets, hashes. It may lose anything at any
//! moment.

use std::collections::{BTreeMap, BTreeSet};

use kirc_core::port::{SignalOp, SignalReply};

use crate::rng::Dice;

struct Entry {
    value: String,
    until: Option<u64>,
}

/// The signal service. Publishing is carried by the world, which knows who listens.
#[derive(Default)]
pub struct Signals {
    strings: BTreeMap<String, Entry>,
    sets: BTreeMap<String, BTreeSet<String>>,
    hashes: BTreeMap<String, BTreeMap<String, String>>,
}

impl Signals {
    /// Carries out an operation at a moment. Publish and subscribe are answered only.
    pub fn apply(&mut self, now: u64, op: &SignalOp) -> SignalReply {
        self.strings.retain(|_, e| e.until.is_none_or(|t| t > now));
        match op {
            SignalOp::Claim { key, value, ttl } => {
                let free = !self.strings.contains_key(key);
                if free {
                    self.put(key, value, Some(now + ttl));
                }
                SignalReply::Claimed(free)
            }
            SignalOp::Renew { key, value, ttl } => match self.strings.get_mut(key) {
                Some(entry) if entry.value == *value => {
                    entry.until = Some(now + ttl);
                    SignalReply::Renewed(true)
                }
                _ => SignalReply::Renewed(false),
            },
            SignalOp::Release { key, value } => {
                if self.strings.get(key).is_some_and(|e| e.value == *value) {
                    self.strings.remove(key);
                }
                SignalReply::Done
            }
            SignalOp::Get { key } => {
                SignalReply::Value(self.strings.get(key).map(|e| (e.value.clone(), e.until.map(|t| t - now))))
            }
            SignalOp::Set { key, value, ttl } => {
                self.put(key, value, ttl.map(|t| now + t));
                SignalReply::Done
            }
            SignalOp::Delete { key } => {
                self.strings.remove(key);
                self.sets.remove(key);
                self.hashes.remove(key);
                SignalReply::Done
            }
            SignalOp::Member { key, member, add } => {
                let set = self.sets.entry(key.clone()).or_default();
                if *add {
                    set.insert(member.clone());
                } else {
                    set.remove(member);
                }
                SignalReply::Done
            }
            SignalOp::Members { key } => SignalReply::Members(
                self.sets.get(key).map(|s| s.iter().cloned().collect()).unwrap_or_default(),
            ),
            SignalOp::HashSet { key, fields } => {
                let hash = self.hashes.entry(key.clone()).or_default();
                for (name, value) in fields {
                    if value.is_empty() {
                        hash.remove(name);
                    } else {
                        hash.insert(name.clone(), value.clone());
                    }
                }
                SignalReply::Done
            }
            SignalOp::HashGet { key } => SignalReply::Hash(self.hashes.get(key).cloned().unwrap_or_default()),
            SignalOp::Keys { prefix } => SignalReply::Members(self.keys(prefix)),
            SignalOp::Publish { .. } | SignalOp::Subscribe { .. } | SignalOp::Unsubscribe { .. } => {
                SignalReply::Done
            }
        }
    }

    fn put(&mut self, key: &str, value: &str, until: Option<u64>) {
        let value = value.to_owned();
        self.strings.insert(key.to_owned(), Entry { value, until });
    }

    fn keys(&self, prefix: &str) -> Vec<String> {
        let mut keys: Vec<String> = self
            .strings
            .keys()
            .chain(self.sets.keys())
            .chain(self.hashes.keys())
            .filter(|k| k.starts_with(prefix))
            .take(1000)
            .cloned()
            .collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// Forgets everything.
    pub fn flush(&mut self) {
        self.strings.clear();
        self.sets.clear();
        self.hashes.clear();
    }

    /// Forgets one key; its name, if there was one.
    pub fn forget_one(&mut self, dice: &mut Dice) -> Option<String> {
        let keys = self.keys("");
        let key = dice.pick(&keys)?.clone();
        self.strings.remove(&key);
        self.sets.remove(&key);
        self.hashes.remove(&key);
        Some(key)
    }
}

/// Every text that an operation carries to the service.
pub fn texts(op: &SignalOp) -> Vec<&str> {
    match op {
        SignalOp::Claim { key, value, .. }
        | SignalOp::Renew { key, value, .. }
        | SignalOp::Release { key, value }
        | SignalOp::Set { key, value, .. } => vec![key, value],
        SignalOp::Member { key, member, .. } => vec![key, member],
        SignalOp::HashSet { key, fields } => {
            let mut all: Vec<&str> = vec![key];
            all.extend(fields.iter().flat_map(|(k, v)| [k.as_str(), v.as_str()]));
            all
        }
        SignalOp::Publish { channel, payload } => vec![channel, payload],
        SignalOp::Get { key }
        | SignalOp::Delete { key }
        | SignalOp::Members { key }
        | SignalOp::HashGet { key } => vec![key],
        SignalOp::Keys { prefix } => vec![prefix],
        SignalOp::Subscribe { channel } | SignalOp::Unsubscribe { channel } => vec![channel],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_claimed_once_until_it_expires() {
        let mut signals = Signals::default();
        let claim = |value: &str| SignalOp::Claim { key: "k".into(), value: value.into(), ttl: 100 };
        assert_eq!(signals.apply(0, &claim("a")), SignalReply::Claimed(true));
        assert_eq!(signals.apply(99, &claim("b")), SignalReply::Claimed(false));
        let renew = SignalOp::Renew { key: "k".into(), value: "a".into(), ttl: 100 };
        assert_eq!(signals.apply(99, &renew), SignalReply::Renewed(true));
        assert_eq!(signals.apply(199, &claim("b")), SignalReply::Claimed(true));
        assert_eq!(signals.apply(200, &renew), SignalReply::Renewed(false));
        signals.flush();
        assert_eq!(signals.apply(200, &claim("c")), SignalReply::Claimed(true));
    }
}
