//! Other grids: the routes to their services, the source of each route, and which grids have
//! signals.
//!
//! It stores the routes and passes them to the program, which opens the connections. It opens
//! nothing itself and reads from a route only the name of the grid's log and the services it lists.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::config::Home;
use super::ctx::Ctx;
use crate::ids::ActorId;
use crate::port::{Effect, SignalOp, Table};

/// Maximum bytes of a route to a grid.
const WAY: usize = 32 * 1024;
/// Maximum number of grids that a node knows.
const GRIDS: usize = 256;

/// A route to a grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Grid {
    /// The source of the route.
    by: ActorId,
    /// It came in an invite, from the owner of the grid.
    owned: bool,
    /// What the program needs: `kafka`, perhaps `valkey`, `log`.
    way: Map<String, Value>,
    /// The route that a member shared in a channel, for all its members: it may be passed on. A
    /// route from an invite is for this node alone.
    #[serde(default)]
    shared: Option<Value>,
}

/// The known grids, by the cluster's id.
pub(crate) type Grids = BTreeMap<String, Grid>;

impl Ctx {
    /// Whether this node can append records on a cluster.
    pub fn reaches(&self, cluster: &str) -> bool {
        cluster == self.cfg.home.cluster || self.grids.contains_key(cluster)
    }

    /// The grid of this cluster as a home for channels, if its log and its signals are known.
    pub fn place(&self, cluster: &str) -> Option<Home> {
        if cluster == self.cfg.home.cluster {
            return Some(self.cfg.home.clone());
        }
        let grid = self.grids.get(cluster).filter(|g| g.way.contains_key("valkey"))?;
        let log = grid.way.get("log")?.as_str()?.to_owned();
        Some(Home { cluster: cluster.to_owned(), log, partitions: self.cfg.home.partitions })
    }

    /// All grids that have signals, the user's own first.
    pub fn signal_grids(&self) -> Vec<String> {
        let others = self.grids.iter().filter(|(_, g)| g.way.contains_key("valkey")).map(|(c, _)| c.clone());
        std::iter::once(self.cfg.home.cluster.clone()).chain(others).collect()
    }

    /// Sends a hint to the signal services of all grids.
    pub fn hint_all(&mut self, op: &SignalOp) {
        for grid in self.signal_grids() {
            self.hint_on(&grid, op.clone());
        }
    }

    /// Learns a route to a grid. The owner's route takes precedence over others, and the first
    /// source over later ones: a member can't divert another member's records.
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

    /// Tells the program all known routes.
    pub fn tell_grids(&mut self) {
        let known: Vec<_> =
            self.grids.iter().map(|(c, g)| (c.clone(), Value::Object(g.way.clone()))).collect();
        for (cluster, way) in known {
            self.out.push(Effect::Reach { cluster, way });
        }
    }

    /// The route to a cluster that this node may pass on: to its own mailbox, or the one that a
    /// member shared for its own.
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

/// Reads the stored form.
pub(super) fn restore(plain: &[u8]) -> Option<Grid> {
    serde_json::from_slice(plain).ok()
}
