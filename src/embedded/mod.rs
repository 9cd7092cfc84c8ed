//! The embedded grid: mailbox and signals for the processes of one machine, in one folder, with
//! nothing to install.
//!
//! This module owns the folder and what its two databases share (opening, setting aside, waking,
//! checkpoints). The tables belong to the adapters: `mailbox::embedded`, `signals::embedded`. It is
//! independent of the core's rules.
//!
//! | file | content |
//! | --- | --- |
//! | `grid.id` | the grid's name: `cluster` in every topic |
//! | `mailbox.db` | records |
//! | `signals.db` | hints: leader keys, presence, messages published in the last minute |
//! | `*.lock` | controls who may replace a database (see `place`) |
//! | `*.wake/` | one socket per adapter, rung when there is new data |
//! | `*.damaged-…` | files that were set aside; kirc never deletes them |

mod checkpoint;
pub(crate) mod clock;
pub(crate) mod db;
mod fault;
mod grid;
pub(crate) mod health;
pub(crate) mod place;
pub(crate) mod wake;

pub(crate) use checkpoint::Checkpoint;
pub use fault::{Fault, FileError};
pub use grid::{Grid, Settings};

#[cfg(test)]
mod tests;
