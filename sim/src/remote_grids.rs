//! Two clusters: how nodes of one reach the other, and what their owners call a channel on another
//! cluster.
//!
//! People meet as in reality: the owner of a cluster invites somebody, who accepts; the nodes tell
//! each other all else that they know about ways.

use kirc_core::Envelope;
use kirc_core::port::{PortError, Topic};
use serde_json::{Map, Value, json};

use crate::host::{CLUSTERS, NICKS};
use crate::people::{CHANNELS, Deed};
use crate::world::{Event, World};

/// How long whoever has made an invite waits before it makes another, ms.
const AGAIN: u64 = 3_000;
/// What an invite is marked with, and for whom it is.
const FOR: &str = "for ";

/// Puts into the queue who is invited by whom before it can join. Who owns a cluster is in what is
/// there.
pub fn schedule(world: &mut World, channels: &[&'static str]) {
    if !world.plan.two_clusters() {
        return;
    }
    for channel in channels {
        let cluster = world.room(channel).unwrap_or(0);
        let owner = world.owner(cluster);
        if world.people[owner].wants.insert(channel) {
            world.at(2_000, Event::Person(owner, Deed::Join(channel)));
        }
        for host in 0..world.hosts.len() {
            if world.people[host].wants.contains(channel) && world.hosts[host].home != cluster {
                world.at(60, Event::Person(owner, Deed::Let(host)));
            }
        }
    }
}

impl World {
    /// Whose a cluster is: the first who lives there.
    fn owner(&self, cluster: usize) -> usize {
        self.hosts.iter().position(|h| h.home == cluster).unwrap_or(0)
    }

    /// The cluster that a channel of the plan is on. Scenes have none, and call each as it is
    /// called where it is said.
    fn room(&self, channel: &str) -> Option<usize> {
        let place = CHANNELS[..self.plan.channels].iter().position(|c| *c == channel)?;
        Some(self.plan.rooms[place])
    }

    /// What a channel is called where a person lives.
    fn called(&self, host: usize, channel: &str) -> String {
        match self.room(channel).filter(|cluster| *cluster != self.hosts[host].home) {
            Some(cluster) => format!("{channel}@{}", NICKS[self.owner(cluster)]),
            None => channel.to_owned(),
        }
    }

    /// What a person says, with channels called as they are where it lives.
    pub fn spoken(&self, host: usize, mut envelope: Envelope) -> Envelope {
        for name in envelope.to.iter_mut().chain(&mut envelope.params) {
            *name = self.called(host, name);
        }
        envelope
    }

    /// What a node says, with channels called as on their own grid: so the checks may compare.
    pub fn understood(&self, host: usize, mut envelope: Envelope) -> Envelope {
        let local = |name: &str| {
            let local = name.split('@').next().unwrap_or(name);
            if self.called(host, local) == name { local } else { name }.to_owned()
        };
        for name in envelope.to.iter_mut().chain(&mut envelope.params) {
            *name = local(name);
        }
        if let Some(kirc_core::Body::Object(body)) = &mut envelope.body
            && let Some(Value::Object(channels)) = body.get_mut("channels")
        {
            let all: Map<String, Value> = std::mem::take(channels);
            channels.extend(all.into_iter().map(|(name, state)| (local(&name), state)));
        }
        envelope
    }

    /// Whether a person can say where a channel is, and has heard that it is there if only others
    /// can make it.
    pub fn knows_the_way(&self, host: usize, channel: &str) -> bool {
        let cluster = self.room(channel).unwrap_or(self.hosts[host].home);
        let owner = self.owner(cluster);
        let log = self.hosts[owner].config(self.plan.log()).home.log_of(channel);
        let holds = |(topic, _): (&Topic, _)| topic.cluster == CLUSTERS[cluster] && topic.name == log;
        let made = !self.plan.topic_each || self.mailbox.partitions().any(holds);
        self.hosts[host].home == cluster || made && self.people[host].guests_of.contains(&owner)
    }

    /// How members reach the mailboxes of a cluster. It is a secret, which no service of another
    /// cluster may see: so the word stands in it.
    pub fn way_in(&self, cluster: usize) -> Value {
        json!({"kafka": {"cluster": CLUSTERS[cluster], "password": self.word}})
    }

    /// How somebody who is invited reaches it as a place for channels.
    pub fn way_to(&self, cluster: usize) -> Value {
        let mut way = self.way_in(cluster);
        if self.plan.two_clusters() {
            way["valkey"] = json!({"password": self.word});
            way["log"] = json!(self.plan.log());
        }
        way
    }

    /// A process is told how a cluster is reached.
    pub fn reach(&mut self, host: usize, cluster: String, way: &Value) {
        if way["kafka"]["cluster"] == json!(cluster) {
            self.hosts[host].ways.insert(cluster);
        }
    }

    /// A process asks for a topic. On another's cluster it may make none.
    pub fn create(&mut self, host: usize, topic: &Topic) -> Result<(), PortError> {
        let host = &self.hosts[host];
        if host.cut_topic(topic) {
            return Err(PortError("the mailbox service did not answer".to_owned()));
        }
        if topic.cluster != CLUSTERS[host.home] && !self.mailbox.holds(topic) {
            return Err(PortError("topics are made by others there".to_owned()));
        }
        self.mailbox.partition(topic);
        Ok(())
    }

    /// A person goes on letting somebody in until that is heard to have worked.
    pub fn keep_letting(&mut self, host: usize, other: usize) {
        if !self.people[other].guests_of.contains(&host) {
            self.after(AGAIN, Event::Person(host, Deed::Let(other)));
        }
    }

    /// What a person says who lets somebody in, unless that is done.
    pub fn invitation(&self, host: usize, other: usize) -> Option<Envelope> {
        let card = serde_json::to_value(self.hosts[other].card()).unwrap_or_default();
        let create = Envelope::new("INVITATION").param("create").field("card", card);
        let open = !self.people[other].guests_of.contains(&host);
        open.then(|| create.meta("label", format!("{FOR}{}", NICKS[other])))
    }

    /// An invite was made, and is handed over; or was accepted.
    pub fn on_invitation(&mut self, host: usize, envelope: &Envelope) {
        let number = |nick: Option<&str>| NICKS.iter().position(|n| Some(*n) == nick);
        let text = envelope.get("text").and_then(Value::as_str);
        let label = envelope.meta_str("label").and_then(|l| l.strip_prefix(FOR));
        match (number(label), text) {
            (Some(other), Some(text)) => {
                self.after(20, Event::Person(other, Deed::Accept(text.to_owned())));
            }
            _ => {
                let inviter = number(envelope.get("nick").and_then(Value::as_str));
                self.people[host].guests_of.extend(inviter);
            }
        }
    }
}
