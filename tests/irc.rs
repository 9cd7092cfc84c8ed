//! IRC clients of a node's owner: the real program, over sockets.

mod common;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as B64;
use common::irc::{Irc, IrcNode, MODERN, PASSWORD, set_password};
use common::{Talker, World};
use serde_json::json;

/// alice's node, an IRC client of hers in `#net`, and bob, who has come there from another node.
fn with_bob(world: &World, caps: &str) -> (IrcNode, Irc, Talker) {
    let node = IrcNode::start(world, "alice");
    world.set_up("bob");
    let mut irc = node.client(caps);
    irc.join("#net");
    let mut bob = world.pipe("bob");
    bob.join("#net");
    (node, irc, bob)
}

#[test]
fn the_owner_logs_in_in_every_way() {
    let world = World::embedded();
    let node = IrcNode::start(&world, "alice");
    for pass in [PASSWORD.to_owned(), format!("alice:{PASSWORD}"), format!("owner:{PASSWORD}")] {
        let mut irc = node.connect();
        irc.say(&format!("PASS :{pass}"));
        irc.say("NICK phone");
        irc.say("USER phone 0 * :A phone");
        assert!(irc.next().unwrap().starts_with(":irc.kirc 001 phone :"), "{pass}");
        assert!(irc.until(" 005 ").contains("PREFIX=(qaohv)~&@%+"));
        irc.until(" 422 ");
        let nick = irc.next().unwrap();
        assert!(nick.starts_with(":phone!") && nick.ends_with(" NICK alice"), "{nick}");
        irc.say("QUIT");
        assert!(irc.end().starts_with("ERROR :"));
    }
    for name in ["alice", "owner"] {
        let mut irc = node.connect();
        irc.say("CAP LS 302");
        irc.say("NICK alice");
        irc.say("USER phone 0 * :A phone");
        assert!(irc.until("CAP * LS :").contains("sasl=PLAIN"));
        irc.say("CAP REQ :sasl server-time");
        irc.until("ACK");
        irc.say("AUTHENTICATE PLAIN");
        irc.until("AUTHENTICATE +");
        irc.say(&format!("AUTHENTICATE {}", B64.encode(format!("\0{name}\0{PASSWORD}"))));
        irc.until(" 903 ");
        irc.say("CAP END");
        irc.until(" 001 alice ");
        assert!(irc.settled().iter().all(|line| !line.contains(" NICK ")), "it has that nick already");
    }
}

#[test]
fn nobody_comes_in_without_the_password() {
    let world = World::embedded();
    world.set_up("alice");
    let node = IrcNode::restart(&world, "alice");
    let attempt = |pass: Option<&str>| {
        let mut irc = node.connect();
        if let Some(pass) = pass {
            irc.say(&format!("PASS :{pass}"));
        }
        irc.say("NICK phone");
        irc.say("USER phone 0 * :A phone");
        irc.next().unwrap() + &irc.end()
    };
    let said = attempt(Some("anything"));
    assert!(
        said.contains(" 464 phone :No password is set") && said.contains("kirc account passwd"),
        "{said}"
    );
    // The node learns of it while it runs.
    set_password(&world, "alice", PASSWORD);
    for pass in [None, Some("wrong horse"), Some("bob:correct horse"), Some("")] {
        let said = attempt(pass);
        assert!(said.contains(" 464 phone :") && said.contains("ERROR :Closing link"), "{pass:?}: {said}");
    }
    let mut irc = node.connect();
    irc.say("CAP REQ :sasl");
    irc.say("AUTHENTICATE PLAIN");
    irc.say(&format!("AUTHENTICATE {}", B64.encode("\0alice\0wrong horse")));
    irc.until(" 904 ");
    irc.say("JOIN #net");
    irc.until(" 451 ");
    node.client("");
    let made = world.ok("alice", &["account", "passwd", "--generate"]);
    assert!(attempt(Some(PASSWORD)).contains(" 464 "), "it has a new one");
    set_password(&world, "alice", made.trim());
}

#[test]
fn two_clients_are_two_screens_of_the_owner() {
    let world = World::embedded();
    let node = IrcNode::start(&world, "alice");
    let mut plain = node.client("");
    plain.join("#net");
    let mut modern = node.client(MODERN);
    modern.until(" 366 alice #net ");
    plain.say("PRIVMSG #net :from the first screen");
    modern.until("from the first screen");
    assert!(plain.settled().iter().all(|line| !line.contains("PRIVMSG")), "no echo unless asked for");
    modern.say("@label=x1 PRIVMSG #net :from the second screen");
    let echo = modern.until("from the second screen");
    assert!(echo.contains("label=x1") && echo.contains("msgid=") && echo.contains("time="), "{echo}");
    let heard = plain.until("from the second screen");
    assert!(heard.starts_with(":alice!"), "{heard}");
    modern.say("JOIN #two,#three");
    for _ in 0..2 {
        // Which of the two is founded first is not said.
        plain.until(" 366 alice #t");
    }
    plain.say("PART #two :enough");
    assert!(modern.until(" PART ").ends_with("PART #two :enough"));
    plain.say("NICK alicia");
    assert!(modern.until(" NICK ").ends_with("NICK alicia"));
    modern.say("JOIN 0");
    for _ in 0..2 {
        plain.until(" PART #");
    }
}

#[test]
fn a_client_talks_with_somebody_on_another_node() {
    let world = World::embedded();
    let (_node, mut irc, mut bob) = with_bob(&world, "");
    assert!(irc.until(" JOIN ").starts_with(":bob!"));
    irc.say("PRIVMSG #net :hello bob");
    bob.hears("hello bob");
    irc.say("PRIVMSG #net :\u{1}ACTION waves\u{1}");
    assert_eq!(bob.hears("waves")["meta"]["action"], true);
    bob.say(json!({"command": "PRIVMSG", "to": "#net", "body": ["first", "", "third"]}));
    let said = irc.all_until(":third");
    assert_eq!(said.len(), 3, "{said:?}");
    bob.say(json!({"command": "PRIVMSG", "to": "#net", "body": ["nods"], "meta": {"action": true}}));
    assert!(irc.until("ACTION").ends_with("PRIVMSG #net :\u{1}ACTION nods\u{1}"));
    bob.message("alice", "only for you");
    let direct = irc.until("only for you");
    assert!(direct.starts_with(":bob!") && direct.contains(" PRIVMSG alice :"), "{direct}");
    irc.say("PRIVMSG bob,#net :to both");
    bob.hears("to both");
    bob.hears("to both");
    let long = "ä".repeat(700);
    bob.message("#net", &long);
    let mut whole = String::new();
    while whole.len() < long.len() {
        let line = irc.next().unwrap();
        assert!(line.len() <= 510, "{}", line.len());
        whole.push_str(line.split_once(" PRIVMSG #net :").unwrap().1);
    }
    assert_eq!(whole, long);
    irc.say("PRIVMSG nobody :anybody?");
    irc.until(" 401 alice nobody ");
    irc.say("PRIVMSG #elsewhere :anybody?");
    irc.until(" 442 alice #elsewhere ");
}

#[test]
fn lines_of_one_message_stay_together_for_clients_that_know_how() {
    let world = World::embedded();
    let (_node, mut irc, mut bob) = with_bob(&world, &format!("{MODERN} draft/multiline"));
    for line in [
        "BATCH +m draft/multiline #net",
        "@batch=m PRIVMSG #net :one",
        "@batch=m PRIVMSG #net :two, ",
        "@batch=m;draft/multiline-concat PRIVMSG #net :three",
        "BATCH -m",
    ] {
        irc.say(line);
    }
    assert_eq!(bob.hears("one")["body"], json!(["one", "two, three"]));
    irc.until(" BATCH -");
    bob.say(json!({"command": "PRIVMSG", "to": "#net", "body": ["four", "five"]}));
    let opened = irc.until(" draft/multiline ");
    assert!(opened.contains("msgid=") && opened.contains(":bob!"), "{opened}");
    let lines = irc.all_until(" BATCH -");
    assert!(lines[0].starts_with("@batch=") && lines[0].ends_with(":four"), "{lines:?}");
    irc.say("BATCH +x nonsense #net");
    irc.until("FAIL BATCH UNKNOWN_TYPE");
}

#[test]
fn what_was_missed_is_played_back() {
    let world = World::embedded();
    let (node, mut irc, mut bob) = with_bob(&world, "");
    irc.say("PRIVMSG #net :I am off");
    bob.hears("I am off");
    irc.say("QUIT :bye");
    irc.end();
    bob.message("#net", "missed one");
    bob.message("alice", "missed two");
    bob.hears("missed two");
    let mut modern = node.client(MODERN);
    let batch = modern.until(" chathistory #net");
    assert!(batch.contains(" BATCH +"), "{batch}");
    let line = modern.until("missed one");
    assert!(line.starts_with("@time=") && line.contains(";batch="), "{line}");
    modern.until(" chathistory bob");
    modern.until("missed two");
    assert!(!modern.settled().concat().contains("I am off"));
    // A client without times has them in the text.
    let mut plain = node.client("");
    let line = plain.until("missed one");
    assert!(line.contains(" PRIVMSG #net :[20"), "{line}");
    plain.until("missed two");
    // What a client was shown it is not shown again.
    plain.say("QUIT");
    plain.end();
    bob.message("#net", "missed three");
    bob.hears("missed three");
    let mut plain = node.client("");
    let again = plain.settled().concat();
    assert!(again.contains("missed three") && !again.contains("missed one"), "{again}");
    // Who answers has read.
    plain.say("PRIVMSG #net :I am back");
    plain.say("PRIVMSG bob :here, too");
    bob.hears("here, too");
    plain.settled();
    let mut third = node.client("");
    assert!(!third.settled().concat().contains("missed"));
}

#[test]
fn a_read_marker_is_one_for_all_screens() {
    let world = World::embedded();
    let node = IrcNode::start(&world, "alice");
    world.set_up("bob");
    let (mut one, mut two) = (node.client(MODERN), node.client(MODERN));
    one.join("#net");
    two.until("MARKREAD #net *");
    let mut bob = world.pipe("bob");
    bob.join("#net");
    bob.message("#net", "read this");
    let said = one.until("read this");
    let time = said.split("time=").nth(1).unwrap().split([';', ' ']).next().unwrap().to_owned();
    two.until("read this");
    one.say(&format!("MARKREAD #net timestamp={time}"));
    one.until(&format!("MARKREAD #net timestamp={time}"));
    two.until(&format!("MARKREAD #net timestamp={time}"));
    let mut three = node.client(MODERN);
    three.until(&format!("MARKREAD #net timestamp={time}"));
    assert!(!three.settled().concat().contains("read this"));
}

#[test]
fn modes_topics_kicks_and_bans_are_those_of_the_network() {
    let world = World::embedded();
    let (_node, mut irc, mut bob) = with_bob(&world, "userhost-in-names");
    let joined = irc.until(" JOIN ");
    let prefix = joined.split(' ').next().unwrap().trim_start_matches(':').to_owned();
    irc.say("MODE #net +m-n+o bob");
    assert!(irc.until(" MODE ").ends_with("MODE #net +m-n+o bob"));
    assert_eq!(bob.until("MODE")["params"], json!(["+m-n+o", "bob"]));
    irc.say("MODE #net");
    assert!(irc.until(" 324 ").contains(" #net +mt"));
    irc.until(" 329 ");
    irc.say("NAMES #net");
    let names = irc.until(" 353 ");
    assert!(names.contains(&format!("@{prefix}")) && names.contains("~alice!"), "{names}");
    irc.say("CAP REQ multi-prefix");
    irc.until(" ACK ");
    irc.say("NAMES #net");
    assert!(irc.until(" 353 ").contains("~@alice!"));
    irc.say("WHO #net");
    assert!(irc.until(" alice H~@ ").contains(" 352 "));
    irc.say("TOPIC #net :all about nets");
    assert_eq!(bob.until("TOPIC")["body"][0], "all about nets");
    irc.until(" TOPIC ");
    // The mask of whom one sees is the mask that the core matches.
    let mask = format!("*!{}", prefix.split_once('!').unwrap().1);
    irc.say(&format!("MODE #net +b {mask}"));
    irc.until(" MODE #net +b ");
    irc.say("MODE #net b");
    assert!(irc.until(" 367 ").contains(&mask));
    irc.until(" 368 ");
    irc.say("KICK #net bob :out");
    assert!(irc.until(" KICK ").ends_with("KICK #net bob :out"));
    bob.until("KICK");
    bob.say(json!({"command": "JOIN", "to": "#net"}));
    bob.until("474");
    irc.say(&format!("MODE #net -b {mask}"));
    irc.until(" MODE #net -b ");
    irc.say("INVITE bob #net");
    irc.until(" 341 alice bob #net");
    bob.until("INVITE");
    bob.join("#net");
    irc.say("MODE #net +y");
    irc.until(" 472 ");
    irc.say("KICK #net nobody");
    irc.until(" 441 ");
    irc.say("MODE #net +k");
    irc.until(" 696 ");
}

#[test]
fn questions_about_people_and_the_server_are_answered() {
    let world = World::embedded();
    let (_node, mut irc, _bob) = with_bob(&world, "");
    irc.until("JOIN");
    for (line, answers) in [
        ("WHO #net", &[" 352 alice #net ", " 315 alice #net "][..]),
        ("WHO bob", &[" 352 ", " 315 "]),
        ("WHO alice", &[" 352 ", " 315 "]),
        ("WHOIS bob", &[" 311 alice bob ", " 330 alice bob ", " 318 alice bob "]),
        ("WHOIS nobody", &[" 401 ", " 318 "]),
        ("USERHOST alice bob", &[" 302 alice :alice=+"]),
        ("ISON bob nobody alice", &[" 303 alice :bob alice"]),
        ("LIST #net", &[" 321 ", " 322 alice #net 2", " 323 "]),
        ("AWAY :lunch", &[" 306 "]),
        ("AWAY", &[" 305 "]),
        ("MODE alice", &[" 221 alice +i"]),
        ("MODE phone +i", &[]),
        ("MODE bob", &[" 502 "]),
        ("VERSION", &[" 351 ", " 005 "]),
        ("TIME", &[" 391 "]),
        ("INFO", &[" 371 ", " 374 "]),
        ("LUSERS", &[" 251 ", " 255 "]),
        ("MOTD", &[" 422 "]),
        ("NONSENSE", &[" 421 alice NONSENSE "]),
        ("JOIN", &[" 461 alice JOIN "]),
        ("PRIVMSG", &[" 411 "]),
        ("PRIVMSG #net", &[" 412 "]),
        ("USER a b c d", &[" 462 "]),
        ("JOIN nonsense", &[" 476 "]),
        ("PING :a b", &["PONG irc.kirc :a b"]),
    ] {
        irc.say(line);
        for answer in answers {
            irc.until(answer);
        }
    }
}

#[test]
fn answers_carry_the_label_of_their_command() {
    let world = World::embedded();
    let node = IrcNode::start(&world, "alice");
    let mut irc = node.client(MODERN);
    irc.say("@label=j JOIN #net");
    assert!(irc.until("label=j").contains(" BATCH +"));
    irc.until(" BATCH -");
    irc.say("@label=w WHO #net");
    assert!(irc.until("label=w").contains("labeled-response"));
    irc.until(" BATCH -");
    irc.say("@label=p PING x");
    assert!(irc.until("label=p").contains(" PONG "));
    irc.say("@label=t;+typing=active TAGMSG #net");
    assert!(irc.until("label=t").ends_with(" ACK"));
    irc.say("@label=m MODE #net");
    irc.until("label=m");
    irc.until(" 329 ");
    irc.say("@label=n PRIVMSG nobody :x");
    assert!(irc.until("label=n").contains(" 401 "));
}

#[test]
fn history_is_given_from_any_point() {
    let world = World::embedded();
    let node = IrcNode::start(&world, "alice");
    let mut irc = node.client(MODERN);
    irc.join("#net");
    let mut ids = Vec::new();
    for n in 0..10 {
        irc.say(&format!("PRIVMSG #net :line {n}"));
        let echo = irc.until(&format!(":line {n}"));
        ids.push(echo.split("msgid=").nth(1).unwrap().split([';', ' ']).next().unwrap().to_owned());
    }
    let mut ask = |text: &str| -> String {
        irc.say(&format!("CHATHISTORY {text}"));
        let lines = irc.all_until(" BATCH -");
        let numbers = lines.iter().filter_map(|l| l.split_once(":line ")).map(|(_, n)| n);
        numbers.collect::<Vec<_>>().join("")
    };
    assert_eq!(ask("LATEST #net * 3"), "789");
    assert_eq!(ask(&format!("LATEST #net msgid={} 50", ids[6])), "789");
    assert_eq!(ask(&format!("BEFORE #net msgid={} 3", ids[6])), "345");
    assert_eq!(ask(&format!("AFTER #net msgid={} 3", ids[6])), "789");
    assert_eq!(ask(&format!("BETWEEN #net msgid={} msgid={} 50", ids[2], ids[5])), "34");
    assert_eq!(ask("AFTER #net timestamp=2100-01-01T00:00:00.000Z 5"), "");
    assert!(ask(&format!("AROUND #net msgid={} 3", ids[6])).contains('6'));
    for (wrong, code) in [
        ("LATEST #net nonsense 5", "INVALID_PARAMS"),
        ("LATEST #net * many", "INVALID_PARAMS"),
        ("NONSENSE #net * 5", "INVALID_PARAMS"),
        ("LATEST #net", "NEED_MORE_PARAMS"),
        ("LATEST #elsewhere * 5", "INVALID_TARGET"),
    ] {
        irc.say(&format!("CHATHISTORY {wrong}"));
        irc.until(&format!("FAIL CHATHISTORY {code}"));
    }
}

#[test]
fn a_client_that_sends_garbage_harms_nobody_else() {
    let world = World::embedded();
    let node = IrcNode::start(&world, "alice");
    let mut good = node.client("");
    good.join("#net");
    let mut bad = node.client("standard-replies");
    bad.bytes(b"PRIVMSG #net :\xff\xfe\r\n");
    bad.until("FAIL * INVALID_UTF8");
    let mut silent = node.connect();
    silent.bytes(b"NICK half-a-li");
    let huge = vec![b'x'; 1024 * 1024];
    for _ in 0..10 {
        bad.bytes(&huge);
    }
    bad.bytes(b"\r\n");
    bad.until(" 417 ");
    bad.say(&format!("PRIVMSG #net :{}", "x".repeat(600)));
    bad.until(" 417 ");
    bad.bytes(b"\0\0\r\r\n\r\n:\r\n@\r\n@a=b;c \r\n");
    // A flood is slowed down, and what others say is not.
    for n in 0..60 {
        bad.say(&format!("NONSENSE {n}"));
    }
    let begin = Instant::now();
    good.say("PRIVMSG #net :all is well");
    bad.until("all is well");
    good.settled();
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    drop(silent);
    let mut reset = node.connect();
    reset.say("AUTHENTICATE PLAIN");
    drop(reset);
    good.settled();
}

#[test]
fn a_bad_address_is_said_before_the_node_starts() {
    let world = World::embedded();
    world.set_up("alice");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (address, code, text) in [
        ("nonsense", 2, "give one such as 127.0.0.1:6667"),
        ("0.0.0.0:6667", 2, "listen on 127.0.0.1:6667"),
        (taken.as_str(), 1, "is in use"),
    ] {
        let output = world.run("alice", &["node", "--irc", address]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(text) && !said.contains("the node runs"), "{said}");
    }
}

#[test]
fn clients_are_told_when_the_node_ends() {
    let world = World::embedded();
    let mut node = IrcNode::start(&world, "alice");
    let mut irc = node.client("");
    node.node.signal("TERM");
    assert!(irc.until("ERROR").contains("the node is ending"));
    assert_eq!(node.node.wait(), Some(0));
}
