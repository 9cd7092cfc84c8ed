//! The embedded grid: mailbox and signals for the processes of one machine, in one folder, with
//! nothing to install.
//!
//! It owns the folder and what its two databases share (opening, setting aside, waking,
//! checkpoints). The tables are the adapters' own: `mailbox::embedded`, `signals::embedded`. It may
//! not know the core's rules.
//!
//! | file | holds |
//! | --- | --- |
//! | `grid.id` | the grid's name: `cluster` in every topic |
//! | `mailbox.db` | records |
//! | `signals.db` | hints: leader keys, presence, what was published in the last minute |
//! | `*.lock` | who may replace a database (see `place`) |
//! | `*.wake/` | a socket for each adapter: it is rung when there is something new |
//! | `*.damaged-…` | what was set aside; kirc never deletes it |

mod checkpoint;
pub(crate) mod clock;
pub(crate) mod db;
mod fault;
mod grid;
pub(crate) mod place;
pub(crate) mod vital;
pub(crate) mod wake;

pub(crate) use checkpoint::Checkpoint;
pub use fault::{Fault, FileError};
pub use grid::{Grid, Settings};

#[cfg(test)]
mod tests;
