//! Encryption at rest with a passphrase: Argon2id derives a key, AES-256-GCM encrypts.
//!
//! It serves key files. A file records its own Argon2 costs, so they can grow. The costs that a
//! file requests are bounded, so a forged file can't exhaust the machine.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use rsa::rand_core::RngCore;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{CryptoError, Rng};
use crate::envelope::canonical_json;

const ALG: &str = "argon2id+aes-256-gcm";
/// The costs we write: 64 MiB, three passes (RFC 9106 §4, second choice, on one lane).
const MAKE: Costs = Costs { m: 64 * 1024, t: 3, p: 1 };
/// The highest costs we accept: 1 GiB, 16 passes, 8 lanes.
const MOST: Costs = Costs { m: 1024 * 1024, t: 16, p: 8 };

#[derive(Clone, Copy)]
struct Costs {
    m: u32,
    t: u32,
    p: u32,
}

/// Seals bytes under a passphrase: `{alg,m,t,p,salt,nonce,ct}`. Fails only if Argon2 gets no
/// memory.
pub(crate) fn seal_with_passphrase(
    plain: &[u8],
    passphrase: &str,
    rng: &mut Rng,
) -> Result<Value, CryptoError> {
    let (mut salt, mut nonce) = ([0; 16], [0; 12]);
    rng.fill_bytes(&mut salt);
    rng.fill_bytes(&mut nonce);
    let msg = Payload { msg: plain, aad: &bound(MAKE, &salt) };
    let ct = cipher(passphrase, &salt, MAKE)?.encrypt(&nonce.into(), msg).map_err(|_| CryptoError::Form)?;
    Ok(json!({
        "alg": ALG,
        "m": MAKE.m,
        "t": MAKE.t,
        "p": MAKE.p,
        "salt": B64.encode(salt),
        "nonce": B64.encode(nonce),
        "ct": B64.encode(ct),
    }))
}

/// Opens the output of [`seal_with_passphrase`]. [`CryptoError::Open`]: wrong passphrase, or
/// changed bytes.
pub(crate) fn open_with_passphrase(
    sealed: &Value,
    passphrase: &str,
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let bytes = |name| {
        let text = sealed.get(name).and_then(Value::as_str);
        B64.decode(text.ok_or(CryptoError::Form)?).map_err(|_| CryptoError::Form)
    };
    let cost = |name, most: u32| {
        let value = sealed.get(name).and_then(Value::as_u64);
        value.and_then(|v| u32::try_from(v).ok()).filter(|v| (1..=most).contains(v)).ok_or(CryptoError::Form)
    };
    if sealed.get("alg").and_then(Value::as_str) != Some(ALG) {
        return Err(CryptoError::Form);
    }
    let costs = Costs { m: cost("m", MOST.m)?, t: cost("t", MOST.t)?, p: cost("p", MOST.p)? };
    let (salt, nonce, ct) = (bytes("salt")?, bytes("nonce")?, bytes("ct")?);
    if !(8..=64).contains(&salt.len()) {
        return Err(CryptoError::Form);
    }
    let nonce: [u8; 12] = nonce.try_into().map_err(|_| CryptoError::Form)?;
    let msg = Payload { msg: &ct, aad: &bound(costs, &salt) };
    cipher(passphrase, &salt, costs)?
        .decrypt(&nonce.into(), msg)
        .map(Zeroizing::new)
        .map_err(|_| CryptoError::Open)
}

fn cipher(passphrase: &str, salt: &[u8], costs: Costs) -> Result<Aes256Gcm, CryptoError> {
    let params = Params::new(costs.m, costs.t, costs.p, Some(32)).map_err(|_| CryptoError::Form)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, key.as_mut())
        .map_err(|_| CryptoError::Form)?;
    Aes256Gcm::new_from_slice(key.as_ref()).map_err(|_| CryptoError::Form)
}

/// The associated data of the seal: how it was made.
fn bound(costs: Costs, salt: &[u8]) -> Vec<u8> {
    canonical_json(&json!({
        "kirc": "at-rest.v1",
        "alg": ALG,
        "m": costs.m,
        "t": costs.t,
        "p": costs.p,
        "salt": B64.encode(salt),
    }))
}
