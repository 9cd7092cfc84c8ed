//! A channel's key: Fernet, with tokens created at time 0 and read without a clock.
//!
//! Fernet binds nothing but the key: the signed envelope inside a token states what the token
//! belongs to. The token's initialisation vector is the only value here from the system's random
//! numbers instead of the node's own. No decision depends on it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE as B64_PADDED;
use fernet::Fernet;
use rsa::rand_core::RngCore;
use zeroize::Zeroizing;

use super::{CryptoError, Rng};
use crate::ids::{Epoch, KeyId, digest};

/// The time that `decrypt` passes to the crate. The crate refuses tokens dated more than a minute
/// after it; no token is.
const END_OF_TIME: u64 = u64::MAX - 60;

/// A Fernet key: 32 bytes, wiped on drop and never displayed.
pub struct ChannelKey {
    bytes: Zeroizing<[u8; 32]>,
    // Holds the key a second time, ready for use; the crate wipes it on drop.
    fernet: Fernet,
}

impl ChannelKey {
    /// A fresh key.
    pub fn generate(rng: &mut Rng) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut());
        Self::from_bytes(*bytes)
    }

    /// The key with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        let text = Zeroizing::new(B64_PADDED.encode(bytes.as_ref()));
        let Some(fernet) = Fernet::new(&text) else {
            unreachable!("any 32 bytes are a Fernet key");
        };
        Self { bytes, fernet }
    }

    /// The bytes, for wrapping and for the sealed store only.
    pub fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// A second handle on the same key.
    pub fn duplicate(&self) -> Self {
        Self { bytes: self.bytes.clone(), fernet: self.fernet.clone() }
    }

    /// The key's name and commitment: a hash of channel, epoch and all 32 bytes.
    pub fn id(&self, channel: &[u8], epoch: Epoch) -> KeyId {
        let hash = digest("kirc.v1.kid", &[channel, &epoch.0.to_be_bytes(), self.bytes.as_ref()]);
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        KeyId(id)
    }

    /// A Fernet token made at time 0.
    pub fn encrypt(&self, plain: &[u8]) -> String {
        self.fernet.encrypt_at_time(plain, 0)
    }

    /// Opens a token. It ignores the token's time and never computes a TTL.
    pub fn decrypt(&self, token: &str) -> Result<Vec<u8>, CryptoError> {
        self.fernet.decrypt_at_time(token, None, END_OF_TIME).map_err(|_| CryptoError::Open)
    }
}

impl fmt::Debug for ChannelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelKey(…)")
    }
}
