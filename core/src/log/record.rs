//! The records of a channel's log and of the transport to it, as bytes and as types.
//!
//! CLAIM, CHALLENGE, KEY, HELD, KEEP and RESIGN are unencrypted. LOG and BATCH carry members'
//! signed acts, encrypted (`acts`). This file reads records (`make` writes them). It knows their
//! form, not whether they count.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::{Value, json};

use super::acts::SealedAct;
use crate::envelope::{Envelope, EnvelopeError};
use crate::identity::{Card, IdentityError};
use crate::ids::{ActorId, ChannelId, Epoch, Hash, IdError, KeyId, MAX_SAFE_INTEGER, Millis, Seq, Term};
use crate::names::{ChannelName, NameError};

/// Why bytes are not a valid record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not an envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// An id in it is wrong.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A card in it is wrong.
    #[error(transparent)]
    Card(#[from] IdentityError),
    /// A name in it is wrong.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Something is missing.
    #[error("{0} is missing or of the wrong kind")]
    Missing(&'static str),
}

/// The fields that all records of a term share.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequenced {
    /// The signed envelope.
    pub envelope: Envelope,
    /// The term whose leader signed it.
    pub term: Term,
    /// Its sequence number; if it holds several acts, that of the first.
    pub seq: Seq,
    /// How many sequence numbers it takes.
    pub places: u64,
    /// The head before it.
    pub prev: Hash,
}

impl Sequenced {
    /// The last sequence number that it takes.
    pub fn last(&self) -> Seq {
        Seq(self.seq.0 + self.places.saturating_sub(1))
    }
}

/// A record of a log.
#[derive(Debug, Clone, PartialEq)]
pub enum LogRecord {
    /// A member claims leadership.
    Claim {
        /// The signed envelope.
        envelope: Box<Envelope>,
        /// The member.
        card: Box<Card>,
        /// The term it would begin.
        term: Term,
        /// The claim that won before.
        prev: Hash,
        /// The channel's identity; a claim without one founds a channel.
        channel: Option<ChannelId>,
        /// The position it builds on, if it starts a log again.
        anew: Option<Stand>,
        /// The incarnation of the log that it starts then, if it names one.
        life: Option<Hash>,
    },
    /// A member asks whether the leader is alive.
    Challenge {
        /// The signed envelope.
        envelope: Box<Envelope>,
        /// The member.
        from: ActorId,
        /// The term that it doubts.
        term: Term,
        /// How much of the channel it has, in a log that starts again.
        have: Option<Seq>,
    },
    /// A member has the key of an epoch.
    Held {
        /// The signed envelope.
        envelope: Box<Envelope>,
        /// The member.
        from: ActorId,
        /// The term in which the epoch began.
        term: Term,
        /// The epoch.
        epoch: Epoch,
        /// Its key.
        kid: KeyId,
    },
    /// Relayed members' acts: one (LOG) or several in order (BATCH).
    Acts(Sequenced, Vec<SealedAct>),
    /// A new epoch.
    Key {
        /// What all share.
        at: Sequenced,
        /// Its number.
        epoch: Epoch,
        /// Its key.
        kid: KeyId,
        /// Why.
        reason: String,
        /// The hash of the channel's state before this record.
        state: Hash,
        /// Hashes of the wraps, padded.
        wraps: Vec<Hash>,
        /// How the key is used.
        alg: String,
    },
    /// No member has confirmed the last key: the leader keeps using the previous one for acts.
    Keep {
        /// What all share.
        at: Sequenced,
    },
    /// The leader leaves.
    Resign {
        /// What all share.
        at: Sequenced,
        /// The channel has no members left.
        empty: bool,
    },
    /// Signed records of a lost log, from a member that has them.
    Late {
        /// What all share.
        at: Sequenced,
        /// The records, in their order.
        records: Vec<Kept>,
    },
    /// A kind that this version does not know: it is skipped but keeps its position.
    Unknown(Sequenced),
}

/// A position in a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stand {
    /// The sequence number.
    pub seq: Seq,
    /// The head of the chain there.
    pub head: Hash,
}

/// A record of a lost log, as a member stored it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Kept {
    /// The log's time for it, according to the member that stored it.
    pub time: Millis,
    /// Its bytes.
    pub value: Vec<u8>,
}

impl Kept {
    /// Its form in `RECORDS`, `OFFER` and `LATE`.
    pub fn to_value(&self) -> Value {
        json!([self.time, B64.encode(&self.value)])
    }

    /// Reads that form.
    pub fn parse(value: &Value) -> Option<Self> {
        let bytes = value.get(1)?.as_str().and_then(|v| B64.decode(v).ok())?;
        Some(Self { time: value.get(0)?.as_u64()?, value: bytes })
    }
}

/// The hash of a sequenced record, by which the next one refers to it.
pub fn hash_record(bytes: &[u8]) -> Hash {
    Hash::of("kirc.v1.record", &[bytes])
}

/// The head after a claim won: it binds the chain so far and the new leader.
pub fn chain_claim(head: Hash, claim: Hash) -> Hash {
    Hash::of("kirc.v1.take-over", &[&head.0, &claim.0])
}

pub(super) fn meta_u64(e: &Envelope, name: &'static str) -> Result<u64, RecordError> {
    e.meta_u64(name).filter(|v| *v <= MAX_SAFE_INTEGER).ok_or(RecordError::Missing(name))
}

pub(super) fn meta_str<'e>(e: &'e Envelope, name: &'static str) -> Result<&'e str, RecordError> {
    e.meta_str(name).ok_or(RecordError::Missing(name))
}

pub(super) fn sender(e: &Envelope) -> Result<ActorId, RecordError> {
    Ok(ActorId::parse(e.from.as_deref().ok_or(RecordError::Missing("from"))?)?)
}

/// The hash that marks an incarnation of a log, from its incarnation id.
pub fn life_of(incarnation: &str) -> Hash {
    Hash::of("kirc.v1.life", &[incarnation.as_bytes()])
}

impl LogRecord {
    /// Whether it is a claim that starts another incarnation of the log than this one: it was meant
    /// for one that is lost.
    pub fn begins_other(&self, incarnation: Option<&str>) -> bool {
        match self {
            Self::Claim { anew: Some(_), life: Some(life), .. } => {
                incarnation.is_some_and(|here| life_of(here) != *life)
            }
            _ => false,
        }
    }

    /// Reads a record of the log of `channel`.
    pub fn parse(bytes: &[u8], channel: &ChannelName) -> Result<Self, RecordError> {
        let e = Envelope::from_canonical(bytes)?;
        let name = ChannelName::parse(e.to.as_deref().ok_or(RecordError::Missing("to"))?)?;
        if name != *channel {
            return Err(RecordError::Missing("the channel's name in `to`"));
        }
        let term = Term(meta_u64(&e, "term")?);
        match e.command.as_str() {
            "CLAIM" => {
                let card = e.get("card").ok_or(RecordError::Missing("card"))?;
                let card: Envelope =
                    serde_json::from_value(card.clone()).map_err(|_| RecordError::Missing("card"))?;
                let card = Card::parse(&card)?;
                if sender(&e)? != card.actor() {
                    return Err(RecordError::Missing("a card of the sender"));
                }
                let channel = e.meta_str("ch").map(ChannelId::parse).transpose()?;
                let prev = Hash::parse(meta_str(&e, "prev")?)?;
                let anew = match e.meta_str("head") {
                    Some(head) => Some(Stand { seq: Seq(meta_u64(&e, "seq")?), head: Hash::parse(head)? }),
                    None => None,
                };
                let life = e.meta_str("life").map(Hash::parse).transpose()?;
                Ok(Self::Claim {
                    envelope: Box::new(e),
                    card: Box::new(card),
                    term,
                    prev,
                    channel,
                    anew,
                    life,
                })
            }
            "CHALLENGE" => {
                let have = meta_u64(&e, "have").ok().map(Seq);
                Ok(Self::Challenge { from: sender(&e)?, term, have, envelope: Box::new(e) })
            }
            "HELD" => {
                let epoch = Epoch(meta_u64(&e, "epoch")?);
                let kid = KeyId::parse(meta_str(&e, "kid")?)?;
                Ok(Self::Held { from: sender(&e)?, term, epoch, kid, envelope: Box::new(e) })
            }
            _ => Self::parse_sequenced(e, term),
        }
    }

    fn parse_sequenced(e: Envelope, term: Term) -> Result<Self, RecordError> {
        let seq = Seq(meta_u64(&e, "seq")?);
        let prev = Hash::parse(meta_str(&e, "prev")?)?;
        let at = |envelope| Sequenced { envelope, term, seq, places: 1, prev };
        match e.command.as_str() {
            "LOG" => {
                let act = SealedAct::parse(&e)?;
                Ok(Self::Acts(at(e), vec![act]))
            }
            "BATCH" => {
                let acts = SealedAct::parse_batch(&e)?;
                let places = acts.len() as u64;
                if seq.0 > MAX_SAFE_INTEGER - places {
                    return Err(RecordError::Missing("seq"));
                }
                Ok(Self::Acts(Sequenced { places, ..at(e) }, acts))
            }
            "KEY" => {
                let hashes = e.get("wraps").and_then(Value::as_array).ok_or(RecordError::Missing("wraps"))?;
                let mut wraps = Vec::with_capacity(hashes.len());
                for hash in hashes {
                    wraps.push(Hash::parse(hash.as_str().ok_or(RecordError::Missing("wraps"))?)?);
                }
                let text = |name: &'static str| {
                    e.get(name).and_then(Value::as_str).ok_or(RecordError::Missing(name))
                };
                Ok(Self::Key {
                    epoch: Epoch(meta_u64(&e, "epoch")?),
                    kid: KeyId::parse(meta_str(&e, "kid")?)?,
                    reason: text("reason")?.to_owned(),
                    state: Hash::parse(text("state")?)?,
                    alg: text("alg")?.to_owned(),
                    wraps,
                    at: at(e),
                })
            }
            "KEEP" => Ok(Self::Keep { at: at(e) }),
            "RESIGN" => {
                let empty = e.get("empty").and_then(Value::as_bool).unwrap_or(false);
                Ok(Self::Resign { at: at(e), empty })
            }
            "LATE" => {
                let all =
                    e.get("records").and_then(Value::as_array).ok_or(RecordError::Missing("records"))?;
                let records = all.iter().map(Kept::parse).collect::<Option<Vec<_>>>();
                let records = records.ok_or(RecordError::Missing("records"))?;
                Ok(Self::Late { at: at(e), records })
            }
            _ => Ok(Self::Unknown(at(e))),
        }
    }

    /// The fields that a sequenced record shares with all others.
    pub fn sequenced(&self) -> Option<&Sequenced> {
        match self {
            Self::Acts(at, _)
            | Self::Key { at, .. }
            | Self::Keep { at }
            | Self::Resign { at, .. }
            | Self::Late { at, .. }
            | Self::Unknown(at) => Some(at),
            Self::Claim { .. } | Self::Challenge { .. } | Self::Held { .. } => None,
        }
    }
}
