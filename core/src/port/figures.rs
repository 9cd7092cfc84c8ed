//! How much is in use of what a node may use.
//!
//! It owns the shapes only. Nothing is decided by them.

/// What moved through the mailbox service of the home grid, bytes a second over the last minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Traffic {
    /// Written.
    pub written: u64,
    /// Read.
    pub read: u64,
    /// What each of the two may be.
    pub budget: u64,
}

/// How much the store keeps, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Room {
    /// What is kept, with its place in indices.
    pub used: u64,
    /// What that takes of the disk.
    pub disk: u64,
    /// What may be kept, if there is a limit.
    pub limit: Option<u64>,
}

/// How much is in use of what there is. A node shows it and decides nothing by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figures {
    /// Of the budget.
    Traffic(Traffic),
    /// Of the store.
    Room(Room),
}
