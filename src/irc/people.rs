//! Who is who: the cluster and the nick of each actor that this client has heard of.
//!
//! From it the prefix `nick!actor@cluster` is made, against which the core matches masks.

use std::collections::HashMap;
use std::rc::Rc;

use kirc_core::names::casefold;

/// People at the most; beyond, the rest is forgotten and asked for again.
const MOST: usize = 50_000;

#[derive(Debug, Clone)]
struct Person {
    nick: Rc<str>,
    cluster: Rc<str>,
}

/// The people.
#[derive(Debug, Default)]
pub struct People {
    by_actor: HashMap<Rc<str>, Person>,
    by_nick: HashMap<String, Rc<str>>,
    clusters: Vec<Rc<str>>,
}

impl People {
    /// Learns a person.
    pub fn learn(&mut self, actor: &str, nick: &str, cluster: &str) {
        if self.by_actor.len() >= MOST {
            self.by_actor.clear();
            self.by_nick.clear();
        }
        let cluster = self.cluster(cluster);
        let actor: Rc<str> = actor.into();
        self.by_nick.insert(casefold(nick), actor.clone());
        self.by_actor.insert(actor, Person { nick: nick.into(), cluster });
    }

    /// Whether the cluster of an actor is known.
    pub fn knows(&self, actor: &str) -> bool {
        self.by_actor.contains_key(actor)
    }

    /// The nick of an actor, as it was heard last.
    pub fn nick(&self, actor: &str) -> Option<&str> {
        self.by_actor.get(actor).map(|p| &*p.nick)
    }

    /// An actor goes by another nick.
    pub fn rename(&mut self, actor: &str, nick: &str) {
        if let Some(cluster) = self.by_actor.get(actor).map(|p| p.cluster.clone()) {
            self.learn(actor, nick, &cluster);
        }
    }

    /// The prefix of an actor under a nick; of an unknown one with somebody else's cluster.
    pub fn prefix(&self, nick: &str, actor: &str, like: &str) -> String {
        let known = self.by_actor.get(actor).or_else(|| self.by_actor.get(like));
        let cluster = known.map_or("unknown", |p| &*p.cluster);
        format!("{nick}!{actor}@{cluster}")
    }

    /// The prefix of the one who was last heard of under a nick.
    pub fn prefix_of(&self, nick: &str) -> Option<String> {
        let actor = self.by_nick.get(&casefold(nick))?;
        let person = self.by_actor.get(actor)?;
        Some(format!("{nick}!{actor}@{}", person.cluster))
    }

    fn cluster(&mut self, name: &str) -> Rc<str> {
        if let Some(known) = self.clusters.iter().find(|c| ***c == *name) {
            return known.clone();
        }
        let new: Rc<str> = name.into();
        if self.clusters.len() < 64 {
            self.clusters.push(new.clone());
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_has_actor_and_cluster() {
        let mut people = People::default();
        people.learn("a1", "alice", "grid");
        people.learn("b1", "bob", "other");
        assert_eq!(people.prefix_of("ALICE").as_deref(), Some("ALICE!a1@grid"));
        assert_eq!(people.prefix("carol", "c1", "a1"), "carol!c1@grid");
        people.rename("b1", "bobby");
        assert_eq!(people.nick("b1"), Some("bobby"));
        assert_eq!(people.prefix("bobby", "b1", "a1"), "bobby!b1@other");
    }
}
