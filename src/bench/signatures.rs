//! Measures only the signatures of a relayed message: the leader verifies the author's and creates
//! its own.

use std::time::Instant;

use kirc_core::Envelope;
use kirc_core::envelope::Domain;
use kirc_core::identity::Identity;

use super::Spread;
use super::bare::nanos;
use crate::profile;

/// One check and one signature of an envelope of about `size` bytes, `count` times; zeros without
/// random numbers.
pub fn measure(count: usize, size: usize) -> Spread {
    let Ok(mut rng) = profile::rng() else {
        return Spread::of(Vec::new());
    };
    let key = Identity::generate(&mut rng, 2048);
    let plain = Envelope::new("PRIVMSG").to("#bench").line("x".repeat(size / 2));
    let signed = plain.clone().sign(Domain::Message, &key);
    let times = (0..count).map(|_| {
        let own = plain.clone();
        let since = Instant::now();
        let checked = signed.verify(Domain::Message, key.public());
        let made = own.sign(Domain::Log, &key);
        let took = nanos(since);
        std::hint::black_box((checked.is_ok(), made));
        took
    });
    Spread::of(times.collect())
}
