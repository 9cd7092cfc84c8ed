//! One connection: bytes in, bytes out, and what happens in between, a turn at a time.
//!
//! A turn handles what has come, and then writes once. Nothing here waits for anything else: what
//! takes time is waited for together with the socket.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use kirc_core::Envelope;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::SERVER;
use super::caps::Cap;
use super::client::{Client, Turn};
use super::codec::Line;
use super::inbox::Inbox;
use super::io::Shared;
use super::register::{Registration, Step, Verdict};
use super::timers::{Due, Timers};
use crate::session::{Attach, Session};

/// Bytes read at once.
const READ: usize = 4096;
/// Bytes that wait for the client; above, nothing more is taken from the node or the client.
const HIGH: usize = 256 * 1024;
/// Envelopes of one turn.
const ENVELOPES: usize = 64;
/// Clients that are remembered.
const CLIENTS: usize = 64;
/// How long the last words may take.
const LAST: Duration = Duration::from_secs(1);

/// Who the client is so far.
enum Stage {
    /// It registers.
    Registering(Registration),
    /// Its login is being checked.
    Checking(Registration, JoinHandle<Verdict>),
    /// It gets a session.
    Attaching(Registration, JoinHandle<Option<Session>>),
    /// It is in.
    In(Box<Client>, Sender<Envelope>, Receiver<Envelope>),
    /// It ends.
    Ended,
}

/// What a turn begins with.
enum Event {
    Readable,
    Writable,
    Checked(Verdict),
    Attached(Option<Session>),
    Envelopes(Vec<Envelope>),
    Room,
    Time,
    Stop,
}

struct Connection<N> {
    stream: TcpStream,
    shared: Rc<Shared<N>>,
    stage: Stage,
    inbox: Inbox,
    out: Vec<u8>,
    queue: VecDeque<Envelope>,
    timers: Timers,
    /// The client has said all that it will.
    eof: bool,
}

/// Serves a connection to its end.
pub(super) async fn run<N: Attach>(stream: TcpStream, shared: Rc<Shared<N>>) {
    let mut connection = Connection {
        stream,
        shared,
        stage: Stage::Registering(Registration::default()),
        inbox: Inbox::default(),
        out: Vec::new(),
        queue: VecDeque::new(),
        timers: Timers::new(Instant::now()),
        eof: false,
    };
    while !connection.ended() {
        let event = connection.next().await;
        connection.turn(event);
        connection.take_lines();
        connection.pass_on();
        connection.write();
    }
    connection.say_goodbye().await;
}

impl<N: Attach> Connection<N> {
    fn ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// Waits for something to happen.
    async fn next(&mut self) -> Event {
        let now = Instant::now();
        let room = self.out.len() < HIGH && self.queue.is_empty();
        let waits = matches!(self.stage, Stage::Checking(..) | Stage::Attaching(..));
        let mut deadline = self.timers.next();
        if room && !waits && self.inbox.is_ready() {
            deadline = deadline.min(self.timers.next_line().max(now));
        }
        let may_read = self.inbox.has_room() && !self.eof;
        let (stage, hear) = (&mut self.stage, self.out.len() < HIGH);
        let full = !self.queue.is_empty();
        tokio::select! {
            _ = self.stream.readable(), if may_read => Event::Readable,
            _ = self.stream.writable(), if !self.out.is_empty() => Event::Writable,
            event = happens(stage, hear, full) => event,
            () = sleep_until(deadline) => Event::Time,
            () = self.shared.stop.cancelled() => Event::Stop,
        }
    }

    fn turn(&mut self, event: Event) {
        match event {
            Event::Readable => self.read(),
            Event::Writable | Event::Room => {}
            Event::Checked(verdict) => {
                if let Stage::Checking(mut registration, _) = self.take_stage() {
                    let steps = registration.checked(verdict);
                    self.stage = Stage::Registering(registration);
                    self.steps(steps);
                }
            }
            Event::Attached(session) => self.attached(session),
            Event::Envelopes(envelopes) => self.hear(envelopes),
            Event::Time => match self.timers.due(Instant::now()) {
                Due::Nothing => {}
                Due::Ping => self.say(&Line::new("PING").text(SERVER)),
                Due::End(why) => self.end(&format!("Closing link: {why}")),
            },
            Event::Stop => self.end("Closing link: the node is ending"),
        }
    }

    fn read(&mut self) {
        let mut bytes = [0; READ];
        match self.stream.try_read(&mut bytes) {
            Ok(0) => self.eof = true,
            Ok(count) => {
                self.timers.heard(Instant::now());
                self.inbox.push(&bytes[..count]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => self.stage = Stage::Ended,
        }
    }

    /// Handles lines, as many as may be.
    fn take_lines(&mut self) {
        loop {
            let ready = matches!(self.stage, Stage::Registering(_) | Stage::In(..));
            let room = self.out.len() < HIGH && self.queue.is_empty();
            if !ready || !room {
                return;
            }
            if !self.inbox.is_ready() {
                break;
            }
            if !self.timers.take_line(Instant::now()) {
                return;
            }
            let Some(line) = self.inbox.next() else { continue };
            match (&mut self.stage, line) {
                (Stage::Registering(registration), Ok(line)) => {
                    let steps = registration.line(&line);
                    self.steps(steps);
                }
                (Stage::In(client, ..), Ok(line)) => {
                    let turn = client.line(&line);
                    self.take(turn);
                }
                (Stage::In(client, ..), Err(error)) => {
                    let turn = client.bad_line(error);
                    self.take(turn);
                }
                (_, Err(_)) => self.end("Closing link: a line can't be read; lines are UTF-8"),
                _ => return,
            }
        }
        // What was said before the end is done.
        if self.eof && matches!(self.stage, Stage::Registering(_) | Stage::In(..)) {
            self.remember();
            self.pass_on();
            self.stage = Stage::Ended;
        }
    }

    /// Remembers what the client was shown: it leaves in order, so it has that.
    fn remember(&self) {
        let Stage::In(client, ..) = &self.stage else { return };
        let mut all = self.shared.shown.borrow_mut();
        if all.len() >= CLIENTS {
            all.clear();
        }
        all.insert(client.user.clone(), client.marks.shown());
    }

    fn steps(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Say(line) => self.say(&line),
                Step::Check(login) => {
                    let check = self.shared.checker.clone().check(login);
                    let task = self.shared.elsewhere.spawn(check);
                    if let Stage::Registering(registration) = self.take_stage() {
                        self.stage = Stage::Checking(registration, task);
                    }
                }
                Step::Done => {
                    let node = self.shared.node.clone();
                    let task = self.shared.elsewhere.spawn(async move { node.attach().await });
                    if let Stage::Registering(registration) = self.take_stage() {
                        self.stage = Stage::Attaching(registration, task);
                    }
                }
                Step::Close(why) => return self.end(&why),
            }
        }
    }

    fn attached(&mut self, session: Option<Session>) {
        let Stage::Attaching(registration, _) = self.take_stage() else { return };
        let Some(session) = session else { return self.end("Closing link: the node is ending") };
        let (mut client, turn) = Client::new(registration.registered());
        // A client with read markers says itself what it has.
        if !client.caps.has(Cap::ReadMarker)
            && let Some(before) = self.shared.shown.borrow().get(&client.user)
        {
            client.marks.set_before(before.clone());
        }
        self.timers.registered();
        self.stage = Stage::In(Box::new(client), session.to_node, session.from_node);
        self.take(turn);
    }

    fn hear(&mut self, envelopes: Vec<Envelope>) {
        if envelopes.is_empty() {
            return self.end("Closing link: the node has ended this session");
        }
        for envelope in envelopes {
            let Stage::In(client, ..) = &mut self.stage else { return };
            let turn = client.envelope(envelope);
            self.take(turn);
        }
    }

    fn take(&mut self, turn: Turn) {
        for line in &turn.say {
            self.say(line);
        }
        self.queue.extend(turn.ask);
        if let Some(why) = turn.close {
            self.remember();
            self.pass_on();
            self.end(&why);
        }
    }

    /// Hands the node what waits for it, as far as there is room.
    fn pass_on(&mut self) {
        let Stage::In(_, to_node, _) = &self.stage else { return };
        while let Ok(permit) = to_node.try_reserve()
            && let Some(envelope) = self.queue.pop_front()
        {
            permit.send(envelope);
        }
    }

    fn say(&mut self, line: &Line) {
        line.write(&mut self.out);
    }

    fn end(&mut self, why: &str) {
        self.say(&Line::new("ERROR").text(why));
        self.stage = Stage::Ended;
    }

    fn take_stage(&mut self) -> Stage {
        std::mem::replace(&mut self.stage, Stage::Ended)
    }

    /// Writes once.
    fn write(&mut self) {
        if self.out.is_empty() {
            return;
        }
        match self.stream.try_write(&self.out) {
            Ok(count) if count == self.out.len() => {
                // The memory is given back: most connections are silent most of the time.
                self.out = Vec::new();
                self.timers.wrote(Instant::now(), true, true);
            }
            Ok(count) => {
                self.out.drain(..count);
                self.timers.wrote(Instant::now(), count > 0, false);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                self.timers.wrote(Instant::now(), false, false);
            }
            Err(_) => {
                self.out.clear();
                self.stage = Stage::Ended;
            }
        }
    }

    /// Says what is left, and lets the client read it: a socket that is closed with something
    /// unread in it takes back what was written last.
    async fn say_goodbye(mut self) {
        let last = async {
            if self.stream.write_all(&self.out).await.is_err() || self.stream.shutdown().await.is_err() {
                return;
            }
            let mut bytes = [0; READ];
            while !self.eof && self.stream.readable().await.is_ok() {
                match self.stream.try_read(&mut bytes) {
                    Ok(1..) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Ok(0) | Err(_) => return,
                }
            }
        };
        let _ = timeout(LAST, last).await;
    }
}

/// What happens elsewhere: a check is done, a session is there, the node says something or has room
/// for more.
async fn happens(stage: &mut Stage, hear: bool, full: bool) -> Event {
    match stage {
        Stage::Checking(_, task) => {
            let unable = |_| Verdict::Unable("The password can't be checked".into());
            Event::Checked(task.await.unwrap_or_else(unable))
        }
        Stage::Attaching(_, task) => Event::Attached(task.await.ok().flatten()),
        Stage::In(_, to_node, from_node) => {
            let mut envelopes = Vec::new();
            tokio::select! {
                _ = from_node.recv_many(&mut envelopes, ENVELOPES), if hear => Event::Envelopes(envelopes),
                _ = to_node.reserve(), if full => Event::Room,
                else => std::future::pending().await,
            }
        }
        Stage::Registering(_) | Stage::Ended => std::future::pending().await,
    }
}
