//! Ids of actors and of their users: 20 bytes, as 32 letters of base32.

use std::fmt;

use super::{IdError, digest};

/// The permanent id of an identity: the first 20 bytes of a hash of its Ed25519 key, as 32 letters
/// of base32 (RFC 4648 §6, lower case). Every record carries it in `from` and `to`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorId(pub [u8; 20]);

/// The id of a user. The owner of a node has the id of its actor; a hosted user has a hash of its
/// actor's id and a random mark, so no other actor can claim it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub [u8; 20]);

impl ActorId {
    /// The id of an Ed25519 public key.
    pub fn of_key(ed25519: &[u8; 32]) -> Self {
        Self(shortened("kirc.v1.actor", &[ed25519]))
    }

    /// The user whom this actor's node belongs to.
    pub fn owner(self) -> UserId {
        UserId(self.0)
    }
}

impl UserId {
    /// The id of a user that this actor hosts.
    pub fn hosted(actor: ActorId, mark: &[u8; 16]) -> Self {
        Self(shortened("kirc.v1.user", &[&actor.0, mark]))
    }
}

fn shortened(domain: &str, parts: &[&[u8]]) -> [u8; 20] {
    let mut out = [0; 20];
    out.copy_from_slice(&digest(domain, parts)[..20]);
    out
}

macro_rules! base32_id {
    ($name:ident, $what:literal) => {
        impl $name {
            /// Reads the text form.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                from_base32(text).map(Self).map_err(|why| IdError { what: $what, why: why.to_owned() })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // Every record names its author, most of them twice: nothing is allocated for it.
                f.write_str(std::str::from_utf8(&letters(&self.0)).map_err(|_| fmt::Error)?)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        text_id!($name);
    };
}

base32_id!(ActorId, "actor id");
base32_id!(UserId, "user id");

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// 20 bytes as 32 letters of base32 (RFC 4648 §6, lower case), which every service accepts in
/// names.
pub(crate) fn base32(bytes: &[u8; 20]) -> String {
    letters(bytes).map(char::from).iter().collect()
}

fn letters(bytes: &[u8; 20]) -> [u8; 32] {
    let mut out = [0; 32];
    for (chunk, eight) in bytes.chunks(5).zip(out.chunks_mut(8)) {
        let bits = chunk.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        for (i, letter) in eight.iter_mut().rev().enumerate() {
            *letter = BASE32[(bits >> (i * 5) & 31) as usize];
        }
    }
    out
}

fn from_base32(text: &str) -> Result<[u8; 20], &'static str> {
    let text = text.as_bytes();
    if text.len() != 32 {
        return Err("it has 32 letters");
    }
    let mut out = [0u8; 20];
    for (chunk, bytes) in text.chunks(8).zip(out.chunks_mut(5)) {
        let mut bits = 0u64;
        for c in chunk {
            let digit = BASE32.iter().position(|b| b == c).ok_or("it has only the letters a-z and 2-7")?;
            bits = bits << 5 | digit as u64;
        }
        bytes.copy_from_slice(&bits.to_be_bytes()[3..]);
    }
    Ok(out)
}
