//! Promise 1: a message shown as *sent* was already in the log, and in the end every honest member
//! of that moment shows it.

use super::{Breaches, Message, Promise, View, honest};
use crate::host::is_log;
use crate::world::World;

/// Checks it.
pub fn check(world: &World, view: &View, found: &mut Breaches) {
    for (id, message) in &view.messages {
        let Some(settled) = message.settled else {
            continue;
        };
        if !honest(world, message.host) {
            continue;
        }
        if message.to.starts_with('#') {
            check_channel(world, view, id, message, settled, found);
        } else {
            check_direct(world, view, id, message, settled, found);
        }
    }
}

fn check_channel(
    world: &World,
    view: &View,
    id: &str,
    message: &Message,
    settled: u64,
    found: &mut Breaches,
) {
    let author = world.hosts[message.host].nick;
    let own = view.shown.get(&(message.host, message.to.clone()));
    let own = || own.into_iter().flatten().filter(|s| s.id == id);
    if let Some(place) = own().find_map(|s| s.alone) {
        check_alone(world, view, id, message, (settled, place), found);
        return;
    }
    let seq = own().find_map(|s| s.seq);
    let others: Vec<usize> = (0..world.hosts.len())
        .filter(|h| *h != message.host)
        .filter(|h| view.owed(*h, &message.to, seq.unwrap_or(u64::MAX)))
        .collect();
    let landed = landed(world, id, is_log);
    if !others.is_empty() && landed.is_none_or(|at| at > settled) {
        found.add(
            Promise::Sent,
            settled,
            &[id],
            format!(
                "{author} was shown {id} ({}) as sent, but the log has it {}",
                message.text,
                landed.map_or("never".to_owned(), |at| format!("at {at}"))
            ),
        );
    }
    for host in others {
        if !honest(world, host) {
            continue;
        }
        let rows = world.hosts[host].store.messages();
        if !rows.iter().any(|r| r.id == id) {
            found.add(
                Promise::Sent,
                settled,
                &[id, world.hosts[host].nick],
                format!(
                    "{author} was shown {id} ({}) as sent at {settled}; {} was a member and never got it",
                    message.text, world.hosts[host].nick
                ),
            );
        }
    }
}

/// What was kept to oneself: nobody else may have been there, and the store has it.
fn check_alone(
    world: &World,
    view: &View,
    id: &str,
    message: &Message,
    (settled, place): (u64, u64),
    found: &mut Breaches,
) {
    let author = &world.hosts[message.host];
    for (host, other) in world.hosts.iter().enumerate().filter(|(host, _)| *host != message.host) {
        if view.member(host, &message.to, place) {
            let text = format!(
                "{} kept {id} ({}) to itself, and {} was there",
                author.nick, message.text, other.nick
            );
            found.add(Promise::Sent, settled, &[id, other.nick], text);
        }
    }
    if !author.store.messages().iter().any(|row| row.id == id) {
        let text = format!("{} was shown {id} ({}) as sent and does not have it", author.nick, message.text);
        found.add(Promise::Sent, settled, &[id], text);
    }
}

fn check_direct(world: &World, view: &View, id: &str, message: &Message, settled: u64, found: &mut Breaches) {
    let Some(peer) = world.hosts.iter().find(|h| h.nick == message.to) else {
        return;
    };
    let mailbox = peer.address().data_in;
    let landed = landed(world, id, |topic| topic == mailbox);
    if landed.is_none_or(|at| at > settled) {
        found.add(
            Promise::Sent,
            settled,
            &[id],
            format!("the direct message {id} was shown as sent, but is not in {mailbox}"),
        );
    }
    let shown = view.direct.get(&peer.index);
    if honest(world, peer.index) && !shown.is_some_and(|list| list.iter().any(|s| s.id == id)) {
        found.add(
            Promise::Sent,
            settled,
            &[id],
            format!("the direct message {id} was shown as sent; {} never got it", peer.nick),
        );
    }
}

fn landed(world: &World, id: &str, topic: impl Fn(&str) -> bool) -> Option<u64> {
    let places = world.witness.landed.get(id)?;
    places.iter().find(|(_, t)| topic(&t.name)).map(|(at, _)| *at)
}
