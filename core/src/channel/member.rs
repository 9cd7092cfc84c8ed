//! A member of a channel: a user, the actor that speaks for it, and its standing in the channel.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{HostedJoin, Rank};
use crate::identity::Card;
use crate::ids::{ActorId, Count, MsgId};
use crate::limits;
use crate::names::Nick;

/// A member. Its key in [`super::ChannelState::members`] is its user id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The actor whose node the user is on. Only this actor signs the user's acts.
    pub actor: ActorId,
    /// The node's owner, or a user that it hosts.
    #[serde(default, skip_serializing_if = "Who::is_owner")]
    pub who: Who,
    /// Its ranks.
    pub ranks: BTreeSet<Rank>,
    /// The count of its last act.
    pub n: Count,
    /// The id of its last act.
    pub last: MsgId,
    /// Whether its account is registered, as its JOIN states (`+R`).
    #[serde(default)]
    pub registered: bool,
    /// Whether its connection is over TLS or local, as its JOIN states (`+Z`).
    #[serde(default)]
    pub tls: bool,
}

/// What a user is to its node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// Its owner: nick and address are those of the actor's card.
    #[default]
    Owner,
    /// A user that it hosts.
    Hosted(Arc<HostedUser>),
}

/// What others see of a hosted user, as its host states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostedUser {
    /// Its nick.
    pub nick: Nick,
    /// The `user` in `nick!user@host`.
    pub user: String,
    /// The `host` in `nick!user@host`.
    pub host: String,
    /// The account it is logged in to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Its real name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub realname: String,
}

impl Member {
    /// Its highest rank.
    pub fn rank(&self) -> Option<Rank> {
        self.ranks.last().copied()
    }

    /// Whether its highest rank is this one or above.
    pub fn at_least(&self, rank: Rank) -> bool {
        self.rank() >= Some(rank)
    }
}

impl Who {
    /// Whether it is the node's owner.
    pub fn is_owner(&self) -> bool {
        matches!(self, Self::Owner)
    }

    /// The user's nick, given the card of its actor.
    pub fn nick<'a>(&'a self, card: &'a Card) -> &'a Nick {
        match self {
            Self::Owner => card.nick(),
            Self::Hosted(user) => &user.nick,
        }
    }

    /// The user's `nick!user@host`, given the card of its actor; of an owner
    /// `nick!actor@cluster`.
    pub fn prefix(&self, card: &Card) -> String {
        match self {
            Self::Owner => prefix_of(card),
            Self::Hosted(user) => format!("{}!{}@{}", user.nick, user.user, user.host),
        }
    }

    /// What channel masks are compared with: the user's prefix, and of a hosted user also
    /// `nick!actor@cluster`, so that a mask can name everybody on a node.
    pub(super) fn prefixes(&self, card: &Card) -> Vec<String> {
        match self {
            Self::Owner => vec![self.prefix(card)],
            Self::Hosted(user) => vec![self.prefix(card), node_prefix(&user.nick, card)],
        }
    }

    /// Who joins: the owner, unless the JOIN names a hosted user.
    pub(super) fn joining(hosted: Option<&HostedJoin>) -> Self {
        hosted.map_or(Self::Owner, |hosted| Self::Hosted(hosted.user.clone()))
    }
}

impl HostedUser {
    /// Checks the form: what is shown to others breaks no line and no mask.
    pub fn check(&self) -> Result<(), &'static str> {
        let word = |text: &str, limit| {
            (1..=limit).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_graphic() && !b"!@*?,:".contains(&b))
        };
        if !word(&self.user, limits::USER) {
            return Err("the user name of a hosted user is not one");
        }
        // A host may be an IPv6 address.
        if !word(&self.host.replace(':', "."), limits::HOST) || self.host.starts_with(':') {
            return Err("the host of a hosted user is not one");
        }
        if self.account.as_deref().is_some_and(|name| !word(name, limits::NICK)) {
            return Err("the account of a hosted user is not one");
        }
        if self.realname.len() > limits::REALNAME || self.realname.chars().any(char::is_control) {
            return Err("the real name of a hosted user is too long, or breaks a line");
        }
        Ok(())
    }
}

/// `nick!actor@cluster` of a card, which masks are matched against. Characters that would break an
/// IRC line become `_`.
pub fn prefix_of(card: &Card) -> String {
    node_prefix(card.nick(), card)
}

fn node_prefix(nick: &Nick, card: &Card) -> String {
    let clean = |c: char| if c.is_whitespace() || c.is_control() { '_' } else { c };
    let cluster: String = card.address().cluster.chars().map(clean).collect();
    format!("{}!{}@{}", nick, card.actor(), cluster)
}
