//! Promise 6: content for members only never appears in a topic or a signal.

use super::{Breaches, Promise};
use crate::world::World;

/// Checks it.
pub fn check(world: &World, found: &mut Breaches) {
    if let Some((at, place)) = world.witness.leaks.first() {
        let text =
            format!("the text of a message stands in {place} ({} times in all)", world.witness.leaks.len());
        found.add(Promise::Blind, *at, &[], text);
    }
}
