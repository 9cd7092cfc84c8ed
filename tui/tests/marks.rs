//! How far conversations are read, over the end of the program.
mod common;

use common::{Rig, said};
use kirc_core::{Body, Envelope};

fn history(to: &str, list: &[Envelope], more: bool) -> Envelope {
    let mut e = Envelope::new("HISTORY").to(to).meta("more", more);
    e.body = Some(Body::Array(list.iter().map(|e| serde_json::to_value(e).expect("JSON")).collect()));
    e
}

/// A session that comes while three messages of `#net`, after the second, and one of bob's are
/// unread.
async fn come_back() -> Rig {
    let mut rig = Rig::new(80, 24);
    rig.settle().await;
    rig.says(Envelope::new("001").to("alice")).await;
    for name in ["#dev", "#net"] {
        rig.says(Envelope::new("JOIN").from("alice").to(name).meta("replay", true)).await;
        rig.says(Envelope::new("353").to("alice").param(name).line("@bob alice")).await;
        rig.says(Envelope::new("366").to("alice").param(name)).await;
    }
    let mark = Envelope::new("MARKREAD").meta("replay", true);
    rig.says(mark.clone().to("#net").param("id-2").meta("unread", 3).meta("mentions", 1)).await;
    rig.says(mark.clone().to("#dev").param("id-0").meta("unread", 0).meta("mentions", 0)).await;
    rig.says(mark.to("bob").meta("unread", 1).meta("mentions", 1)).await;
    rig
}

#[tokio::test]
async fn what_was_unread_is_counted_and_has_its_buffer() {
    let rig = come_back().await;
    assert!(rig.row_of("3 #net").contains("3 @1"), "{}", rig.screen());
    assert!(rig.row_of("4 bob").contains("@1"), "{}", rig.screen());
    assert!(!rig.row_of("2 #dev").contains('@'), "{}", rig.screen());
}

#[tokio::test]
async fn it_begins_in_the_channel_that_was_read_last() {
    let mut rig = come_back().await;
    assert!(rig.row_of("#net").starts_with(" #net"), "{}", rig.screen());
    // But does not take anybody away who has pressed something.
    rig.press("M-2").await;
    let mark = Envelope::new("MARKREAD").meta("replay", true).to("#net").param("id-9");
    rig.says(mark.meta("unread", 0).meta("mentions", 0)).await;
    assert!(rig.row_of("#dev").starts_with(" #dev"), "{}", rig.screen());
}

#[tokio::test]
async fn the_marker_stands_where_reading_ended() {
    let mut rig = come_back().await;
    rig.event(ratatui::crossterm::event::Event::FocusGained).await;
    rig.press("M-3").await;
    assert!(rig.row_of("3 #net").contains("3 @1"), "what has not come yet is not seen: {}", rig.screen());
    let lines: Vec<Envelope> = (1..=5).map(|n| said("bob", "#net", n, &format!("line {n}"))).collect();
    rig.says(history("#net", &lines, true)).await;
    let screen = rig.screen();
    let at = |text: &str| screen.find(text).unwrap_or_else(|| panic!("no {text}: {screen}"));
    assert!(at("line 2") < at("- new -") && at("- new -") < at("line 3"), "{screen}");
    assert!(!rig.row_of("3 #net").contains('@'), "{screen}");
    let mark = rig.heard_last("MARKREAD");
    assert_eq!((mark.to.as_deref(), mark.params), (Some("#net"), vec!["id-5".to_owned()]));
}

#[tokio::test]
async fn the_marker_waits_for_the_page_that_it_is_on() {
    let mut rig = come_back().await;
    rig.press("M-4").await;
    let direct = |n| said("bob", "alice", n, &format!("line {n}"));
    rig.says(history("bob", &[direct(9)], false)).await;
    let screen = rig.screen();
    assert!(screen.find("- new -") < screen.find("line 9") && rig.shows("- new -"), "{screen}");
}

#[tokio::test]
async fn a_window_inside_anothers_is_not_seen_for_having_had_the_focus() {
    for inside in [false, true] {
        let mut rig = Rig::with(80, 24, |options| options.inside = inside);
        rig.settle().await;
        rig.says(Envelope::new("001").to("alice")).await;
        rig.says(Envelope::new("JOIN").from("alice").to("#net").meta("replay", true)).await;
        rig.press("M-2").await;
        // Somebody attached to tmux, which never says that another window is shown.
        rig.event(ratatui::crossterm::event::Event::FocusGained).await;
        rig.wait(75_000).await;
        rig.heard();
        rig.says(said("bob", "#net", 1, "are you there?")).await;
        let read = rig.heard().iter().any(|e| e.command == "MARKREAD");
        assert_eq!(read, !inside, "inside: {inside}");
    }
}

#[tokio::test]
async fn who_has_read_a_message_has_read_those_before_it() {
    let mut rig = come_back().await;
    rig.press("M-4").await;
    let own = |n: u64| {
        let e = said("alice", "bob", n, &format!("line {n}"));
        e.meta("self", true).meta("state", "delivered")
    };
    for n in 1..=3 {
        rig.says(own(n)).await;
    }
    let state = Envelope::new("STATE").to("bob").param("read");
    rig.says(Envelope { id: Some("id-2".to_owned()), ..state }).await;
    let signs: Vec<bool> = (1..=3).map(|n| rig.row_of(&format!("line {n}")).contains("* alice")).collect();
    assert_eq!(signs, [true, true, false], "{}", rig.screen());
}
