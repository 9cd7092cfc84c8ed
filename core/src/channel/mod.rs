//! What IRC calls a channel: members, ranks, modes, masks, topic. A reducer over author-signed acts.
//!
//! One question, two askers: the leader asks before it relays, every reader asks again. It knows no keys, no log, no clock.
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::envelope::Envelope;
use crate::identity::Card;
use crate::ids::{ActorId, Count, MsgId};
use crate::names::{ChannelName, Nick};

/// A refusal: a numeric with its parameters and a text for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The numeric.
    pub code: String,
    /// Its parameters behind the nick, as IRC has them.
    pub params: Vec<String>,
    /// What to tell the user.
    pub text: String,
}

/// Something that an author did, taken from its signed envelope. Whether it is allowed is not its matter.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// Who.
    pub author: ActorId,
    /// The author's count.
    pub n: Count,
    /// Its id.
    pub id: MsgId,
    /// The author's time.
    pub ts: u64,
    /// What.
    pub kind: ActKind,
}

/// What was done.
#[derive(Debug, Clone, PartialEq)]
pub enum ActKind {
    /// PRIVMSG.
    Message,
    /// NOTICE.
    Notice,
    /// JOIN, with the joiner's card, the channel key it gave, and what it says of its connection.
    Join {
        /** The card. */
        card: Box<Card>,
        /** The key given for +k. */
        key: Option<String>,
        /** Whether the account is registered (+R). */
        registered: bool,
        /** Whether its connection is over TLS or local (+Z). */
        tls: bool,
    },
    /// PART, with a reason.
    Part {
        /** The reason. */
        reason: String,
    },
    /// KICK.
    Kick {
        /** Who goes. */
        target: ActorId,
        /** Why. */
        reason: String,
    },
    /// MODE, as a list of signed letters with their parameters (nick parameters already resolved to actors).
    Mode {
        /** The changes. */
        changes: Vec<ModeChange>,
    },
    /// TOPIC; empty clears.
    Topic {
        /** The new topic. */
        text: String,
    },
    /// NICK: a new card with the new nick.
    Card {
        /** The card. */
        card: Box<Card>,
    },
    /// INVITE.
    Invite {
        /** Who may come. */
        target: ActorId,
    },
    /// Something that changes nothing in the channel and that every member may do (PONG, ROTATE is for operators).
    Nothing {
        /** The command. */
        command: String,
    },
}

/// One change of a mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeChange {
    /// Plus or minus.
    pub add: bool,
    /// The letter.
    pub letter: char,
    /// Its parameter: an actor id for ranks, a mask, a key, a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
}

/// A rank, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Rank {
    /** v, `+` */
    Voice,
    /** h, `%` */
    Halfop,
    /** o, `@` */
    Op,
    /** a, `&` */
    Admin,
    /** q, `~` */
    Owner,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Its card.
    pub card: Card,
    /// Its ranks.
    pub ranks: BTreeSet<Rank>,
    /// The count of what it said last.
    pub n: Count,
    /// The id of what it said last.
    pub last: MsgId,
}

/// The state of a channel: every member holds the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelState {
    /// Its name.
    pub name: ChannelName,
    /// Who is in it.
    pub members: BTreeMap<ActorId, Member>,
    /// Who was in it, and the id of what it said last: an old JOIN can't be played again.
    pub gone: BTreeMap<ActorId, MsgId>,
}

/// What an applied act changed, for doors and for the keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// Somebody came or went (or lost the right to read): a new epoch is due.
    pub membership: bool,
    /// Who came.
    pub joined: Option<ActorId>,
    /// Who went.
    pub left: Option<ActorId>,
    /// The mode changes that took effect.
    pub modes: Vec<ModeChange>,
}

impl ChannelState {
    /// A new channel: its founder is owner and operator; modes `+nt`.
    pub fn found(name: &ChannelName, founder: &Card, id: MsgId) -> Self {
        let _ = (name, founder, id);
        todo!()
    }
    /// Whether the act is in its author's order: `Next`, seen already, or ahead of what is missing.
    pub fn order(&self, act: &Act) -> Order {
        let _ = act;
        todo!()
    }
    /// Whether the act is allowed here and now. The order is not looked at.
    pub fn check(&self, act: &Act) -> Result<(), Refusal> {
        let _ = act;
        todo!()
    }
    /// Applies an act that was checked.
    pub fn apply(&mut self, act: &Act) -> Change {
        let _ = act;
        todo!()
    }
    /// The member of this nick.
    pub fn by_nick(&self, nick: &Nick) -> Option<(&ActorId, &Member)> {
        let _ = nick;
        todo!()
    }
    /// `nick!actor@cluster`.
    pub fn prefix(&self, actor: &ActorId) -> Option<String> {
        let _ = actor;
        todo!()
    }
    /// `~&@%+` for NAMES: the highest, or all.
    pub fn rank_prefix(&self, actor: &ActorId) -> &'static str {
        let _ = actor;
        todo!()
    }
    /// The modes as `+ntk`, with parameters.
    pub fn mode_string(&self, with_secrets: bool) -> (String, Vec<String>) {
        let _ = with_secrets;
        todo!()
    }
    /// The topic: text, who set it (nick), when (ms).
    pub fn topic(&self) -> Option<(&str, &str, u64)> {
        todo!()
    }
    /// A mask list: letter b, e or I: (mask, who set it, when ms).
    pub fn list(&self, letter: char) -> Vec<(String, String, u64)> {
        let _ = letter;
        todo!()
    }
    /// Whether a mode without parameter is set.
    pub fn has(&self, letter: char) -> bool {
        let _ = letter;
        todo!()
    }
}

/// Where an act stands in its author's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// It is the next.
    Next,
    /// It was seen.
    Seen,
    /// Something before it is missing.
    Ahead,
}

impl Act {
    /// Reads an act out of an author's signed envelope (the signature is checked by the caller).
    pub fn parse(envelope: &Envelope) -> Result<Self, crate::envelope::EnvelopeError> {
        let _ = envelope;
        todo!()
    }
}
