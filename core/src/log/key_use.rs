//! Which keys may be used: a new one once a member other than the leader has it, the one before
//! only if the leader says so.
//!
//! It reads what stands in the clear, so those who lack a key know it as well.

use serde::{Deserialize, Serialize};

use crate::ids::{ActorId, Epoch, KeyId};

/// An epoch and its key.
type Key = (Epoch, KeyId);

/// What the log says of the use of its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse {
    /// The key under which acts stand.
    current: Option<Key>,
    /// The key that the last KEY record names.
    last: Option<Key>,
    /// Since that record nobody has said that it has its key, nor the leader that the one before is
    /// used on.
    handing: bool,
    /// Who has shown that it has the last one: a member other than the leader, or the leader where
    /// nobody else is in.
    held: Option<ActorId>,
    /// Before the last KEY somebody left who has the current one.
    left_before: bool,
    /// Somebody left since.
    left_since: bool,
}

impl KeyUse {
    /// Whether acts may stand under a key.
    pub fn allows(&self, key: Key) -> bool {
        !self.handing && (self.current == Some(key) || (self.held.is_some() && self.last == Some(key)))
    }

    /// Whether nobody has a key who has left.
    pub fn is_fresh(&self, key: Key) -> bool {
        match self.last == Some(key) {
            true => self.held.is_some() && !self.left_since,
            false => self.current == Some(key) && !self.left_before && !self.left_since,
        }
    }

    /// The newest key that acts may stand under.
    pub fn newest(&self) -> Option<Key> {
        match self.held {
            Some(_) => self.last,
            None => self.current,
        }
        .filter(|_| !self.handing)
    }

    /// Who has the last key, as far as the log says.
    pub fn held(&self) -> Option<ActorId> {
        self.held
    }

    /// Whether the last key is being handed out, and nothing may be put under any until that is
    /// settled.
    pub fn is_handing(&self) -> bool {
        self.handing
    }

    /// Whether nobody has said yet that it has the last key.
    pub fn unheld(&self) -> bool {
        self.last.is_some() && self.held.is_none()
    }

    /// The epochs of the keys that may be in use.
    pub fn epochs(&self) -> impl Iterator<Item = Epoch> {
        self.last.into_iter().chain(self.current).map(|(epoch, _)| epoch)
    }

    /// A KEY record counts.
    pub(super) fn keyed(&mut self, key: Key) {
        self.left_before |= self.left_since;
        self.left_since = false;
        (self.last, self.held, self.handing) = (Some(key), None, true);
    }

    /// Somebody has the last key.
    pub(super) fn hold(&mut self, by: ActorId) {
        self.held = Some(by);
        if self.handing {
            self.settle_on(self.last);
        }
    }

    /// The leader uses the key before the last one on.
    pub(super) fn keep(&mut self) {
        self.handing = false;
    }

    /// Acts count under a key; with them somebody may have left.
    pub(super) fn used(&mut self, key: Option<Key>, left: bool) {
        if self.current != key {
            // No way leads back to the one before.
            self.settle_on(key);
        }
        self.left_since |= left;
    }

    fn settle_on(&mut self, key: Option<Key>) {
        (self.current, self.handing, self.left_before) = (key, false, false);
    }

    /// The log has begun anew: the last key is one of the log before, and what was current stays
    /// so.
    pub(super) fn anew(&mut self) {
        (self.last, self.held, self.handing) = (None, None, false);
    }

    /// What an earlier version kept: its last key was the current one.
    pub(super) fn earlier(key: Option<Key>, leader: ActorId) -> Self {
        Self { current: key, last: key, held: key.map(|_| leader), ..Self::default() }
    }
}
