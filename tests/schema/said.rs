//! What the program really sends, held against the schemas: two people go through nearly all that a
//! session can say.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::files::{Side, check};
use crate::session::Grid;

const CAPS: [&str; 5] = ["state", "typing", "presence", "replay", "status"];

fn is(command: &'static str) -> impl Fn(&Value) -> bool {
    move |e| e["command"] == command
}

fn says(text: &'static str) -> impl Fn(&Value) -> bool {
    move |e| e["command"] == "PRIVMSG" && e["body"][0] == text
}

#[test]
fn what_the_program_sends_fits_its_schemas() {
    let grid = Grid::new();
    let mut alice = grid.person("alice");
    let mut bob = grid.person("bob");

    let welcome = alice.ask(json!({"command": "HELLO", "meta": {"caps": CAPS}}), &["001"]);
    bob.ask(json!({"command": "HELLO", "meta": {"caps": CAPS}}), &["001"]);
    alice.ask(json!({"command": "PING", "params": ["token"]}), &["PONG"]);

    // A channel: founded, joined, spoken in.
    alice.ask(json!({"command": "JOIN", "to": "#net"}), &["366"]);
    alice.ask(json!({"command": "TOPIC", "to": "#net"}), &["331"]);
    alice.ask(json!({"command": "TOPIC", "to": "#net", "body": ["news"]}), &["TOPIC"]);
    bob.ask(json!({"command": "JOIN", "to": "#net"}), &["366"]);
    alice.until("bob's JOIN", |e| e["command"] == "JOIN" && e["from"] == "bob");
    alice.say(json!({"command": "PRIVMSG", "to": "#net", "body": ["hello"]}));
    bob.until("hello", says("hello"));
    bob.say(
        json!({"command": "PRIVMSG", "to": "#net", "body": ["waves at alice"], "meta": {"action": true}}),
    );
    let heard = alice.until("bob's answer", says("waves at alice"));
    alice.say(json!({"command": "MARKREAD", "to": "#net", "params": [heard["id"]]}));
    bob.say(json!({"command": "NOTICE", "to": "#net", "body": ["one", "two"]}));
    alice.until("bob's NOTICE", is("NOTICE"));
    bob.say(json!({"command": "TYPING", "to": "#net", "params": ["active"]}));
    alice.until("bob's TYPING", is("TYPING"));

    // Questions about it.
    for (command, last) in [("NAMES", "366"), ("WHO", "315"), ("MODE", "329"), ("JOIN", "366")] {
        alice.ask(json!({"command": command, "to": "#net"}), &[last]);
    }
    alice.ask(json!({"command": "WHO", "to": "bob"}), &["315"]);
    alice.ask(json!({"command": "WHOIS", "to": "bob"}), &["318"]);
    alice.ask(json!({"command": "LIST"}), &["323"]);
    alice.ask(json!({"command": "STATUS"}), &["STATUS"]);
    alice.ask(json!({"command": "HISTORY", "to": "#net", "meta": {"limit": 10}}), &["HISTORY"]);

    // Modes, and refusals by those who may not.
    alice.ask(json!({"command": "MODE", "to": "#net", "params": ["+vk", "bob", "secret"]}), &["MODE"]);
    bob.until("the MODE", is("MODE"));
    alice.ask(json!({"command": "MODE", "to": "#net", "params": ["+b", "eve!*@*"]}), &["MODE"]);
    alice.ask(json!({"command": "MODE", "to": "#net", "params": ["+b"]}), &["368"]);
    bob.ask(json!({"command": "KICK", "to": "#net", "params": ["alice"]}), &["482"]);
    bob.ask(json!({"command": "TOPIC", "to": "#net", "body": ["mine"]}), &["482"]);
    bob.ask(json!({"command": "MODE", "to": "#net", "params": ["+o", "nobody"]}), &["401", "441", "482"]);
    bob.ask(json!({"command": "WHOIS", "to": "nobody"}), &["401"]);
    bob.ask(json!({"command": "PRIVMSG", "to": "#elsewhere", "body": ["hello"]}), &["403", "404", "442"]);
    bob.ask(json!({"command": "PRIVMSG", "to": "nobody", "body": ["hello"]}), &["401"]);

    // From one to one.
    alice.say(json!({"command": "PRIVMSG", "to": "bob", "body": ["between us"]}));
    let direct = bob.until("the direct message", says("between us"));
    bob.say(json!({"command": "MARKREAD", "to": "alice", "params": [direct["id"]]}));
    alice.until("read", |e| e["command"] == "STATE" && e["params"][0] == "read");
    alice.ask(json!({"command": "VERIFY", "to": "bob"}), &["VERIFY"]);
    alice.ask(json!({"command": "VERIFY", "to": "bob", "params": ["confirm"]}), &["VERIFY"]);
    alice.ask(json!({"command": "CONTACT", "params": ["list"]}), &["CONTACT"]);
    alice.ask(json!({"command": "CONTACT", "params": ["show", "bob"]}), &["CONTACT"]);

    // Who came later knows who was there before, without having seen them come.
    let mut carol = grid.person("carol");
    carol.ask(json!({"command": "JOIN", "to": "#net", "params": ["secret"]}), &["366"]);
    carol.ask(json!({"command": "WHOIS", "to": "bob"}), &["311"]);
    carol.say(json!({"command": "PRIVMSG", "to": "bob", "body": ["nice to meet you"]}));
    bob.until("carol's message", says("nice to meet you"));
    bob.ask(json!({"command": "PRIVMSG", "to": "carol", "body": ["likewise"]}), &["PRIVMSG"]);
    carol.until("bob's answer", says("likewise"));
    carol.close();

    // Oneself.
    alice.ask(json!({"command": "AWAY", "body": ["lunch"]}), &["306"]);
    bob.until("alice away", |e| e["command"] == "PRESENCE" && e["params"][0] == "away");
    bob.ask(json!({"command": "WHOIS", "to": "alice"}), &["318"]);
    alice.ask(json!({"command": "AWAY"}), &["305"]);
    alice.ask(json!({"command": "NICK", "params": ["alicia"]}), &["NICK"]);
    bob.until("the new nick", |e| e["command"] == "NICK" && e["params"][0] == "alicia");
    let card = bob.ask(json!({"command": "CARD"}), &["CARD"]);
    alice.ask(json!({"command": "CONTACT", "params": ["add"], "body": card["body"]}), &["CONTACT"]);
    alice.ask(json!({"command": "PROFILE", "params": ["set", "city"], "body": ["Turin"]}), &["PROFILE"]);
    alice.ask(json!({"command": "PROFILE", "params": ["publish"]}), &["PROFILE"]);
    // Publishing is a hint: it is there a moment later.
    let find = json!({"command": "PROFILE", "params": ["find", "alicia"]});
    let found = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        bob.ask(find.clone(), &["PROFILE", "401"])["command"] == "PROFILE"
    });
    assert!(found, "the published profile is not to be found");
    let create = json!({"command": "INVITATION", "params": ["create"], "body": card["body"]});
    let invite = alice.ask(create, &["INVITATION"]);
    bob.ask(json!({"command": "INVITATION", "params": ["accept"], "body": invite["body"]}), &["INVITATION"]);

    // What is no envelope, and what is no command.
    alice.line("this is no envelope");
    alice.until("an ERROR", is("ERROR"));
    alice.line(r#"{"command":"NOSUCH"}"#);
    alice.until("a 421", is("421"));

    // The end of it.
    alice.ask(json!({"command": "ROTATE", "to": "#net"}), &["NOTICE"]);
    alice.ask(json!({"command": "KICK", "to": "#net", "params": ["bob"], "body": ["enough"]}), &["KICK"]);
    bob.until("the KICK", is("KICK"));
    alice.ask(json!({"command": "INVITE", "to": "bob", "params": ["#net"]}), &["341"]);
    bob.until("the INVITE", is("INVITE"));
    bob.ask(json!({"command": "JOIN", "to": "#net"}), &["475"]);
    bob.ask(json!({"command": "JOIN", "to": "#net", "params": ["secret"]}), &["366"]);
    bob.ask(json!({"command": "PART", "to": "#net", "body": ["bye"]}), &["PART"]);
    alice.ask(json!({"command": "FLUSH"}), &["FLUSH"]);

    let mut heard: BTreeSet<String> = alice.close().into_iter().collect();
    heard.extend(bob.close());
    assert!(welcome["meta"]["actor"].is_string());
    assert!(heard.contains("EPOCH"), "no new key was told of; heard {heard:?}");
    what_the_services_see_fits_too(&grid);
}

fn what_the_services_see_fits_too(grid: &Grid) {
    let mut seen = BTreeSet::new();
    for record in grid.records() {
        let text = String::from_utf8(record).expect("records are JSON");
        for said in ["hello", "waves at", "between us", "nice to meet", "news", "secret", "enough"] {
            assert!(!text.contains(&format!("\"{said}")), "{said:?} can be read: {text}");
        }
        let envelope: Value = serde_json::from_str(&text).expect("records are JSON");
        if let Err(wrong) = check(Side::Wire, &envelope) {
            panic!("a node sent what its schema does not allow: {wrong}");
        }
        seen.insert(envelope["command"].as_str().unwrap_or_default().to_owned());
    }
    let expected =
        ["ACCEPT", "ANSWER", "ASK", "CLAIM", "DM", "INVITED", "KEY", "LOG", "RECEIPT", "SEND", "WRAP"];
    for command in expected {
        assert!(seen.contains(command), "no {command} was sent; there were {seen:?}");
    }
}

/// What authors sign, held against the schemas of what is inside the encryption.
#[test]
fn what_authors_sign_fits_its_schemas() {
    use kirc_core::channel::{ActKind, HostedJoin, HostedUser, ModeChange};
    use kirc_core::envelope::{Domain, Envelope, format_ts};
    use kirc_core::identity::{Address, Card, Identity};
    use kirc_core::ids::{Epoch, Hash, MsgId, UserId};
    use kirc_core::names::Nick;
    use rand_chacha::rand_core::SeedableRng;

    let mut rng = kirc_core::crypto::Rng::from_seed([3; 32]);
    let me = Identity::generate(&mut rng, 2048);
    let name = |kind: &str| format!("{kind}-me");
    let address = Address {
        cluster: "local".into(),
        data_in: name("data-in"),
        data_out: name("data-out"),
        rpc_in: name("rpc-in"),
        rpc_out: name("rpc-out"),
    };
    let nick = Nick::parse("me").expect("a nick");
    let card = Card::create(&me, &nick, &address, serde_json::Map::new(), 1);
    let boxed = || Box::new(card.clone());
    let changes =
        vec![ModeChange::new(true, 'o', &me.actor().to_string()), ModeChange::new(false, 'b', "eve!*@*")];
    let user = std::sync::Arc::new(HostedUser {
        nick: Nick::parse("guest").expect("a nick"),
        user: "guest".into(),
        host: "host.example".into(),
        account: Some("guest".into()),
        realname: "A guest".into(),
    });
    let hosted = HostedJoin { user: user.clone(), mark: kirc_core::ids::UserMark([7; 16]) };
    let guest = UserId::hosted(me.actor(), &hosted.mark.0);
    let join =
        |card, hosted| ActKind::Join { card, hosted, key: Some("key".into()), registered: true, tls: true };
    let acts = [
        ActKind::Message,
        ActKind::Notice,
        join(Some(boxed()), None),
        join(None, Some(Box::new(hosted))),
        ActKind::Part { reason: "bye".into() },
        ActKind::Part { reason: String::new() },
        ActKind::Kick { target: me.actor().owner(), reason: "enough".into() },
        ActKind::Mode { changes },
        ActKind::Topic { text: String::new() },
        ActKind::Card { card: boxed() },
        ActKind::User { user },
        ActKind::Invite { target: me.actor().owner() },
        ActKind::Nothing { command: "ROTATE".into() },
        ActKind::Nothing { command: "PONG".into() },
        ActKind::Nothing { command: "WAY".into() },
    ];
    let id = MsgId::generate(1_790_000_000_000, 1, MsgId::default());
    let kid = kirc_core::crypto::ChannelKey::generate(&mut rng).id(b"#net", Epoch(2));
    for act in acts {
        let mut e = act.to_envelope().from(me.actor().to_string()).to("#net");
        if matches!(act, ActKind::User { .. } | ActKind::Join { hosted: Some(_), .. }) {
            e = e.meta("user", guest.to_string());
        }
        if matches!(act, ActKind::Message | ActKind::Notice) {
            e = e.line("hello");
        }
        if act.command() == "WAY" {
            e = e.field("way", json!({"kafka": {"servers": "kafka.example:9092", "security": "ssl"}}));
        }
        e.id = Some(id.to_string());
        e.ts = Some(format_ts(1_790_000_000_000));
        e = e.meta("ch", Hash::ZERO.to_string()).meta("n", 7u64);
        if !matches!(act, ActKind::Join { .. }) {
            e = e.meta("epoch", 2u64).meta("kid", kid.to_string());
            e = e.meta("seen", json!([6, "A".repeat(16)]));
        }
        let bytes = e.sign(Domain::Message, &me).to_canonical();
        let envelope: Value = serde_json::from_slice(&bytes).expect("an act is JSON");
        check(Side::Inside, &envelope).unwrap_or_else(|wrong| panic!("{wrong}"));
        Envelope::from_canonical(&bytes).expect("an act is canonical");
    }
    let bytes = card.envelope().to_canonical();
    let envelope: Value = serde_json::from_slice(&bytes).expect("a card is JSON");
    check(Side::Wire, &envelope).unwrap_or_else(|wrong| panic!("{wrong}"));
}

/// What a leader makes of acts, one or several: it depends on how fast they come which of them a
/// run shows.
#[test]
fn relayed_acts_fit_their_schemas() {
    use kirc_core::crypto::{ChannelKey, Rng};
    use kirc_core::identity::Identity;
    use kirc_core::ids::{Epoch, Hash, MsgId, Seq, Term};
    use kirc_core::log::{LogRecord, SealedAct};
    use kirc_core::names::ChannelName;
    use rand_chacha::rand_core::SeedableRng;

    let mut rng = Rng::from_seed([4; 32]);
    let me = Identity::generate(&mut rng, 2048);
    let room = ChannelName::parse("#net").expect("a name");
    let key = ChannelKey::generate(&mut rng);
    let act = |number: u64| SealedAct {
        from: me.actor(),
        id: MsgId::generate(1_790_000_000_000 + number, u128::from(number), MsgId::default()),
        epoch: Epoch(2),
        kid: key.id(b"#net", Epoch(2)),
        token: key.encrypt(b"what somebody signed"),
    };
    for (count, command) in [(1, "LOG"), (2, "BATCH"), (kirc_core::limits::BATCH as u64, "BATCH")] {
        let acts: Vec<SealedAct> = (0..count).map(act).collect();
        let bytes = LogRecord::acts(&me, &room, Term(1), Seq(5), Hash::ZERO, &acts);
        let envelope: Value = serde_json::from_slice(&bytes).expect("a record is JSON");
        assert_eq!(envelope["command"], command);
        check(Side::Wire, &envelope).unwrap_or_else(|wrong| panic!("{wrong}"));
        match LogRecord::parse(&bytes, &room) {
            Ok(LogRecord::Acts(at, read)) => {
                assert_eq!((at.seq, at.last(), read), (Seq(5), Seq(4 + count), acts));
            }
            other => panic!("{other:?}"),
        }
    }
}
