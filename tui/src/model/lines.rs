//! The lines of one buffer and their order.
//!
//! Owns: the position of each line, the rule that each record appears once, and the maximum number
//! of lines. Must not: read envelopes.
use std::collections::{HashSet, VecDeque};

use super::line::{Kind, Line, LineKey, Move, Record, State};

/// Lines that a buffer keeps in memory while its end is on the screen.
const KEPT_LINES: usize = 5_000;
/// So many more than these may gather before they go: not one with each that comes.
const SLACK: usize = 500;
/// Lines that a buffer holds while somebody reads the past.
const MAX_LINES: usize = 100_000;
/// From so many on no more of the past is fetched: what is left is for what comes meanwhile.
pub const MAX_PAST: usize = MAX_LINES - 10_000;
/// A line from the past is looked for among so many of the oldest first.
const NEAR_FRONT: usize = 1_000;
/// Comings and goings fold into one line if they are at most this far apart.
const FOLD_MILLIS: u64 = 30 * 60 * 1000;

/// The lines of a buffer, oldest first; one's own unsettled messages last.
#[derive(Debug, Default)]
pub struct Lines {
    list: VecDeque<Line>,
    records: HashSet<Record>,
}

impl Lines {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Line> + ExactSizeIterator {
        self.list.iter()
    }

    /// The line at a place.
    pub fn get(&self, at: usize) -> Option<&Line> {
        self.list.get(at)
    }

    /// The place of a line.
    pub fn position(&self, key: LineKey) -> Option<usize> {
        self.list.iter().rposition(|l| l.key == key)
    }

    /// Whether a record is here.
    pub fn has(&self, record: &Record) -> bool {
        self.records.contains(record)
    }

    /// The line of a record.
    pub fn by_record_mut(&mut self, record: &Record) -> Option<&mut Line> {
        if !self.has(record) {
            return None;
        }
        self.list.iter_mut().rev().find(|l| l.id.as_ref() == Some(&record.0) && l.by == record.1)
    }

    /// The line that was sent under a label.
    pub fn by_label_mut(&mut self, label: &str) -> Option<&mut Line> {
        self.list.iter_mut().rev().find(|l| l.label.as_deref() == Some(label))
    }

    /// The oldest record's id.
    pub fn oldest_id(&self) -> Option<&str> {
        self.list.iter().find_map(|l| l.id.as_deref())
    }

    /// The newest settled message's id: what a read mark names.
    pub fn newest_id(&self) -> Option<&str> {
        self.list
            .iter()
            .rev()
            .filter(|l| matches!(l.kind, Kind::Said(_)) && !l.is_pending())
            .find_map(|l| l.id.as_deref())
    }

    /// Adds a line that has just come to be. A record that is here already changes nothing.
    pub fn insert(&mut self, line: Line) {
        self.place(line, false);
    }

    /// Adds a line from the past.
    pub fn insert_old(&mut self, line: Line) {
        self.place(line, true);
    }

    /// Says something before all lines that there are; once.
    pub fn insert_first(&mut self, line: Line) {
        let there = |first: &Line| first.kind == line.kind && first.text == line.text;
        if !self.list.front().is_some_and(there) {
            self.put(0, line);
        }
    }

    /// Adds a coming or going; it joins the line before if that is one of the same day.
    pub fn insert_move(&mut self, mut line: Line, old: bool) {
        let record = line.record();
        if record.as_ref().is_some_and(|record| self.records.contains(record)) {
            return;
        }
        let at = self.slot(&line, old);
        let before = at.checked_sub(1).and_then(|i| self.list.get_mut(i));
        if let (Some(before), Kind::Moves(new)) = (before, &mut line.kind) {
            let near = before.day == line.day && line.at.abs_diff(before.at) <= FOLD_MILLIS;
            if let (true, Kind::Moves(moves)) = (near, &mut before.kind) {
                moves.append(new);
                settle_moves(moves);
                before.at = line.at;
                before.clock = line.clock;
                before.seq = line.seq.or(before.seq);
                before.touch();
                self.records.extend(record);
                return;
            }
        }
        self.put(at, line);
    }

    /// Takes a line out to change it; `insert` puts it to its new place.
    pub fn take(&mut self, key: LineKey) -> Option<Line> {
        let line = self.list.remove(self.position(key)?)?;
        if let Some(record) = line.record() {
            self.records.remove(&record);
        }
        Some(line)
    }

    /// Who has read one message of the user's has read those before it.
    pub fn read_before(&mut self, key: LineKey) {
        let Some(at) = self.position(key) else { return };
        let unread = |l: &&mut Line| matches!(l.state, Some(State::Sent | State::Delivered)) && l.is_mine();
        for line in self.list.iter_mut().take(at).filter(unread) {
            line.state = Some(State::Read);
            line.touch();
        }
    }

    /// Forgets all that is shown. What still waits to be sent stays.
    pub fn clear(&mut self) {
        self.list.retain(Line::is_pending);
        self.records = self.list.iter().filter_map(Line::record).collect();
    }

    /// Lets go of the oldest lines beyond what is kept. True if some went.
    pub fn trim(&mut self) -> bool {
        let too_many = self.list.len() > KEPT_LINES + SLACK;
        if too_many {
            self.shorten(KEPT_LINES);
        }
        too_many
    }

    fn shorten(&mut self, to: usize) {
        while self.list.len() > to {
            if let Some(record) = self.list.pop_front().and_then(|l| l.record()) {
                self.records.remove(&record);
            }
        }
    }

    fn place(&mut self, line: Line, old: bool) {
        if line.record().is_some_and(|record| self.records.contains(&record)) {
            return;
        }
        let at = self.slot(&line, old);
        self.put(at, line);
    }

    fn put(&mut self, at: usize, line: Line) {
        self.records.extend(line.record());
        self.list.insert(at, line);
        self.shorten(MAX_LINES);
    }

    /// The first of the oldest lines that surely stands behind this one.
    fn near_front(&self, line: &Line) -> Option<usize> {
        self.list.iter().take(NEAR_FRONT).position(|other| match (line.seq, other.seq) {
            (Some(mine), Some(theirs)) => theirs > mine,
            (None, None) => other.at > line.at,
            _ => false,
        })
    }

    /// Where a line belongs: by sequence where both have one, from the past by time, otherwise as
    /// it came.
    fn slot(&self, line: &Line, old: bool) -> usize {
        if line.is_pending() {
            return self.list.len();
        }
        let mut at = self.list.len();
        while at > 0 && self.list.get(at - 1).is_some_and(Line::is_pending) {
            at -= 1;
        }
        if old && let Some(i) = self.near_front(line) {
            at = i + 1;
        }
        let settled = at;
        // The first line that must stand behind this one.
        for (i, other) in self.list.iter().enumerate().take(settled).rev() {
            let later = match (line.seq, other.seq) {
                (Some(mine), Some(theirs)) => theirs > mine,
                _ => old && other.at > line.at,
            };
            if later {
                at = i;
            } else if line.seq.is_some() && other.seq.is_some() {
                break;
            }
        }
        at
    }
}

/// Who came and went again is named once; who came and stayed, too.
fn settle_moves(moves: &mut Vec<Move>) {
    if let Some(last) = moves.last().cloned() {
        let n = moves.len() - 1;
        let mut index = 0;
        moves.retain(|m| {
            index += 1;
            index > n || m.nick != last.nick || m.came != last.came
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::Said;
    use super::*;

    fn line(key: LineKey, seq: Option<u64>, at: u64) -> Line {
        Line {
            key,
            id: Some(format!("id{key}")),
            by: None,
            label: None,
            seq,
            at,
            clock: String::new(),
            day: jiff::civil::date(2026, 11, 21),
            kind: Kind::Said(Said::default()),
            text: vec![],
            state: None,
            reason: None,
            rev: 0,
        }
    }

    fn keys(lines: &Lines) -> Vec<LineKey> {
        lines.iter().map(|l| l.key).collect()
    }

    #[test]
    fn sequence_rules_and_notices_stay_where_they_came() {
        let mut lines = Lines::default();
        lines.insert(line(1, Some(5), 50));
        lines.insert(line(2, None, 60));
        lines.insert(line(3, Some(7), 70));
        lines.insert(line(4, Some(6), 99));
        lines.insert(line(4, Some(6), 99));
        assert_eq!(keys(&lines), [1, 2, 4, 3]);
    }

    #[test]
    fn own_unsettled_messages_stay_last_and_move_when_settled() {
        let mut lines = Lines::default();
        let mut own = line(1, None, 10);
        own.kind = Kind::Said(Said { mine: true, ..Said::default() });
        own.state = Some(State::Sending);
        lines.insert(own);
        lines.insert(line(2, Some(1), 20));
        lines.insert(line(3, Some(3), 30));
        assert_eq!(keys(&lines), [2, 3, 1]);
        let mut own = lines.take(1).unwrap();
        own.seq = Some(2);
        own.state = Some(State::Sent);
        lines.insert(own);
        assert_eq!(keys(&lines), [2, 1, 3]);
    }

    #[test]
    fn history_merges_without_duplicates() {
        let mut lines = Lines::default();
        lines.insert(line(9, None, 95));
        lines.insert(line(5, Some(5), 50));
        lines.insert(line(6, Some(6), 100));
        for (key, seq) in [(3, 3), (4, 4), (5, 5)] {
            lines.insert_old(line(key, Some(seq), seq * 10));
        }
        assert_eq!(keys(&lines), [3, 4, 9, 5, 6]);
        let mut direct = Lines::default();
        direct.insert(line(1, None, 100));
        direct.insert_old(line(2, None, 50));
        direct.insert_old(line(3, None, 60));
        assert_eq!(keys(&direct), [2, 3, 1]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut lines = Lines::default();
        for key in 0..(MAX_LINES as u64 + 10) {
            lines.insert(line(key, Some(key), key));
        }
        assert_eq!(lines.len(), MAX_LINES);
        let has = |lines: &Lines, id: &str| lines.has(&(id.to_owned(), None));
        assert!(!has(&lines, "id9") && has(&lines, "id10"));
        assert!(lines.trim());
        assert_eq!(lines.len(), KEPT_LINES);
        assert!(!has(&lines, "id95009") && has(&lines, "id95010"));
        assert!(!lines.trim(), "a few more may stay");
    }

    #[test]
    fn the_past_comes_page_by_page() {
        let mut lines = Lines::default();
        for page in (0..40u64).rev() {
            for key in page * 100..(page + 1) * 100 {
                lines.insert_old(line(key, Some(key), key));
            }
        }
        assert!(keys(&lines).into_iter().eq(0..4_000));
    }

    #[test]
    fn comings_and_goings_fold() {
        let mut lines = Lines::default();
        for (key, nick, came) in [(1, "a", true), (2, "b", true), (3, "a", false), (4, "a", true)] {
            let mut l = line(key, Some(key), key);
            l.kind = Kind::Moves(vec![Move { nick: nick.to_owned(), came, reason: None }]);
            lines.insert_move(l, false);
        }
        assert_eq!(lines.len(), 1);
        let Kind::Moves(moves) = &lines.get(0).unwrap().kind else { panic!() };
        let told: Vec<_> = moves.iter().map(|m| (m.nick.as_str(), m.came)).collect();
        assert_eq!(told, [("b", true), ("a", false), ("a", true)]);
    }
}
