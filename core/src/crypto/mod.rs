//! Encryption: channel keys (Fernet), sealing to a peer (RSA-OAEP and Fernet), sealing at rest (Argon2id, AES-256-GCM).
//!
//! It knows keys and bytes, nothing of channels or peers.
use crate::identity::{Identity, PublicKeys};
use crate::ids::{ChannelId, Epoch, KeyId};

/// The node's own random numbers: seeded from outside, so that a run can be repeated.
pub type Rng = rand_chacha::ChaCha20Rng;

/// Why something could not be opened. It says no more than it must: who sends us bytes learns nothing from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// It can't be opened with this key.
    #[error("it can't be opened with this key")]
    Open,
    /// It is not of its form.
    #[error("it is not of its form")]
    Form,
}

/// A Fernet key: 32 bytes, wiped when dropped, never shown.
pub struct ChannelKey {
    bytes: zeroize::Zeroizing<[u8; 32]>,
}

impl ChannelKey {
    /// A fresh key.
    pub fn generate(rng: &mut Rng) -> Self {
        let _ = rng;
        todo!()
    }
    /// From its bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self {
            bytes: zeroize::Zeroizing::new(bytes),
        }
    }
    /// The bytes, for wrapping and for the sealed store only.
    pub fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }
    /// A second handle on the same key.
    pub fn duplicate(&self) -> Self {
        Self::from_bytes(*self.bytes)
    }
    /// The key's name and commitment: a hash of channel, epoch and all 32 bytes.
    pub fn id(&self, channel: &[u8], epoch: Epoch) -> KeyId {
        let _ = (channel, epoch);
        todo!()
    }
    /// A Fernet token made at time 0.
    pub fn encrypt(&self, plain: &[u8]) -> String {
        let _ = plain;
        todo!()
    }
    /// Opens a token; its time is ignored, no TTL is ever computed.
    pub fn decrypt(&self, token: &str) -> Result<Vec<u8>, CryptoError> {
        let _ = token;
        todo!()
    }
}

/// The OAEP label of a channel key's wrap: canonical JSON of channel, epoch, KeyID, sender, receiver.
pub fn wrap_label(
    channel: &ChannelId,
    epoch: Epoch,
    kid: &KeyId,
    from: &crate::ids::ActorId,
    to: &crate::ids::ActorId,
) -> Vec<u8> {
    let _ = (channel, epoch, kid, from, to);
    todo!()
}

/// Wraps a key to a peer: RSA-OAEP with SHA-256 and a label; base64url.
pub fn wrap(key: &ChannelKey, to: &PublicKeys, label: &[u8], rng: &mut Rng) -> String {
    let _ = (key, to, label, rng);
    todo!()
}
/// Unwraps on the constant-time library.
pub fn unwrap(ct: &str, me: &Identity, label: &[u8]) -> Result<ChannelKey, CryptoError> {
    let _ = (ct, me, label);
    todo!()
}

/// Seals bytes to a peer who shares no key yet: a fresh Fernet key by OAEP, the bytes by Fernet. JSON object `{alg,key,ct}` as value.
pub fn seal(plain: &[u8], to: &PublicKeys, label: &[u8], rng: &mut Rng) -> serde_json::Value {
    let _ = (plain, to, label, rng);
    todo!()
}
/// Opens what [`seal`] made.
pub fn open(
    sealed: &serde_json::Value,
    me: &Identity,
    label: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let _ = (sealed, me, label);
    todo!()
}
