//! The embedded mailbox, held to the rules and to what only it promises: several processes, faults, speed.

use std::sync::Arc;

use super::conformance::{Rig, mailbox_conformance};
use super::{EmbeddedMailbox, Mailbox};
use crate::embedded::{Grid, Settings};
use crate::ports::Pending;

struct Embedded(tempfile::TempDir, EmbeddedMailbox);

fn rig() -> Embedded {
    let dir = tempfile::tempdir().unwrap();
    let grid = Grid::open(dir.path(), Settings::default()).unwrap();
    let admin = grid.mailbox().unwrap();
    Embedded(dir, admin)
}

impl Rig for Embedded {
    fn open(&self) -> Arc<dyn Mailbox> {
        let grid = Grid::open(self.0.path(), Settings::default()).unwrap();
        Arc::new(grid.mailbox().unwrap())
    }

    fn delete(&self, name: &str) -> Pending<()> {
        self.1.delete_topic(name)
    }
}

mailbox_conformance!(rig());
