//! The owner's password for IRC clients: a file of the profile with its Argon2id hash.
//!
//! This module owns the file's form and the costs. It does not decide who may try how often.

use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::config::{FileError, Secret, check_private, write_private};

/// What is written: 46 MiB, one pass (OWASP's choices for servers are of one strength). So much is
/// given back to the system at once; less, the allocator would keep for each thread that had it.
const COSTS: (u32, u32, u32) = (46 * 1024, 1, 1);
/// What is accepted of a file at the most: 256 MiB, 16 passes, 4 lanes.
const MOST: (u32, u32, u32) = (256 * 1024, 16, 4);
/// Bytes of a password at the least.
pub const LEAST: usize = 8;
/// Bytes of a password at the most: what fits into a line of a client.
pub const LONGEST: usize = 256;

/// Why a password can't be set or checked. The text is a sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// There is none.
    #[error("no password is set; set one with: kirc account passwd")]
    Missing,
    /// The file can't be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not of its form.
    #[error("{0} holds no password that can be read; set a new one with: kirc account passwd")]
    Form(std::path::PathBuf),
    /// It can't be a password.
    #[error("a password has between {LEAST} and {LONGEST} bytes, and no line end in it")]
    Unfit,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    kirc: String,
    v: u32,
    alg: String,
    m: u32,
    t: u32,
    p: u32,
    salt: String,
    hash: String,
}

/// Sets the password: the file is written whole or not at all.
pub fn set(path: &Path, password: &Secret) -> Result<(), PasswordError> {
    let text = password.expose();
    if !(LEAST..=LONGEST).contains(&text.len()) || text.contains(['\0', '\r', '\n']) {
        return Err(PasswordError::Unfit);
    }
    let salt = random::<16>()?;
    let (m, t, p) = COSTS;
    let hash = hash(text, &salt, COSTS).ok_or(PasswordError::Unfit)?;
    let stored = Stored {
        kirc: "password".into(),
        v: 1,
        alg: "argon2id".into(),
        m,
        t,
        p,
        salt: B64.encode(salt),
        hash: B64.encode(hash),
    };
    let bytes = serde_json::to_vec(&stored).map_err(|_| PasswordError::Form(path.to_owned()))?;
    Ok(write_private(path, &bytes)?)
}

/// Whether this is the password. It takes tens of milliseconds and 46 MiB: not for an I/O thread.
pub fn verify(path: &Path, password: &str) -> Result<bool, PasswordError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(PasswordError::Missing),
        Err(e) => return Err(FileError::io(path, "read")(e).into()),
    };
    check_private(path)?;
    let form = || PasswordError::Form(path.to_owned());
    let stored: Stored = serde_json::from_slice(&bytes).map_err(|_| form())?;
    let costs = (stored.m, stored.t, stored.p);
    let fits = stored.v == 1 && costs.0 <= MOST.0 && costs.1 <= MOST.1 && costs.2 <= MOST.2;
    let (salt, expected) = (B64.decode(&stored.salt), B64.decode(&stored.hash));
    let (Ok(salt), Ok(expected), true) = (salt, expected, fits) else { return Err(form()) };
    let found = hash(password, &salt, costs).ok_or_else(form)?;
    Ok(found.as_slice().ct_eq(&expected).into())
}

/// A password that nobody guesses.
pub fn generate() -> Result<Secret, PasswordError> {
    Ok(Secret::new(B64.encode(random::<18>()?)))
}

fn random<const N: usize>() -> Result<[u8; N], PasswordError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| PasswordError::Random(e.to_string()))?;
    Ok(bytes)
}

fn hash(password: &str, salt: &[u8], (m, t, p): (u32, u32, u32)) -> Option<[u8; 32]> {
    let params = Params::new(m, t, p, Some(32)).ok()?;
    let mut out = [0; 32];
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(password.as_bytes(), salt, &mut out).ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_password_is_the_right_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password.json");
        assert!(matches!(verify(&path, "x"), Err(PasswordError::Missing)));
        set(&path, &Secret::new("correct horse")).unwrap();
        assert!(verify(&path, "correct horse").unwrap());
        assert!(!verify(&path, "correct horsf").unwrap());
        assert!(!verify(&path, "").unwrap());
        check_private(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("horse"), "{text}");
        set(&path, &Secret::new("another one")).unwrap();
        assert!(!verify(&path, "correct horse").unwrap());
    }

    #[test]
    fn what_is_no_password_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password.json");
        for bad in ["short", "with\nline end", &"x".repeat(LONGEST + 1)] {
            assert!(matches!(set(&path, &Secret::new(bad)), Err(PasswordError::Unfit)), "{bad:?}");
        }
        write_private(&path, b"{}").unwrap();
        assert!(matches!(verify(&path, "x"), Err(PasswordError::Form(_))));
        assert_ne!(generate().unwrap().expose(), generate().unwrap().expose());
    }
}
