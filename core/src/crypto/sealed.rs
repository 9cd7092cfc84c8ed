//! Sealing to a peer who shares no key yet: a fresh Fernet key by OAEP, the bytes by Fernet.
//!
//! It hides; it does not say who sealed. What must be authentic is a signed envelope inside.

use serde_json::{Value, json};

use super::{ChannelKey, CryptoError, Rng, unwrap, wrap};
use crate::identity::{Identity, PublicKeys};

const ALG: &str = "rsa-oaep-sha256+fernet";

/// Seals bytes to a peer who shares no key yet: a fresh Fernet key by OAEP, the bytes by Fernet.
/// JSON object `{alg,key,ct}` as value.
pub fn seal(plain: &[u8], to: &PublicKeys, label: &[u8], rng: &mut Rng) -> Value {
    let key = ChannelKey::generate(rng);
    json!({
        "alg": ALG,
        "key": wrap(&key, to, label, rng),
        "ct": key.encrypt(plain),
    })
}

/// Opens what [`seal`] made. [`CryptoError::Form`] is said before any key is touched.
pub fn open(sealed: &Value, me: &Identity, label: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let field = |name| sealed.get(name).and_then(Value::as_str).ok_or(CryptoError::Form);
    let (alg, key, ct) = (field("alg")?, field("key")?, field("ct")?);
    if alg != ALG {
        return Err(CryptoError::Form);
    }
    unwrap(key, me, label)?.decrypt(ct)
}
