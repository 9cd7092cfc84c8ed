//! Other grids: how their services are reached, who said so, and which of them have signals.
//!
//! It keeps what was told and hands it on to the program, which opens what is needed. It opens
//! nothing itself and reads of it only what names the grid's log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::config::Home;
use super::ctx::Ctx;
use crate::ids::ActorId;
use crate::port::{Effect, SignalOp, Table};

/// Bytes of what somebody may say of a way to a grid.
const WAY: usize = 32 * 1024;
/// Grids that a node knows at the most.
const GRIDS: usize = 256;

/// How a grid is reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Grid {
    /// Who said so.
    by: ActorId,
    /// It came in an invite, from whom the grid belongs to.
    owned: bool,
    /// What the program needs: `kafka`, perhaps `valkey`, `log`.
    way: Map<String, Value>,
    /// What was said inside a channel, and so for all its members: this may be handed on. What came
    /// in an invite is for us alone.
    #[serde(default)]
    shared: Option<Value>,
}

/// What is known of other grids, by the cluster's id.
pub(crate) type Grids = BTreeMap<String, Grid>;

impl Ctx {
    /// Whether records can be put onto a cluster.
    pub fn reaches(&self, cluster: &str) -> bool {
        cluster == self.cfg.home.cluster || self.grids.contains_key(cluster)
    }

    /// The grid of this cluster as a place for channels, if its log and its signals are known.
    pub fn place(&self, cluster: &str) -> Option<Home> {
        if cluster == self.cfg.home.cluster {
            return Some(self.cfg.home.clone());
        }
        let grid = self.grids.get(cluster).filter(|g| g.way.contains_key("valkey"))?;
        let log = grid.way.get("log")?.as_str()?.to_owned();
        Some(Home { cluster: cluster.to_owned(), log, partitions: self.cfg.home.partitions })
    }

    /// All grids that have signals, one's own first.
    pub fn signal_grids(&self) -> Vec<String> {
        let others = self.grids.iter().filter(|(_, g)| g.way.contains_key("valkey")).map(|(c, _)| c.clone());
        std::iter::once(self.cfg.home.cluster.clone()).chain(others).collect()
    }

    /// The same to the signals of every grid.
    pub fn hint_all(&mut self, op: &SignalOp) {
        for grid in self.signal_grids() {
            self.hint_on(&grid, op.clone());
        }
    }

    /// Somebody says how a grid is reached. Whom it belongs to is believed before others, and who
    /// said it first before who says it next: a member can't lead another's records astray.
    pub fn learn(&mut self, cluster: &str, by: ActorId, owned: bool, way: &Value) {
        let Some(way) = way.as_object().filter(|w| w.contains_key("kafka")) else {
            return;
        };
        if cluster == self.cfg.home.cluster || by == self.me() || way_size(way) > WAY {
            return;
        }
        if !owned && mutant!(self.cfg, DoubtWays) {
            return;
        }
        let known = self.grids.get(cluster);
        if known.is_none() && self.grids.len() >= GRIDS {
            return;
        }
        let shared = way.get("kafka").filter(|_| !owned).cloned();
        let mut new = Grid { by, owned, way: way.clone(), shared };
        if let Some(old) = known {
            let may = old.by == by || (owned && !old.owned);
            if !may {
                return;
            }
            new.shared = new.shared.or_else(|| old.shared.clone());
            if old.owned && !owned {
                // One's own user is kept: what all members share is for handing on.
                new.way.clone_from(&old.way);
            }
            new.owned |= old.owned;
            for (name, value) in &old.way {
                new.way.entry(name.clone()).or_insert_with(|| value.clone());
            }
            if new == *old {
                return;
            }
        }
        self.put_sealed(Table::Credential, format!("grid/{cluster}"), &new);
        self.out.push(Effect::Reach { cluster: cluster.to_owned(), way: Value::Object(new.way.clone()) });
        self.grids.insert(cluster.to_owned(), new);
    }

    /// Tells the program of every grid that is known.
    pub fn tell_grids(&mut self) {
        let known: Vec<_> =
            self.grids.iter().map(|(c, g)| (c.clone(), Value::Object(g.way.clone()))).collect();
        for (cluster, way) in known {
            self.out.push(Effect::Reach { cluster, way });
        }
    }

    /// How others reach a cluster, as far as we may tell: our own mailbox, or what a member said of
    /// its own.
    pub fn way_to(&self, cluster: &str) -> Option<Value> {
        if cluster == self.cfg.home.cluster {
            return self.cfg.peer_way.clone();
        }
        let kafka = self.grids.get(cluster)?.shared.as_ref()?;
        Some(serde_json::json!({ "kafka": kafka }))
    }
}

fn way_size(way: &Map<String, Value>) -> usize {
    serde_json::to_vec(way).map_or(usize::MAX, |w| w.len())
}

/// Reads what the store holds.
pub(super) fn restore(plain: &[u8]) -> Option<Grid> {
    serde_json::from_slice(plain).ok()
}
