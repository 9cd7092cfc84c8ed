//! The embedded store, held to the rules and to what only it promises.

use std::sync::Arc;

use super::conformance::{Rig, store_conformance};
use super::{EmbeddedStore, Store};

struct Embedded(tempfile::TempDir);

fn rig() -> Embedded {
    Embedded(tempfile::tempdir().unwrap())
}

impl Rig for Embedded {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(EmbeddedStore::open(self.0.path()).unwrap())
    }
}

store_conformance!(rig());
