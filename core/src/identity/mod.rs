//! Identity: keys, cards, fingerprints, safety numbers, invites.
//!
//! It holds private keys and never puts them into a log, an error or JSON. It knows nothing about
//! channels.

mod armour;
mod card;
mod fingerprint;
mod invite;
mod key_file;
mod keys;

pub use card::{Address, Card};
pub use fingerprint::safety_number;
pub use invite::{Invite, InviteSecret, OpenedInvite};
pub use keys::{Identity, PublicKeys};

use crate::envelope::EnvelopeError;
use crate::ids::ActorId;

/// What is wrong with a key, a card, an invite or a key file, as a sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// It is malformed.
    #[error("{0}")]
    Form(String),
    /// The passphrase is wrong (or the file was changed).
    #[error("the passphrase is wrong, or the key file was changed")]
    Passphrase,
    /// A passphrase is needed.
    #[error("the key file is sealed by a passphrase: give it at the prompt or in KIRC_PASSPHRASE")]
    PassphraseNeeded,
    /// An envelope's signature or form is wrong.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Expired.
    #[error("the invite expired at {0}")]
    Expired(String),
    /// An invite for another identity.
    #[error("the invite is for {to}, and this identity is {me}: ask for one made for your own card")]
    NotForMe {
        /// The invitee.
        to: ActorId,
        /// The identity that tried to open it.
        me: ActorId,
    },
}

fn form<T>(why: impl Into<String>) -> Result<T, IdentityError> {
    Err(IdentityError::Form(why.into()))
}
