//! Builds the bytes of a log's records, signed by their author.
//!
//! This file decides nothing. Other modules decide who may append what, and when.

use serde_json::{Value, json};

use super::acts::SealedAct;
use super::record::{Kept, LogRecord, Stand};
use crate::envelope::{Domain, Envelope};
use crate::identity::{Card, Identity};
use crate::ids::{ChannelId, Epoch, Hash, KeyId, MAX_SAFE_INTEGER, Seq, Term};
use crate::names::ChannelName;

impl LogRecord {
    /// The bytes of a claim.
    pub fn claim(
        me: &Identity,
        card: &Card,
        name: &ChannelName,
        term: Term,
        prev: Hash,
        channel: Option<ChannelId>,
        nonce: u64,
    ) -> Vec<u8> {
        let mut e = unsigned_claim(me, card, name, term, prev, nonce);
        if let Some(channel) = channel {
            e = e.meta("ch", channel.to_string());
        }
        e.sign(Domain::Claim, me).to_canonical()
    }

    /// The bytes of a claim that starts this incarnation of a log from what its author has of the
    /// channel.
    pub fn claim_restart(
        me: &Identity,
        card: &Card,
        name: &ChannelName,
        (term, prev, channel): (Term, Hash, ChannelId),
        (stand, life): (Stand, Hash),
        nonce: u64,
    ) -> Vec<u8> {
        unsigned_claim(me, card, name, term, prev, nonce)
            .meta("ch", channel.to_string())
            .meta("life", life.to_string())
            .meta("seq", stand.seq.0)
            .meta("head", stand.head.to_string())
            .sign(Domain::Claim, me)
            .to_canonical()
    }

    /// The bytes of a challenge.
    pub fn challenge(
        me: &Identity,
        name: &ChannelName,
        channel: ChannelId,
        term: Term,
        nonce: u64,
    ) -> Vec<u8> {
        unsigned_challenge(me, name, channel, term, nonce).sign(Domain::Challenge, me).to_canonical()
    }

    /// The bytes in which a member states how much it has, in a log that starts again.
    pub fn having(
        me: &Identity,
        name: &ChannelName,
        channel: ChannelId,
        (term, seq): (Term, Seq),
        nonce: u64,
    ) -> Vec<u8> {
        unsigned_challenge(me, name, channel, term, nonce)
            .meta("have", seq.0)
            .sign(Domain::Challenge, me)
            .to_canonical()
    }

    /// The bytes in which a member confirms that it has the key of an epoch.
    pub fn held(
        me: &Identity,
        name: &ChannelName,
        channel: ChannelId,
        term: Term,
        (epoch, kid): (Epoch, KeyId),
    ) -> Vec<u8> {
        Envelope::new("HELD")
            .from(me.actor().to_string())
            .to(name.as_str())
            .meta("ch", channel.to_string())
            .meta("term", term.0)
            .meta("epoch", epoch.0)
            .meta("kid", kid.to_string())
            .sign(Domain::Held, me)
            .to_canonical()
    }

    /// The body of a LATE record.
    pub fn late_envelope(records: &[Kept]) -> Envelope {
        let records: Vec<Value> = records.iter().map(Kept::to_value).collect();
        Envelope::new("LATE").field("records", Value::Array(records))
    }

    /// The bytes of relayed acts of one epoch: a LOG record for one act, a BATCH record for
    /// several.
    pub fn acts(
        me: &Identity,
        name: &ChannelName,
        term: Term,
        seq: Seq,
        prev: Hash,
        acts: &[SealedAct],
    ) -> Vec<u8> {
        let envelope = match acts {
            [act] => act.envelope("LOG", name),
            _ => SealedAct::batch_envelope(acts, name),
        };
        Self::finish(envelope, me, term, seq, prev)
    }

    /// The bytes of one of the leader's own records: KEY, KEEP, RESIGN.
    pub fn leader(
        e: Envelope,
        me: &Identity,
        name: &ChannelName,
        term: Term,
        seq: Seq,
        prev: Hash,
    ) -> Vec<u8> {
        Self::finish(e.to(name.as_str()), me, term, seq, prev)
    }

    fn finish(e: Envelope, me: &Identity, term: Term, seq: Seq, prev: Hash) -> Vec<u8> {
        e.meta("term", term.0)
            .meta("seq", seq.0)
            .meta("prev", prev.to_string())
            .sign(Domain::Log, me)
            .to_canonical()
    }

    /// The body of a KEY record.
    pub fn key_envelope(epoch: Epoch, kid: KeyId, reason: &str, state: Hash, wraps: &[Hash]) -> Envelope {
        let wraps: Vec<String> = wraps.iter().map(Hash::to_string).collect();
        Envelope::new("KEY")
            .meta("epoch", epoch.0)
            .meta("kid", kid.to_string())
            .field("alg", "fernet")
            .field("reason", reason)
            .field("state", state.to_string())
            .field("wraps", json!(wraps))
    }
}

/// The part that all claims share.
fn unsigned_claim(
    me: &Identity,
    card: &Card,
    name: &ChannelName,
    term: Term,
    prev: Hash,
    nonce: u64,
) -> Envelope {
    Envelope::new("CLAIM")
        .from(me.actor().to_string())
        .to(name.as_str())
        .meta("term", term.0)
        .meta("prev", prev.to_string())
        .meta("nonce", nonce & MAX_SAFE_INTEGER)
        .field("card", serde_json::to_value(card.envelope()).unwrap_or_default())
}

/// The part that all challenges share.
fn unsigned_challenge(
    me: &Identity,
    name: &ChannelName,
    channel: ChannelId,
    term: Term,
    nonce: u64,
) -> Envelope {
    Envelope::new("CHALLENGE")
        .from(me.actor().to_string())
        .to(name.as_str())
        .meta("ch", channel.to_string())
        .meta("term", term.0)
        .meta("nonce", nonce & MAX_SAFE_INTEGER)
}
