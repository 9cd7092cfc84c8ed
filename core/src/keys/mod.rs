//! The key ring of a channel: epochs, their keys, and wraps that wait for their KEY record.
//!
//! It stores and compares keys. It does not decide who leads or who is a member.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::crypto::ChannelKey;
use crate::ids::{ActorId, ChannelId, Epoch, Hash, KeyId, Term};

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
    infos: BTreeMap<Epoch, EpochInfo>,
    keys: BTreeMap<Epoch, ChannelKey>,
    offers: BTreeMap<KeyId, Vec<Offer>>,
    staged: BTreeMap<KeyId, ChannelKey>,
}

impl KeyRing {
    /// The key of an epoch, if the ring has it.
    pub fn get(&self, epoch: Epoch) -> Option<&ChannelKey> {
        self.keys.get(&epoch)
    }

    /// What the log says about an epoch.
    pub fn info(&self, epoch: Epoch) -> Option<&EpochInfo> {
        self.infos.get(&epoch)
    }

    /// Whether an actor was a member at any known epoch.
    pub fn knows(&self, actor: &ActorId) -> bool {
        self.infos.values().any(|info| info.members.contains(actor))
    }

    /// All epochs whose key the ring has.
    pub fn epochs(&self) -> impl Iterator<Item = (&Epoch, &ChannelKey)> {
        self.keys.iter()
    }

    /// Restores an epoch from the store.
    pub fn restore(&mut self, epoch: Epoch, info: EpochInfo, key: Option<ChannelKey>) {
        if let Some(key) = key {
            self.keys.insert(epoch, key);
        }
        self.infos.insert(epoch, info);
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
        let kid = info.kid;
        self.infos.insert(epoch, info);
        if let Some(key) = self.staged.remove(&kid) {
            self.keys.insert(epoch, key);
        }
        self.keys.contains_key(&epoch)
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
        let known = self.infos.get(&epoch).is_some_and(|info| key.id(&channel.0, epoch) == info.kid);
        if known {
            self.keys.insert(epoch, key);
        }
        known
    }

    /// Forgets everything, because this node left the channel.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
