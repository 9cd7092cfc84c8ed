//! The people the user knows: cards, trust, presence; and the known identities of channels.
//!
//! This module never accepts a changed key without the user.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::identity::Card;
use crate::ids::{ActorId, Millis};
use crate::names::{Nick, casefold};

/// How far a contact is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Trust {
    /// Trusted on first use.
    Tofu,
    /// The safety number was compared.
    Verified,
    /// It has the nick of another contact: its messages wait for the user's decision.
    Held,
}

/// A contact as the store keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Contact {
    pub card: Card,
    pub trust: Trust,
    pub since: Millis,
}

/// A person's last known presence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Presence {
    pub status: String,
    pub text: String,
}

/// The result of resolving a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// One person.
    One(ActorId),
    /// One of these: the user must say which.
    Several(Vec<ActorId>),
    /// No known person.
    Nobody,
}

#[derive(Default)]
pub(crate) struct Contacts {
    pub list: BTreeMap<ActorId, Contact>,
    /// Cards of people met in channels; not contacts.
    met: BTreeMap<ActorId, Card>,
    pub presence: BTreeMap<ActorId, Presence>,
    known_channels: BTreeMap<String, String>,
    /// People whose nick may be mistaken for another person's, and that person's nick.
    namesakes: BTreeMap<ActorId, Nick>,
    /// Conflicts that were already reported.
    told: BTreeMap<ActorId, ActorId>,
}

impl Contacts {
    pub fn card(&self, actor: &ActorId) -> Option<&Card> {
        self.list.get(actor).map(|c| &c.card).or_else(|| self.met.get(actor))
    }

    /// Records a card. Returns the contact if the card updates one.
    pub fn meet(&mut self, card: &Card) -> Option<Contact> {
        let before = self.met.insert(card.actor(), card.clone());
        let contact = self.list.get_mut(&card.actor()).filter(|c| card.rev() > c.card.rev());
        let contact = contact.map(|contact| {
            contact.card = card.clone();
            contact.clone()
        });
        if before.as_ref().is_none_or(|before| before.nick() != card.nick()) {
            self.mark_namesakes(card);
            before.iter().for_each(|before| self.mark_namesakes(before));
        }
        contact
    }

    pub fn nick_of(&self, actor: &ActorId) -> String {
        self.card(actor)
            .map(|c| c.nick().as_str().to_owned())
            .unwrap_or_else(|| actor.to_string().chars().take(12).collect())
    }

    /// Resolves a nick or an actor id: first to a contact with compared keys, then to another
    /// contact, then to a person met in a channel. Among several, it takes the one who is present.
    /// A held key resolves only if no other person has the name.
    pub fn named(&self, name: &str, here: impl Fn(&ActorId) -> bool) -> Named {
        if let Ok(actor) = ActorId::parse(name) {
            return self.card(&actor).map_or(Named::Nobody, |card| Named::One(card.actor()));
        }
        let folded = casefold(name);
        let of = |c: &Card| casefold(c.nick().as_str()) == folded;
        let contacts = |trust: Trust| -> Vec<ActorId> {
            let all = self.list.iter().filter(|(_, c)| c.trust == trust && of(&c.card));
            all.map(|(actor, _)| *actor).collect()
        };
        let strangers = || -> Vec<ActorId> {
            let all = self.met.iter().filter(|(actor, card)| !self.list.contains_key(actor) && of(card));
            all.map(|(actor, _)| *actor).collect()
        };
        let tiers = [Trust::Verified, Trust::Tofu].into_iter().map(contacts);
        let mut tiers = tiers
            .chain(std::iter::once_with(strangers))
            .chain(std::iter::once_with(|| contacts(Trust::Held)));
        let Some(all) = tiers.find(|tier| !tier.is_empty()) else { return Named::Nobody };
        let present: Vec<ActorId> = all.iter().copied().filter(|actor| here(actor)).collect();
        match (all.as_slice(), present.as_slice()) {
            ([one], _) | (_, [one]) => Named::One(*one),
            (_, []) => Named::Several(all),
            _ => Named::Several(present),
        }
    }

    /// The nick of a better known person, if it is the same as this person's or looks like it: then
    /// this person's messages are marked.
    pub fn namesake_of(&self, actor: &ActorId) -> Option<&Nick> {
        self.namesakes.get(actor)
    }

    /// Checks again which nicks equal or resemble that of a contact. If no contact is among people
    /// with look-alike nicks, all of them are marked.
    fn mark_namesakes(&mut self, card: &Card) {
        let nick = card.nick();
        let best = self.list.values().filter(|c| c.card.nick().looks_like(nick) && c.trust != Trust::Held);
        let best = best.min_by_key(|c| (c.trust != Trust::Verified, c.since)).map(|c| &c.card);
        let met = self.met.values().filter(|c| !self.list.contains_key(&c.actor()));
        let all = self.list.values().map(|c| &c.card).chain(met);
        let alike: Vec<&Card> = all.filter(|c| c.nick().looks_like(nick)).collect();
        let other = |c: &Card| match best {
            Some(best) if c.actor() == best.actor() => None,
            // Whose keys were compared is known by more than the look of a nick.
            Some(best) => Some(best.nick()).filter(|nick| *nick == c.nick() || !self.verified(&c.actor())),
            None => alike.iter().map(|other| other.nick()).find(|nick| *nick != c.nick()),
        };
        let others: Vec<(ActorId, Option<Nick>)> =
            alike.iter().map(|c| (c.actor(), other(c).cloned())).collect();
        for (actor, other) in others {
            match other {
                Some(nick) => self.namesakes.insert(actor, nick),
                None => self.namesakes.remove(&actor),
            };
        }
    }

    pub fn verified(&self, actor: &ActorId) -> bool {
        self.list.get(actor).is_some_and(|c| c.trust == Trust::Verified)
    }

    /// A contact with the same nick and other keys.
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

    /// Another contact with this nick and compared keys.
    fn compared_as(&self, card: &Card) -> Option<&Contact> {
        let other = |c: &&Contact| c.card.actor() != card.actor() && c.card.nick() == card.nick();
        self.list.values().filter(other).find(|c| c.trust == Trust::Verified)
    }

    /// Reports once that a person has the nick of a contact but other keys.
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

    /// Stores a contact.
    pub fn keep(&mut self, contact: Contact) {
        let card = contact.card.clone();
        self.list.insert(card.actor(), contact);
        self.met.insert(card.actor(), card.clone());
        self.mark_namesakes(&card);
    }

    /// Forgets a contact.
    pub fn forget(&mut self, actor: &ActorId) {
        if let Some(contact) = self.list.remove(actor) {
            self.namesakes.remove(actor);
            self.mark_namesakes(&contact.card);
        }
    }

    /// The contact with this nick whose key waits for the user's decision.
    pub fn held_as(&self, nick: &Nick) -> Option<&Contact> {
        self.list.values().find(|c| c.trust == Trust::Held && c.card.nick() == nick)
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
