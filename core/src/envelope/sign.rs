//! Signatures: Ed25519 over a domain prefix and the canonical form without `meta.sig`.
//!
//! It verifies a signature under a key that the caller provides. It never takes a key from the
//! envelope.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::Value;

use super::canonical::{safe_envelope, write_envelope};
use super::{Domain, Envelope, EnvelopeError};
use crate::identity::{Identity, PublicKeys};

const ALG: &str = "ed25519";

impl Domain {
    /// The prefix of the signed bytes.
    fn prefix(self) -> &'static [u8] {
        match self {
            Self::Message => b"kirc.v1.message\0",
            Self::Log => b"kirc.v1.log\0",
            Self::Claim => b"kirc.v1.claim\0",
            Self::Challenge => b"kirc.v1.challenge\0",
            Self::Held => b"kirc.v1.held\0",
            Self::Wrap => b"kirc.v1.wrap\0",
            Self::Card => b"kirc.v1.card\0",
            Self::Invite => b"kirc.v1.invite\0",
            Self::Request => b"kirc.v1.request\0",
            Self::Presence => b"kirc.v1.presence\0",
        }
    }
}

impl Envelope {
    /// Signs: sets `meta.alg` and `meta.sig` (base64url, no padding) over domain prefix and
    /// canonical form without `meta.sig`. It also signs numbers that JCS can't represent exactly,
    /// but nobody accepts such a signature.
    #[must_use]
    pub fn sign(mut self, domain: Domain, key: &Identity) -> Self {
        self.meta.insert("alg".to_owned(), ALG.into());
        let signature = key.sign_bytes(&self.signed_bytes(domain));
        self.meta.insert("sig".to_owned(), Value::String(B64.encode(signature)));
        self
    }

    /// Checks the signature strictly (`verify_strict`), and that JCS represents all numbers
    /// exactly.
    pub fn verify(&self, domain: Domain, key: &PublicKeys) -> Result<(), EnvelopeError> {
        let Some(Value::String(sig)) = self.meta.get("sig") else {
            return Err(EnvelopeError::Unsigned);
        };
        match self.meta.get("alg") {
            Some(Value::String(alg)) if alg == ALG => {}
            Some(Value::String(alg)) => {
                return Err(EnvelopeError::Algorithm(alg.chars().take(40).collect()));
            }
            _ => return Err(EnvelopeError::Algorithm(String::new())),
        }
        safe_envelope(self)?;
        let mut signature = [0; 64];
        match B64.decode_slice(sig, &mut signature) {
            Ok(64) => {}
            _ => return Err(EnvelopeError::Signature),
        }
        let bytes = self.signed_bytes(domain);
        #[cfg(feature = "mutants")]
        let holds = memo::verify(key, &bytes, &signature);
        #[cfg(not(feature = "mutants"))]
        let holds = key.verify_bytes(&bytes, &signature);
        if holds { Ok(()) } else { Err(EnvelopeError::Signature) }
    }

    fn signed_bytes(&self, domain: Domain) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(domain.prefix());
        write_envelope(&mut out, self, Some("sig"));
        out
    }
}

/// A cache for the simulation, where all members of a channel check the same signatures in one
/// thread: each check is computed once.
#[cfg(feature = "mutants")]
mod memo {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use crate::identity::PublicKeys;
    use crate::ids::digest;

    const KEPT: usize = 4_096;

    thread_local! {
        static SEEN: RefCell<BTreeMap<[u8; 32], bool>> = const { RefCell::new(BTreeMap::new()) };
    }

    pub fn verify(key: &PublicKeys, bytes: &[u8], signature: &[u8; 64]) -> bool {
        let name = digest("kirc.sim.verify", &[key.ed25519(), bytes, signature]);
        let seen = SEEN.with_borrow(|seen| seen.get(&name).copied());
        seen.unwrap_or_else(|| {
            let holds = key.verify_bytes(bytes, signature);
            SEEN.with_borrow_mut(|seen| {
                if seen.len() >= KEPT {
                    seen.clear();
                }
                seen.insert(name, holds);
            });
            holds
        })
    }
}
