//! A channel as one member sees it: the replica, the keys, its own acts, and the roles it may have.
//!
//! | module | what it does |
//! | --- | --- |
//! | `replica` | applies the log's records, and stores them |
//! | `member` | sends this member's acts, answers its commands, shows the channel to its sessions |
//! | `leader` | gives acts their place in the log, admits joiners, starts epochs |
//! | `election` | makes sure that somebody leads |
//! | `join` | finds the channel, asks to be admitted, or founds it |
//! | `keys` | distributes channel keys |
//! | `recovery` | fetches missing records; restarts a log that was lost |
//! | `local` | keeps what a member says alone |

mod election;
mod join;
mod keys;
mod leader;
mod local;
mod member;
mod recovery;
pub(super) mod replica;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::config::Home;
use super::ctx::Ctx;
use super::mark::Mark;
use super::pending::PendingOp;
use crate::channel::ChannelState;
use crate::crypto::ChannelKey;
use crate::ids::{ActorId, Epoch, Hash, Millis, Offset, Seq};
use crate::keys::{EpochInfo, EpochKey, KeyRing};
use crate::log::Fold;
use crate::names::ChannelName;
pub(crate) use crate::node::channel::election::{Election, events, status_key};
pub(crate) use crate::node::channel::join::Join;
pub(crate) use crate::node::channel::leader::Leader;
pub(crate) use crate::node::channel::leader::join_request::JoinRequest;
pub(crate) use crate::node::channel::member::command::{cut, fit, given_id};
pub(crate) use crate::node::channel::member::outbox::{Out, OutKind};
pub(crate) use crate::node::channel::recovery::fetch::{on_fetch_left, on_fetched};
use crate::port::{SignalOp, StoreOp, Table, Topic};

/// How far a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// On the way in.
    Joining,
    /// In.
    Joined,
    /// Out: to be forgotten.
    Left,
}

/// What every member has alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Replica {
    pub fold: Fold,
    pub state: ChannelState,
}

pub(crate) struct Channel {
    /// What people here call it: `#name`, or `#name@contact`.
    pub name: ChannelName,
    /// The same, folded: its name in the store.
    pub key: String,
    /// Its name on its own grid, as records say it.
    pub room: ChannelName,
    /// The same, folded: the key of its records, and its part in the names of signals.
    pub wire: String,
    /// The grid that it is on: a cluster's id.
    pub grid: String,
    pub log: Topic,
    /// Nobody else's log is in that topic: it may have to be made.
    pub own_topic: bool,
    pub phase: Phase,
    pub replica: Option<Replica>,
    pub ring: KeyRing,
    /// The next offset of the log that counts here.
    pub next: Offset,
    /// The life of the log in which `next` is a place.
    pub incarnation: Option<String>,
    awaiting_key: replica::awaiting_key::AwaitingKey,
    /// Since when (monotonic) a key is missing, and when to ask for it.
    pub key_wanted: Option<Millis>,
    pub key_asked: u32,
    handed: keys::held::Handed,
    /// Up to here the log is the past.
    pub catch_up_end: Option<Offset>,
    pub join: Option<Join>,
    pub lead: Option<Leader>,
    pub elect: Election,
    pub outbox: VecDeque<Out>,
    /// When to send again what waits.
    pub retry: Option<Millis>,
    /// How long a message usually takes, ms.
    pub latency_estimate: Millis,
    /// Recent heads, to compare with what others saw.
    pub heads: BTreeMap<Seq, Hash>,
    /// How many records of the log were kept.
    pub kept: u64,
    refusals: leader::nak::Refusals,
    /// The leader finds our clock wrong: until then (monotonic) nothing is sent.
    pub clock_wait: Option<Millis>,
    /// The log began a new life, or was cut, behind what we have: records may be missing.
    pub lost: bool,
    pub gap: Option<recovery::fetch::Gap>,
    /// The log began a new life, and nothing of it has counted yet.
    pub anew: bool,
    /// The place of a claim in it that stands on what nobody has.
    pub distrusted: Option<Offset>,
    /// The log before it, as far as it is known here.
    pub late: Option<recovery::backfill::Backfill>,
    /// A fork was noticed and told.
    pub fork_told: bool,
    /// When somebody was last seen typing to whom we told it.
    pub typing_sent: Option<Millis>,
    /// How far it is read here.
    pub mark: Mark,
}

/// What the store keeps of a channel's place in the log.
#[derive(Serialize, Deserialize)]
struct HeadRow {
    fold: Fold,
    next: String,
    incarnation: Option<String>,
    kept: u64,
    #[serde(default)]
    lost: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    anew: bool,
    #[serde(default)]
    mark: Mark,
    /// What people here call it, and its grid, if that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    abroad: Option<(ChannelName, String, String)>,
}

/// Read only; it is written from borrowed parts, so that no further copy of the key is made.
#[derive(Deserialize)]
struct KeyRow {
    info: EpochInfo,
    key: Option<[u8; 32]>,
}

impl Channel {
    pub fn new(home: &Home, name: ChannelName) -> Self {
        let key = name.folded();
        // Without its contact it is still a name: that was checked when the whole was.
        let room = ChannelName::parse(name.local()).unwrap_or_else(|_| name.clone());
        let wire = room.folded();
        Self {
            log: Ctx::log_topic(home, &wire),
            own_topic: home.has_topic_each(),
            grid: home.cluster.clone(),
            name,
            key,
            room,
            wire,
            phase: Phase::Joining,
            replica: None,
            ring: KeyRing::default(),
            next: 0,
            incarnation: None,
            awaiting_key: replica::awaiting_key::AwaitingKey::default(),
            key_wanted: None,
            key_asked: 0,
            handed: keys::held::Handed::default(),
            catch_up_end: None,
            join: None,
            lead: None,
            elect: Election::default(),
            outbox: VecDeque::new(),
            retry: None,
            latency_estimate: 0,
            heads: BTreeMap::new(),
            kept: 0,
            refusals: leader::nak::Refusals::default(),
            clock_wait: None,
            lost: false,
            gap: None,
            anew: false,
            distrusted: None,
            late: None,
            fork_told: false,
            typing_sent: None,
            mark: Mark::default(),
        }
    }

    /// A channel that one was in when the node ended.
    pub fn restore(
        cx: &Ctx,
        key: &str,
        state: ChannelState,
        values: &BTreeMap<(Table, String), Vec<u8>>,
    ) -> Result<Self, String> {
        let missing = || format!("the place in the log of {key}");
        let head = values.get(&(Table::Head, key.to_owned())).ok_or_else(missing)?;
        let mut head: HeadRow = serde_json::from_slice(head).map_err(|e| e.to_string())?;
        head.fold.settle_keys();
        let mut channel = match &head.abroad {
            None => Self::new(&cx.cfg.home, state.name.clone()),
            Some((name, cluster, log)) => {
                let partitions = cx.cfg.home.partitions;
                let home = Home { cluster: cluster.clone(), log: log.clone(), partitions };
                Self::new(&home, name.clone())
            }
        };
        channel.next = head.next.parse().map_err(|_| missing())?;
        channel.incarnation = head.incarnation;
        channel.kept = head.kept;
        channel.lost = head.lost;
        channel.anew = head.anew;
        channel.mark = head.mark;
        channel.late = recovery::backfill::Backfill::restore(&cx.id, values, &head.fold.channel)
            .map_err(|e| format!("the former log of {key}: {e}"))?;
        let prefix = format!("{}/", head.fold.channel);
        for ((table, name), value) in values.range((Table::Key, prefix.clone())..) {
            if *table != Table::Key || !name.starts_with(&prefix) {
                break;
            }
            channel.restore_key(cx, &name[prefix.len()..], value)?;
        }
        channel.heads.insert(head.fold.seq, head.fold.head);
        channel.replica = Some(Replica { fold: head.fold, state });
        channel.phase = Phase::Joined;
        Ok(channel)
    }

    fn restore_key(&mut self, cx: &Ctx, name: &str, value: &[u8]) -> Result<(), String> {
        let plain = cx.id.open_local(value).map_err(|e| format!("a key of {}: {e}", self.name))?;
        if let Some(kid) = name.strip_prefix("staged/") {
            let bytes: [u8; 32] = plain.try_into().map_err(|_| "a key of the wrong size".to_owned())?;
            let kid = crate::ids::KeyId::parse(kid).map_err(|e| e.to_string())?;
            self.ring.stage(kid, ChannelKey::from_bytes(bytes));
            return Ok(());
        }
        let row: KeyRow = serde_json::from_slice(&plain).map_err(|e| e.to_string())?;
        // Earlier versions named a row by its epoch alone.
        let (epoch, _) = name.split_once('/').unwrap_or((name, ""));
        let epoch = epoch.parse().map_err(|_| format!("an epoch of {}", self.name))?;
        self.ring.restore(Epoch(epoch), row.info, row.key.map(ChannelKey::from_bytes));
        Ok(())
    }

    /// Asks the signals of the channel's grid.
    pub fn signal(&self, cx: &mut Ctx, op: SignalOp, waiting: PendingOp) {
        cx.signal_on(&self.grid, op, waiting);
    }

    /// A signal to the channel's grid whose answer does not matter.
    pub fn hint(&self, cx: &mut Ctx, op: SignalOp) {
        cx.hint_on(&self.grid, op);
    }

    pub fn me_in(&self, me: &ActorId) -> bool {
        self.replica.as_ref().is_some_and(|r| r.state.actors.contains_key(me))
    }

    /// Whether this node leads the channel, as far as it has read.
    pub fn leading(&self) -> bool {
        self.lead.is_some()
    }

    /// What stands for the conversation in the store: the identity, so that two channels of one
    /// name never mix.
    pub fn target(&self) -> String {
        self.replica.as_ref().map_or_else(|| self.key.clone(), |r| r.fold.channel.to_string())
    }

    /// The store's name of a key.
    fn key_row(&self, replica: &Replica, (epoch, kid): EpochKey) -> String {
        format!("{}/{:012}/{kid}", replica.fold.channel, epoch.0)
    }

    /// Keeps what the log says of an epoch, with its key if it is here.
    pub fn store_epoch(&self, cx: &mut Ctx, name: EpochKey) {
        let (Some(replica), Some(info)) = (&self.replica, self.ring.info(name)) else {
            return;
        };
        let row = json!({"info": info, "key": self.ring.get(name).map(ChannelKey::expose)});
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(&row).unwrap_or_default());
        let value = cx.id.seal_local(&plain);
        cx.store(StoreOp::Put { table: Table::Key, key: self.key_row(replica, name), value });
        let staged = format!("{}/staged/{}", replica.fold.channel, info.kid);
        cx.store(StoreOp::Delete { table: Table::Key, key: staged });
    }

    /// Keeps the place in the log.
    pub fn store_head(&self, cx: &mut Ctx) {
        let Some(replica) = &self.replica else { return };
        let row = HeadRow {
            fold: replica.fold.clone(),
            next: self.next.to_string(),
            incarnation: self.incarnation.clone(),
            kept: self.kept,
            lost: self.lost,
            anew: self.anew,
            mark: self.mark.kept(),
            abroad: (self.grid != cx.cfg.home.cluster)
                .then(|| (self.name.clone(), self.grid.clone(), self.log.name.clone())),
        };
        cx.put(Table::Head, self.key.clone(), &row);
    }

    /// Keeps how much of the log is kept, while there is no place in it to keep: those records stay
    /// when the channel is left, and whoever comes back goes on counting behind them.
    pub fn store_kept(&self, cx: &mut Ctx) {
        let Some(replica) = &self.replica else { return };
        let id = replica.fold.channel.to_string();
        cx.put(Table::Setting, format!("kept/{id}"), &self.kept);
        cx.kept_logs.insert(id, self.kept);
    }

    /// Goes on counting kept records where that ended.
    pub fn count_on(&mut self, cx: &Ctx) {
        let id = self.replica.as_ref().map(|r| r.fold.channel.to_string());
        let kept = id.and_then(|id| cx.kept_logs.get(&id).copied());
        self.kept = self.kept.max(kept.unwrap_or(0));
    }

    /// Forgets the channel; its history stays.
    pub fn forget(&mut self, cx: &mut Ctx) {
        self.store_kept(cx);
        if let Some(replica) = &self.replica {
            let prefix = format!("{}/", replica.fold.channel);
            cx.store(StoreOp::DeletePrefix { table: Table::Key, prefix });
        }
        self.forget_state(cx);
        let left: Vec<Out> = self.outbox.drain(..).collect();
        for out in left {
            self.fail(cx, out, "442", "you are no longer on the channel");
        }
        self.forget_backfill(cx);
        self.ring.clear();
        self.lead = None;
        self.phase = Phase::Left;
        cx.status_dirty = true;
    }

    /// From which offset on it wants to know how far its log was read.
    pub fn follows_log(&self) -> Option<Offset> {
        if self.lead.as_ref().is_some_and(Leader::follows_log) { Some(0) } else { self.catch_up_end }
    }

    /// When this channel wants a `Tick`.
    pub fn wake(&self) -> Option<Millis> {
        let times = [
            self.retry,
            self.key_wanted,
            self.handed.wake(),
            self.elect.wake(),
            self.gap.as_ref().map(|g| g.deadline),
            self.late.as_ref().and_then(recovery::backfill::Backfill::wake),
            self.join.as_ref().and_then(Join::wake),
            self.lead.as_ref().and_then(Leader::wake),
        ];
        times.into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn tick(&mut self, cx: &mut Ctx) {
        self.tick_join(cx);
        self.tick_keys(cx);
        self.tick_held(cx);
        self.tick_lead(cx);
        self.tick_elect(cx);
        self.tick_gap(cx);
        self.tick_backfill(cx);
        self.tick_outbox(cx);
    }
}
