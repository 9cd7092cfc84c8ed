//! A terminal with `kirc` in it.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, SlavePty, native_pty_system};

use super::{LONG, World};

/// A terminal of 100 columns and 30 rows with `kirc` in it.
pub struct Screen {
    parser: Arc<Mutex<vt100::Parser>>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
    /// Held as by a shell: what stands on its way when the last one lets go of it may be lost.
    _slave: Box<dyn SlavePty + Send>,
}

impl Screen {
    /// Starts it.
    pub fn start(world: &World, profile: &str, arguments: &[&str]) -> Self {
        Self::start_with(world, profile, arguments, |_| {})
    }

    /// The same in another folder, with another environment.
    pub fn start_with(
        world: &World,
        profile: &str,
        arguments: &[&str],
        prepare: impl FnOnce(&mut CommandBuilder),
    ) -> Self {
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
        for (name, value) in world.settings(profile) {
            command.env(name, value);
        }
        command.args(arguments);
        prepare(&mut command);
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
        Self { parser, keys, child, _master: pair.master, _slave: pair.slave }
    }

    /// What stands there.
    pub fn text(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    /// Whether a program has the screen for itself.
    pub fn has_alternate(&self) -> bool {
        self.parser.lock().unwrap().screen().alternate_screen()
    }

    /// Waits until something stands there.
    pub fn shows(&self, what: &str) {
        self.shows_within(what, LONG);
    }

    /// The same, for so long at the most; gives how long it took.
    pub fn shows_within(&self, what: &str, within: Duration) -> Duration {
        let begin = Instant::now();
        while !self.text().contains(what) {
            assert!(begin.elapsed() < within, "{what:?} is not shown:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
        begin.elapsed()
    }

    /// Waits until something stands behind something else that stands there.
    pub fn shows_behind(&self, before: &str, what: &str) {
        let begin = Instant::now();
        while !self.text().rsplit_once(before).is_some_and(|(_, rest)| rest.contains(what)) {
            assert!(begin.elapsed() < LONG, "{what:?} is not shown:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Goes down to an option of a question, and takes it.
    pub fn picks(&mut self, option: &str) {
        self.shows(option);
        let chosen = format!("> {option}");
        let begin = Instant::now();
        while !self.text().contains(&chosen) {
            assert!(begin.elapsed() < LONG, "{option:?} can't be reached:\n{}", self.text());
            // A key is lost that comes before the question listens.
            let before = self.text();
            self.types("\x1b[B");
            let typed = Instant::now();
            while self.text() == before && typed.elapsed() < Duration::from_secs(1) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        self.types("\r");
    }

    /// Types.
    pub fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits for its end; gives the exit code.
    pub fn ends(&mut self) -> u32 {
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
