//! After all faults have ended, all members of a channel see the same channel, nothing is pending,
//! and new messages arrive.

use std::collections::BTreeMap;

use serde_json::Value;

use super::view::last_status;
use super::{Breaches, Promise, View, honest};
use crate::people::{CHANNELS, LAST_WORDS};
use crate::plan::Kind;
use crate::world::World;

/// Checks it.
pub fn check(world: &World, view: &View, found: &mut Breaches) {
    if let Some((at, host)) = world.witness.spinning {
        let nick = world.hosts[host].nick;
        found.add(Promise::Live, at, &[nick], format!("{nick} wakes up without end"));
        return;
    }
    if world.plan.kind == Kind::Calm
        && let Some((at, host)) = world.witness.unstopped.first()
    {
        let nick = world.hosts[*host].nick;
        found.add(Promise::Live, *at, &[nick], format!("{nick} was to end in order and did not"));
    }
    for channel in &CHANNELS[..world.plan.channels] {
        same_channel(world, view, channel, found);
    }
    last_words(world, view, found);
}

fn same_channel(world: &World, view: &View, channel: &str, found: &mut Breaches) {
    let end = world.now;
    let mut seen: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for host in world.hosts.iter().filter(|h| honest(world, h.index)) {
        let wants = world.people[host.index].wants.contains(channel);
        let joined = world.people[host.index].joined.contains(channel);
        let status = last_status(world, host.index);
        let state = status.and_then(|s| s.get("channels")).and_then(|c| c.get(channel));
        let phase = state.and_then(|s| s["phase"].as_str()).unwrap_or("none");
        // Where nobody changes who may come in, all come in who want to.
        let free = world.plan.manners.acts == 0 && world.hostile.is_none();
        let open = wants && (free || host.index < crate::people::ANCHORS);
        if (joined || open) && phase != "joined" {
            found.add(
                Promise::Live,
                end,
                &[host.nick],
                format!("{} is not in {channel} again: {:?}", host.nick, state),
            );
            continue;
        }
        if phase != "joined" || !view.stays(host.index, channel) {
            continue;
        }
        let state = state.unwrap_or(&Value::Null);
        if state["waiting"].as_u64().unwrap_or(0) > 0 {
            found.add(
                Promise::Live,
                end,
                &[host.nick],
                format!("{} still waits in {channel}: {state}", host.nick),
            );
        }
        let head = format!(
            "term {} epoch {} leader {} members {}",
            state["term"], state["epoch"], state["leader"], state["members"]
        );
        seen.entry(head).or_default().push(host.nick);
    }
    // Nobody leads in the place of a leader that does its work and stays.
    let steady = world.plan.kind == Kind::Calm;
    let terms = 1 + departures(view, channel);
    let term = |head: &String| head.split(' ').nth(1).and_then(|t| t.parse::<u64>().ok());
    if steady && let Some(head) = seen.keys().find(|h| term(h).is_some_and(|t| t > terms)) {
        let line = format!("{channel} has changed its leader for no reason: {head}");
        found.add(Promise::Live, end, &["CLAIM"], line);
    }
    if seen.len() > 1 {
        found.add(Promise::Live, end, &[], format!("{channel} is not the same for all: {seen:?}"));
    }
}

/// How often somebody left a channel.
fn departures(view: &View, channel: &str) -> u64 {
    let leaves = |s: &&super::Shown| matches!(s.command.as_str(), "PART" | "KICK");
    let here = view.places.iter().filter(|((name, _), _)| name == channel);
    here.map(|(_, shown)| shown).filter(leaves).count() as u64
}

fn last_words(world: &World, view: &View, found: &mut Breaches) {
    let from = world.plan.active + LAST_WORDS;
    for said in &world.witness.said {
        let envelope = &said.envelope;
        if said.at < from || envelope.command != "PRIVMSG" || !honest(world, said.host) {
            continue;
        }
        let (to, text) = (envelope.to.clone().unwrap_or_default(), super::text(envelope));
        let nick = world.hosts[said.host].nick;
        let message = view.messages.iter().find(|(_, m)| m.text == text && m.host == said.host);
        let Some((id, message)) = message else {
            // It may not speak there, or is not in there: then it was told so.
            continue;
        };
        if message.refused.is_some() {
            continue;
        }
        if message.settled.is_none() {
            let line = format!("{nick}'s last word {id} ({text}) in {to} was not sent");
            found.add(Promise::Live, said.at, &[id], line);
            continue;
        }
        for host in world.hosts.iter().filter(|h| honest(world, h.index)) {
            let shown = view.shown.get(&(host.index, to.clone()));
            let got = shown.is_some_and(|list| list.iter().any(|s| s.id == *id));
            if view.stays(host.index, &to) && !got {
                let line = format!("{} did not get {nick}'s last word {id}", host.nick);
                found.add(Promise::Live, said.at, &[id], line);
            }
        }
    }
}
