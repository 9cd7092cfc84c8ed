//! Promise 4: whatever carries an author's name was done by that author's own session.

use std::collections::{BTreeMap, BTreeSet};

use super::founded::plain;
use super::{Breaches, Promise, Shown, View, honest, text};
use crate::world::World;

/// Checks it.
pub fn check(world: &World, view: &View, found: &mut Breaches) {
    let direct = view.direct.iter().map(|(host, list)| (*host, world.hosts[*host].nick, list));
    let channels = view.shown.iter().map(|((host, channel), list)| (*host, channel.as_str(), list));
    for (host, to, list) in channels.chain(direct) {
        if !honest(world, host) {
            continue;
        }
        let nick = world.hosts[host].nick;
        let mut undone = BTreeSet::new();
        let mut times: BTreeMap<(usize, &str, &str, &[String]), usize> = BTreeMap::new();
        for shown in list {
            let Some(author) = view.actors.get(&shown.actor).copied() else {
                found.add(
                    Promise::Author,
                    shown.at,
                    &[&shown.id, nick],
                    format!("{nick} shows {} of an unknown {}", shown.command, shown.actor),
                );
                continue;
            };
            if !honest(world, author) {
                continue;
            }
            // What was lost with a log is done again in the next, and shown again.
            let again = !shown.id.is_empty() && undone.contains(&shown.id);
            let lost = shown.seq.is_some_and(|seq| view.lives.lost(to, seq).is_some());
            if lost {
                undone.insert(&shown.id);
            }
            // Who was let in by a log that was lost may not have heard of it, and comes in again by
            // another request.
            let let_in = lost && shown.command == "JOIN" && said(world, author, to, shown) > 0;
            if again || let_in {
                continue;
            }
            let params = if shown.command == "MODE" { &[][..] } else { &shown.params[..] };
            let key = (author, shown.command.as_str(), shown.text.as_str(), params);
            let many = times.entry(key).or_default();
            *many += 1;
            if *many > said(world, author, to, shown) + thrown_out(world, author, to, shown) {
                found.add(
                    Promise::Author,
                    shown.at,
                    &[&shown.id, nick],
                    format!(
                        "{nick} shows {} {:?} {:?} by {} in {to}, who said no such thing{}",
                        shown.command,
                        shown.params,
                        shown.text,
                        world.hosts[author].nick,
                        if *many > 1 { " that often" } else { "" }
                    ),
                );
            }
        }
    }
}

/// A node that is thrown out before it knows that it is in knocks again: once for each time.
fn thrown_out(world: &World, author: usize, to: &str, shown: &Shown) -> usize {
    let kicks = |said: &&crate::witness::Said| {
        let envelope = &said.envelope;
        envelope.command == "KICK"
            && envelope.to.as_deref() == Some(plain(to))
            && envelope.params.iter().any(|p| p == world.hosts[author].nick)
    };
    match shown.command.as_str() {
        "JOIN" => world.witness.said.iter().filter(kicks).count(),
        _ => 0,
    }
}

/// How often an author gave the command that would show as this.
fn said(world: &World, author: usize, to: &str, shown: &Shown) -> usize {
    world
        .witness
        .said
        .iter()
        .filter(|said| {
            let envelope = &said.envelope;
            said.host == author
                && said.at <= shown.at
                && envelope.command == shown.command
                && envelope.to.as_deref() == Some(plain(to))
                && match shown.command.as_str() {
                    "JOIN" | "MODE" => true,
                    "KICK" => text(envelope) == shown.text && envelope.params.first() == shown.params.first(),
                    // A join that was called off ends in a PART without a reason.
                    "PART" => shown.text.is_empty() || text(envelope) == shown.text,
                    _ => text(envelope) == shown.text,
                }
        })
        .count()
}
