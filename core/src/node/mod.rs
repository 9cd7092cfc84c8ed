//! The node's actor. It combines the modules: sessions, channels, leadership, keys, outbox, direct
//! messages, presence.
//!
//! It is a state machine: an input arrives with the time, and effects leave. It waits for nothing
//! and reads no clock.

mod awake;
mod border;
mod channel;
mod channels;
mod config;
mod contacts;
mod coverage;
mod ctx;
mod direct;
mod double;
mod grids;
mod history;
mod home;
mod inbox;
mod invites;
mod mark;
mod pending;
mod people;
mod presence;
mod profile;
mod refused;
mod revocation;
mod rpc;
mod session;
mod start;
mod status;
mod tofu;

use std::collections::BTreeMap;

use rand_chacha::rand_core::SeedableRng;
use serde_json::{Map, Value};

use self::awake::Awake;
use self::channel::{Channel, Phase};
use self::channels::Channels;
#[cfg(feature = "mutants")]
pub use self::config::Mutant;
pub use self::config::{CHANNEL, CHANNEL_LEN, Config, Home};
use self::ctx::{Ctx, ServiceState};
use self::direct::Direct;
use self::pending::{Listing, PendingOp};
use crate::envelope::Envelope;
use crate::identity::Identity;
use crate::ids::{ActorId, Millis, Offset};
use crate::port::{
    Answer, Effect, Input, Now, PortError, RawRecord, ReadFrom, Service, SignalReply, Snapshot, Topic,
};

/// Why a node can't start, as a sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The store holds unreadable data.
    #[error(
        "the store of this profile holds something that can't be read ({0}); if the keys were replaced, the store belongs to the old ones"
    )]
    Store(String),
}

/// A running actor.
///
/// To drive it, call `restore`, then `handle(Start)`, then `handle` for each event. Carry out the
/// effects of one `handle` (or of several in a row) like this: commit all `Store` effects in one
/// transaction first, and only then the others, in order. After the monotonic clock reaches
/// [`Node::next_wake`], call `handle(Tick)`.
pub struct Node {
    cx: Ctx,
    channels: Channels,
    directs: Awake<ActorId, Direct>,
    listings: BTreeMap<u64, Listing>,
    away: Option<String>,
    invites: invites::Invites,
    endings: revocation::Endings,
    profile: profile::Profile,
    /// The incarnation of each partition of the own mailbox that its position belongs to.
    positions: BTreeMap<String, String>,
    read: inbox::Read,
    /// The previous home grid, if it differs.
    other_home: Option<String>,
    /// Whether all records that existed at the start have been read.
    caught_up: bool,
    people_at: Millis,
    status_at: Millis,
    stop_by: Option<Millis>,
    stopped: bool,
}

/// What a message carries in `meta` for its reader.
impl Node {
    /// Handles an event at this time; appends the resulting effects to `out`.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Effect>) {
        self.cx.now = now;
        match input {
            Input::Start => self.start(),
            Input::Tick => {}
            Input::Attach { session } => {
                self.cx.sessions.insert(session, ctx::Session::default());
            }
            Input::Detach { session } => {
                self.cx.sessions.remove(&session);
            }
            Input::Command { session, envelope } => self.on_command(session, envelope),
            Input::Reading { topic, incarnation, start, end, at } => {
                self.on_reading(&topic, incarnation, start, end, at);
            }
            Input::Record { topic, record } => self.on_record(&topic, record),
            Input::Appended { request_id, result } => {
                if let Some(waiting) = self.cx.waiting.remove(&request_id) {
                    self.on_appended(request_id, waiting, result);
                }
            }
            Input::Created { request_id, result } => {
                if let Some(PendingOp::Topic(key)) = self.cx.waiting.remove(&request_id) {
                    self.with_channel(&key, |c, cx| c.on_topic(cx, result));
                }
            }
            Input::End { request_id, result } => {
                if let Some(PendingOp::Resync(key)) = self.cx.waiting.remove(&request_id) {
                    self.with_channel(&key, |c, cx| c.on_resync_end(cx, result.ok()));
                }
            }
            Input::Signalled { request_id, result } => {
                if let Some(waiting) = self.cx.waiting.remove(&request_id) {
                    let origin = waiting.origin().cloned();
                    self.on_signalled(waiting, result);
                    self.cx.settled_by(origin.as_ref());
                }
            }
            Input::Published { grid, channel, payload } => self.on_published(&grid, &channel, &payload),
            Input::Granted { request_id, result } => {
                if let Some(PendingOp::Grant(wish)) = self.cx.waiting.remove(&request_id) {
                    let origin = wish.origin.clone();
                    self.on_granted(*wish, result);
                    self.cx.settled_by(Some(&origin));
                }
            }
            Input::Revoked { request_id, result } => {
                if let Some(PendingOp::Revoked(name)) = self.cx.waiting.remove(&request_id) {
                    self.on_revoked(&name, result);
                }
            }
            Input::Queried { request_id, result } => {
                if let Some(waiting) = self.cx.waiting.remove(&request_id) {
                    let origin = waiting.origin().cloned();
                    self.on_queried(waiting, result);
                    self.cx.settled_by(origin.as_ref());
                }
            }
            Input::Service { service, up, reason } => self.on_service(service, up, reason),
            Input::Figures(figures) => self.on_figures(figures),
            Input::Shutdown => self.shutdown(),
        }
        self.settle();
        self.tick();
        self.do_after_join();
        self.cx.tell_refused();
        self.look_whether_caught_up();
        self.settle();
        self.show_status();
        self.cx.keep_last_id();
        self.keep_positions();
        if mutant!(self.cx.cfg, PositionFirst) {
            self.delay_messages();
        }
        out.append(&mut self.cx.out);
    }

    /// Runs the commands that waited for a JOIN or PART as if they arrived now.
    fn do_after_join(&mut self) {
        if self.cx.after_join.is_empty() {
            return;
        }
        // What was left meanwhile is no more.
        self.settle();
        for (origin, e) in std::mem::take(&mut self.cx.after_join) {
            self.on_command(origin.session, e);
            self.cx.settled_by(Some(&origin));
        }
    }

    /// Processes changes. It drops the channels that the node left and stops reading their logs.
    fn settle(&mut self) {
        for log in self.channels.settle() {
            self.cx.stop_reading(&log);
        }
        self.directs.settle();
    }

    /// Deliberately broken: messages are stored after the read position that covers them.
    fn delay_messages(&mut self) {
        let is_message = |e: &Effect| matches!(e, Effect::Store(crate::port::StoreOp::Message(_)));
        let (late, now): (Vec<_>, Vec<_>) = self.cx.out.drain(..).partition(is_message);
        self.cx.out = std::mem::replace(&mut self.cx.late, late);
        self.cx.out.extend(now);
    }

    /// When (monotonic) a `Tick` is due at the latest.
    pub fn next_wake(&self) -> Option<Millis> {
        let own = [
            self.channels.wake(),
            self.directs.wake(),
            Some(self.people_at).filter(|_| !self.cx.stopping),
            self.cx.status_dirty.then_some(self.status_at),
            self.stop_by,
            self.read.keep_by,
            self.cx.refused.wake(),
            self.endings_wake().filter(|_| !self.cx.stopping),
        ];
        own.into_iter().flatten().min()
    }

    /// The topics and partitions that must exist before the node starts: its own four, and the
    /// grid's log if it is a single topic.
    pub fn topics(config: &Config) -> Vec<(String, u32)> {
        let a = &config.address;
        let log = Some(&config.home.log).filter(|_| !config.home.has_topic_each());
        let names = [&a.data_in, &a.data_out, &a.rpc_in, &a.rpc_out].into_iter().chain(log);
        let mut out: Vec<(String, u32)> = names.map(|n| (n.clone(), config.home.partitions)).collect();
        out.sort();
        out.dedup();
        out
    }

    /// The actor.
    pub fn actor(&self) -> ActorId {
        self.cx.me()
    }

    fn with_channel(&mut self, key: &str, f: impl FnOnce(&mut Channel, &mut Ctx)) {
        if let Some(channel) = self.channels.get_mut(key) {
            f(channel, &mut self.cx);
        }
    }

    fn tick(&mut self) {
        for key in self.channels.due(self.cx.now.mono) {
            self.with_channel(&key, |channel, cx| channel.tick(cx));
        }
        for peer in self.directs.due(self.cx.now.mono) {
            let Some(direct) = self.directs.get_mut(&peer) else { continue };
            match self.cx.contacts.card(&peer).cloned() {
                Some(card) => direct.tick(&mut self.cx, &card),
                None => direct.rest(),
            }
        }
        if self.cx.now.mono >= self.people_at && !self.cx.stopping {
            self.people_at = self.cx.now.mono + presence::EVERY;
            self.cx.say_presence(self.away.as_deref(), false);
            let people: Vec<ActorId> = self.people().collect();
            self.cx.look_around(people.into_iter());
        }
        self.tick_endings();
        self.check_stopped();
    }

    /// The people whose presence matters.
    fn people(&self) -> impl Iterator<Item = ActorId> + '_ {
        let members = self.channels.values().filter_map(|c| c.replica.as_ref());
        let members = members.flat_map(|r| r.state.actors.keys().copied());
        self.cx.contacts.list.keys().copied().chain(members)
    }

    fn on_reading(&mut self, topic: &Topic, incarnation: String, start: Offset, end: Offset, at: Offset) {
        let reader = self.cx.readers.entry(topic.clone()).or_default();
        let wanted = reader.next;
        reader.moving = false;
        reader.next = at;
        (reader.start, reader.end) = (start, end);
        let same = reader.incarnation.as_ref() == Some(&incarnation);
        reader.coverage.begin(at, same);
        reader.incarnation = Some(incarnation.clone());
        if self.is_log(topic) {
            self.on_log_reading(topic, &incarnation, start, end, wanted);
        } else if self.is_inbox(topic) {
            self.on_inbox_reading(topic, &incarnation, start, at);
        } else {
            for channel in self.channels.values_mut() {
                channel.on_answers_read(&mut self.cx, topic);
                channel.on_gap_read(&mut self.cx, topic);
            }
        }
    }

    /// Checks whether each reader has reached the offset where its topic ended at the start.
    fn look_whether_caught_up(&mut self) {
        if self.caught_up || self.cx.readers.is_empty() {
            return;
        }
        self.caught_up = self.cx.readers.values().all(|r| !r.moving && r.next >= r.end);
        self.cx.status_dirty |= self.caught_up;
    }

    fn is_log(&self, topic: &Topic) -> bool {
        let home = &self.cx.cfg.home;
        (topic.cluster == home.cluster && home.is_log(&topic.name)) || self.channels.is_log(topic)
    }

    /// Reading of the log starts: checks whether our positions belong to this incarnation of it.
    fn on_log_reading(
        &mut self,
        topic: &Topic,
        incarnation: &str,
        start: Offset,
        end: Offset,
        _wanted: Offset,
    ) {
        let (mut again, mut lost) = (None, false);
        let covered = self.cx.readers.get(topic).is_some_and(|r| r.coverage.reaches(start));
        for key in self.channels.in_log(topic) {
            let Some(channel) = self.channels.get_mut(&key) else { continue };
            let other_life = channel.incarnation.as_deref().is_some_and(|i| i != incarnation);
            if (other_life || channel.next > end || channel.next < start) && channel.replica.is_some() {
                // Another life of the log, or one that lost its end: what counts is found by the
                // chain, from the start.
                channel.next = start;
                channel.lost = true;
                again = Some(start);
                lost |= other_life;
                if other_life && start == 0 {
                    channel.on_log_reset();
                }
            }
            if other_life && channel.replica.is_none() && channel.rediscover(start) {
                again = Some(start);
            }
            if channel.replica.is_none() && !covered {
                again = Some(start);
            }
            channel.incarnation = Some(incarnation.to_owned());
            channel.catch_up_end = Some(end);
        }
        if lost {
            self.mailboxes_lost(&topic.cluster);
        }
        match again {
            Some(start) => self.cx.move_reader(topic, ReadFrom::At(start)),
            None => self.on_progress(topic),
        }
    }

    /// Handles read progress in a partition of the log.
    fn on_progress(&mut self, topic: &Topic) {
        let next = self.cx.readers.get(topic).map_or(0, |reader| reader.next);
        for key in self.channels.following(topic, next) {
            self.with_channel(&key, |channel, cx| {
                channel.on_catch_up_end(cx);
                channel.lead_progress(cx);
            });
        }
    }

    fn on_record(&mut self, topic: &Topic, record: RawRecord) {
        let log = self.is_log(topic);
        let Some(reader) = self.cx.readers.get_mut(topic) else {
            return;
        };
        if reader.moving || record.offset < reader.next {
            return;
        }
        reader.next = record.offset + 1;
        if log {
            reader.coverage.pass(&record.key, record.offset);
            let wire = std::str::from_utf8(&record.key).ok();
            if let Some(key) = wire.and_then(|wire| self.channels.find(wire, |c| c.log == *topic)) {
                self.with_channel(&key, |channel, cx| channel.on_record(cx, record));
            }
            self.on_progress(topic);
        } else if self.is_inbox(topic) {
            self.on_inbox(topic, &record);
        } else if let Ok(e) = Envelope::from_canonical(&record.value)
            && e.command == "ANSWER"
        {
            for channel in self.channels.values_mut() {
                if channel.on_answer(&mut self.cx, &e) || channel.on_gap_answer(&mut self.cx, &e) {
                    break;
                }
            }
        }
    }

    fn on_appended(
        &mut self,
        request_id: crate::port::RequestId,
        waiting: PendingOp,
        result: Result<Offset, PortError>,
    ) {
        let ok = result.is_ok();
        match waiting {
            PendingOp::Relay(key) => {
                self.with_channel(&key, |c, cx| c.on_relayed(cx, request_id, result.ok()));
            }
            PendingOp::Challenge(key) => self.with_channel(&key, |c, cx| c.on_challenge_appended(cx, ok)),
            PendingOp::Send(key, id) => self.with_channel(&key, |c, cx| c.on_send_appended(cx, id, ok)),
            PendingOp::Direct(peer, id) => {
                let card = self.cx.contacts.card(&peer).cloned();
                if let (Some(direct), Some(card)) = (self.directs.get_mut(&peer), card) {
                    direct.on_appended(&mut self.cx, &card, id, ok);
                }
            }
            _ => {}
        }
    }

    fn on_signalled(&mut self, waiting: PendingOp, result: Result<SignalReply, PortError>) {
        match waiting {
            PendingOp::HeardOf(key) => self.with_channel(&key, |c, cx| c.on_heard_of(cx, &result)),
            PendingOp::Lease(key) => self.with_channel(&key, |c, cx| c.on_lease(cx, result)),
            PendingOp::LeaderKey(key) => self.with_channel(&key, |c, cx| c.on_leader_key(cx, result)),
            PendingOp::Renewed(key) => self.with_channel(&key, |c, cx| c.on_renewed(cx, result)),
            PendingOp::Presence(actor) => {
                if let Ok(reply) = result {
                    self.cx.on_presence_value(actor, reply);
                }
            }
            PendingOp::ListNames(origin) => self.on_list_names(&origin, result),
            PendingOp::ListEntry(listing, name) => self.on_list_entry(listing, name, result),
            PendingOp::Profile(origin, nick) => self.on_profile_found(&origin, &nick, result),
            _ => {}
        }
    }

    fn on_published(&mut self, grid: &str, channel: &str, payload: &str) {
        if channel == "presence" {
            self.cx.on_presence(payload);
        } else if channel == format!("direct:{}", self.cx.me()) {
            self.cx.on_direct_event(payload);
        } else if let Some(wire) = channel.strip_prefix("channel:").and_then(|c| c.strip_suffix(":events"))
            && let Some(key) = self.channels.find(wire, |c| c.grid == grid)
        {
            self.with_channel(&key, |channel, cx| channel.on_event(cx, payload));
        }
    }

    fn on_queried(&mut self, waiting: PendingOp, result: Result<Answer, PortError>) {
        match waiting {
            PendingOp::History(origin, to) => self.on_history(&origin, &to, result),
            PendingOp::Held(actor) => self.on_held(actor, result),
            PendingOp::Offer(key) => self.with_channel(&key, |c, cx| c.on_offer_rows(cx, result)),
            PendingOp::Fetch(asker, id) => channel::on_fetched(&mut self.cx, &asker, id, result),
            _ => {}
        }
    }

    fn on_service(&mut self, service: Service, up: bool, reason: String) {
        let was = self.cx.service_up(service);
        let before = self.cx.services.get(&service).and_then(|s| s.since);
        let since = if up { None } else { before.or(Some(self.cx.now.wall)) };
        self.cx.services.insert(service, ServiceState { up, reason, since });
        self.cx.status_dirty = true;
        // At once: while the store is away nothing else may come for long.
        self.status_at = self.cx.now.mono;
        if up && !was {
            for channel in self.channels.values_mut() {
                channel.pump(&mut self.cx);
            }
            if service == Service::Signals {
                let home = self.cx.cfg.home.cluster.clone();
                self.subscribe(&home);
            }
        }
    }
}

/// A random number generator from a seed.
fn rng(seed: [u8; 32]) -> crate::crypto::Rng {
    crate::crypto::Rng::from_seed(seed)
}

/// All partitions of a topic.
fn partitions(cluster: &str, name: &str, count: u32) -> impl Iterator<Item = Topic> {
    let (cluster, name) = (cluster.to_owned(), name.to_owned());
    (0..count).map(move |partition| Topic { cluster: cluster.clone(), name: name.clone(), partition })
}
