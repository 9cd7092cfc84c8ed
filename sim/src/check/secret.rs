//! Promise 5: the keys that a node ever held decrypt no record from outside its owner's time as a
//! member, except for joins, departures and changes of permissions.

use std::collections::BTreeSet;

use kirc_core::Envelope;

use super::{Breaches, Promise, View, honest};
use crate::world::World;

/// Checks it.
pub fn check(world: &World, view: &View, found: &mut Breaches) {
    outsiders_show_nothing(world, view, found);
    let records = records(world, view);
    for host in &world.hosts {
        let keys = host.channel_keys(host.store.keys());
        for (channel, seq, token) in &records {
            if view.member(host.index, channel, *seq) {
                continue;
            }
            let opened = keys.iter().find_map(|k| k.decrypt(token).ok());
            if opened.is_some_and(|plain| !comes_or_goes(&plain)) {
                found.add(
                    Promise::Secret,
                    0,
                    &[host.nick],
                    format!(
                        "{} holds a key that opens place {seq} of {channel}, where it was no member ({:?})",
                        host.nick,
                        view.spans.get(&(host.index, channel.clone()))
                    ),
                );
                break;
            }
        }
    }
}

/// Who comes and goes, and who may, is no secret to those who went: it may stand under a key that
/// they have. What lets people in may not.
fn comes_or_goes(plain: &[u8]) -> bool {
    let Ok(e) = Envelope::from_canonical(plain) else { return false };
    let changes = || e.get("changes").and_then(|c| c.as_array()).into_iter().flatten();
    match e.command.as_str() {
        "JOIN" | "PART" | "KICK" | "INVITE" => true,
        "MODE" => !changes().any(|change| change["letter"] == "k"),
        _ => false,
    }
}

fn outsiders_show_nothing(world: &World, view: &View, found: &mut Breaches) {
    for ((host, channel), list) in &view.shown {
        for shown in list {
            let Some(seq) = shown.seq else { continue };
            if shown.command == "PRIVMSG" && !view.member(*host, channel, seq) {
                let nick = world.hosts[*host].nick;
                found.add(
                    Promise::Secret,
                    shown.at,
                    &[&shown.id, nick],
                    format!("{nick} shows {} at place {seq} of {channel}, where it was no member", shown.id),
                );
            }
        }
    }
}

/// The records that count, from the stores of honest nodes: channel's name, place, ciphertext.
fn records(world: &World, view: &View) -> BTreeSet<(String, u64, String)> {
    let mut records = BTreeSet::new();
    for host in world.hosts.iter().filter(|h| honest(world, h.index)) {
        let logs = host.store.logs().iter();
        for (id, row) in logs.flat_map(|(id, log)| log.values().map(move |row| (id, row))) {
            let Ok(envelope) = serde_json::from_slice::<Envelope>(&row.value) else {
                continue;
            };
            let Some(channel) = envelope.to.as_deref().map(|name| view.founded.name(id, name)) else {
                continue;
            };
            if let Some(token) = envelope.get("ct").and_then(|ct| ct.as_str()) {
                records.insert((channel, row.seq, token.to_owned()));
            }
        }
    }
    records
}
