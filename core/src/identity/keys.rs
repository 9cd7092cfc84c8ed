//! The keys of an identity: Ed25519 signs, RSA unwraps, and the profile's own key encrypts data for
//! the store.
//!
//! Private keys leave this file only through `private_parts`, for the key file.
//! [`PublicKeys::from_parts`] refuses weak and unusual public keys.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{OaepPrivateDecryptingKey, PrivateDecryptingKey};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rsa::pkcs8::{DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use rsa::rand_core::RngCore;
use rsa::traits::PublicKeyParts;
use rsa::{RsaPrivateKey, RsaPublicKey};
use zeroize::Zeroizing;

use super::{IdentityError, form};
use crate::crypto::{ChannelKey, CryptoError, Rng};
use crate::ids::ActorId;

/// Sizes of RSA keys that we accept from others, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// The public keys of an identity. The Ed25519 key is never a weak one.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKeys {
    actor: ActorId,
    ed25519: VerifyingKey,
    rsa_der: Vec<u8>,
}

impl PublicKeys {
    /// Takes an Ed25519 key and an RSA key (SubjectPublicKeyInfo, DER). It refuses weak keys and
    /// keys of unusual form.
    pub fn from_parts(ed25519: [u8; 32], rsa_der: Vec<u8>) -> Result<Self, IdentityError> {
        let Ok(verifying) = VerifyingKey::from_bytes(&ed25519) else {
            return form("the Ed25519 key is not a point of the curve");
        };
        // A key of small order: signatures of anything would hold under it. And one point has one
        // form.
        if verifying.is_weak() || verifying.to_edwards().compress().to_bytes() != ed25519 {
            return form("the Ed25519 key is a weak one");
        }
        // The parser refuses even moduli, even exponents and those above 2^33, and anything above
        // 4096 bits.
        let Ok(rsa) = RsaPublicKey::from_public_key_der(&rsa_der) else {
            return form("the RSA key is not one that can be used");
        };
        if !RSA_BITS.contains(&rsa.n().bits()) || rsa.e().bits() < 2 {
            return form(format!(
                "the RSA key has {} bits; it may have {} to {}",
                rsa.n().bits(),
                RSA_BITS.start(),
                RSA_BITS.end()
            ));
        }
        if rsa.to_public_key_der().ok().as_ref().map(|d| d.as_bytes()) != Some(&rsa_der[..]) {
            return form("the RSA key is not in its DER form");
        }
        Ok(Self { actor: ActorId::of_key(&ed25519), ed25519: verifying, rsa_der })
    }

    /// The actor id of these keys.
    pub fn actor(&self) -> ActorId {
        self.actor
    }
    /// The Ed25519 key.
    pub fn ed25519(&self) -> &[u8; 32] {
        self.ed25519.as_bytes()
    }
    /// The RSA key, SubjectPublicKeyInfo DER.
    pub fn rsa_der(&self) -> &[u8] {
        &self.rsa_der
    }
    /// Whether a signature is valid, by strict verification.
    pub(crate) fn verify_bytes(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.ed25519.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Debug for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKeys({})", self.actor)
    }
}

/// The private keys of an identity. It is neither `Clone` nor `Serialize`; its `Debug` shows the
/// actor id only.
pub struct Identity {
    public: PublicKeys,
    signing: SigningKey,
    rsa_pkcs8: Zeroizing<Vec<u8>>,
    unwrap: OaepPrivateDecryptingKey,
    store: ChannelKey,
}

/// The private parts, as stored in a key file.
pub(super) struct PrivateParts {
    /// The Ed25519 seed.
    pub(super) ed25519: Zeroizing<[u8; 32]>,
    /// The RSA key, PKCS#8 DER.
    pub(super) rsa_pkcs8: Zeroizing<Vec<u8>>,
    /// The key that encrypts data for the store.
    pub(super) store: ChannelKey,
}

impl Identity {
    /// Makes keys: Ed25519, and RSA of `rsa_bits` (2048 or 3072). It rounds any other number to the
    /// nearer of the two.
    ///
    /// # Panics
    ///
    /// Never, as long as the library can read the keys that it makes.
    pub fn generate(rng: &mut Rng, rsa_bits: usize) -> Self {
        let mut ed25519 = Zeroizing::new([0; 32]);
        rng.fill_bytes(ed25519.as_mut());
        let store = ChannelKey::generate(rng);
        let bits = if rsa_bits < 2560 { 2048 } else { 3072 };
        let made = RsaPrivateKey::new(rng, bits)
            .and_then(|rsa| rsa.to_pkcs8_der().map_err(rsa::Error::from))
            .map_err(|e| IdentityError::Form(e.to_string()))
            .and_then(|der| {
                Self::from_private_parts(PrivateParts {
                    ed25519,
                    rsa_pkcs8: Zeroizing::new(der.as_bytes().to_vec()),
                    store,
                })
            });
        match made {
            Ok(identity) => identity,
            Err(e) => unreachable!("an RSA key of {bits} bits: {e}"),
        }
    }

    pub(super) fn from_private_parts(parts: PrivateParts) -> Result<Self, IdentityError> {
        let PrivateParts { ed25519, rsa_pkcs8, store } = parts;
        let signing = SigningKey::from_bytes(&ed25519);
        let rejected = || IdentityError::Form("the RSA key of the key file can't be used".to_owned());
        let private = PrivateDecryptingKey::from_pkcs8(&rsa_pkcs8).map_err(|_| rejected())?;
        let public: PublicKeyX509Der<'_> = private.public_key().as_der().map_err(|_| rejected())?;
        let public = PublicKeys::from_parts(signing.verifying_key().to_bytes(), public.as_ref().to_vec())?;
        let unwrap = OaepPrivateDecryptingKey::new(private)
            .map_err(|_| IdentityError::Form("the RSA key can't unwrap".to_owned()))?;
        Ok(Self { public, signing, rsa_pkcs8, unwrap, store })
    }

    /// Another identity with the same RSA key, because making RSA keys takes too long for thousands
    /// of people.
    #[cfg(test)]
    pub(crate) fn somebody_else(&self, number: u64) -> Result<Self, IdentityError> {
        let mut ed25519 = Zeroizing::new([7; 32]);
        ed25519[..8].copy_from_slice(&number.to_le_bytes());
        let parts = PrivateParts { ed25519, ..self.private_parts() };
        Self::from_private_parts(parts)
    }

    /// For the key file only.
    pub(super) fn private_parts(&self) -> PrivateParts {
        PrivateParts {
            ed25519: Zeroizing::new(self.signing.to_bytes()),
            rsa_pkcs8: self.rsa_pkcs8.clone(),
            store: self.store.duplicate(),
        }
    }

    /// The public keys.
    pub fn public(&self) -> &PublicKeys {
        &self.public
    }
    /// The actor id.
    pub fn actor(&self) -> ActorId {
        self.public.actor
    }
    /// Signs bytes that already carry their domain.
    pub(crate) fn sign_bytes(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }
    /// The key that unwraps, ready for use.
    pub(crate) fn unwrap_key(&self) -> &OaepPrivateDecryptingKey {
        &self.unwrap
    }

    /// Encrypts data for the store under the profile's own key. Returns a Fernet token, whose
    /// initialisation vector comes from the system (see [`ChannelKey::encrypt`]).
    pub fn seal_local(&self, plain: &[u8]) -> Vec<u8> {
        self.store.encrypt(plain).into_bytes()
    }
    /// Opens the output of [`Self::seal_local`].
    pub fn open_local(&self, sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let token = std::str::from_utf8(sealed).map_err(|_| CryptoError::Open)?;
        self.store.decrypt(token)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.public.actor)
    }
}
