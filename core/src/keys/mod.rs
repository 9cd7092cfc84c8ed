//! The key ring of a channel: epochs, their keys, and wraps that wait for their KEY record.
//!
//! It keeps and compares; it decides neither who leads nor who is a member.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::crypto::ChannelKey;
use crate::ids::{ActorId, ChannelId, Epoch, Hash, KeyId, Term};

/// What the log says of an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochInfo {
    /// The key's name and commitment.
    pub kid: KeyId,
    /// Who may have it: the members at its record.
    pub members: BTreeSet<ActorId>,
    /// The term that made it.
    pub term: Term,
    /// The hashes of its first wraps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wraps: Vec<Hash>,
}

/// A wrap that came before its KEY record (or that could not be opened yet).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Who made it.
    pub from: ActorId,
    /// The epoch it names.
    pub epoch: Epoch,
    /// The wrapped key.
    pub ct: String,
}

/// How many keys may wait for their records.
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
    /// The key of an epoch, if it is here.
    pub fn get(&self, epoch: Epoch) -> Option<&ChannelKey> {
        self.keys.get(&epoch)
    }

    /// What the log said of an epoch.
    pub fn info(&self, epoch: Epoch) -> Option<&EpochInfo> {
        self.infos.get(&epoch)
    }

    /// Whether somebody was a member at any epoch that is known here.
    pub fn knows(&self, actor: &ActorId) -> bool {
        self.infos.values().any(|info| info.members.contains(actor))
    }

    /// All epochs of which a key is here.
    pub fn epochs(&self) -> impl Iterator<Item = (&Epoch, &ChannelKey)> {
        self.keys.iter()
    }

    /// Takes back what the store kept.
    pub fn restore(&mut self, epoch: Epoch, info: EpochInfo, key: Option<ChannelKey>) {
        if let Some(key) = key {
            self.keys.insert(epoch, key);
        }
        self.infos.insert(epoch, info);
    }

    /// Keeps a key under its name until the log speaks of it.
    pub fn stage(&mut self, kid: KeyId, key: ChannelKey) {
        while self.staged.len() >= OFFERS {
            self.staged.pop_first();
        }
        self.staged.insert(kid, key);
    }

    /// The log speaks of an epoch. Answers whether its key is here.
    pub fn announce(&mut self, epoch: Epoch, info: EpochInfo) -> bool {
        let kid = info.kid;
        self.infos.insert(epoch, info);
        if let Some(key) = self.staged.remove(&kid) {
            self.keys.insert(epoch, key);
        }
        self.keys.contains_key(&epoch)
    }

    /// A wrap arrived. It waits here, unopened.
    pub fn offer(&mut self, kid: KeyId, offer: Offer) {
        while self.offers.len() >= OFFERS {
            self.offers.pop_first();
        }
        let list = self.offers.entry(kid).or_default();
        if list.len() < 4 && !list.contains(&offer) {
            list.push(offer);
        }
    }

    /// The wraps that wait for this key, taken out.
    pub fn offers(&mut self, kid: &KeyId) -> Vec<Offer> {
        self.offers.remove(kid).unwrap_or_default()
    }

    /// Takes a key for an announced epoch if its name is what the log committed to.
    pub fn accept(&mut self, channel: &ChannelId, epoch: Epoch, key: ChannelKey) -> bool {
        let known = self.infos.get(&epoch).is_some_and(|info| key.id(&channel.0, epoch) == info.kid);
        if known {
            self.keys.insert(epoch, key);
        }
        known
    }

    /// Forgets everything: the channel was left.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
