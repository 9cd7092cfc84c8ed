//! The checks of the fuzz targets as property tests, so that CI runs them too: good inputs, random
//! bytes, and good inputs with a few bytes changed.
//!
//! `KIRC_CORPUS=fuzz/corpus cargo test --test parsers good_inputs` lays the good inputs where the
//! fuzzer starts from.

#[path = "../fuzz/checks.rs"]
mod checks;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;

#[test]
fn good_inputs_pass() {
    for (name, check) in checks::CHECKS {
        let seeds = checks::seeds(name);
        assert!(!seeds.is_empty(), "{name} has nothing to start from");
        for (i, seed) in seeds.iter().enumerate() {
            assert!(check(seed), "{name} refuses the good input {i}: {}", String::from_utf8_lossy(seed));
            if let Some(folder) = std::env::var_os("KIRC_CORPUS") {
                let folder = Path::new(&folder).join(name);
                fs::create_dir_all(&folder).expect("a folder for the corpus");
                fs::write(folder.join(format!("seed-{i}")), seed).expect("a place in the corpus");
            }
        }
    }
}

#[test]
fn every_check_is_a_fuzz_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("fuzz/Cargo.toml");
    let mut targets: Vec<String> = fs::read_dir(root.join("fuzz_targets"))
        .expect("fuzz targets")
        .map(|entry| {
            entry.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned()
        })
        .collect();
    targets.sort();
    let mut names: Vec<&str> = checks::CHECKS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert_eq!(targets, names);
    for name in names {
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
            "{name} is not in fuzz/Cargo.toml"
        );
    }
}

/// A change to some bytes.
#[derive(Debug, Clone)]
enum Edit {
    Set(Index, u8),
    Cut(Index, usize),
    Put(Index, Vec<u8>),
    Double(Index, usize),
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let reach = |at: usize, len: usize| at..(at + len).min(bytes.len());
        match self {
            Self::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Self::Cut(at, len) => {
                let range = reach(at.index(bytes.len()), *len);
                bytes.drain(range);
            }
            Self::Put(at, more) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Double(at, len) => {
                let range = reach(at.index(bytes.len()), *len);
                let part = bytes[range.clone()].to_vec();
                bytes.splice(range.end..range.end, part);
            }
        }
    }
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",:0129-+.eE\\ \n#@!*?".to_vec())];
    let edit = prop_oneof![
        (any::<Index>(), byte).prop_map(|(i, b)| Edit::Set(i, b)),
        (any::<Index>(), 1..20usize).prop_map(|(i, n)| Edit::Cut(i, n)),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..8)).prop_map(|(i, b)| Edit::Put(i, b)),
        (any::<Index>(), 1..30usize).prop_map(|(i, n)| Edit::Double(i, n)),
    ];
    prop::collection::vec(edit, 1..4)
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,200}") {
        for (_, check) in checks::CHECKS {
            check(&bytes);
            check(text.as_bytes());
        }
    }

    #[test]
    fn changed_inputs_do_no_harm(edits in edits(), which in any::<Index>()) {
        for (name, check) in checks::CHECKS {
            let seeds = seeds(name);
            let mut bytes = which.get(seeds).clone();
            for edit in &edits {
                edit.apply(&mut bytes);
            }
            check(&bytes);
        }
    }
}

/// The good inputs, made once: some need a key.
fn seeds(name: &str) -> &'static [Vec<u8>] {
    use std::collections::BTreeMap;
    use std::sync::OnceLock;
    static SEEDS: OnceLock<BTreeMap<&str, Vec<Vec<u8>>>> = OnceLock::new();
    let all =
        SEEDS.get_or_init(|| checks::CHECKS.iter().map(|(name, _)| (*name, checks::seeds(name))).collect());
    &all[name]
}
