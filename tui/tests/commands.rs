//! Every command as the envelope that it becomes, and the changes of a channel as the screen shows
//! them.
mod common;

use common::Rig;
use kirc_core::Envelope;
use serde_json::{Value, json};

async fn in_net() -> Rig {
    let mut rig = Rig::new(140, 30);
    rig.settle().await;
    rig.says(Envelope::new("001").to("alice")).await;
    rig.says(Envelope::new("JOIN").from("alice").to("#net")).await;
    rig.says(Envelope::new("353").to("alice").param("#net").line("@bob alice +carol")).await;
    rig.says(Envelope::new("366").to("alice").param("#net")).await;
    rig.press("M-2").await;
    rig.heard();
    rig
}

/// What a line becomes: command, to, params, body.
async fn becomes(line: &str) -> Value {
    let mut rig = in_net().await;
    rig.types(&format!("{line}\n")).await;
    let heard = rig.heard();
    let quiet = ["TYPING", "HISTORY", "MARKREAD"];
    let said: Vec<_> = heard.iter().filter(|e| !quiet.contains(&e.command.as_str())).collect();
    assert_eq!(said.len(), 1, "{line}: {heard:?}\n{}", rig.screen());
    json!([said[0].command, said[0].to, said[0].params, said[0].body])
}

#[tokio::test]
async fn every_command_has_its_envelope() {
    for (line, expected) in [
        ("/join #dev", json!(["JOIN", "#dev", [], null])),
        ("/j dev key", json!(["JOIN", "#dev", ["key"], null])),
        ("/part see you", json!(["PART", "#net", [], ["see you"]])),
        ("/part #dev", json!(["PART", "#dev", [], null])),
        ("/msg bob hi there", json!(["PRIVMSG", "bob", [], ["hi there"]])),
        ("/query bob hi", json!(["PRIVMSG", "bob", [], ["hi"]])),
        ("/me waves", json!(["PRIVMSG", "#net", [], ["waves"]])),
        ("//me is text", json!(["PRIVMSG", "#net", [], ["/me is text"]])),
        ("/nick alicia", json!(["NICK", null, ["alicia"], null])),
        ("/topic", json!(["TOPIC", "#net", [], null])),
        ("/topic on  Friday", json!(["TOPIC", "#net", [], ["on  Friday"]])),
        ("/topic #net -clear", json!(["TOPIC", "#net", [], [""]])),
        ("/mode", json!(["MODE", "#net", [], null])),
        ("/mode +ov bob carol", json!(["MODE", "#net", ["+ov", "bob", "carol"], null])),
        ("/op bob carol", json!(["MODE", "#net", ["+oo", "bob", "carol"], null])),
        ("/deop bob", json!(["MODE", "#net", ["-o", "bob"], null])),
        ("/voice bob", json!(["MODE", "#net", ["+v", "bob"], null])),
        ("/devoice bob", json!(["MODE", "#net", ["-v", "bob"], null])),
        ("/kick bob too loud", json!(["KICK", "#net", ["bob"], ["too loud"]])),
        ("/ban", json!(["MODE", "#net", ["+b"], null])),
        ("/ban bob", json!(["MODE", "#net", ["+b", "bob!*@*"], null])),
        ("/unban *!*@evil", json!(["MODE", "#net", ["-b", "*!*@evil"], null])),
        ("/invite dave", json!(["INVITE", "dave", ["#net"], null])),
        ("/invite dave #dev", json!(["INVITE", "dave", ["#dev"], null])),
        ("/names", json!(["NAMES", "#net", [], null])),
        ("/whois bob", json!(["WHOIS", "bob", [], null])),
        ("/list", json!(["LIST", null, [], null])),
        ("/away at lunch", json!(["AWAY", null, [], ["at lunch"]])),
        ("/away", json!(["AWAY", null, [], ["away"]])),
        ("/back", json!(["AWAY", null, [], null])),
        ("/rotate", json!(["ROTATE", "#net", [], null])),
        ("/verify bob", json!(["VERIFY", "bob", [], null])),
        ("/verify bob confirm", json!(["VERIFY", "bob", ["confirm"], null])),
        ("/contact", json!(["CONTACT", null, ["list"], null])),
        ("/contact accept bob", json!(["CONTACT", null, ["accept", "bob"], null])),
        ("/profile", json!(["PROFILE", null, ["show"], null])),
        ("/profile set about the log", json!(["PROFILE", null, ["set", "about"], ["the log"]])),
        ("/profile find bob", json!(["PROFILE", null, ["find", "bob"], null])),
        ("/quit bye", json!(["QUIT", null, [], ["bye"]])),
    ] {
        assert_eq!(becomes(line).await, expected, "{line}");
    }
}

#[tokio::test]
async fn mistakes_are_answered_with_a_sentence() {
    for (line, sentence) in [
        ("/nope", "There is no command /nope"),
        ("/kick", "NICK is missing"),
        ("/verify bob maybe", "Only confirm or revoke"),
        ("/contact accept", "Who? /contact accept NICK"),
        ("/op a b c d e f g", "At most 6"),
        ("/whois a b", "Too much"),
        ("/msg #other hi", "You are not in #other"),
    ] {
        let mut rig = in_net().await;
        rig.types(&format!("{line}\n")).await;
        assert!(rig.shows(sentence), "{line}\n{}", rig.screen());
        assert_eq!(rig.input(), format!("> {line}"));
    }
}

#[tokio::test]
async fn changes_of_a_channel_are_applied_and_told() {
    let mut rig = in_net().await;
    let to_net = |command: &str, from: &str| Envelope::new(command).from(from).to("#net");
    rig.says(to_net("MODE", "bob").param("+o-v+t").param("alice").param("carol")).await;
    assert!(rig.shows("bob set +o-v+t alice carol") && rig.shows("@alice") && rig.shows("+t · 3 members"));
    for nick in ["dave", "erin", "frank"] {
        rig.says(to_net("JOIN", nick)).await;
    }
    rig.says(to_net("PART", "erin").line("bye")).await;
    assert!(rig.shows("dave, erin, frank came · erin left"), "{}", rig.screen());
    rig.says(to_net("NICK", "dave").param("david")).await;
    assert!(rig.shows("dave is now david") && !rig.shows("│ dave"));
    rig.says(to_net("INVITE", "bob").param("erin")).await;
    assert!(rig.shows("bob invited erin") && !rig.shows("invites you"), "{}", rig.screen());
    rig.says(to_net("TOPIC", "bob").line("a new topic")).await;
    assert!(rig.row_of("#net").contains("a new topic"));
    rig.says(Envelope::new("GAP").to("#net").param("12").line("nobody here has them")).await;
    assert!(rig.shows("12 records are missing here: nobody here has them"));
    rig.says(Envelope::new("EPOCH").to("#net").param("5").param("erin left")).await;
    assert!(rig.shows("new key: epoch 5 (erin left)"));
    rig.says(Envelope::new("INVITE").from("bob").to("alice").param("#dev")).await;
    assert!(rig.shows("bob invites you into #dev: /join #dev"));
    rig.says(to_net("KICK", "bob").param("alice").line("enough")).await;
    assert!(rig.shows("bob removed alice: enough") && rig.shows("not joined") && rig.shows("(#net)"));
    rig.types("hello\n").await;
    assert!(rig.shows("You are not in #net. /join #net"));
}

#[tokio::test]
async fn a_new_name_of_ones_own_is_told_once_and_only_where_it_was_taken() {
    let mut rig = in_net().await;
    let own = |e: Envelope| e.from("alice").meta("self", true);
    rig.says(own(Envelope::new("NICK").param("alice"))).await;
    assert!(!rig.shows("alice is now alice"), "{}", rig.screen());
    rig.says(own(Envelope::new("NICK").param("al"))).await;
    assert!(!rig.shows("alice is now al"), "the channel has not taken it yet: {}", rig.screen());
    rig.says(own(Envelope::new("NICK").to("#net").param("al"))).await;
    let told = rig.screen().to_string().matches("alice is now al").count();
    assert_eq!(told, 1, "{}", rig.screen());
    rig.press("M-1").await;
    assert!(rig.shows("You are now al."), "{}", rig.screen());
}

#[tokio::test]
async fn signs_tell_what_can_not_be_read_or_trusted() {
    let mut rig = in_net().await;
    let said = |n: u64, state: &str| {
        let mut e = Envelope::new("PRIVMSG").from("bob").to("#net").meta("seq", n).meta("state", state);
        e.id = Some(format!("i{n}"));
        e
    };
    rig.says(said(1, "waiting").meta("reason", "the key of epoch 4 is asked for")).await;
    assert!(rig.row_of("(not readable yet)").contains("? "));
    assert!(rig.shows("waits: the key of epoch 4 is asked for"));
    rig.says(said(1, "sent").line("now it is here")).await;
    assert!(rig.shows("now it is here") && !rig.shows("(not readable yet)"));
    rig.says(said(2, "unverified").line("is it me?")).await;
    assert!(rig.row_of("is it me?").contains("% "));
    rig.says(said(3, "held").line("secret")).await;
    assert!(!rig.shows("secret") && rig.shows("held back"));
}

#[tokio::test]
async fn many_lines_stay_quick_and_scroll_everywhere() {
    let mut rig = in_net().await;
    let line = |n: u64| {
        let text = format!("line {n} {}", "word ".repeat(30));
        let e = Envelope::new("PRIVMSG").from("bob").to("#net").line(text).meta("seq", n);
        Envelope { id: Some(format!("i{n}")), ..e }
    };
    for n in 10_000..16_000_u64 {
        rig.send(line(n)).await;
    }
    rig.settle().await;
    assert!(rig.shows("line 15999"));
    rig.press("M-<").await;
    assert!(rig.shows("line 10501 "), "{}", rig.screen());
    // The past goes on beyond what is kept at the bottom, and nothing new moves who reads it.
    let asked = rig.heard_last("HISTORY");
    assert_eq!(asked.params.first().map(String::as_str), Some("before"));
    let mut page = Envelope::new("HISTORY").to("#net").meta("more", true);
    page.body = Some(kirc_core::Body::Array(
        (9_000..10_501).map(|n| serde_json::to_value(line(n)).unwrap()).collect(),
    ));
    rig.says(page).await;
    rig.press("M-<").await;
    assert!(rig.shows("line 9000 "), "{}", rig.screen());
    for n in 16_000..17_000 {
        rig.send(line(n)).await;
    }
    rig.settle().await;
    assert!(rig.shows("line 9000 "), "{}", rig.screen());
    rig.press("PageDown PageUp Esc").await;
    assert!(rig.shows("line 16999"));
    rig.press("M-<").await;
    assert!(!rig.shows("line 9000 ") && rig.heard_last("HISTORY").params.len() == 2, "it is asked for anew");
}
