//! kirc-core: the logic of kirc, without any I/O or waiting.
//!
//! All front ends use this crate. It owns the rules about channels, keys, delivery and identities.
//! It must not read a clock, a file, a socket or the system's random numbers: time, randomness and
//! the outcome of all I/O arrive as [`port::Input`], and its requests leave as [`port::Effect`].
#![forbid(unsafe_code)]
#![warn(missing_docs)]

/// Whether a rule is deliberately broken. Always false in the program: the switch exists only with
/// the feature `mutants`.
macro_rules! mutant {
    ($config:expr, $($name:ident),+) => {{
        #[cfg(feature = "mutants")]
        let broken = $config.mutant.is_some_and(|m| matches!(m, $($crate::node::Mutant::$name)|+));
        #[cfg(not(feature = "mutants"))]
        let broken = {
            let _ = &$config;
            false
        };
        broken
    }};
}

pub mod channel;
pub mod crypto;
pub mod envelope;
pub mod identity;
pub mod ids;
pub mod keys;
pub mod limits;
pub mod log;
pub mod mask;
pub mod names;
pub mod node;
pub mod numeric;
pub mod port;

pub use envelope::{Body, Envelope};
