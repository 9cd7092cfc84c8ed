//! Promise 3: every honest member shows every record once, in the same order, or a gap; nothing
//! shown is withdrawn or moved.

use std::collections::BTreeMap;

use super::{Breaches, Ids, Promise, Shown, View, honest};
use crate::world::World;

/// Checks it.
pub fn check(world: &World, view: &View, found: &mut Breaches) {
    for ((host, channel), list) in &view.shown {
        if honest(world, *host) {
            once_and_growing(world, view, *host, channel, list, found);
            told(world, view, *host, channel, list, found);
            same_places(world, view, *host, channel, list, found);
            nothing_missing(world, view, *host, channel, list, found);
            stored(world, *host, list, found);
        }
    }
    direct_once(world, view, found);
    for (host, channel, at, many) in &view.gaps {
        // Of a log that was lost something may be missing for a while: the other checks see whether
        // it stays so.
        if world.witness.vanished.iter().any(|v| v < at) {
            continue;
        }
        let nick = world.hosts[*host].nick;
        let text = format!("{nick} shows a gap of {many} in {channel}, though the log is whole");
        found.add(Promise::Order, *at, &[nick, "GAP"], text);
    }
}

fn once_and_growing(
    world: &World,
    view: &View,
    host: usize,
    channel: &str,
    list: &[Shown],
    found: &mut Breaches,
) {
    let nick = world.hosts[host].nick;
    let mut seen = Ids::new();
    // What is late has an order of its own, below what was shown before.
    let (mut last, mut last_late) = (None, None);
    for shown in list {
        let message = is_message(shown);
        if message && !seen.insert(shown.id.clone()) {
            found.add(
                Promise::Order,
                shown.at,
                &[&shown.id, nick],
                format!("{nick} shows {} in {channel} twice", shown.id),
            );
        }
        let lost = |seq| view.lives.lost(channel, seq).is_some() || view.lives.twice(channel, seq);
        if shown.late && !(message && shown.seq.is_some_and(lost)) {
            found.add(
                Promise::Order,
                shown.at,
                &[&shown.id, nick],
                format!(
                    "{nick} shows {} {} of {channel} as late, and it was not lost",
                    shown.command, shown.id
                ),
            );
        }
        let Some(seq) = shown.seq.filter(|seq| !view.lives.twice(channel, *seq)) else { continue };
        let last = if shown.late { &mut last_late } else { &mut last };
        if last.is_some_and(|last| seq <= last) {
            found.add(
                Promise::Order,
                shown.at,
                &[&shown.id, nick],
                format!(
                    "{nick} shows {} {} at place {seq} of {channel} after place {last:?}",
                    shown.command, shown.id
                ),
            );
        }
        *last = (*last).max(Some(seq));
    }
}

/// Who showed what was lost, and is there still, was told that it does not hold any more.
fn told(world: &World, view: &View, host: usize, channel: &str, list: &[Shown], found: &mut Breaches) {
    let nick = world.hosts[host].nick;
    let lost = |s: &&Shown| !s.late && s.seq.is_some_and(|seq| view.lives.lost(channel, seq).is_some());
    let Some(shown) = list.iter().rfind(lost).filter(|_| view.stays(host, channel)) else {
        return;
    };
    let gone = |s: &Shown| s.at >= shown.at && view.moved(world, s) == Some((host, false));
    let word = |(who, name, at): &(usize, String, u64)| *who == host && name == channel && *at >= shown.at;
    if !view.fallen.iter().any(word) && !list.iter().any(gone) {
        found.add(
            Promise::Order,
            shown.at,
            &[&shown.id, nick],
            format!(
                "{nick} shows {} {} at a place of {channel} that was lost, and was not told so",
                shown.command, shown.id
            ),
        );
    }
}

fn is_message(shown: &Shown) -> bool {
    matches!(shown.command.as_str(), "PRIVMSG" | "NOTICE")
}

fn same_places(world: &World, view: &View, host: usize, channel: &str, list: &[Shown], found: &mut Breaches) {
    let nick = world.hosts[host].nick;
    for shown in list {
        let Some(seq) = shown.seq.filter(|seq| !view.lives.twice(channel, *seq)) else { continue };
        if shown.id.is_empty() {
            continue;
        }
        let Some(first) = view.places.get(&(channel.to_owned(), seq)) else {
            continue;
        };
        let same = (&first.command, &first.id, &first.actor, &first.text)
            == (&shown.command, &shown.id, &shown.actor, &shown.text);
        if !same {
            found.add(
                Promise::Order,
                shown.at,
                &[&shown.id, &first.id, nick],
                format!(
                    "place {seq} of {channel} is {} {} ({}) for {nick} and {} {} ({}) for another",
                    shown.command, shown.id, shown.text, first.command, first.id, first.text
                ),
            );
        }
    }
}

/// Between two records that a node has shown, nothing may be missing that others were shown there
/// while it was a member.
fn nothing_missing(
    world: &World,
    view: &View,
    host: usize,
    channel: &str,
    list: &[Shown],
    found: &mut Breaches,
) {
    let nick = world.hosts[host].nick;
    let mine: BTreeMap<u64, &Shown> = list.iter().filter_map(|s| Some((s.seq?, s))).collect();
    let last = mine.last_key_value().map_or(0, |(seq, _)| *seq);
    let lost = |seq: u64| view.lives.lost(channel, seq).is_some();
    for ((name, seq), other) in &view.places {
        if name != channel || *seq > last || mine.contains_key(seq) || !view.owed(host, channel, *seq) {
            continue;
        }
        // What was lost is undone; but what was said there is shown, late or where it was said
        // again.
        let said = is_message(other);
        let elsewhere = list.iter().filter(|s| said && s.id == other.id).find_map(|s| s.seq);
        let excused =
            if said { elsewhere.is_some_and(|there| lost(*seq) || lost(there)) } else { lost(*seq) };
        if !excused {
            found.add(
                Promise::Order,
                other.at,
                &[&other.id, nick],
                format!(
                    "{nick} skips {} {} at place {seq} of {channel} without a word",
                    other.command, other.id
                ),
            );
        }
    }
}

/// The store holds the messages that were shown, at the places at which they were shown.
fn stored(world: &World, host: usize, list: &[Shown], found: &mut Breaches) {
    let nick = world.hosts[host].nick;
    let rows = world.hosts[host].store.messages();
    let places: BTreeMap<&str, u64> = rows.iter().map(|r| (r.id.as_str(), r.seq)).collect();
    for shown in list {
        if !is_message(shown) {
            continue;
        }
        let place = places.get(shown.id.as_str()).copied();
        if place.is_none() || shown.seq.is_some() && place != shown.seq {
            found.add(
                Promise::Order,
                shown.at,
                &[&shown.id, nick],
                format!("{nick} showed {} at place {:?}, its store has it at {place:?}", shown.id, shown.seq),
            );
        }
    }
}

fn direct_once(world: &World, view: &View, found: &mut Breaches) {
    for (host, list) in &view.direct {
        let nick = world.hosts[*host].nick;
        let mut seen = Ids::new();
        for shown in list {
            if honest(world, *host) && !seen.insert(shown.id.clone()) {
                found.add(
                    Promise::Order,
                    shown.at,
                    &[&shown.id, nick],
                    format!("{nick} shows the direct message {} twice", shown.id),
                );
            }
        }
    }
}
