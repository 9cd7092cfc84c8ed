//! Key wraps: RSA-OAEP with SHA-256 and a label.
//!
//! The public operation uses the `rsa` crate with the node's own random numbers. The private
//! operation runs on the constant-time library (RUSTSEC-2023-0071: the one in the `rsa` crate is
//! not constant-time). The caller checks signatures first.

use std::borrow::Cow;

use aws_lc_rs::rsa::OAEP_SHA256_MGF1SHA256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use rsa::pkcs8::DecodePublicKey;
use rsa::{Oaep, RsaPublicKey};
use serde_json::json;
use zeroize::Zeroizing;

use super::{ChannelKey, CryptoError, Rng};
use crate::envelope::canonical_json;
use crate::identity::{Identity, PublicKeys};
use crate::ids::{ActorId, ChannelId, Epoch, KeyId};

/// The OAEP label of a wrapped channel key: canonical JSON of channel, epoch, KeyID, sender,
/// receiver.
pub fn wrap_label(channel: &ChannelId, epoch: Epoch, kid: &KeyId, from: &ActorId, to: &ActorId) -> Vec<u8> {
    canonical_json(&json!({
        "kirc": "wrap.v1",
        "channel": channel,
        "epoch": epoch,
        "kid": kid,
        "from": from,
        "to": to,
    }))
}

/// Wraps a key to a peer: RSA-OAEP with SHA-256 and a label; base64url.
pub fn wrap(key: &ChannelKey, to: &PublicKeys, label: &[u8], rng: &mut Rng) -> String {
    let padding = Oaep::new_with_label::<rsa::sha2::Sha256, _>(label_text(label));
    // `PublicKeys` holds only keys that parse, and 32 bytes fit into the smallest. Were it
    // otherwise, the wrap would be one that nobody can open.
    RsaPublicKey::from_public_key_der(to.rsa_der())
        .and_then(|rsa| {
            rsa.encrypt(rng, padding, key.expose()).map_err(|_| rsa::pkcs8::spki::Error::KeyMalformed)
        })
        .map(|ct| B64.encode(ct))
        .unwrap_or_default()
}

/// Unwraps with the constant-time library.
pub fn unwrap(ct: &str, me: &Identity, label: &[u8]) -> Result<ChannelKey, CryptoError> {
    let ct = B64.decode(ct).map_err(|_| CryptoError::Open)?;
    let rsa = me.unwrap_key();
    let mut buffer = Zeroizing::new(vec![0; rsa.min_output_size()]);
    let plain = rsa
        .decrypt(&OAEP_SHA256_MGF1SHA256, &ct, &mut buffer, Some(label_text(label).as_bytes()))
        .map_err(|_| CryptoError::Open)?;
    let bytes: [u8; 32] = (&*plain).try_into().map_err(|_| CryptoError::Open)?;
    Ok(ChannelKey::from_bytes(bytes))
}

/// The label as text, because the `rsa` crate takes only text. Our labels are text; any other bytes
/// are written as base64 after a NUL.
fn label_text(label: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(label) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(format!("\0{}", B64.encode(label))),
    }
}
