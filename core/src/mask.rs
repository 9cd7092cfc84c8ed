//! IRC masks: `nick!user@host` with `*` and `?`. In kirc the user is the actor id and the host its
//! cluster.
//!
//! It compares text. The `channel` module decides who is banned.
use crate::ids::ActorId;
use crate::names::fold;

/// Completes a partial mask like IRC servers do: `bob` becomes `bob!*@*`, `*@host` becomes
/// `*!*@host`.
///
/// A bare actor id becomes `*!id@*` (a nick is never that long). A bare word with a dot is a host,
/// because a nick can't contain one. Runs of `*` become one. Normalising twice changes nothing.
pub fn normalise(mask: &str) -> String {
    let mask = mask.trim();
    let (nick, user, host) = match (mask.split_once('!'), mask.split_once('@')) {
        (Some((nick, rest)), _) => match rest.split_once('@') {
            Some((user, host)) => (nick, user, host),
            None => (nick, rest, ""),
        },
        (None, Some((user, host))) => ("", user, host),
        (None, None) if ActorId::parse(mask).is_ok() => ("", mask, ""),
        (None, None) if mask.contains(['.', ':']) => ("", "", mask),
        (None, None) => (mask, "", ""),
    };
    format!("{}!{}@{}", part(nick), part(user), part(host))
}

/// One part of a mask: an empty part matches anything; a run of stars becomes one star.
fn part(text: &str) -> String {
    if text.is_empty() {
        return "*".to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '*' || !out.ends_with('*') {
            out.push(c);
        }
    }
    out
}

/// Whether a mask matches `nick!user@host`, ignoring case.
pub fn matches(mask: &str, prefix: &str) -> bool {
    Mask::new(mask).matches(&folded(prefix))
}

/// A text as masks are compared with it.
pub fn folded(text: &str) -> Vec<char> {
    text.chars().map(fold).collect()
}

/// A mask that is compared with many texts.
#[derive(Debug, Clone)]
pub struct Mask(Vec<char>);

impl Mask {
    /// Folds it.
    pub fn new(mask: &str) -> Self {
        Self(folded(mask))
    }

    /// Whether it matches a folded `nick!user@host`.
    pub fn matches(&self, text: &[char]) -> bool {
        matches_folded(&self.0, text)
    }
}

/// It remembers only the last `*` it passed, so it takes at most (length of mask) × (length of
/// prefix) steps for any mask, however many stars it has.
fn matches_folded(mask: &[char], text: &[char]) -> bool {
    let (mut m, mut t) = (0, 0);
    // Behind the last star: where to go on in the mask, and up to where in the text the star
    // reaches.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match mask.get(m) {
            Some('*') => {
                m += 1;
                star = Some((m, t));
            }
            Some(c) if *c == '?' || *c == text[t] => {
                m += 1;
                t += 1;
            }
            _ => match star {
                Some((behind, reach)) => {
                    m = behind;
                    t = reach + 1;
                    star = Some((behind, t));
                }
                None => return false,
            },
        }
    }
    mask[m..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn partial_masks_are_completed() {
        let id = "a".repeat(32);
        for (given, whole) in [
            ("bob", "bob!*@*"),
            ("*@host", "*!*@host"),
            ("user@host", "*!user@host"),
            ("bob!user", "bob!user@*"),
            ("bob!@", "bob!*@*"),
            ("bob!user@host", "bob!user@host"),
            ("", "*!*@*"),
            ("***", "*!*@*"),
            ("b**b", "b*b!*@*"),
            ("free.example", "*!*@free.example"),
            (id.as_str(), &format!("*!{id}@*")),
        ] {
            assert_eq!(normalise(given), whole);
        }
    }

    #[test]
    fn masks_match_folded() {
        assert!(matches("BOB[]!*@*", "bob{}!id@grid"));
        assert!(matches("*!id@*", "whoever!id@grid"));
        assert!(matches("b?b!*@gr*d", "bob!id@grid"));
        assert!(!matches("b?b!*@*", "bb!id@grid"));
        assert!(!matches("bob", "bob!id@grid"));
        assert!(matches("*", ""));
        assert!(!matches("?", ""));
    }

    #[test]
    fn many_stars_are_no_trap() {
        assert!(!matches(&"*a".repeat(2000), &"a".repeat(1999)));
        assert!(!matches(&format!("{}b", "*a".repeat(1000)), &"a".repeat(4000)));
    }

    /// The textbook definition, exponential and obvious.
    fn model(mask: &[char], text: &[char]) -> bool {
        match (mask.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', mask)), None) => model(mask, text),
            (Some(('*', rest)), Some((_, tail))) => model(rest, text) || model(mask, tail),
            (Some((m, rest)), Some((t, tail))) => (*m == '?' || m == t) && model(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn the_matcher_agrees_with_the_model(mask in "[ab*?]{0,9}", text in "[ab]{0,9}") {
            let (m, t): (Vec<char>, Vec<char>) = (mask.chars().collect(), text.chars().collect());
            prop_assert_eq!(matches(&mask, &text), model(&m, &t));
        }

        #[test]
        fn normalising_twice_changes_nothing(mask in "[a!@*?. :é]{0,12}") {
            let once = normalise(&mask);
            prop_assert_eq!(normalise(&once), once.clone());
        }

        #[test]
        fn any_text_is_matched_by_itself_and_by_a_star(text in "[^*?]*") {
            prop_assert!(matches(&text, &text));
            prop_assert!(matches("*", &text));
        }
    }
}
