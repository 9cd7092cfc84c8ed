//! The replicated state of a channel and the queries on it.
//!
//! It consists of ordered maps, integers and text only, so its canonical JSON is the same on every
//! node. It does not change itself: `apply` does.
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::index::Kept;
use super::mode::{FLAGS, parse_for};
use super::{Act, ActKind, Member, ModeRequest, Rank, Refusal, Who, after};
use crate::identity::Card;
use crate::ids::{ActorId, Count, MsgId, UserId};
use crate::mask;
use crate::names::{ChannelName, Nick};

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// The text.
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

/// The state of a channel, the same on every member's node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelState {
    /// Its name.
    pub name: ChannelName,
    /// The actors whose users are members, with their cards. Keys go to them.
    pub actors: BTreeMap<ActorId, Card>,
    /// The members.
    pub members: BTreeMap<UserId, Member>,
    /// Former members and the id of each one's last act, so that an old JOIN can't be replayed.
    pub gone: BTreeMap<UserId, MsgId>,
    /// The newest act id of the members that left before all those in `gone`: none of them did
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
    /// `b`, `e` and `I`, each in the order in which the masks were set. A list without entries is
    /// left out.
    pub(super) lists: BTreeMap<char, Vec<MaskEntry>>,
    /// The topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) topic: Option<Topic>,
    /// Users with an invite that lets them in, and the act that invited them. Joining uses the
    /// invite up.
    pub(super) invited: BTreeMap<UserId, Invitation>,
    /// The owners. While the channel is registered (`+r`), they stay owners when they leave.
    pub(super) owners: BTreeSet<UserId>,
    /// Not there before the first act.
    #[serde(skip)]
    pub(super) index: Kept,
}

/// A pending invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Invitation {
    /// The act.
    pub(super) id: MsgId,
    /// The inviter; if it is kicked, its invites are removed.
    pub(super) by: UserId,
}

/// The position of an act in its author's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// It is the author's next act.
    Next,
    /// It was seen before.
    Seen,
    /// An earlier act is missing.
    Ahead,
}

impl ChannelState {
    /// The newest id among the former members' last acts and the pending invites.
    pub(crate) fn newest_departure(&self) -> Option<MsgId> {
        let invited = self.invited.values().map(|i| i.id);
        self.gone.values().copied().chain(invited).chain([self.floor]).max()
    }

    /// A new channel: its founder is owner and operator; modes `+nt`.
    ///
    /// The founder counts as registered and as connected over TLS, because the owner of a node is
    /// both. Its count starts at 0.
    pub fn found(name: &ChannelName, founder: &Card, id: MsgId) -> Self {
        let actor = founder.actor();
        let member = Member {
            actor,
            who: Who::Owner,
            ranks: BTreeSet::from([Rank::Op, Rank::Owner]),
            n: Count(0),
            last: id,
            registered: true,
            tls: true,
        };
        Self {
            name: name.clone(),
            actors: BTreeMap::from([(actor, founder.clone())]),
            members: BTreeMap::from([(actor.owner(), member)]),
            gone: BTreeMap::new(),
            floor: MsgId::default(),
            flags: BTreeSet::from(['n', 't']),
            key: None,
            limit: None,
            lists: BTreeMap::new(),
            topic: None,
            invited: BTreeMap::new(),
            owners: BTreeSet::from([actor.owner()]),
            index: Kept::default(),
        }
    }

    /// Whether the act is its author's next one, was seen before, or comes after a missing one.
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

    /// The id that an act of a non-member must exceed.
    pub fn last_of_stranger(&self, user: &UserId) -> MsgId {
        self.gone.get(user).copied().unwrap_or(self.floor)
    }

    /// The greatest id of all acts in this channel that the state still remembers.
    pub fn newest(&self) -> MsgId {
        self.index.newest(self)
    }

    /// The member with this nick.
    pub fn by_nick(&self, nick: &Nick) -> Option<(&UserId, &Member)> {
        self.members.get_key_value(&self.index.by_nick(self, nick)?)
    }

    /// The member's `nick!user@host`; of an owner `nick!actor@cluster`.
    pub fn prefix(&self, user: &UserId) -> Option<String> {
        self.seen(user).map(|(member, card)| member.who.prefix(card))
    }

    /// The member's nick.
    pub fn nick(&self, user: &UserId) -> Option<&Nick> {
        self.seen(user).map(|(member, card)| member.who.nick(card))
    }

    /// A member with the card of its actor.
    pub fn seen(&self, user: &UserId) -> Option<(&Member, &Card)> {
        let member = self.members.get(user)?;
        Some((member, self.actors.get(&member.actor)?))
    }

    /// All members with their ids and the cards of their actors.
    pub fn all_seen(&self) -> impl Iterator<Item = (&UserId, &Member, &Card)> {
        self.members.iter().filter_map(|(user, m)| Some((user, m, self.actors.get(&m.actor)?)))
    }

    /// The sign of the highest rank, as NAMES shows it: one of `~&@%+`, or nothing.
    pub fn rank_prefix(&self, user: &UserId) -> &'static str {
        let rank = self.members.get(user).and_then(Member::rank);
        rank.map_or("", Rank::sign)
    }

    /// The signs of all ranks, highest first, for clients with `multi-prefix`.
    pub fn rank_prefixes(&self, user: &UserId) -> String {
        let ranks = self.members.get(user).map(|m| &m.ranks);
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

    /// The key of `+k`. Only members may see it.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Whether a user has a pending invite.
    pub fn is_invited(&self, user: &UserId) -> bool {
        self.invited.contains_key(user)
    }

    /// Whether a user is banned and not excepted, given the card of its actor.
    pub fn is_banned(&self, who: &Who, card: &Card) -> bool {
        let prefixes = who.prefixes(card);
        self.listed('b', &prefixes) && !self.listed('e', &prefixes)
    }

    /// Whether a mask of a list matches one of a user's prefixes.
    pub(super) fn listed(&self, letter: char, prefixes: &[String]) -> bool {
        self.entries(letter).iter().any(|e| prefixes.iter().any(|prefix| mask::matches(&e.mask, prefix)))
    }

    /// Reads the arguments of a MODE command; nicks are those of this channel.
    pub fn parse_modes(&self, args: &[String]) -> Result<ModeRequest, Refusal> {
        parse_for(self.name.as_str(), args, |text| {
            let nick = Nick::parse(text).ok()?;
            self.by_nick(&nick).map(|(user, _)| *user)
        })
    }

    /// Whether a user could do this as its next act. Front ends use it to show what is possible.
    pub fn allows(&self, author: UserId, kind: ActKind) -> Result<(), Refusal> {
        let actor = self.members.get(&author).map_or(ActorId(author.0), |member| member.actor);
        self.check(&Act { actor, author, n: Count(0), after: None, id: MsgId(u128::MAX), ts: 0, kind })
    }
}
