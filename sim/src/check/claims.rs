//! A leader is replaced only if it resigned, left, or was silent while it was challenged: needless
//! take-overs void the messages of others.

use kirc_core::Envelope;
use kirc_core::port::LogRow;

use super::{Breaches, Promise, View, honest};
use crate::host::{EPOCH, Host};
use crate::world::World;

/// How long a leader must be silent before somebody else's claim counts, ms of the log's time.
const SILENCE: u64 = 3_000;

/// Checks it.
pub fn check(world: &World, view: &View, found: &mut Breaches) {
    for host in world.hosts.iter().filter(|h| honest(world, h.index)) {
        for (id, log) in host.store.logs() {
            let mut before = Before::default();
            for row in log.values() {
                before.see(row, |last, keys| one(view, (host, id), last, row, keys, found));
            }
        }
    }
}

/// What stands before a claim.
#[derive(Default)]
struct Before<'a> {
    /// The leader's last sign of life.
    last: Option<&'a LogRow>,
    /// Keys since then that no member has shown to hold: who gives them to nobody does not lead.
    keys: Vec<&'a LogRow>,
}

impl<'a> Before<'a> {
    fn see(&mut self, row: &'a LogRow, mut claimed: impl FnMut(&LogRow, u64)) {
        match read(row).map(|e| e.command).unwrap_or_default().as_str() {
            // What members say in the clear does not break the leader's silence.
            "CHALLENGE" => return,
            "HELD" => self.last = self.keys.pop().or(self.last),
            "KEY" => return self.keys.push(row),
            "CLAIM" => {
                if let Some(last) = self.last {
                    claimed(last, self.keys.len() as u64);
                }
                self.last = Some(row);
            }
            _ => self.last = Some(row),
        }
        self.keys.clear();
    }
}

fn read(row: &LogRow) -> Option<Envelope> {
    serde_json::from_slice(&row.value).ok()
}

fn one(
    view: &View,
    (host, id): (&Host, &str),
    before: &LogRow,
    claim: &LogRow,
    keys: u64,
    found: &mut Breaches,
) {
    let (Some(last), Some(claimed)) = (read(before), read(claim)) else {
        return;
    };
    let silent = claim.time >= before.time + SILENCE;
    // Who begins a log anew takes nothing over: all that was said in it before is void.
    let begins = claimed.meta_str("head").is_some();
    if claimed.command != "CLAIM" || last.command == "RESIGN" || silent || begins {
        return;
    }
    let channel = view.founded.name(id, claimed.to.as_deref().unwrap_or_default());
    let left = |seq: u64| {
        let shown = view.places.get(&(channel.clone(), seq));
        shown.is_some_and(|s| matches!(s.command.as_str(), "PART" | "KICK"))
    };
    let followed = claim.seq == before.seq + keys;
    if followed && !left(before.seq) && !left(before.seq.saturating_sub(1)) {
        found.add(
            Promise::Live,
            claim.time.saturating_sub(EPOCH),
            &["CLAIM", "CHALLENGE"],
            format!(
                "for {}, {} took {channel} over {} ms after the leader's last record",
                host.nick,
                claimed.from.unwrap_or_default(),
                claim.time - before.time
            ),
        );
    }
}
