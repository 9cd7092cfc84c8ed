//! Helpers of the whole-program tests: a folder for everything, profiles in it, pipes to talk
//! through.
#![allow(dead_code)]

pub mod forwarder;
pub mod irc;
pub mod own_services;
pub mod party;
pub mod screen;
pub mod services;
pub mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use services::{Cluster, Services};

/// How long anything may take before a test gives up.
pub const LONG: Duration = Duration::from_secs(30);

/// What nodes log (as `KIRC_LOG`); where it is set, a test that fails keeps their folders.
const LOG_LEVELS: &str = "KIRC_TEST_LOG";

/// A folder of one machine: profiles and the grid that they share.
pub struct World {
    dir: tempfile::TempDir,
    services: Option<Services>,
    second: BTreeSet<String>,
    extra: BTreeMap<String, String>,
    of_one: BTreeMap<String, Vec<(String, String)>>,
    theirs_alone: bool,
}

impl World {
    /// An empty one: on the embedded grid; with `KIRC_TEST_GRID=services` on the real services that
    /// the environment names.
    pub fn new() -> Self {
        match std::env::var("KIRC_TEST_GRID").as_deref() {
            Ok("services") => {
                let mut services = Services::from_env("KIRC_TEST_GRID=services").expect("services");
                services.peer = false;
                Self::on(services)
            }
            _ => Self::embedded(),
        }
    }

    /// One on the embedded grid, whatever else is asked for.
    pub fn embedded() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        Self {
            dir,
            services: None,
            second: BTreeSet::new(),
            extra: BTreeMap::new(),
            of_one: BTreeMap::new(),
            theirs_alone: false,
        }
    }

    /// One on the real services that the environment names, with names of its own, which are gone
    /// when it is dropped. Nothing where there are none; see [`Services::from_env`].
    pub fn on_services(test: &str) -> Option<Self> {
        Services::from_env(test).map(Self::on)
    }

    /// One on these services.
    pub fn on(services: Services) -> Self {
        let mut world = Self::embedded();
        world.services = Some(services);
        world
    }

    /// One on services that nobody else uses, and that end with the test: nothing is tidied up.
    pub fn alone_on(services: Services) -> Self {
        let mut world = Self::on(services);
        world.theirs_alone = true;
        world
    }

    /// The same, where `kirc setup infra` may make users and rules, and there is no user for
    /// contacts yet.
    pub fn with_admin(test: &str) -> Option<Self> {
        let mut world = Self::on_services(test)?;
        for name in ["KIRC_KAFKA_ADMIN_USER", "KIRC_KAFKA_ADMIN_PASSWORD"] {
            let value = world.services().get(name).to_owned();
            world.set(name, &value);
        }
        world.set("KIRC_KAFKA_PEER_USER", "");
        world.set("KIRC_KAFKA_PEER_PASSWORD", "");
        Some(world)
    }

    /// Moves a profile, before it is set up, to the second cluster.
    pub fn on_second_cluster(&mut self, profile: &str) {
        self.second.insert(profile.to_owned());
    }

    /// Sets something in the environment of all profiles.
    pub fn set(&mut self, name: &str, value: &str) {
        self.extra.insert(name.to_owned(), value.to_owned());
    }

    /// Sets something in the environment of one profile.
    pub fn set_for(&mut self, profile: &str, name: &str, value: &str) {
        self.of_one.entry(profile.to_owned()).or_default().push((name.to_owned(), value.to_owned()));
    }

    /// Whether it is on the embedded grid.
    pub fn is_embedded(&self) -> bool {
        self.services.is_none()
    }

    /// The real services that it is on.
    pub fn services(&self) -> &Services {
        self.services.as_ref().expect("a world on services")
    }

    /// The cluster that a profile is on.
    pub fn cluster(&self, profile: &str) -> Cluster {
        if self.second.contains(profile) { Cluster::Second } else { Cluster::First }
    }

    /// Where the services of a profile are, as settings; nothing on the embedded grid.
    pub fn settings(&self, profile: &str) -> Vec<(String, String)> {
        let cluster = self.cluster(profile);
        self.services.as_ref().map(|s| s.settings(cluster, profile)).unwrap_or_default()
    }

    /// Where everything is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A profile's folder.
    pub fn profile(&self, name: &str) -> PathBuf {
        self.path().join("profiles").join(name)
    }

    /// `kirc` for a profile, with nothing of this machine's settings, and with its services in the
    /// environment.
    pub fn kirc(&self, profile: &str) -> Command {
        let mut command = self.bare(profile);
        command.envs(self.settings(profile)).envs(&self.extra);
        command.envs(self.of_one.get(profile).cloned().unwrap_or_default());
        command
    }

    /// The same, with nothing but its `.env` to say where its services are.
    pub fn bare(&self, profile: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kirc"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("KIRC_") {
                command.env_remove(name);
            }
        }
        if let Some(levels) = std::env::var_os(LOG_LEVELS) {
            command.env("KIRC_LOG", levels);
        }
        command
            .env("KIRC_DATA_DIR", self.path())
            .env("KIRC_PROFILE", profile)
            .env("HOME", self.path())
            .env_remove("XDG_DATA_HOME")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs `kirc` to its end.
    pub fn run(&self, profile: &str, arguments: &[&str]) -> Output {
        self.kirc(profile).args(arguments).output().expect("kirc can be run")
    }

    /// Runs `kirc`, which must succeed; gives what it said on stdout.
    pub fn ok(&self, profile: &str, arguments: &[&str]) -> String {
        let output = self.run(profile, arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Sets a profile up whose nick is its name.
    pub fn set_up(&self, profile: &str) {
        let grid: &[&str] = if self.services.is_some() { &[] } else { &["--embedded"] };
        self.ok(profile, &[&["setup", "--nick", profile, "--yes"], grid].concat());
    }

    /// Starts a subcommand to talk to, line by line.
    pub fn start(&self, profile: &str, arguments: &[&str]) -> Talker {
        self.talker(self.kirc(profile), profile, arguments)
    }

    /// The same with a `kirc` of its own, such as [`World::bare`].
    pub fn talker(&self, mut kirc: Command, profile: &str, arguments: &[&str]) -> Talker {
        let mut child = kirc
            .args(arguments)
            .stdin(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("kirc can be started");
        let stdout = child.stdout.take().expect("stdout");
        let (lines, heard) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        Talker { name: profile.to_owned(), stdin: child.stdin.take(), child, heard, past: Vec::new() }
    }

    /// Starts a pipe and waits for its greeting.
    pub fn pipe(&self, profile: &str) -> Talker {
        let mut pipe = self.start(profile, &["pipe", "--caps", "state"]);
        pipe.until("001");
        pipe
    }

    /// Starts `kirc node` and waits until it can be attached to.
    pub fn node(&self, profile: &str) -> Talker {
        let node = self.start(profile, &["node"]);
        let socket = self.profile(profile).join("kirc.sock");
        let begin = Instant::now();
        while !socket.exists() {
            assert!(begin.elapsed() < LONG, "the node of {profile} makes no socket");
            std::thread::sleep(Duration::from_millis(10));
        }
        node
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os(LOG_LEVELS).is_some() {
            self.dir.disable_cleanup(true);
            println!("what the nodes logged is kept in {}", self.path().display());
        }
        if let Some(services) = self.services.as_ref().filter(|_| !self.theirs_alone) {
            let second = (!self.second.is_empty()).then_some(Cluster::Second);
            let clusters: Vec<Cluster> = [Cluster::First].into_iter().chain(second).collect();
            services.tidy_up(&clusters);
        }
    }
}

/// Makes two people each other's contacts: the first invites the second.
pub fn introduce(inviter: &mut Talker, invitee: &mut Talker) {
    invitee.say(json!({"command": "CARD", "meta": {"label": 1}}));
    let card = invitee.until("CARD")["body"]["card"].clone();
    inviter.say(json!({"command": "INVITATION", "params": ["create"], "body": {"card": card}}));
    let text = inviter.until("INVITATION")["body"]["text"].clone();
    invitee.say(json!({"command": "INVITATION", "params": ["accept"], "body": {"text": text}}));
    invitee.until("INVITATION");
    inviter.until("NOTICE");
}

/// Writes a file that only its owner may read.
pub fn private(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).expect("a file");
    file.write_all(bytes).expect("room for it");
}

/// A process that says lines and hears lines.
pub struct Talker {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    heard: Receiver<String>,
    past: Vec<Value>,
}

impl Talker {
    /// Says an envelope.
    pub fn say(&mut self, envelope: Value) {
        self.line(&envelope.to_string());
    }

    /// Says a line as it is.
    pub fn line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("input has not ended");
        writeln!(stdin, "{line}").expect("it reads");
        stdin.flush().expect("it reads");
    }

    /// Says a message.
    pub fn message(&mut self, to: &str, text: &str) {
        self.say(json!({"command": "PRIVMSG", "to": to, "body": [text]}));
    }

    /// Joins, and waits until that is done.
    pub fn join(&mut self, channel: &str) {
        self.say(json!({"command": "JOIN", "to": channel}));
        self.find(&format!("the end of names of {channel}"), |e| {
            e["command"] == "366" && e["params"][0] == channel
        });
    }

    /// The next line; `None` at the end.
    pub fn raw(&mut self) -> Option<String> {
        match self.heard.recv_timeout(LONG) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("{} says nothing more; so far: {:#?}", self.name, self.past)
            }
        }
    }

    /// The next envelope.
    pub fn next(&mut self) -> Option<Value> {
        let line = self.raw()?;
        let value: Value = serde_json::from_str(&line).expect("an envelope");
        self.past.push(value.clone());
        Some(value)
    }

    /// Reads on until an envelope fits.
    pub fn find(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        while begin.elapsed() < LONG {
            match self.next() {
                Some(envelope) if fits(&envelope) => return envelope,
                Some(_) => {}
                None => break,
            }
        }
        panic!("{} did not say {what}; it said: {:#?}", self.name, self.past);
    }

    /// Reads on until a command comes.
    pub fn until(&mut self, command: &str) -> Value {
        self.find(command, |e| e["command"] == command)
    }

    /// Reads on until a message with this text comes, settled.
    pub fn hears(&mut self, text: &str) -> Value {
        self.find(text, |e| {
            e["command"] == "PRIVMSG"
                && e["body"][0] == text
                && !["sending", "waiting"].contains(&e["meta"]["state"].as_str().unwrap_or(""))
        })
    }

    /// Ends its input.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Ends its input, and waits for its end; gives the exit code.
    pub fn end(mut self) -> Option<i32> {
        self.end_input();
        self.wait()
    }

    /// Waits for its end; gives the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let begin = Instant::now();
        while begin.elapsed() < LONG {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("{} does not end", self.name);
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([&format!("-{signal}"), &self.child.id().to_string()])
            .status()
            .expect("kill");
        assert!(status.success());
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
