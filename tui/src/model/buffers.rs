//! All buffers, their order, and which one is active.
//!
//! Owns: finding, opening, closing and switching. Must not: send or count.
use super::buffer::{Buffer, Place};
use super::line::LineKey;
use crate::names::{fold, is_channel, same};

/// A buffer's number; it stays when the list changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(u64);

/// The buffers: status first, then channels, then people, each by name.
#[derive(Debug)]
pub struct Buffers {
    list: Vec<Buffer>,
    current: BufferId,
    next: u64,
    next_key: LineKey,
}

impl Default for Buffers {
    fn default() -> Self {
        let status = Buffer::new(BufferId(0), Place::Status, "status".to_owned());
        Self { list: vec![status], current: BufferId(0), next: 1, next_key: 0 }
    }
}

impl Buffers {
    /// The status page.
    pub fn status(&self) -> BufferId {
        BufferId(0)
    }

    /// The one that is looked at.
    pub fn current_id(&self) -> BufferId {
        self.current
    }

    /// The one that is looked at.
    pub fn current(&self) -> &Buffer {
        // The list is never empty and the current one is always in it; the first one is the status
        // page.
        self.get(self.current).unwrap_or(&self.list[0])
    }

    /// The one that is looked at.
    pub fn current_mut(&mut self) -> &mut Buffer {
        let at = self.index(self.current).unwrap_or(0);
        &mut self.list[at]
    }

    /// A fresh line number.
    pub fn next_key(&mut self) -> LineKey {
        self.next_key += 1;
        self.next_key
    }

    /// A buffer.
    pub fn get(&self, id: BufferId) -> Option<&Buffer> {
        self.list.iter().find(|b| b.id == id)
    }

    /// A buffer.
    pub fn get_mut(&mut self, id: BufferId) -> Option<&mut Buffer> {
        self.list.iter_mut().find(|b| b.id == id)
    }

    /// All, hidden ones too.
    pub fn iter(&self) -> impl Iterator<Item = &Buffer> {
        self.list.iter()
    }

    /// All, hidden ones too.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Buffer> {
        self.list.iter_mut()
    }

    /// Those in the list.
    pub fn visible(&self) -> impl Iterator<Item = &Buffer> {
        self.list.iter().filter(|b| !b.hidden)
    }

    /// The buffer of a channel or a person.
    pub fn find(&self, name: &str) -> Option<BufferId> {
        self.list.iter().find(|b| b.place != Place::Status && same(&b.name, name)).map(|b| b.id)
    }

    /// The buffer of a channel or a person, opened if need be.
    pub fn open(&mut self, name: &str) -> BufferId {
        if let Some(id) = self.find(name) {
            if let Some(b) = self.get_mut(id) {
                b.hidden = false;
            }
            return id;
        }
        let id = BufferId(self.next);
        self.next += 1;
        let place = if is_channel(name) { Place::Channel } else { Place::Direct };
        self.list.push(Buffer::new(id, place, name.to_owned()));
        self.sort();
        id
    }

    /// A person has a new nick.
    pub fn rename(&mut self, id: BufferId, name: &str) {
        if let Some(b) = self.get_mut(id) {
            b.name = name.to_owned();
        }
        self.sort();
    }

    /// Looks at another buffer.
    pub fn focus(&mut self, id: BufferId) {
        if let Some(b) = self.get_mut(id) {
            b.hidden = false;
            self.current = id;
        }
    }

    /// Takes a buffer off the list: people are only hidden, channels go. The status page stays.
    pub fn close(&mut self, id: BufferId) {
        let before = self.visible().position(|b| b.id == id);
        match self.get_mut(id) {
            Some(b) if b.place == Place::Direct => b.hidden = true,
            Some(b) if b.place == Place::Channel => self.list.retain(|b| b.id != id),
            _ => return,
        }
        if self.current == id {
            let at = before.unwrap_or(0).saturating_sub(1);
            let next = self.visible().nth(at).map(|b| b.id);
            self.current = next.unwrap_or(BufferId(0));
        }
    }

    /// The buffer `by` places further down the list, around the end.
    pub fn neighbour(&self, by: isize) -> BufferId {
        let ids: Vec<BufferId> = self.visible().map(|b| b.id).collect();
        let at = ids.iter().position(|id| *id == self.current).unwrap_or(0);
        let len = isize::try_from(ids.len()).unwrap_or(1).max(1);
        let to = (isize::try_from(at).unwrap_or(0) + by).rem_euclid(len);
        usize::try_from(to).ok().and_then(|i| ids.get(i).copied()).unwrap_or(self.current)
    }

    /// The next buffer with something unread: mentions first, then in the order of the list.
    pub fn next_unread(&self) -> Option<BufferId> {
        let visible: Vec<&Buffer> = self.visible().collect();
        let at = visible.iter().position(|b| b.id == self.current).unwrap_or(0);
        let around = || visible.iter().cycle().skip(at + 1).take(visible.len());
        around()
            .find(|b| b.mentions > 0 && b.id != self.current)
            .or_else(|| around().find(|b| b.unread > 0 && b.id != self.current))
            .map(|b| b.id)
    }

    fn index(&self, id: BufferId) -> Option<usize> {
        self.list.iter().position(|b| b.id == id)
    }

    fn sort(&mut self) {
        self.list.sort_by_cached_key(|b| (b.place, fold(&b.name), b.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_walking_and_closing() {
        let mut b = Buffers::default();
        let bob = b.open("bob");
        let net = b.open("#net");
        let dev = b.open("#dev");
        assert_eq!(b.open("#NET"), net);
        let names: Vec<_> = b.visible().map(|b| b.name.clone()).collect();
        assert_eq!(names, ["status", "#dev", "#net", "bob"]);
        assert_eq!(b.neighbour(-1), bob);
        b.focus(net);
        assert_eq!(b.neighbour(1), bob);
        b.get_mut(dev).unwrap().unread = 2;
        b.get_mut(bob).unwrap().mentions = 1;
        b.get_mut(bob).unwrap().unread = 1;
        assert_eq!(b.next_unread(), Some(bob));
        b.close(net);
        assert_eq!(b.current_id(), dev);
        b.close(bob);
        assert_eq!(b.visible().count(), 2);
        assert_eq!(b.open("bob"), bob);
        b.close(b.status());
        assert!(b.get(b.status()).is_some());
    }
}
