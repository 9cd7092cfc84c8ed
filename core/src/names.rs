//! Names of people and channels, and how they are compared (IRC's `rfc1459` case mapping).
//!
//! A name is checked once, on entry, and folded once. Nothing here knows who uses it.
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits;

/// A malformed name. The text is a sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameError(pub String);

/// The case mapping `rfc1459` (RFC 2812 §2.2): `{}|^` are the lower case of `[]\~`.
pub fn casefold(text: &str) -> String {
    text.chars().map(fold).collect()
}

/// The case mapping of one character; characters outside ASCII stay unchanged.
pub(crate) fn fold(c: char) -> char {
    match c {
        'A'..='Z' => c.to_ascii_lowercase(),
        '[' => '{',
        ']' => '}',
        '\\' => '|',
        '~' => '^',
        _ => c,
    }
}

/// A name as written and as compared. Both kinds of names are thin wrappers around it.
#[derive(Clone)]
struct Folded {
    text: String,
    folded: String,
}

impl Folded {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), folded: casefold(text) }
    }
}

/// A nick, and its look-alike form if that differs from the folded form. Equality, order and hash
/// ignore case.
#[derive(Clone)]
pub struct Nick(Folded, Option<Box<str>>);

/// The name under which a node itself sends messages.
pub const NODE: &str = "kirc";

impl Nick {
    /// Checks a nick: a letter or special character first, then letters, digits, special
    /// characters, `-`; at most [`crate::limits::NICK`] bytes.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let Some(first) = text.chars().next() else {
            return Err(NameError("A nick can't be empty".to_owned()));
        };
        if text.len() > limits::NICK {
            return Err(NameError(format!(
                "A nick has at most {} letters; this one has {}",
                limits::NICK,
                text.len()
            )));
        }
        if !is_nick_start(first) {
            return Err(NameError(format!(
                "A nick starts with a letter or one of []\\`_^{{|}}, not with {first:?}"
            )));
        }
        if let Some(c) = text.chars().find(|c| !is_nick_char(*c)) {
            return Err(NameError(format!("A nick has no {c:?}: only letters, digits, - and []\\`_^{{|}}")));
        }
        let name = Folded::new(text);
        if name.folded == NODE {
            return Err(NameError(format!("{NODE} is what nodes call themselves: nobody else goes by it")));
        }
        let shape = Some(skeleton(text)).filter(|shape| *shape != name.folded);
        Ok(Self(name, shape.map(String::into_boxed_str)))
    }
    /// Whether people may confuse the two (UTS #39 §4): `b0b` for `Bob`, `a1ice` for `alice`, `rn`
    /// for `m`.
    pub fn looks_like(&self, other: &Self) -> bool {
        self.shape() == other.shape()
    }
    fn shape(&self) -> &str {
        self.1.as_deref().unwrap_or(&self.0.folded)
    }
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }
    /// Folded, for comparison and keys.
    pub fn folded(&self) -> String {
        self.0.folded.clone()
    }
    /// Folded, without a copy.
    pub fn as_folded(&self) -> &str {
        &self.0.folded
    }
}

/// The look-alike form of a nick: the part of UTS #39's table of confusables for the characters of
/// a nick, then folded.
fn skeleton(nick: &str) -> String {
    let mut shape = String::with_capacity(nick.len() + 2);
    for c in nick.chars() {
        match c {
            '0' => shape.push('o'),
            '1' | 'I' | '|' => shape.push('l'),
            'm' => shape.push_str("rn"),
            _ => shape.push(fold(c)),
        }
    }
    shape
}

fn is_nick_start(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '[' | ']' | '\\' | '`' | '_' | '^' | '{' | '|' | '}')
}

fn is_nick_char(c: char) -> bool {
    is_nick_start(c) || c.is_ascii_digit() || c == '-'
}

/// A channel's name: `#name`, or `#name@contact` for a channel on a contact's grid. Equality, order
/// and hash ignore case.
#[derive(Clone)]
pub struct ChannelName(Folded);

impl ChannelName {
    /// Checks a channel's name: `#`, then anything but spaces, commas, colons and invisible
    /// characters; at most one `@`, followed by a nick; at most [`crate::limits::CHANNEL`] bytes.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let Some(rest) = text.strip_prefix('#') else {
            return Err(NameError("A channel's name starts with #".to_owned()));
        };
        if text.len() > limits::CHANNEL {
            return Err(NameError(format!(
                "A channel's name has at most {} bytes; this one has {}",
                limits::CHANNEL,
                text.len()
            )));
        }
        if let Some(c) = rest.chars().find(|c| !is_channel_char(*c)) {
            return Err(NameError(format!(
                "A channel's name has no {c:?} in it: no spaces, commas, colons or invisible characters"
            )));
        }
        let (name, contact) = match rest.split_once('@') {
            Some((name, contact)) => (name, Some(contact)),
            None => (rest, None),
        };
        if name.is_empty() {
            return Err(NameError("A channel's name needs more than #".to_owned()));
        }
        if let Some(contact) = contact {
            Nick::parse(contact)
                .map_err(|e| NameError(format!("Behind @ stands the contact whose grid it is: {e}")))?;
        }
        Ok(Self(Folded::new(text)))
    }
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }
    /// Folded, for comparison and keys.
    pub fn folded(&self) -> String {
        self.0.folded.clone()
    }
    /// Folded, without a copy.
    pub fn as_folded(&self) -> &str {
        &self.0.folded
    }
    /// The name on its own grid: `#name`.
    pub fn local(&self) -> &str {
        self.split().0
    }
    /// The contact whose grid it is on, if it is not the user's own.
    pub fn contact(&self) -> Option<&str> {
        self.split().1
    }
    fn split(&self) -> (&str, Option<&str>) {
        match self.0.text.split_once('@') {
            Some((local, contact)) => (local, Some(contact)),
            None => (&self.0.text, None),
        }
    }
}

fn is_channel_char(c: char) -> bool {
    let never = matches!(c, ',' | ':') || c.is_control() || c.is_whitespace();
    !(never || is_invisible(c) || has_no_meaning(c))
}

/// Whether nobody agrees on how a character looks: those for private use, and those that Unicode
/// sets aside for ever (Unicode 16, sections 23.5 and 23.7).
fn has_no_meaning(c: char) -> bool {
    let private = matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}');
    private || matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

/// Whether a character is invisible or reverses the text direction.
pub fn is_invisible(c: char) -> bool {
    INVISIBLE.iter().any(|(from, to)| (*from..=*to).contains(&c))
}

/// Whether a character of running text is left out where it is displayed: an invisible one, but for
/// those that scripts and emoji need (joiners, variation selectors) and those that end a line.
pub fn is_hidden_in_text(c: char) -> bool {
    let shaped = matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{2028}' | '\u{2029}');
    !shaped && is_invisible(c)
}

/// Characters that are invisible or reverse the text direction: they could make two names look the
/// same. These are Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties, 16.0), which UTS
/// 39 (section 3.1) excludes from identifiers, and characters that are displayed as blank or as an
/// annotation: the empty braille pattern, and U+FFF9 to U+FFFB.
const INVISIBLE: [(char, char); 20] = [
    ('\u{00ad}', '\u{00ad}'),
    ('\u{034f}', '\u{034f}'),
    ('\u{061c}', '\u{061c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{16fe4}', '\u{16fe4}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d159}', '\u{1d159}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// The common traits of both kinds of names: they compare and hash folded, and are text in JSON.
macro_rules! compares_folded {
    ($name:ident) => {
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.folded == other.0.folded
            }
        }
        impl Eq for $name {}
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.0.folded.cmp(&other.0.folded)
            }
        }
        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.0.folded.hash(state);
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0.text)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.0.text)
            }
        }
        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0.text)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
compares_folded!(Nick);
compares_folded!(ChannelName);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn confusable_nicks_look_alike() {
        let nick = |text| Nick::parse(text).expect("a nick");
        for (a, b) in
            [("bob", "B0b"), ("alice", "a1ice"), ("Lisa", "Iisa"), ("mallory", "rnallory"), ("Bob", "bob")]
        {
            assert!(nick(a).looks_like(&nick(b)), "{a} {b}");
        }
        for (a, b) in [("bob", "rob"), ("alice", "alicia"), ("bill", "ball")] {
            assert!(!nick(a).looks_like(&nick(b)), "{a} {b}");
        }
    }

    #[test]
    fn a_nick_is_what_rfc_2812_says() {
        for good in ["bob", "[x]", "_", "`a", "a-b", "Z9", "{|}^\\", &"n".repeat(30)] {
            assert!(Nick::parse(good).is_ok(), "{good}");
        }
        for bad in
            ["", "9a", "-a", "a b", "a!b", "a@b", "~x", "é", "bøb", "a\u{7}", "#a", "a.b", &"n".repeat(31)]
        {
            assert!(Nick::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_channel_name_is_local_or_at_a_contact() {
        let here = ChannelName::parse("#net").unwrap();
        assert_eq!((here.local(), here.contact()), ("#net", None));
        let there = ChannelName::parse("#Café@Bob").unwrap();
        assert_eq!((there.local(), there.contact()), ("#Café", Some("Bob")));
        assert!(ChannelName::parse("##c++").is_ok());
        for bad in [
            "",
            "net",
            "#",
            "#a b",
            "#a,b",
            "#a\u{7}",
            "#a:b",
            "#@bob",
            "#a@",
            "#a@9",
            "#a@b@c",
            "#a\u{200b}",
            "#net\u{34f}",
            "#net\u{61c}",
            "#net\u{115f}",
            "#net\u{2800}",
            "#net\u{e000}",
            "#net\u{fdd0}",
            "#net\u{1fffe}",
            "#net\u{10fffe}",
            "#net\u{3164}",
            "#net\u{fe0f}",
            "#net\u{ffa0}",
            "#net\u{e0100}",
            "#a\u{202e}",
            "#a\u{a0}b",
            "&a",
        ] {
            assert!(ChannelName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(ChannelName::parse(&format!("#{}", "x".repeat(63))).is_ok());
        assert!(ChannelName::parse(&format!("#{}", "x".repeat(64))).is_err());
    }

    #[test]
    fn names_compare_order_and_hash_folded() {
        let (a, b) = (Nick::parse("Bob[]\\").unwrap(), Nick::parse("bOB{}|").unwrap());
        assert_eq!(a, b);
        assert_eq!(a.cmp(&b), Ordering::Equal);
        assert_eq!(HashSet::from([a, b]).len(), 1);
        assert_eq!(casefold("A~Ä"), "a^Ä");
    }

    #[test]
    fn names_keep_their_writing_in_json() {
        let name: ChannelName = serde_json::from_str("\"#Net\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"#Net\"");
        assert!(serde_json::from_str::<Nick>("\"no nick\"").is_err());
    }

    proptest! {
        #[test]
        fn casefold_twice_is_casefold_once(text in ".*") {
            let once = casefold(&text);
            prop_assert_eq!(casefold(&once), once.clone());
            prop_assert_eq!(once.len(), text.len());
        }

        #[test]
        fn parsing_never_panics_and_survives_its_text(text in ".{0,40}") {
            if let Ok(nick) = Nick::parse(&text) {
                prop_assert_eq!(nick.as_str(), text.as_str());
                prop_assert!(crate::ids::ActorId::parse(&text).is_err());
            }
            if let Ok(name) = ChannelName::parse(&format!("#{text}")) {
                prop_assert!(name.local().starts_with('#'));
            }
        }
    }
}
