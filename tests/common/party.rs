//! Several pipes in one channel that talk at full speed while something fails, and what must hold
//! after it.
//!
//! A party is one life of a pipe: when it was killed, another one takes its place. Everything that
//! any of them showed is compared at the end. It knows nothing of what fails.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// From one message of somebody who talks to the next.
const PACE: Duration = Duration::from_millis(40);

/// A settled message: its place in the log, its id, its text.
pub type Line = (u64, String, String);

/// What a party has heard.
#[derive(Default)]
pub struct Heard {
    /// Settled messages in the order in which they were shown.
    pub lines: Vec<Line>,
    /// What was said in a log that is gone, and shown late.
    pub late: Vec<Line>,
    /// When each of them was shown.
    pub times: Vec<Instant>,
    /// Own messages that the node has taken in: shown as *sending*, so they must be settled
    /// whatever happens.
    pub sending: BTreeSet<String>,
    /// Who leads, as it believes.
    pub leader: Option<String>,
    /// The channel as its last STATUS had it.
    pub status: String,
    /// Whether its JOIN was answered.
    pub joined: bool,
    /// Services that it says are away.
    pub away: BTreeSet<String>,
    /// Gaps it was told of.
    pub gaps: Vec<String>,
    /// Its output has ended.
    pub ended: bool,
}

impl Heard {
    /// The longest time since a moment in which no line came: how long it was, and when after that
    /// moment it ended.
    pub fn silence(&self, since: Instant) -> (Duration, Duration) {
        let mut before = since;
        let mut longest = (Duration::ZERO, Duration::ZERO);
        for at in self.times.iter().filter(|at| **at > since) {
            longest = longest.max((*at - before, *at - since));
            before = *at;
        }
        longest
    }
}

/// Somebody who talks, in a thread of its own.
struct Talk {
    said: Arc<AtomicUsize>,
    enough: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// One life of a pipe in a channel.
pub struct Party {
    pub name: String,
    pub child: Child,
    stdin: Arc<Mutex<ChildStdin>>,
    talk: Option<Talk>,
    said: usize,
    heard: Arc<(Mutex<Heard>, Condvar)>,
}

impl Party {
    /// Starts a pipe and lets it join.
    pub fn start(mut command: Command, name: &str, channel: &str) -> Self {
        let child = command
            .args(["pipe", "--settle-timeout", "120s", "--caps", "status,state"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn();
        let mut child = child.expect("kirc can be started");
        let stdout = child.stdout.take().expect("stdout");
        let heard: Arc<(Mutex<Heard>, Condvar)> = Arc::default();
        let (shared, room) = (heard.clone(), channel.to_owned());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let envelope: Value = serde_json::from_str(&line).expect("an envelope");
                hear(&mut lock(&shared.0), &envelope, &room);
                shared.1.notify_all();
            }
            lock(&shared.0).ended = true;
            shared.1.notify_all();
        });
        // Held open: the pipe would leave at the end of its input.
        let stdin = Arc::new(Mutex::new(child.stdin.take().expect("its input")));
        let party = Self { name: name.to_owned(), stdin, child, talk: None, said: 0, heard };
        party.say(&json!({"command": "JOIN", "to": channel}));
        party
    }

    /// Says an envelope.
    pub fn say(&self, envelope: &Value) {
        write(&self.stdin, envelope).expect("it reads");
    }

    /// Says one message.
    pub fn message(&mut self, channel: &str, text: &str) {
        self.say(&json!({"command": "PRIVMSG", "to": channel, "body": [text]}));
        self.said += 1;
    }

    /// Says so many messages as fast as they are taken, and then goes on at a person's pace until
    /// [`Party::hush`].
    pub fn talk(&mut self, channel: &str, count: usize) {
        self.hush();
        let (said, enough) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (counted, stop, stdin) = (said.clone(), enough.clone(), self.stdin.clone());
        let (channel, name, life) = (channel.to_owned(), self.name.clone(), self.child.id());
        let thread = std::thread::spawn(move || {
            for i in 0.. {
                let text = format!("{name} {life} says number {i}");
                let e = json!({"command": "PRIVMSG", "to": channel, "body": [text]});
                if i >= count {
                    std::thread::sleep(PACE);
                }
                if i >= count && stop.load(Ordering::Relaxed) || write(&stdin, &e).is_err() {
                    return;
                }
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        self.talk = Some(Talk { said, enough, thread });
    }

    /// It says no more, once what it was to say at full speed is said.
    pub fn hush(&mut self) {
        if let Some(talk) = self.talk.take() {
            talk.enough.store(true, Ordering::Relaxed);
            talk.thread.join().expect("it talks");
            self.said += talk.said.load(Ordering::Relaxed);
        }
    }

    /// How many messages were written to it, once it is hushed.
    pub fn said(&self) -> usize {
        self.said
    }

    /// What it has heard so far.
    pub fn heard(&self) -> MutexGuard<'_, Heard> {
        lock(&self.heard.0)
    }

    /// Waits until what it has heard fits; gives how long that took.
    pub fn until(&self, what: &str, within: Duration, mut fits: impl FnMut(&Heard) -> bool) -> Duration {
        let begin = Instant::now();
        let mut heard = self.heard();
        while !fits(&heard) {
            let left = within.checked_sub(begin.elapsed());
            let Some(left) = left.filter(|_| !heard.ended) else {
                panic!(
                    "{}: not {what} after {:?}; it heard {} lines, away {:?}, ended {}, channel {}",
                    self.name,
                    begin.elapsed(),
                    heard.lines.len(),
                    heard.away,
                    heard.ended,
                    heard.status
                );
            };
            heard = self.heard.1.wait_timeout(heard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        begin.elapsed()
    }

    /// Waits for so long at the most until what it has heard fits; gives whether it does.
    pub fn wait(&self, within: Duration, mut fits: impl FnMut(&Heard) -> bool) -> bool {
        let waited = self.heard.1.wait_timeout_while(self.heard(), within, |h| !fits(h));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Kills it, as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// Sends its process a signal.
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args([&format!("-{signal}"), &id]).status().expect("kill");
        assert!(status.success());
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(stdin: &Mutex<ChildStdin>, envelope: &Value) -> std::io::Result<()> {
    writeln!(stdin.lock().unwrap_or_else(PoisonError::into_inner), "{envelope}")
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hear(heard: &mut Heard, e: &Value, room: &str) {
    match e["command"].as_str().unwrap_or_default() {
        "366" => heard.joined = true,
        "PRIVMSG" if e["to"] == room => {
            let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
            match e["meta"]["seq"].as_u64() {
                Some(place) => {
                    let late = e["meta"]["late"] == true;
                    let lines = if late { &mut heard.late } else { &mut heard.lines };
                    lines.push((place, text(&e["id"]), text(&e["body"][0])));
                    heard.times.push(Instant::now());
                }
                None => {
                    heard.sending.insert(text(&e["id"]));
                }
            }
        }
        "GAP" => heard.gaps.push(e.to_string()),
        "STATUS" => {
            heard.status = e["body"]["channels"][room].to_string();
            heard.leader = e["body"]["channels"][room]["leader"].as_str().map(str::to_owned);
            if let Some(services) = e["body"]["services"].as_object() {
                heard.away =
                    services.iter().filter(|(_, s)| s["up"] == false).map(|(n, _)| n.clone()).collect();
            }
        }
        _ => {}
    }
}

/// What must hold of all that several lives showed: one order, nothing twice, nothing left out in
/// between, and whatever was shown as *sending* is in it. What a node said to be missing is there
/// in the end, too. Gives how many messages there are.
pub fn check(parties: &[Party]) -> usize {
    let all = one_order(parties);
    let ids: BTreeSet<&String> = all.values().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), all.len(), "a message stands at two places");
    for party in parties {
        let heard = party.heard();
        assert!(heard.late.is_empty(), "{} shows as late {:?}", party.name, heard.late);
        let shown: BTreeSet<u64> = heard.lines.iter().map(|l| l.0).collect();
        if let (Some(first), Some(last)) = (shown.first(), shown.last()) {
            let missing: Vec<_> = all.range(first..=last).filter(|(p, _)| !shown.contains(p)).collect();
            assert!(missing.is_empty(), "{} left out {missing:?}", party.name);
        }
        let lost: Vec<_> = heard.sending.iter().filter(|id| !ids.contains(id)).collect();
        assert!(lost.is_empty(), "{} had shown as sending, and nobody saw: {lost:?}", party.name);
    }
    all.len()
}

/// The same when a log was lost and everybody was there all the time. What only some had read of it
/// is said again by its author, or offered to the others and shown late: so it stands where it was
/// said for the ones and elsewhere for the others, and once for each.
pub fn check_after_loss(parties: &[Party], within: Duration) -> usize {
    let all = one_order(parties);
    let ids: BTreeSet<String> = all.into_values().map(|(id, _)| id).collect();
    for party in parties {
        party.until("showing what any of them has shown", within, |heard| {
            heard.lines.len() + heard.late.len() >= ids.len()
        });
        let heard = party.heard();
        assert!(heard.late.is_sorted_by_key(|l| l.0), "{}: {:?}", party.name, heard.late);
        let shown: Vec<&String> = heard.lines.iter().chain(&heard.late).map(|l| &l.1).collect();
        let once: BTreeSet<&String> = shown.iter().copied().collect();
        assert_eq!(once.len(), shown.len(), "{} shows a message twice", party.name);
        let missing: Vec<_> = ids.iter().chain(&heard.sending).filter(|id| !once.contains(id)).collect();
        assert!(missing.is_empty(), "{} left out {missing:?}", party.name);
    }
    ids.len()
}

/// What stands at each place, which is the same for everybody and grows from line to line.
fn one_order(parties: &[Party]) -> BTreeMap<u64, (String, String)> {
    let mut all: BTreeMap<u64, (String, String)> = BTreeMap::new();
    for party in parties {
        let heard = party.heard();
        let mut last = 0;
        for (place, id, text) in &heard.lines {
            assert!(*place > last, "{} showed {place} ({text}) behind {last}", party.name);
            last = *place;
            let line = (id.clone(), text.clone());
            let known = all.entry(*place).or_insert_with(|| line.clone());
            assert_eq!(*known, line, "{} showed something else at {place}", party.name);
        }
    }
    all
}

/// Waits until `reader` has shown everything that any life had shown as *sending*.
pub fn settle(parties: &[Party], reader: usize, within: Duration) {
    let wanted: BTreeSet<String> = parties.iter().flat_map(|p| p.heard().sending.clone()).collect();
    let early: BTreeSet<String> = parties
        .iter()
        .flat_map(|p| p.heard().lines.iter().map(|l| l.1.clone()).collect::<Vec<_>>())
        .collect();
    let mut left: BTreeSet<&String> = wanted.iter().filter(|id| !early.contains(*id)).collect();
    let mut read = 0;
    if let Some(reader) = parties.get(reader) {
        let all = || {
            reader.until("all that was sent is settled", within, |h| {
                for (_, id, _) in h.lines.iter().skip(read) {
                    left.remove(id);
                }
                read = h.lines.len();
                left.is_empty()
            })
        };
        if let Err(failed) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(all)) {
            for party in parties {
                let heard = party.heard();
                let missing = left.iter().filter(|id| heard.sending.contains(**id)).count();
                println!("{}: {missing} of its messages are missing; {}", party.name, heard.status);
            }
            std::panic::resume_unwind(failed);
        }
    }
}
