//! `kirc pipe` as bots and scripts use it.

mod common;

use std::time::{Duration, Instant};

use common::World;
use serde_json::{Value, json};

#[test]
fn a_join_is_answered_in_order() {
    let world = World::new();
    world.set_up("alice");
    let mut alice = world.pipe("alice");
    alice.say(json!({"command": "JOIN", "to": "#net"}));
    let commands: Vec<String> = std::iter::from_fn(|| alice.next())
        .map(|e| e["command"].as_str().unwrap().to_owned())
        .take(3)
        .collect();
    assert_eq!(commands, ["JOIN", "353", "366"]);
    alice.say(json!({"command": "TOPIC", "to": "#net", "body": ["about nets"]}));
    alice.until("TOPIC");
    alice.say(json!({"command": "JOIN", "to": "#net", "meta": {"label": "again"}}));
    let joined = alice.until("JOIN");
    assert_eq!((&joined["meta"]["replay"], &joined["meta"]["label"]), (&true.into(), &"again".into()));
    assert_eq!(alice.until("332")["body"][0], "about nets");
    alice.until("366");
    assert_eq!(alice.end(), Some(0));
}

#[test]
fn a_line_that_is_no_envelope_is_answered_and_ignored() {
    let world = World::new();
    world.set_up("alice");
    let mut alice = world.pipe("alice");
    for bad in ["hello", "[]", "{\"command\":1}", "{\"nonsense\":true}"] {
        alice.line(bad);
        let error = alice.until("ERROR");
        assert!(error["body"][0].as_str().is_some_and(|t| !t.is_empty()), "{error}");
    }
    alice.line("");
    alice.say(json!({"command": "PING", "params": ["x"]}));
    assert_eq!(alice.until("PONG")["params"][0], "x");
    assert_eq!(alice.end(), Some(0));
}

#[test]
fn questions_are_answered_before_the_end_and_a_bad_line_keeps_its_label() {
    let world = World::new();
    world.set_up("alice");
    let mut alice = world.pipe("alice");
    alice.line("\u{feff}{\"command\":\"JOIN\",\"to\":\"#net\"}");
    alice.line("{\"command\":\"PRIVMSG\",\"to\":\"#net\",\"body\":\"bare\",\"meta\":{\"label\":\"bare\"}}");
    alice.say(json!({"command": "HISTORY", "to": "#net"}));
    alice.say(json!({"command": "LIST"}));
    alice.say(json!({"command": "PRIVMSG", "to": "#net", "body": ["cpu", 93], "meta": {"label": "number"}}));
    alice.say(json!({"command": "TOPIC", "to": "#net", "body": [93], "meta": {"label": "topic"}}));
    alice.say(json!({"command": "PART", "to": "#net", "body": [{}], "meta": {"label": "part"}}));
    alice.end_input();
    let heard: Vec<serde_json::Value> = std::iter::from_fn(|| alice.next()).collect();
    let has = |command: &str| heard.iter().any(|e| e["command"] == command);
    assert!(has("366") && has("HISTORY") && has("323"), "{heard:#?}");
    for label in ["bare", "number", "topic", "part"] {
        let refused = heard.iter().filter(|e| e["meta"]["label"] == label).count();
        assert_eq!(refused, 1, "{label}: {heard:#?}");
    }
    assert!(!has("PART") && !has("331"), "{heard:#?}");
    assert_eq!(alice.wait(), Some(0));
}

#[test]
fn who_says_quit_has_what_it_wanted() {
    let world = World::new();
    world.set_up("alice");
    let mut alice = world.pipe("alice");
    alice.join("#net");
    alice.say(json!({"command": "QUIT"}));
    assert_eq!(alice.end(), Some(0));
}

#[test]
fn at_the_end_of_input_everything_is_settled() {
    let world = World::new();
    world.set_up("alice");
    let mut alice = world.pipe("alice");
    alice.join("#net");
    for i in 0..200 {
        alice.message("#net", &format!("line {i}"));
    }
    alice.end_input();
    for i in 0..200 {
        assert_eq!(alice.hears(&format!("line {i}"))["meta"]["state"], "sent");
    }
    assert_eq!(alice.wait(), Some(0));
    let history = world.ok("alice", &["history", "#net", "--limit", "1000"]);
    let said = history.lines().filter(|line| line.contains("<alice>")).count();
    assert_eq!((said, history.lines().count()), (200, 201), "with her own coming");
}

#[test]
fn what_is_said_right_behind_a_join_is_said() {
    let world = World::new();
    world.set_up("alice");
    let mut alice = world.pipe("alice");
    alice.say(json!({"command": "JOIN", "to": "#net"}));
    alice.message("#net", "at once");
    alice.end_input();
    alice.hears("at once");
    assert_eq!(alice.wait(), Some(0));
}

#[test]
fn what_does_not_settle_in_time_is_named_and_exits_one() {
    let world = World::new();
    world.set_up("alice");
    world.set_up("bob");
    // Bob leads, and is gone without a word.
    let mut bob = world.pipe("bob");
    bob.join("#net");
    let mut alice = world.pipe("alice");
    alice.join("#net");
    bob.signal("KILL");
    bob.wait();
    alice.message("#net", "anybody?");
    drop(alice);
    use std::io::Write;
    let mut child = world
        .kirc("alice")
        .args(["pipe", "--settle-timeout", "300ms"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let line = json!({"command": "PRIVMSG", "to": "#net", "body": ["still there?"]});
    writeln!(child.stdin.take().unwrap(), "{line}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("not settled") && said.contains("still there?"), "{said}");
}

#[test]
fn two_people_talk_and_hear_each_other_in_one_order() {
    let world = World::new();
    world.set_up("alice");
    world.set_up("bob");
    let mut alice = world.pipe("alice");
    alice.join("#net");
    let mut bob = world.pipe("bob");
    bob.join("#net");
    for i in 0..20 {
        alice.message("#net", &format!("a{i}"));
        bob.message("#net", &format!("b{i}"));
    }
    let mut orders = Vec::new();
    for pipe in [&mut alice, &mut bob] {
        let mut order = Vec::new();
        while order.len() < 40 {
            let heard = pipe.find("a message", |e| {
                e["command"] == "PRIVMSG"
                    && e["meta"]["state"] != "sending"
                    && e["meta"]["state"] != "waiting"
            });
            order.push((heard["meta"]["seq"].as_u64(), heard["body"][0].to_string()));
        }
        orders.push(order);
    }
    assert_eq!(orders[0], orders[1]);
    alice.message("bob", "only for you");
    assert_eq!(bob.hears("only for you")["from"], "alice");
    assert_eq!(alice.end(), Some(0));
    assert_eq!(bob.end(), Some(0));
}

#[test]
fn sigterm_ends_in_order_and_hands_leadership_over() {
    let world = World::new();
    world.set_up("alice");
    world.set_up("bob");
    let mut node = world.node("alice");
    world.ok("alice", &["send", "--join", "#net", "first"]);
    let mut bob = world.pipe("bob");
    bob.join("#net");
    let begin = Instant::now();
    node.signal("TERM");
    assert_eq!(node.wait(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    bob.message("#net", "second");
    bob.hears("second");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(bob.end(), Some(0));
}

#[test]
fn a_closed_stdout_ends_it() {
    let world = World::new();
    world.set_up("alice");
    let mut child = world.kirc("alice").arg("pipe").stdin(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    use std::io::Write;
    for _ in 0..10_000 {
        if writeln!(stdin, "{}", json!({"command": "PING", "params": ["x"]})).is_err() {
            break;
        }
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn history_begins_and_ends_where_the_user_says() {
    let world = World::new();
    world.set_up("alice");
    let mut alice = world.pipe("alice");
    alice.join("#net");
    for n in 0..1_200 {
        alice.message("#net", &format!("line {n}"));
    }
    alice.hears("line 1199");
    assert_eq!(alice.end(), Some(0));
    let history = |more: &[&str]| -> Vec<Value> {
        let said = world.ok("alice", &[&["history", "#net", "--json"], more].concat());
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = history(&["--limit", "100000"]);
    // One's own coming is part of it.
    assert_eq!(all.len(), 1_201);
    let id = |n: usize| all[n]["id"].as_str().unwrap();
    let last_time = all[1_200]["ts"].as_str().unwrap();
    let last_seconds = format!("{}Z", last_time.split('.').next().unwrap());
    let cases: [(&[&str], &[Value]); 10] = [
        (&[], &all[1_151..]),
        (&["--before", id(40)], &all[..40]),
        (&["--before", id(1_100), "--limit", "700"], &all[400..1_100]),
        (&["--after", id(1_195)], &all[1_196..]),
        (&["--after", id(99), "--limit", "1001"], &all[100..1_101]),
        (&["--after", id(10), "--before", id(14)], &all[11..14]),
        (&["--after", id(10), "--before", id(900), "--limit", "9999"], &all[11..900]),
        (&["--around", id(600), "--limit", "5"], &all[598..603]),
        (&["--after", "2100-01-01"], &[]),
        (&["--before", "2020-01-01 12:00"], &[]),
    ];
    for (args, expected) in cases {
        let found = history(args);
        assert!(found == expected, "{args:?}: {} instead of {}", found.len(), expected.len());
    }
    // From a time on.
    let since = history(&["--after", &last_seconds, "--limit", "9999"]);
    assert!(!since.is_empty() && since[..] == all[all.len() - since.len()..], "{}", since.len());
    for wrong in [["--after", "yesterday"], ["--before", "13:00"], ["--around", "x"]] {
        let output = world.run("alice", &[&["history", "#net"][..], &wrong].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
    let reversed = world.run("alice", &["history", "#net", "--after", id(1_100), "--before", id(3)]);
    assert_eq!(reversed.status.code(), Some(2));
}

/// The envelopes that carry a label, by it, after all that was said in one go.
fn answers(world: &World, who: &str, said: &[Value]) -> impl Fn(&str) -> Vec<Value> + use<> {
    let mut pipe = world.pipe(who);
    for (at, envelope) in said.iter().enumerate() {
        let mut envelope = envelope.clone();
        envelope["meta"] = json!({"label": at.to_string()});
        pipe.say(envelope);
    }
    pipe.end_input();
    let heard: Vec<Value> = std::iter::from_fn(|| pipe.next()).collect();
    assert_eq!(pipe.wait(), Some(0), "{heard:#?}");
    move |label: &str| heard.iter().filter(|e| e["meta"]["label"] == label).cloned().collect()
}

fn join(channel: &str) -> Value {
    json!({"command": "JOIN", "to": channel})
}

fn names(channel: &str) -> Value {
    json!({"command": "NAMES", "to": channel})
}

#[test]
fn each_of_several_joins_is_answered() {
    let world = World::new();
    world.set_up("alice");
    world.set_up("bob");
    let said = answers(&world, "alice", &[join("#x"), join("#x"), names("#x")]);
    assert_eq!(said("0")[0]["command"], "JOIN");
    assert_eq!((&said("1")[0]["command"], &said("1")[0]["meta"]["replay"]), (&"JOIN".into(), &true.into()));
    assert_eq!(said("2").last().unwrap()["command"], "366");
    let alice = world.pipe("alice");
    let _ = answers(&world, "alice", &[json!({"command": "MODE", "to": "#x", "params": ["+k", "right"]})]);
    // A key that is no good is refused, and the next one is another try.
    let with = |key: &str| json!({"command": "JOIN", "to": "#x", "params": [key]});
    let hello = json!({"command": "PRIVMSG", "to": "#x", "body": ["hello"]});
    let said = answers(&world, "bob", &[with("wrong"), names("#x"), with("right"), hello]);
    let commands = |label: &str| said(label).iter().map(|e| e["command"].clone()).collect::<Vec<_>>();
    assert_eq!(commands("0"), ["475"]);
    assert_eq!(commands("1"), ["442"]);
    assert_eq!(commands("2")[0], "JOIN");
    assert_eq!(said("3").pop().unwrap()["meta"]["state"], "sent");
    drop(alice);
}

#[test]
fn who_leaves_and_joins_at_once_is_in() {
    let world = World::new();
    world.set_up("alice");
    world.set_up("bob");
    let alice = world.pipe("alice");
    let part = |channel: &str| json!({"command": "PART", "to": channel});
    let say = |text: &str| json!({"command": "PRIVMSG", "to": "#n", "body": [text]});
    // Whoever founds a channel says what it says, and leaves then.
    let said = answers(
        &world,
        "alice",
        &[join("#f"), json!({"command": "PRIVMSG", "to": "#f", "body": ["hi"]}), part("#f")],
    );
    let message = said("1").pop().unwrap();
    assert_eq!((&message["command"], &message["meta"]["state"]), (&"PRIVMSG".into(), &"sent".into()));
    assert_eq!(said("2").pop().unwrap()["command"], "PART");
    let _ = answers(&world, "alice", &[join("#n")]);
    let _ = answers(&world, "bob", &[join("#n"), say("one")]);
    let said =
        answers(&world, "bob", &[part("#n"), join("#n"), say("two"), names("#n"), part("#n"), join("#n")]);
    assert_eq!(said("0")[0]["command"], "PART");
    let joined = &said("1")[0];
    assert_eq!((&joined["command"], &joined["meta"]["replay"]), (&"JOIN".into(), &Value::Null));
    assert_eq!(said("2").pop().unwrap()["meta"]["state"], "sent");
    assert_eq!(said("3").last().unwrap()["command"], "366");
    assert_eq!((&said("4")[0]["command"], &said("5")[0]["command"]), (&"PART".into(), &"JOIN".into()));
    let said = answers(&world, "bob", &[names("#n")]);
    assert!(said("0")[0]["body"].as_array().unwrap().contains(&"bob".into()));
    drop(alice);
}
