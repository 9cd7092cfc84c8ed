//! Tests the embedded signals against the conformance rules and against their own guarantees.

use std::sync::Arc;

use super::conformance::{Opened, Rig, signals_conformance};
use crate::embedded::{Grid, Settings};

struct Embedded(tempfile::TempDir);

fn rig() -> Embedded {
    Embedded(tempfile::tempdir().unwrap())
}

impl Rig for Embedded {
    fn open(&self) -> Opened {
        let grid = Grid::open(self.0.path(), Settings::default()).unwrap();
        let (signals, published) = grid.signals().unwrap();
        (Arc::new(signals), published)
    }
}

signals_conformance!(rig());
