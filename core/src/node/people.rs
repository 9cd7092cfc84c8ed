//! People: contacts, verification, invites, profiles, nicks. Only the user changes trust.

use serde_json::json;

use super::contacts::{Contact, Named, Trust};
use super::ctx::Origin;
use super::*;
use crate::channel::ActKind;
use crate::identity::{Card, safety_number};
use crate::names::Nick;
use crate::numeric;
use crate::port::{Query, StoreOp, Table};

/// The name is ambiguous: the user was asked which person is meant.
pub(super) struct Asked;

impl Node {
    pub(super) fn nick(&mut self, origin: &Origin, e: &Envelope) {
        let Some(text) = e.params.first() else {
            return self.cx.numeric(origin, numeric::ERR_NONICKNAMEGIVEN, &[], "");
        };
        let nick = match Nick::parse(text) {
            Ok(nick) => nick,
            Err(why) => {
                return self.cx.numeric(origin, numeric::ERR_ERRONEUSNICKNAME, &[text], &why.to_string());
            }
        };
        for channel in self.channels.values() {
            let taken = channel.replica.as_ref().and_then(|r| r.state.by_nick(&nick)).map(|(a, _)| *a);
            if taken.is_some_and(|user| user != self.cx.me().owner()) {
                let text = format!("{nick} is in use in {}", channel.name);
                return self.cx.numeric(origin, numeric::ERR_NICKNAMEINUSE, &[nick.as_str()], &text);
            }
        }
        let old = self.cx.nick().as_str().to_owned();
        if old == nick.as_str() {
            // It has this name already: the asker is answered, and nobody else hears of it.
            let said = Envelope::new("NICK").from(old).param(nick.as_str()).meta("self", true);
            return self.cx.reply(origin, said.meta("actor", self.cx.me().to_string()));
        }
        let card = self.card_as(&nick);
        let kind = ActKind::Card { card: Box::new(card.clone()) };
        let joined = self.channels.values().filter(|c| c.phase == Phase::Joined);
        let states = joined.filter_map(|c| c.replica.as_ref()).map(|r| &r.state);
        // One name everywhere: where a channel does not allow it, it is taken nowhere.
        if let Some(refusal) =
            states.filter_map(|state| state.allows(self.cx.me().owner(), kind.clone()).err()).next()
        {
            let own = self.cx.nick().as_str().to_owned();
            return self.cx.reply(origin, refusal.to_envelope(&own));
        }
        let chosen = profile::Chosen { nick: nick.clone(), instead_of: self.cx.cfg.nick.clone() };
        self.cx.put(Table::Setting, "nick", &chosen);
        let said = Envelope::new("NICK").from(old).param(nick.as_str()).meta("self", true);
        let said = said.meta("actor", self.cx.me().to_string());
        self.cx.broadcast(&said, Some(origin));
        self.take_card(card);
        self.cx.status_dirty = true;
    }

    /// Makes a person a contact when the user writes to that person.
    pub(super) fn remember_contact(&mut self, card: &Card) {
        if self.cx.contacts.list.contains_key(&card.actor()) {
            return;
        }
        let contact = Contact { card: card.clone(), trust: Trust::Tofu, since: self.cx.now.wall };
        self.keep_contact(contact);
    }

    pub(super) fn keep_contact(&mut self, contact: Contact) {
        let actor = contact.card.actor();
        self.cx.put_sealed(Table::Contact, actor.to_string(), &contact);
        self.cx.contacts.keep(contact);
    }

    /// Resolves a nick or an actor id.
    pub(super) fn named(&self, name: &str) -> Named {
        // Of those who are neither contacts nor in a channel nobody asks how they are.
        let looked_at = |actor: &&ActorId| self.cx.contacts.list.contains_key(*actor);
        let presence =
            |actor: &ActorId| Some(actor).filter(looked_at).and_then(|a| self.cx.contacts.presence.get(a));
        let states = || self.channels.values().filter_map(|c| c.replica.as_ref()).map(|r| &r.state);
        self.cx.contacts.named(name, |actor| {
            presence(actor).is_some_and(|p| p.status != "offline")
                || states().any(|state| state.members.contains_key(&actor.owner()))
        })
    }

    /// The same, if the result is unambiguous.
    pub(super) fn find(&self, name: &str) -> Option<ActorId> {
        match self.named(name) {
            Named::One(actor) => Some(actor),
            Named::Several(_) | Named::Nobody => None,
        }
    }

    /// The person with this name, if any. It returns an error if the name is ambiguous and the user
    /// was asked.
    pub(super) fn whom(&mut self, origin: &Origin, name: &str) -> Result<Option<ActorId>, Asked> {
        match self.named(name) {
            Named::One(actor) => Ok(Some(actor)),
            Named::Nobody => Ok(None),
            Named::Several(all) => {
                self.ask_which(origin, name, &all);
                Err(Asked)
            }
        }
    }

    fn ask_which(&mut self, origin: &Origin, name: &str, all: &[ActorId]) {
        let one = |actor: &ActorId| {
            let print = self.cx.contacts.card(actor).map(|c| c.keys().fingerprint()).unwrap_or_default();
            format!("{actor} (fingerprint {print})")
        };
        let ids: Vec<String> = all.iter().map(one).collect();
        let text =
            format!("{} people are called {name}: say which by the id: {}", all.len(), ids.join(" or "));
        self.cx.numeric(origin, numeric::ERR_TOOMANYTARGETS, &[name], &text);
    }

    pub(super) fn whois(&mut self, origin: &Origin, e: &Envelope) {
        let nick = e.to.clone().unwrap_or_default();
        let me = self.cx.me();
        let own = Nick::parse(&nick).is_ok_and(|n| n == *self.cx.nick());
        let found = if own { Ok(Some(me)) } else { self.whom(origin, &nick) };
        let Ok(found) = found else {
            return self.cx.numeric(origin, numeric::RPL_ENDOFWHOIS, &[&nick], "");
        };
        let card = found
            .and_then(|a| if own { Some(self.cx.card.clone()) } else { self.cx.contacts.card(&a).cloned() });
        let Some(card) = card else {
            self.cx.numeric(origin, numeric::ERR_NOSUCHNICK, &[&nick], "");
            return self.cx.numeric(origin, numeric::RPL_ENDOFWHOIS, &[&nick], "");
        };
        let actor = card.actor();
        let name = card.nick().as_str().to_owned();
        let real = card.profile().get("realname").and_then(Value::as_str).unwrap_or(&name).to_owned();
        let user = [name.as_str(), &actor.to_string(), &card.address().cluster, "*"];
        self.cx.numeric(origin, numeric::RPL_WHOISUSER, &user, &real);
        let channels: Vec<String> = self
            .channels
            .values()
            .filter_map(|c| {
                let state = &c.replica.as_ref()?.state;
                let user = actor.owner();
                state.members.get(&user)?;
                Some(format!("{}{}", state.rank_prefix(&user), c.name))
            })
            .collect();
        if !channels.is_empty() {
            self.cx.numeric(origin, numeric::RPL_WHOISCHANNELS, &[&name], &channels.join(" "));
        }
        if let Some(p) = self.cx.contacts.presence.get(&actor).filter(|p| p.status == "away").cloned() {
            let text = if p.text.is_empty() { "away".to_owned() } else { p.text };
            self.cx.numeric(origin, numeric::RPL_AWAY, &[&name], &text);
        }
        let print = card.keys().fingerprint();
        let trust = if self.cx.contacts.verified(&actor) { "verified" } else { "not verified" };
        self.cx.numeric(
            origin,
            numeric::RPL_WHOISACCOUNT,
            &[&name, &print],
            &format!("has this fingerprint ({trust})"),
        );
        self.cx.numeric(origin, numeric::RPL_WHOISSECURE, &[&name], "");
        self.cx.numeric(origin, numeric::RPL_ENDOFWHOIS, &[&name], "");
    }

    /// Compares keys. If a key is held under a contact's nick, it shows both, and `confirm` says
    /// which one is meant.
    pub(super) fn verify(&mut self, origin: &Origin, e: &Envelope) {
        let nick = e.to.clone().unwrap_or_default();
        let Ok(found) = self.whom(origin, &nick) else { return };
        let Some(card) = found.and_then(|actor| self.cx.contacts.card(&actor).cloned()) else {
            let text = format!("{nick} is not among your contacts");
            return self.cx.numeric(origin, numeric::ERR_NOSUCHNICK, &[&nick], &text);
        };
        let held = self.cx.contacts.held_as(card.nick()).map(|c| c.card.clone());
        let held = held.filter(|held| held.actor() != card.actor());
        let trust = match e.params.first().map(String::as_str) {
            None => None,
            Some("confirm") => Some(Trust::Verified),
            Some("revoke") => Some(Trust::Tofu),
            Some(other) => {
                let text = format!("VERIFY takes no params, \"confirm\" or \"revoke\", not {other:?}");
                return self.cx.error(origin, text);
            }
        };
        let meant = match (&held, e.params.get(1)) {
            (_, Some(key)) => {
                let all = [Some(&card), held.as_ref()].into_iter().flatten();
                let Some(meant) = all.into_iter().find(|card| names_key(key, card)) else {
                    let text = format!("{key} is the fingerprint or id of no key of {nick}");
                    return self.cx.error(origin, text);
                };
                meant.clone()
            }
            // By its id it is said which one.
            (Some(held), None) if trust == Some(Trust::Verified) && ActorId::parse(&nick).is_err() => {
                let text = format!(
                    "{nick} has two keys here, {} and, held back, {}: say behind \"confirm\" which one you have compared",
                    card.keys().fingerprint(),
                    held.keys().fingerprint()
                );
                return self.cx.error(origin, text);
            }
            _ => card,
        };
        if let Some(trust) = trust {
            self.trust(&meant, trust);
        }
        let list = &self.cx.contacts.list;
        let trust = list.get(&meant.actor()).map_or(Trust::Tofu, |c| c.trust);
        let own = self.cx.id.public();
        let mut answer = Envelope::new("VERIFY")
            .to(meant.nick().as_str())
            .field("nick", meant.nick().as_str())
            .field("actor", meant.actor().to_string())
            .field("fingerprint", meant.keys().fingerprint())
            .field("own_fingerprint", own.fingerprint())
            .field("safety_number", safety_number(own, meant.keys()))
            .field("trust", json!(trust));
        let held =
            held.filter(|h| h.actor() != meant.actor() && self.cx.contacts.list.contains_key(&h.actor()));
        if let Some(held) = held {
            let held = json!({
                "actor": held.actor().to_string(),
                "fingerprint": held.keys().fingerprint(),
                "safety_number": safety_number(own, held.keys()),
            });
            answer = answer.field("held", held);
        }
        self.cx.reply(origin, answer);
    }

    /// Sets the trust in a person. If the person's key was held, this is the user's decision for
    /// it: the held messages are shown, and the replaced key is removed.
    fn trust(&mut self, card: &Card, trust: Trust) {
        let before = self.cx.contacts.list.get(&card.actor()).map(|c| c.trust);
        self.keep_contact(Contact { card: card.clone(), trust, since: self.cx.now.wall });
        if before == Some(Trust::Held) && trust != Trust::Held {
            self.replace_key(card);
        }
    }

    fn contact_value(&self, contact: &Contact) -> Value {
        let actor = contact.card.actor();
        let presence = self.cx.contacts.presence.get(&actor);
        json!({
            "nick": contact.card.nick().as_str(),
            "actor": actor.to_string(),
            "fingerprint": contact.card.keys().fingerprint(),
            "trust": contact.trust,
            "held": contact.trust == Trust::Held,
            "presence": presence.map_or("offline", |p| p.status.as_str()),
            "away": presence.filter(|p| !p.text.is_empty()).map(|p| p.text.as_str()),
        })
    }

    pub(super) fn contact(&mut self, origin: &Origin, e: &Envelope) {
        let what = e.params.first().map_or("list", String::as_str).to_owned();
        let nick = e.params.get(1).cloned().unwrap_or_default();
        if matches!(what.as_str(), "show" | "remove") && self.whom(origin, &nick).is_err() {
            return;
        }
        let found = if what == "accept" || what == "reject" { self.held(&nick) } else { self.listed(&nick) };
        let body = match what.as_str() {
            "list" => self.cx.contacts.list.values().map(|c| self.contact_value(c)).collect(),
            "add" => {
                let card = e.get("card").and_then(|c| serde_json::from_value::<Envelope>(c.clone()).ok());
                match card.as_ref().map(Card::parse) {
                    Some(Ok(card)) => {
                        let known = self.cx.contacts.list.get(&card.actor()).map(|c| c.trust);
                        let trust = match known {
                            _ if self.cx.contacts.rival(&card).is_some() => Trust::Held,
                            Some(trust) if trust != Trust::Held => trust,
                            _ => Trust::Tofu,
                        };
                        self.trust(&card, trust);
                        let contact = self.cx.contacts.list.get(&card.actor());
                        contact.map(|c| self.contact_value(c)).into_iter().collect()
                    }
                    Some(Err(why)) => {
                        return self.cx.error(origin, format!("That is no card: {why}"));
                    }
                    None => {
                        return self.cx.error(origin, "CONTACT add takes a body {\"card\": …}");
                    }
                }
            }
            _ => {
                let Some(contact) = found.cloned() else {
                    let text = format!("{nick} is not among your contacts");
                    return self.cx.numeric(origin, numeric::ERR_NOSUCHNICK, &[&nick], &text);
                };
                let actor = contact.card.actor();
                match what.as_str() {
                    "show" => {
                        let held = self.cx.contacts.held_as(contact.card.nick());
                        let held = held.filter(|held| held.card.actor() != actor);
                        std::iter::once(&contact).chain(held).map(|c| self.contact_value(c)).collect()
                    }
                    "accept" => {
                        self.trust(&contact.card, Trust::Tofu);
                        self.cx
                            .contacts
                            .list
                            .get(&actor)
                            .map(|c| vec![self.contact_value(c)])
                            .unwrap_or_default()
                    }
                    "reject" | "remove" => {
                        self.cx.store(StoreOp::Delete { table: Table::Contact, key: actor.to_string() });
                        self.cx.contacts.forget(&actor);
                        return self.end_contact(&contact, (origin.clone(), what.clone()));
                    }
                    other => {
                        let text = format!(
                            "CONTACT knows list, show, add, accept, reject and remove, not {other:?}"
                        );
                        return self.cx.error(origin, text);
                    }
                }
            }
        };
        let mut answer = Envelope::new("CONTACT").param(what);
        answer.body = Some(crate::Body::Array(body));
        self.cx.reply(origin, answer);
    }

    fn listed(&self, nick: &str) -> Option<&Contact> {
        self.find(nick).and_then(|a| self.cx.contacts.list.get(&a))
    }

    fn held(&self, name: &str) -> Option<&Contact> {
        let by_id = ActorId::parse(name).ok().and_then(|actor| self.cx.contacts.list.get(&actor));
        let by_nick = || Nick::parse(name).ok().and_then(|nick| self.cx.contacts.held_as(&nick));
        by_id.filter(|c| c.trust == Trust::Held).or_else(by_nick)
    }

    /// Accepts a new key on the user's word: the held messages are shown, and the old contact is
    /// removed.
    fn replace_key(&mut self, card: &Card) {
        let (actor, nick) = (card.actor(), card.nick());
        let old: Vec<ActorId> = self
            .cx
            .contacts
            .list
            .values()
            .filter(|c| c.card.nick() == nick && c.card.actor() != actor)
            .map(|c| c.card.actor())
            .collect();
        for gone in old {
            self.cx.store(StoreOp::Delete { table: Table::Contact, key: gone.to_string() });
            self.cx.contacts.forget(&gone);
            if let Some(name) = self.granted_to(&gone) {
                self.end(name, nick.as_str().to_owned(), None);
            }
        }
        let query = Query::History {
            target: start::direct_target(&actor),
            window: crate::port::Window::before(None),
            limit: 500,
        };
        self.cx.query(query, PendingOp::Held(actor));
    }
}

/// Whether a text is a key's fingerprint, with or without blanks, or its actor id.
fn names_key(said: &str, card: &Card) -> bool {
    let plain = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    let said = plain(said);
    said == plain(&card.keys().fingerprint()) || said == plain(&card.actor().to_string())
}
