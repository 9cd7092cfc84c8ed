//! What the UI knows about people, independent of any channel.
//!
//! Owns: presence, trust and fingerprints as the node reported them. Must not: judge them.
use std::collections::BTreeMap;

use crate::names::fold;

/// Somebody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// The nick, clean.
    pub nick: String,
    /// `online`, `away`, `offline`, or nothing known.
    pub presence: String,
    /// The away text.
    pub away: String,
    /// `tofu`, `verified`, or nothing known.
    pub trust: String,
    /// The fingerprint.
    pub fingerprint: String,
    /// Whether messages from a changed key are held back.
    pub held: bool,
}

/// Everybody known.
#[derive(Debug, Default)]
pub struct People {
    map: BTreeMap<String, Person>,
}

/// People remembered at the most.
const MAX_PEOPLE: usize = 10_000;

impl People {
    /// Somebody, if known.
    pub fn get(&self, nick: &str) -> Option<&Person> {
        self.map.get(&fold(nick))
    }

    /// Somebody, to be changed; made if there is room.
    pub fn entry(&mut self, nick: &str) -> Option<&mut Person> {
        let key = fold(nick);
        if !self.map.contains_key(&key) && self.map.len() >= MAX_PEOPLE {
            return None;
        }
        let person = self.map.entry(key).or_default();
        if person.nick.is_empty() {
            person.nick = nick.to_owned();
        }
        Some(person)
    }

    /// Everybody, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Person> {
        self.map.values()
    }

    /// Whether somebody is known to be away or offline.
    pub fn is_away(&self, nick: &str) -> bool {
        self.get(nick).is_some_and(|p| matches!(p.presence.as_str(), "away" | "offline"))
    }

    /// Somebody has a new nick.
    pub fn rename(&mut self, old: &str, new: &str) {
        if let Some(mut person) = self.map.remove(&fold(old)) {
            person.nick = new.to_owned();
            self.map.insert(fold(new), person);
        }
    }
}
