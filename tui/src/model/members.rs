//! The members of a channel.
//!
//! Owns: members and their ranks. Must not: decide what a rank allows.
use std::collections::HashMap;

use crate::names::fold;

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// The nick, clean.
    pub nick: String,
    /// Rank signs, the highest first: `@`, `+`.
    pub ranks: String,
    /// A running number of when they last spoke; 0 if not yet.
    pub spoke: u64,
}

impl Member {
    /// The highest rank.
    pub fn rank(&self) -> Option<char> {
        self.ranks.chars().next()
    }
}

/// Rank signs from the highest down, with their modes.
const RANKS: [(char, char); 5] = [('q', '~'), ('a', '&'), ('o', '@'), ('h', '%'), ('v', '+')];

/// The sign of a mode that gives a rank.
pub fn rank_of_mode(mode: char) -> Option<char> {
    RANKS.iter().find(|(m, _)| *m == mode).map(|(_, r)| *r)
}

fn weight(rank: Option<char>) -> usize {
    rank.and_then(|r| RANKS.iter().position(|(_, sign)| *sign == r)).unwrap_or(RANKS.len())
}

/// The members of a channel.
#[derive(Debug, Default)]
pub struct Members {
    map: HashMap<String, Member>,
    spoken: u64,
    /// Grows with each change.
    pub rev: u64,
}

impl Members {
    /// How many.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// A member.
    pub fn get(&self, nick: &str) -> Option<&Member> {
        self.map.get(&fold(nick))
    }

    /// All, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.map.values()
    }

    /// All, by rank and name.
    pub fn sorted(&self) -> Vec<&Member> {
        let mut all: Vec<&Member> = self.map.values().collect();
        all.sort_by_cached_key(|m| (weight(m.rank()), fold(&m.nick)));
        all
    }

    /// Somebody is there, with these rank signs.
    pub fn add(&mut self, nick: &str, ranks: &str) {
        self.rev += 1;
        let entry = self.map.entry(fold(nick)).or_default();
        entry.nick = nick.to_owned();
        entry.ranks = ranks.to_owned();
    }

    /// Somebody has gone.
    pub fn remove(&mut self, nick: &str) -> bool {
        self.rev += 1;
        self.map.remove(&fold(nick)).is_some()
    }

    /// Nobody is left.
    pub fn clear(&mut self) {
        self.rev += 1;
        self.map.clear();
    }

    /// Replaces all, keeping who spoke when.
    pub fn replace(&mut self, names: Vec<(String, String)>) {
        let before = std::mem::take(&mut self.map);
        for (nick, ranks) in names {
            let spoke = before.get(&fold(&nick)).map_or(0, |m| m.spoke);
            self.map.insert(fold(&nick), Member { nick, ranks, spoke });
        }
        self.rev += 1;
    }

    /// Somebody has a new nick.
    pub fn rename(&mut self, old: &str, new: &str) -> bool {
        let Some(mut member) = self.map.remove(&fold(old)) else {
            return false;
        };
        member.nick = new.to_owned();
        self.map.insert(fold(new), member);
        self.rev += 1;
        true
    }

    /// Somebody has spoken.
    pub fn spoke(&mut self, nick: &str) {
        self.spoken += 1;
        if let Some(member) = self.map.get_mut(&fold(nick)) {
            member.spoke = self.spoken;
        }
    }

    /// Gives or takes a rank.
    pub fn set_rank(&mut self, nick: &str, rank: char, given: bool) {
        if let Some(member) = self.map.get_mut(&fold(nick)) {
            member.ranks.retain(|r| r != rank);
            if given {
                member.ranks.push(rank);
                let mut signs: Vec<char> = member.ranks.chars().collect();
                signs.sort_by_key(|r| weight(Some(*r)));
                member.ranks = signs.into_iter().collect();
            }
            self.rev += 1;
        }
    }
}

/// Splits `@+alice` into name and rank signs.
pub fn split_ranks(name: &str) -> (&str, &str) {
    let at = name.find(|c| !RANKS.iter().any(|(_, r)| *r == c)).unwrap_or(name.len());
    let (ranks, nick) = name.split_at(at);
    (nick, ranks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_sort_and_change() {
        let mut m = Members::default();
        m.add("zoe", "@");
        m.add("Bob", "");
        m.add("al", "");
        m.set_rank("BOB", '+', true);
        m.set_rank("bob", '@', true);
        assert_eq!(m.get("bob").unwrap().ranks, "@+");
        m.set_rank("bob", '@', false);
        let order: Vec<_> = m.sorted().iter().map(|m| m.nick.clone()).collect();
        assert_eq!(order, ["zoe", "Bob", "al"]);
        assert_eq!(split_ranks("@+alice"), ("alice", "@+"));
        assert_eq!(split_ranks("@"), ("", "@"));
    }
}
