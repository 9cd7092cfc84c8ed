//! What drawing remembers: the scroll position of each buffer, computed heights, sorted lists.
//!
//! Owns: caches, all of which may be discarded. Must not: hold anything that cannot be computed
//! again.
use std::collections::HashMap;

use super::ambiguous_width::Doubtful;
use crate::model::{BufferId, Line, LineKey, ScrollWish};

/// Heights remembered at the most.
const MAX_HEIGHTS: usize = 20_000;

/// The view's memory.
#[derive(Debug, Default)]
pub struct ViewState {
    pub(super) scrolls: HashMap<BufferId, Scroll>,
    heights: HashMap<LineKey, Height>,
    pub(super) nicks: Option<Nicks>,
    pub(super) doubtful: Doubtful,
}

/// The sorted nick list of one buffer.
#[derive(Debug)]
pub(super) struct Nicks {
    pub(super) buffer: BufferId,
    pub(super) rev: u64,
    pub(super) names: Vec<(Option<char>, String)>,
}

/// Where a buffer stands.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Scroll {
    /// The lowest line on the screen and how many of its rows are below; nothing: the bottom.
    pub(super) anchor: Option<(LineKey, usize)>,
    /// The wish as it was last carried out.
    pub(super) done: ScrollWish,
}

/// The height of a line, and for what it was computed.
#[derive(Debug, Clone, Copy)]
struct Height {
    rev: u32,
    width: usize,
    column: usize,
    rows: usize,
}

impl ViewState {
    /// The height of a line at a width with a nick column; computed if it is not known.
    pub(super) fn height(
        &mut self,
        line: &Line,
        width: usize,
        column: usize,
        compute: impl FnOnce() -> usize,
    ) -> usize {
        if let Some(h) = self.heights.get(&line.key)
            && (h.rev, h.width, h.column) == (line.rev, width, column)
        {
            return h.rows;
        }
        if self.heights.len() >= MAX_HEIGHTS {
            self.heights.clear();
        }
        let rows = compute();
        self.heights.insert(line.key, Height { rev: line.rev, width, column, rows });
        rows
    }
}
