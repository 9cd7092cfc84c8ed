//! An author's action (an act): reads it from a signed envelope and writes it to one.
//!
//! It checks form and size. It does not check the signature (the caller does) or the permission
//! (`policy` does).
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::mode::ModeKind;
use super::{HostedUser, ModeChange, Rank};
use crate::envelope::{Body, Envelope, EnvelopeError, line_end, parse_ts};
use crate::identity::Card;
use crate::ids::{ActorId, Count, MAX_SAFE_INTEGER, MsgId, UserId, UserMark};
use crate::limits;

/// One action of an author, read from its signed envelope. This type does not say whether the
/// action is allowed.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// The actor that signed it.
    pub actor: ActorId,
    /// The author: the actor's owner, or a user that the actor hosts.
    pub author: UserId,
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
    /// JOIN, with the card of the joiner's actor, the channel key it gave, and what it states about
    /// its connection.
    Join {
        /** The card: an owner's always, else if no user of this actor is in the channel yet. */
        card: Option<Box<Card>>,
        /** Who joins, if it is not the owner. */
        hosted: Option<Box<HostedJoin>>,
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
        target: UserId,
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
    /// NICK of a hosted user: what others see of it from now on.
    User {
        /** The user. */
        user: Arc<HostedUser>,
    },
    /// INVITE.
    Invite {
        /** Who may come. */
        target: UserId,
    },
    /// An act that changes nothing in the channel and that every member may do (PONG; ROTATE is for
    /// operators).
    Nothing {
        /** The command. */
        command: String,
    },
}

/// A hosted user that joins. Its id is a hash of its actor's id and the mark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostedJoin {
    /// What others see of it.
    #[serde(flatten)]
    pub user: Arc<HostedUser>,
    /// The random part of its id.
    pub mark: UserMark,
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
            Self::Card { .. } | Self::User { .. } => "NICK",
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
            Self::Join { card, hosted, key, registered, tls } => {
                let mut out = out.field("registered", *registered).field("tls", *tls);
                if let Some(card) = card {
                    out = out.field("card", card_value(card));
                }
                if let Some(hosted) = hosted {
                    out = out.field("user", value_of(hosted));
                }
                match key {
                    Some(key) => out.field("key", key.as_str()),
                    None => out,
                }
            }
            Self::Part { reason } => optional_line(out, reason),
            Self::Kick { target, reason } => optional_line(out.param(target.to_string()), reason),
            Self::Mode { changes } => {
                let changes = changes.iter().map(value_of).collect();
                out.field("changes", Value::Array(changes))
            }
            Self::Topic { text } => out.line(text),
            Self::Card { card } => out.field("card", card_value(card)),
            Self::User { user } => out.field("user", value_of(user)),
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

fn value_of<T: Serialize>(what: &T) -> Value {
    serde_json::to_value(what).unwrap_or_default()
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
        let actor = ActorId::parse(&field("from", &envelope.from)?).map_err(form)?;
        let kind = ActKind::parse(envelope)?;
        Ok(Self {
            actor,
            author: author(envelope, actor, &kind)?,
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
            kind,
        })
    }
}

/// The author: the user that `meta.user` names, else the actor's owner. A JOIN proves that the user
/// is its actor's; whether another act's author belongs to its actor, the channel's members tell.
fn author(e: &Envelope, actor: ActorId, kind: &ActKind) -> Result<UserId, EnvelopeError> {
    let owner = actor.owner();
    let author = match e.meta.get("user") {
        None => owner,
        Some(Value::String(text)) => UserId::parse(text)
            .ok()
            .filter(|user| *user != owner)
            .ok_or_else(|| form("meta.user is no hosted user"))?,
        Some(_) => return Err(form("meta.user is the id of a user")),
    };
    let fits = match kind {
        ActKind::Join { hosted: Some(hosted), .. } => author == UserId::hosted(actor, &hosted.mark.0),
        ActKind::Join { hosted: None, card, .. } => author == owner && card.is_some(),
        ActKind::Card { .. } => author == owner,
        ActKind::User { .. } => author != owner,
        _ => true,
    };
    if fits { Ok(author) } else { Err(form(format!("a {} that is not its author's own", e.command))) }
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
            card: optional_card(e)?,
            hosted: hosted(e)?,
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
        "NICK" => match e.get("user") {
            Some(value) => ActKind::User { user: user(value)? },
            None => ActKind::Card { card: optional_card(e)?.ok_or_else(|| form("the card is missing"))? },
        },
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

/// The single parameter of KICK and INVITE.
fn target(e: &Envelope) -> Result<UserId, EnvelopeError> {
    match e.params.as_slice() {
        [one] => UserId::parse(one).map_err(form),
        _ => Err(form(format!("{} has one parameter, a user id", e.command))),
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

fn optional_card(e: &Envelope) -> Result<Option<Box<Card>>, EnvelopeError> {
    let Some(value) = e.get("card") else { return Ok(None) };
    let inner: Envelope = serde_json::from_value(value.clone()).map_err(form)?;
    Ok(Some(Box::new(Card::parse(&inner).map_err(form)?)))
}

fn hosted(e: &Envelope) -> Result<Option<Box<HostedJoin>>, EnvelopeError> {
    let Some(value) = e.get("user") else { return Ok(None) };
    let hosted: HostedJoin = serde_json::from_value(value.clone()).map_err(form)?;
    hosted.user.check().map_err(form)?;
    Ok(Some(Box::new(hosted)))
}

fn user(value: &Value) -> Result<Arc<HostedUser>, EnvelopeError> {
    let user: HostedUser = serde_json::from_value(value.clone()).map_err(form)?;
    user.check().map_err(form)?;
    Ok(Arc::new(user))
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
