//! Members' acts in transport form: encrypted, sent to the leader (SEND), and in the log one by one
//! (LOG) or several in one record (BATCH).
//!
//! This file knows their form only. It does not know their content, nor whether they count.

use serde_json::{Value, json};

use super::record::{RecordError, meta_str, meta_u64, sender};
use crate::envelope::Envelope;
use crate::ids::{ActorId, Epoch, KeyId, MsgId};
use crate::limits;
use crate::names::ChannelName;

/// A member's act, encrypted, with a routing header that must match the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedAct {
    /// The author.
    pub from: ActorId,
    /// The act's id.
    pub id: MsgId,
    /// The epoch of the key.
    pub epoch: Epoch,
    /// The key.
    pub kid: KeyId,
    /// The Fernet token.
    pub token: String,
}

impl SealedAct {
    pub(super) fn parse(e: &Envelope) -> Result<Self, RecordError> {
        Ok(Self {
            from: sender(e)?,
            id: MsgId::parse(e.id.as_deref().ok_or(RecordError::Missing("id"))?)?,
            epoch: Epoch(meta_u64(e, "epoch")?),
            kid: KeyId::parse(meta_str(e, "kid")?)?,
            token: e.get("ct").and_then(Value::as_str).ok_or(RecordError::Missing("ct"))?.to_owned(),
        })
    }

    pub(super) fn envelope(&self, command: &str, channel: &ChannelName) -> Envelope {
        Envelope {
            id: Some(self.id.to_string()),
            ..Envelope::new(command)
                .from(self.from.to_string())
                .to(channel.as_str())
                .meta("epoch", self.epoch.0)
                .meta("kid", self.kid.to_string())
                .field("ct", self.token.as_str())
        }
    }

    /// Reads a BATCH: author, id and token of each act; the key is the same for all.
    pub(super) fn parse_batch(e: &Envelope) -> Result<Vec<Self>, RecordError> {
        let (epoch, kid) = (Epoch(meta_u64(e, "epoch")?), KeyId::parse(meta_str(e, "kid")?)?);
        let all = e.get("acts").and_then(Value::as_array).ok_or(RecordError::Missing("acts"))?;
        if !(2..=limits::BATCH).contains(&all.len()) {
            return Err(RecordError::Missing("a number of acts that a batch may have"));
        }
        let one = |act: &Value| {
            let Some([from, id, token]) = act.as_array().map(Vec::as_slice) else {
                return Err(RecordError::Missing("acts"));
            };
            let (Some(from), Some(id), Some(token)) = (from.as_str(), id.as_str(), token.as_str()) else {
                return Err(RecordError::Missing("acts"));
            };
            Ok(Self {
                from: ActorId::parse(from)?,
                id: MsgId::parse(id)?,
                epoch,
                kid,
                token: token.to_owned(),
            })
        };
        all.iter().map(one).collect()
    }

    pub(super) fn batch_envelope(acts: &[Self], channel: &ChannelName) -> Envelope {
        let first = acts.first();
        let all: Vec<Value> =
            acts.iter().map(|a| json!([a.from.to_string(), a.id.to_string(), a.token])).collect();
        Envelope::new("BATCH")
            .to(channel.as_str())
            .meta("epoch", first.map_or(0, |a| a.epoch.0))
            .meta("kid", first.map_or_else(String::new, |a| a.kid.to_string()))
            .field("acts", Value::Array(all))
    }
}

/// An act on its way to the leader's `data-in`.
#[derive(Debug, Clone, PartialEq)]
pub struct RelayRequest {
    /// The channel.
    pub name: ChannelName,
    /// The act.
    pub act: SealedAct,
}

impl RelayRequest {
    /// The record's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.act.envelope("SEND", &self.name).to_canonical()
    }

    /// Reads it from an envelope whose command is `SEND`.
    pub fn parse(e: &Envelope) -> Result<Self, RecordError> {
        Ok(Self {
            name: ChannelName::parse(e.to.as_deref().ok_or(RecordError::Missing("to"))?)?,
            act: SealedAct::parse(e)?,
        })
    }
}
