//! The profile's folder and its key file: opened, created, encrypted again.
//!
//! This module owns their permissions and the source of the passphrase. It is independent of the
//! store, the services and the node.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use kirc_core::crypto::Rng;
use kirc_core::identity::{Identity, IdentityError};
use rand_chacha::rand_core::SeedableRng;

use crate::config::{Config, FileError, Paths, Secret, check_private, make_private_dir, write_private};

/// Why a profile can't be opened. The text is a sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// It is not set up.
    #[error("there is no profile \"{name}\" yet; run: kirc setup{}", flag(name))]
    Missing {
        /// Its name.
        name: String,
    },
    /// It was set up and used, and its keys are not there any more.
    #[error(
        "{} is gone, and with it the keys of profile \"{name}\", whose store and messages are still there: put the copy of the key file back. New keys would make you somebody else, and could not open what is stored; if there is no copy, set up another profile (kirc setup --profile NAME), or move {} away",
        path.display(),
        path.parent().unwrap_or(path).display()
    )]
    KeyGone {
        /// The key file.
        path: PathBuf,
        /// The profile.
        name: String,
    },
    /// A file can't be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The key file can't be opened.
    #[error("{}: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: IdentityError,
    },
    /// No passphrase was given.
    #[error("the key file is sealed by a passphrase: start kirc in a terminal, or give KIRC_PASSPHRASE")]
    PassphraseNeeded,
    /// The user gave up at a prompt.
    #[error("stopped at the prompt")]
    Stopped,
    /// No nick is set.
    #[error("no nick is set; run: kirc setup, or set KIRC_NICK")]
    NoNick,
    /// The system has no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

fn flag(name: &str) -> String {
    match name {
        "default" => String::new(),
        name => format!(" --profile {name}"),
    }
}

/// Whether a profile was set up.
pub fn exists(paths: &Paths) -> bool {
    paths.identity().exists()
}

/// Refuses a profile that has lost its keys: a node has run in it, and may have left a store (here,
/// or in a PostgreSQL).
pub fn check_keys_there(paths: &Paths) -> Result<(), ProfileError> {
    let used = [paths.store(), paths.lock(), paths.log()].iter().any(|path| path.exists());
    if used && !exists(paths) {
        return Err(ProfileError::KeyGone { path: paths.identity(), name: paths.profile_name().to_owned() });
    }
    Ok(())
}

/// Makes the profile's folder; refuses one that others can get at.
pub fn prepare_folder(paths: &Paths) -> Result<(), ProfileError> {
    make_private_dir(&paths.profile())?;
    check_private(&paths.profile())?;
    Ok(())
}

/// Refuses a profile that is not set up, or that others can get at.
pub fn check(paths: &Paths) -> Result<(), ProfileError> {
    check_keys_there(paths)?;
    if !exists(paths) {
        return Err(ProfileError::Missing { name: paths.profile_name().to_owned() });
    }
    check_private(&paths.profile())?;
    check_private(&paths.identity())?;
    Ok(())
}

/// Random numbers from the system.
pub fn seed() -> Result<[u8; 32], ProfileError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| ProfileError::Random(e.to_string()))?;
    Ok(seed)
}

/// A generator seeded by the system.
pub fn rng() -> Result<Rng, ProfileError> {
    Ok(Rng::from_seed(seed()?))
}

/// Makes keys and writes the key file; one that is there is never touched.
pub fn create_identity(
    paths: &Paths,
    rsa_bits: usize,
    passphrase: Option<&Secret>,
) -> Result<Identity, ProfileError> {
    let mut rng = rng()?;
    let identity = Identity::generate(&mut rng, rsa_bits);
    write_identity(paths, &identity, passphrase)?;
    Ok(identity)
}

/// Writes the key file, sealed if a passphrase is given.
pub fn write_identity(
    paths: &Paths,
    identity: &Identity,
    passphrase: Option<&Secret>,
) -> Result<(), ProfileError> {
    let bytes = identity.to_key_file(passphrase.map(Secret::expose), &mut rng()?);
    write_private(&paths.identity(), &bytes)?;
    Ok(())
}

/// Reads the key file with what is set; no prompt.
pub fn read_identity(path: &Path, passphrase: Option<&Secret>) -> Result<Identity, ProfileError> {
    let bytes = zeroize::Zeroizing::new(std::fs::read(path).map_err(FileError::io(path, "read"))?);
    Identity::from_key_file(&bytes, passphrase.map(Secret::expose)).map_err(|source| match source {
        IdentityError::PassphraseNeeded => ProfileError::PassphraseNeeded,
        source => ProfileError::Key { path: path.to_owned(), source },
    })
}

/// Reads the key file; asks for the passphrase if it is needed, not set, and somebody is there to
/// ask.
pub fn unlock(config: &Config) -> Result<(Identity, Option<Secret>), ProfileError> {
    check(&config.paths)?;
    let path = config.paths.identity();
    let set = config.settings.passphrase.clone();
    match read_identity(&path, set.as_ref()) {
        Err(ProfileError::PassphraseNeeded) if std::io::stdin().is_terminal() => {}
        result => return result.map(|identity| (identity, set)),
    }
    for attempts_left in (0..3).rev() {
        let given = ask_passphrase(&format!("Passphrase of profile \"{}\":", config.paths.profile_name()))?;
        match read_identity(&path, Some(&given)) {
            Err(ProfileError::Key { source: IdentityError::Passphrase, .. }) if attempts_left > 0 => {
                eprintln!("That is not it.")
            }
            result => return result.map(|identity| (identity, Some(given))),
        }
    }
    Err(ProfileError::Stopped)
}

/// Asks for a passphrase without echo.
pub fn ask_passphrase(question: &str) -> Result<Secret, ProfileError> {
    inquire::Password::new(question)
        .without_confirmation()
        .with_display_mode(inquire::PasswordDisplayMode::Hidden)
        // Stars behind an empty one would say that there is a passphrase.
        .with_formatter(&|typed| if typed.is_empty() { "none".into() } else { "********".into() })
        .prompt()
        .map(Secret::new)
        .map_err(|_| ProfileError::Stopped)
}

/// Asks for a new passphrase, twice; an empty one is none.
pub fn ask_new_passphrase(question: &str) -> Result<Option<Secret>, ProfileError> {
    loop {
        let first = ask_passphrase(question)?;
        if first.is_empty() {
            return Ok(None);
        }
        if ask_passphrase("Again:")? == first {
            return Ok(Some(first));
        }
        eprintln!("The two differ.");
    }
}
