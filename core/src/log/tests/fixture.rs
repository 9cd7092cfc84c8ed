//! Test fixture: a channel of two and its log, with records as a leader makes them, honest or not.

use std::collections::BTreeSet;

use rand_chacha::rand_core::SeedableRng;
use serde_json::Map;

use crate::channel::{ActKind, ChannelState};
use crate::crypto::{ChannelKey, Rng};
use crate::envelope::{Domain, Envelope};
use crate::identity::{Address, Card, Identity};
use crate::ids::{ActorId, Count, Epoch, Hash, KeyId, Millis, MsgId, Seq, Term};
use crate::keys::{EpochInfo, KeyRing};
use crate::log::{Fold, Judge, Kept, LogRecord, SealedAct, Verdict, act_plaintext, hash_record};
use crate::names::{ChannelName, Nick};
use crate::node::{Config, Home};

pub(crate) fn room() -> ChannelName {
    ChannelName::parse("#room").unwrap()
}

fn address() -> Address {
    let name = str::to_owned;
    let (data_in, data_out) = (name("data-in"), name("data-out"));
    Address { cluster: name("grid"), data_in, data_out, rpc_in: name("rpc-in"), rpc_out: name("rpc-out") }
}

pub(crate) fn config() -> Config {
    let home = Home { cluster: "grid".into(), log: "log".into(), partitions: 2 };
    Config::new(Nick::parse("ann").unwrap(), address(), home)
}

/// A channel of two that Ann leads, and the log that she writes.
pub(crate) struct Room {
    pub ann: Identity,
    pub bob: Identity,
    pub fold: Fold,
    pub state: ChannelState,
    pub ring: KeyRing,
    pub key: ChannelKey,
    pub kid: KeyId,
    pub time: Millis,
}

impl Room {
    pub fn new() -> Self {
        let mut rng = Rng::seed_from_u64(5);
        let (ann, bob) = (Identity::generate(&mut rng, 2048), Identity::generate(&mut rng, 2048));
        let card = |id: &Identity, nick: &str| {
            Card::create(id, &Nick::parse(nick).unwrap(), &address(), Map::new(), 1)
        };
        let claim = Hash([9; 24]);
        let fold = Fold::found(claim, ann.actor(), Term(1), 1_000);
        let mut state =
            ChannelState::found(&room(), &card(&ann, "ann"), MsgId::generate(1, 0, MsgId::default()));
        let join = ActKind::Join {
            card: Some(Box::new(card(&bob, "bob"))),
            hosted: None,
            key: None,
            registered: true,
            tls: true,
        };
        state.apply(&crate::channel::Act {
            actor: bob.actor(),
            author: bob.actor().owner(),
            n: Count(1),
            after: None,
            id: MsgId::generate(2, 0, MsgId::default()),
            ts: 2,
            kind: join,
        });
        let key = ChannelKey::generate(&mut rng);
        let kid = key.id(&fold.channel.0, Epoch(1));
        let mut old = Self { ann, bob, fold, state, ring: KeyRing::default(), key, kid, time: 1_000 };
        let state = old.fold.state_hash(&old.state);
        let epoch = LogRecord::key_envelope(Epoch(1), kid, "join", state, &[]);
        let record = old.by_leader(epoch);
        old.step(&record);
        let held = LogRecord::held(&old.bob, &room(), old.fold.channel, Term(1), (Epoch(1), kid));
        let held = old.kept(held);
        assert_eq!(old.judge(&held), Verdict::Held(old.bob.actor()));
        let info = EpochInfo { kid, members: BTreeSet::new(), term: Term(1), wraps: vec![] };
        old.ring.restore(Epoch(1), info, Some(old.key.duplicate()));
        old
    }

    pub fn next(&self) -> (Seq, Hash) {
        (self.fold.seq.next(), self.fold.head)
    }

    pub fn kept(&mut self, value: Vec<u8>) -> Kept {
        self.time += 1;
        Kept { time: self.time, value }
    }

    pub fn by_leader(&mut self, e: Envelope) -> Kept {
        let (seq, head) = self.next();
        let bytes = LogRecord::leader(e, &self.ann, &room(), Term(1), seq, head);
        self.kept(bytes)
    }

    /// The next act of `author`, signed by `signer`.
    pub fn said(&self, author: &Identity, signer: &Identity, command: &str, text: &str) -> Envelope {
        let member = &self.state.members[&author.actor().owner()];
        let id = MsgId::generate(self.time + 1, 7, member.last);
        let e = Envelope::new(command)
            .from(author.actor().to_string())
            .to("#room")
            .line(text)
            .meta("ch", self.fold.channel.to_string())
            .meta("n", member.n.next().0)
            .meta("after", crate::channel::after(member.last))
            .meta("epoch", 1)
            .meta("kid", self.kid.to_string());
        let e = Envelope { id: Some(id.to_string()), ts: Some(crate::envelope::format_ts(self.time)), ..e };
        e.sign(Domain::Message, signer)
    }

    /// A relayed act: its author's signed act in a record signed by `leader`.
    pub fn relayed(&self, act: &Envelope, leader: &Identity) -> Vec<u8> {
        self.relayed_together(std::slice::from_ref(act), leader)
    }

    /// The same for several acts.
    pub fn relayed_together(&self, acts: &[Envelope], leader: &Identity) -> Vec<u8> {
        let sealed = |act: &Envelope| SealedAct {
            from: ActorId::parse(act.from.as_deref().unwrap()).unwrap(),
            id: MsgId::parse(act.id.as_deref().unwrap()).unwrap(),
            epoch: Epoch(1),
            kid: self.kid,
            token: self.key.encrypt(&act_plaintext(act)),
        };
        let (seq, head) = self.next();
        let acts: Vec<SealedAct> = acts.iter().map(sealed).collect();
        LogRecord::acts(leader, &room(), Term(1), seq, head, &acts)
    }

    /// Judges a record like a member that has only read so far.
    pub fn judge(&mut self, record: &Kept) -> Verdict {
        let parsed = LogRecord::parse(&record.value, &room()).unwrap();
        let hash = hash_record(&record.value);
        let config = config();
        let judge = Judge {
            config: &config,
            ring: &self.ring,
            hash,
            time: record.time,
            trusted: None,
            sent: &|_| None,
            anew: false,
        };
        self.fold.step(&mut self.state, &parsed, judge)
    }

    pub fn step(&mut self, record: &Kept) {
        let verdict = self.judge(record);
        assert!(!matches!(verdict, Verdict::Void(_) | Verdict::Forged(_) | Verdict::Stall), "{verdict:?}");
    }

    /// Bob sends a message, Ann appends it to the log.
    pub fn bob_says(&mut self, text: &str) -> Kept {
        let act = self.said(&self.bob, &self.bob, "PRIVMSG", text);
        let bytes = self.relayed(&act, &self.ann);
        let record = self.kept(bytes);
        self.step(&record);
        record
    }
}
