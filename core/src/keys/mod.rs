//! The key ring of a channel: epochs, their keys, and wraps that wait for their KEY record.
//!
//! It stores and compares keys. It does not decide who leads or who is a member.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::crypto::ChannelKey;
use crate::ids::{ActorId, ChannelId, Epoch, Hash, KeyId, Term};

/// An epoch and its key. The number of an epoch alone names no key: a log that was lost twice may
/// have begun twice from the same place, for different members, and both count the same epochs.
pub type EpochKey = (Epoch, KeyId);

/// What the log says about an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochInfo {
    /// The key's name and commitment.
    pub kid: KeyId,
    /// The actors that may have it: the members at its KEY record.
    pub members: BTreeSet<ActorId>,
    /// The term that made it.
    pub term: Term,
    /// The hashes of its first wraps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wraps: Vec<Hash>,
}

/// A wrap that arrived before its KEY record, or that can't be opened yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The member that made it.
    pub from: ActorId,
    /// The epoch it names.
    pub epoch: Epoch,
    /// The wrapped key.
    pub ct: String,
}

/// The maximum number of keys that wait for their KEY records.
const OFFERS: usize = 64;

/// The keys of one channel.
#[derive(Default)]
pub struct KeyRing {
    infos: BTreeMap<EpochKey, EpochInfo>,
    keys: BTreeMap<EpochKey, ChannelKey>,
    offers: BTreeMap<KeyId, Vec<Offer>>,
    staged: BTreeMap<KeyId, ChannelKey>,
}

impl KeyRing {
    /// The key of an epoch, if the ring has it.
    pub fn get(&self, key: EpochKey) -> Option<&ChannelKey> {
        self.keys.get(&key)
    }

    /// What the log says about an epoch.
    pub fn info(&self, key: EpochKey) -> Option<&EpochInfo> {
        self.infos.get(&key)
    }

    /// Whether an actor was a member at any known epoch.
    pub fn knows(&self, actor: &ActorId) -> bool {
        self.infos.values().any(|info| info.members.contains(actor))
    }

    /// All epochs whose key the ring has.
    pub fn epochs(&self) -> impl Iterator<Item = (&EpochKey, &ChannelKey)> {
        self.keys.iter()
    }

    /// Restores an epoch from the store.
    pub fn restore(&mut self, epoch: Epoch, info: EpochInfo, key: Option<ChannelKey>) {
        let name = (epoch, info.kid);
        if let Some(key) = key {
            self.keys.insert(name, key);
        }
        self.infos.insert(name, info);
    }

    /// Keeps a key by its id until the log announces it.
    pub fn stage(&mut self, kid: KeyId, key: ChannelKey) {
        while self.staged.len() >= OFFERS {
            self.staged.pop_first();
        }
        self.staged.insert(kid, key);
    }

    /// The log announces an epoch. Returns whether the ring has its key.
    pub fn announce(&mut self, epoch: Epoch, info: EpochInfo) -> bool {
        let name = (epoch, info.kid);
        if let Some(key) = self.staged.remove(&info.kid) {
            self.keys.insert(name, key);
        }
        self.infos.insert(name, info);
        self.keys.contains_key(&name)
    }

    /// Stores an arrived wrap, unopened.
    pub fn offer(&mut self, kid: KeyId, offer: Offer) {
        while self.offers.len() >= OFFERS {
            self.offers.pop_first();
        }
        let list = self.offers.entry(kid).or_default();
        if list.len() < 4 && !list.contains(&offer) {
            list.push(offer);
        }
    }

    /// Removes and returns the wraps that wait for this key.
    pub fn offers(&mut self, kid: &KeyId) -> Vec<Offer> {
        self.offers.remove(kid).unwrap_or_default()
    }

    /// Accepts a key for an announced epoch if its id is the one in the log.
    pub fn accept(&mut self, channel: &ChannelId, epoch: Epoch, key: ChannelKey) -> bool {
        let name = (epoch, key.id(&channel.0, epoch));
        let known = self.infos.contains_key(&name);
        if known {
            self.keys.insert(name, key);
        }
        known
    }

    /// Forgets everything, because this node left the channel.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
