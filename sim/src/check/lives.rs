//! The incarnations of a channel's log: where each started, which position it builds on, and what
//! was lost with the previous one. Taken from the claims that counted, as stored by honest nodes.

use std::collections::{BTreeMap, BTreeSet};

use kirc_core::Envelope;

use super::honest;
use crate::world::World;

/// Each life counts from a multiple of two to this power.
const PLACES: u32 = 32;

/// A log that began anew.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life {
    /// Its first place.
    pub first: u64,
    /// The place that it stands on: what the life before had after that is lost.
    pub base: u64,
    /// The claim that began it.
    claim: Vec<u8>,
}

/// All of them, by channel.
#[derive(Default)]
pub struct Lives(BTreeMap<String, BTreeSet<Life>>);

impl Lives {
    /// Finds them.
    pub fn of(world: &World) -> Self {
        let mut lives = Self::default();
        for host in world.hosts.iter().filter(|h| honest(world, h.index)) {
            for row in host.store.logs().values().flat_map(|log| log.values()) {
                let Ok(claim) = serde_json::from_slice::<Envelope>(&row.value) else { continue };
                let begins = claim.command == "CLAIM" && claim.meta_str("head").is_some();
                if let (true, Some(base), Some(channel)) = (begins, claim.meta_u64("seq"), claim.to) {
                    lives.0.entry(channel).or_default().insert(Life {
                        first: row.seq,
                        base,
                        claim: row.value.clone(),
                    });
                }
            }
        }
        lives
    }

    /// Those of a channel, in order.
    pub fn of_channel(&self, channel: &str) -> impl Iterator<Item = &Life> {
        self.0.get(channel).into_iter().flatten()
    }

    /// Where the log went on from, if a place was lost: what stood there is undone, but messages
    /// are to be shown late.
    pub fn lost(&self, channel: &str, seq: u64) -> Option<u64> {
        let lost = self.of_channel(channel).filter(|life| life.base < seq && seq < life.first);
        lost.map(|life| life.base).min()
    }

    /// Whether two lives count this place: the log was lost twice, and those who began it the
    /// second time had not heard of the first. What stood there in the first is shown late to all
    /// but those who were in it.
    pub fn twice(&self, channel: &str, seq: u64) -> bool {
        let same = |a: u64, b: u64| a >> PLACES == b >> PLACES;
        self.of_channel(channel).filter(|life| same(life.first, seq)).nth(1).is_some()
    }
}
