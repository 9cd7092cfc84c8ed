//! What good intentions don't keep: length of files, size of types, calls that stop the program,
//! first lines, links and file names in the pages.
//!
//! Each check reads the tree as text. A limit here is only ever tightened; an exception has its
//! reason beside it.

mod types;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a source file at the most, its tests apart.
const LONGEST: usize = 500;

/// Columns of a line of prose at the most, in pages and in comments.
const WIDEST: usize = 100;

/// Files that may be longer for now: a file, how long, and why. Only ever shorter.
const MAY_BE_LONGER: &[(&str, usize, &str)] = &[];

/// Places outside tests that may call `unwrap` or `expect`: a file, how often, and why it can't
/// fail.
const MAY_UNWRAP: &[(&str, usize, &str)] = &[];

/// Where unsafe code may be: the calls of librdkafka that nobody wraps, and the handler of one
/// signal.
const MAY_BE_UNSAFE: [&str; 2] = ["src/mailbox/kafka/raw/", "src/sigbus.rs"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files of the tree with an extension, by their path from the root; nothing that was built or
/// hidden.
fn files(extension: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the tree") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == extension) {
                let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                let name = path.strip_prefix(root()).expect("a path below the root");
                out.insert(name.display().to_string(), text);
            }
        }
    }
    out
}

/// Whether a file holds nothing but tests.
fn is_test(path: &str) -> bool {
    let mut folders = path.split('/');
    let file = path.rsplit('/').next().unwrap_or_default();
    let test = |f| matches!(f, "tests" | "benches" | "fuzz" | "examples" | "conformance");
    folders.any(test) || matches!(file, "tests.rs" | "conformance.rs")
}

/// The program's own files, each without the tests at its end.
fn sources() -> BTreeMap<String, String> {
    let all = files("rs").into_iter().filter(|(path, _)| !is_test(path));
    all.map(|(path, text)| (path, without_tests(&text))).collect()
}

/// A file up to its test module, which stands last.
fn without_tests(text: &str) -> String {
    match text.find("\n#[cfg(test)]\nmod tests {") {
        Some(at) => text[..at].to_owned(),
        None => text.to_owned(),
    }
}

/// Lines of code that hold one of some words; comments don't count.
fn lines_with<'t>(text: &'t str, words: &[&str]) -> Vec<(usize, &'t str)> {
    let numbered = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim()));
    numbered.filter(|(_, l)| !l.starts_with("//") && words.iter().any(|w| l.contains(w))).collect()
}

fn report(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn no_source_file_is_long() {
    let allowed: BTreeMap<&str, usize> = MAY_BE_LONGER.iter().map(|(path, n, _)| (*path, *n)).collect();
    let mut long = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        let may = allowed.get(path.as_str()).copied();
        if lines > may.unwrap_or(LONGEST) {
            long.push(format!("{path}: {lines} lines"));
        }
        let tight = may.is_none_or(|may| lines > LONGEST && lines + 20 > may);
        assert!(tight, "{path} has {lines} lines only: tighten MAY_BE_LONGER");
    }
    report(&format!("longer than {LONGEST} lines: cut along what changes together"), &long);
}

/// Lines of a page that are prose and too wide. What can't be cut is none: a table, a picture or
/// link alone, and what stands between fences.
fn wide_prose(page: &str) -> Vec<usize> {
    let mut fenced = false;
    let wide = |(i, line): (usize, &str)| {
        let text = line.trim_start();
        fenced ^= text.starts_with("```");
        let whole = fenced || text.starts_with(['|', '<']) || text.starts_with("![") || !text.contains(' ');
        (!whole && line.chars().count() > WIDEST).then_some(i + 1)
    };
    page.lines().enumerate().filter_map(wide).collect()
}

#[test]
fn prose_is_not_wide() {
    let mut wide = Vec::new();
    for (path, page) in files("md") {
        wide.extend(wide_prose(&page).into_iter().map(|line| format!("{path}:{line}")));
    }
    for (path, text) in files("rs") {
        let comment = |line: &str| line.trim_start().starts_with("//") && line.chars().count() > WIDEST;
        let lines = text.lines().enumerate().filter(|(_, line)| comment(line));
        wide.extend(lines.map(|(i, _)| format!("{path}:{}", i + 1)));
    }
    report(&format!("wider than {WIDEST} columns: wrap it"), &wide);
    let page = format!("{0}\n| {0} |\n```\n{0}\n```\n{0}", "word ".repeat(21));
    assert_eq!(wide_prose(&page), [1, 6], "a check that finds nothing checks nothing");
}

#[test]
fn every_source_file_says_what_it_is() {
    let silent: Vec<String> = files("rs")
        .into_iter()
        // A file of unit tests says by its name what it is.
        .filter(|(path, _)| !path.ends_with("/tests.rs"))
        .filter(|(_, text)| {
            !text.lines().find(|l| !l.starts_with("#!")).unwrap_or_default().starts_with("//! ")
        })
        .map(|(path, _)| path)
        .collect();
    report("no first line that says what the file owns", &silent);
}

#[test]
fn nothing_stops_the_program_by_surprise() {
    let allowed: BTreeMap<&str, usize> = MAY_UNWRAP.iter().map(|(path, n, _)| (*path, *n)).collect();
    let mut found = Vec::new();
    for (path, text) in sources() {
        // The simulation is a test; it may stop where it likes.
        if path.starts_with("sim/") {
            continue;
        }
        let calls = lines_with(&text, &[".unwrap()", ".expect(", "todo!(", "unimplemented!("]);
        let may = allowed.get(path.as_str()).copied().unwrap_or_default();
        if calls.len() > may {
            found.extend(calls.iter().map(|(line, text)| format!("{path}:{line}: {text}")));
        }
        assert!(may <= calls.len() || may == 0, "{path} calls less than it may: tighten MAY_UNWRAP");
    }
    report("handle it, or show in MAY_UNWRAP why it can't fail", &found);
}

#[test]
fn there_is_no_unsafe_code() {
    // But for two places, where each block says why it is sound.
    let mut found = Vec::new();
    for (path, text) in files("rs") {
        let words = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"];
        if MAY_BE_UNSAFE.iter().any(|place| path.starts_with(place)) {
            found.extend(without_proof(&text).into_iter().map(|line| format!("{path}:{line}: no SAFETY")));
            continue;
        }
        // This file names the words that it looks for.
        if path != "tests/ratchet/main.rs" {
            found.extend(
                lines_with(&text, &words).iter().map(|(line, text)| format!("{path}:{line}: {text}")),
            );
        }
    }
    report("unsafe code", &found);
    for (krate, how) in [("core", "forbid"), ("tui", "forbid"), (".", "deny")] {
        let text = fs::read_to_string(root().join(krate).join("src/lib.rs")).expect("a crate");
        assert!(text.contains(&format!("#![{how}(unsafe_code)]")), "{krate} does not {how} unsafe code");
    }
}

/// Lines that begin something unsafe with no word above them of why it is sound.
fn without_proof(text: &str) -> Vec<usize> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_unsafe = |l: &str| {
        !l.starts_with("//")
            && (l.contains("unsafe {") || l.starts_with("unsafe impl"))
            && !l.starts_with("unsafe fn")
    };
    // The proof stands in the comment above the statement, which may have begun a few lines before.
    let proven = |i: usize| lines[i.saturating_sub(5)..i].iter().any(|l| l.starts_with("// SAFETY:"));
    (0..lines.len()).filter(|&i| is_unsafe(lines[i]) && !proven(i)).map(|i| i + 1).collect()
}

#[test]
fn the_core_stays_pure() {
    // clippy.toml bans calls; these are whole rooms of the standard library, and what clippy can't
    // see.
    let rooms = [
        "std::fs",
        "std::net",
        "std::process",
        "tokio",
        "collections::HashSet",
        "Pkcs1v15",
        "OsRng",
        "thread_rng",
    ];
    let mut found = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| path.starts_with("core/")) {
        found.extend(lines_with(text, &rooms).iter().map(|(line, text)| format!("{path}:{line}: {text}")));
    }
    report("not for the core", &found);
}

#[test]
fn links_in_the_pages_lead_somewhere() {
    let mut dead = Vec::new();
    for (page, text) in files("md") {
        let folder = Path::new(&page).parent().unwrap_or(Path::new("")).to_owned();
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { PathBuf::from(&page) } else { folder.join(file) };
            let full = root().join(&target);
            if !full.exists() {
                dead.push(format!("{page}: {link}"));
            } else if !anchor.is_empty() && !has_heading(&full, anchor) {
                dead.push(format!("{page}: {link} (no such heading)"));
            }
        }
    }
    report("links that lead nowhere", &dead);
}

/// The paths of the tree that a page names in backticks.
fn named_paths(text: &str) -> Vec<&str> {
    let spans = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let tops =
        ["core/", "src/", "tui/", "sim/", "tests/", "scripts/", "schema/", "docs/", "terraform/", "fuzz/"];
    let literal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    spans.filter(|span| tops.iter().any(|top| span.starts_with(top)) && span.chars().all(literal)).collect()
}

/// Files that commands make, so the tree has none of them.
const MADE: [&str; 1] = ["terraform/terraform.tfstate"];

#[test]
fn files_that_the_pages_name_are_there() {
    let there = |path: &&str| MADE.contains(path) || root().join(path).exists();
    let mut gone = Vec::new();
    for (page, text) in files("md").iter().filter(|(page, _)| *page != "CHANGELOG.md") {
        let named = named_paths(text).into_iter().filter(|path| !there(path));
        gone.extend(named.map(|path| format!("{page}: {path}")));
    }
    report("named in the pages, and not there", &gone);
    assert_eq!(named_paths("`src/a.rs` and `src/{a}.rs`, `b` `core/`"), ["src/a.rs", "core/"]);
}

/// The targets of `[text](target)` and `src="target"`, code left out.
fn links(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        let ends = [("](", ')'), ("src=\"", '"'), ("href=\"", '"')];
        for (start, end) in ends {
            for part in line.split(start).skip(1) {
                out.push(part.split(end).next().unwrap_or_default());
            }
        }
    }
    out
}

/// Whether a page has a heading with this anchor, made the way that forges make them.
fn has_heading(page: &Path, anchor: &str) -> bool {
    let text = fs::read_to_string(page).unwrap_or_default();
    let headings = text.lines().filter(|l| l.starts_with('#')).map(|l| l.trim_start_matches('#').trim());
    let mut anchors = headings.map(|heading| {
        let kept = heading.to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>()
    });
    anchors.any(|a| a == anchor)
}

#[test]
fn the_checks_of_this_file_bite() {
    assert_eq!(without_tests("a\n#[cfg(test)]\nmod tests {\n  x.unwrap()\n}"), "a");
    assert_eq!(lines_with("// x.unwrap()\nx.unwrap();", &[".unwrap()"]), [(2, "x.unwrap();")]);
    assert_eq!(links("see [a](b.md#c) and\n```\n[x](y)\n```\n<img src=\"d.svg\">"), ["b.md#c", "d.svg"]);
    assert!(is_test("core/src/channel/tests/masks.rs") && !is_test("core/src/mask.rs"));
    assert!(has_heading(&root().join("schema/README.md"), "index"));
}
