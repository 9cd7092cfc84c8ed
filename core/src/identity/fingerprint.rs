//! Fingerprints and safety numbers, which people compare.
//!
//! It reads public keys only. Both sides get the same text.

use sha2::{Digest, Sha512};

use super::PublicKeys;

/// Rounds of the hash. They make a search for a similar number expensive.
const ROUNDS: usize = 5200;
/// The version of the algorithm; it is part of the hashed data.
const VERSION: [u8; 2] = [0, 1];

impl PublicKeys {
    /// The fingerprint, short enough to read aloud: the actor id in groups of four letters.
    pub fn fingerprint(&self) -> String {
        let id = self.actor().to_string();
        let mut out = String::with_capacity(40);
        for (i, letter) in id.chars().enumerate() {
            if i > 0 && i % 4 == 0 {
                out.push(' ');
            }
            out.push(letter);
        }
        out
    }

    /// One party's half of a safety number: 30 digits in six groups of five.
    fn half(&self) -> [u32; 6] {
        let keys = [&self.ed25519()[..], self.rsa_der()];
        let mut hash = Sha512::new()
            .chain_update(VERSION)
            .chain_update(keys[0])
            .chain_update(keys[1])
            .chain_update(self.actor().0)
            .finalize();
        for _ in 1..ROUNDS {
            hash = Sha512::new().chain_update(hash).chain_update(keys[0]).chain_update(keys[1]).finalize();
        }
        let mut groups = [0; 6];
        for (group, bytes) in groups.iter_mut().zip(hash.chunks(5)) {
            let number = bytes.iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
            *group = (number % 100_000) as u32;
        }
        groups
    }
}

/// The safety number of two identities: 60 digits in 12 groups of five, the same on both sides.
pub fn safety_number(a: &PublicKeys, b: &PublicKeys) -> String {
    let mut halves = [a.half(), b.half()];
    halves.sort_unstable();
    let groups: Vec<String> = halves.iter().flatten().map(|group| format!("{group:05}")).collect();
    groups.join(" ")
}
