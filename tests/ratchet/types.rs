//! How large types are: a type with many fields or methods has more than one concern.

use std::collections::BTreeMap;

use crate::{report, sources};

/// Fields of a struct at the most.
const FIELDS: usize = 20;

/// Methods of a type of its own (not those of traits) at the most.
const METHODS: usize = 35;

/// Types that may be larger for now: crate, type, fields, methods. Only ever smaller.
const MAY_BE_LARGER: &[(&str, &str, usize, usize)] = &[
    // To be cut into its parts: replica, member, leader, election, join, recovery.
    ("core", "Channel", 35, 224),
    // One person today; becomes the sum of its users.
    ("core", "Node", FIELDS, 114),
    ("core", "Ctx", 25, 68),
    ("core", "Leader", 23, METHODS),
    // What IRC calls a channel, in four files by what is asked of it.
    ("core", "ChannelState", FIELDS, 54),
    // One name for three types, in two adapters each.
    ("src", "Worker", 33, METHODS),
    ("src", "Reader", 27, METHODS),
    ("src", "Writer", 24, METHODS),
    // The simulated machine and the world of them: what a test may look at.
    ("sim", "Host", 26, METHODS),
    ("sim", "World", FIELDS, 68),
    ("tui", "Buffer", 22, METHODS),
];

/// Fields and methods of each type, by crate and name.
fn sizes(sources: &BTreeMap<String, String>) -> BTreeMap<(String, String), (usize, usize)> {
    let mut sizes: BTreeMap<(String, String), (usize, usize)> = BTreeMap::new();
    for (path, text) in sources {
        let folder = path.split('/').next().unwrap_or_default();
        let mut inside: Option<(bool, String)> = None;
        for line in text.lines() {
            let member = line.strip_prefix("    ").filter(|rest| !rest.starts_with(' ')).map(unmarked);
            match (&inside, member) {
                (Some((fields, name)), Some(member)) => {
                    let size = sizes.entry((folder.to_owned(), name.clone())).or_default();
                    size.0 += usize::from(*fields && is_field(member));
                    size.1 += usize::from(!*fields && is_method(member));
                }
                _ if line.starts_with('}') => inside = None,
                _ if line.ends_with('{') => inside = opened(line).or(inside),
                _ => {}
            }
        }
    }
    sizes
}

/// The struct whose fields, or the type whose methods begin with this line.
fn opened(line: &str) -> Option<(bool, String)> {
    let name = |rest: &str| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        rest[..end].to_owned()
    };
    if let Some(rest) = unmarked(line).strip_prefix("struct ") {
        return Some((true, name(rest)));
    }
    let rest = line.strip_prefix("impl").filter(|_| !line.contains(" for "))?;
    let rest = if rest.starts_with('<') { rest.split_once("> ")?.1 } else { rest.trim_start() };
    let path = rest.split(['<', ' ']).next().unwrap_or_default();
    Some((false, name(path.rsplit("::").next().unwrap_or_default())))
}

/// A line without who may see it.
fn unmarked(line: &str) -> &str {
    let rest = line.strip_prefix("pub").unwrap_or(line);
    let rest = if rest.starts_with('(') { rest.split_once(')').map_or(rest, |(_, rest)| rest) } else { rest };
    rest.trim_start()
}

fn is_field(line: &str) -> bool {
    line.split_once(": ").is_some_and(|(name, _)| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
}

fn is_method(line: &str) -> bool {
    let marks = ["async ", "const ", "unsafe "];
    let bare = marks.iter().fold(line, |line, mark| line.strip_prefix(mark).unwrap_or(line));
    bare.starts_with("fn ")
}

#[test]
fn no_type_has_many_fields_or_methods() {
    let mut large = Vec::new();
    for ((folder, name), (fields, methods)) in sizes(&sources()) {
        let may = MAY_BE_LARGER.iter().find(|(f, n, ..)| *f == folder && *n == name);
        let (most, many) = may.map_or((FIELDS, METHODS), |(_, _, fields, methods)| (*fields, *methods));
        if fields > most || methods > many {
            large.push(format!("{folder}: {name} has {fields} fields and {methods} methods"));
        }
        let tight = (most == FIELDS || fields == most) && (many == METHODS || methods == many);
        assert!(tight, "{name} has {fields} fields and {methods} methods now: tighten MAY_BE_LARGER");
    }
    report(&format!("more than {FIELDS} fields or {METHODS} methods: find its parts"), &large);
}

#[test]
fn types_are_measured() {
    let text = "pub(crate) struct A<T> {\n    pub a: u8,\n    b: T,\n}\n\nimpl<T: B> A<T> {\n    pub fn a() {\n        \
                fn inner() {}\n    }\n\n    async fn b() {}\n}\n\nimpl Drop for A<u8> {\n    fn drop() {}\n}\n";
    let sources = BTreeMap::from([("core/src/a.rs".to_owned(), text.to_owned())]);
    let expected = BTreeMap::from([(("core".to_owned(), "A".to_owned()), (2, 2))]);
    assert_eq!(sizes(&sources), expected);
}
