//! The schema files, read once, and the checks made from them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use jsonschema::{Registry, Validator};
use serde_json::Value;

/// Which way an envelope goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// From a session to its node.
    From,
    /// From a node to its session.
    To,
    /// Between nodes, as the services see it.
    Wire,
    /// Between nodes, inside the encryption.
    Inside,
}

/// All schemas, by their path below `schema/`.
pub fn schemas() -> &'static BTreeMap<String, Value> {
    static SCHEMAS: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
        let mut out = BTreeMap::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder of schemas") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "json") {
                    let text = fs::read_to_string(&path).expect("a schema");
                    let value =
                        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                    let name = path.strip_prefix(&root).expect("a path below schema/");
                    out.insert(name.to_str().expect("a plain name").to_owned(), value);
                }
            }
        }
        out
    })
}

fn registry() -> &'static Registry<'static> {
    static REGISTRY: OnceLock<Registry<'static>> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let mut builder = Registry::new();
        for schema in schemas().values() {
            let id = schema["$id"].as_str().expect("an $id");
            builder = builder.add(id, schema).expect("a schema that can be added");
        }
        builder.prepare().expect("schemas whose references lead somewhere")
    })
}

/// The check for one schema, made once.
fn validator(path: &str) -> Option<&'static Validator> {
    static MADE: Mutex<BTreeMap<String, &'static Validator>> = Mutex::new(BTreeMap::new());
    let schema = schemas().get(path)?;
    let mut made = MADE.lock().unwrap_or_else(|e| e.into_inner());
    if let Some(found) = made.get(path) {
        return Some(found);
    }
    let built = jsonschema::options().with_registry(registry()).build(schema);
    let built = Box::leak(Box::new(built.unwrap_or_else(|e| panic!("{path}: {e}"))));
    made.insert(path.to_owned(), built);
    Some(built)
}

/// The schema of a command or numeric.
pub fn path_of(side: Side, command: &str) -> String {
    let numeric = command.bytes().all(|b| b.is_ascii_digit());
    let folder = match (side, numeric) {
        (Side::From | Side::To, true) => "numeric",
        (Side::From, false) => "from-session",
        (Side::To, false) => "to-session",
        (Side::Wire, _) => "wire",
        (Side::Inside, _) => "wire/inside",
    };
    format!("{folder}/{command}.schema.json")
}

/// Whether an envelope fits the schema of its command; if not, what is wrong.
pub fn check(side: Side, envelope: &Value) -> Result<(), String> {
    let command = envelope["command"].as_str().ok_or("there is no command")?;
    let path = path_of(side, command);
    let validator = validator(&path).ok_or(format!("there is no {path}"))?;
    let wrong: Vec<String> =
        validator.iter_errors(envelope).map(|e| format!("{}: {e}", e.instance_path())).collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("{path}\n  {}\n  {envelope}", wrong.join("\n  "))) }
}

/// Makes the check for every schema, so that one which leads nowhere fails here.
pub fn make_all() {
    for path in schemas().keys() {
        validator(path);
    }
}
