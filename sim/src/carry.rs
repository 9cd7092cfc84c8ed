//! Carries out a node's effects: first commits, then the others one by one, until a crash or a
//! pause comes between two of them.

use kirc_core::Envelope;
use kirc_core::port::{
    Effect, Grant, Input, PortError, RequestId, Service, SessionId, SignalOp, SignalReply, StoreOp,
};

use crate::host::{CLUSTERS, Reader, cluster_of};
use crate::signals::texts;
use crate::trace::{tell_effect, tell_op};
use crate::witness::Heard;
use crate::world::{Event, World};

/// After so many ms a signal has failed.
const SIGNAL_TIMEOUT: u64 = 2_000;

impl World {
    /// Carries out the effects of one or more `handle`.
    pub fn carry(&mut self, index: usize, effects: Vec<Effect>) {
        let mut commit = Vec::new();
        let mut rest = Vec::new();
        for effect in effects {
            match effect {
                Effect::Store(op) => commit.push(op),
                other => rest.push(other),
            }
        }
        let any = !commit.is_empty() || rest.len() > 1;
        let doomed = any && std::mem::take(&mut self.hosts[index].doomed);
        let early = rest.iter().take_while(|e| !e.holds_back()).filter(|e| e.is_early()).count();
        if doomed && !commit.is_empty() && self.dice.chance(if early > 0 { 500 } else { 150 }) {
            let gone_out = self.dice.index(early + 1);
            for effect in rest.into_iter().filter(Effect::is_early).take(gone_out) {
                self.perform(index, effect);
            }
            return self.crash(index, "before a commit");
        }
        self.commit(index, commit);
        let halt = doomed.then(|| self.dice.index(rest.len() + 1));
        let nap = match self.hosts[index].drowsy {
            Some(ms) if any => Some((self.dice.index(rest.len() + 1), ms)),
            _ => None,
        };
        let mut rest = rest.into_iter();
        let mut at = 0;
        loop {
            if halt == Some(at) {
                self.hosts[index].halted = rest.collect();
                return self.crash(index, "between two effects");
            }
            if let Some((place, ms)) = nap
                && place == at
            {
                self.hosts[index].drowsy = None;
                self.hosts[index].halted = rest.collect();
                return self.pause(index, ms);
            }
            let Some(effect) = rest.next() else {
                return;
            };
            self.perform(index, effect);
            at += 1;
        }
    }

    fn commit(&mut self, index: usize, ops: Vec<StoreOp>) {
        if self.trace.is_some() {
            for op in &ops {
                self.note(|w| format!("{} => {}", w.hosts[index].nick, tell_op(op)));
            }
        }
        self.hosts[index].store.commit(ops);
    }

    fn perform(&mut self, index: usize, effect: Effect) {
        self.note(|w| format!("{} -> {}", w.hosts[index].nick, tell_effect(&effect)));
        let life = self.hosts[index].life;
        match effect {
            Effect::Store(op) => self.commit(index, vec![op]),
            Effect::Query { request_id, query } => {
                let result = Ok(self.hosts[index].store.ask(query));
                let delay = self.dice.range(0, 5);
                self.after(delay, Event::Input(index, life, Input::Queried { request_id, result }));
            }
            Effect::Append { request_id, topic, key, value, .. } => {
                self.append(index, request_id, topic, key, value)
            }
            Effect::Create { request_id, topic, .. } => {
                let result = self.create(index, &topic);
                let delay = self.plan.append.draw(&mut self.dice);
                self.after(delay, Event::Input(index, life, Input::Created { request_id, result }));
            }
            Effect::Read { topic, from } => {
                let id = self.fresh();
                let reader = Reader { id, next: 0, placed: false, looking: false };
                self.hosts[index].readers.insert(topic.clone(), reader);
                let delay = self.plan.read.draw(&mut self.dice);
                self.after(delay, Event::Place(index, life, topic, id, from));
            }
            Effect::StopRead { topic } => {
                self.hosts[index].readers.remove(&topic);
            }
            Effect::End { request_id, topic } => {
                let delay = self.plan.read.draw(&mut self.dice);
                self.after(delay, Event::End(index, life, request_id, topic));
            }
            Effect::Signal { grid, request_id, op } => self.signal(index, cluster_of(&grid), request_id, op),
            Effect::Reach { cluster, way } => self.reach(index, cluster, &way),
            Effect::Warn { .. } => {}
            Effect::Revoke { request_id, .. } => {
                let result = match self.stuck {
                    true => Err(PortError("the administrator of Kafka can't be reached".to_owned())),
                    false => Ok(()),
                };
                self.after(0, Event::Input(index, life, Input::Revoked { request_id, result }));
            }
            Effect::Grant { request_id, .. } => {
                let way = self.way_to(self.hosts[index].home);
                let result = Ok(Grant { way, own: self.own_users, note: None });
                self.after(0, Event::Input(index, life, Input::Granted { request_id, result }));
            }
            Effect::Deliver { session, envelope } => self.hear(index, session, envelope, true),
            Effect::Stopped => self.stopped(index),
        }
    }

    /// What was committed, but never told to a session.
    pub fn lose_words(&mut self, index: usize) {
        for effect in std::mem::take(&mut self.hosts[index].halted) {
            if let Effect::Deliver { session, envelope } = effect {
                self.hear(index, session, envelope, false);
            }
        }
    }

    fn hear(&mut self, index: usize, session: SessionId, envelope: Envelope, reached: bool) {
        let envelope = self.understood(index, envelope);
        let host = &self.hosts[index];
        let main = host.session == session;
        let channel = envelope.to.as_ref().and_then(|to| host.store.channel_id(to));
        let (at, life) = (self.now, host.life);
        let heard = Heard { at, host: index, life, session, main, channel, reached, envelope };
        if main && reached {
            self.notice(index, &heard.envelope);
        }
        self.witness.heard.push(heard);
    }

    fn signal(&mut self, index: usize, cluster: usize, request_id: RequestId, op: SignalOp) {
        for text in texts(&op) {
            if self.needles.found(text.as_bytes()) {
                self.witness.leaks.push((self.now, format!("a signal: {text}")));
            }
        }
        let life = self.hosts[index].life;
        if self.hosts[index].cut(Service::Signals, cluster) {
            return self.fail_signal(index, life, request_id);
        }
        let delay = self.plan.signal.draw(&mut self.dice);
        let at = (self.now + delay).max(self.hosts[index].signalled[cluster]);
        self.hosts[index].signalled[cluster] = at;
        self.at(at, Event::Signal(index, life, cluster, request_id, op));
    }

    fn fail_signal(&mut self, index: usize, life: u64, request_id: RequestId) {
        let result = Err(PortError("the signal service did not answer".to_owned()));
        let input = Input::Signalled { request_id, result };
        self.after(SIGNAL_TIMEOUT, Event::Input(index, life, input));
    }

    /// An operation reaches the signal service: it is carried out or not, and its answer comes back
    /// or not.
    pub fn signal_arrives(
        &mut self,
        index: usize,
        life: u64,
        cluster: usize,
        request_id: RequestId,
        op: &SignalOp,
    ) {
        let fails = self.hosts[index].cut(Service::Signals, cluster)
            || !self.quiet && self.dice.chance(self.plan.rates.signal);
        if fails && self.dice.chance(500) {
            return self.fail_signal(index, life, request_id);
        }
        let reply: SignalReply = self.signals[cluster].apply(self.now, op);
        if self.hosts[index].life == life {
            match op {
                SignalOp::Subscribe { channel } => {
                    self.hosts[index].listens.insert((cluster, channel.clone()));
                }
                SignalOp::Unsubscribe { channel } => {
                    self.hosts[index].listens.remove(&(cluster, channel.clone()));
                }
                _ => {}
            }
        }
        if let SignalOp::Publish { channel, payload } = op {
            self.publish(cluster, channel, payload);
        }
        if fails {
            return self.fail_signal(index, life, request_id);
        }
        let delay = self.plan.signal.draw(&mut self.dice);
        let input = Input::Signalled { request_id, result: Ok(reply) };
        self.after(delay, Event::Input(index, life, input));
    }

    fn publish(&mut self, cluster: usize, channel: &str, payload: &str) {
        for index in 0..self.hosts.len() {
            let lost = !self.quiet && self.dice.chance(self.plan.rates.hint);
            let delay = self.plan.signal.draw(&mut self.dice);
            let host = &self.hosts[index];
            let listens = host.listens.contains(&(cluster, channel.to_owned()));
            if lost || !listens || host.cut(Service::Signals, cluster) {
                continue;
            }
            let input = Input::Published {
                grid: CLUSTERS[cluster].to_owned(),
                channel: channel.to_owned(),
                payload: payload.to_owned(),
            };
            self.after(delay, Event::Input(index, host.life, input));
        }
    }
}
