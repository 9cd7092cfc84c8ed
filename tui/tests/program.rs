//! The whole program: keys in by one channel, envelopes by another, the screen read.
mod common;

use common::{Rig, said};
use kirc_core::Envelope;
use kirc_tui::Exit;
use ratatui::crossterm::event::Event;
use serde_json::json;

/// A session that is in `#net` as alice, with bob.
async fn in_net(width: u16, height: u16) -> Rig {
    let mut rig = Rig::new(width, height);
    rig.settle().await;
    rig.says(Envelope::new("001").to("alice")).await;
    rig.says(Envelope::new("JOIN").from("alice").to("#net").meta("replay", true)).await;
    rig.says(Envelope::new("353").to("alice").param("#net").line("@bob alice")).await;
    rig.says(Envelope::new("366").to("alice").param("#net")).await;
    rig.heard();
    rig
}

#[tokio::test]
async fn it_says_hello_and_draws_before_anything_comes() {
    let mut rig = Rig::new(80, 24);
    rig.settle().await;
    assert!(rig.shows("waiting for the node"));
    let heard = rig.heard();
    assert_eq!(heard[0].command, "HELLO");
    assert_eq!(heard[0].meta["caps"], json!(["state", "typing", "presence", "replay", "status"]));
}

#[tokio::test]
async fn a_message_goes_its_way() {
    let mut rig = in_net(80, 24).await;
    rig.types("hello there\n").await;
    assert!(rig.row_of("hello there").contains("~ alice"), "{}", rig.screen());
    let sent = rig.heard_last("PRIVMSG");
    assert_eq!((sent.to.as_deref(), sent.lines()), (Some("#net"), vec!["hello there"]));
    let label = sent.meta_str("label").unwrap().to_owned();

    let mut echo = sent.clone().from("alice").meta("state", "sending").meta("self", true);
    echo.id = Some("id-9".to_owned());
    rig.says(echo.clone()).await;
    rig.says(said("bob", "#net", 8, "meanwhile")).await;
    assert!(rig.screen().find("meanwhile") < rig.screen().find("hello there"));

    let mut waits = Envelope::new("STATE").to("#net").param("waiting").line("no leader yet");
    waits.id = Some("id-9".to_owned());
    rig.says(waits).await;
    assert!(rig.row_of("hello there").contains('?') && rig.shows("waits: no leader yet"));

    let mut settled = echo.meta("state", "sent").meta("seq", 7);
    settled.meta.insert("label".to_owned(), json!(label));
    settled.ts = Some("2026-11-21T10:58:00.000Z".to_owned());
    rig.says(settled).await;
    assert_eq!(rig.screen().matches("hello there").count(), 1);
    assert!(rig.row_of("hello there").contains(". alice"), "{}", rig.screen());
    assert!(rig.screen().find("hello there") < rig.screen().find("meanwhile"), "its place is by sequence");
    assert!(!rig.shows("waits:"));
}

#[tokio::test]
async fn nobody_writes_over_anothers_line() {
    let mut rig = in_net(80, 24).await;
    rig.says(said("bob", "#net", 7, "what bob said").meta("actor", "actor-of-bob")).await;
    let mut taken = said("mallory", "#net", 8, "what mallory made of it").meta("actor", "actor-of-mallory");
    taken.id = Some("id-7".to_owned());
    rig.says(taken).await;
    assert!(rig.row_of("what bob said").contains("bob"), "{}", rig.screen());
    assert!(rig.row_of("what mallory made of it").contains("mallory"), "{}", rig.screen());
    let mut failed = Envelope::new("STATE").to("#net").param("failed").line("no");
    failed.id = Some("id-7".to_owned());
    rig.says(failed).await;
    assert!(!rig.shows("failed"), "what is told of one's own concerns nobody else's: {}", rig.screen());
}

#[tokio::test]
async fn a_refused_message_stays_with_its_reason() {
    let mut rig = in_net(80, 24).await;
    rig.types("too loud\n").await;
    let label = rig.heard_last("PRIVMSG").meta_str("label").unwrap().to_owned();
    let refusal = Envelope::new("404").to("alice").param("#net").line("Cannot send to channel (+m)");
    rig.says(refusal.meta("label", label)).await;
    assert!(rig.row_of("too loud").contains("! "));
    assert!(rig.shows("not sent: Cannot send to channel"));
    // A text that can't be sent at all stays in the input.
    rig.press("M-1").await;
    rig.types("to nobody\n").await;
    assert_eq!(rig.input(), "> to nobody");
    assert!(rig.shows("This is the status page"));
}

#[tokio::test]
async fn unread_is_counted_until_it_is_seen() {
    let mut rig = in_net(80, 24).await;
    rig.press("M-1").await;
    rig.says(said("bob", "#net", 1, "one")).await;
    rig.says(said("bob", "#net", 2, "alice: two").meta("mention", true)).await;
    assert!(rig.row_of("2 #net").contains("2 @1"));
    assert!(rig.outer.0.lock().unwrap().0.starts_with("(2 @1)"));
    assert_eq!(rig.outer.0.lock().unwrap().1, 1);
    rig.heard();
    rig.event(Event::FocusLost).await;
    rig.press("M-a").await;
    assert!(rig.shows("- new -"));
    assert!(rig.row_of("2 #net").contains("2 @1"), "not seen while the terminal has no focus");
    rig.event(Event::FocusGained).await;
    assert!(!rig.row_of("2 #net").contains("@1"));
    let mark = rig.heard_last("MARKREAD");
    assert_eq!((mark.to.as_deref(), mark.params), (Some("#net"), vec!["id-2".to_owned()]));
    // Read elsewhere.
    rig.press("M-1").await;
    rig.says(said("bob", "#net", 3, "three")).await;
    assert!(rig.row_of("2 #net").contains(" 1"));
    rig.says(Envelope::new("MARKREAD").to("#net").param("id-3")).await;
    assert!(!rig.row_of("2 #net").contains(" 1"));
}

#[tokio::test]
async fn text_of_others_is_harmless() {
    let mut rig = in_net(80, 24).await;
    let text = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}evil\u{202c} \u{9b}31mred";
    rig.says(said("mal\u{1b}[31mlory", "#net", 1, text)).await;
    rig.says(Envelope::new("TOPIC").from("bob").to("#net").line("to\u{1b}[0mpic\nline")).await;
    assert!(rig.row_of("evil red").contains("mallory"));
    assert!(rig.shows("topic line"));
    for cell in rig.buffer().content() {
        assert!(!cell.symbol().chars().any(|c| c.is_control() || c == '\u{202e}'));
    }
    rig.says(Envelope::new("JOIN").from("alice").to("#n\u{7}\u{1b}]0;x\u{7}y")).await;
    rig.press("M-3").await;
    assert!(rig.outer.0.lock().unwrap().0.chars().all(|c| !c.is_control()));
}

#[tokio::test]
async fn a_command_is_never_said_aloud() {
    let before = "what stands before it";
    for (typed, second, why) in [
        ("/msg carol x", true, "one line"),
        (" /msg carol x", false, before),
        ("\u{200b}/msg carol x", false, before),
    ] {
        let mut rig = in_net(160, 24).await;
        rig.types(typed).await;
        if second {
            rig.press("M-Enter").await;
            rig.types("more").await;
        }
        rig.press("Enter").await;
        assert!(rig.heard().iter().all(|e| e.command != "PRIVMSG"), "{typed}");
        assert!(rig.shows(why), "{}", rig.screen());
        // It is still there to be put right.
        assert!(rig.shows("/msg carol x"), "{}", rig.screen());
    }
    let mut rig = in_net(80, 24).await;
    rig.types("//etc is said\n").await;
    assert_eq!(rig.heard_last("PRIVMSG").lines(), ["/etc is said"]);
}

#[tokio::test]
async fn an_enter_that_means_a_new_line_sends_nothing() {
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    let enter = |with| Event::Key(KeyEvent::new(KeyCode::Enter, with));
    let mut rig = in_net(80, 24).await;
    rig.types("unfinished").await;
    // Over a slow line the two bytes of M-Enter come one after the other.
    rig.press("Esc").await;
    rig.wait(60).await;
    rig.press("Enter").await;
    rig.event(enter(KeyModifiers::SHIFT)).await;
    rig.event(enter(KeyModifiers::CONTROL)).await;
    assert!(rig.heard().iter().all(|e| e.command != "PRIVMSG"));
    rig.types("done").await;
    // An Esc of long ago is no part of it.
    rig.press("Esc").await;
    rig.wait(600).await;
    rig.press("Enter").await;
    assert_eq!(rig.heard_last("PRIVMSG").lines(), ["unfinished", "", "", "done"]);
}

#[tokio::test]
async fn a_join_that_is_answered_late_takes_nobody_away() {
    let mut rig = in_net(80, 24).await;
    for typing in [true, false] {
        rig.types("/join #other\n").await;
        let label = rig.heard_last("JOIN").meta_str("label").unwrap().to_owned();
        if typing {
            rig.types("for #net on").await;
        }
        rig.says(Envelope::new("JOIN").from("alice").to("#other").meta("label", label)).await;
        if typing {
            rig.types("ly\n").await;
            let sent = rig.heard_last("PRIVMSG");
            assert_eq!((sent.to.as_deref(), sent.lines()), (Some("#net"), vec!["for #net only"]));
            rig.says(Envelope::new("PART").from("alice").to("#other")).await;
        }
    }
    rig.types("in #other\n").await;
    assert_eq!(rig.heard_last("PRIVMSG").to.as_deref(), Some("#other"), "who waits for it goes there");
}

#[tokio::test]
async fn what_nobody_looks_at_is_not_said_to_be_read() {
    let mut rig = in_net(80, 24).await;
    rig.says(said("bob", "#net", 3, "seen")).await;
    assert_eq!(rig.heard_last("MARKREAD").params, ["id-3"]);
    // A terminal that does not tell whether it has the focus, and nobody presses anything: it may
    // be hidden.
    rig.wait(61_000).await;
    rig.says(said("bob", "#net", 4, "unseen")).await;
    assert!(rig.heard().iter().all(|e| e.command != "MARKREAD"));
    rig.types("x").await;
    assert_eq!(rig.heard_last("MARKREAD").params, ["id-4"]);
    // One that tells is believed.
    rig.event(Event::FocusGained).await;
    rig.wait(600_000).await;
    rig.says(said("bob", "#net", 5, "seen")).await;
    assert_eq!(rig.heard_last("MARKREAD").params, ["id-5"]);
}

#[tokio::test]
async fn it_stops_and_goes_on_as_other_programs_do() {
    use std::sync::atomic::Ordering;
    let mut rig = in_net(80, 24).await;
    rig.types("a draft").await;
    rig.press("C-z").await;
    assert_eq!(rig.outer.1.load(Ordering::SeqCst), 1);
    rig.app.resumed().notify_one();
    rig.settle().await;
    assert_eq!(rig.outer.1.load(Ordering::SeqCst), 101);
    assert_eq!(rig.input(), "> a draft");
}

#[tokio::test]
async fn readline_history_and_drafts() {
    let mut rig = in_net(80, 24).await;
    rig.types("first\nsecond\n").await;
    rig.types("a draft").await;
    rig.press("Up Up").await;
    assert_eq!(rig.input(), "> first");
    rig.press("Down Down").await;
    assert_eq!(rig.input(), "> a draft");
    rig.press("M-1").await;
    assert!(!rig.input().contains("draft"));
    rig.press("M-2").await;
    assert_eq!(rig.input(), "> a draft");
    rig.press("C-w C-y C-y C-a M-d").await;
    assert_eq!(rig.input(), ">  draftdraft");
    rig.press("C-c").await;
    assert!(rig.input().contains("message to #net"));
}

#[tokio::test]
async fn tab_completes_commands_channels_and_nicks() {
    let mut rig = in_net(80, 24).await;
    for nick in ["bert", "carol"] {
        rig.says(Envelope::new("JOIN").from(nick).to("#net")).await;
    }
    rig.says(said("bert", "#net", 3, "hi")).await;
    rig.types("b").await;
    rig.press("Tab").await;
    assert_eq!(rig.input(), "> bert:", "who spoke last comes first");
    rig.press("Tab").await;
    assert_eq!(rig.input(), "> bob:");
    rig.press("Tab").await;
    assert_eq!(rig.input(), "> b");
    rig.press("C-u").await;
    rig.types("/dev").await;
    rig.press("Tab").await;
    rig.types("ca").await;
    rig.press("Tab").await;
    rig.types("bo").await;
    rig.press("Tab").await;
    assert_eq!(rig.input(), "> /devoice carol bob");
    rig.press("Enter").await;
    assert_eq!(rig.heard_last("MODE").params, ["-vv", "carol", "bob"]);
    rig.types("see #n").await;
    rig.press("Tab").await;
    assert_eq!(rig.input(), "> see #net");
}

#[tokio::test]
async fn typing_is_told_and_shown() {
    let mut rig = in_net(80, 24).await;
    rig.types("/whois b").await;
    assert!(rig.heard().iter().all(|e| e.command != "TYPING"));
    rig.press("C-u").await;
    rig.types("hel").await;
    rig.types("lo").await;
    assert_eq!(rig.heard().iter().filter(|e| e.command == "TYPING").count(), 1);
    rig.wait(3_100).await;
    rig.types("!").await;
    assert_eq!(rig.heard_last("TYPING").params, ["active"]);
    rig.types("\n").await;
    assert_eq!(rig.heard_last("TYPING").params, ["done"]);
    rig.says(Envelope::new("TYPING").from("bob").to("#net").param("active")).await;
    assert!(rig.shows("bob is typing…"));
    rig.wait(7_000).await;
    assert!(!rig.shows("bob is typing…"));
}

#[tokio::test]
async fn a_long_paste_is_asked_about() {
    let mut rig = in_net(80, 24).await;
    rig.paste("1\n2\n3\n4\n5\n6\n7\n").await;
    assert!(rig.shows("Paste 7 lines as one message to #net?"));
    rig.types("x").await;
    assert!(rig.shows("Paste 7 lines"));
    rig.types("n").await;
    assert!(rig.input().contains("message to"));
    rig.paste("1\r\n2\u{1b}[31m").await;
    rig.press("Enter").await;
    assert_eq!(rig.heard_last("PRIVMSG").lines(), ["1", "2"]);
}

#[tokio::test]
async fn history_is_fetched_once_and_merged() {
    let mut rig = Rig::new(80, 24);
    rig.settle().await;
    rig.says(Envelope::new("001").to("alice")).await;
    rig.says(Envelope::new("JOIN").from("alice").to("#net")).await;
    let asked = rig.heard_last("HISTORY");
    rig.says(said("bob", "#net", 12, "live")).await;
    let mut history = Envelope::new("HISTORY").to("#net").meta("more", true);
    history.meta.insert("label".to_owned(), asked.meta["label"].clone());
    let old: Vec<_> = [said("bob", "#net", 11, "older"), said("bob", "#net", 12, "live")]
        .iter()
        .map(|e| serde_json::to_value(e).unwrap())
        .collect();
    history.body = Some(kirc_core::Body::Array(old));
    rig.says(history).await;
    assert_eq!(rig.screen().matches("live").count(), 1);
    assert!(rig.screen().find("older") < rig.screen().find("live"));
    rig.press("PageUp").await;
    assert_eq!(rig.heard_last("HISTORY").params, ["before", "id-11"]);
}

#[tokio::test]
async fn where_history_was_trimmed_it_says_so_once() {
    let mut rig = Rig::new(80, 24);
    rig.settle().await;
    rig.says(Envelope::new("001").to("alice")).await;
    rig.says(Envelope::new("JOIN").from("alice").to("#net")).await;
    let answer = |rig: &mut Rig, trimmed: bool| {
        let asked = rig.heard_last("HISTORY");
        let mut history = Envelope::new("HISTORY").to("#net").meta("more", !trimmed);
        if trimmed {
            history = history.meta("trimmed", true);
        }
        history.meta.insert("label".to_owned(), asked.meta["label"].clone());
        let seq = if trimmed { 11 } else { 12 };
        let line = said("bob", "#net", seq, &format!("line {seq}"));
        history.body = Some(kirc_core::Body::Array(vec![serde_json::to_value(line).unwrap()]));
        history
    };
    let page = answer(&mut rig, false);
    rig.says(page).await;
    assert!(rig.shows("line 12") && !rig.shows("What was said before"));
    rig.press("PageUp").await;
    let page = answer(&mut rig, true);
    rig.says(page.clone()).await;
    rig.says(page).await;
    let screen = rig.screen();
    assert_eq!(screen.matches("What was said before").count(), 1, "{screen}");
    assert!(screen.find("What was said before") < screen.find("line 11"), "{screen}");
    assert!(screen.find("line 11") < screen.find("line 12"), "{screen}");
}

#[tokio::test]
async fn alarms_are_loud_until_put_away() {
    let mut rig = in_net(80, 24).await;
    rig.says(Envelope::new("ALARM").to("bob").param("key-changed").line("bob has another key.")).await;
    assert!(rig.shows("ALARM key-changed bob"));
    assert!(rig.shows("KEY-CHANGED: bob has another key."));
    rig.press("Esc").await;
    assert!(!rig.shows("ALARM key-changed bob"));
    rig.types("/contact accept bob\n").await;
    let asked = rig.heard_last("CONTACT");
    assert_eq!(asked.params, ["accept", "bob"]);
}

#[tokio::test]
async fn a_page_does_not_eat_what_is_typed() {
    let mut rig = Rig::demo(80, 24).await;
    rig.types("/verify bob\ny and this goes on").await;
    assert!(rig.shows("Verify bob") && rig.shows("48213 90117"));
    assert_eq!(rig.input(), "> y and this goes on");
    rig.press("Esc C-u").await;
    rig.types("/verify bob confirm\n").await;
    assert!(rig.shows("bob is verified"));
}

#[tokio::test]
async fn channels_can_be_chosen_from_the_list() {
    let mut rig = Rig::demo(80, 24).await;
    rig.types("/list\n").await;
    rig.press("Down Down Down Enter").await;
    assert!(rig.shows("> message to #rust") || rig.input().contains("#rust"), "{}", rig.screen());
}

#[tokio::test]
async fn closing_a_channel_leaves_it() {
    let mut rig = in_net(80, 24).await;
    rig.types("/close\n").await;
    assert!(rig.shows("Leave #net"));
    rig.types("y").await;
    assert_eq!(rig.heard_last("PART").to.as_deref(), Some("#net"));
    assert!(!rig.shows("#net "));
    rig.types("/query bob\n").await;
    assert!(rig.shows("> message to bob"));
    rig.types("/close\n").await;
    assert!(!rig.shows("bob"));
    rig.says(said("bob", "alice", 1, "still here")).await;
    assert!(rig.row_of("2 bob").contains("@1"));
}

#[tokio::test]
async fn it_leaves_when_it_is_told_to() {
    let mut rig = in_net(80, 24).await;
    rig.press("C-c").await;
    assert!(rig.shows("C-c again leaves"));
    rig.wait(4_000).await;
    rig.press("C-c").await;
    assert!(rig.exit.is_none());
    rig.press("C-c").await;
    assert_eq!(rig.exit, Some(Exit::Quit));
    assert_eq!(rig.heard_last("QUIT").command, "QUIT");

    let mut rig = in_net(80, 24).await;
    rig.types("/quit bye\n").await;
    assert_eq!(rig.exit, Some(Exit::Quit));

    let mut rig = in_net(80, 24).await;
    rig.says(Envelope::new("ERROR").line("the store is locked by another node")).await;
    rig.node_goes().await;
    assert_eq!(rig.exit, Some(Exit::NodeGone("the store is locked by another node".to_owned())));
}

#[tokio::test]
async fn status_says_what_is_wrong() {
    let mut rig = in_net(80, 24).await;
    let status = |up: bool| {
        Envelope::new("STATUS")
            .field("node", json!({"nick": "alice", "away": null, "fingerprint": "AB-CD"}))
            .field("services", json!({"mailbox": {"up": up, "reason": "timed out", "since": (!up).then_some("2026-11-21T10:50:55.123Z")}}))
            .field(
                "channels",
                json!({"#net": {"phase": "leaderless", "leader": null, "leading": false, "term": 4,
                "epoch": 2, "waiting": 1, "why": "asking for a leader"}}),
            )
            .field("outbox", 3)
    };
    rig.says(status(true)).await;
    assert!(rig.shows("leaderless: asking for a leader"), "{}", rig.screen());
    rig.says(status(false)).await;
    assert!(rig.shows("no mailbox since 10:50") && rig.shows("3 waiting"), "{}", rig.screen());
    rig.press("M-1").await;
    assert!(rig.shows("mailbox is not reachable: timed out"));
    let full = |name: &str| format!("the disk that holds /home/al/{name}.db is full; free some space");
    let full = json!({"mailbox": {"up": false, "reason": full("mailbox")}, "signals": {"up": false, "reason": full("signals")}});
    rig.says(Envelope::new("STATUS").field("services", full)).await;
    assert!(rig.shows("disk full"), "{}", rig.screen());
}

/// What is in use of budget and store is on the screen where there is room, and gives way to what
/// matters more.
#[tokio::test]
async fn the_budget_is_shown() {
    let status = |written: u64| {
        let traffic = json!({"written": written, "read": 2_000, "budget": 100_000});
        let room = json!({"used": 3 << 20, "disk": 4 << 20, "limit": 700 << 20});
        Envelope::new("STATUS").field(
            "services",
            json!({"mailbox": {"up": true, "reason": "", "traffic": traffic}, "signals": {"up": true, "reason": ""},
                   "store": {"up": true, "reason": "", "room": room}}),
        )
    };
    let mut rig = in_net(100, 24).await;
    rig.says(status(12_345)).await;
    assert!(rig.shows("budget: 13% out, 2% in"), "{}", rig.screen());
    rig.press("M-1").await;
    assert!(rig.shows("history 3 of 700 MiB"), "{}", rig.screen());
    // A node that says nothing of it has no budget.
    let services = json!({"mailbox": {"up": true, "reason": ""}});
    rig.says(Envelope::new("STATUS").field("services", services)).await;
    assert!(!rig.shows("budget:") && !rig.shows("history "), "{}", rig.screen());
}
