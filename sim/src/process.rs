//! How a node is driven: started from its store, given inputs, woken at the time that it requested.

use kirc_core::Envelope;
use kirc_core::node::Node;
use kirc_core::port::{Effect, Input, Service, SessionId};

use crate::people::Deed;
use crate::plan::Plan;
use crate::world::{Event, World};

/// So often in a row a node may wake and want to be woken again at once.
const SPINS: u32 = 20;

impl World {
    /// Starts a node from its store, with a session of its owner attached from the first moment.
    pub fn boot(&mut self, index: usize) {
        if self.hosts[index].node.is_some() {
            return;
        }
        let session = SessionId(self.fresh());
        let seed = self.dice.seed();
        let mutant = self.mutant;
        let Plan { epoch_messages, max_in_flight, window, .. } = self.plan;
        let log = self.plan.log();
        let peer_way = self.plan.two_clusters().then(|| self.way_in(self.hosts[index].home));
        let host = &mut self.hosts[index];
        host.session = session;
        let mut config = host.config(log);
        config.peer_way = peer_way;
        config.mutant = mutant;
        config.epoch_messages = epoch_messages;
        config.max_in_flight = max_in_flight;
        config.window = window;
        let identity = crate::keys::identity(host.index);
        let node = Node::restore(config, identity, &host.store.snapshot(), seed, host.clocks(self.now));
        match node {
            Ok(node) => host.node = Some(node),
            Err(error) => panic!("{} can't start from its own store: {error}", host.nick),
        }
        self.people[index].joined.clear();
        self.note(|w| format!("{} starts", w.hosts[index].nick));
        let hello = Envelope::new("HELLO")
            .meta("caps", serde_json::json!(["state", "status", "replay", "typing", "presence"]));
        self.feed(
            index,
            vec![Input::Start, Input::Attach { session }, Input::Command { session, envelope: hello }],
        );
        if self.hosts[index].life > 0 {
            self.after(3_000, Event::Person(index, Deed::Return));
        }
        if self.dice.chance(200) {
            self.second_session(index);
        }
        let life = self.hosts[index].life;
        for service in [Service::Mailbox, Service::Signals] {
            if !self.reaches(index, service) {
                self.after(1_500, Event::Status(index, life, service));
            }
        }
    }

    /// A second door opens on the same actor, one that understands nothing special, and closes
    /// again.
    fn second_session(&mut self, index: usize) {
        let session = SessionId(self.fresh());
        let life = self.hosts[index].life;
        let (open, closed) = (self.dice.range(10, 30_000), self.dice.range(10, 60_000));
        let envelope = Envelope::new("HELLO");
        for input in [Input::Attach { session }, Input::Command { session, envelope }] {
            self.after(open, Event::Input(index, life, input));
        }
        self.after(open + closed, Event::Input(index, life, Input::Detach { session }));
    }

    /// Whether a machine reaches a service of its own cluster: of others no node is told.
    pub fn reaches(&self, host: usize, service: Service) -> bool {
        let host = &self.hosts[host];
        !host.cut(service, host.home)
    }

    /// A process learns whether it reaches a service.
    pub fn status(&mut self, host: usize, life: u64, service: Service) {
        let up = self.reaches(host, service);
        let reason = if up { "" } else { "it does not answer" }.to_owned();
        self.arrive(host, life, Input::Service { service, up, reason });
    }

    /// Something reaches a process: at once, or when it moves again, or never.
    pub fn arrive(&mut self, index: usize, life: u64, input: Input) {
        let host = &mut self.hosts[index];
        if host.life != life || host.node.is_none() {
            return;
        }
        if host.paused.is_some() {
            host.inbox.push_back(input);
        } else {
            self.feed(index, vec![input]);
        }
    }

    /// Hands inputs to a node, all before any of their effects, and carries the effects out.
    pub fn feed(&mut self, index: usize, inputs: Vec<Input>) {
        let now = self.hosts[index].clocks(self.now);
        let Some(mut node) = self.hosts[index].node.take() else {
            return;
        };
        let mut effects: Vec<Effect> = Vec::new();
        for input in inputs {
            self.witness.handled += 1;
            self.note(|w| format!("{} <- {}", w.hosts[index].nick, crate::trace::tell_input(&input)));
            node.handle(now, input, &mut effects);
        }
        self.hosts[index].node = Some(node);
        self.carry(index, effects);
        self.set_timer(index);
    }

    fn set_timer(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        if host.paused.is_some() {
            return;
        }
        let Some(due) = host.node.as_ref().and_then(Node::next_wake) else {
            return;
        };
        let at = due.saturating_sub(host.boot).max(self.now + 1);
        if host.wake.is_none_or(|w| w <= self.now || w > at) {
            host.wake = Some(at);
            self.at(at, Event::Wake(index, at));
        }
    }

    /// A timer of a node goes off.
    pub fn wake(&mut self, index: usize, at: u64) {
        let host = &mut self.hosts[index];
        if host.wake != Some(at) || !host.awake() {
            return;
        }
        host.wake = None;
        let mono = host.clocks(self.now).mono;
        let Some(due) = host.node.as_ref().and_then(Node::next_wake) else {
            return;
        };
        if due > mono {
            return self.set_timer(index);
        }
        // A node whose timer is always due would wake at every millisecond.
        host.spins = if mono.saturating_sub(due) <= 1 { host.spins } else { 0 };
        self.feed(index, vec![Input::Tick]);
        let host = &mut self.hosts[index];
        let again = host.node.as_ref().and_then(Node::next_wake);
        if again.is_some_and(|t| t <= mono) {
            host.spins += 1;
            if host.spins > SPINS {
                self.witness.spinning = Some((self.now, index));
            }
        } else {
            host.spins = 0;
        }
    }

    /// A process moves again: first it finishes what it was at, then it meets all that came
    /// meanwhile.
    pub fn resume(&mut self, index: usize) {
        if self.hosts[index].paused.take().is_none() {
            return;
        }
        self.note(|w| format!("{} moves again", w.hosts[index].nick));
        let life = self.hosts[index].life;
        let rest = std::mem::take(&mut self.hosts[index].halted);
        self.carry(index, rest);
        let together = self.dice.chance(300);
        if together && self.hosts[index].awake() && self.hosts[index].life == life {
            let all: Vec<Input> = self.hosts[index].inbox.drain(..).collect();
            self.feed(index, all);
        }
        while self.hosts[index].life == life && self.hosts[index].awake() {
            let Some(input) = self.hosts[index].inbox.pop_front() else {
                break;
            };
            self.feed(index, vec![input]);
        }
        if self.hosts[index].life == life {
            self.set_timer(index);
            self.look_again(index);
        }
    }
}
