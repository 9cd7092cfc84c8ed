//! Encryption: channel keys (Fernet), sealing to a peer (RSA-OAEP and Fernet), sealing at rest
//! (Argon2id, AES-256-GCM).
//!
//! It knows keys and bytes, nothing of channels or peers, and it never says why something does not
//! open.

mod at_rest;
mod channel_key;
mod oaep;
mod sealed;

pub(crate) use at_rest::{open_with_passphrase, seal_with_passphrase};
pub use channel_key::ChannelKey;
pub use oaep::{unwrap, wrap, wrap_label};
pub use sealed::{open, seal};

/// The node's own random numbers: seeded from outside, so that a run can be repeated.
pub type Rng = rand_chacha::ChaCha20Rng;

/// Why something could not be opened. It says no more than it must: who sends us bytes learns
/// nothing from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// It can't be opened with this key.
    #[error("it can't be opened with this key")]
    Open,
    /// It is not of its form.
    #[error("it is not of its form")]
    Form,
}
