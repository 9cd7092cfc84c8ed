//! Sealing to a peer who shares no key yet: OAEP encrypts a fresh Fernet key, and Fernet encrypts
//! the bytes.
//!
//! Sealing hides the content; it does not authenticate the sender. Put a signed envelope inside for
//! that.

use serde_json::{Value, json};

use super::{ChannelKey, CryptoError, Rng, unwrap, wrap};
use crate::identity::{Identity, PublicKeys};

const ALG: &str = "rsa-oaep-sha256+fernet";

/// Seals bytes to a peer who shares no key yet: OAEP encrypts a fresh Fernet key, and Fernet
/// encrypts the bytes. Returns a JSON object `{alg,key,ct}`.
pub fn seal(plain: &[u8], to: &PublicKeys, label: &[u8], rng: &mut Rng) -> Value {
    let key = ChannelKey::generate(rng);
    json!({
        "alg": ALG,
        "key": wrap(&key, to, label, rng),
        "ct": key.encrypt(plain),
    })
}

/// Opens the output of [`seal`]. It returns [`CryptoError::Form`] before it uses any key.
pub fn open(sealed: &Value, me: &Identity, label: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let field = |name| sealed.get(name).and_then(Value::as_str).ok_or(CryptoError::Form);
    let (alg, key, ct) = (field("alg")?, field("key")?, field("ct")?);
    if alg != ALG {
        return Err(CryptoError::Form);
    }
    unwrap(key, me, label)?.decrypt(ct)
}
