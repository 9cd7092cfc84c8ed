//! Much that is said at once: it goes into few records, and nothing is sent twice for that.

use super::*;

const CAROL: usize = 2;

/// Three who are in, with narrow ways: few messages on their way to the leader, one record on its
/// way into the log.
fn narrow() -> World {
    let mut world = scene(3);
    (world.plan.window, world.plan.max_in_flight) = (8, 1);
    let mut world = joined(world, 3);
    world.run_until(10_000);
    world
}

/// What somebody was shown: each text with its place.
fn places(world: &World, host: usize) -> Vec<(u64, String)> {
    let all = heard(world, host, "PRIVMSG").into_iter();
    let sent = all.filter(|e| e.meta_str("state") == Some("sent"));
    sent.map(|e| (e.meta_u64("seq").unwrap_or(0), e.lines().concat())).collect()
}

#[test]
fn what_two_say_at_once_is_sent_once_and_goes_into_few_records() {
    let mut world = narrow();
    for number in 0..60 {
        let said = Envelope::new("PRIVMSG").to("#net").line(format!("line {number}"));
        says(&mut world, BOB, said.clone());
        if number % 2 == 0 {
            says(&mut world, ALICE, said);
        }
    }
    // Long before anybody would lose patience.
    world.run_until(world.now + 2_000);
    let [alice, bob, carol] = [ALICE, BOB, CAROL].map(|host| places(&world, host));
    assert_eq!(carol.len(), 90);
    assert!(alice == carol && bob == carol);
    assert!(carol.windows(2).all(|two| two[0].0 < two[1].0), "{carol:?}");

    assert_eq!(records(&world, "data-in-alice", "SEND").len(), 60);
    let [alone, together] = ["LOG", "BATCH"].map(|kind| records(&world, LOG, kind).len());
    assert!(together > 2 && alone + together < 60, "{alone} alone, {together} with others");
}

#[test]
fn what_was_gathered_when_its_leader_died_comes_by_the_next() {
    let mut world = narrow();
    // The leader's records take their time, so that it gathers; then it is gone.
    for number in 0..20 {
        says(&mut world, BOB, Envelope::new("PRIVMSG").to("#net").line(format!("line {number}")));
    }
    world.run_until(world.now + 12);
    restart(&mut world, ALICE);
    world.run_until(world.now + 60_000);
    let carol = places(&world, CAROL);
    assert_eq!(carol.len(), 20, "{carol:?}");
    assert_eq!(places(&world, BOB), carol);
}

#[test]
fn more_than_fits_on_the_way_to_one_person_all_arrives() {
    let mut world = narrow();
    for number in 0..30 {
        says(&mut world, BOB, Envelope::new("PRIVMSG").to("carol").line(format!("line {number}")));
    }
    world.run_until(world.now + 5_000);
    let lines: Vec<String> = heard(&world, CAROL, "PRIVMSG").iter().map(|e| e.lines().concat()).collect();
    let said: Vec<String> = (0..30).map(|number| format!("line {number}")).collect();
    assert_eq!(lines, said);
}

#[test]
fn what_waits_to_be_sent_has_an_end_and_the_sender_is_told() {
    let mut world = joined(scene(2), 2);
    world.run_until(10_000);
    world.fail(Fault::Cut(BOB, kirc_core::port::Service::Mailbox, HOUR as u64));
    world.run_until(11_000);
    for _ in 0..kirc_core::limits::WAITING {
        says(&mut world, BOB, Envelope::new("PRIVMSG").to("#net").line("x"));
    }
    says(&mut world, BOB, Envelope::new("PRIVMSG").to("#net").line("one more").meta("label", "last"));
    world.run_until(12_000);
    let no = heard(&world, BOB, "404").pop().unwrap();
    assert_eq!(no.meta_str("label"), Some("last"));
    assert!(no.lines().concat().contains("100000 messages to #net wait"), "{no:?}");
    // What changes the channel is done all the same.
    says(&mut world, BOB, Envelope::new("TOPIC").to("#net").line("news").meta("label", "topic"));
    world.run_until(13_000);
    assert_eq!(heard(&world, BOB, "404").len(), 1);
}
