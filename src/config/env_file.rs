//! The `.env` file: lines are preserved, and values are read and replaced.
//!
//! The format: `NAME=value`, `export NAME=value`, `'…'` taken literally, `"…"` with `\n`, `\"`,
//! `\\` and `\$`; `#` starts a comment at the start of a line or after a blank. Nothing is ever
//! substituted, and no value spans lines.

use std::path::{Path, PathBuf};

use super::{FileError, Mistake, write_private};

/// Why a `.env` file can't be read. No text of it is shown: it may hold secrets.
#[derive(Debug, thiserror::Error)]
pub enum EnvFileError {
    /// The system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line is not of its form.
    #[error("line {line} of {} can't be read: {why}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl From<EnvFileError> for Mistake {
    fn from(error: EnvFileError) -> Self {
        Self { what: ".env".into(), why: error.to_string() }
    }
}

#[derive(Clone)]
struct Line {
    raw: String,
    pair: Option<(String, String)>,
}

/// A `.env` file. What is not understood or not ours stays as it is.
#[derive(Clone)]
pub struct EnvFile {
    path: PathBuf,
    lines: Vec<Line>,
}

impl std::fmt::Debug for EnvFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("EnvFile").field(&self.path).finish()
    }
}

impl EnvFile {
    /// An empty one.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), lines: Vec::new() }
    }

    /// Reads a file; `None` if there is none.
    pub fn read(path: &Path) -> Result<Option<Self>, EnvFileError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(path, &text).map(Some),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FileError::io(path, "read")(source).into()),
        }
    }

    /// Reads a text.
    pub fn parse(path: &Path, text: &str) -> Result<Self, EnvFileError> {
        let mut lines = Vec::new();
        for (number, raw) in text.lines().enumerate() {
            let pair = parse_line(raw).map_err(|why| EnvFileError::Line {
                path: path.to_owned(),
                line: number + 1,
                why,
            })?;
            lines.push(Line { raw: raw.to_owned(), pair });
        }
        Ok(Self { path: path.to_owned(), lines })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A value; the last line of a name counts.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs().rfind(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// All names and values.
    pub fn pairs(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        self.lines.iter().filter_map(|l| l.pair.as_ref()).map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// Sets a value: in its line if there is one, else at the end, under a comment.
    pub fn set(&mut self, name: &str, value: &str, comment: &str) {
        if self.get(name) == Some(value) {
            return;
        }
        let line =
            Line { raw: format!("{name}={}", quote(value)), pair: Some((name.to_owned(), value.to_owned())) };
        let old = self.lines.iter().rposition(|l| l.pair.as_ref().is_some_and(|(n, _)| n == name));
        match old {
            Some(i) => self.lines[i] = line,
            None => {
                if !comment.is_empty() {
                    if !self.lines.is_empty() {
                        self.lines.push(comment_line(""));
                    }
                    self.lines.extend(comment.lines().map(|c| comment_line(&format!("# {c}"))));
                }
                self.lines.push(line);
            }
        }
    }

    /// Its text.
    pub fn text(&self) -> String {
        self.lines.iter().map(|l| format!("{}\n", l.raw)).collect()
    }

    /// Writes it, mode 0600.
    pub fn write(&self) -> Result<(), FileError> {
        write_private(&self.path, self.text().as_bytes())
    }
}

fn comment_line(raw: &str) -> Line {
    Line { raw: raw.to_owned(), pair: None }
}

fn parse_line(raw: &str) -> Result<Option<(String, String)>, &'static str> {
    // Some editors begin a file with a byte order mark.
    let text = raw.strip_prefix('\u{feff}').unwrap_or(raw).trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let text = match text.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
        _ => text,
    };
    let (name, value) = text.split_once('=').ok_or("it has no =")?;
    let name = name.trim_end();
    let valid = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
    if name.is_empty() || !valid {
        return Err("the name before the = has other letters than A-Z, 0-9 and _");
    }
    let value = match value.trim_start() {
        v if v.starts_with('\'') => {
            let (inside, rest) = v[1..].split_once('\'').ok_or("a ' is not closed")?;
            end_of_line(rest)?;
            inside.to_owned()
        }
        v if v.starts_with('"') => double_quoted(&v[1..])?,
        v if v.starts_with('#') => String::new(),
        v => {
            let end = v
                .char_indices()
                .find(|(i, c)| *c == '#' && v[..*i].ends_with([' ', '\t']))
                .map_or(v.len(), |(i, _)| i);
            v[..end].trim_end().to_owned()
        }
    };
    Ok(Some((name.to_owned(), value)))
}

fn double_quoted(text: &str) -> Result<String, &'static str> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                end_of_line(chars.as_str())?;
                return Ok(out);
            }
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some(c @ ('"' | '\\' | '$')) => out.push(c),
                _ => return Err("behind a \\ stands something other than n, \", \\ or $"),
            },
            c => out.push(c),
        }
    }
    Err("a \" is not closed")
}

fn end_of_line(rest: &str) -> Result<(), &'static str> {
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with('#') {
        Ok(())
    } else {
        Err("something stands behind the closing quote")
    }
}

fn quote(value: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./:@,+%~".contains(c);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    if !value.contains(['\'', '\n', '\r']) {
        return format!("'{value}'");
    }
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '"' | '\\' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> EnvFile {
        EnvFile::parse(Path::new(".env"), text).unwrap()
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_name() {
        assert_eq!(parse("\u{feff}A=1\n").get("A"), Some("1"));
    }

    #[test]
    fn forms_that_people_write() {
        let file = parse(
            "# comment\nA=1\nexport B = two words # why\nC='it''s'#x\n"
                .replace("'it''s'#x", "'a # b' # x")
                .as_str(),
        );
        assert_eq!(file.get("A"), Some("1"));
        assert_eq!(file.get("B"), Some("two words"));
        assert_eq!(file.get("C"), Some("a # b"));
        assert_eq!(parse("A=x#y").get("A"), Some("x#y"));
        assert_eq!(parse("A=\"a\\n\\$b\"").get("A"), Some("a\n$b"));
        assert_eq!(parse("A=").get("A"), Some(""));
    }

    #[test]
    fn a_bad_line_is_named_but_not_shown() {
        let error =
            EnvFile::parse(Path::new("x/.env"), "A=1\nKIRC_PASSPHRASE='hunter2\n").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn what_is_not_ours_stays() {
        let text = "# mine\nOTHER=1\n\nKIRC_NICK=old # why not\nZ='x y'\n";
        let mut file = parse(text);
        file.set("KIRC_NICK", "new", "Your nick.");
        file.set("KIRC_GRID", "/a b", "The grid.");
        assert_eq!(
            file.text(),
            "# mine\nOTHER=1\n\nKIRC_NICK=new\nZ='x y'\n\n# The grid.\nKIRC_GRID='/a b'\n"
        );
        let before = file.text();
        file.set("KIRC_GRID", "/a b", "The grid.");
        assert_eq!(file.text(), before);
    }

    proptest! {
        #[test]
        fn any_value_survives(value in "[^\r]*") {
            let mut file = EnvFile::new(Path::new(".env"));
            file.set("A", &value, "");
            let read = parse(&file.text());
            prop_assert_eq!(read.get("A"), Some(value.as_str()));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC*") {
            let _ = EnvFile::parse(Path::new(".env"), &text);
        }
    }
}
