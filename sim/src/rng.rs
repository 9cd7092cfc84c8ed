//! The only source of randomness in a run: a seeded random number generator. Two runs with the same
//! seed draw the same numbers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A seeded stream of random choices.
pub struct Dice(ChaCha8Rng);

/// The stream beside that of a seed: one that leaves the pinned seeds of the tests the one cluster
/// that they had.
const BESIDE: u64 = 6;

impl Dice {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// An independent stream, so that what one part draws does not move what another draws.
    pub fn fork(&mut self) -> Self {
        Self::new(self.0.next_u64())
    }

    /// A stream beside this one, which does not move by it: what is drawn from there changes
    /// nothing that was drawn before.
    pub fn aside(&self) -> Self {
        let mut beside = self.0.clone();
        beside.set_stream(BESIDE);
        Self(beside)
    }

    /// A number below `n` (0 if `n` is 0).
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { ((u128::from(self.0.next_u64()) * u128::from(n)) >> 64) as u64 }
    }

    /// A number in `from..=to`.
    pub fn range(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// An index below `n`.
    pub fn index(&mut self, n: usize) -> usize {
        self.below(n as u64) as usize
    }

    /// True in `permille` of 1,000 cases.
    pub fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// One of some, if there is one.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() {
            None
        } else {
            let at = self.index(of.len());
            of.get(at)
        }
    }

    /// 32 random bytes.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut out = [0; 32];
        self.0.fill_bytes(&mut out);
        out
    }

    /// A word of random lower-case letters.
    pub fn word(&mut self, letters: usize) -> String {
        (0..letters).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_throws_the_same_twice() {
        let (mut a, mut b) = (Dice::new(7), Dice::new(7));
        let draw = |d: &mut Dice| (0..50).map(|_| d.range(3, 9)).collect::<Vec<_>>();
        let first = draw(&mut a);
        assert_eq!(first, draw(&mut b));
        assert!(first.iter().all(|n| (3..=9).contains(n)));
        assert_ne!(Dice::new(8).word(12), Dice::new(7).word(12));
    }
}
