//! The replicated state of a channel and the questions that may be asked of it.
//!
//! It is ordered maps, integers and text only, so that its canonical JSON is the same for all who
//! hold it. It changes nothing by itself: `apply` does.
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::mode::{FLAGS, parse_for};
use super::{Act, ActKind, ModeRequest, Rank, Refusal, after};
use crate::identity::Card;
use crate::ids::{ActorId, Count, MsgId};
use crate::mask;
use crate::names::{ChannelName, Nick};

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
    /// Whether its account is registered, as it said when it joined (`+R`).
    #[serde(default)]
    pub registered: bool,
    /// Whether its connection is over TLS or local, as it said when it joined (`+Z`).
    #[serde(default)]
    pub tls: bool,
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

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// What it says.
    pub text: String,
    /// The nick of who set it.
    pub by: String,
    /// When, in milliseconds since 1970.
    pub ts: u64,
}

/// An entry of a mask list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaskEntry {
    /// `nick!actor@cluster`, with `*` and `?`.
    pub mask: String,
    /// The nick of who set it.
    pub by: String,
    /// When, in milliseconds since 1970.
    pub ts: u64,
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
    /// Of who left longer ago than all of `gone` only this is remembered: none of them said
    /// anything later.
    pub(super) floor: MsgId,
    /// The modes that are on.
    pub(super) flags: BTreeSet<char>,
    /// `+k`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    /// `+l`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<u32>,
    /// `b`, `e` and `I`, each in the order in which they were set. A list without entries is left
    /// out.
    pub(super) lists: BTreeMap<char, Vec<MaskEntry>>,
    /// The topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) topic: Option<Topic>,
    /// Who was invited by somebody whose invite opens the channel, and by which act. Used up by
    /// joining.
    pub(super) invited: BTreeMap<ActorId, Invitation>,
    /// Who owns the channel. While it is registered (`+r`), owners keep this while they are away.
    pub(super) owners: BTreeSet<ActorId>,
}

/// An invite that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Invitation {
    /// The act.
    pub(super) id: MsgId,
    /// Who invited; if it is kicked, its invites go with it.
    pub(super) by: ActorId,
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

/// `nick!actor@cluster` of a card: what masks are compared with. What would break a line of IRC
/// becomes `_`.
pub fn prefix_of(card: &Card) -> String {
    let cluster: String = card
        .address()
        .cluster
        .chars()
        .map(|c| if c.is_whitespace() || c.is_control() { '_' } else { c })
        .collect();
    format!("{}!{}@{}", card.nick(), card.actor(), cluster)
}

impl ChannelState {
    /// The latest id of all who left, and of all who were invited.
    pub(crate) fn newest_departure(&self) -> Option<MsgId> {
        let invited = self.invited.values().map(|i| i.id);
        self.gone.values().copied().chain(invited).chain([self.floor]).max()
    }

    /// A new channel: its founder is owner and operator; modes `+nt`.
    ///
    /// The founder counts as registered and as connected over TLS: the owner of a node is both. Its
    /// count starts at 0.
    pub fn found(name: &ChannelName, founder: &Card, id: MsgId) -> Self {
        let actor = founder.actor();
        let member = Member {
            card: founder.clone(),
            ranks: BTreeSet::from([Rank::Op, Rank::Owner]),
            n: Count(0),
            last: id,
            registered: true,
            tls: true,
        };
        Self {
            name: name.clone(),
            members: BTreeMap::from([(actor, member)]),
            gone: BTreeMap::new(),
            floor: MsgId::default(),
            flags: BTreeSet::from(['n', 't']),
            key: None,
            limit: None,
            lists: BTreeMap::new(),
            topic: None,
            invited: BTreeMap::new(),
            owners: BTreeSet::from([actor]),
        }
    }

    /// Whether the act is in its author's order: `Next`, seen already, or ahead of what is missing.
    pub fn order(&self, act: &Act) -> Order {
        let Some(member) = self.members.get(&act.author) else {
            return if act.id <= self.last_of_stranger(&act.author) { Order::Seen } else { Order::Next };
        };
        if act.n > member.n.next() {
            Order::Ahead
        } else if act.n == member.n.next() && act.id > member.last {
            if act.after == Some(after(member.last)) {
                Order::Next
            } else {
                // It has the right number, but its author counts something before it that is not
                // here.
                Order::Ahead
            }
        } else {
            Order::Seen
        }
    }

    /// What somebody who is no member says must have a greater id than this.
    pub fn last_of_stranger(&self, actor: &ActorId) -> MsgId {
        self.gone.get(actor).copied().unwrap_or(self.floor)
    }

    /// The greatest id of all that anybody has done here, as far as it is remembered.
    pub fn newest(&self) -> MsgId {
        let members = self.members.values().map(|member| member.last);
        members.chain(self.gone.values().copied()).fold(self.floor, MsgId::max)
    }

    /// The member of this nick.
    pub fn by_nick(&self, nick: &Nick) -> Option<(&ActorId, &Member)> {
        self.members.iter().find(|(_, m)| m.card.nick() == nick)
    }

    /// `nick!actor@cluster`.
    pub fn prefix(&self, actor: &ActorId) -> Option<String> {
        self.members.get(actor).map(|m| prefix_of(&m.card))
    }

    /// The sign of the highest rank, as NAMES shows it: one of `~&@%+`, or nothing.
    pub fn rank_prefix(&self, actor: &ActorId) -> &'static str {
        let rank = self.members.get(actor).and_then(Member::rank);
        rank.map_or("", Rank::sign)
    }

    /// The signs of all ranks, highest first, for clients with `multi-prefix`.
    pub fn rank_prefixes(&self, actor: &ActorId) -> String {
        let ranks = self.members.get(actor).map(|m| &m.ranks);
        ranks.map_or_else(String::new, |r| r.iter().rev().map(|r| r.sign()).collect())
    }

    /// The modes as `+ntk`, with parameters. Without secrets the key is shown as `*`.
    pub fn mode_string(&self, with_secrets: bool) -> (String, Vec<String>) {
        let (mut letters, mut params) = ("+".to_owned(), Vec::new());
        letters.extend(FLAGS.iter().filter(|f| self.flags.contains(f)));
        if let Some(key) = &self.key {
            letters.push('k');
            params.push(if with_secrets { key.as_str() } else { "*" }.to_owned());
        }
        if let Some(limit) = self.limit {
            letters.push('l');
            params.push(limit.to_string());
        }
        (letters, params)
    }

    /// The topic: text, who set it (nick), when (ms).
    pub fn topic(&self) -> Option<(&str, &str, u64)> {
        let topic = self.topic.as_ref()?;
        Some((&topic.text, &topic.by, topic.ts))
    }

    /// A mask list: letter b, e or I: (mask, who set it, when ms).
    pub fn list(&self, letter: char) -> Vec<(String, String, u64)> {
        self.entries(letter).iter().map(|e| (e.mask.clone(), e.by.clone(), e.ts)).collect()
    }

    pub(super) fn entries(&self, letter: char) -> &[MaskEntry] {
        self.lists.get(&letter).map_or(&[], Vec::as_slice)
    }

    /// Whether a mode is set: one without parameter, or `k` or `l`.
    pub fn has(&self, letter: char) -> bool {
        match letter {
            'k' => self.key.is_some(),
            'l' => self.limit.is_some(),
            _ => self.flags.contains(&letter),
        }
    }

    /// The key of `+k`: for members only.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Whether an actor has an invite that waits to be used.
    pub fn is_invited(&self, actor: &ActorId) -> bool {
        self.invited.contains_key(actor)
    }

    /// Whether `nick!actor@cluster` is banned and not excepted.
    pub fn is_banned(&self, prefix: &str) -> bool {
        self.listed('b', prefix) && !self.listed('e', prefix)
    }

    pub(super) fn listed(&self, letter: char, prefix: &str) -> bool {
        self.entries(letter).iter().any(|e| mask::matches(&e.mask, prefix))
    }

    /// Reads the arguments of a MODE command, with nicks as this channel knows them.
    pub fn parse_modes(&self, args: &[String]) -> Result<ModeRequest, Refusal> {
        parse_for(self.name.as_str(), args, |text| {
            let nick = Nick::parse(text).ok()?;
            self.by_nick(&nick).map(|(actor, _)| *actor)
        })
    }

    /// Whether somebody could do this kind of thing if it were a member's next act; for doors that
    /// show what is possible.
    pub fn allows(&self, author: ActorId, kind: ActKind) -> Result<(), Refusal> {
        self.check(&Act { author, n: Count(0), after: None, id: MsgId(u128::MAX), ts: 0, kind })
    }
}
