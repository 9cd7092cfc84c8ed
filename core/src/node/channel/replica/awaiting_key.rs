//! Records that wait for a key, or for records before them: in order, and bounded.

use std::collections::VecDeque;

use crate::port::RawRecord;

/// How many may wait, and how many bytes; what comes behind them is read again later.
const RECORDS: usize = 20_000;
const BYTES: usize = 16 * 1024 * 1024;

/// They, oldest first.
#[derive(Default)]
pub(crate) struct AwaitingKey {
    list: VecDeque<RawRecord>,
    bytes: usize,
    /// Some found no room: nothing is taken behind them until they are read again.
    cut: bool,
}

impl AwaitingKey {
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn front(&self) -> Option<&RawRecord> {
        self.list.front()
    }

    /// A record came behind those that wait.
    pub fn push(&mut self, record: RawRecord) {
        if self.list.back().is_some_and(|last| last.offset >= record.offset) {
            return;
        }
        self.cut |= self.list.len() >= RECORDS || self.bytes + record.value.len() > BYTES;
        if !self.cut {
            self.bytes += record.value.len();
            self.list.push_back(record);
        }
    }

    /// It has to wait still, or it belongs before those that do.
    pub fn put_back(&mut self, record: RawRecord) {
        self.bytes += record.value.len();
        self.list.push_front(record);
    }

    /// The next one.
    pub fn pop(&mut self) -> Option<RawRecord> {
        let record = self.list.pop_front()?;
        self.bytes = self.bytes.saturating_sub(record.value.len());
        Some(record)
    }

    /// Whether some were let go that have to be read again; from now on they are wanted.
    pub fn take_cut(&mut self) -> bool {
        std::mem::take(&mut self.cut)
    }

    /// What others kept for us is not wanted any more.
    pub fn drop_kept(&mut self) {
        self.list.retain(|record| !record.key.is_empty());
        self.bytes = self.list.iter().map(|record| record.value.len()).sum();
    }

    /// Nothing of all that is wanted.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: u64, size: usize) -> RawRecord {
        RawRecord { offset, key: vec![1], value: vec![0; size], time: 0 }
    }

    #[test]
    fn what_finds_no_room_is_read_again_and_nothing_is_taken_behind_it() {
        let mut stalled = AwaitingKey::default();
        for offset in 0..20 {
            stalled.push(record(offset, BYTES / 10));
        }
        // Some go, and there is room again: what comes now would leave a hole.
        for offset in 0..3 {
            assert_eq!(stalled.pop().map(|r| r.offset), Some(offset));
        }
        stalled.push(record(20, 1));
        let rest: Vec<u64> = std::iter::from_fn(|| stalled.pop()).map(|r| r.offset).collect();
        assert_eq!(rest, (3..10).collect::<Vec<u64>>());
        assert!(stalled.take_cut());
        assert!(!stalled.take_cut());
        assert_eq!(stalled.bytes, 0);
        stalled.push(record(10, 1));
        stalled.push(record(10, 1));
        assert_eq!(stalled.list.len(), 1, "a copy");
    }
}
