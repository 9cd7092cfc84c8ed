//! A fake node: it gives fixed replies to the UI's requests.
//!
//! Owns: the replies. Must not: store anything except a count of the messages.
use kirc_core::Envelope;
use serde_json::json;

use super::data::{NOW, id, list, past, script, status};
use crate::when;

/// Answers envelopes of a session.
#[derive(Debug, Default)]
pub struct DemoNode {
    said: u64,
}

impl DemoNode {
    /// What the node says to an envelope.
    pub fn answer(&mut self, asked: &Envelope) -> Vec<Envelope> {
        let to = asked.to.clone().unwrap_or_default();
        let mut answers = match asked.command.as_str() {
            "HELLO" => script(),
            "PRIVMSG" => self.message(asked, &to),
            "HISTORY" => {
                let (lines, more) = past(&to, asked.params.get(1).map(String::as_str));
                let mut envelope = Envelope::new("HISTORY").to(to).meta("more", more);
                envelope.body = Some(list(&lines));
                vec![envelope]
            }
            "JOIN" => join(&to),
            "PART" => vec![Envelope::new("PART").from("alice").to(to)],
            "TOPIC" => topic(asked, &to),
            "MODE" => mode(asked, &to),
            "KICK" | "NICK" => {
                let mut envelope = asked.clone().from("alice");
                envelope.meta.clear();
                vec![envelope]
            }
            "INVITE" => {
                let channel = asked.params.first().cloned().unwrap_or_default();
                vec![Envelope::new("341").to("alice").param(channel).param(to)]
            }
            "NAMES" => vec![
                Envelope::new("353")
                    .to("alice")
                    .param(to.clone())
                    .line("@bob alice +carol dave erin mallory 小林 @zoe"),
                Envelope::new("366").to("alice").param(to),
            ],
            "WHOIS" => whois(&to),
            "LIST" => channels(),
            "AWAY" if asked.body.is_some() => {
                vec![Envelope::new("306").to("alice").line("You are marked as away")]
            }
            "AWAY" => vec![Envelope::new("305").to("alice").line("You are not marked as away any more")],
            "ROTATE" => vec![Envelope::new("EPOCH").to(to).param("18").param("by command")],
            "VERIFY" => vec![verify(asked, &to)],
            "CONTACT" => vec![contacts()],
            "PROFILE" => vec![profile()],
            "STATUS" => vec![status(1)],
            _ => Vec::new(),
        };
        if let Some(label) = asked.meta.get("label") {
            for answer in &mut answers {
                answer.meta.insert("label".to_owned(), label.clone());
            }
        }
        answers
    }

    fn message(&mut self, asked: &Envelope, to: &str) -> Vec<Envelope> {
        self.said += 1;
        let mut sending = asked.clone().from("alice").meta("self", true).meta("state", "sending");
        sending.id = Some(id(to, 5000 + self.said));
        sending.ts = Some(when::format(NOW));
        let settled = sending.clone();
        let settled = if to.starts_with('#') {
            settled.meta("state", "sent").meta("seq", 500 + self.said)
        } else {
            settled.meta("state", "delivered")
        };
        vec![sending, settled]
    }
}

fn join(to: &str) -> Vec<Envelope> {
    vec![
        Envelope::new("JOIN").from("alice").to(to),
        Envelope::new("353").to("alice").param(to).line("@alice"),
        Envelope::new("366").to("alice").param(to),
    ]
}

fn topic(asked: &Envelope, to: &str) -> Vec<Envelope> {
    match asked.lines().first() {
        Some(text) => vec![Envelope::new("TOPIC").from("alice").to(to).line(*text)],
        None => vec![Envelope::new("331").to("alice").param(to).line("No topic is set")],
    }
}

fn mode(asked: &Envelope, to: &str) -> Vec<Envelope> {
    match asked.params.as_slice() {
        [] => vec![Envelope::new("324").to("alice").param(to).param("+nt")],
        [one] if one == "+b" => vec![
            Envelope::new("367").to("alice").param(to).param("spam*!*@*").param("zoe").param("1795000000"),
            Envelope::new("368").to("alice").param(to),
        ],
        params => {
            let mut envelope = Envelope::new("MODE").from("alice").to(to);
            envelope.params = params.to_vec();
            vec![envelope]
        }
    }
}

fn whois(nick: &str) -> Vec<Envelope> {
    let numeric = |code: &str| Envelope::new(code).to("alice").param(nick);
    vec![
        numeric("311").param("a7").param("home.grid").line("works on the log"),
        numeric("319").line("@#kirc #garden"),
        numeric("671").line("end-to-end encrypted, TLS to the grid"),
        numeric("330").param("3WQ7X-ND2KP-8RTVM-5ZJHC").line("has the fingerprint"),
        numeric("318").line("End of WHOIS"),
    ]
}

fn channels() -> Vec<Envelope> {
    let channel = |name: &str, members: &str, topic: &str| {
        Envelope::new("322").to("alice").param(name).param(members).line(topic)
    };
    vec![
        Envelope::new("321").to("alice"),
        channel("#kirc", "8", "Release on Friday"),
        channel("#garden", "4", "What grows, what doesn't"),
        channel("#night-shift", "23", ""),
        channel("#rust", "112", "Borrow, don't steal"),
        channel("#welcome", "9", "Ask anything"),
        Envelope::new("323").to("alice"),
    ]
}

fn verify(asked: &Envelope, nick: &str) -> Envelope {
    let trust = match asked.params.first().map(String::as_str) {
        Some("confirm") => "verified",
        _ => "tofu",
    };
    Envelope::new("VERIFY")
        .field("nick", nick)
        .field("actor", "a7")
        .field("fingerprint", "3WQ7X-ND2KP-8RTVM-5ZJHC")
        .field("own_fingerprint", "7K2QM-9XW4D-P3ZTR-6HNVC")
        .field("safety_number", "48213 90117 56620 30984 77105 22639 81460 05573 19842 60217 33958 74001")
        .field("trust", trust)
}

fn contacts() -> Envelope {
    let mut envelope = Envelope::new("CONTACT");
    envelope.body = Some(kirc_core::Body::Array(vec![
        json!({"nick": "bob", "actor": "a7", "fingerprint": "3WQ7X-ND2KP-8RTVM-5ZJHC", "trust": "verified",
               "presence": "online", "away": "", "held": false}),
        json!({"nick": "dave", "actor": "a9", "fingerprint": "ZZ81K-4MPQR-T0VWX-9HJ2C", "trust": "tofu",
               "presence": "offline", "away": "", "held": true}),
    ]));
    envelope
}

fn profile() -> Envelope {
    Envelope::new("PROFILE")
        .field("nick", "alice")
        .field("actor", "a1")
        .field("fingerprint", "7K2QM-9XW4D-P3ZTR-6HNVC")
        .field("profile", json!({"about": "keeps the log in order", "languages": "en, de"}))
        .field("private", json!({"note": "only here"}))
        .field("published", false)
}
