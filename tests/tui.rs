//! The terminal UI as a person starts it: in a terminal, on the first run, beside a node, and with made-up data.

mod common;

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{LONG, World};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// A terminal of 100 columns and 30 rows with `kirc` in it.
struct Screen {
    parser: Arc<Mutex<vt100::Parser>>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
}

impl Screen {
    fn start(world: &World, profile: &str, arguments: &[&str]) -> Self {
        let size = PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_kirc"));
        command.env_clear();
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env("HOME", world.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("KIRC_DATA_DIR", world.path());
        command.env("KIRC_PROFILE", profile);
        command.args(arguments);
        let child = pair.slave.spawn_command(command).unwrap();
        let mut output = pair.master.try_clone_reader().unwrap();
        let keys = pair.master.take_writer().unwrap();
        let parser =
            Arc::new(Mutex::new(vt100::Parser::new(30.try_into().unwrap(), 100.try_into().unwrap(), 0)));
        let drawn = parser.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = output.read(&mut bytes) {
                if count == 0 {
                    break;
                }
                drawn.lock().unwrap().process(&bytes[..count]);
            }
        });
        Self { parser, keys, child, _master: pair.master }
    }

    fn text(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    fn shows(&self, what: &str) {
        let begin = Instant::now();
        while !self.text().contains(what) {
            assert!(begin.elapsed() < LONG, "{what:?} is not shown:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn ends(&mut self) -> u32 {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(begin.elapsed() < LONG, "it does not end:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_first_run_asks_and_then_shows_the_screen() {
    let world = World::new();
    let mut screen = Screen::start(&world, "alice", &[]);
    screen.shows("Your nick:");
    screen.types("alice\r");
    screen.shows("The grid's folder:");
    screen.types("\r");
    screen.shows("Passphrase");
    screen.types("\r");
    screen.shows("Welcome to kirc, alice");
    screen.types("/join #net\r");
    screen.shows("1 member");
    screen.types("hello from the screen\r");
    screen.shows("hello from the screen");

    // Others of the profile go through this process.
    world.ok("alice", &["send", "#net", "from another process"]);
    screen.shows("from another process");
    screen.types("/quit\r");
    assert_eq!(screen.ends(), 0);
    let history = world.ok("alice", &["history", "#net"]);
    assert_eq!(history.lines().count(), 2, "{history}");
}

#[test]
fn it_attaches_to_a_running_node_and_takes_over() {
    let world = World::new();
    world.set_up("alice");
    let mut node = world.node("alice");
    world.ok("alice", &["send", "--join", "#net", "before"]);
    let mut screen = Screen::start(&world, "alice", &["tui"]);
    screen.shows("#net");
    node.signal("TERM");
    assert_eq!(node.wait(), Some(0));
    let socket = world.profile("alice").join("kirc.sock");
    let begin = Instant::now();
    while !socket.exists() {
        assert!(begin.elapsed() < LONG, "nobody runs the node");
        std::thread::sleep(Duration::from_millis(10));
    }
    screen.types("/join #net\r");
    screen.shows("1 member");
    screen.types("still here\r");
    let mut tail = world.start("alice", &["tail", "#net", "--json"]);
    tail.hears("still here");
    screen.types("/quit\r");
    assert_eq!(screen.ends(), 0);
}

#[test]
fn the_demonstration_needs_nothing() {
    let world = World::new();
    let mut screen = Screen::start(&world, "nobody", &["--demo"]);
    screen.shows("#");
    screen.types("/quit\r");
    assert_eq!(screen.ends(), 0);
    assert!(!world.path().join("profiles").exists());
}
