//! People: contacts, verification, invites, profiles, nicks. Trust changes by the user's word only.

use serde_json::json;

use super::contacts::{Contact, Trust};
use super::ctx::Origin;
use super::*;
use crate::channel::ActKind;
use crate::identity::{Card, safety_number};
use crate::names::Nick;
use crate::numeric;
use crate::port::{Query, StoreOp, Table};

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
            if taken.is_some_and(|a| a != self.cx.me()) {
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
        self.new_card(&nick);
        self.cx.put(Table::Setting, "nick", &nick);
        let said = Envelope::new("NICK").from(old).param(nick.as_str()).meta("self", true);
        let said = said.meta("actor", self.cx.me().to_string());
        self.cx.broadcast(&said, Some(origin));
        let kind = ActKind::Card { card: Box::new(self.cx.card.clone()) };
        for channel in self.channels.values_mut().filter(|c| c.phase == Phase::Joined) {
            channel.submit(&mut self.cx, kind.to_envelope(), None, channel::OutKind::Kept, None);
        }
        self.cx.status_dirty = true;
    }

    /// Somebody one writes to is a contact from then on.
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
        self.cx.contacts.meet(&contact.card);
        self.cx.contacts.list.insert(actor, contact);
    }

    pub(super) fn whois(&mut self, origin: &Origin, e: &Envelope) {
        let nick = e.to.clone().unwrap_or_default();
        let me = self.cx.me();
        let own = Nick::parse(&nick).is_ok_and(|n| n == *self.cx.nick());
        let found = if own { Some(me) } else { self.cx.contacts.find(&nick) };
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
                state.members.get(&actor)?;
                Some(format!("{}{}", state.rank_prefix(&actor), c.name))
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

    pub(super) fn verify(&mut self, origin: &Origin, e: &Envelope) {
        let nick = e.to.clone().unwrap_or_default();
        let card = self.cx.contacts.find(&nick).and_then(|a| self.cx.contacts.card(&a).cloned());
        let Some(card) = card else {
            let text = format!("{nick} is not among your contacts");
            return self.cx.numeric(origin, numeric::ERR_NOSUCHNICK, &[&nick], &text);
        };
        let trust = match e.params.first().map(String::as_str) {
            None => None,
            Some("confirm") => Some(Trust::Verified),
            Some("revoke") => Some(Trust::Tofu),
            Some(other) => {
                let text = format!("VERIFY takes no params, \"confirm\" or \"revoke\", not {other:?}");
                return self.cx.error(origin, text);
            }
        };
        if let Some(trust) = trust {
            let contact = Contact { card: card.clone(), trust, since: self.cx.now.wall };
            self.keep_contact(contact);
        }
        let trust = self.cx.contacts.list.get(&card.actor()).map_or(Trust::Tofu, |c| c.trust);
        let answer = Envelope::new("VERIFY")
            .to(card.nick().as_str())
            .field("nick", card.nick().as_str())
            .field("actor", card.actor().to_string())
            .field("fingerprint", card.keys().fingerprint())
            .field("own_fingerprint", self.cx.id.public().fingerprint())
            .field("safety_number", safety_number(self.cx.id.public(), card.keys()))
            .field("trust", json!(trust));
        self.cx.reply(origin, answer);
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
        let found = if what == "accept" || what == "reject" { self.held(&nick) } else { self.listed(&nick) };
        let body = match what.as_str() {
            "list" => self.cx.contacts.list.values().map(|c| self.contact_value(c)).collect(),
            "add" => {
                let card = e.get("card").and_then(|c| serde_json::from_value::<Envelope>(c.clone()).ok());
                match card.as_ref().map(Card::parse) {
                    Some(Ok(card)) => {
                        let held = self.cx.contacts.rival(&card).is_some();
                        let trust = if held { Trust::Held } else { Trust::Tofu };
                        let contact = Contact { card, trust, since: self.cx.now.wall };
                        let value = vec![self.contact_value(&contact)];
                        self.keep_contact(contact);
                        value
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
                    "show" => vec![self.contact_value(&contact)],
                    "accept" => {
                        self.accept_key(&contact);
                        self.cx
                            .contacts
                            .list
                            .get(&actor)
                            .map(|c| vec![self.contact_value(c)])
                            .unwrap_or_default()
                    }
                    "reject" | "remove" => {
                        self.cx.store(StoreOp::Delete { table: Table::Contact, key: actor.to_string() });
                        self.cx.contacts.list.remove(&actor);
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
        self.cx.contacts.find(nick).and_then(|a| self.cx.contacts.list.get(&a))
    }

    fn held(&self, nick: &str) -> Option<&Contact> {
        let nick = Nick::parse(nick).ok()?;
        self.cx.contacts.list.values().find(|c| c.trust == Trust::Held && *c.card.nick() == nick)
    }

    /// The user says that the new key is right: what was held is shown, the old contact goes.
    fn accept_key(&mut self, contact: &Contact) {
        let actor = contact.card.actor();
        let nick = contact.card.nick();
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
            self.cx.contacts.list.remove(&gone);
            if let Some(name) = self.granted_to(&gone) {
                self.end(name, nick.as_str().to_owned(), None);
            }
        }
        self.keep_contact(Contact {
            card: contact.card.clone(),
            trust: Trust::Tofu,
            since: self.cx.now.wall,
        });
        let query = Query::History { target: start::direct_target(&actor), before: None, limit: 500 };
        self.cx.query(query, Waiting::Held(actor));
    }
}
