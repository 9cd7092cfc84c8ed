//! Channels that were founded under one name one after the other: everybody left, and somebody came
//! again. The last one keeps its name; an earlier one is told apart by its id.

use std::collections::BTreeMap;

use kirc_core::Envelope;

use super::honest;
use crate::world::World;

/// The names of channels by their ids.
#[derive(Default)]
pub struct Founded(BTreeMap<String, String>);

impl Founded {
    /// What honest nodes knew of each channel when they showed something of it. Two channels under
    /// one name at the same time are not told apart: there must not be two.
    pub fn of(world: &World) -> Self {
        let mut times: BTreeMap<&str, BTreeMap<&str, (u64, u64)>> = BTreeMap::new();
        for heard in world.witness.heard.iter().filter(|h| h.main && honest(world, h.host)) {
            let (Some(name), Some(id)) = (heard.envelope.to.as_deref(), heard.channel.as_deref()) else {
                continue;
            };
            let span = times.entry(name).or_default().entry(id).or_insert((heard.at, heard.at));
            span.1 = heard.at;
        }
        let mut names = BTreeMap::new();
        for (name, ids) in times {
            let mut all: Vec<(u64, u64, &str)> =
                ids.iter().map(|(id, (from, to))| (*from, *to, *id)).collect();
            all.sort_unstable();
            let apart = all.windows(2).all(|pair| pair[0].1 < pair[1].0);
            all.pop();
            let earlier = all.into_iter().filter(|_| apart);
            names.extend(earlier.map(|(_, _, id)| (id.to_owned(), format!("{name} {id}"))));
        }
        Self(names)
    }

    /// What a channel is called here.
    pub fn name(&self, id: &str, name: &str) -> String {
        self.0.get(id).map_or(name, String::as_str).to_owned()
    }

    /// The envelope with the channel called as here.
    pub fn apart(&self, envelope: &Envelope, id: Option<&str>) -> Envelope {
        let mut envelope = envelope.clone();
        if let (Some(id), Some(name)) = (id, &envelope.to) {
            envelope.to = Some(self.name(id, name));
        }
        envelope
    }
}

/// What people call it.
pub fn plain(name: &str) -> &str {
    name.split(' ').next().unwrap_or(name)
}
