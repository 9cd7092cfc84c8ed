//! A grid in a folder that is thrown away, and people on it who speak through the real `kirc pipe`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::files::{Side, check};

/// How long an answer may take on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A data folder with an embedded grid.
pub struct Grid(tempfile::TempDir);

impl Grid {
    /// An empty one.
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// The records of all topics, as the mailbox service sees them.
    pub fn records(&self) -> Vec<Vec<u8>> {
        let path = self.0.path().join("grid/mailbox.db");
        let base = rusqlite::Connection::open(path).expect("the grid's mailbox");
        let mut all = base.prepare("SELECT value FROM record ORDER BY id").expect("a table of records");
        let rows = all.query_map([], |row| row.get(0)).expect("records");
        rows.collect::<Result<_, _>>().expect("records")
    }

    /// Sets a person up and opens a pipe to its node.
    pub fn person(&self, nick: &str) -> Session {
        let done = kirc(self.0.path(), nick)
            .args(["setup", "--nick", nick, "--embedded", "--yes"])
            .output()
            .expect("kirc starts");
        assert!(done.status.success(), "kirc setup: {}", String::from_utf8_lossy(&done.stderr));
        let mut child = kirc(self.0.path(), nick)
            .arg("pipe")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("kirc starts");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe from kirc"));
        let (to_test, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if to_test.send(line).is_err() {
                    return;
                }
            }
        });
        Session { child, stdin, lines, label: 0, heard: Vec::new() }
    }
}

fn kirc(data: &Path, profile: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kirc"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KIRC_") {
            command.env_remove(name);
        }
    }
    command.arg("--data-dir").arg(data).args(["--profile", profile]);
    command
}

/// A person's pipe. Every line that it prints is held against its schema.
pub struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    label: u64,
    /// The commands that were heard.
    pub heard: Vec<String>,
}

impl Session {
    /// Says something and does not wait. Answers the label it was given.
    pub fn say(&mut self, mut envelope: Value) -> String {
        self.label += 1;
        let label = format!("l{}", self.label);
        envelope["meta"]["label"] = label.clone().into();
        if let Err(wrong) = check(Side::From, &envelope) {
            panic!("a test says what no session may say: {wrong}");
        }
        self.line(&envelope.to_string());
        label
    }

    /// Writes a line as it stands.
    pub fn line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("an open pipe");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).expect("kirc reads its pipe");
    }

    /// Listens until an envelope fits, and answers it.
    pub fn until(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("never heard {what}; heard {:?}", self.heard);
            };
            let envelope = self.check(&line);
            if fits(&envelope) {
                return envelope;
            }
        }
    }

    /// Says something and listens until one of some commands answers it.
    pub fn ask(&mut self, envelope: Value, answers: &[&str]) -> Value {
        let what = format!("{answers:?} in answer to {envelope}");
        let label = self.say(envelope);
        self.until(&what, |e| {
            e["meta"]["label"] == label.as_str() && answers.iter().any(|a| e["command"] == *a)
        })
    }

    fn check(&mut self, line: &str) -> Value {
        let envelope: Value =
            serde_json::from_str(line).unwrap_or_else(|e| panic!("kirc printed {line}: {e}"));
        if let Err(wrong) = check(Side::To, &envelope) {
            panic!("kirc sent what its schema does not allow: {wrong}");
        }
        self.heard.push(envelope["command"].as_str().unwrap_or_default().to_owned());
        envelope
    }

    /// Ends the input; what is still printed is checked, and the exit must be a good one.
    pub fn close(mut self) -> Vec<String> {
        drop(self.stdin.take());
        let end = Instant::now() + PATIENCE;
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.check(&line);
        }
        let status = self.child.wait().expect("kirc ends");
        assert!(status.success(), "kirc pipe ended with {status}");
        std::mem::take(&mut self.heard)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
