//! A log that was lost more than once: records of each of its last incarnations may be missing,
//! here or at other members.

use super::{Backfill, Branch};
use crate::ids::{MsgId, UserId};
use crate::keys::{EpochKey, KeyRing};
use crate::log::{Kept, LogRecord, last_id, same_life};
use crate::names::ChannelName;

/// Of how many lives before the last one what is known is kept.
const OLDER: usize = 3;

impl Backfill {
    /// The log was lost once more, and this was the last life but one.
    pub(in crate::node::channel) fn after(mut self, earlier: Option<Self>) -> Self {
        let Some(mut earlier) = earlier else { return self };
        self.ids = std::mem::take(&mut earlier.ids);
        self.before = std::mem::take(&mut earlier.before);
        self.older = std::mem::take(&mut earlier.older);
        for (user, member) in &earlier.state.members {
            let last = self.before.entry(*user).or_insert(member.last);
            *last = member.last.max(*last);
        }
        self.older.push(earlier);
        if self.older.len() > OLDER {
            self.older.remove(0);
        }
        self
    }

    /// All lives of which something is known, the last one first.
    pub(super) fn lives(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.older.iter().rev())
    }

    /// One of them: 0 is the last.
    pub(super) fn life_mut(&mut self, life: usize) -> Option<&mut Self> {
        match self.older.len().checked_sub(life) {
            _ if life == 0 => Some(self),
            Some(at) => self.older.get_mut(at),
            None => None,
        }
    }

    /// The life of which we have more than the others, if there is one; the last one first.
    pub(super) fn offered(&self) -> Option<usize> {
        self.lives().position(|life| life.from.is_some())
    }

    /// Of which life records are: they are offered by lives, and those in the chain say where they
    /// stand. One that was begun by others, and lost, goes on where what is known here ends.
    pub(super) fn life_of<'r>(
        &self,
        records: impl Iterator<Item = &'r [u8]>,
        room: &ChannelName,
    ) -> Option<usize> {
        for value in records {
            let Ok(record) = LogRecord::parse(value, room) else { continue };
            if let Some(life) = self.lives().position(|life| life.goes_on_with(&record)) {
                return Some(life);
            }
            if let Some(at) = record.sequenced() {
                return self.lives().position(|life| same_life(life.fold.seq, at.seq));
            }
        }
        Some(0)
    }

    /// Whether a record begins a life where this one ends.
    pub(super) fn goes_on_with(&self, record: &LogRecord) -> bool {
        matches!(record, LogRecord::Claim { anew: Some(stand), .. } if *stand == self.fold.stand())
    }

    /// The life that begins with this record, if it does and is the first that we hear of.
    pub(super) fn branch_off(&mut self, record: &Kept, room: &ChannelName) -> Option<Self> {
        let parsed = LogRecord::parse(&record.value, room).ok()?;
        if self.branch != Branch::None || !self.goes_on_with(&parsed) {
            return None;
        }
        self.branch = Branch::Left;
        let older = Vec::new();
        Some(Self { branch: Branch::Own, older, from: None, waiting: Vec::new(), ..self.clone() })
    }

    /// Goes on as such a life.
    pub(super) fn branch_off_here(&mut self, record: &Kept, room: &ChannelName) {
        if let Some(branch) = self.branch_off(record, room) {
            *self = branch;
        }
    }

    /// Whether what somebody said in one life was shown with another.
    pub(super) fn elsewhere(&self, life: usize, author: &UserId, id: MsgId) -> bool {
        let seen = |(at, other): (usize, &Self)| at != life && id <= last_id(&other.state, author);
        self.ids.contains(&id)
            || self.before.get(author).is_some_and(|last| id <= *last)
            || self.lives().enumerate().any(seen)
    }

    /// A key that is missing, of a life in which records wait.
    pub(in crate::node::channel) fn missing(&self, ring: &KeyRing) -> Option<EpochKey> {
        let waits = self.lives().filter(|life| !life.waiting.is_empty());
        waits.flat_map(|life| life.fold.use_of.keys()).find(|key| ring.get(*key).is_none())
    }
}
