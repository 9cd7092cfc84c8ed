//! Previously entered lines; the unfinished draft is kept while the user walks through them.
//!
//! Owns: the walk. Must not: touch the editor.

/// Entries kept.
const MAX_ENTRIES: usize = 200;

/// The history of one input.
#[derive(Debug, Default, Clone)]
pub struct InputHistory {
    entries: Vec<String>,
    at: Option<usize>,
    draft: String,
}

impl InputHistory {
    /// Remembers an entry; one that repeats the last is not kept twice.
    pub fn push(&mut self, entry: &str) {
        self.leave();
        if entry.is_empty() || self.entries.last().is_some_and(|e| e == entry) {
            return;
        }
        if self.entries.len() == MAX_ENTRIES {
            self.entries.remove(0);
        }
        self.entries.push(entry.to_owned());
    }

    /// Ends the walk.
    pub fn leave(&mut self) {
        self.at = None;
        self.draft.clear();
    }

    /// The entry before; the first step keeps `now` as the draft.
    pub fn older(&mut self, now: &str) -> Option<String> {
        let to = match self.at {
            None => {
                let last = self.entries.len().checked_sub(1)?;
                self.draft = now.to_owned();
                last
            }
            Some(at) => at.checked_sub(1)?,
        };
        self.at = Some(to);
        self.entries.get(to).cloned()
    }

    /// The entry after; behind the last one stands the draft.
    pub fn newer(&mut self) -> Option<String> {
        let at = self.at?;
        if let Some(entry) = self.entries.get(at + 1) {
            self.at = Some(at + 1);
            return Some(entry.clone());
        }
        self.at = None;
        Some(std::mem::take(&mut self.draft))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_draft_comes_back() {
        let mut h = InputHistory::default();
        h.push("one");
        h.push("two");
        h.push("two");
        assert_eq!(h.older("draft").as_deref(), Some("two"));
        assert_eq!(h.older("two").as_deref(), Some("one"));
        assert_eq!(h.older("one"), None);
        assert_eq!(h.newer().as_deref(), Some("two"));
        assert_eq!(h.newer().as_deref(), Some("draft"));
        assert_eq!(h.newer(), None);
    }
}
