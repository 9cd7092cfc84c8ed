//! The channels of a node: by key, by their log, and by their name on the wire. An event in one
//! channel costs the others nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::awake::{Awake, Wakes};
use super::channel::{Channel, Phase};
use crate::ids::{Millis, Offset};
use crate::port::Topic;

impl Wakes for Channel {
    fn wake(&self) -> Option<Millis> {
        self.wake()
    }
}

/// The index entries of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    log: Topic,
    wire: String,
    /// From which offset on it needs the read progress of its log.
    follows: Option<Offset>,
}

impl Found {
    fn of(channel: &Channel) -> Self {
        Self { log: channel.log.clone(), wire: channel.wire.clone(), follows: channel.follows_log() }
    }
}

/// All channels that a node is in or is joining.
pub(super) struct Channels {
    all: Awake<String, Channel>,
    found: BTreeMap<String, Found>,
    by_log: BTreeMap<Topic, BTreeSet<String>>,
    following: BTreeMap<Topic, BTreeSet<(Offset, String)>>,
    by_wire: BTreeMap<String, BTreeSet<String>>,
}

impl Channels {
    pub fn new(all: BTreeMap<String, Channel>) -> Self {
        let mut channels = Self {
            all: Awake::new(all),
            found: BTreeMap::new(),
            by_log: BTreeMap::new(),
            following: BTreeMap::new(),
            by_wire: BTreeMap::new(),
        };
        channels.settle();
        channels
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn get(&self, key: &str) -> Option<&Channel> {
        self.all.get(key)
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Channel> {
        self.all.get_mut(key)
    }

    pub fn insert(&mut self, key: String, channel: Channel) {
        self.find_by(&key, Some(Found::of(&channel)));
        self.all.insert(key, channel);
    }

    pub fn values(&self) -> impl Iterator<Item = &Channel> {
        self.all.values()
    }

    /// All channels, mutable: for events that concern each of them.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Channel> {
        self.all.values_mut()
    }

    /// Whether a topic is the log of one of the channels.
    pub fn is_log(&self, topic: &Topic) -> bool {
        self.by_log.contains_key(topic)
    }

    /// The channels in a log.
    pub fn in_log(&self, log: &Topic) -> Vec<String> {
        self.by_log.get(log).into_iter().flatten().cloned().collect()
    }

    /// The channels in a log that need its read progress, now that the next offset is this one.
    pub fn following(&self, log: &Topic, next: Offset) -> Vec<String> {
        let touched = self.all.touched().filter(|key| self.get(key).is_some_and(|c| c.log == *log));
        let known = self.following.get(log).into_iter().flatten();
        let known = known.take_while(|(from, _)| *from <= next).map(|(_, key)| key);
        touched.chain(known).collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }

    /// The channels with a name, on any grid.
    pub fn named(&self, wire: &str) -> Vec<String> {
        self.by_wire.get(wire).into_iter().flatten().cloned().collect()
    }

    /// The first channel with a name that fits, on any grid.
    pub fn find(&self, wire: &str, fits: impl Fn(&Channel) -> bool) -> Option<String> {
        let fits = |key: &&String| self.get(key).is_some_and(&fits);
        self.by_wire.get(wire)?.iter().find(fits).cloned()
    }

    /// Processes changes. Returns the logs of channels that the node left and that no other channel
    /// here reads.
    pub fn settle(&mut self) -> Vec<Topic> {
        let mut unread = Vec::new();
        for key in self.all.settle() {
            let channel = self.all.get(&key);
            if channel.is_some_and(|channel| channel.phase == Phase::Left) {
                let log = self.all.remove(&key).map(|channel| channel.log);
                self.all.settle();
                self.find_by(&key, None);
                unread.extend(log.filter(|log| !self.is_log(log)));
            } else {
                let found = channel.map(Found::of);
                self.find_by(&key, found);
            }
        }
        unread
    }

    /// The channels that are due, once settled.
    pub fn due(&self, now: Millis) -> Vec<String> {
        self.all.due(now)
    }

    /// When the first channel is due, once settled.
    pub fn wake(&self) -> Option<Millis> {
        self.all.wake()
    }

    fn find_by(&mut self, key: &str, found: Option<Found>) {
        if self.found.get(key) == found.as_ref() {
            return;
        }
        if let Some(before) = self.found.remove(key) {
            take(&mut self.by_log, &before.log, &key.to_owned());
            take(&mut self.by_wire, &before.wire, &key.to_owned());
            if let Some(from) = before.follows {
                take(&mut self.following, &before.log, &(from, key.to_owned()));
            }
        }
        if let Some(now) = found {
            self.by_log.entry(now.log.clone()).or_default().insert(key.to_owned());
            self.by_wire.entry(now.wire.clone()).or_default().insert(key.to_owned());
            if let Some(from) = now.follows {
                self.following.entry(now.log.clone()).or_default().insert((from, key.to_owned()));
            }
            self.found.insert(key.to_owned(), now);
        }
    }
}

fn take<K: Ord, V: Ord>(index: &mut BTreeMap<K, BTreeSet<V>>, by: &K, key: &V) {
    if let Some(keys) = index.get_mut(by) {
        keys.remove(key);
        if keys.is_empty() {
            index.remove(by);
        }
    }
}
