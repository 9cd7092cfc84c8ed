//! Resource usage of a node.
//!
//! It owns the types only. They influence no decision.

/// Traffic through the mailbox service of the home grid, in bytes per second over the last minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Traffic {
    /// Written.
    pub written: u64,
    /// Read.
    pub read: u64,
    /// The limit for each of the two.
    pub budget: u64,
}

/// Usage of the store, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Room {
    /// Stored data, with its share of the indices.
    pub used: u64,
    /// Disk space for that data.
    pub disk: u64,
    /// The limit for stored data, if there is one.
    pub limit: Option<u64>,
}

/// Resource usage. A node displays it and bases no decision on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figures {
    /// Use of the traffic budget.
    Traffic(Traffic),
    /// Use of the store.
    Room(Room),
}
