//! Tests: the modes of a channel and the MODE syntax that people type.
use super::support::*;
use crate::channel::{ActKind, ModeChange, ModeKind, Rank, parse_mode_args};
use crate::{limits, numeric};

fn args(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn raw(changes: &[(bool, char, &str)]) -> ActKind {
    let changes = changes.iter().map(|(add, letter, param)| ModeChange::new(*add, *letter, param));
    ActKind::Mode { changes: changes.collect() }
}

#[test]
fn irc_syntax_is_read() {
    let resolve = |nick: &str| (nick == "bob").then(|| id(BOB));
    let request = parse_mode_args(&args("+ov-b bob bob eve"), resolve).unwrap();
    let bob = id(BOB).to_string();
    assert_eq!(
        request.changes,
        [
            ModeChange::new(true, 'o', &bob),
            ModeChange::new(true, 'v', &bob),
            ModeChange::new(false, 'b', "eve!*@*"),
        ]
    );
    let request = parse_mode_args(&args("bIe"), resolve).unwrap();
    assert_eq!((request.changes.len(), request.lists), (0, vec!['b', 'I', 'e']));
    let request = parse_mode_args(&args("-kl+i old"), resolve).unwrap();
    let shown = crate::channel::render_modes(&request.changes, |_| None);
    assert_eq!(shown, ("-kl+i".to_owned(), vec![]));
    assert_eq!(parse_mode_args(&[], resolve), Ok(Default::default()));
}

#[test]
fn mistakes_in_mode_are_named() {
    let resolve = |nick: &str| (nick == "bob").then(|| id(BOB));
    let code = |text: &str| parse_mode_args(&args(text), resolve).map_err(|r| (r.code, r.params));
    let failed = |code: &str, params: &[&str]| {
        Err((code.to_owned(), params.iter().map(|p| (*p).to_owned()).collect()))
    };
    assert_eq!(code("+x"), failed("472", &["x"]));
    assert_eq!(code("+o nobody"), failed("401", &["nobody"]));
    assert_eq!(code("+o"), failed("696", &["*", "o", "*"]));
    for nothing in ["", " ", "\t \t"] {
        let refused = parse_mode_args(&["+b".to_owned(), nothing.to_owned()], resolve).unwrap_err();
        assert_eq!(refused.code, "696", "{nothing:?}");
    }
    assert_eq!(code("+k"), failed("696", &["*", "k", "*"]));
    assert_eq!(code("+l x"), failed("696", &["*", "l", "x"]));
    assert_eq!(code("+l 0"), failed("696", &["*", "l", "0"]));
    assert_eq!(code("+l -1"), failed("696", &["*", "l", "-1"]));
    assert_eq!(code("+k a,b"), failed("696", &["*", "k", "a,b"]));
    assert_eq!(code("+vvvvvvv bob bob bob bob bob bob bob").map_err(|e| e.0), Err("696".to_owned()));
    let room = Room::new();
    let refusal = room.state.parse_modes(&args("+o eve")).unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.params), ("441", args("eve #room")));
}

#[test]
fn every_letter_has_one_kind() {
    for letter in "imnpstrEZR".chars() {
        assert_eq!(ModeKind::of(letter), Some(ModeKind::Flag), "{letter}");
    }
    for letter in "beI".chars() {
        assert_eq!(ModeKind::of(letter), Some(ModeKind::List));
    }
    for rank in Rank::ALL {
        assert_eq!(ModeKind::of(rank.letter()), Some(ModeKind::Rank(rank)));
    }
    assert_eq!(ModeKind::of('k'), Some(ModeKind::Key));
    assert_eq!(ModeKind::of('l'), Some(ModeKind::Limit));
    assert_eq!(ModeKind::of('ä'), None);
}

#[test]
fn what_is_set_already_is_not_shown() {
    let mut room = Room::new();
    let done = room.sets(ANN, "+ntik secret");
    assert_eq!(room.shown(&done), "+ik secret");
    let done = room.sets(ANN, "+kl secret 9");
    assert_eq!(room.shown(&done), "+l 9");
    let done = room.sets(ANN, "+k other");
    assert_eq!(room.shown(&done), "+k other");
    assert_eq!(room.state.mode_string(true), ("+intkl".to_owned(), args("other 9")));
    assert_eq!(room.state.mode_string(false), ("+intkl".to_owned(), args("* 9")));
    let done = room.sets(ANN, "-klm");
    assert_eq!(room.shown(&done), "-kl *");
    assert_eq!((room.state.key(), room.state.has('l')), (None, false));
}

#[test]
fn private_and_secret_exclude_each_other() {
    let mut room = Room::new();
    room.sets(ANN, "+p");
    let done = room.sets(ANN, "+s");
    assert_eq!(room.shown(&done), "-p+s");
    let done = room.sets(ANN, "+p");
    assert_eq!(room.shown(&done), "-s+p");
    let done = room.sets(ANN, "-s");
    assert!(done.is_empty());
}

#[test]
fn only_an_owner_registers() {
    let mut room = Room::new();
    room.sets(ANN, "+a bob");
    assert_eq!(room.sets_not(BOB, "+r"), "482");
    room.sets(ANN, "+r");
    assert_eq!(room.sets_not(BOB, "-r"), "482");
    room.sets(ANN, "-r");
}

#[test]
fn clients_encryption_brings_registration_and_tls_and_stays() {
    let mut room = Room::new();
    let done = room.sets(ANN, "+E");
    assert_eq!(room.shown(&done), "+ERZ");
    for text in ["-E", "-R", "-Z"] {
        assert_eq!(room.sets_not(ANN, text), "482");
    }
    let mut room = Room::new();
    assert_eq!(room.sets_not(ANN, "+E-Z"), "482");
    room.sets(ANN, "+RZ");
    room.sets(ANN, "-RZ");
}

#[test]
fn a_halfop_sets_everyday_modes_only() {
    let mut room = Room::new();
    room.sets(ANN, "+h bob");
    room.sets(BOB, "+imntlk 5 secret");
    room.sets(BOB, "+beI a b c");
    for text in ["+p", "+s", "+R", "+Z", "+E", "+r"] {
        assert_eq!(room.sets_not(BOB, text), "482", "{text}");
    }
    assert_eq!(room.sets_not(CID, "+i"), "482");
    assert_eq!(room.sets_not(CID, "+v cid"), "482");
}

#[test]
fn one_bad_change_refuses_the_whole_mode() {
    let mut room = Room::new();
    let before = room.state.clone();
    let (code, params) = room.refused(ANN, raw(&[(true, 'i', ""), (true, 'X', "")]));
    assert_eq!((code.as_str(), params), ("472", args("X")));
    let (code, params) = room.refused(ANN, raw(&[(true, 'l', "many")]));
    assert_eq!((code.as_str(), params), ("696", args("#room l many")));
    assert_eq!(room.code(ANN, raw(&[(true, 'o', "nobody")])), "696");
    assert_eq!(room.code(ANN, raw(&[(true, 'o', &id(EVE).to_string())])), "441");
    assert_eq!(room.code(ANN, raw(&[(true, 'b', "a b")])), "696");
    assert_eq!(room.code(ANN, raw(&[(true, 'b', "\u{200b}!*@*")])), "696");
    assert_eq!(room.code(ANN, raw(&[(true, 'b', &"x".repeat(limits::MASK))])), "696");
    assert_eq!(room.state, before);
}

#[test]
fn lists_keep_their_order_and_fold_case() {
    let mut room = Room::new();
    room.sets(ANN, "+bb zed ann");
    let done = room.sets(ANN, "+b ZED");
    assert!(done.is_empty());
    let list = room.state.list('b');
    let masks: Vec<&str> = list.iter().map(|e| e.0.as_str()).collect();
    assert_eq!(masks, ["zed!*@*", "ann!*@*"]);
    assert_eq!(list[0].1, "ann");
    let done = room.sets(ANN, "-b Zed");
    assert_eq!(room.shown(&done), "-b zed!*@*");
    assert!(room.sets(ANN, "-b zed").is_empty());
    assert!(room.state.list('e').is_empty());
}

#[test]
fn a_full_list_takes_no_more() {
    let mut room = Room::new();
    for i in 0..limits::MASKS {
        room.sets(ANN, &format!("+b n{i}"));
    }
    let kind = room.mode("+b one-more");
    assert_eq!(room.refused(ANN, kind), (numeric::ERR_BANLISTFULL.code.to_owned(), args("#room b")));
    assert!(room.sets(ANN, "+b n0").is_empty());
    room.sets(ANN, "+e one-more");
    room.sets(ANN, "-b n0");
    assert_eq!(room.sets_not(ANN, "+bb x1 x2"), "478");
    room.sets(ANN, "+bb x1 X1");
}
