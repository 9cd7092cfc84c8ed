//! What somebody offers of an old log, judged: taken is what stood in it, once, and nothing that a leader would like to have
//! stood in it.

use rand_chacha::rand_core::SeedableRng;
use serde_json::Map;

use super::*;
use crate::channel::ActKind;
use crate::crypto::{ChannelKey, Rng};
use crate::identity::{Address, Card, Identity};
use crate::ids::{Count, Epoch, Hash, KeyId, Term};
use crate::log::{SealedAct, Stand, act_plaintext, life_of};
use crate::names::{ChannelName, Nick};
use crate::node::Home;

fn room() -> ChannelName {
    ChannelName::parse("#room").unwrap()
}

fn address() -> Address {
    let name = str::to_owned;
    let (data_in, data_out) = (name("data-in"), name("data-out"));
    Address { cluster: name("grid"), data_in, data_out, rpc_in: name("rpc-in"), rpc_out: name("rpc-out") }
}

fn config() -> Config {
    let home = Home { cluster: "grid".into(), log: "log".into(), partitions: 2 };
    Config::new(Nick::parse("ann").unwrap(), address(), home)
}

/// A channel of two, which Ann leads, and the old log as she wrote it.
struct Old {
    ann: Identity,
    bob: Identity,
    replica: Replica,
    ring: KeyRing,
    key: ChannelKey,
    kid: KeyId,
    time: Millis,
}

impl Old {
    fn new() -> Self {
        let mut rng = Rng::seed_from_u64(5);
        let (ann, bob) = (Identity::generate(&mut rng, 2048), Identity::generate(&mut rng, 2048));
        let card = |id: &Identity, nick: &str| {
            Card::create(id, &Nick::parse(nick).unwrap(), &address(), Map::new(), 1)
        };
        let claim = Hash([9; 24]);
        let fold = Fold::found(claim, ann.actor(), Term(1), 1_000);
        let mut state =
            ChannelState::found(&room(), &card(&ann, "ann"), MsgId::generate(1, 0, MsgId::default()));
        let join =
            ActKind::Join { card: Box::new(card(&bob, "bob")), key: None, registered: true, tls: true };
        state.apply(&crate::channel::Act {
            author: bob.actor(),
            n: Count(1),
            after: None,
            id: MsgId::generate(2, 0, MsgId::default()),
            ts: 2,
            kind: join,
        });
        let key = ChannelKey::generate(&mut rng);
        let kid = key.id(&fold.channel.0, Epoch(1));
        let mut old = Self {
            ann,
            bob,
            replica: Replica { fold, state },
            ring: KeyRing::default(),
            key,
            kid,
            time: 1_000,
        };
        let state = old.replica.fold.state_hash(&old.replica.state);
        let epoch = LogRecord::key_envelope(Epoch(1), kid, "join", state, &[]);
        let record = old.by_leader(epoch);
        old.step(&record);
        let info = EpochInfo { kid, members: BTreeSet::new(), term: Term(1), wraps: vec![] };
        old.ring.restore(Epoch(1), info, Some(old.key.duplicate()));
        old
    }

    fn late(&self) -> Late {
        Late::theirs(self.replica.clone(), 5_000)
    }

    fn next(&self) -> (Seq, Hash) {
        (self.replica.fold.seq.next(), self.replica.fold.head)
    }

    fn kept(&mut self, value: Vec<u8>) -> Kept {
        self.time += 1;
        Kept { time: self.time, value }
    }

    fn by_leader(&mut self, e: Envelope) -> Kept {
        let (seq, head) = self.next();
        let bytes = LogRecord::leader(e, &self.ann, &room(), Term(1), seq, head);
        self.kept(bytes)
    }

    /// What somebody says next, signed by whom.
    fn said(&self, author: &Identity, signer: &Identity, command: &str, text: &str) -> Envelope {
        let member = &self.replica.state.members[&author.actor()];
        let id = MsgId::generate(self.time + 1, 7, member.last);
        let e = Envelope::new(command)
            .from(author.actor().to_string())
            .to("#room")
            .line(text)
            .meta("ch", self.replica.fold.channel.to_string())
            .meta("n", member.n.next().0)
            .meta("after", crate::channel::after(member.last))
            .meta("epoch", 1)
            .meta("kid", self.kid.to_string());
        let e = Envelope { id: Some(id.to_string()), ts: Some(crate::envelope::format_ts(self.time)), ..e };
        e.sign(Domain::Message, signer)
    }

    /// A relayed act: what its author signed, its place signed by whom.
    fn relayed(&self, act: &Envelope, leader: &Identity) -> Vec<u8> {
        let sealed = SealedAct {
            from: ActorId::parse(act.from.as_deref().unwrap()).unwrap(),
            id: MsgId::parse(act.id.as_deref().unwrap()).unwrap(),
            epoch: Epoch(1),
            kid: self.kid,
            token: self.key.encrypt(&act_plaintext(act)),
        };
        let (seq, head) = self.next();
        LogRecord::acts(leader, &room(), Term(1), seq, head, &[sealed])
    }

    fn step(&mut self, record: &Kept) {
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
        let verdict = self.replica.fold.step(&mut self.replica.state, &parsed, judge);
        assert!(!matches!(verdict, Verdict::Void(_) | Verdict::Forged(_) | Verdict::Stall), "{verdict:?}");
    }

    /// Bob says something, Ann puts it into the log.
    fn bob_says(&mut self, text: &str) -> Kept {
        let act = self.said(&self.bob, &self.bob, "PRIVMSG", text);
        let bytes = self.relayed(&act, &self.ann);
        let record = self.kept(bytes);
        self.step(&record);
        record
    }

    fn take(&self, late: &mut Late, record: &Kept) -> Took {
        late.take(record, &room(), &self.ring, &config())
    }

    fn says(&self, late: &mut Late, record: &Kept) -> Option<String> {
        match self.take(late, record) {
            Took::Said(said) => {
                Some(said.iter().flat_map(|one| one.opened.envelope.lines()).collect::<String>())
            }
            _ => None,
        }
    }
}

#[test]
fn what_stood_in_the_old_log_is_taken_once_and_in_its_order() {
    let mut old = Old::new();
    let mut late = old.late();
    let records = [old.bob_says("one"), old.bob_says("two"), old.bob_says("three")];
    assert_eq!(old.says(&mut late, &records[1]), None, "the second without the first");
    for (record, text) in records.iter().zip(["one", "two", "three"]) {
        assert_eq!(old.says(&mut late, record).as_deref(), Some(text));
        assert_eq!(old.says(&mut late, record), None, "{text} again");
    }
    let id = late.state.members[&old.bob.actor()].last;
    assert!(late.has(&old.bob.actor(), id) && !late.has(&old.bob.actor(), MsgId(id.0 + 1)));
}

#[test]
fn nothing_is_smuggled_in() {
    let mut old = Old::new();
    let mut late = old.late();
    let honest = old.said(&old.bob, &old.bob, "PRIVMSG", "honest");
    let in_bobs_name = old.said(&old.bob, &old.ann, "PRIVMSG", "forged by the leader");
    let elsewhere = Envelope { ..honest.clone() }.meta("ch", ChannelId([3; 24]).to_string());
    let elsewhere = elsewhere.sign(Domain::Message, &old.bob);
    let outsider = Identity::generate(&mut Rng::seed_from_u64(8), 2048);
    let mut of_outsider = honest.clone();
    of_outsider.from = Some(outsider.actor().to_string());
    let of_outsider = of_outsider.sign(Domain::Message, &outsider);
    let not_allowed = old.said(&old.bob, &old.bob, "TOPIC", "by who may not");
    let mut altered = old.relayed(&honest, &old.ann);
    let at = altered.len() / 2;
    altered[at] ^= 1;
    let (seq, head) = old.next();
    let wrong_key = LogRecord::key_envelope(Epoch(2), old.kid, "x", Hash([1; 24]), &[]);
    let (fold, ann) = (&old.replica.fold, &old.ann);
    let card = old.replica.state.members[&ann.actor()].card.clone();
    let claim = |anew: bool| match anew {
        true => {
            let what = (Term(2), fold.claim, fold.channel);
            let stand = Stand { seq: fold.seq, head: fold.head };
            LogRecord::claim_anew(ann, &card, &room(), what, (stand, life_of("new")), 1)
        }
        false => LogRecord::claim(ann, &card, &room(), Term(2), fold.claim, Some(fold.channel), 1),
    };
    for (what, bytes) in [
        ("a message that its author did not sign", old.relayed(&in_bobs_name, ann)),
        ("a message of another channel", old.relayed(&elsewhere, ann)),
        ("a message by an outsider", old.relayed(&of_outsider, ann)),
        ("something that its author may not do", old.relayed(&not_allowed, ann)),
        ("a place that the leader did not sign", old.relayed(&honest, &old.bob)),
        ("a record that was altered", altered),
        (
            "an epoch that commits to another state",
            LogRecord::leader(wrong_key, ann, &room(), Term(1), seq, head),
        ),
        ("a claim that begins a log anew", claim(true)),
        ("a claim while the leader lived", claim(false)),
        ("garbage", b"{}".to_vec()),
    ] {
        let record = Kept { time: 1_100, value: bytes };
        assert!(matches!(old.take(&mut late, &record), Took::Void), "{what}");
        assert_eq!(late.fold.stand(), old.replica.fold.stand(), "{what} moved it");
    }
    // What was tried does not keep out what is true.
    let genuine = old.bob_says("genuine");
    assert_eq!(old.says(&mut late, &genuine).as_deref(), Some("genuine"));
}

#[test]
fn without_its_key_a_record_waits() {
    let mut old = Old::new();
    let mut late = old.late();
    let record = old.bob_says("sealed");
    let ring = std::mem::take(&mut old.ring);
    assert!(matches!(old.take(&mut late, &record), Took::Stall));
    old.ring = ring;
    assert_eq!(old.says(&mut late, &record).as_deref(), Some("sealed"));
}

#[test]
fn a_new_log_begins_with_a_claim_on_what_one_has_and_with_nothing_else() {
    let mut old = Old::new();
    let more = old.said(&old.bob, &old.bob, "PRIVMSG", "of the old leader, late");
    let more = old.relayed(&more, &old.ann);
    let bob = old.replica.state.members[&old.bob.actor()].card.clone();
    let fold = old.replica.fold.clone();
    let what = (Term(2), fold.claim, fold.channel);
    let anew = |stand: Stand, who: &Identity| {
        LogRecord::claim_anew(who, &bob, &room(), what, (stand, life_of("new")), 1)
    };
    let good = anew(fold.stand(), &old.bob);
    let plain = LogRecord::claim(&old.bob, &bob, &room(), Term(2), fold.claim, Some(fold.channel), 1);
    let other = anew(Stand { seq: fold.seq, head: Hash([4; 24]) }, &old.bob);
    let less = anew(Stand { seq: Seq(0), head: fold.head }, &old.bob);
    let having = LogRecord::having(&old.bob, &room(), fold.channel, (Term(1), Seq(9)), 1);
    let config = config();
    let mut judged = |value: &[u8], anew: bool| {
        let parsed = LogRecord::parse(value, &room()).unwrap();
        let hash = super::super::read::claim_hash(value);
        let judge = Judge {
            config: &config,
            ring: &old.ring,
            hash,
            time: 2_000,
            trusted: None,
            sent: &|_| None,
            anew,
        };
        old.replica.fold.step(&mut old.replica.state, &parsed, judge)
    };
    assert!(matches!(judged(&good, false), Verdict::Void(_)), "where the log is not new");
    for (what, value) in
        [("plain", &plain), ("other", &other), ("less", &less), ("having", &having), ("more", &more)]
    {
        assert!(matches!(judged(value, true), Verdict::Void(_)), "{what}");
    }
    // One that lands in another life of the log than it was meant for is told by what it says.
    let parsed = LogRecord::parse(&good, &room()).unwrap();
    assert!(parsed.begins_other(Some("newer")) && !parsed.begins_other(Some("new")));
    assert_eq!(judged(&good, true), Verdict::Claimed);
    assert!(
        matches!(judged(&more, false), Verdict::Void(_)),
        "what the leader before appends counts no more"
    );
    assert_eq!(old.replica.fold.leader, old.bob.actor());
    // Numbers and epochs of its own: no number means two records, whatever others have more.
    assert!(!crate::log::same_life(old.replica.fold.seq, fold.seq));
    assert!(old.replica.fold.seq > fold.seq && old.replica.fold.epoch > fold.epoch);
}
