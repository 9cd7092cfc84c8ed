//! A bare IRC client, and nodes that listen for it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::{LONG, Talker, World};

/// The password of all owners in these tests.
pub const PASSWORD: &str = "correct horse";

/// All capabilities that a modern client asks for.
pub const MODERN: &str = "batch server-time message-tags echo-message labeled-response standard-replies \
                          draft/chathistory draft/read-marker account-tag extended-join away-notify";

/// A node with a listener.
pub struct IrcNode {
    /// The node's process.
    pub node: Talker,
    /// Where clients connect.
    pub port: u16,
}

impl IrcNode {
    /// Sets a profile up with a password and starts its node.
    pub fn start(world: &World, profile: &str) -> Self {
        world.set_up(profile);
        set_password(world, profile, PASSWORD);
        Self::restart(world, profile)
    }

    /// Starts the node of a profile that was set up.
    pub fn restart(world: &World, profile: &str) -> Self {
        loop {
            let port = free_port();
            let mut node = world.start(profile, &["node", "--irc", &format!("127.0.0.1:{port}")]);
            let begin = Instant::now();
            while begin.elapsed() < LONG {
                // It may be that somebody else has got the port meanwhile: then the node ends.
                if node.has_ended() {
                    break;
                }
                if world.profile(profile).join("kirc.sock").exists()
                    && TcpStream::connect(("127.0.0.1", port)).is_ok()
                {
                    return Self { node, port };
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            assert!(begin.elapsed() < LONG, "the node of {profile} does not listen");
        }
    }

    /// A connection that says nothing yet.
    pub fn connect(&self) -> Irc {
        Irc::connect(self.port)
    }

    /// A client that is logged in, with these capabilities.
    pub fn client(&self, caps: &str) -> Irc {
        let mut irc = self.connect();
        irc.say(&format!("PASS :{PASSWORD}"));
        if !caps.is_empty() {
            irc.say(&format!("CAP REQ :{caps}"));
            assert!(irc.until(" CAP ").contains(" ACK "), "{caps}");
        }
        irc.say("NICK phone");
        irc.say("USER phone 0 * :A phone");
        irc.say("CAP END");
        irc.until(" NICK ");
        irc
    }
}

/// Sets the password of a profile's owner.
pub fn set_password(world: &World, profile: &str, password: &str) {
    let mut child = world
        .kirc(profile)
        .args(["account", "passwd"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("kirc can be run");
    writeln!(child.stdin.take().expect("stdin"), "{password}").expect("it reads");
    assert!(child.wait().expect("it ends").success());
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// A client: lines out, lines in.
pub struct Irc {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
    past: Vec<String>,
}

impl Irc {
    /// Connects.
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        stream.set_read_timeout(Some(LONG)).expect("a time-out");
        let lines = BufReader::new(stream.try_clone().expect("a second handle"));
        Self { stream, lines, past: Vec::new() }
    }

    /// Says a line.
    pub fn say(&mut self, line: &str) {
        self.bytes(format!("{line}\r\n").as_bytes());
    }

    /// Says bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("it reads");
    }

    /// The next line; `None` at the end.
    pub fn next(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => {
                let line = line.trim_end().to_owned();
                self.past.push(line.clone());
                Some(line)
            }
            Err(error) => panic!("nothing more comes ({error}); so far: {:#?}", self.past),
        }
    }

    /// Reads on until a line has this in it.
    pub fn until(&mut self, text: &str) -> String {
        while let Some(line) = self.next() {
            if line.contains(text) {
                return line;
            }
        }
        panic!("no line with {text:?}; so far: {:#?}", self.past);
    }

    /// All lines up to the one with this in it, and that one.
    pub fn all_until(&mut self, text: &str) -> Vec<String> {
        let from = self.past.len();
        self.until(text);
        self.past[from..].to_vec()
    }

    /// Everything that comes before the answer to a PING.
    pub fn settled(&mut self) -> Vec<String> {
        let token = format!("settled-{}", self.past.len());
        self.say(&format!("PING {token}"));
        self.all_until(&token)
    }

    /// Joins a channel.
    pub fn join(&mut self, channel: &str) {
        self.say(&format!("JOIN {channel}"));
        self.until(" 366 ");
    }

    /// Reads to the end.
    pub fn end(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = self.lines.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    }
}
