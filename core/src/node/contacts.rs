//! Whom the user knows: cards, trust, presence; and which channels were known under which identity.
//!
//! A key that changes is never accepted here without the user.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::identity::Card;
use crate::ids::{ActorId, Millis};
use crate::names::{Nick, casefold};

/// How far a contact is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Trust {
    /// On first use.
    Tofu,
    /// The safety number was compared.
    Verified,
    /// It bears the nick of another contact: its messages wait for the user's word.
    Held,
}

/// A contact as the store keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Contact {
    pub card: Card,
    pub trust: Trust,
    pub since: Millis,
}

/// Somebody's presence as last heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Presence {
    pub status: String,
    pub text: String,
}

#[derive(Default)]
pub(crate) struct Contacts {
    pub list: BTreeMap<ActorId, Contact>,
    /// Cards of people met in channels; not contacts.
    met: BTreeMap<ActorId, Card>,
    pub presence: BTreeMap<ActorId, Presence>,
    known_channels: BTreeMap<String, String>,
    /// Conflicts that were told already.
    told: BTreeMap<ActorId, ActorId>,
}

impl Contacts {
    pub fn card(&self, actor: &ActorId) -> Option<&Card> {
        self.list.get(actor).map(|c| &c.card).or_else(|| self.met.get(actor))
    }

    pub fn meet(&mut self, card: &Card) {
        if let Some(contact) = self.list.get_mut(&card.actor())
            && card.rev() > contact.card.rev()
        {
            contact.card = card.clone();
        }
        self.met.insert(card.actor(), card.clone());
    }

    pub fn nick_of(&self, actor: &ActorId) -> String {
        self.card(actor)
            .map(|c| c.nick().as_str().to_owned())
            .unwrap_or_else(|| actor.to_string().chars().take(12).collect())
    }

    /// An actor by nick (contacts first) or by its id.
    pub fn find(&self, nick: &str) -> Option<ActorId> {
        if let Ok(actor) = ActorId::parse(nick) {
            return self.card(&actor).map(Card::actor);
        }
        let folded = casefold(nick);
        let of = |c: &Card| casefold(c.nick().as_str()) == folded;
        // Whose keys were compared is who was meant; a key that is held is nobody yet.
        let rank = |c: &&Contact| match c.trust {
            Trust::Verified => 0,
            Trust::Tofu => 1,
            Trust::Held => 2,
        };
        let contact = self.list.values().filter(|c| of(&c.card)).min_by_key(rank);
        let here = |a: &ActorId| self.presence.get(a).is_some_and(|p| p.status != "offline");
        let met = || self.met.values().filter(|c| of(c)).map(Card::actor).max_by_key(here);
        contact.map(|c| c.card.actor()).or_else(met)
    }

    pub fn verified(&self, actor: &ActorId) -> bool {
        self.list.get(actor).is_some_and(|c| c.trust == Trust::Verified)
    }

    /// A contact of the same nick with other keys.
    pub fn rival(&self, card: &Card) -> Option<&Contact> {
        let trusted = self.list.get(&card.actor()).is_some_and(|c| c.trust != Trust::Held);
        if trusted {
            return None;
        }
        let nick: &Nick = card.nick();
        self.list
            .values()
            .find(|c| c.card.actor() != card.actor() && c.card.nick() == nick && c.trust != Trust::Held)
    }

    /// Whoever else bears this nick and has compared keys.
    fn compared_as(&self, card: &Card) -> Option<&Contact> {
        let other = |c: &&Contact| c.card.actor() != card.actor() && c.card.nick() == card.nick();
        self.list.values().filter(other).find(|c| c.trust == Trust::Verified)
    }

    /// Says once that somebody bears the nick of a contact but has other keys.
    pub fn conflict(&mut self, card: &Card) -> Option<String> {
        let known = self.list.get(&card.actor()).map(|c| c.trust);
        let rival = match known {
            // Another contact takes the nick of the one whose keys were compared.
            Some(Trust::Tofu) => self.compared_as(card)?.card.clone(),
            _ => self.rival(card)?.card.clone(),
        };
        if self.told.insert(card.actor(), rival.actor()) == Some(rival.actor()) {
            return None;
        }
        if known == Some(Trust::Tofu) {
            return Some(format!(
                "a contact of yours with the key {} calls itself {} now, as the one whose key you have compared ({}): what you say to {} goes to the one you have compared",
                card.keys().fingerprint(),
                card.nick(),
                rival.keys().fingerprint(),
                card.nick(),
            ));
        }
        Some(format!(
            "somebody calls itself {} but has another key ({}) than the {} you know ({}): compare safety numbers, then `/contact accept {}` or `/contact reject {}`",
            card.nick(),
            card.keys().fingerprint(),
            rival.nick(),
            rival.keys().fingerprint(),
            card.nick(),
            card.nick(),
        ))
    }

    pub fn is_away(&self, actor: &ActorId) -> bool {
        self.presence.get(actor).is_some_and(|p| p.status == "away")
    }

    pub fn known_channel(&self, key: &str) -> Option<String> {
        self.known_channels.get(key).cloned()
    }

    pub fn know_channel(&mut self, key: &str, id: &str) {
        self.known_channels.insert(key.to_owned(), id.to_owned());
    }
}
