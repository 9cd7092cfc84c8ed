//! The schemas in `schema/`: that they are whole, that they agree with the code and with
//! docs/session.md, and that what the program really sends fits them.
//!
//! `KIRC_WRITE_INDEX=1 cargo test --test schema` writes the index in schema/README.md anew.

mod files;
mod said;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use files::{Side, check, make_all, schemas};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The names of the schemas in one folder.
fn names(folder: &str) -> BTreeSet<String> {
    let prefix = format!("{folder}/");
    let names = schemas().keys().filter_map(|path| path.strip_prefix(&prefix));
    names.map(|name| name.trim_end_matches(".schema.json").to_owned()).collect()
}

#[test]
fn every_schema_is_valid_and_names_itself() {
    make_all();
    for (path, schema) in schemas() {
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{path}");
        assert_eq!(schema["$id"], format!("https://kirc.example/schema/{path}"), "{path}");
        assert!(jsonschema::meta::is_valid(schema), "{path} is no schema");
        assert!(schema["description"].as_str().is_some_and(|d| !d.is_empty()), "{path} says nothing");
        let Some((folder, file)) = path.rsplit_once('/') else {
            continue;
        };
        let name = file.trim_end_matches(".schema.json");
        assert_eq!(schema["properties"]["command"]["const"], name, "{path}");
        if folder != "numeric" {
            assert_eq!(schema["title"], name, "{path}");
        }
    }
}

#[test]
fn every_command_of_the_contract_has_a_schema() {
    let page = read("docs/session.md");
    let (_, rest) = page.split_once("## From a session").expect("the first heading");
    let (from, to) = rest.split_once("## To a session").expect("the second heading");
    // What only ever answers is named in the last column of the first table.
    let answers =
        ["HISTORY", "VERIFY", "CONTACT", "INVITATION", "PROFILE", "CARD", "FLUSH", "MARKREAD", "PONG"];
    let mut heard = commands(to);
    heard.extend(answers.map(str::to_owned));
    assert_eq!(commands(from), names("from-session"));
    assert_eq!(heard, names("to-session"));
}

/// The commands in the first column of a table.
fn commands(table: &str) -> BTreeSet<String> {
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[test]
fn every_numeric_has_a_schema_of_its_name() {
    let table: BTreeMap<_, _> = kirc_core::numeric::ALL.iter().map(|n| (n.code.to_owned(), n.name)).collect();
    assert_eq!(table.keys().cloned().collect::<BTreeSet<_>>(), names("numeric"));
    for (code, name) in table {
        assert_eq!(schemas()[&format!("numeric/{code}.schema.json")]["title"], name, "{code}");
    }
}

#[test]
fn the_limits_are_those_of_the_core() {
    use kirc_core::limits;
    let defs = &schemas()["common.schema.json"]["$defs"];
    assert_eq!(defs["nick"]["maxLength"], limits::NICK);
    assert_eq!(defs["channel"]["maxLength"], limits::CHANNEL);
    assert_eq!(defs["line"]["maxLength"], limits::LINE);
    assert_eq!(defs["lines"]["maxItems"], limits::LINES);
    assert_eq!(defs["counter"]["maximum"], kirc_core::ids::MAX_SAFE_INTEGER);
}

#[test]
fn the_index_lists_every_schema() {
    let path = root().join("schema/README.md");
    let page = fs::read_to_string(&path).expect("schema/README.md");
    let (head, _) = page.split_once("## Index").expect("a heading `## Index`");
    let want = format!("{head}{}", index());
    if std::env::var_os("KIRC_WRITE_INDEX").is_some() {
        fs::write(&path, &want).expect("schema/README.md can be written");
    } else if page != want {
        panic!("the index is not in step: KIRC_WRITE_INDEX=1 cargo test --test schema the_index");
    }
}

fn index() -> String {
    let mut out = String::from("## Index\n");
    let mut folder = None;
    for (path, schema) in schemas() {
        let of = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if folder != Some(of) {
            let heading = if of.is_empty() { "Shared" } else { of };
            out += &format!("\n### {heading}\n\n| schema | title | what it is |\n| --- | --- | --- |\n");
            folder = Some(of);
        }
        let name = Path::new(path).file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let (title, what) = (&schema["title"], &schema["description"]);
        let cell = |v: &Value| v.as_str().unwrap_or_default().replace('|', "\\|");
        out += &format!("| [{name}]({path}) | {} | {} |\n", cell(title), cell(what));
    }
    out
}

#[test]
fn the_schemas_tell_good_from_bad() {
    let cases = [
        (Side::To, json!({"command":"TYPING","from":"bob","to":"#net","params":["active"]}), true),
        (Side::To, json!({"command":"TYPING","from":"bob","to":"#net","params":["asleep"]}), false),
        (Side::To, json!({"command":"GAP","to":"#net","params":["3"],"body":["3 messages are lost."]}), true),
        (Side::To, json!({"command":"GAP","to":"#net","params":["three"],"body":["…"]}), false),
        (Side::To, json!({"command":"332","to":"bob","params":["#net"],"body":["hello"]}), true),
        (Side::To, json!({"command":"332","to":"bob","params":["#net"],"body":"hello"}), false),
        (Side::To, json!({"command":"332","to":"bob","params":["#net"],"body":["hello"],"more":1}), false),
        (Side::To, json!({"command":"NOSUCH"}), false),
        (Side::From, json!({"command":"JOIN","to":"#net","meta":{"label":"1"}}), true),
        (Side::From, json!({"command":"JOIN","to":"net"}), false),
        (Side::From, json!({"command":"PRIVMSG","to":"#net","body":[]}), false),
        (Side::From, json!({"command":"CONTACT","params":["show","bob"]}), true),
        (Side::From, json!({"command":"CONTACT","params":["show"]}), false),
    ];
    for (side, envelope, good) in cases {
        assert_eq!(check(side, &envelope).is_ok(), good, "{envelope}");
    }
}
