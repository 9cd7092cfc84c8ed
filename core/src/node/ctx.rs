//! The context that all modules of a node share: identity, clock, random numbers, effects,
//! sessions, requests.
//!
//! It contains no rules about channels or keys.

use std::collections::BTreeMap;

use rand_chacha::rand_core::RngCore;
use serde::Serialize;
use serde_json::Value;

use super::config::Config;
use super::contacts::Contacts;
use super::pending::PendingOp;
use crate::channel::Refusal;
use crate::crypto::Rng;
use crate::envelope::{Envelope, format_ts};
use crate::identity::{Address, Card, Identity};
use crate::ids::{ActorId, Hash, Millis, MsgId, Offset, digest};
use crate::names::Nick;
use crate::numeric::{self, Numeric};
use crate::port::{
    Effect, Now, Query, ReadFrom, RequestId, Room, Service, SessionId, SignalOp, StoreOp, Table, Topic,
    Traffic,
};

/// A session and its capabilities.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session {
    pub caps: Vec<String>,
    /// The number of this session's unsettled messages, and the label of a FLUSH that waits for
    /// them.
    pub unsettled: u64,
    pub flush: Option<Origin>,
}

impl Session {
    pub fn has(&self, cap: &str) -> bool {
        self.caps.iter().any(|c| c == cap)
    }
}

/// The session of a request, and the label that the answer repeats.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Origin {
    pub session: SessionId,
    pub label: Option<Value>,
}

/// A partition that is read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reader {
    pub next: Offset,
    /// A move was requested: records from before it are ignored.
    pub moving: bool,
    pub incarnation: Option<String>,
    /// The start and the end when reading began: records before the end are the past.
    pub start: Offset,
    pub end: Offset,
    pub coverage: super::coverage::Coverage,
}

/// Whether a service is reachable, and the text for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceState {
    pub up: bool,
    pub reason: String,
    /// Since when it is unreachable, by the wall clock.
    pub since: Option<Millis>,
}

pub(crate) struct Ctx {
    pub cfg: Config,
    pub id: Identity,
    pub card: Card,
    pub rng: Rng,
    pub now: Now,
    pub out: Vec<Effect>,
    /// Only for a deliberately broken variant.
    pub late: Vec<Effect>,
    pub request_ids: u64,
    pub waiting: BTreeMap<RequestId, PendingOp>,
    pub sessions: BTreeMap<SessionId, Session>,
    pub last_id: MsgId,
    /// The last id in the store.
    pub kept_id: MsgId,
    /// How many records of each log were in the store when the node left its channel, by channel
    /// id.
    pub kept_logs: BTreeMap<String, u64>,
    pub services: BTreeMap<Service, ServiceState>,
    pub traffic: Option<Traffic>,
    pub room: Option<Room>,
    pub readers: BTreeMap<Topic, Reader>,
    pub contacts: Contacts,
    pub grids: super::grids::Grids,
    pub refused: super::refused::Refused,
    /// Commands that waited for a JOIN or PART that is answered now: they run at the end of this
    /// input, in order.
    pub after_join: Vec<(Origin, Envelope)>,
    /// The person whose presence was requested last.
    pub looked_at: Option<ActorId>,
    pub double: super::double::Double,
    pub status_dirty: bool,
    pub stopping: bool,
}

/// The partition for a key: the same on every node and every service.
pub(crate) fn partition_of(key: &[u8], partitions: u32) -> u32 {
    u32::from(digest("kirc.v1.partition", &[key])[0]) % partitions.max(1)
}

/// A notice from the node itself to a person or to a channel's sessions.
pub(super) fn notice(to: &str, text: impl Into<String>) -> Envelope {
    Envelope::new("NOTICE").from(crate::names::NODE).to(to).line(text)
}

impl Ctx {
    pub fn me(&self) -> ActorId {
        self.id.actor()
    }

    pub fn nick(&self) -> &Nick {
        self.card.nick()
    }

    pub fn random(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// A random delay in `from..to` milliseconds.
    pub fn jitter(&mut self, from: Millis, to: Millis) -> Millis {
        from + self.random() % (to - from).max(1)
    }

    pub fn new_id(&mut self) -> MsgId {
        let random = u128::from(self.random()) << 64 | u128::from(self.random());
        self.last_id = MsgId::generate(self.now.wall, random, self.last_id);
        self.last_id
    }

    /// Stores our last id. Others remember our ids, so new ones must be larger even after a crash
    /// or when the clock has stepped back.
    pub fn keep_last_id(&mut self) {
        if self.last_id > self.kept_id {
            self.kept_id = self.last_id;
            let id = self.last_id;
            self.put(Table::Setting, "last-id", &id);
        }
    }

    pub fn ts(&self) -> String {
        format_ts(self.now.wall)
    }

    fn request_id(&mut self, waiting: PendingOp) -> RequestId {
        self.request_ids += 1;
        let request_id = RequestId(self.request_ids);
        self.sent_by(waiting.origin());
        self.waiting.insert(request_id, waiting);
        request_id
    }

    /// A topic of a mailbox, with the partition for the key.
    pub fn topic(&self, address: &Address, name: &str, key: &[u8]) -> Topic {
        Topic {
            cluster: address.cluster.clone(),
            name: name.to_owned(),
            partition: partition_of(key, self.cfg.home.partitions),
        }
    }

    /// The partition of a grid that holds a channel's log.
    pub fn log_topic(home: &super::config::Home, wire: &str) -> Topic {
        Topic {
            cluster: home.cluster.clone(),
            name: home.log_of(wire),
            partition: partition_of(wire.as_bytes(), home.partitions),
        }
    }

    /// Creates a missing topic.
    pub fn create_topic(&mut self, topic: &Topic, waiting: PendingOp) {
        let request_id = self.request_id(waiting);
        let (topic, partitions) = (topic.clone(), self.cfg.home.partitions);
        self.out.push(Effect::Create { request_id, topic, partitions });
    }

    /// Stops reading a partition.
    pub fn stop_reading(&mut self, topic: &Topic) {
        if self.readers.remove(topic).is_some() {
            self.out.push(Effect::StopRead { topic: topic.clone() });
        }
    }

    pub fn append(&mut self, topic: Topic, key: &[u8], value: Vec<u8>, waiting: PendingOp) -> RequestId {
        let request_id = self.request_id(waiting);
        self.out.push(Effect::Append { request_id, topic, key: key.to_vec(), value, early: false });
        request_id
    }

    /// Appends an act, possibly before the store commits its copy. If that copy is lost, the log
    /// shows who the author was, and the author's next act with the same count is refused as a
    /// repeat and restamped.
    pub fn append_early(
        &mut self,
        topic: Topic,
        key: &[u8],
        value: Vec<u8>,
        waiting: PendingOp,
    ) -> RequestId {
        let request_id = self.request_id(waiting);
        self.out.push(Effect::Append { request_id, topic, key: key.to_vec(), value, early: true });
        request_id
    }

    /// Appends a record to a node's `rpc-in`.
    pub fn append_rpc(&mut self, to: &Card, value: Vec<u8>, waiting: PendingOp) -> RequestId {
        let key = self.me().to_string();
        let topic = self.topic(to.address(), &to.address().rpc_in, key.as_bytes());
        self.append(topic, key.as_bytes(), value, waiting)
    }

    pub fn signal(&mut self, op: SignalOp, waiting: PendingOp) {
        let grid = self.cfg.home.cluster.clone();
        self.signal_on(&grid, op, waiting);
    }

    /// Sends a request to the signal service of a grid.
    pub fn signal_on(&mut self, grid: &str, op: SignalOp, waiting: PendingOp) {
        let request_id = self.request_id(waiting);
        self.out.push(Effect::Signal { grid: grid.to_owned(), request_id, op });
    }

    /// Sends a signal to a grid and ignores the answer.
    pub fn hint_on(&mut self, grid: &str, op: SignalOp) {
        self.signal_on(grid, op, PendingOp::Nothing);
    }

    /// Requests a route to the user's own grid for a new contact.
    pub fn grant(&mut self, name: String, waiting: PendingOp) {
        let request_id = self.request_id(waiting);
        self.out.push(Effect::Grant { request_id, name });
    }

    /// Revokes the access granted under a name.
    pub fn revoke(&mut self, name: String) {
        let request_id = self.request_id(PendingOp::Revoked(name.clone()));
        self.out.push(Effect::Revoke { request_id, name });
    }

    /// Sends a signal to the home grid and ignores the answer.
    pub fn hint(&mut self, op: SignalOp) {
        self.signal(op, PendingOp::Nothing);
    }

    pub fn query(&mut self, query: Query, waiting: PendingOp) {
        let request_id = self.request_id(waiting);
        self.out.push(Effect::Query { request_id, query });
    }

    pub fn end_of(&mut self, topic: Topic, waiting: PendingOp) {
        let request_id = self.request_id(waiting);
        self.out.push(Effect::End { request_id, topic });
    }

    pub fn store(&mut self, op: StoreOp) {
        self.out.push(Effect::Store(op));
    }

    /// Stores a value as JSON.
    pub fn put<T: Serialize>(&mut self, table: Table, key: impl Into<String>, value: &T) {
        let value = serde_json::to_vec(value).unwrap_or_default();
        self.store(StoreOp::Put { table, key: key.into(), value });
    }

    /// Stores a value as JSON, sealed under the profile's key.
    pub fn put_sealed<T: Serialize>(&mut self, table: Table, key: impl Into<String>, value: &T) {
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(value).unwrap_or_default());
        let value = self.id.seal_local(&plain);
        self.store(StoreOp::Put { table, key: key.into(), value });
    }

    /// Reads a partition from an offset on, unless an existing reader will reach that offset
    /// anyway.
    pub fn read_from(&mut self, topic: &Topic, from: Offset) {
        let reader = self.readers.get(topic);
        if reader.is_some_and(|r| r.next <= from && !r.moving) {
            return;
        }
        let from = reader.filter(|r| r.moving).map_or(from, |r| r.next.min(from));
        self.move_reader(topic, ReadFrom::At(from));
    }

    pub fn move_reader(&mut self, topic: &Topic, from: ReadFrom) {
        let reader = self.readers.entry(topic.clone()).or_default();
        reader.moving = true;
        reader.next = match from {
            ReadFrom::At(offset) => offset,
            ReadFrom::End => Offset::MAX,
        };
        self.out.push(Effect::Read { topic: topic.clone(), from });
    }

    pub fn deliver(&mut self, session: SessionId, envelope: Envelope) {
        if self.sessions.contains_key(&session) {
            self.out.push(Effect::Deliver { session, envelope });
        }
    }

    /// Sends an envelope to all sessions; the one that caused it gets its label back.
    pub fn broadcast(&mut self, envelope: &Envelope, origin: Option<&Origin>) {
        let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
        for session in sessions {
            let mut envelope = envelope.clone();
            if let Some(origin) = origin.filter(|o| o.session == session)
                && let Some(label) = &origin.label
            {
                envelope.meta.insert("label".into(), label.clone());
            }
            self.deliver(session, envelope);
        }
    }

    /// Sends an envelope to all sessions with a capability.
    pub fn broadcast_cap(&mut self, cap: &str, envelope: &Envelope) {
        let sessions: Vec<SessionId> =
            self.sessions.iter().filter(|(_, s)| s.has(cap)).map(|(id, _)| *id).collect();
        for session in sessions {
            self.deliver(session, envelope.clone());
        }
    }

    pub fn reply(&mut self, origin: &Origin, mut envelope: Envelope) {
        if let Some(label) = &origin.label {
            envelope.meta.insert("label".into(), label.clone());
        }
        self.deliver(origin.session, envelope);
    }

    /// Replies with a numeric, with the session's nick in `to`.
    pub fn numeric(&mut self, origin: &Origin, numeric: Numeric, params: &[&str], text: &str) {
        let nick = self.nick().as_str().to_owned();
        self.reply(origin, crate::numeric::reply(numeric, &nick, params, text));
    }

    pub fn error(&mut self, origin: &Origin, text: impl Into<String>) {
        self.reply(origin, Envelope::new("ERROR").line(text));
    }

    /// Sends an alarm to all sessions.
    pub fn alarm(&mut self, about: &str, kind: &str, text: impl Into<String>) {
        let envelope = Envelope::new("ALARM").to(about).param(kind).line(text);
        self.broadcast(&envelope, None);
    }

    /// Refuses a session's message before the node accepts it. If the session gave it an id, other
    /// sessions learn that it failed.
    pub fn never_taken_in(&mut self, origin: &Origin, to: &str, id: Option<MsgId>, refusal: &Refusal) {
        let mut no = refusal.to_envelope(self.nick().as_str());
        if let Some(id) = id {
            no.meta.insert("id".into(), serde_json::json!(id));
            let state = Envelope::new("STATE").to(to).param("failed").line(refusal.text.clone());
            self.broadcast_cap("state", &Envelope { id: Some(id.to_string()), ..state });
        }
        self.reply(origin, no);
    }

    /// Refuses a message because too many already wait for that target.
    pub fn too_many(&mut self, origin: &Origin, to: &str, id: Option<MsgId>) {
        let waiting = crate::limits::WAITING;
        let text = format!("{waiting} messages to {to} wait to be sent: say it again when they are out");
        let refusal = Refusal::new(numeric::ERR_CANNOTSENDTOCHAN, &[to], &text);
        self.never_taken_in(origin, to, id, &refusal);
    }

    pub fn service_up(&self, service: Service) -> bool {
        self.services.get(&service).is_none_or(|s| s.up)
    }

    /// Counts one more unsettled message of this session.
    pub fn sent_by(&mut self, origin: Option<&Origin>) {
        if let Some(session) = origin.and_then(|o| self.sessions.get_mut(&o.session)) {
            session.unsettled += 1;
        }
    }

    /// Counts one of this session's messages as settled or refused.
    pub fn settled_by(&mut self, origin: Option<&Origin>) {
        let Some(origin) = origin else { return };
        let Some(session) = self.sessions.get_mut(&origin.session) else {
            return;
        };
        session.unsettled = session.unsettled.saturating_sub(1);
        if session.unsettled == 0
            && let Some(flush) = session.flush.take()
        {
            self.reply(&flush, Envelope::new("FLUSH"));
        }
    }

    /// A short form of a hash for comparing heads.
    pub fn short(hash: &Hash) -> String {
        let text = hash.to_string();
        text.chars().take(16).collect()
    }
}
