//! What the server says about itself in 005, made from the core's own tables and limits.

use kirc_core::channel::{ModeKind, Rank};
use kirc_core::limits;

/// Tokens of one 005.
const TOKENS: usize = 12;
/// The letters of the modes of channels, by IRC's four types.
fn modes() -> String {
    let mut types = [const { String::new() }; 4];
    for letter in ('a'..='z').chain('A'..='Z') {
        let at = match ModeKind::of(letter) {
            Some(ModeKind::List) => 0,
            Some(ModeKind::Key) => 1,
            Some(ModeKind::Limit) => 2,
            Some(ModeKind::Flag) => 3,
            Some(ModeKind::Rank(_)) | None => continue,
        };
        types[at].push(letter);
    }
    types.join(",")
}

/// All letters of the modes of channels, for 004.
pub fn mode_letters() -> String {
    ('a'..='z').chain('A'..='Z').filter(|letter| ModeKind::of(*letter).is_some()).collect()
}

/// Those that take a parameter, for 004: lists, key, limit and ranks.
pub fn param_letters() -> String {
    modes().split(',').take(3).chain([rank_letters().as_str()]).collect()
}

fn rank_letters() -> String {
    Rank::ALL.iter().map(|r| r.letter()).collect()
}

/// The tokens.
pub fn tokens() -> Vec<String> {
    let letters = rank_letters();
    let signs: String = Rank::ALL.iter().map(|r| r.sign()).collect();
    vec![
        "NETWORK=kirc".into(),
        "CASEMAPPING=rfc1459".into(),
        "CHANTYPES=#".into(),
        format!("PREFIX=({letters}){signs}"),
        format!("CHANMODES={}", modes()),
        format!("MODES={}", limits::MODES),
        format!("MAXLIST=b:{0},e:{0},I:{0}", limits::MASKS),
        "EXCEPTS=e".into(),
        "INVEX=I".into(),
        format!("CHANLIMIT=#:{}", limits::CHANNELS),
        format!("CHANNELLEN={}", limits::CHANNEL),
        format!("NICKLEN={}", limits::NICK),
        format!("TOPICLEN={}", limits::TOPIC),
        format!("KICKLEN={}", limits::REASON),
        format!("AWAYLEN={}", limits::REASON),
        format!("KEYLEN={}", limits::KEY),
        format!("MAXTARGETS={}", limits::TARGETS),
        format!(
            "TARGMAX=PRIVMSG:{0},NOTICE:{0},TAGMSG:{0},KICK:{0},JOIN:,PART:,NAMES:1,WHOIS:1",
            limits::TARGETS
        ),
        format!("CHATHISTORY={}", limits::HISTORY),
        "MSGREFTYPES=msgid,timestamp".into(),
        "SAFELIST".into(),
        "UTF8ONLY".into(),
    ]
}

/// The tokens, as many to a line as fit.
pub fn lines() -> Vec<Vec<String>> {
    tokens().chunks(TOKENS).map(<[String]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_the_core_does() {
        let tokens = tokens();
        assert!(tokens.contains(&"PREFIX=(qaohv)~&@%+".to_owned()), "{tokens:?}");
        assert!(tokens.contains(&"CHANMODES=beI,k,l,imnprstERZ".to_owned()), "{tokens:?}");
        assert!(lines().iter().all(|line| line.len() <= 13));
    }
}
