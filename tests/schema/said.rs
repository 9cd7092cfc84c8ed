//! What the program really sends, held against the schemas: two people go through nearly all that a session can say.

use std::collections::BTreeSet;

use serde_json::{Value, json};

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

    let welcome = alice.ask(
        json!({"command": "HELLO", "meta": {"caps": CAPS}}),
        &["001"],
    );
    bob.ask(
        json!({"command": "HELLO", "meta": {"caps": CAPS}}),
        &["001"],
    );
    alice.ask(json!({"command": "PING", "params": ["token"]}), &["PONG"]);

    // A channel: founded, joined, spoken in.
    alice.ask(json!({"command": "JOIN", "to": "#net"}), &["366"]);
    alice.ask(json!({"command": "TOPIC", "to": "#net"}), &["331"]);
    alice.ask(
        json!({"command": "TOPIC", "to": "#net", "body": ["news"]}),
        &["TOPIC"],
    );
    bob.ask(json!({"command": "JOIN", "to": "#net"}), &["366"]);
    alice.until("bob's JOIN", |e| {
        e["command"] == "JOIN" && e["from"] == "bob"
    });
    alice.say(json!({"command": "PRIVMSG", "to": "#net", "body": ["hello"]}));
    bob.until("hello", says("hello"));
    bob.say(json!({"command": "PRIVMSG", "to": "#net", "body": ["waves at alice"], "meta": {"action": true}}));
    let heard = alice.until("bob's answer", says("waves at alice"));
    alice.say(json!({"command": "MARKREAD", "to": "#net", "params": [heard["id"]]}));
    bob.say(json!({"command": "NOTICE", "to": "#net", "body": ["one", "two"]}));
    alice.until("bob's NOTICE", is("NOTICE"));
    bob.say(json!({"command": "TYPING", "to": "#net", "params": ["active"]}));
    alice.until("bob's TYPING", is("TYPING"));

    // Questions about it.
    for (command, last) in [
        ("NAMES", "366"),
        ("WHO", "315"),
        ("MODE", "329"),
        ("JOIN", "366"),
    ] {
        alice.ask(json!({"command": command, "to": "#net"}), &[last]);
    }
    alice.ask(json!({"command": "WHO", "to": "bob"}), &["315"]);
    alice.ask(json!({"command": "WHOIS", "to": "bob"}), &["318"]);
    alice.ask(json!({"command": "LIST"}), &["323"]);
    alice.ask(json!({"command": "STATUS"}), &["STATUS"]);
    alice.ask(
        json!({"command": "HISTORY", "to": "#net", "meta": {"limit": 10}}),
        &["HISTORY"],
    );

    // Modes, and refusals by those who may not.
    alice.ask(
        json!({"command": "MODE", "to": "#net", "params": ["+vk", "bob", "secret"]}),
        &["MODE"],
    );
    bob.until("the MODE", is("MODE"));
    alice.ask(
        json!({"command": "MODE", "to": "#net", "params": ["+b", "eve!*@*"]}),
        &["MODE"],
    );
    alice.ask(
        json!({"command": "MODE", "to": "#net", "params": ["+b"]}),
        &["368"],
    );
    bob.ask(
        json!({"command": "KICK", "to": "#net", "params": ["alice"]}),
        &["482"],
    );
    bob.ask(
        json!({"command": "TOPIC", "to": "#net", "body": ["mine"]}),
        &["482"],
    );
    bob.ask(
        json!({"command": "MODE", "to": "#net", "params": ["+o", "nobody"]}),
        &["401", "441", "482"],
    );
    bob.ask(json!({"command": "WHOIS", "to": "nobody"}), &["401"]);
    bob.ask(
        json!({"command": "PRIVMSG", "to": "#elsewhere", "body": ["hello"]}),
        &["403", "404", "442"],
    );
    bob.ask(
        json!({"command": "PRIVMSG", "to": "nobody", "body": ["hello"]}),
        &["401"],
    );

    // From one to one.
    alice.say(json!({"command": "PRIVMSG", "to": "bob", "body": ["between us"]}));
    let direct = bob.until("the direct message", says("between us"));
    bob.say(json!({"command": "MARKREAD", "to": "alice", "params": [direct["id"]]}));
    alice.until("read", |e| {
        e["command"] == "STATE" && e["params"][0] == "read"
    });
    alice.ask(json!({"command": "VERIFY", "to": "bob"}), &["VERIFY"]);
    alice.ask(
        json!({"command": "VERIFY", "to": "bob", "params": ["confirm"]}),
        &["VERIFY"],
    );
    alice.ask(
        json!({"command": "CONTACT", "params": ["list"]}),
        &["CONTACT"],
    );
    alice.ask(
        json!({"command": "CONTACT", "params": ["show", "bob"]}),
        &["CONTACT"],
    );

    // Oneself.
    alice.ask(json!({"command": "AWAY", "body": ["lunch"]}), &["306"]);
    bob.until("alice away", |e| {
        e["command"] == "PRESENCE" && e["params"][0] == "away"
    });
    bob.ask(json!({"command": "WHOIS", "to": "alice"}), &["318"]);
    alice.ask(json!({"command": "AWAY"}), &["305"]);
    alice.ask(json!({"command": "NICK", "params": ["alicia"]}), &["NICK"]);
    bob.until("the new nick", |e| {
        e["command"] == "NICK" && e["params"][0] == "alicia"
    });
    let card = bob.ask(json!({"command": "CARD"}), &["CARD"]);
    alice.ask(
        json!({"command": "CONTACT", "params": ["add"], "body": card["body"]}),
        &["CONTACT"],
    );
    alice.ask(
        json!({"command": "PROFILE", "params": ["set", "city"], "body": ["Turin"]}),
        &["PROFILE"],
    );
    alice.ask(
        json!({"command": "PROFILE", "params": ["publish"]}),
        &["PROFILE"],
    );
    bob.ask(
        json!({"command": "PROFILE", "params": ["find", "alicia"]}),
        &["PROFILE"],
    );
    let create = json!({"command": "INVITATION", "params": ["create"], "body": card["body"]});
    let invite = alice.ask(create, &["INVITATION"]);
    bob.ask(
        json!({"command": "INVITATION", "params": ["accept"], "body": invite["body"]}),
        &["INVITATION"],
    );

    // What is no envelope, and what is no command.
    alice.line("this is no envelope");
    alice.until("an ERROR", is("ERROR"));
    alice.line(r#"{"command":"NOSUCH"}"#);
    alice.until("a 421", is("421"));

    // The end of it.
    alice.ask(json!({"command": "ROTATE", "to": "#net"}), &["NOTICE"]);
    alice.ask(
        json!({"command": "KICK", "to": "#net", "params": ["bob"], "body": ["enough"]}),
        &["KICK"],
    );
    bob.until("the KICK", is("KICK"));
    alice.ask(
        json!({"command": "INVITE", "to": "bob", "params": ["#net"]}),
        &["341"],
    );
    bob.until("the INVITE", is("INVITE"));
    bob.ask(json!({"command": "JOIN", "to": "#net"}), &["475"]);
    bob.ask(
        json!({"command": "JOIN", "to": "#net", "params": ["secret"]}),
        &["366"],
    );
    bob.ask(
        json!({"command": "PART", "to": "#net", "body": ["bye"]}),
        &["PART"],
    );
    alice.ask(json!({"command": "FLUSH"}), &["FLUSH"]);

    let mut heard: BTreeSet<String> = alice.close().into_iter().collect();
    heard.extend(bob.close());
    assert!(welcome["meta"]["actor"].is_string());
    assert!(
        heard.contains("EPOCH"),
        "no new key was told of; heard {heard:?}"
    );
}
