//! What the leader refused recently: a copy that arrives later gets the same answer, or none, and
//! is never accepted.

use std::collections::{BTreeMap, VecDeque};

use crate::channel::Refusal;
use crate::ids::{ActorId, Count, MsgId};

/// How many of one author's are remembered.
const EACH: usize = 512;

/// A refused act: its id, its number, and why.
type Refused = (MsgId, Count, Refusal);

/// Refused acts, by author.
#[derive(Default)]
pub(in crate::node::channel) struct Refusals(BTreeMap<ActorId, VecDeque<Refused>>);

/// What is known of an act that arrives.
pub(in crate::node::channel) enum Known<'a> {
    /// It was refused.
    Refused(&'a Refusal),
    /// Another one has taken its place since: it was refused long ago, and its author has heard so.
    Overtaken,
    /// Nothing: also of one before another that was refused, whose record may have been lost.
    Nothing,
}

impl Refusals {
    /// An act was refused.
    pub fn add(&mut self, author: ActorId, (id, n): (MsgId, Count), refusal: Refusal) {
        let all = self.0.entry(author).or_default();
        all.retain(|(refused, ..)| *refused != id);
        while all.len() >= EACH {
            all.pop_front();
        }
        all.push_back((id, n, refusal));
    }

    /// What is known of an act.
    pub fn know(&self, author: &ActorId, (id, n): (MsgId, Count)) -> Known<'_> {
        let all = self.0.get(author).into_iter().flatten();
        if let Some((_, _, refusal)) = all.clone().find(|(refused, ..)| *refused == id) {
            return Known::Refused(refusal);
        }
        // What was refused leaves its number to what its author says next.
        match all.clone().any(|(refused, number, _)| *refused > id && *number <= n) {
            true => Known::Overtaken,
            false => Known::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_the_place_of_another_is_told_from_what_stood_before_it() {
        let author = ActorId([1; 20]);
        let act = |id: u128, n| (MsgId(id), Count(n));
        let refusal = Refusal { code: "404".into(), params: vec![], text: "no".into() };
        let mut refusals = Refusals::default();
        refusals.add(author, act(20, 5), refusal);
        assert!(matches!(refusals.know(&author, act(20, 5)), Known::Refused(_)));
        assert!(matches!(refusals.know(&author, act(10, 5)), Known::Overtaken), "it was refused before");
        assert!(matches!(refusals.know(&author, act(10, 4)), Known::Nothing), "its record may be lost");
        assert!(matches!(refusals.know(&author, act(30, 5)), Known::Nothing));
        assert!(matches!(refusals.know(&ActorId([2; 20]), act(20, 5)), Known::Nothing));
    }
}
