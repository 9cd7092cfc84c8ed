//! The identities of simulated people: fixed key files, since making RSA keys takes longer than a run.

use std::path::PathBuf;
use std::sync::OnceLock;

use kirc_core::identity::Identity;

static FILES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();

fn files() -> &'static [Vec<u8>] {
    FILES.get_or_init(|| {
        let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "core", "tests", "keys"]
            .iter()
            .collect();
        let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
            .map(|dir| dir.filter_map(|e| Some(e.ok()?.path())).collect())
            .unwrap_or_default();
        paths.retain(|p| p.extension().is_some_and(|e| e == "json"));
        paths.sort();
        paths.iter().filter_map(|p| std::fs::read(p).ok()).collect()
    })
}

/// How many there are.
pub fn count() -> usize {
    files().len()
}

/// The identity of this number, read anew: an [`Identity`] can't be cloned.
pub fn identity(number: usize) -> Identity {
    let bytes = &files()[number % count().max(1)];
    Identity::from_key_file(bytes, None).expect("the key files of the tests are not sealed")
}
