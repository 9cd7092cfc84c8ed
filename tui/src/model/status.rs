//! What the node reports about itself.
//!
//! Owns: parsing a STATUS body. Must not: trust its texts (they are sanitised here).
use std::collections::BTreeMap;

use kirc_core::Envelope;
use serde_json::Value;

use crate::names::fold;
use crate::text::{clean, clean_name};
use crate::when::{self, Millis};

/// The node's state.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct NodeStatus {
    /// Whether the node has said anything yet.
    pub heard: bool,
    /// One's own away text.
    pub away: Option<String>,
    /// One's own fingerprint.
    pub fingerprint: String,
    /// Mailbox, signals, store.
    pub services: BTreeMap<String, Service>,
    /// By folded name.
    pub channels: BTreeMap<String, Channel>,
    /// Messages in the outbox.
    pub outbox: u64,
    /// What is in use of the budget, if there is one.
    pub traffic: Option<Traffic>,
    /// What the store keeps.
    pub room: Option<Room>,
}

/// Percent of the budget of bytes a second, over the last minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Of what may be written.
    pub written: u64,
    /// Of what may be read.
    pub read: u64,
}

/// What the store keeps, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What is kept.
    pub used: u64,
    /// What may be, if there is a limit.
    pub limit: Option<u64>,
}

/// A service.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Service {
    /// Reachable.
    pub up: bool,
    /// Why not.
    pub reason: String,
    /// Since when not, ms since 1970.
    pub since: Option<Millis>,
}

/// A channel, as the node sees it.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Channel {
    /// `joined`, `leaderless`, …
    pub phase: String,
    /// Who leads.
    pub leader: String,
    /// Whether this node leads.
    pub leading: bool,
    /// The term.
    pub term: u64,
    /// The epoch.
    pub epoch: u64,
    /// Messages that wait.
    pub waiting: u64,
    /// What is waited for.
    pub why: String,
}

impl NodeStatus {
    /// Reads a STATUS. What it does not name stays as it was.
    pub fn read(&mut self, envelope: &Envelope) -> Option<String> {
        self.heard = true;
        let mut nick = None;
        if let Some(node) = envelope.get("node") {
            nick = text(node, "nick").filter(|n| !n.is_empty());
            self.away = text(node, "away");
            if let Some(fingerprint) = text(node, "fingerprint") {
                self.fingerprint = fingerprint;
            }
        }
        if let Some(services) = envelope.get("services").and_then(Value::as_object) {
            let of = |service: &str, name: &str| services.get(service).and_then(|s| s.get(name));
            self.traffic = of("mailbox", "traffic").and_then(traffic);
            self.room = of("store", "room").map(|room| Room {
                used: number(room, "used"),
                limit: room.get("limit").and_then(Value::as_u64),
            });
            self.services = services
                .iter()
                .map(|(name, s)| {
                    (
                        clean_name(name),
                        Service {
                            up: flag(s, "up"),
                            reason: text(s, "reason").unwrap_or_default(),
                            since: s.get("since").and_then(Value::as_str).and_then(when::parse),
                        },
                    )
                })
                .collect();
        }
        if let Some(channels) = envelope.get("channels").and_then(Value::as_object) {
            self.channels = channels.iter().map(|(name, c)| (fold(name), channel(c))).collect();
        }
        if let Some(outbox) = envelope.get("outbox").and_then(Value::as_u64) {
            self.outbox = outbox;
        }
        nick.map(|n| clean_name(&n))
    }

    /// A channel's state.
    pub fn channel(&self, name: &str) -> Option<&Channel> {
        self.channels.get(&fold(name))
    }

    /// Whether what is sent waits for the budget of bytes a second.
    pub fn is_paced(&self) -> bool {
        self.services.values().any(|s| s.up && s.reason.contains("budget"))
    }

    /// Services that are down.
    pub fn down(&self) -> impl Iterator<Item = (&str, &Service)> {
        self.services.iter().filter(|(_, s)| !s.up).map(|(name, s)| (name.as_str(), s))
    }
}

fn traffic(value: &Value) -> Option<Traffic> {
    let budget = value.get("budget").and_then(Value::as_u64).filter(|b| *b > 0)?;
    let share = |name: &str| number(value, name).saturating_mul(100).div_ceil(budget);
    Some(Traffic { written: share("written"), read: share("read") })
}

fn channel(value: &Value) -> Channel {
    Channel {
        phase: text(value, "phase").unwrap_or_default(),
        leader: text(value, "leader").unwrap_or_default(),
        leading: flag(value, "leading"),
        term: number(value, "term"),
        epoch: number(value, "epoch"),
        waiting: number(value, "waiting"),
        why: text(value, "why").unwrap_or_default(),
    }
}

fn text(value: &Value, field: &str) -> Option<String> {
    value.get(field).and_then(Value::as_str).map(clean)
}

fn flag(value: &Value, field: &str) -> bool {
    value.get(field).and_then(Value::as_bool).unwrap_or(false)
}

fn number(value: &Value, field: &str) -> u64 {
    value.get(field).and_then(Value::as_u64).unwrap_or(0)
}
