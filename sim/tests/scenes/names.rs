//! Who is meant by a name: whose keys were compared, and nobody who takes that name.

use super::*;

const MALLORY: usize = 2;

/// Alice has compared bob's keys; mallory is in the channel.
fn compared() -> World {
    let mut world = joined(scene(3), 3);
    world.run_until(10_000);
    says(&mut world, ALICE, Envelope::new("VERIFY").to("bob").param("confirm"));
    world.run_until(11_000);
    world
}

fn alarms(world: &World) -> usize {
    heard(world, ALICE, "ALARM").iter().filter(|e| e.params == ["key-changed"]).count()
}

#[test]
fn who_takes_a_contacts_nick_is_told_of_and_gets_nothing() {
    for known in [false, true] {
        let mut world = compared();
        if known {
            says(&mut world, ALICE, Envelope::new("PRIVMSG").to("carol").line("hello carol"));
            world.run_until(13_000);
        }
        says(&mut world, BOB, Envelope::new("PART").to("#net"));
        world.run_until(15_000);
        says(&mut world, MALLORY, Envelope::new("NICK").param("bob"));
        world.run_until(20_000);
        assert_eq!(alarms(&world), 1, "known: {known}");
        says(&mut world, ALICE, Envelope::new("PRIVMSG").to("bob").line("for bob's eyes"));
        world.run_until(25_000);
        let got = |host| {
            heard(&world, host, "PRIVMSG").iter().filter(|e| e.lines().concat().contains("eyes")).count()
        };
        assert_eq!((got(BOB), got(MALLORY)), (1, 0), "known: {known}");
    }
}

#[test]
fn who_sits_in_a_channel_under_a_contacts_nick_is_told_of_on_joining() {
    let mut world = compared();
    for host in [ALICE, BOB] {
        says(&mut world, host, Envelope::new("PART").to("#net"));
    }
    world.run_until(15_000);
    says(&mut world, MALLORY, Envelope::new("NICK").param("bob"));
    world.run_until(20_000);
    says(&mut world, ALICE, Envelope::new("JOIN").to("#net"));
    world.run_until(30_000);
    assert_eq!(alarms(&world), 1);
}

/// The answers to a command that has this label, as a session hears them.
fn answers(world: &mut World, host: usize, e: Envelope) -> Vec<Envelope> {
    let before = world.witness.heard.len();
    says(world, host, e.meta("label", "asked"));
    world.run_until(world.now + 2_000);
    let new = world.witness.heard.iter().skip(before).filter(|h| h.host == host && h.main);
    new.map(|h| h.envelope.clone()).filter(|e| e.meta_str("label") == Some("asked")).collect()
}

/// Mallory writes to alice under the nick of bob, whom alice knows: it waits for alice's word.
fn held() -> World {
    let mut world = compared();
    says(&mut world, BOB, Envelope::new("PART").to("#net"));
    world.run_until(15_000);
    says(&mut world, MALLORY, Envelope::new("NICK").param("bob"));
    world.run_until(20_000);
    says(&mut world, MALLORY, Envelope::new("PRIVMSG").to("alice").line("it is me"));
    world.run_until(25_000);
    world
}

fn text(e: &Envelope, name: &str) -> String {
    e.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_owned()
}

fn shown_at(world: &World, host: usize, said: &str) -> usize {
    heard(world, host, "PRIVMSG").iter().filter(|e| e.lines().concat() == said).count()
}

#[test]
fn both_keys_can_be_compared_before_one_is_trusted() {
    let mut world = held();
    let ids = [BOB, MALLORY].map(|host| kirc_sim::keys::identity(host).actor().to_string());
    let answer = answers(&mut world, ALICE, Envelope::new("VERIFY").to("bob")).remove(0);
    assert_eq!((text(&answer, "actor"), text(&answer, "trust")), (ids[0].clone(), "verified".into()));
    let of_held = answer.get("held").cloned().unwrap();
    assert_eq!(of_held["actor"], json!(ids[1]));
    assert_ne!(of_held["safety_number"], json!(text(&answer, "safety_number")));
    let list = answers(&mut world, ALICE, Envelope::new("CONTACT").param("show").param("bob")).remove(0);
    assert_eq!(list.body.map(|body| json!(body).as_array().map(Vec::len)), Some(Some(2)));
    // Which one is meant has to be said.
    let no = answers(&mut world, ALICE, Envelope::new("VERIFY").to("bob").param("confirm")).remove(0);
    assert_eq!(no.command, "ERROR");
    assert_eq!(shown_at(&world, ALICE, "it is me"), 0);
    let print = of_held["fingerprint"].as_str().unwrap().to_owned();
    let confirm = Envelope::new("VERIFY").to("bob").param("confirm").param(print);
    let answer = answers(&mut world, ALICE, confirm).remove(0);
    assert_eq!((text(&answer, "actor"), text(&answer, "trust")), (ids[1].clone(), "verified".into()));
    assert_eq!(shown_at(&world, ALICE, "it is me"), 1, "what waited is shown");
    says(&mut world, ALICE, Envelope::new("PRIVMSG").to("bob").line("so it is you"));
    world.run_until(world.now + 3_000);
    assert_eq!([BOB, MALLORY].map(|host| shown_at(&world, host, "so it is you")), [0, 1]);
}

#[test]
fn what_a_removed_contacts_namesake_said_is_shown_once_it_is_trusted() {
    let mut world = held();
    says(&mut world, ALICE, Envelope::new("CONTACT").param("remove").param("bob"));
    world.run_until(world.now + 10_000);
    assert_eq!(shown_at(&world, ALICE, "it is me"), 0);
    let id = kirc_sim::keys::identity(MALLORY).actor().to_string();
    let answer = answers(&mut world, ALICE, Envelope::new("VERIFY").to(id).param("confirm")).remove(0);
    assert_eq!(text(&answer, "trust"), "verified");
    assert_eq!(shown_at(&world, ALICE, "it is me"), 1);
}

#[test]
fn of_two_strangers_under_one_nick_the_user_is_asked() {
    let mut world = scene(4);
    world.run_until(1_000);
    for (channel, host) in [("#net", 2), ("#dev", 3)] {
        says(&mut world, ALICE, Envelope::new("JOIN").to(channel));
        world.run_until(world.now + 3_000);
        says(&mut world, host, Envelope::new("NICK").param("sam"));
        says(&mut world, host, Envelope::new("JOIN").to(channel));
        world.run_until(world.now + 5_000);
    }
    let say = || Envelope::new("PRIVMSG").to("sam").line("hello sam");
    let which = answers(&mut world, ALICE, say()).remove(0);
    assert_eq!(which.command, "407", "{which:?}");
    let ids = [2, 3].map(|host| kirc_sim::keys::identity(host).actor().to_string());
    assert!(ids.iter().all(|id| which.lines().concat().contains(id)), "{which:?}");
    assert_eq!([2, 3].map(|host| shown_at(&world, host, "hello sam")), [0, 0]);
    let invite = Envelope::new("INVITE").to("sam").param("#net");
    assert_eq!(answers(&mut world, ALICE, invite).remove(0).command, "407");
    // One of them goes: the other is who is meant.
    says(&mut world, 2, Envelope::new("PART").to("#net"));
    world.run_until(world.now + 3_000);
    world.fail(Fault::Pause(2, HOUR as u64));
    world.run_until(world.now + 200_000);
    says(&mut world, ALICE, say());
    world.run_until(world.now + 3_000);
    assert_eq!(shown_at(&world, 3, "hello sam"), 1);
}

#[test]
fn what_a_namesake_says_carries_a_sign() {
    let mut world = compared();
    says(&mut world, BOB, Envelope::new("PART").to("#net"));
    world.run_until(15_000);
    says(&mut world, MALLORY, Envelope::new("PRIVMSG").to("#net").line("as carol"));
    world.run_until(17_000);
    says(&mut world, MALLORY, Envelope::new("NICK").param("bob"));
    world.run_until(20_000);
    says(&mut world, MALLORY, Envelope::new("PRIVMSG").to("#net").line("as bob"));
    world.run_until(25_000);
    let signs = heard(&world, ALICE, "PRIVMSG").into_iter().filter(|e| e.to.as_deref() == Some("#net"));
    let signs: Vec<bool> = signs.map(|e| e.meta.contains_key("namesake")).collect();
    assert_eq!(signs, [false, true]);
}

#[test]
fn a_nick_is_taken_everywhere_or_nowhere_and_stays() {
    let mut world = joined(scene(3), 3);
    world.run_until(10_000);
    says(&mut world, ALICE, Envelope::new("MODE").to("#net").param("+b").param("bob!*@*"));
    world.run_until(12_000);
    let no = answers(&mut world, BOB, Envelope::new("NICK").param("robert")).remove(0);
    assert_eq!(no.command, "437", "{no:?}");
    says(&mut world, ALICE, Envelope::new("MODE").to("#net").param("-b").param("bob!*@*"));
    world.run_until(world.now + 3_000);
    let yes = answers(&mut world, BOB, Envelope::new("NICK").param("robert")).remove(0);
    assert_eq!((yes.command.as_str(), yes.params.as_slice()), ("NICK", ["robert".to_owned()].as_slice()));
    says(&mut world, ALICE, Envelope::new("PRIVMSG").to("robert").line("hello"));
    world.run_until(world.now + 3_000);
    for host in [ALICE, BOB] {
        restart(&mut world, host);
    }
    world.run_until(world.now + 5_000);
    assert_eq!(heard(&world, BOB, "001").pop().unwrap().to.as_deref(), Some("robert"));
    says(&mut world, ALICE, Envelope::new("PRIVMSG").to("robert").line("are you there"));
    says(&mut world, BOB, Envelope::new("PRIVMSG").to("#net").line("here"));
    world.run_until(world.now + 5_000);
    assert_eq!(shown_at(&world, BOB, "are you there"), 1);
    let here = heard(&world, ALICE, "PRIVMSG").into_iter().find(|e| e.lines().concat() == "here");
    assert_eq!(here.unwrap().from.as_deref(), Some("robert"));
}

/// For whom another one, who hears it, might take a host by what it says in the channel.
fn marked(world: &mut World, host: usize, by: usize) -> Option<String> {
    let text = format!("said at {}", world.now);
    says(world, host, Envelope::new("PRIVMSG").to("#net").line(text.as_str()));
    world.run_until(world.now + 3_000);
    let said =
        heard(world, by, "PRIVMSG").into_iter().find(|e| e.lines().concat() == text).expect("it is heard");
    assert_eq!(said.meta.contains_key("namesake"), said.meta.contains_key("looks_like"));
    said.meta_str("looks_like").map(str::to_owned)
}

#[test]
fn nicks_that_look_the_same_carry_a_sign() {
    // Alice has compared bob's keys: whoever looks like him is not him.
    let mut world = compared();
    says(&mut world, MALLORY, Envelope::new("NICK").param("b0b"));
    world.run_until(15_000);
    assert_eq!(
        (marked(&mut world, MALLORY, ALICE), marked(&mut world, BOB, ALICE)),
        (Some("bob".into()), None)
    );
    says(&mut world, MALLORY, Envelope::new("NICK").param("rob"));
    world.run_until(world.now + 5_000);
    assert_eq!(marked(&mut world, MALLORY, ALICE), None);
    // Of two strangers nobody can say which one is meant.
    let mut world = joined(scene(3), 3);
    world.run_until(10_000);
    says(&mut world, MALLORY, Envelope::new("NICK").param("b0b"));
    world.run_until(15_000);
    assert_eq!(
        (marked(&mut world, MALLORY, ALICE), marked(&mut world, BOB, ALICE)),
        (Some("bob".into()), Some("b0b".into()))
    );
}
