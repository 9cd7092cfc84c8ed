//! Opens an act: reads decrypted bytes as an author's signed act and checks the signature.
//!
//! The fold decides whether the act is its author's next one and whether it is allowed.

use std::sync::Arc;

use super::acts::SealedAct;
use crate::channel::{Act, ActKind, Change, ChannelState};
use crate::envelope::{Domain, Envelope, EnvelopeError};
use crate::identity::Card;
use crate::ids::{ChannelId, Epoch, KeyId, MsgId, Seq, UserId};
use crate::node::Config;

/// A decrypted and verified act.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// The act.
    pub act: Act,
    /// The author's signed envelope.
    pub envelope: Envelope,
}

/// An act that counts.
#[derive(Debug, Clone, PartialEq)]
pub struct AppliedAct {
    /// The act that counts.
    pub opened: Arc<Opened>,
    /// What the act changed.
    pub change: Change,
    /// The sequence number.
    pub seq: Seq,
}

/// The bytes of a signed act to encrypt. Author and id are in the routing header, so they are left
/// out here (a fifth of a short message's record). The reader adds them again before it checks the
/// signature over them.
pub fn act_plaintext(signed: &Envelope) -> Vec<u8> {
    Envelope { from: None, id: None, ..signed.clone() }.to_canonical()
}

/// Reads and checks a signed act: its canonical form, its channel, its routing header, and the
/// signature by a member's key (for JOIN, by the key of the card in it).
pub(crate) fn open_act(
    plain: &[u8],
    sealed: &SealedAct,
    channel: ChannelId,
    state: &ChannelState,
    config: &Config,
) -> Result<Opened, &'static str> {
    let mut envelope =
        Envelope::from_canonical(plain).map_err(|_| "a message that is not in canonical form")?;
    if envelope.from.is_some() || envelope.id.is_some() {
        return Err("a message that says twice who wrote it");
    }
    // The signature is over these too: a header that names another author or id breaks it.
    envelope.from = Some(sealed.from.to_string());
    envelope.id = Some(sealed.id.to_string());
    let act = Act::parse(&envelope).map_err(|_| "a message that can't be read")?;
    verify_act(&envelope, &act, channel, state, config)?;
    let is_join = matches!(act.kind, ActKind::Join { .. });
    let epoch = envelope.meta_u64("epoch").map(Epoch);
    let kid = envelope.meta_str("kid").and_then(|k| KeyId::parse(k).ok());
    if !is_join && (epoch != Some(sealed.epoch) || kid != Some(sealed.kid)) {
        return Err("a message that was moved to another key");
    }
    Ok(Opened { act, envelope })
}

/// Why a member's act can't be read, if the member did sign it. The relaying leader reports the
/// reason, because the author waits.
pub(crate) fn unreadable(plain: &[u8], sealed: &SealedAct, state: &ChannelState) -> Option<EnvelopeError> {
    let mut envelope = Envelope::from_canonical(plain).ok()?;
    envelope.from = Some(sealed.from.to_string());
    envelope.id = Some(sealed.id.to_string());
    let why = Act::parse(&envelope).err()?;
    let author = state.actors.get(&sealed.from)?;
    envelope.verify(Domain::Message, author.keys()).ok().map(|()| why)
}

/// Checks channel and signature of an act.
pub(crate) fn verify_act(
    envelope: &Envelope,
    act: &Act,
    channel: ChannelId,
    state: &ChannelState,
    config: &Config,
) -> Result<(), &'static str> {
    if envelope.meta_str("ch").and_then(|c| ChannelId::parse(c).ok()) != Some(channel) {
        return Err("a message of another channel");
    }
    let known = state.actors.get(&act.actor).map(Card::keys);
    let keys = match &act.kind {
        ActKind::Join { card: Some(card), .. } if card.actor() == act.actor => Some(card.keys()),
        ActKind::Join { card: Some(_), .. } => return Err("a JOIN with somebody else's card"),
        ActKind::Join { card: None, .. } => known,
        // A node speaks for the users on it, and for nobody else.
        _ => known.filter(|_| state.members.get(&act.author).is_some_and(|m| m.actor == act.actor)),
    };
    let keys = keys.ok_or("a message by somebody who is not a member")?;
    if envelope.verify(Domain::Message, keys).is_err() && !mutant!(config, TrustLeader) {
        return Err("a message whose author did not sign it");
    }
    Ok(())
}

/// The id that a message must exceed.
pub(crate) fn last_id(state: &ChannelState, user: &UserId) -> MsgId {
    state.members.get(user).map_or_else(|| state.last_of_stranger(user), |m| m.last)
}
