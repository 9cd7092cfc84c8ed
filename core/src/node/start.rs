//! Start and shutdown of a node: from the store to readers and subscriptions, and an orderly exit.

use super::*;
use crate::identity::Card;
use crate::ids::MsgId;
use crate::names::ChannelName;
use crate::port::{SignalOp, Table};

use super::awake::Awake;
use super::channel::replica::store;
use super::channel::{Out, OutKind};
use super::channels::Channels;
use super::contacts::{Contact, Contacts};
use super::direct;

/// How long a node that shuts down waits for its goodbyes, ms.
const GOODBYE: Millis = 1_500;

impl Node {
    /// Restores a node from its store. `seed` initialises its random numbers.
    pub fn restore(
        config: Config,
        identity: Identity,
        snapshot: &Snapshot,
        seed: [u8; 32],
        now: Now,
    ) -> Result<Self, NodeError> {
        let values = &snapshot.values;
        let broken = |e: String| NodeError::Store(e);
        let open = |v: &[u8]| identity.open_local(v).map_err(|e| broken(e.to_string()));
        let mut contacts = Contacts::default();
        let mut kept_logs = BTreeMap::new();
        for ((_, key), value) in of(values, Table::Contact) {
            let plain = open(value)?;
            let contact: Contact =
                serde_json::from_slice(&plain).map_err(|e| broken(format!("contact {key}: {e}")))?;
            contacts.keep(contact);
        }
        for ((_, key), value) in of(values, Table::Setting) {
            if let (Some(name), Ok(id)) =
                (key.strip_prefix("known/"), serde_json::from_slice::<String>(value))
            {
                contacts.know_channel(name, &id);
            }
            if let (Some(id), Ok(kept)) = (key.strip_prefix("kept/"), serde_json::from_slice(value)) {
                kept_logs.insert(id.to_owned(), kept);
            }
        }
        let mut grids = grids::Grids::new();
        for ((_, key), value) in of(values, Table::Credential) {
            if let (Some(cluster), Some(grid)) = (key.strip_prefix("grid/"), grids::restore(&open(value)?)) {
                grids.insert(cluster.to_owned(), grid);
            }
        }
        let profile = profile::Profile::restore(values, &identity);
        let nick = profile::Chosen::restore(values, &config.nick);
        let rev = profile.card_rev(now.wall, &nick, &config.address);
        let card = Card::create(&identity, &nick, &config.address, profile.public(), rev);
        let mut cx = Ctx {
            card,
            rng: rng(seed),
            now,
            out: Vec::new(),
            late: Vec::new(),
            request_ids: 0,
            waiting: BTreeMap::new(),
            sessions: BTreeMap::new(),
            last_id: values
                .get(&(Table::Setting, "last-id".into()))
                .and_then(|v| serde_json::from_slice(v).ok())
                .unwrap_or_default(),
            kept_id: MsgId::default(),
            kept_logs,
            services: BTreeMap::new(),
            traffic: None,
            room: None,
            readers: BTreeMap::new(),
            contacts,
            grids,
            refused: refused::Refused::default(),
            after_join: Vec::new(),
            looked_at: None,
            double: double::Double::default(),
            status_dirty: false,
            stopping: false,
            id: identity,
            cfg: config,
        };
        let mut channels = BTreeMap::new();
        for ((_, key), _) in of(values, Table::Channel).filter(|((_, key), _)| store::is_state(key)) {
            let state = store::restore_state(&cx, key, values).map_err(broken)?;
            let channel = Channel::restore(&cx, key, state, values).map_err(broken)?;
            channels.insert(channel.key.clone(), channel);
        }
        let mut directs = BTreeMap::new();
        let keys: Vec<(String, Vec<u8>)> = of(values, Table::Key)
            .filter(|((_, k), _)| k.starts_with('@'))
            .map(|((_, k), v)| (k.clone(), v.clone()))
            .collect();
        for ((_, key), value) in of(values, Table::Direct) {
            let peer = ActorId::parse(key).map_err(|e| broken(e.to_string()))?;
            let mut direct = Direct::restore(&cx, &peer, value, &keys).map_err(broken)?;
            direct.restore_sent(&cx, &peer, values).map_err(broken)?;
            directs.insert(peer, direct);
        }
        for channel in channels.values() {
            if let Some(replica) = &channel.replica {
                for card in replica.state.actors.values() {
                    let _ = cx.contacts.meet(card);
                }
                cx.last_id = cx.last_id.max(crate::log::last_id(&replica.state, &cx.me().owner()));
            }
        }
        for row in &snapshot.outbox {
            let id = MsgId::parse(&row.id).map_err(|e| broken(e.to_string()))?;
            cx.last_id = cx.last_id.max(id);
            let plain = cx.id.open_local(&row.sealed).map_err(|e| broken(e.to_string()))?;
            let template: Envelope = serde_json::from_slice(&plain).map_err(|e| broken(e.to_string()))?;
            if let Some(peer) = row.target.strip_prefix('@').and_then(|a| ActorId::parse(a).ok()) {
                directs.entry(peer).or_default().restore_out(id, template);
            } else if let Some(channel) = channels.get_mut(&row.target) {
                let (kind, after) = (OutKind::Kept, Vec::new());
                let out = Out { id, template, origin: None, kind, sent: None, signed: None, after };
                channel.outbox.push_back(out);
            }
        }
        let away = values.get(&(Table::Setting, "away".into())).and_then(|v| {
            let plain = cx.id.open_local(v).ok();
            // Earlier releases kept it unsealed.
            serde_json::from_slice(plain.as_deref().unwrap_or(v)).ok()
        });
        let invites = invites::Invites::restore(values, &cx.id);
        let endings = revocation::restore(values, &cx.id, now.mono);
        let other_home = home::other(values, &cx.cfg.home.cluster);
        Ok(Self {
            cx,
            channels: Channels::new(channels),
            directs: Awake::new(directs),
            listings: BTreeMap::new(),
            away,
            invites,
            endings,
            profile,
            positions: BTreeMap::new(),
            read: inbox::Read::default(),
            other_home,
            caught_up: false,
            people_at: now.mono,
            status_at: now.mono,
            stop_by: None,
            stopped: false,
        }
        .with_positions(values))
    }

    fn with_positions(mut self, values: &BTreeMap<(Table, String), Vec<u8>>) -> Self {
        for ((_, key), value) in of(values, Table::Position) {
            let Some((name, partition)) = key.rsplit_once('/') else {
                continue;
            };
            let (Ok(partition), Ok(row)) =
                (partition.parse(), serde_json::from_slice::<inbox::Position>(value))
            else {
                continue;
            };
            let topic = Topic { cluster: self.cx.cfg.home.cluster.clone(), name: name.to_owned(), partition };
            let reader = self.cx.readers.entry(topic).or_default();
            reader.next = row.next.parse().unwrap_or(0);
            self.positions.insert(key.clone(), row.incarnation);
        }
        self
    }

    pub(super) fn start(&mut self) {
        self.begin_at_home();
        self.keep_card();
        self.cx.tell_grids();
        for grid in self.cx.signal_grids() {
            self.subscribe(&grid);
        }
        let count = self.cx.cfg.home.partitions;
        let address = self.cx.card.address().clone();
        for name in [&address.data_in, &address.rpc_in] {
            for topic in partitions(&address.cluster, name, count) {
                let next = self.cx.readers.get(&topic).map_or(0, |r| r.next);
                self.cx.move_reader(&topic, ReadFrom::At(next));
            }
        }
        let mut logs: BTreeMap<Topic, Offset> = BTreeMap::new();
        for channel in self.channels.values_mut() {
            let next = logs.entry(channel.log.clone()).or_insert(channel.next);
            *next = channel.next.min(*next);
            channel.catch_up_end = Some(Offset::MAX);
        }
        let each = self.cx.cfg.home.has_topic_each();
        for (topic, next) in logs {
            if each && topic.cluster == self.cx.cfg.home.cluster {
                // The service may have lost it meanwhile. Until it is there its reader waits.
                self.cx.create_topic(&topic, PendingOp::Nothing);
            }
            self.cx.move_reader(&topic, ReadFrom::At(next));
        }
        self.tell_way();
        let peers: Vec<ActorId> = self.directs.keys().copied().collect();
        for peer in peers {
            self.pump_direct(&peer);
        }
        self.cx.say_presence(self.away.as_deref(), true);
        self.cx.status_dirty = true;
    }

    pub(super) fn subscribe(&mut self, grid: &str) {
        self.cx.hint_on(grid, SignalOp::Subscribe { channel: "presence".into() });
        let own = format!("direct:{}", self.cx.me());
        self.cx.hint_on(grid, SignalOp::Subscribe { channel: own });
        for channel in self.channels.values().filter(|c| c.grid == grid) {
            let events = channel::events(&channel.wire);
            self.cx.hint_on(grid, SignalOp::Subscribe { channel: events });
        }
    }

    pub(super) fn shutdown(&mut self) {
        if self.cx.stopping {
            return;
        }
        self.cx.stopping = true;
        self.stop_by = Some(self.cx.now.mono + GOODBYE);
        for channel in self.channels.values_mut() {
            if channel.lead.as_ref().is_some_and(channel::Leader::active) {
                channel.resign(&mut self.cx, false);
            }
        }
        self.cx.say_goodbye();
    }

    /// Completes the shutdown if the goodbyes are in the log or the time is up.
    pub(super) fn check_stopped(&mut self) {
        if !self.cx.stopping || self.stopped {
            return;
        }
        let late = self.stop_by.is_some_and(|at| self.cx.now.mono >= at);
        let waiting = self.cx.waiting.values().any(|w| matches!(w, PendingOp::Relay(_)));
        if late || !waiting {
            self.stopped = true;
            self.stop_by = None;
            self.cx.out.push(Effect::Stopped);
        }
    }

    /// The channel with this name, if the node is in it or is joining it.
    pub(super) fn channel(&mut self, name: &str) -> Option<(&mut Channel, &mut Ctx)> {
        let key = ChannelName::parse(name).ok()?.folded();
        Some((self.channels.get_mut(&key)?, &mut self.cx))
    }
}

type Values = BTreeMap<(Table, String), Vec<u8>>;

/// All entries of one table.
pub(super) fn of(values: &Values, table: Table) -> impl Iterator<Item = (&(Table, String), &Vec<u8>)> {
    values.range((table, String::new())..).take_while(move |((t, _), _)| *t == table)
}

pub(super) fn direct_target(peer: &ActorId) -> String {
    direct::target(peer)
}
