//! The demo's conversation.
//!
//! Owns: names, texts, times. Must not: show a state that a real node could not be in.
use kirc_core::{Body, Envelope};
use serde_json::json;

use crate::when::{self, Millis};

/// The time at which the demonstration stands: 2026-11-21T10:58:00Z.
pub const NOW: Millis = 1_795_258_680_000;

/// An envelope with time and place in the log.
fn logged(command: &str, from: &str, to: &str, seq: u64, minutes_ago: u64) -> Envelope {
    let mut envelope = Envelope::new(command).from(from).to(to).meta("seq", seq);
    envelope.id = Some(id(to, seq));
    envelope.ts = Some(when::format(NOW - minutes_ago * 60_000));
    envelope
}

pub(super) fn id(to: &str, seq: u64) -> String {
    let room = to.bytes().fold(0_u64, |h, b| (h * 31 + u64::from(b)) % 0xffff);
    format!("019aa5d0-0000-7000-{room:04x}-{seq:012}")
}

fn said(from: &str, to: &str, seq: u64, minutes_ago: u64, text: &str) -> Envelope {
    logged("PRIVMSG", from, to, seq, minutes_ago).line(text).meta("state", "sent")
}

fn mine(mut envelope: Envelope) -> Envelope {
    envelope = envelope.meta("self", true);
    envelope
}

fn direct(from: &str, to: &str, seq: u64, minutes_ago: u64, text: &str, state: &str) -> Envelope {
    let mut envelope = Envelope::new("PRIVMSG").from(from).to(to).line(text).meta("state", state);
    envelope.id = Some(id(if from == "alice" { to } else { from }, seq));
    envelope.ts = Some(when::format(NOW - minutes_ago * 60_000));
    envelope
}

fn replay(envelope: Envelope) -> Envelope {
    envelope.meta("replay", true)
}

fn joined(name: &str, topic: &str, modes: &str, names: &str) -> Vec<Envelope> {
    vec![
        replay(Envelope::new("JOIN").from("alice").to(name)),
        replay(Envelope::new("332").to("alice").param(name).line(topic)),
        replay(Envelope::new("324").to("alice").param(name).param(modes)),
        replay(Envelope::new("353").to("alice").param(name).line(names)),
        replay(Envelope::new("366").to("alice").param(name).line("End of names")),
    ]
}

/// What the node says of itself.
pub(super) fn status(outbox: u64) -> Envelope {
    let channel = |leader: &str, term: u64, epoch: u64, members: u64| {
        json!({"phase": "joined", "leader": leader, "leading": leader == "alice", "term": term, "epoch": epoch,
               "members": members, "waiting": 0, "since": null, "why": ""})
    };
    let mut envelope = Envelope::new("STATUS")
        .field(
            "node",
            json!({"nick": "alice", "actor": "a1", "away": null, "fingerprint": "7K2QM-9XW4D-P3ZTR-6HNVC"}),
        )
        .field(
            "services",
            json!({"mailbox": {"up": true, "reason": "", "since": null}, "signals": {"up": true, "reason": "", "since": null},
                                  "store": {"up": true, "reason": "", "since": null}}),
        )
        .field(
            "channels",
            json!({"#kirc": channel("bob", 3, 17, 8), "#garden": channel("alice", 1, 4, 4),
                                  "#night-shift": channel("erin", 12, 90, 23)}),
        );
    envelope = envelope.field("outbox", outbox);
    envelope
}

/// Everything the node says after HELLO.
pub fn script() -> Vec<Envelope> {
    let mut out =
        vec![Envelope::new("001").to("alice").meta("actor", "a1").line("Welcome to kirc, alice"), status(1)];
    out.extend(joined(
        "#kirc",
        "Release on Friday · notes: https://kirc.example/notes",
        "+nt",
        "@bob alice +carol dave erin mallory 小林 @zoe",
    ));
    out.extend(joined("#garden", "What grows, what doesn't", "+n", "@alice bob erin oskar"));
    out.extend(joined("#night-shift", "", "+mnt", "@erin alice bob frank +grace heidi ivan judy"));
    out.push(Envelope::new("PRESENCE").from("carol").param("away").line("lunch"));
    out.push(Envelope::new("PRESENCE").from("dave").param("offline"));
    out.push(Envelope::new("PRESENCE").from("bob").param("online"));
    out.extend(kirc());
    out.push(said("oskar", "#garden", 31, 44, "the first frost is due tonight"));
    out.push(said("erin", "#garden", 32, 41, "then the dahlias have to come in").meta("mention", false));
    out.push(said("oskar", "#garden", 33, 6, "alice: can you cover the beds?").meta("mention", true));
    out.push(said("frank", "#night-shift", 900, 12, "handing over, all quiet"));
    out.push(direct("alice", "bob", 1, 190, "shall I merge the leader rules?", "read"));
    out.push(direct("bob", "alice", 2, 188, "yes, after the last seed has run", "delivered"));
    out.push(direct("alice", "bob", 3, 187, "running now", "delivered"));
    out.push(direct("bob", "alice", 4, 3, "all green. merge it", "delivered"));
    out.push(direct("dave", "alice", 1, 9, "new laptop, new key", "held"));
    out.push(Envelope::new("TYPING").from("zoe").to("#kirc").param("active"));
    out
}

fn epoch(to: &str) -> Envelope {
    let mut envelope = Envelope::new("EPOCH").to(to).param("17").param("ivan left");
    envelope.ts = Some(when::format(NOW - 20 * 60_000));
    envelope
}

fn kirc() -> Vec<Envelope> {
    let to = "#kirc";
    let mut waiting = mine(logged("PRIVMSG", "alice", to, 0, 0))
        .line("and the notes are in review")
        .meta("state", "sending");
    waiting.meta.remove("seq");
    waiting.id = Some(id(to, 999));
    let mut refused = mine(logged("PRIVMSG", "alice", to, 0, 4))
        .line("/tmp/trace.log: 3 MB")
        .meta("state", "failed")
        .meta("reason", "slow mode: one message in 10 s");
    refused.meta.remove("seq");
    refused.id = Some(id(to, 998));
    vec![
        said("bob", to, 410, 31, "morning. the simulation ran 40,000 seeds over night"),
        said("carol", to, 411, 30, "and?"),
        said(
            "bob",
            to,
            412,
            30,
            "no two nodes showed different things. one needless take-over, on a link with 2 s of lag",
        ),
        mine(said("alice", to, 413, 28, "that's better than I hoped. which seed?")),
        logged("PRIVMSG", "bob", to, 414, 27)
            .line("seed 31337, it is in the tests now:")
            .line("    cargo test -p kirc-sim seed_31337")
            .meta("state", "sent"),
        logged("JOIN", "小林", to, 415, 21),
        logged("JOIN", "mallory", to, 416, 20),
        logged("PART", "ivan", to, 417, 20).line("lunch"),
        epoch(to),
        said("小林", to, 418, 19, "おはよう! 端末の幅は大丈夫ですか? 👋"),
        mine(said("alice", to, 419, 18, "wide cells are fine, even 👨‍👩‍👧")),
        said("zoe", to, 420, 12, "alice: can you look at the topic before Friday?").meta("mention", true),
        logged("MODE", "zoe", to, 421, 11).param("+v").param("carol"),
        logged("PRIVMSG", "carol", to, 422, 8)
            .line("is off to lunch")
            .meta("action", true)
            .meta("state", "sent"),
        said(
            "mallory",
            to,
            423,
            7,
            "\u{1b}[31mfree\u{1b}[0m \u{202e}money\u{202c} at http://evil.example/\u{7}",
        ),
        refused,
        said("zoe", to, 424, 2, "thanks! the draft: https://kirc.example/notes/0.1"),
        waiting,
    ]
}

/// Older lines, oldest first, and whether there are even older ones.
pub(super) fn past(to: &str, before: Option<&str>) -> (Vec<Envelope>, bool) {
    const TALK: [(&str, &str); 8] = [
        ("bob", "who has a free hour for the key rotation?"),
        ("erin", "me, after four"),
        ("carol", "what is left?"),
        (
            "bob",
            "a member that was kicked must not get the next wrap. there is a test that says so, but it is slow",
        ),
        ("erin", "slow because of RSA?"),
        ("bob", "because of RSA"),
        ("zoe", "then make the keys once for all tests"),
        ("erin", "done. 40 s down to 3"),
    ];
    if to != "#kirc" {
        return (Vec::new(), false);
    }
    // Two pages of fifty: 361 to 410, then 311 to 360.
    let (first, more) = match before {
        None => (361, true),
        Some(b) if b == id(to, 361) => (311, false),
        Some(_) => return (Vec::new(), false),
    };
    let lines = (first..first + 50)
        .map(|seq| {
            let (from, text) = TALK[usize::try_from(seq % 8).unwrap_or(0)];
            said(from, to, seq, 1440 + (410 - seq) * 7, text)
        })
        .filter(|e| e.id.as_deref() != Some(id(to, 410).as_str()))
        .collect();
    (lines, more)
}

/// A body that is a list of envelopes.
pub(super) fn list(envelopes: &[Envelope]) -> Body {
    Body::Array(envelopes.iter().filter_map(|e| serde_json::to_value(e).ok()).collect())
}
