//! kirc-core: everything that decides, nothing that waits.
//!
//! The room behind all doors. It owns the rules about channels, keys, delivery and identities. It
//! may not read a clock, a file, a socket or the system's random numbers: time, randomness and
//! every outcome of I/O come in as [`port::Input`], and what it wants done goes out as
//! [`port::Effect`].
#![forbid(unsafe_code)]
#![warn(missing_docs)]

/// Whether a rule is deliberately broken. Always false in the program: the switch exists with
/// feature `mutants` only.
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
