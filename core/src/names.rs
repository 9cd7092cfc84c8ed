//! Names of people and rooms, and how they are compared (IRC's `rfc1459` case mapping).
use serde::{Deserialize, Serialize};

/// A name that is not of its form. The text is a sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameError(pub String);

/// The case mapping `rfc1459` (RFC 2812 §2.2): `{}|^` are the lower case of `[]\~`.
pub fn casefold(text: &str) -> String {
    let _ = text;
    todo!()
}

/// A nick. Equality and order fold case.
#[derive(Debug, Clone)]
pub struct Nick(String);

impl Nick {
    /// Checks a nick: letter or special first, then letters, digits, specials, `-`; [`crate::limits::NICK`] bytes.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let _ = text;
        todo!()
    }
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Folded, for comparison and keys.
    pub fn folded(&self) -> String {
        casefold(&self.0)
    }
}

/// A channel's name: `#name`, or `#name@contact` for a room on a contact's grid. Equality and order fold case.
#[derive(Debug, Clone)]
pub struct ChannelName(String);

impl ChannelName {
    /// Checks a channel's name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let _ = text;
        todo!()
    }
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Folded, for comparison and keys.
    pub fn folded(&self) -> String {
        casefold(&self.0)
    }
}

macro_rules! temp {
    ($t:ident) => {
        impl PartialEq for $t {
            fn eq(&self, o: &Self) -> bool {
                self.folded() == o.folded()
            }
        }
        impl Eq for $t {}
        impl PartialOrd for $t {
            fn partial_cmp(&self, o: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(o))
            }
        }
        impl Ord for $t {
            fn cmp(&self, o: &Self) -> std::cmp::Ordering {
                self.folded().cmp(&o.folded())
            }
        }
        impl std::fmt::Display for $t {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl Serialize for $t {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }
        impl<'de> Deserialize<'de> for $t {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let t = std::borrow::Cow::<'de, str>::deserialize(d)?;
                Self::parse(&t).map_err(serde::de::Error::custom)
            }
        }
    };
}
temp!(Nick);
temp!(ChannelName);
