//! Encryption: channel keys (Fernet), sealing to a peer (RSA-OAEP and Fernet), encryption at rest
//! (Argon2id, AES-256-GCM).
//!
//! It knows keys and bytes, but no channels or peers. It never says why something does not open.

mod at_rest;
mod channel_key;
mod oaep;
mod sealed;

pub(crate) use at_rest::{open_with_passphrase, seal_with_passphrase};
pub use channel_key::ChannelKey;
pub use oaep::{unwrap, wrap, wrap_label};
pub use sealed::{open, seal};

/// The node's own random numbers: seeded from outside, so that a run is reproducible.
pub type Rng = rand_chacha::ChaCha20Rng;

/// Why something could not be opened. It says as little as possible, so the sender of the bytes
/// learns nothing from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// It can't be opened with this key.
    #[error("it can't be opened with this key")]
    Open,
    /// It is malformed.
    #[error("it is not of its form")]
    Form,
}
