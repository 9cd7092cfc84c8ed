//! Everything that is said is answered, with its label, and what can't be sent stops nothing behind
//! it.

use serde_json::Value;

use super::*;

/// What answers a label, but for what only says that it is on its way.
fn answers(world: &World, host: usize, label: &str) -> Vec<Envelope> {
    let all = world.witness.heard.iter().filter(|h| h.host == host && h.main);
    let own = all.map(|h| &h.envelope).filter(|e| e.meta_str("label") == Some(label));
    own.filter(|e| !matches!(e.meta_str("state"), Some("sending" | "waiting"))).cloned().collect()
}

fn body(values: Value) -> Option<kirc_core::Body> {
    serde_json::from_value(values).ok()
}

/// What nobody could read, each by another rule.
fn unfit() -> Vec<Option<kirc_core::Body>> {
    let long = "x".repeat(5_000);
    let many: Vec<String> = (0..64).map(|_| "y".repeat(4_000)).collect();
    vec![
        body(json!(["10%\r100%"])),
        body(json!([long])),
        body(json!(["a\0b"])),
        body(json!(many)),
        body(json!(["cpu", 93])),
        body(json!({"text": "an object"})),
        None,
        body(json!(vec!["z"; 65])),
    ]
}

#[test]
fn what_can_not_be_sent_is_refused_and_blocks_nothing() {
    let mut world = joined(scene(2), 2);
    world.run_until(10_000);
    // To a channel that one leads, to one that another leads, and to a person.
    for (from, to, listener) in [(ALICE, "#net", BOB), (BOB, "#net", ALICE), (BOB, "alice", ALICE)] {
        let before = heard(&world, listener, "PRIVMSG").len();
        for (i, body) in unfit().into_iter().enumerate() {
            let label = format!("{from}{to}{i}");
            let said = Envelope { body, ..Envelope::new("PRIVMSG").to(to) };
            says(&mut world, from, said.meta("label", label));
        }
        says(&mut world, from, Envelope::new("PRIVMSG").to(to).line("fine").meta("label", "fine"));
        world.run_until(world.now + 5_000);
        for i in 0..unfit().len() {
            let all = answers(&world, from, &format!("{from}{to}{i}"));
            assert_eq!(all.len(), 1, "{to} {i}: {all:?}");
            let refused = all[0].command == "ERROR" || all[0].command.starts_with('4');
            assert!(refused, "{to} {i}: {all:?}");
        }
        let came = heard(&world, listener, "PRIVMSG").split_off(before);
        assert_eq!(came.len(), 1, "{to}: {came:?}");
        assert_eq!(came[0].lines(), ["fine"]);
    }
    says(&mut world, BOB, Envelope::new("PART").to("#net").meta("label", "out"));
    world.run_until(world.now + 5_000);
    assert_eq!(answers(&world, BOB, "out").len(), 1);
}

#[test]
fn a_key_that_no_channel_can_have_is_the_wrong_one() {
    let mut world = joined(scene(2), 1);
    world.run_until(2_000);
    says(&mut world, ALICE, Envelope::new("MODE").to("#net").param("+k").param("right"));
    world.run_until(4_000);
    let join = |key: &str| Envelope::new("JOIN").to("#net").param(key);
    says(&mut world, BOB, join(&"k".repeat(33)).meta("label", "long"));
    says(&mut world, BOB, join("right").meta("label", "right"));
    world.run_until(10_000);
    let long: Vec<String> = answers(&world, BOB, "long").into_iter().map(|e| e.command).collect();
    assert_eq!(long, ["475"]);
    assert_eq!(answers(&world, BOB, "right").last().map(|e| e.command.as_str()), Some("366"));
}

#[test]
fn what_follows_a_join_waits_for_it_in_order() {
    let mut world = joined(scene(3), 1);
    // They know each other from here.
    world.at(500, Event::Person(2, Deed::Join("#net")));
    world.run_until(5_000);
    let to = |command: &str| Envelope::new(command).to("#net");
    for (label, said) in [
        ("1", to("JOIN")),
        ("2", to("PRIVMSG").line("hello")),
        ("3", to("HISTORY")),
        ("4", to("MODE")),
        ("5", Envelope::new("INVITE").to("alice").param("#net")),
        ("6", to("PART")),
    ] {
        says(&mut world, BOB, said.meta("label", label));
    }
    says(&mut world, BOB, Envelope::new("FLUSH").meta("label", "7"));
    world.run_until(15_000);
    let ends: Vec<String> =
        (1..=7).filter_map(|i| Some(answers(&world, BOB, &i.to_string()).last()?.command.clone())).collect();
    assert_eq!(ends, ["366", "PRIVMSG", "HISTORY", "329", "443", "PART", "FLUSH"]);
    let said = heard(&world, ALICE, "PRIVMSG");
    assert_eq!(said.len(), 1, "{said:?}");
}

#[test]
fn a_flush_waits_for_questions_too() {
    let mut world = joined(scene(2), 2);
    world.run_until(10_000);
    for said in [
        Envelope::new("LIST").meta("label", "list"),
        Envelope::new("HISTORY").to("#net").meta("label", "history"),
        Envelope::new("PROFILE").param("find").param("alice").meta("label", "profile"),
        Envelope::new("WHO").to("alice").meta("label", "who"),
        Envelope::new("MODE").to("#net").param("+n").meta("label", "mode"),
        Envelope::new("FLUSH").meta("label", "flush"),
    ] {
        says(&mut world, BOB, said);
    }
    world.run_until(20_000);
    let all = world.witness.heard.iter().filter(|h| h.host == BOB && h.main);
    let order: Vec<String> = all.filter_map(|h| h.envelope.meta_str("label")).map(str::to_owned).collect();
    assert_eq!(order.last().map(String::as_str), Some("flush"), "{order:?}");
    for label in ["list", "history", "profile", "who", "mode"] {
        assert!(order.iter().any(|l| l == label), "{label}: {order:?}");
    }
    // The one who may: it is set already.
    for label in ["set", "again"] {
        says(&mut world, ALICE, Envelope::new("MODE").to("#net").param("+p").meta("label", label));
    }
    world.run_until(25_000);
    let ends = ["set", "again"].map(|l| answers(&world, ALICE, l).last().map(|e| e.command.clone()));
    assert_eq!(ends, [Some("MODE".to_owned()), Some("324".to_owned())]);
    let who: Vec<String> = answers(&world, BOB, "who").into_iter().map(|e| e.command).collect();
    assert_eq!(who, ["352", "315"]);
}

#[test]
fn a_flush_waits_for_an_invite() {
    let mut world = scene(2);
    world.run_until(1_000);
    says(&mut world, ALICE, Envelope::new("CARD"));
    let card = heard(&world, ALICE, "CARD")[0].get("card").cloned().expect("a card");
    says(&mut world, BOB, Envelope::new("INVITATION").param("create").field("card", card));
    says(&mut world, BOB, Envelope::new("FLUSH"));
    world.run_until(5_000);
    let all = world.witness.heard.iter().filter(|h| h.host == BOB && h.main).map(|h| &h.envelope.command);
    let order: Vec<&String> = all.filter(|c| matches!(c.as_str(), "INVITATION" | "FLUSH")).collect();
    assert_eq!(order, ["INVITATION", "FLUSH"]);
}

#[test]
fn a_ban_of_nothing_is_refused_and_a_kick_of_several_is_done() {
    let mut world = joined(scene(3), 3);
    world.run_until(10_000);
    says(&mut world, ALICE, Envelope::new("MODE").to("#net").param("+b").param("").meta("label", "ban"));
    let kick = Envelope::new("KICK").to("#net").param("bob,nobody").param("carol");
    says(&mut world, ALICE, kick.meta("label", "kick"));
    world.run_until(15_000);
    let ban = answers(&world, ALICE, "ban");
    assert_eq!((ban.len(), ban[0].command.as_str()), (1, "696"), "{ban:?}");
    let mut kicks: Vec<String> = answers(&world, ALICE, "kick").into_iter().map(|e| e.command).collect();
    kicks.sort();
    assert_eq!(kicks, ["441", "KICK", "KICK"]);
}

#[test]
fn a_notice_is_answered_by_no_numeric() {
    let mut world = joined(scene(2), 2);
    world.run_until(10_000);
    says(&mut world, ALICE, Envelope::new("AWAY").line("out"));
    world.run_until(15_000);
    for (to, label) in [("alice", "away"), ("nobody", "nobody")] {
        says(&mut world, BOB, Envelope::new("NOTICE").to(to).line("x").meta("label", label));
    }
    world.run_until(20_000);
    let ends = ["away", "nobody"]
        .map(|l| answers(&world, BOB, l).into_iter().map(|e| e.command).collect::<Vec<_>>());
    assert_eq!(ends, [vec!["NOTICE"], vec!["ERROR"]]);
}
