//! The identities of simulated people: the fixed key files of the tests, since generating RSA keys
//! takes longer than a run.

use kirc_core::identity::Identity;

macro_rules! file {
    ($number:literal) => {
        include_bytes!(concat!("../../core/tests/keys/", $number, ".json"))
    };
}

const FILES: [&[u8]; 8] = [file!(1), file!(2), file!(3), file!(4), file!(5), file!(6), file!(7), file!(8)];

/// The identity of this number, read anew: an [`Identity`] can't be cloned.
pub fn identity(number: usize) -> Identity {
    Identity::from_key_file(FILES[number % FILES.len()], None)
        .expect("the key files of the tests are not sealed")
}
