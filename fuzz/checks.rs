//! One check for every parser of bytes that come from outside: it never panics, and what it takes
//! it can write again. Each answers whether the bytes were taken.
//!
//! The fuzz targets and the property tests in tests/parsers.rs share this file, so a find can't
//! come back unnoticed.
#![allow(dead_code)] // each fuzz target uses one function of it

use std::sync::OnceLock;

use kirc_core::channel::{Act, parse_mode_args};
use kirc_core::crypto::{ChannelKey, Rng, open, seal, unwrap};
use kirc_core::envelope::{Domain, Envelope, format_ts};
use kirc_core::identity::{Address, Card, Identity, IdentityError, Invite};
use kirc_core::ids::{ActorId, Hash, MsgId, Seq, Term};
use kirc_core::log::{LogRecord, RelayRequest, SealedAct};
use kirc_core::mask;
use kirc_core::names::{ChannelName, Nick, casefold};
use rand_chacha::rand_core::SeedableRng;

/// A check, by the name of its fuzz target.
pub type Check = (&'static str, fn(&[u8]) -> bool);

/// All of them.
pub const CHECKS: &[Check] = &[
    ("envelope_json", envelope_json),
    ("envelope_canonical", envelope_canonical),
    ("record", record),
    ("act", act),
    ("card", card),
    ("invite", invite),
    ("key_file", key_file),
    ("token", token),
    ("sealed", sealed),
    ("names", names),
    ("masks", masks),
    ("modes", modes),
];

const NOW: u64 = 1_790_000_000_000;

/// An identity that is the same in every run.
fn me() -> &'static Identity {
    static ME: OnceLock<Identity> = OnceLock::new();
    ME.get_or_init(|| Identity::generate(&mut Rng::from_seed([7; 32]), 2048))
}

fn my_card() -> Card {
    let address = Address {
        cluster: "local".into(),
        data_in: "data-in-me".into(),
        data_out: "data-out-me".into(),
        rpc_in: "rpc-in-me".into(),
        rpc_out: "rpc-out-me".into(),
    };
    let nick = Nick::parse("me").expect("a nick");
    Card::create(me(), &nick, &address, serde_json::Map::new(), NOW)
}

fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// A line from a pipe or the node's socket.
pub fn envelope_json(data: &[u8]) -> bool {
    let Ok(envelope) = Envelope::from_json(data) else {
        return false;
    };
    let again = Envelope::from_canonical(&envelope.to_canonical())
        .expect("what a session may say has a canonical form");
    assert_eq!(again, envelope);
    true
}

/// A record of a topic.
pub fn envelope_canonical(data: &[u8]) -> bool {
    let Ok(envelope) = Envelope::from_canonical(data) else {
        return false;
    };
    assert_eq!(envelope.to_canonical(), data, "there is more than one form of the same record");
    for domain in [Domain::Message, Domain::Log, Domain::Card] {
        let _ = envelope.verify(domain, me().public());
    }
    true
}

/// A record of a channel's log, or on its way there.
pub fn record(data: &[u8]) -> bool {
    let channel = ChannelName::parse("#net").expect("a channel");
    let parsed = LogRecord::parse(data, &channel);
    if let Some(at) = parsed.as_ref().ok().and_then(LogRecord::sequenced) {
        assert_eq!(at.envelope.to_canonical(), data);
    }
    let Ok(envelope) = Envelope::from_canonical(data) else {
        return false;
    };
    let Ok(send) = RelayRequest::parse(&envelope) else {
        return parsed.is_ok();
    };
    let again = Envelope::from_canonical(&send.to_bytes()).expect("what is written can be read");
    assert_eq!(RelayRequest::parse(&again).expect("what is written can be read"), send);
    true
}

/// What an author signed.
pub fn act(data: &[u8]) -> bool {
    let Ok(envelope) = Envelope::from_json(data) else {
        return false;
    };
    let Ok(act) = Act::parse(&envelope) else {
        return false;
    };
    let mut again = act.kind.to_envelope().from(act.author.to_string()).meta("n", act.n.0);
    again.id = Some(act.id.to_string());
    again.ts = Some(format_ts(act.ts));
    let kind = again.command.clone();
    if kind == "PRIVMSG" || kind == "NOTICE" {
        again.body = envelope.body.clone();
    }
    assert_eq!(Act::parse(&again).expect("an act survives its envelope"), act);
    true
}

/// What a stranger says of itself.
pub fn card(data: &[u8]) -> bool {
    if let Ok(card) = Card::from_text(&text(data)) {
        assert_eq!(Card::from_text(&card.to_text()).expect("a card survives its text"), card);
        return true;
    }
    let Ok(envelope) = Envelope::from_json(data) else {
        return false;
    };
    let Ok(card) = Card::parse(&envelope) else {
        return false;
    };
    assert_eq!(Card::parse(card.envelope()).expect("a card survives its envelope"), card);
    assert_eq!(ActorId::of_key(card.keys().ed25519()), card.actor());
    true
}

/// The text of an invite, as it came by mail.
pub fn invite(data: &[u8]) -> bool {
    Invite::open(&text(data), me(), NOW).is_ok()
}

/// A key file that somebody may have written into.
pub fn key_file(data: &[u8]) -> bool {
    let text = text(data);
    // How much work a sealed file asks for stands in the file: its bound is another test's matter.
    let passphrase = if text.contains("sealed") { None } else { Some("passphrase") };
    match Identity::from_key_file(data, passphrase) {
        Ok(identity) => !identity.public().fingerprint().is_empty(),
        Err(error) => error == IdentityError::PassphraseNeeded,
    }
}

/// A Fernet token.
pub fn token(data: &[u8]) -> bool {
    ChannelKey::from_bytes([7; 32]).decrypt(&text(data)).is_ok()
}

/// What is sealed to somebody who shares no key yet, and a wrapped key.
pub fn sealed(data: &[u8]) -> bool {
    let opened = serde_json::from_slice(data).is_ok_and(|value| open(&value, me(), b"label").is_ok());
    opened || unwrap(&text(data), me(), b"label").is_ok()
}

/// Nicks and channels.
pub fn names(data: &[u8]) -> bool {
    let text = text(data);
    let folded = casefold(&text);
    assert_eq!(casefold(&folded), folded);
    let (nick, channel) = (Nick::parse(&text), ChannelName::parse(&text));
    let taken = nick.is_ok() || channel.is_ok();
    if let Ok(nick) = nick {
        assert_eq!(nick.as_str(), text);
        assert_eq!(Nick::parse(&nick.folded()).expect("folding keeps a nick a nick"), nick);
    }
    if let Ok(channel) = channel {
        assert_eq!(channel.as_str(), text);
        assert_eq!(
            ChannelName::parse(&channel.folded()).expect("folding keeps a channel a channel"),
            channel
        );
    }
    let _ = (MsgId::parse(&text), ActorId::parse(&text), Hash::parse(&text));
    taken
}

/// Masks: what stands before the first line break is the mask, the rest the prefix.
pub fn masks(data: &[u8]) -> bool {
    let text = text(data);
    let (mask, prefix) = text.split_once('\n').unwrap_or((&text, "bob!actor@local"));
    let full = mask::normalise(mask);
    assert_eq!(mask::normalise(&full), full, "a whole mask is left as it is");
    let _ = mask::matches(&full, prefix);
    assert!(mask::matches("*!*@*", "bob!actor@local"));
    true
}

/// The arguments of MODE, one a line.
pub fn modes(data: &[u8]) -> bool {
    let args: Vec<String> = text(data).split('\n').map(str::to_owned).collect();
    parse_mode_args(&args, |nick| (nick == "bob").then(|| me().actor().owner())).is_ok()
}

/// Good inputs of a check, for its mutations to start from.
pub fn seeds(name: &str) -> Vec<Vec<u8>> {
    let channel = ChannelName::parse("#net").expect("a channel");
    let id = MsgId::generate(NOW, 99, MsgId::default());
    let said = {
        let mut e =
            Envelope::new("PRIVMSG").from(me().actor().to_string()).to("#net").line("hello").meta("n", 1u64);
        e.id = Some(id.to_string());
        e.ts = Some(format_ts(NOW));
        e.sign(Domain::Message, me())
    };
    let relayed = || {
        let key = ChannelKey::from_bytes([7; 32]);
        let epoch = kirc_core::ids::Epoch(1);
        let token = key.encrypt(&said.to_canonical());
        SealedAct { from: me().actor(), id, epoch, kid: key.id(b"#net", epoch), token }
    };
    let with = |kind: &str, more: &str| {
        let (actor, ts) = (me().actor(), format_ts(NOW));
        format!(r##"{{"command":"{kind}","from":"{actor}","to":"#net","id":"{id}","ts":"{ts}","meta":{{"n":2}},{more}}}"##)
            .into_bytes()
    };
    match name {
        "envelope_json" => vec![
            br##"{"command":"JOIN","to":"#net","params":["key"],"meta":{"label":"1"}}"##.to_vec(),
            br##"{"command":"STATUS","body":{"outbox":5}}"##.to_vec(),
            said.to_canonical(),
        ],
        "envelope_canonical" => vec![said.to_canonical(), my_card().envelope().to_canonical()],
        "record" => {
            let (term, prev) = (Term(1), Hash::ZERO);
            let key = LogRecord::key_envelope(relayed().epoch, relayed().kid, "join", prev, &[prev]);
            vec![
                LogRecord::claim(me(), &my_card(), &channel, term, prev, None, 5),
                LogRecord::acts(me(), &channel, term, Seq(2), prev, &[relayed()]),
                LogRecord::acts(me(), &channel, term, Seq(2), prev, &[relayed(), relayed()]),
                LogRecord::leader(key, me(), &channel, term, Seq(1), prev),
                LogRecord::leader(Envelope::new("RESIGN"), me(), &channel, term, Seq(3), prev),
                RelayRequest { name: channel, act: relayed() }.to_bytes(),
            ]
        }
        "act" => vec![
            said.to_canonical(),
            with("KICK", &format!(r#""params":["{}"],"body":["out"]"#, me().actor())),
            with("TOPIC", r#""body":["news"]"#),
            with("MODE", r#""body":{"changes":[{"add":true,"letter":"k","param":"key"}]}"#),
            with("PART", r#""body":["bye"]"#),
        ],
        "card" => vec![my_card().to_text().into_bytes(), my_card().envelope().to_canonical()],
        "invite" => {
            let mut rng = Rng::from_seed([9; 32]);
            let grid = serde_json::Map::new();
            let card = my_card();
            let made = Invite::create(me(), &card, me().public(), grid, NOW + 1000, NOW, &mut rng);
            vec![made.expect("an invite").text.into_bytes()]
        }
        "key_file" => {
            let mut rng = Rng::from_seed([8; 32]);
            vec![
                me().to_key_file(None, &mut rng).to_vec(),
                me().to_key_file(Some("passphrase"), &mut rng).to_vec(),
            ]
        }
        "token" => vec![ChannelKey::from_bytes([7; 32]).encrypt(b"hello").into_bytes()],
        "sealed" => {
            let mut rng = Rng::from_seed([6; 32]);
            vec![seal(b"hello", me().public(), b"label", &mut rng).to_string().into_bytes()]
        }
        "names" => ["bob", "[x]{y}", "#net", "#net@bob", "#Ä[]\\~"].map(|s| s.as_bytes().to_vec()).to_vec(),
        "masks" => ["bob", "*!*@host", "b?b!*@*\nbob!x@y", "a*b*c*d\naaa!b@c"]
            .map(|s| s.as_bytes().to_vec())
            .to_vec(),
        "modes" => ["+o\nbob", "+b", "+kl-b\nkey\n5\n*!*@*", "-k+v\nkey\nbob"]
            .map(|s| s.as_bytes().to_vec())
            .to_vec(),
        _ => Vec::new(),
    }
}
