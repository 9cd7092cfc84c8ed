//! The main screens as pictures, at a fixed time, from the data of the demonstration.
mod common;

use common::Rig;
use ratatui::style::{Color, Modifier};

fn picture(name: &str, rig: &Rig) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, rig.screen()));
}

#[tokio::test]
async fn channel() {
    picture("channel_80x24", &Rig::demo(80, 24).await);
    picture("channel_40x12", &Rig::demo(40, 12).await);
    picture("channel_120x30", &Rig::demo(120, 30).await);
    picture("channel_55x16", &Rig::demo(55, 16).await);
}

#[tokio::test]
async fn before_anything_has_come() {
    for (name, width, height) in [("first_frame_80x24", 80, 24), ("first_frame_40x12", 40, 12)] {
        let mut rig = Rig::new(width, height);
        rig.settle().await;
        picture(name, &rig);
    }
}

#[tokio::test]
async fn conversation() {
    let mut rig = Rig::demo(80, 24).await;
    rig.press("M-5").await;
    picture("direct_80x24", &rig);
    rig.press("M-6").await;
    picture("held_80x24", &rig);
}

#[tokio::test]
async fn help() {
    let mut rig = Rig::demo(80, 24).await;
    rig.press("F1").await;
    picture("help_80x24", &rig);
    for _ in 0..20 {
        rig.press("PageDown").await;
    }
    picture("help_end_80x24", &rig);
    let mut rig = Rig::demo(40, 12).await;
    rig.press("F1").await;
    picture("help_40x12", &rig);
}

#[tokio::test]
async fn overlays() {
    for (name, line) in [
        ("whois_80x24", "/whois bob\n"),
        ("verify_80x24", "/verify bob\n"),
        ("list_80x24", "/list\n"),
        ("contacts_80x24", "/contact\n"),
        ("profile_80x24", "/profile\n"),
        ("bans_80x24", "/ban\n"),
        ("close_80x24", "/close\n"),
    ] {
        let mut rig = Rig::demo(80, 24).await;
        rig.types(line).await;
        picture(name, &rig);
    }
    let mut rig = Rig::demo(40, 12).await;
    rig.types("/verify bob\n").await;
    picture("verify_40x12", &rig);
    let mut rig = Rig::demo(80, 24).await;
    rig.paste("one\ntwo\nthree\nfour\nfive\nsix").await;
    picture("paste_80x24", &rig);
}

#[tokio::test]
async fn scrolled_up() {
    let mut rig = Rig::demo(80, 24).await;
    rig.press("PageUp").await;
    picture("scrolled_80x24", &rig);
}

#[tokio::test]
async fn tiny_screens_do_not_panic() {
    for (width, height) in [(1, 1), (3, 3), (4, 3), (7, 4), (10, 5), (12, 40), (200, 3)] {
        let mut rig = Rig::demo(width, height).await;
        rig.press("F1 PageUp Esc PageUp M-5 M-1").await;
        rig.types("some longer text that has to wrap somewhere\n/list\n").await;
        assert!(rig.exit.is_none());
    }
}

#[tokio::test]
async fn colours_say_nothing_alone_and_mono_has_none() {
    let rig = Rig::demo(80, 24).await;
    let failed = rig.cell_of("!   alice /tmp");
    assert!(failed.modifier.contains(Modifier::BOLD));
    let mut mono = Rig::with(80, 24, |o| o.mono = true);
    for envelope in kirc_tui::demo_script() {
        mono.says(envelope).await;
    }
    for cell in mono.buffer().content() {
        assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
    }
    assert!(mono.cell_of("#kirc ").modifier.contains(Modifier::REVERSED));
}
