//! Cards: the public facts of an identity, signed by it.
//!
//! A [`Card`] value was checked when it was created. Whether to trust its keys is up to the contact
//! list.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Identity, IdentityError, PublicKeys, armour, form};
use crate::envelope::{Domain, Envelope};
use crate::ids::{ActorId, Hash, MAX_SAFE_INTEGER};
use crate::limits;
use crate::names::Nick;

/// The maximum bytes of a topic's name or a cluster's id: Kafka's own limit for topics.
const NAME: usize = 249;

/// The location of a node's mailbox: the names of its topics on a cluster.
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

impl Address {
    fn check(&self) -> Result<(), IdentityError> {
        for name in [&self.cluster, &self.data_in, &self.data_out, &self.rpc_in, &self.rpc_out] {
            if name.is_empty() || name.len() > NAME || name.chars().any(char::is_control) {
                return form("the card's mailbox address is not one");
            }
        }
        Ok(())
    }
}

/// The public facts of an identity, signed by it. Copies share them: the members of a channel are
/// copied with each state of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Card(Arc<Facts>);

#[derive(Debug, PartialEq)]
struct Facts {
    keys: PublicKeys,
    nick: Nick,
    address: Address,
    rev: u64,
    profile: Map<String, Value>,
    envelope: Envelope,
    digest: Hash,
}

/// The body of a card's envelope.
#[derive(Deserialize)]
struct Body {
    ed25519: String,
    rsa: String,
    nick: Nick,
    address: Address,
    rev: u64,
    #[serde(default)]
    profile: Map<String, Value>,
}

impl Card {
    /// Makes and signs a card (`command` is `CARD`). `rev` must grow with each change (milliseconds
    /// since 1970 will do). A card whose profile is too large or holds a float is refused by all
    /// readers, [`Card::parse`] included.
    pub fn create(
        me: &Identity,
        nick: &Nick,
        address: &Address,
        profile: Map<String, Value>,
        rev: u64,
    ) -> Self {
        let rev = rev.min(MAX_SAFE_INTEGER);
        let mut envelope = Envelope::new("CARD")
            .from(me.actor().to_string())
            .field("ed25519", B64.encode(me.public().ed25519()))
            .field("rsa", B64.encode(me.public().rsa_der()))
            .field("nick", nick.as_str())
            .field("address", json!(address))
            .field("rev", rev);
        if !profile.is_empty() {
            envelope = envelope.field("profile", profile.clone());
        }
        let envelope = envelope.sign(Domain::Card, me);
        Self(Arc::new(Facts {
            keys: me.public().clone(),
            nick: nick.clone(),
            address: address.clone(),
            rev,
            profile,
            digest: digest(&envelope.to_canonical()),
            envelope,
        }))
    }

    /// Reads a card and checks its form, its limits, its signature, and that the actor id belongs
    /// to its key.
    pub fn parse(envelope: &Envelope) -> Result<Self, IdentityError> {
        if envelope.command != "CARD" {
            return form("this is not a card");
        }
        let canonical = envelope.to_canonical();
        let size = canonical.len();
        if size > limits::CARD {
            return form(format!("the card is {size} bytes long; the limit is {}", limits::CARD));
        }
        let Some(crate::Body::Object(body)) = &envelope.body else {
            return form("the card has no body");
        };
        let body = Body::deserialize(body)
            .map_err(|e| IdentityError::Form(format!("the card is not of its form: {e}")))?;
        let ed25519 = B64.decode(&body.ed25519).ok().and_then(|key| <[u8; 32]>::try_from(key).ok());
        let (Some(ed25519), Ok(rsa)) = (ed25519, B64.decode(&body.rsa)) else {
            return form("the card's keys are not of their form");
        };
        let keys = PublicKeys::from_parts(ed25519, rsa)?;
        if envelope.from.as_deref() != Some(keys.actor().to_string().as_str()) {
            return form("the card names another actor than its key says");
        }
        body.address.check()?;
        if body.rev > MAX_SAFE_INTEGER {
            return form("the card's revision is too large");
        }
        envelope.verify(Domain::Card, &keys)?;
        Ok(Self(Arc::new(Facts {
            keys,
            nick: body.nick,
            address: body.address,
            rev: body.rev,
            profile: body.profile,
            envelope: envelope.clone(),
            digest: digest(&canonical),
        })))
    }

    /// The card as text, to give to an inviter.
    pub fn to_text(&self) -> String {
        armour::wrap("CARD", &self.0.envelope.to_canonical())
    }

    /// Reads the output of [`Self::to_text`], or the card's plain JSON.
    pub fn from_text(text: &str) -> Result<Self, IdentityError> {
        let raw = text.trim_start();
        if raw.starts_with('{') {
            return Self::parse(&Envelope::from_json(raw.as_bytes())?);
        }
        let bytes = armour::unwrap("CARD", text, limits::CARD)?;
        Self::parse(&Envelope::from_canonical(&bytes)?)
    }

    /// The signed envelope, to send or store.
    pub fn envelope(&self) -> &Envelope {
        &self.0.envelope
    }
    /// The hash of the signed envelope. It replaces the card where the card is known.
    pub fn digest(&self) -> Hash {
        self.0.digest
    }
    /// Its keys.
    pub fn keys(&self) -> &PublicKeys {
        &self.0.keys
    }
    /// Its actor.
    pub fn actor(&self) -> ActorId {
        self.0.keys.actor()
    }
    /// The nick it gives itself.
    pub fn nick(&self) -> &Nick {
        &self.0.nick
    }
    /// The address of its mailbox.
    pub fn address(&self) -> &Address {
        &self.0.address
    }
    /// Its revision.
    pub fn rev(&self) -> u64 {
        self.0.rev
    }
    /// Its public profile.
    pub fn profile(&self) -> &Map<String, Value> {
        &self.0.profile
    }
}

fn digest(canonical: &[u8]) -> Hash {
    Hash::of("kirc.v1.card", &[canonical])
}

impl Serialize for Card {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.0.envelope.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Card {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let envelope = Envelope::deserialize(d)?;
        Self::parse(&envelope).map_err(serde::de::Error::custom)
    }
}
