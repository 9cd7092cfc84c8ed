//! Newtypes for ids and counters. They are checked once, on entry. Nothing here knows their
//! meaning.

/// What an id has that is text in JSON, given its `Display` and `parse`.
macro_rules! text_id {
    ($name:ident) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

mod actor;

pub(crate) use self::actor::base32;
pub use self::actor::{ActorId, UserId};

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

/// The largest integer that a signed record may hold: JCS (RFC 8785 §3.2.2.3) can't distinguish
/// larger ones.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// A malformed id or counter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}: {why}")]
pub struct IdError {
    /// The kind of id.
    pub what: &'static str,
    /// What is wrong with it.
    pub why: String,
}

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The next number.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let value = u64::deserialize(d)?;
                if value > MAX_SAFE_INTEGER {
                    return Err(serde::de::Error::custom(concat!(stringify!($name), " above 2^53-1")));
                }
                Ok(Self(value))
            }
        }
    };
}

counter!(
    /// The number of a leader's term. It only grows; the log assigns it.
    Term
);
counter!(
    /// The position of a record in a channel's chain.
    Seq
);
counter!(
    /// The number of a channel key.
    Epoch
);
counter!(
    /// An author's own count of its acts in one channel.
    Count
);

/// A position in a partition. Not for signed records: those carry offsets as strings.
pub type Offset = u64;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = u64;

macro_rules! bytes_b64 {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Reads the text form: base64url without padding.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let bytes = B64
                    .decode(text)
                    .map_err(|e| IdError { what: stringify!($name), why: e.to_string() })?;
                let bytes: [u8; $len] = bytes.try_into().map_err(|b: Vec<u8>| IdError {
                    what: stringify!($name),
                    why: format!("{} bytes instead of {}", b.len(), $len),
                })?;
                Ok(Self(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&B64.encode(self.0))
            }
        }

        text_id!($name);
    };
}

bytes_b64!(
    /// A link of a chain: SHA-256, cut to 24 bytes (192 bits).
    Hash, 24
);
bytes_b64!(
    /// The identity of a channel: the hash of its founder's first claim.
    ChannelId, 24
);
bytes_b64!(
    /// The id of a channel key and a commitment to it: a hash of channel, epoch and key.
    KeyId, 16
);

bytes_b64!(
    /// The random part of a hosted user's id.
    UserMark, 16
);

impl Hash {
    /// The head of an empty chain.
    pub const ZERO: Self = Self([0; 24]);

    /// The hash of some parts, each prefixed with its length, under a domain that separates uses.
    pub fn of(domain: &str, parts: &[&[u8]]) -> Self {
        let mut out = [0; 24];
        out.copy_from_slice(&digest(domain, parts)[..24]);
        Self(out)
    }
}

/// SHA-256 over a domain and parts. Each part is prefixed with its length as 8 bytes, so that no
/// two lists of parts collide.
pub fn digest(domain: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update((domain.len() as u64).to_be_bytes());
    hasher.update(domain.as_bytes());
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// A message's id: a UUIDv7 (RFC 9562 §5.7). One author's ids always grow, even when its clock
/// steps back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MsgId(pub u128);

impl MsgId {
    /// An id for this time that is larger than `last`; `random` fills the bits that the time leaves
    /// free.
    pub fn generate(now: Millis, random: u128, last: MsgId) -> Self {
        const VARIANT: u128 = 0b10 << 62;
        let stamp = u128::from(now & 0xffff_ffff_ffff) << 80;
        let id = stamp | 7 << 76 | (random >> 16 & 0xfff) << 64 | VARIANT | random >> 64 & ((1 << 62) - 1);
        if id > last.0 {
            return Self(id);
        }
        // Same millisecond or a clock that stepped back: one behind the last one, version and
        // variant kept. By how much is chance: what a node sent under the very next one it may have
        // forgotten in a crash, and must not say again.
        let low = (last.0 & ((1 << 62) - 1)) + 1 + (random & 0xffff_ffff);
        if low < 1 << 62 {
            return Self(last.0 & !((1 << 62) - 1) | low);
        }
        let stamp = ((last.0 >> 80) + 1) << 80;
        Self(stamp | 7 << 76 | VARIANT)
    }

    /// Reads the usual text form of a UUID.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let bad = |why: &str| IdError { what: "message id", why: why.to_owned() };
        let bytes = text.as_bytes();
        if bytes.len() != 36 || [8, 13, 18, 23].iter().any(|i| bytes[*i] != b'-') {
            return Err(bad("a UUID has the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"));
        }
        let mut value = 0u128;
        for (i, c) in bytes.iter().enumerate() {
            let digit = match c {
                b'-' if [8, 13, 18, 23].contains(&i) => continue,
                b'0'..=b'9' => c - b'0',
                b'a'..=b'f' => c - b'a' + 10,
                _ => return Err(bad("a UUID has lower-case hexadecimal digits")),
            };
            value = value << 4 | u128::from(digit);
        }
        Ok(Self(value))
    }

    /// The time that the id carries.
    pub fn millis(self) -> Millis {
        (self.0 >> 80) as u64
    }
}

impl fmt::Display for MsgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            v >> 96,
            v >> 80 & 0xffff,
            v >> 64 & 0xffff,
            v >> 48 & 0xffff,
            v & 0xffff_ffff_ffff
        )
    }
}

text_id!(MsgId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actor_id_survives_its_text_form() {
        let id = ActorId::of_key(&[7; 32]);
        assert_eq!(ActorId::parse(&id.to_string()), Ok(id));
        assert!(ActorId::parse("nope").is_err());
        assert!(ActorId::parse(&"A".repeat(32)).is_err());
    }

    #[test]
    fn an_actor_id_is_written_as_it_always_was() {
        // RFC 4648 §6, as another program writes it.
        let bytes: [u8; 20] = std::array::from_fn(|i| (i * 13 + 7) as u8);
        assert_eq!(ActorId(bytes).to_string(), "a4kcclr3jbkwe334rglkhmf5zll6j4p6");
        assert_eq!(ActorId([0; 20]).to_string(), "a".repeat(32));
        assert_eq!(ActorId([255; 20]).to_string(), "7".repeat(32));
        assert_eq!(base32(&bytes), ActorId(bytes).to_string());
    }

    #[test]
    fn an_id_that_a_crash_took_is_not_given_again() {
        let last = MsgId::generate(1_000, 1 << 70, MsgId::default());
        let [lost, next] = [5, 6].map(|random| MsgId::generate(900, random, last));
        assert!(lost > last && next > last && lost != next);
    }

    #[test]
    fn message_ids_grow_when_the_clock_steps_back() {
        let a = MsgId::generate(1_000_000, 99, MsgId::default());
        let b = MsgId::generate(1_000_000, 5, a);
        let c = MsgId::generate(900_000, 77, b);
        assert!(a < b && b < c);
        assert_eq!(MsgId::parse(&c.to_string()), Ok(c));
        assert_eq!(&c.to_string()[14..15], "7");
        assert_eq!(a.millis(), 1_000_000);
    }

    #[test]
    fn counters_above_the_safe_integer_are_refused() {
        assert!(serde_json::from_str::<Seq>("9007199254740991").is_ok());
        assert!(serde_json::from_str::<Seq>("9007199254740992").is_err());
        assert!(serde_json::from_str::<Seq>("-1").is_err());
    }
}
