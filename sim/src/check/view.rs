//! Which member was shown what, arranged for the checks.

use std::collections::{BTreeMap, BTreeSet};

use kirc_core::Envelope;

use super::founded::Founded;
use super::lives::{Life, Lives};
use super::{Names, Spans, text};
use crate::witness::Heard;
use crate::world::World;

/// The commands that are records of a channel's log and that a session is shown.
const SHOWN: [&str; 8] = ["PRIVMSG", "NOTICE", "JOIN", "PART", "KICK", "MODE", "TOPIC", "NICK"];

/// A record of a channel as a node showed it to its owner.
#[derive(Debug, Clone)]
pub struct Shown {
    /// When.
    pub at: u64,
    /// In which life of the node.
    pub life: u64,
    /// Whether it got to the session before a crash.
    pub reached: bool,
    /// The command.
    pub command: String,
    /// Its id, if it was given.
    pub id: String,
    /// Its place.
    pub seq: Option<u64>,
    /// Behind which place it was said while nobody else was there: then it has none of its own.
    pub alone: Option<u64>,
    /// Whether it was shown as late: from a log that is gone.
    pub late: bool,
    /// The author's actor id.
    pub actor: String,
    /// Text, reason or topic.
    pub text: String,
    /// Parameters.
    pub params: Vec<String>,
}

/// A message from its author's side.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// Its author's machine.
    pub host: usize,
    /// Where it goes.
    pub to: String,
    /// What it says.
    pub text: String,
    /// When the session saw it as sending.
    pub accepted: Option<u64>,
    /// When the session saw it as settled.
    pub settled: Option<u64>,
    /// When it was refused (also if a crash came before the session heard so), and why.
    pub refused: Option<(u64, String)>,
}

/// What was shown to whom.
#[derive(Default)]
pub struct View {
    /// Which machine an actor lives on.
    pub actors: Names,
    /// Each machine's records of each channel, in the order shown.
    pub shown: BTreeMap<(usize, String), Vec<Shown>>,
    /// Each machine's direct messages from others.
    pub direct: BTreeMap<usize, Vec<Shown>>,
    /// Messages by id.
    pub messages: BTreeMap<String, Message>,
    /// For each machine and channel, from which place to which its owner was a member.
    pub spans: Spans,
    /// The same, as its own node showed it.
    pub own: Spans,
    /// Gaps that were shown: machine, channel, when, how many.
    pub gaps: Vec<(usize, String, u64, u64)>,
    /// Every record that was shown, by channel and place: as an honest node showed it, if one did.
    pub places: BTreeMap<(String, u64), Shown>,
    /// Channels of one name, one after the other.
    pub founded: Founded,
    /// Where the logs began anew.
    pub lives: Lives,
    /// Who was told that it has more than a log began anew with: machine, channel, when.
    pub fallen: Vec<(usize, String, u64)>,
}

impl View {
    /// Puts in order what was seen.
    pub fn of(world: &World) -> Self {
        let (lives, founded) = (Lives::of(world), Founded::of(world));
        let mut view = Self { lives, founded, ..Self::default() };
        for host in &world.hosts {
            let actor = host.identity.actor().to_string();
            view.actors.insert(actor, host.index);
        }
        for heard in &world.witness.heard {
            if heard.main {
                let envelope = view.founded.apart(&heard.envelope, heard.channel.as_deref());
                view.take(world, &Heard { envelope, ..heard.clone() });
            }
        }
        view.find_places(|host| super::honest(world, host));
        view.find_places(|_| true);
        view.find_spans(world);
        view
    }

    /// One's own JOIN stands where one reads on from; where it is in the log the others show.
    fn find_places(&mut self, who: impl Fn(usize) -> bool) {
        for ((host, channel), list) in &self.shown {
            for shown in list.iter().filter(|s| who(*host) && !s.id.is_empty()) {
                if let Some(seq) = shown.seq {
                    let place = (channel.clone(), seq);
                    self.places.entry(place).or_insert_with(|| shown.clone());
                }
            }
        }
    }

    fn take(&mut self, world: &World, heard: &Heard) {
        let envelope = &heard.envelope;
        let state = envelope.meta_str("state").unwrap_or("");
        let own = envelope.meta.get("self").and_then(serde_json::Value::as_bool) == Some(true);
        let replay = envelope.meta.get("replay").is_some();
        let id = envelope.id.clone().unwrap_or_default();
        match envelope.command.as_str() {
            "GAP" => {
                let many = envelope.params.first().and_then(|p| p.parse().ok());
                let channel = envelope.to.clone().unwrap_or_default();
                self.gaps.push((heard.host, channel, heard.at, many.unwrap_or(0)));
            }
            "ALARM" if envelope.params.first().is_some_and(|p| p == "log-anew") => {
                let channel = envelope.to.clone().unwrap_or_default();
                self.fallen.push((heard.host, channel, heard.at));
            }
            "STATE" => {
                let state = envelope.params.first().map_or("", String::as_str);
                self.outcome(heard, &id, state, &text(envelope));
            }
            "PRIVMSG" | "NOTICE" if own && !replay => {
                let message = self.messages.entry(id.clone()).or_default();
                message.host = heard.host;
                message.to = envelope.to.clone().unwrap_or_default();
                message.text = text(envelope);
                if matches!(state, "sending" | "waiting") {
                    if heard.reached {
                        message.accepted.get_or_insert(heard.at);
                    }
                    return;
                }
                self.outcome(heard, &id, state, "");
                self.show(world, heard);
            }
            code if code.len() == 3 && code.starts_with(['4', '5']) => {
                if let Some(id) = envelope.meta_str("id") {
                    let id = id.to_owned();
                    self.outcome(heard, &id, "failed", &text(envelope));
                }
            }
            command if SHOWN.contains(&command) && !replay => self.show(world, heard),
            _ => {}
        }
    }

    fn outcome(&mut self, heard: &Heard, id: &str, state: &str, why: &str) {
        let Some(message) = self.messages.get_mut(id) else {
            return;
        };
        match state {
            "sent" | "delivered" | "read" if heard.reached => {
                message.settled.get_or_insert(heard.at);
            }
            "failed" => {
                message.refused.get_or_insert((heard.at, why.to_owned()));
            }
            _ => {}
        }
    }

    fn show(&mut self, world: &World, heard: &Heard) {
        let envelope = &heard.envelope;
        let own_word = envelope.from.as_deref() == Some("kirc") || envelope.command == "PART";
        if envelope.id.is_none() && own_word {
            // The node itself says something to its owner, or a join was called off.
            return;
        }
        let to = envelope.to.clone().unwrap_or_default();
        let place = envelope.meta_u64("seq");
        let alone = envelope.meta.contains_key("alone");
        let own_join = envelope.command == "JOIN" && envelope.meta.contains_key("self");
        let id = envelope.id.clone().filter(|_| !own_join).unwrap_or_default();
        let shown = Shown {
            at: heard.at,
            life: heard.life,
            reached: heard.reached,
            command: envelope.command.clone(),
            id,
            seq: place.filter(|_| !alone),
            alone: place.filter(|_| alone),
            late: envelope.meta.contains_key("late"),
            actor: envelope.meta_str("actor").unwrap_or_default().to_owned(),
            text: text(envelope),
            params: envelope.params.clone(),
        };
        if to.starts_with('#') {
            self.shown.entry((heard.host, to)).or_default().push(shown);
        } else if to == world.hosts[heard.host].nick {
            self.direct.entry(heard.host).or_default().push(shown);
        }
    }

    /// From which place to which an owner was a member: as the log has it, and as its own node
    /// showed it.
    fn find_spans(&mut self, world: &World) {
        let mut spans = Spans::new();
        let mut own = Spans::new();
        let channels: BTreeSet<&String> = self.shown.keys().map(|(_, channel)| channel).collect();
        for channel in channels {
            // Who founds a channel is in it without a JOIN in the log.
            for ((host, _), list) in self.shown.iter().filter(|((_, name), _)| name == channel) {
                for shown in list.iter().filter(|s| s.seq == Some(0)) {
                    mark(&mut spans, channel, 0, self.moved(world, shown).filter(|(who, _)| who == host));
                }
            }
            let mut lives = self.lives.of_channel(channel).peekable();
            for ((_, seq), shown) in self.places.iter().filter(|((name, _), _)| name == channel) {
                while let Some(life) = lives.next_if(|life| life.first <= *seq) {
                    turn(&mut spans, channel, life);
                }
                mark(&mut spans, channel, *seq, self.moved(world, shown));
            }
            lives.for_each(|life| turn(&mut spans, channel, life));
        }
        for ((host, channel), list) in &self.shown {
            let mut lives = self.lives.of_channel(channel).peekable();
            // Who came in what was lost comes in again, and is not in until then.
            let mut close = |own: &mut Spans, until: u64| {
                while let Some(life) = lives.next_if(|life| life.first <= until) {
                    if !within(&spans, *host, channel, life.base) {
                        mark(own, channel, life.first - 1, Some((*host, false)));
                    }
                }
            };
            for shown in list.iter().filter(|s| !s.late) {
                let Some(seq) = shown.seq else { continue };
                close(&mut own, seq);
                mark(&mut own, channel, seq, self.moved(world, shown).filter(|(who, _)| who == host));
            }
            close(&mut own, u64::MAX);
        }
        (self.spans, self.own) = (spans, own);
    }

    /// Who came (true) or went by this.
    pub fn moved(&self, world: &World, shown: &Shown) -> Option<(usize, bool)> {
        let author = self.actors.get(&shown.actor).copied();
        match shown.command.as_str() {
            "JOIN" => Some((author?, true)),
            "PART" => Some((author?, false)),
            "KICK" => {
                let target = |nick: &str| shown.params.iter().any(|p| p == nick);
                let who = world.hosts.iter().position(|h| target(h.nick))?;
                Some((who, false))
            }
            _ => None,
        }
    }

    /// Whether an owner was a member at a place of a channel, as the log has it.
    pub fn member(&self, host: usize, channel: &str, seq: u64) -> bool {
        within(&self.spans, host, channel, seq)
    }

    /// Whether an owner was a member there and its node had told it that it is in.
    pub fn present(&self, host: usize, channel: &str, seq: u64) -> bool {
        self.member(host, channel, seq) && within(&self.own, host, channel, seq)
    }

    /// Whether an owner is to be shown what stands at a place. What was lost may come at any time:
    /// it is owed to those who were in where the log went on from, and stay. And who was thrown out
    /// of a log that began anew before it came to read of it gets nothing of it.
    pub fn owed(&self, host: usize, channel: &str, seq: u64) -> bool {
        if !self.present(host, channel, seq) {
            return false;
        }
        let stays = self.stays(host, channel);
        if let Some(base) = self.lives.lost(channel, seq) {
            let own = self.own.get(&(host, channel.to_owned())).and_then(|spans| spans.last());
            return stays && self.member(host, channel, base) && own.is_some_and(|(from, _)| *from <= seq);
        }
        let first = self.lives.of_channel(channel).map(|life| life.first).filter(|first| *first <= seq).max();
        let shown = self.shown.get(&(host, channel.to_owned())).into_iter().flatten();
        stays || first.is_none_or(|first| shown.filter_map(|s| s.seq).any(|seq| seq >= first))
    }

    /// Whether an owner is a member in the end.
    pub fn stays(&self, host: usize, channel: &str) -> bool {
        self.present(host, channel, u64::MAX)
    }
}

fn within(spans: &Spans, host: usize, channel: &str, seq: u64) -> bool {
    spans
        .get(&(host, channel.to_owned()))
        .is_some_and(|spans| spans.iter().any(|(a, b)| (*a..=*b).contains(&seq)))
}

fn mark(spans: &mut Spans, channel: &str, seq: u64, moved: Option<(usize, bool)>) {
    let Some((who, comes)) = moved else { return };
    let spans = spans.entry((who, channel.to_owned())).or_default();
    let open = spans.last_mut().filter(|last| last.1 == u64::MAX);
    match (open, comes) {
        (Some(last), false) => last.1 = seq,
        (None, true) => spans.push((seq, u64::MAX)),
        _ => {}
    }
}

/// A log begins anew: who was in where it stands is in, and nobody else.
fn turn(spans: &mut Spans, channel: &str, life: &Life) {
    for ((_, _), spans) in spans.iter_mut().filter(|((_, name), _)| name == channel) {
        let then = spans.iter().any(|(a, b)| (*a..=*b).contains(&life.base) && *b != life.base);
        let open = spans.last_mut().filter(|last| last.1 == u64::MAX);
        match (open, then) {
            (Some(last), false) => last.1 = life.first - 1,
            (None, true) => spans.push((life.first, u64::MAX)),
            _ => {}
        }
    }
}

/// The last `STATUS` that a machine's owner was shown.
pub fn last_status(world: &World, host: usize) -> Option<&Envelope> {
    world
        .witness
        .heard
        .iter()
        .rev()
        .find(|h| h.host == host && h.main && h.envelope.command == "STATUS")
        .map(|h| &h.envelope)
}
