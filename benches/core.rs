//! What the core costs when there is much of something: CPU time of one `handle`, and how it grows
//! with what the input does not touch.
//!
//! `cargo bench --bench core`. One node on a grid in memory; nothing waits, so the time of the
//! clock is CPU time.

use std::collections::BTreeMap;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kirc_core::Envelope;
use kirc_core::channel::{Act, ActKind, ChannelState, ModeChange};
use kirc_core::identity::{Address, Card, Identity};
use kirc_core::ids::{ActorId, Count, MsgId};
use kirc_core::names::{ChannelName, Nick};
use kirc_core::node::{Config, Home, Node};
use kirc_core::port::{
    Effect, Input, Now, RawRecord, ReadFrom, SessionId, SignalOp, SignalReply, Snapshot, Topic,
};

/// When it all happens, ms since 1970.
const WALL: u64 = 1_790_000_000_000;
/// The key file of somebody.
const KEY: &[u8] = include_bytes!("../core/tests/keys/1.json");
const SESSION: SessionId = SessionId(1);

/// A grid in memory with one node on it.
struct Bench {
    node: Node,
    mono: u64,
    logs: BTreeMap<Topic, Vec<RawRecord>>,
    /// What is read, and the next offset.
    readers: BTreeMap<Topic, u64>,
}

impl Bench {
    fn new(log: &str) -> Self {
        let identity = Identity::from_key_file(KEY, None).expect("a key file that is not sealed");
        let home = Home { cluster: "grid".to_owned(), log: log.to_owned(), partitions: 2 };
        let config = Config::new(Nick::parse("alice").expect("a nick"), address(), home);
        let now = Now { wall: WALL, mono: 1 };
        let node =
            Node::restore(config, identity, &Snapshot::default(), [7; 32], now).expect("an empty store");
        let mut bench = Self { node, mono: 1, logs: BTreeMap::new(), readers: BTreeMap::new() };
        bench.feed(Input::Start);
        bench.feed(Input::Attach { session: SESSION });
        bench
    }

    /// Feeds an input, and all that follows from it.
    fn feed(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut effects = Vec::new();
            self.node.handle(Now { wall: WALL + self.mono, mono: self.mono }, input, &mut effects);
            for effect in effects {
                inputs.extend(self.carry_out(effect));
            }
            if inputs.is_empty() {
                inputs.extend(self.next_record());
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Read { topic, from } => {
                let end = self.logs.get(&topic).map_or(0, |log| log.len() as u64);
                let at = match from {
                    ReadFrom::At(at) => at.min(end),
                    ReadFrom::End => end,
                };
                self.readers.insert(topic.clone(), at);
                Some(Input::Reading { topic, incarnation: "life".to_owned(), start: 0, end, at })
            }
            Effect::StopRead { topic } => {
                self.readers.remove(&topic);
                None
            }
            Effect::Append { request_id, topic, key, value, .. } => {
                let log = self.logs.entry(topic).or_default();
                let offset = log.len() as u64;
                log.push(RawRecord { offset, key, value, time: WALL + self.mono });
                Some(Input::Appended { request_id, result: Ok(offset) })
            }
            Effect::Create { request_id, .. } => Some(Input::Created { request_id, result: Ok(()) }),
            Effect::End { request_id, topic } => {
                let end = self.logs.get(&topic).map_or(0, |log| log.len() as u64);
                Some(Input::End { request_id, result: Ok(end) })
            }
            Effect::Signal { request_id, op, .. } => {
                let reply = match op {
                    SignalOp::Claim { .. } => SignalReply::Claimed(true),
                    SignalOp::Renew { .. } => SignalReply::Renewed(true),
                    SignalOp::Get { .. } => SignalReply::Value(None),
                    SignalOp::Members { .. } | SignalOp::Keys { .. } => SignalReply::Members(Vec::new()),
                    SignalOp::HashGet { .. } => SignalReply::Hash(BTreeMap::new()),
                    _ => SignalReply::Done,
                };
                Some(Input::Signalled { request_id, result: Ok(reply) })
            }
            _ => None,
        }
    }

    fn next_record(&mut self) -> Option<Input> {
        for (topic, next) in &mut self.readers {
            let log = self.logs.get(topic);
            if let Some(record) = log.and_then(|log| log.get(usize::try_from(*next).unwrap_or(usize::MAX))) {
                *next += 1;
                return Some(Input::Record { topic: topic.clone(), record: record.clone() });
            }
        }
        None
    }

    fn says(&mut self, envelope: Envelope) {
        self.feed(Input::Command { session: SESSION, envelope });
    }

    /// Founds channels.
    fn found(&mut self, channels: std::ops::Range<usize>) {
        for i in channels {
            self.mono += 1;
            self.says(Envelope::new("JOIN").to(format!("#channel-{i}")));
        }
    }

    /// Microseconds of one `handle` of this input, the median of many.
    fn cost(&mut self, rounds: usize, input: impl Fn(usize) -> Envelope) -> f64 {
        let mut took: Vec<u64> = (0..rounds)
            .map(|i| {
                let input = Input::Command { session: SESSION, envelope: input(i) };
                let (mut effects, now) = (Vec::new(), Now { wall: WALL + self.mono, mono: self.mono });
                let since = Instant::now();
                self.node.handle(now, input, &mut effects);
                let wake = self.node.next_wake();
                let took = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
                assert!(wake.is_some() && !effects.is_empty(), "it is answered");
                took
            })
            .collect();
        took.sort_unstable();
        took[rounds / 2] as f64 / 1e3
    }
}

/// Somebody with a key of their own; the RSA key is everybody's, because making them takes long.
fn somebody(number: u64) -> Identity {
    // An Ed25519 key as PKCS#8, version 1 (RFC 8410, section 7).
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    der.extend([7; 24]);
    der.extend(number.to_le_bytes());
    let mut file: serde_json::Value = serde_json::from_slice(KEY).expect("JSON");
    file["ed25519"] = URL_SAFE_NO_PAD.encode(der).into();
    Identity::from_key_file(file.to_string().as_bytes(), None).expect("a key file that is not sealed")
}

fn address() -> Address {
    let names = ["data-in", "data-out", "rpc-in", "rpc-out"].map(str::to_owned);
    let [data_in, data_out, rpc_in, rpc_out] = names;
    Address { cluster: "grid".to_owned(), data_in, data_out, rpc_in, rpc_out }
}

fn card(number: u64) -> Card {
    let nick = Nick::parse(&format!("n{number}")).expect("a nick");
    Card::create(&somebody(number), &nick, &address(), serde_json::Map::new(), 1)
}

/// A channel and its members in the order in which they came.
struct Crowd {
    state: ChannelState,
    people: Vec<ActorId>,
    last: MsgId,
}

impl Crowd {
    fn new() -> Self {
        let founder = card(0);
        let name = ChannelName::parse("#crowd").expect("a name");
        let last = MsgId::generate(WALL, 1, MsgId::default());
        let state = ChannelState::found(&name, &founder, last);
        Self { state, people: vec![founder.actor()], last }
    }

    fn act(&mut self, who: ActorId, kind: ActKind) -> Act {
        self.last = MsgId(self.last.0 + 1);
        let n = self.state.members.get(&who.owner()).map_or(Count(1), |m| m.n.next());
        Act { actor: who, author: who.owner(), n, after: None, id: self.last, ts: WALL, kind }
    }

    fn does(&mut self, who: ActorId, kind: ActKind) {
        let act = self.act(who, kind);
        self.state.apply(&act);
    }

    fn grow(&mut self, members: usize) {
        while self.people.len() < members {
            let card = card(self.people.len() as u64);
            let (actor, card) = (card.actor(), Some(Box::new(card)));
            self.does(actor, ActKind::Join { card, hosted: None, key: None, registered: true, tls: true });
            self.people.push(actor);
        }
    }
}

/// Microseconds of something that is done often.
fn each<T>(rounds: u32, mut work: impl FnMut() -> T) -> f64 {
    let since = Instant::now();
    for _ in 0..rounds {
        std::hint::black_box(work());
    }
    since.elapsed().as_nanos() as f64 / 1e3 / f64::from(rounds)
}

fn state() {
    let mut crowd = Crowd::new();
    for members in [1, 200, 5_000] {
        crowd.grow(members);
        let took = each(200, || crowd.state.clone());
        println!("{:<58}{members:>12}{took:>14.2}", "a copy of a channel's state, by members");
        let nick = Nick::parse(&format!("n{}", members - 1)).expect("a nick");
        let took = each(20_000, || crowd.state.by_nick(&nick).is_some());
        println!("{:<58}{members:>12}{took:>14.3}", "a nick that is looked up, by members");
        let took = each(20_000, || crowd.state.newest());
        println!("{:<58}{members:>12}{took:>14.3}", "the newest act of a channel, by members");
    }
    let (founder, plain) = (crowd.people[0], crowd.people[1]);
    for bans in [0, 60] {
        for i in 0..bans {
            let change = ModeChange::new(true, 'b', &format!("*spam{i}*!*@*.example"));
            crowd.does(founder, ActKind::Mode { changes: vec![change] });
        }
        let act = crowd.act(plain, ActKind::Message);
        let took = each(20_000, || crowd.state.check(&act).is_ok());
        println!("{:<58}{bans:>12}{took:>14.3}", "whether a member may speak, by bans");
    }
}

fn main() {
    println!("{:<58}{:>12}{:>14}", "what", "of", "µs");
    state();
    let mut bench = Bench::new("log-{channel}");
    let mut founded = 0;
    for channels in [1, 100, 1_000] {
        bench.found(founded..channels);
        founded = channels;
        // The first STATUS after the last change is not what is measured.
        bench.mono += 10_000;
        bench.feed(Input::Tick);
        let cost = bench.cost(2_000, |i| Envelope::new("PING").param(i.to_string()));
        println!("{:<58}{channels:>12}{cost:>14.2}", "PING, by channels that the node is in");
        let cost = bench.cost(500, |i| Envelope::new("PRIVMSG").to("#channel-0").line(format!("hello {i}")));
        println!("{:<58}{channels:>12}{cost:>14.2}", "a message alone in a channel, by channels of the node");
    }
    let (mut bench, mut founded) = (Bench::new("log"), 0);
    for channels in [1, 100, 400] {
        bench.found(founded..channels);
        founded = channels;
        let since = Instant::now();
        bench.says(Envelope::new("JOIN").to(format!("#one-more-{channels}")));
        let took = since.elapsed().as_nanos() as f64 / 1e3;
        println!("{:<58}{channels:>12}{took:>14.2}", "founding a channel, by channels in the log");
    }
}
