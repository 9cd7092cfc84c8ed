//! Who one is: keys, cards, fingerprints, safety numbers, invites.
//!
//! It holds private keys and never lets them into a log, an error or JSON. It knows nothing of channels.
use crate::crypto::Rng;
use crate::envelope::{Envelope, EnvelopeError};
use crate::ids::ActorId;
use crate::names::Nick;
use serde::{Deserialize, Serialize};

/// What is wrong with a key, a card, an invite or a key file. The text is a sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not of its form.
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
}

/// The private side of an identity. Neither `Clone` nor `Serialize`; its `Debug` shows the actor id only.
pub struct Identity {
    public: PublicKeys,
}

/// The public keys of an identity; the Ed25519 key is not a weak one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeys {
    actor: ActorId,
    ed25519: [u8; 32],
    rsa_der: Vec<u8>,
}

impl PublicKeys {
    /// The actor id of these keys.
    pub fn actor(&self) -> ActorId {
        self.actor
    }
    /// The Ed25519 key.
    pub fn ed25519(&self) -> &[u8; 32] {
        &self.ed25519
    }
    /// The RSA key, SubjectPublicKeyInfo DER.
    pub fn rsa_der(&self) -> &[u8] {
        &self.rsa_der
    }
    /// Short enough to read aloud: the actor id in groups of four letters.
    pub fn fingerprint(&self) -> String {
        todo!()
    }
}

impl Identity {
    /// Makes keys: Ed25519, and RSA of `rsa_bits` (2048 or 3072).
    pub fn generate(rng: &mut Rng, rsa_bits: usize) -> Self {
        let _ = (rng, rsa_bits);
        todo!()
    }
    /// The public side.
    pub fn public(&self) -> &PublicKeys {
        &self.public
    }
    /// The actor id.
    pub fn actor(&self) -> ActorId {
        self.public.actor
    }
    /// The bytes of the key file: JSON; sealed by a passphrase if one is given (Argon2id, AES-256-GCM). The store's key is in it too.
    pub fn to_key_file(
        &self,
        passphrase: Option<&str>,
        rng: &mut Rng,
    ) -> zeroize::Zeroizing<Vec<u8>> {
        let _ = (passphrase, rng);
        todo!()
    }
    /// Reads a key file.
    pub fn from_key_file(bytes: &[u8], passphrase: Option<&str>) -> Result<Self, IdentityError> {
        let _ = (bytes, passphrase);
        todo!()
    }
    /// Encrypts what goes to the store, under the profile's own key.
    pub fn seal_local(&self, plain: &[u8]) -> Vec<u8> {
        let _ = plain;
        todo!()
    }
    /// Opens what [`Self::seal_local`] made.
    pub fn open_local(&self, sealed: &[u8]) -> Result<Vec<u8>, crate::crypto::CryptoError> {
        let _ = sealed;
        todo!()
    }
}

/// Where a node's mailbox is: the names of its topics on a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The cluster's id.
    pub cluster: String,
    /// Topic for messages.
    pub data_in: String,
    /// Topic for its own publications.
    pub data_out: String,
    /// Topic for requests and keys.
    pub rpc_in: String,
    /// Topic for answers.
    pub rpc_out: String,
}

/// What others may know of an identity, signed by it.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    keys: PublicKeys,
    nick: Nick,
    address: Address,
    rev: u64,
    profile: serde_json::Map<String, serde_json::Value>,
    envelope: Envelope,
}

impl Card {
    /// Makes and signs a card (`command` is `CARD`). `rev` grows with each change (milliseconds since 1970 will do).
    pub fn create(
        me: &Identity,
        nick: &Nick,
        address: &Address,
        profile: serde_json::Map<String, serde_json::Value>,
        rev: u64,
    ) -> Self {
        let _ = (me, nick, address, profile, rev);
        todo!()
    }
    /// Reads and checks a card: its form, limits, that the actor id belongs to its key, its signature.
    pub fn parse(envelope: &Envelope) -> Result<Self, IdentityError> {
        let _ = envelope;
        todo!()
    }
    /// The signed envelope, to send or store.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }
    /// Its keys.
    pub fn keys(&self) -> &PublicKeys {
        &self.keys
    }
    /// Its actor.
    pub fn actor(&self) -> ActorId {
        self.keys.actor
    }
    /// The nick it gives itself.
    pub fn nick(&self) -> &Nick {
        &self.nick
    }
    /// Where its mailbox is.
    pub fn address(&self) -> &Address {
        &self.address
    }
    /// Its revision.
    pub fn rev(&self) -> u64 {
        self.rev
    }
    /// Its public profile.
    pub fn profile(&self) -> &serde_json::Map<String, serde_json::Value> {
        &self.profile
    }
}

impl Serialize for Card {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.envelope.serialize(s)
    }
}
impl<'de> Deserialize<'de> for Card {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let e = Envelope::deserialize(d)?;
        Self::parse(&e).map_err(serde::de::Error::custom)
    }
}

/// The safety number of two identities: 60 digits in 12 groups of five, the same on both sides.
pub fn safety_number(a: &PublicKeys, b: &PublicKeys) -> String {
    let _ = (a, b);
    todo!()
}
