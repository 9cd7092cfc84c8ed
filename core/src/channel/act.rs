//! An author's action (an act): reads it from a signed envelope and writes it to one.
//!
//! It checks form and size. It does not check the signature (the caller does) or the permission
//! (`policy` does).
use serde_json::Value;

use super::mode::ModeKind;
use super::{ModeChange, Rank};
use crate::envelope::{Body, Envelope, EnvelopeError, line_end, parse_ts};
use crate::identity::Card;
use crate::ids::{ActorId, Count, MAX_SAFE_INTEGER, MsgId};
use crate::limits;

/// One action of an author, read from its signed envelope. This type does not say whether the
/// action is allowed.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// The author.
    pub author: ActorId,
    /// The author's count.
    pub n: Count,
    /// The author's previous act as the author knows it, in the form of [`after`]; none for JOIN.
    pub after: Option<u32>,
    /// The act's id.
    pub id: MsgId,
    /// The author's time.
    pub ts: u64,
    /// What the author did.
    pub kind: ActKind,
}

/// How an act names its author's previous act: the last 32 bits of that act's id. The count alone
/// is not enough: it moves up when an act is refused, and then a copy with an old count could
/// overtake an act with a new count for good.
pub fn after(id: MsgId) -> u32 {
    id.0 as u32
}

/// The kind of an act.
#[derive(Debug, Clone, PartialEq)]
pub enum ActKind {
    /// PRIVMSG.
    Message,
    /// NOTICE.
    Notice,
    /// JOIN, with the joiner's card, the channel key it gave, and what it states about its
    /// connection.
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
    /// MODE, as a list of signed letters with their parameters (nick parameters already resolved to
    /// actors).
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
    /// An act that changes nothing in the channel and that every member may do (PONG; ROTATE is for
    /// operators).
    Nothing {
        /** The command. */
        command: String,
    },
}

impl ActKind {
    /// Whether it is a message from a person. Messages do not change the channel.
    pub fn is_said(&self) -> bool {
        matches!(self, Self::Message | Self::Notice)
    }

    /// Whether it must be encrypted under a key that no former member has. Former members may learn
    /// who joins, who leaves and who has which rights. They must not learn messages, nor anything
    /// that lets people in.
    pub fn needs_fresh_key(&self) -> bool {
        match self {
            Self::Join { .. } | Self::Part { .. } | Self::Kick { .. } | Self::Invite { .. } => false,
            Self::Mode { changes } => changes.iter().any(|change| change.letter == 'k'),
            _ => true,
        }
    }

    /// The command of its envelope.
    pub fn command(&self) -> &str {
        match self {
            Self::Message => "PRIVMSG",
            Self::Notice => "NOTICE",
            Self::Join { .. } => "JOIN",
            Self::Part { .. } => "PART",
            Self::Kick { .. } => "KICK",
            Self::Mode { .. } => "MODE",
            Self::Topic { .. } => "TOPIC",
            Self::Card { .. } => "NICK",
            Self::Invite { .. } => "INVITE",
            Self::Nothing { command } => command,
        }
    }

    /// Reads the kind from an envelope, which need not be signed. The node checks with it what an
    /// author submits before it accepts it, and reads with it what arrives.
    pub fn parse(envelope: &Envelope) -> Result<Self, EnvelopeError> {
        kind(envelope)
    }

    /// The lowest rank that may do it in any channel, if it needs a rank.
    pub(super) fn needs(&self) -> Option<Rank> {
        match self {
            Self::Kick { .. } => Some(Rank::Halfop),
            Self::Nothing { command } if command == "ROTATE" => Some(Rank::Op),
            _ => None,
        }
    }

    /// Its envelope, without `from`, `to`, `id`, `ts` and `meta.n`, which the author adds before it
    /// signs; for PRIVMSG and NOTICE also without the text. [`Act::parse`] reads it back.
    pub fn to_envelope(&self) -> Envelope {
        let out = Envelope::new(self.command());
        match self {
            Self::Message | Self::Notice | Self::Nothing { .. } => out,
            Self::Join { card, key, registered, tls } => {
                let out =
                    out.field("card", card_value(card)).field("registered", *registered).field("tls", *tls);
                match key {
                    Some(key) => out.field("key", key.as_str()),
                    None => out,
                }
            }
            Self::Part { reason } => optional_line(out, reason),
            Self::Kick { target, reason } => optional_line(out.param(target.to_string()), reason),
            Self::Mode { changes } => {
                let changes = changes.iter().map(change_value).collect();
                out.field("changes", Value::Array(changes))
            }
            Self::Topic { text } => out.line(text),
            Self::Card { card } => out.field("card", card_value(card)),
            Self::Invite { target } => out.param(target.to_string()),
        }
    }
}

fn optional_line(envelope: Envelope, text: &str) -> Envelope {
    if text.is_empty() { envelope } else { envelope.line(text) }
}

fn card_value(card: &Card) -> Value {
    // An envelope is strings, numbers and maps with string keys: this can't fail.
    serde_json::to_value(card.envelope()).unwrap_or_default()
}

fn change_value(change: &ModeChange) -> Value {
    serde_json::to_value(change).unwrap_or_default()
}

impl Act {
    /// Reads an act from an author's signed envelope. The caller checks the signature.
    ///
    /// An unknown command becomes [`ActKind::Nothing`], so it keeps its position in its author's
    /// order.
    pub fn parse(envelope: &Envelope) -> Result<Self, EnvelopeError> {
        let field = |name: &str, text: &Option<String>| {
            text.clone().ok_or_else(|| form(format!("{name} is missing")))
        };
        let n = envelope
            .meta_u64("n")
            .filter(|n| *n <= MAX_SAFE_INTEGER)
            .ok_or_else(|| form("meta.n is the author's count, a whole number"))?;
        Ok(Self {
            author: actor(&field("from", &envelope.from)?)?,
            n: Count(n),
            after: match envelope.meta.get("after") {
                None => None,
                Some(value) => Some(
                    value
                        .as_u64()
                        .and_then(|v| u32::try_from(v).ok())
                        .ok_or_else(|| form("meta.after is a number of 32 bits"))?,
                ),
            },
            id: MsgId::parse(&field("id", &envelope.id)?).map_err(form)?,
            ts: parse_ts(&field("ts", &envelope.ts)?)
                .filter(|ts| *ts <= MAX_SAFE_INTEGER)
                .ok_or_else(|| form("ts is not a time in UTC with milliseconds"))?,
            kind: ActKind::parse(envelope)?,
        })
    }
}

fn kind(e: &Envelope) -> Result<ActKind, EnvelopeError> {
    Ok(match e.command.as_str() {
        "PRIVMSG" => {
            check_text(e)?;
            ActKind::Message
        }
        "NOTICE" => {
            check_text(e)?;
            ActKind::Notice
        }
        "JOIN" => ActKind::Join {
            card: card(e)?,
            key: key(e)?,
            registered: flag(e, "registered")?,
            tls: flag(e, "tls")?,
        },
        "PART" => ActKind::Part { reason: line(e, "a reason", limits::REASON)?.unwrap_or_default() },
        "KICK" => ActKind::Kick {
            target: target(e)?,
            reason: line(e, "a reason", limits::REASON)?.unwrap_or_default(),
        },
        "MODE" => ActKind::Mode { changes: changes(e)? },
        "TOPIC" => ActKind::Topic {
            text: line(e, "a topic", limits::TOPIC)?
                .ok_or_else(|| form("TOPIC has the topic in its body; an empty one clears it"))?,
        },
        "NICK" => ActKind::Card { card: card(e)? },
        "INVITE" => ActKind::Invite { target: target(e)? },
        other => ActKind::Nothing { command: other.to_owned() },
    })
}

fn form(why: impl ToString) -> EnvelopeError {
    EnvelopeError::Form(why.to_string())
}

fn within(what: &'static str, size: usize, limit: usize) -> Result<(), EnvelopeError> {
    if size > limit {
        return Err(EnvelopeError::Limit { what, size, limit });
    }
    Ok(())
}

fn actor(text: &str) -> Result<ActorId, EnvelopeError> {
    ActorId::parse(text).map_err(form)
}

/// The single parameter of KICK and INVITE.
fn target(e: &Envelope) -> Result<ActorId, EnvelopeError> {
    match e.params.as_slice() {
        [one] => actor(one),
        _ => Err(form(format!("{} has one parameter, an actor id", e.command))),
    }
}

/// The lines of an array body: only text, without characters that would end an IRC line.
fn lines(e: &Envelope) -> Result<Vec<&str>, EnvelopeError> {
    let values = match &e.body {
        None => return Ok(Vec::new()),
        Some(Body::Array(values)) => values,
        Some(Body::Object(_)) => return Err(form(format!("{} has lines in its body", e.command))),
    };
    let mut out = Vec::with_capacity(values.len().min(limits::LINES));
    for value in values {
        let text = value
            .as_str()
            .ok_or_else(|| form(format!("the body of {} holds something that is no text", e.command)))?;
        match line_end(text) {
            Some('\0') => return Err(form("a line has a NUL in it")),
            Some(_) => return Err(form("a line has a line break in it")),
            None => {}
        }
        out.push(text);
    }
    Ok(out)
}

fn check_text(e: &Envelope) -> Result<(), EnvelopeError> {
    let lines = lines(e)?;
    within("the body", lines.len(), limits::LINES)?;
    for line in &lines {
        within("a line", line.len(), limits::LINE)?;
    }
    if lines.iter().all(|line| line.is_empty()) {
        return Err(form("there is no text to send"));
    }
    Ok(())
}

/// The line of a body that holds at most one line.
fn line(e: &Envelope, what: &'static str, limit: usize) -> Result<Option<String>, EnvelopeError> {
    match lines(e)?.as_slice() {
        [] => Ok(None),
        [one] => {
            within(what, one.len(), limit)?;
            Ok(Some((*one).to_owned()))
        }
        _ => Err(form(format!("{what} is one line"))),
    }
}

fn card(e: &Envelope) -> Result<Box<Card>, EnvelopeError> {
    let value = e.get("card").ok_or_else(|| form("the card is missing"))?;
    let inner: Envelope = serde_json::from_value(value.clone()).map_err(form)?;
    Ok(Box::new(Card::parse(&inner).map_err(form)?))
}

fn key(e: &Envelope) -> Result<Option<String>, EnvelopeError> {
    match e.get("key") {
        None => Ok(None),
        Some(Value::String(key)) => {
            within("a channel key", key.len(), limits::KEY)?;
            Ok(Some(key.clone()))
        }
        Some(_) => Err(form("the channel key is text")),
    }
}

fn flag(e: &Envelope, name: &str) -> Result<bool, EnvelopeError> {
    match e.get(name) {
        None => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(form(format!("{name} is true or false"))),
    }
}

fn changes(e: &Envelope) -> Result<Vec<ModeChange>, EnvelopeError> {
    let Some(Value::Array(list)) = e.get("changes") else {
        return Err(form("MODE has a list of changes in its body"));
    };
    within("a MODE", list.len(), limits::MODE_LETTERS)?;
    let changes: Vec<ModeChange> =
        list.iter().map(|v| serde_json::from_value(v.clone()).map_err(form)).collect::<Result<_, _>>()?;
    let mut with_param = 0;
    for change in &changes {
        let Some(param) = &change.param else { continue };
        within("a mode's parameter", param.len(), limits::MASK)?;
        if ModeKind::of(change.letter).is_some_and(|k| k.has_param(change.add)) {
            with_param += 1;
        }
    }
    within("the parameters of a MODE", with_param, limits::MODES)?;
    Ok(changes)
}
