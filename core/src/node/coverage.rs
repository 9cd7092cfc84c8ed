//! How much of a partition a node has read, and where each channel in it begins: so that whoever
//! joins reads the log from there, and not from its start.

use std::collections::BTreeMap;

use crate::ids::Offset;

/// Keys that are remembered. Whoever may append can make up keys, so there is an end; beyond it,
/// logs are read from their start.
const KEYS: usize = 1 << 16;

/// The part of a partition that was read without a gap.
#[derive(Debug, Clone, Default)]
pub(crate) struct Coverage {
    from: Offset,
    /// The offset after the last record.
    upto: Offset,
    /// The offset of the first record under each key.
    firsts: BTreeMap<Vec<u8>, Offset>,
    full: bool,
}

impl Coverage {
    /// Reading goes on here. `same` is whether it is the log that was read before.
    pub fn begin(&mut self, at: Offset, same: bool) {
        if !same || at < self.from || at > self.upto {
            *self = Self { from: at, upto: at, ..Self::default() };
        }
    }

    /// A record was read.
    pub fn pass(&mut self, key: &[u8], offset: Offset) {
        if offset < self.upto {
            return;
        }
        self.upto = offset + 1;
        if self.firsts.contains_key(key) {
            return;
        }
        self.full |= self.firsts.len() >= KEYS;
        if !self.full {
            self.firsts.insert(key.to_vec(), offset);
        }
    }

    /// Whether it holds all that the log has from `start` on, up to where it is read.
    pub fn reaches(&self, start: Offset) -> bool {
        self.from <= start && !self.full
    }

    /// The offset before which the log has nothing under this key, if it begins at `start`.
    pub fn first(&self, key: &[u8], start: Offset) -> Offset {
        if !self.reaches(start) {
            return start;
        }
        self.firsts.get(key).copied().unwrap_or(self.upto)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(coverage: &mut Coverage, records: &[(&str, Offset)]) {
        for (key, offset) in records {
            coverage.pass(key.as_bytes(), *offset);
        }
    }

    #[test]
    fn a_log_read_from_its_start_says_where_channels_begin() {
        let mut coverage = Coverage::default();
        coverage.begin(3, true);
        read(&mut coverage, &[("#a", 3), ("#b", 5), ("#a", 6)]);
        assert_eq!([coverage.first(b"#a", 3), coverage.first(b"#b", 3), coverage.first(b"#c", 3)], [3, 5, 7]);
        // Read once more from within: nothing is forgotten, nothing begins later.
        coverage.begin(5, true);
        read(&mut coverage, &[("#b", 5), ("#a", 6), ("#c", 7)]);
        assert_eq!([coverage.first(b"#a", 3), coverage.first(b"#c", 3)], [3, 7]);
        // What was trimmed meanwhile only makes it know too much.
        assert_eq!(coverage.first(b"#a", 5), 3);
    }

    #[test]
    fn what_was_not_read_is_not_taken_for_nothing() {
        let mut coverage = Coverage::default();
        coverage.begin(100, true);
        read(&mut coverage, &[("#a", 100)]);
        assert_eq!(coverage.first(b"#b", 0), 0, "it stands before, perhaps");
        // A jump forward leaves a gap, and another log is another one.
        coverage.begin(0, true);
        read(&mut coverage, &[("#a", 0)]);
        for (at, same) in [(50, true), (0, false)] {
            let mut coverage = coverage.clone();
            coverage.begin(at, same);
            assert_eq!(coverage.first(b"#a", 0), 0);
            assert_eq!(coverage.reaches(0), at == 0);
        }
    }

    #[test]
    fn made_up_keys_have_an_end() {
        let mut coverage = Coverage::default();
        coverage.begin(0, true);
        for n in 0..=KEYS as u64 {
            coverage.pass(&n.to_be_bytes(), n);
        }
        assert!(coverage.firsts.len() <= KEYS && !coverage.reaches(0));
        assert_eq!(coverage.first(b"#a", 0), 0);
    }
}
