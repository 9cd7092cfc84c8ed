//! Which keys may be used: a new key once a member other than the leader has it; the previous key
//! only if the leader says so.
//!
//! It uses unencrypted data only, so members without a key can compute it as well.

use serde::{Deserialize, Serialize};

use crate::ids::ActorId;
use crate::keys::EpochKey;

/// What the log says about the use of its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse {
    /// The key that acts are encrypted under.
    current: Option<EpochKey>,
    /// The key in the last KEY record.
    last: Option<EpochKey>,
    /// Since that record no member has confirmed its key, and the leader has not announced that it
    /// keeps using the previous one.
    handing: bool,
    /// The member that has shown that it has the last key: one other than the leader, or the leader
    /// if it is the only member.
    held: Option<ActorId>,
    /// A member that has the current key left before the last KEY record.
    left_before: bool,
    /// A member left since.
    left_since: bool,
}

impl KeyUse {
    /// Whether acts may be encrypted under a key.
    pub fn allows(&self, key: EpochKey) -> bool {
        !self.handing && (self.current == Some(key) || (self.held.is_some() && self.last == Some(key)))
    }

    /// Whether no former member has a key.
    pub fn is_fresh(&self, key: EpochKey) -> bool {
        match self.last == Some(key) {
            true => self.held.is_some() && !self.left_since,
            false => self.current == Some(key) && !self.left_before && !self.left_since,
        }
    }

    /// The newest key that acts may be encrypted under.
    pub fn newest(&self) -> Option<EpochKey> {
        match self.held {
            Some(_) => self.last,
            None => self.current,
        }
        .filter(|_| !self.handing)
    }

    /// The member that has the last key, according to the log.
    pub fn held(&self) -> Option<ActorId> {
        self.held
    }

    /// Whether the last key is being handed out. Until that ends, nothing may be encrypted under
    /// any key.
    pub fn is_handing(&self) -> bool {
        self.handing
    }

    /// Whether no member has confirmed the last key yet.
    pub fn unheld(&self) -> bool {
        self.last.is_some() && self.held.is_none()
    }

    /// The keys that may be in use.
    pub fn keys(&self) -> impl Iterator<Item = EpochKey> {
        self.last.into_iter().chain(self.current)
    }

    /// Applies a KEY record that counts.
    pub(super) fn keyed(&mut self, key: EpochKey) {
        self.left_before |= self.left_since;
        self.left_since = false;
        (self.last, self.held, self.handing) = (Some(key), None, true);
    }

    /// A member has the last key.
    pub(super) fn hold(&mut self, by: ActorId) {
        self.held = Some(by);
        if self.handing {
            self.settle_on(self.last);
        }
    }

    /// The leader keeps using the key before the last one.
    pub(super) fn keep(&mut self) {
        self.handing = false;
    }

    /// Acts under a key count; `left` says whether a member left with them.
    pub(super) fn used(&mut self, key: Option<EpochKey>, left: bool) {
        if self.current != key {
            // No way leads back to the one before.
            self.settle_on(key);
        }
        self.left_since |= left;
    }

    fn settle_on(&mut self, key: Option<EpochKey>) {
        (self.current, self.handing, self.left_before) = (key, false, false);
    }

    /// The log started again. The last key belongs to the previous log; the current key stays
    /// current.
    pub(super) fn anew(&mut self) {
        (self.last, self.held, self.handing) = (None, None, false);
    }

    /// Converts what an earlier version stored: its last key was the current one.
    pub(super) fn earlier(key: Option<EpochKey>, leader: ActorId) -> Self {
        Self { current: key, last: key, held: key.map(|_| leader), ..Self::default() }
    }
}
