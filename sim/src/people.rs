//! What people do: they join, talk, leave, kick, change modes, and send test messages in the quiet
//! period at the end.

use std::collections::BTreeSet;

use kirc_core::Envelope;
use kirc_core::port::Input;

use crate::plan::Kind;
use crate::rng::Dice;
use crate::witness::Said;
use crate::world::{Event, World};

/// The channels.
pub const CHANNELS: [&str; 2] = ["#net", "#dev"];
/// The first machines stay in their channels and are never thrown out, so that no channel dies.
pub const ANCHORS: usize = 2;
/// When, in the quiet, everybody says something that must arrive.
pub const LAST_WORDS: u64 = 48_000;
/// When, in the quiet, everybody's node is asked how things stand.
pub const LAST_STATUS: u64 = 72_000;

/// An owner of a node.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// Where it wants to be.
    pub wants: BTreeSet<&'static str>,
    /// Where it believes to be.
    pub joined: BTreeSet<&'static str>,
    /// From whom it has accepted an invite.
    pub guests_of: BTreeSet<usize>,
    count: u64,
}

/// Something that a person does.
#[derive(Debug, Clone)]
pub enum Deed {
    /// Exchange cards with somebody; with somebody on another cluster it takes an invite, which is
    /// not always given.
    Meet(usize),
    /// Let somebody to one's own cluster, until it has been accepted.
    Let(usize),
    /// Accept what somebody has handed over.
    Accept(String),
    /// Enter a channel.
    Join(&'static str),
    /// After a restart: enter again what one wants to be in and is not.
    Return,
    /// Leave.
    Part(&'static str),
    /// Say something.
    Say(&'static str),
    /// Say something to one person.
    Tell(usize),
    /// Throw somebody out.
    Kick(&'static str, usize),
    /// Change a mode.
    Mode(&'static str, Vec<String>),
    /// Set the topic.
    Topic(&'static str),
    /// Invite somebody.
    Invite(&'static str, usize),
    /// Ask for a new key.
    Rotate(&'static str),
    /// Say something that must arrive.
    LastWord(&'static str),
    /// Ask how things stand.
    Status,
}

/// Puts what people will do into the queue.
pub fn schedule(world: &mut World, dice: &mut Dice) {
    let (active, hosts) = (world.plan.active, world.hosts.len());
    let manners = world.plan.manners;
    let channels = &CHANNELS[..world.plan.channels];
    let rush = dice.chance(250);
    let founder = match &world.hostile {
        Some(hostile) if dice.chance(700) => hostile.host,
        _ => dice.index(ANCHORS),
    };
    for host in 0..hosts {
        for channel in channels {
            if *channel != channels[0] && host >= ANCHORS && dice.chance(400) {
                continue;
            }
            world.people[host].wants.insert(channel);
            let at = match (rush, host == founder) {
                (true, _) => dice.range(100, 400),
                (false, true) => 100,
                (false, false) => dice.range(1_000, 8_000),
            };
            world.at(at, Event::Person(host, Deed::Join(channel)));
        }
    }
    for _ in 0..manners.direct {
        let (from, to) = (dice.index(hosts), dice.index(hosts));
        if from != to {
            let at = dice.range(8_000, active);
            world.at(dice.range(300, 5_000), Event::Person(from, Deed::Meet(to)));
            world.at(dice.range(300, 5_000), Event::Person(to, Deed::Meet(from)));
            world.at(at, Event::Person(from, Deed::Tell(to)));
        }
    }
    let bursts = dice.chance(400);
    let mut at = 1_000;
    for _ in 0..manners.messages {
        at = if bursts && dice.chance(700) { at + dice.range(0, 40) } else { dice.range(1_000, active) };
        let channel = channels[dice.index(channels.len())];
        world.at(at.min(active), Event::Person(dice.index(hosts), Deed::Say(channel)));
    }
    for _ in 0..manners.acts {
        let channel = channels[dice.index(channels.len())];
        let at = dice.range(15_000, active);
        let churn = dice.chance(manners.churn);
        for (delay, host, deed) in act(dice, hosts, channel, founder, churn) {
            world.at(at + delay, Event::Person(host, deed));
        }
    }
    crate::remote_grids::schedule(world, channels);
    finish(world, channels, founder);
}

fn finish(world: &mut World, channels: &[&'static str], founder: usize) {
    let (quiet, hosts) = (world.plan.active, world.hosts.len());
    let calm = world.plan.kind == Kind::Calm;
    for channel in channels {
        for (i, mode) in ["-i", "-l", "-m"].iter().enumerate() {
            let mut who = BTreeSet::from([0, 1, founder]);
            if world.plan.two_clusters() {
                // Who is to found it may have come too late for that.
                who.extend(0..hosts);
            }
            for host in who {
                let deed = Deed::Mode(channel, vec![(*mode).to_owned()]);
                let at = quiet + 12_000 + 200 * i as u64;
                world.at(at, Event::Person(host, deed));
            }
        }
        for host in 0..hosts {
            let at = quiet + LAST_WORDS + 300 * host as u64;
            world.at(at, Event::Person(host, Deed::LastWord(channel)));
        }
    }
    for host in 0..hosts {
        if !calm {
            world.at(quiet + 14_000, Event::Person(host, Deed::Return));
            world.at(quiet + 28_000, Event::Person(host, Deed::Return));
        }
        world.at(quiet + LAST_STATUS, Event::Person(host, Deed::Status));
    }
}

fn act(
    dice: &mut Dice,
    hosts: usize,
    channel: &'static str,
    founder: usize,
    churn: bool,
) -> Vec<(u64, usize, Deed)> {
    let op = if dice.chance(800) { founder } else { dice.index(hosts) };
    let other = dice.range(ANCHORS as u64, hosts as u64 - 1) as usize;
    let back = dice.range(500, 12_000);
    if churn {
        let rejoin = dice.chance(800).then_some((back, other, Deed::Join(channel)));
        let leave = if dice.chance(500) {
            (0, other, Deed::Part(channel))
        } else {
            (0, op, Deed::Kick(channel, other))
        };
        return std::iter::once(leave).chain(rejoin).collect();
    }
    let mode = |letters: &str, param: Option<&str>| {
        let mut params = vec![letters.to_owned()];
        params.extend(param.map(str::to_owned));
        Deed::Mode(channel, params)
    };
    let nick = Some(crate::host::NICKS[other]);
    let deeds = match dice.below(12) {
        0 => vec![mode("+m", None), mode("-m", None)],
        1 => vec![mode("+i", None), mode("-i", None)],
        2 => vec![mode("+o", nick), mode("-o", nick)],
        3 => vec![mode("+v", nick)],
        4 => vec![mode("+l", Some("3")), mode("-l", None)],
        5 => vec![mode("+k", Some("sesame")), mode("-k", Some("sesame"))],
        6 => vec![mode("+b", Some("mallory!*@*")), mode("-b", Some("mallory!*@*"))],
        7 => vec![mode("-t", None)],
        8 => vec![Deed::Invite(channel, other)],
        9 => vec![Deed::Rotate(channel)],
        _ => vec![Deed::Topic(channel)],
    };
    let mut at = 0;
    let mut plan = Vec::new();
    for deed in deeds {
        plan.push((at, op, deed));
        at += back;
    }
    plan
}

impl World {
    /// A person acts, if its node runs and it makes sense.
    pub fn act(&mut self, host: usize, deed: Deed) {
        if let Deed::Let(other) = deed {
            self.keep_letting(host, other);
        }
        if self.hosts[host].node.is_none() || self.hosts[host].stopping {
            return;
        }
        let nick = |n: usize| crate::host::NICKS[n];
        let envelope = match deed {
            Deed::Let(other) => match self.invitation(host, other) {
                Some(invitation) => invitation,
                None => return,
            },
            Deed::Accept(text) => Envelope::new("INVITATION").param("accept").field("text", text),
            Deed::Meet(other) if self.plan.home(host) != self.plan.home(other) => {
                // Others meet in a channel, and their nodes hear there how they are reached.
                if self.dice.chance(300) {
                    self.act(host, Deed::Let(other));
                }
                return;
            }
            Deed::Meet(other) => {
                let card = serde_json::to_value(self.hosts[other].card()).unwrap_or_default();
                Envelope::new("CONTACT").param("add").field("card", card)
            }
            Deed::Join(channel) => {
                self.people[host].wants.insert(channel);
                if !self.knows_the_way(host, channel) {
                    return self.after(300, Event::Person(host, Deed::Join(channel)));
                }
                Envelope::new("JOIN").to(channel).param("sesame")
            }
            Deed::Return => {
                let person = &self.people[host];
                let missing: Vec<&'static str> = person.wants.difference(&person.joined).copied().collect();
                for channel in missing {
                    self.act(host, Deed::Join(channel));
                }
                return;
            }
            Deed::Part(channel) => {
                if !self.people[host].wants.remove(channel) {
                    return;
                }
                let reason = self.secret(host);
                Envelope::new("PART").to(channel).line(reason)
            }
            Deed::Say(channel) | Deed::LastWord(channel) => {
                if !self.people[host].joined.contains(channel) && self.dice.chance(900) {
                    return;
                }
                let text = self.secret(host);
                Envelope::new("PRIVMSG").to(channel).line(text)
            }
            Deed::Tell(other) => {
                let text = self.secret(host);
                Envelope::new("PRIVMSG").to(nick(other)).line(text)
            }
            Deed::Kick(channel, other) => {
                let reason = self.secret(host);
                Envelope::new("KICK").to(channel).param(nick(other)).line(reason)
            }
            Deed::Mode(channel, params) => {
                let mut envelope = Envelope::new("MODE").to(channel);
                envelope.params = params;
                envelope
            }
            Deed::Topic(channel) => {
                let text = format!("topic {}", self.fresh());
                Envelope::new("TOPIC").to(channel).line(text)
            }
            Deed::Invite(channel, other) => Envelope::new("INVITE").to(nick(other)).param(channel),
            Deed::Rotate(channel) => Envelope::new("ROTATE").to(channel),
            Deed::Status => Envelope::new("STATUS"),
        };
        self.say(host, envelope);
    }

    fn say(&mut self, index: usize, envelope: Envelope) {
        let host = &self.hosts[index];
        let (life, session) = (host.life, host.session);
        self.witness.said.push(Said { at: self.now, host: index, life, envelope: envelope.clone() });
        let envelope = self.spoken(index, envelope);
        self.arrive(index, life, Input::Command { session, envelope });
    }

    fn secret(&mut self, host: usize) -> String {
        self.people[host].count += 1;
        format!("m-{host}-{}-{}", self.people[host].count, self.word)
    }

    /// A person sees something on its screen.
    pub fn notice(&mut self, index: usize, envelope: &Envelope) {
        if envelope.command == "INVITATION" {
            return self.on_invitation(index, envelope);
        }
        let Some(channel) = envelope.to.as_deref().and_then(|to| CHANNELS.into_iter().find(|c| *c == to))
        else {
            return;
        };
        let me = self.hosts[index].nick;
        let mine = envelope.from.as_deref() == Some(me);
        let person = &mut self.people[index];
        match envelope.command.as_str() {
            "JOIN" if mine => {
                person.joined.insert(channel);
            }
            "PART" if mine => {
                person.joined.remove(channel);
            }
            "KICK" if envelope.params.first().is_some_and(|p| p == me) => {
                person.joined.remove(channel);
                person.wants.remove(channel);
            }
            _ => {}
        }
    }
}
