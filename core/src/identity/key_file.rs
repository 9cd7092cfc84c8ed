//! The key file: an identity's private keys as JSON, sealed by a passphrase if the user gives one.
//!
//! It makes and reads bytes; the caller handles files and their modes. It reads private keys
//! without leaving a copy in memory.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::keys::PrivateParts;
use super::{Identity, IdentityError, form};
use crate::crypto::{ChannelKey, CryptoError, Rng, open_with_passphrase, seal_with_passphrase};

/// The maximum bytes of a key file: the largest RSA key takes about 4 KiB.
const MOST: usize = 16 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile<'a> {
    kirc: &'a str,
    v: u32,
    #[serde(default, borrow)]
    ed25519: Option<&'a str>,
    #[serde(default, borrow)]
    rsa: Option<&'a str>,
    #[serde(default, borrow)]
    store: Option<&'a str>,
    #[serde(default)]
    sealed: Option<Value>,
    /// A note for human readers.
    #[serde(default, rename = "note")]
    _note: Option<String>,
}

impl Identity {
    /// The bytes of the key file: JSON, sealed by a passphrase if one is given (Argon2id,
    /// AES-256-GCM). It includes the store's key.
    ///
    /// # Panics
    ///
    /// If there is no memory for Argon2 (64 MiB): a key file that holds no key would be worse.
    pub fn to_key_file(&self, passphrase: Option<&str>, rng: &mut Rng) -> Zeroizing<Vec<u8>> {
        let parts = self.private_parts();
        let ed25519 = match SigningKey::from_bytes(&parts.ed25519).to_pkcs8_der() {
            Ok(der) => Zeroizing::new(B64.encode(der.as_bytes())),
            Err(e) => unreachable!("an Ed25519 key has a PKCS#8 form: {e}"),
        };
        let rsa = Zeroizing::new(B64.encode(&*parts.rsa_pkcs8));
        let store = Zeroizing::new(B64.encode(parts.store.expose()));
        // One formatted string of the right size, so that no part of it is left behind by a growing
        // buffer.
        let mut plain = Zeroizing::new(Vec::with_capacity(128 + ed25519.len() + rsa.len() + store.len()));
        for piece in [
            "{\"kirc\":\"identity\",\"v\":1,\n\"ed25519\":\"",
            &ed25519,
            "\",\n\"rsa\":\"",
            &rsa,
            "\",\n\"store\":\"",
            &store,
            "\"}\n",
        ] {
            plain.extend_from_slice(piece.as_bytes());
        }
        let Some(passphrase) = passphrase else {
            return plain;
        };
        match seal_with_passphrase(&plain, passphrase, rng) {
            Ok(sealed) => {
                let file = json!({"kirc": "identity", "v": 1, "sealed": sealed});
                Zeroizing::new(format!("{file:#}\n").into_bytes())
            }
            Err(e) => panic!("the key file can't be sealed: {e}"),
        }
    }

    /// Reads a key file.
    pub fn from_key_file(bytes: &[u8], passphrase: Option<&str>) -> Result<Self, IdentityError> {
        let file = parse(bytes)?;
        let Some(sealed) = &file.sealed else {
            return from_plain(&file);
        };
        let Some(passphrase) = passphrase else {
            return Err(IdentityError::PassphraseNeeded);
        };
        let plain = open_with_passphrase(sealed, passphrase).map_err(|e| match e {
            CryptoError::Open => IdentityError::Passphrase,
            CryptoError::Form => {
                IdentityError::Form("the key file is sealed in a way that is not known".to_owned())
            }
        })?;
        from_plain(&parse(&plain)?)
    }
}

fn parse(bytes: &[u8]) -> Result<KeyFile<'_>, IdentityError> {
    if bytes.len() > MOST {
        return form("this is not a key file of kirc: it is too large");
    }
    // The parser's own message could quote what it stumbled over: a place is enough.
    let file: KeyFile<'_> = serde_json::from_slice(bytes).map_err(|e| {
        IdentityError::Form(format!(
            "this is not a key file of kirc (line {}, column {})",
            e.line(),
            e.column()
        ))
    })?;
    if file.kirc != "identity" {
        return form("this is not a key file of kirc");
    }
    if file.v != 1 {
        return form(format!("the key file has version {}; this program reads version 1", file.v));
    }
    Ok(file)
}

fn from_plain(file: &KeyFile<'_>) -> Result<Identity, IdentityError> {
    let bytes = |name: &str, text: Option<&str>| {
        text.and_then(|text| B64.decode(text).ok())
            .map(Zeroizing::new)
            .ok_or_else(|| IdentityError::Form(format!("the key file has no good {name} key")))
    };
    let ed25519 = bytes("ed25519", file.ed25519)?;
    let signing = SigningKey::from_pkcs8_der(&ed25519)
        .map_err(|_| IdentityError::Form("the key file has no good ed25519 key".to_owned()))?;
    let store = bytes("store", file.store)?;
    let store: Zeroizing<[u8; 32]> = match <[u8; 32]>::try_from(&store[..]) {
        Ok(store) => Zeroizing::new(store),
        Err(_) => return form("the key file has no good store key"),
    };
    Identity::from_private_parts(PrivateParts {
        ed25519: Zeroizing::new(signing.to_bytes()),
        rsa_pkcs8: bytes("rsa", file.rsa)?,
        store: ChannelKey::from_bytes(*store),
    })
}
