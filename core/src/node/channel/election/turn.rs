//! Which members act first when one is enough: a few at first, then more and more, in case those
//! are offline.
//!
//! All members calculate the same order, which differs from one occasion to the next, so they need
//! not communicate.

use crate::ids::{ActorId, Hash};
use crate::node::channel::Channel;
use crate::node::ctx::Ctx;

/// How many are in the first group; each further one is three times as large.
const FIRST: usize = 3;

/// The group of who has so many before it.
fn group(mut before: usize) -> u32 {
    let (mut size, mut group) = (FIRST, 0);
    while before >= size {
        before -= size;
        size *= 3;
        group += 1;
    }
    group
}

impl Channel {
    /// In which group we are this time, 0 being the first. The leader is in none.
    pub(in crate::node::channel) fn turn(&self, cx: &Ctx, occasion: &[u8]) -> u32 {
        let Some(replica) = &self.replica else { return 0 };
        let actors = &replica.state.actors;
        if actors.len() <= FIRST + 1 {
            return 0;
        }
        let place = |actor: &ActorId| Hash::of("kirc.v1.turn", &[occasion, &actor.0]);
        let me = cx.me();
        let mine = place(&me);
        let others = actors.keys().filter(|a| **a != replica.fold.leader && **a != me);
        group(others.filter(|actor| place(actor) < mine).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_first_and_nobody_waits_for_long() {
        let groups: Vec<u32> = (0..5_000).map(group).collect();
        assert_eq!(groups.iter().filter(|g| **g == 0).count(), 3);
        assert_eq!(groups.iter().filter(|g| **g == 1).count(), 9);
        assert!(groups.is_sorted());
        assert_eq!(groups.last(), Some(&7));
    }
}
