//! People: contacts, verification, invites, profiles, nicks. Trust changes by the user's word only.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::contacts::{Contact, Trust};
use super::ctx::Origin;
use super::start::of;
use super::*;
use crate::channel::ActKind;
use crate::envelope::Domain;
use crate::identity::{Card, Invite, PublicKeys, safety_number};
use crate::names::Nick;
use crate::numeric;
use crate::port::{Query, SignalOp, StoreOp, Table};

/// Bytes of a public profile at the most.
const PROFILE: usize = 4_096;
/// How long a published profile lives, ms.
const PUBLISHED: Millis = 7 * 24 * 3600 * 1000;
/// An invite's usual life, ms.
const INVITE: Millis = 7 * 24 * 3600 * 1000;

/// Invites that were made and not used, and those that were accepted.
#[derive(Default)]
pub(super) struct Invites {
    /// By id: the secret and when it expires.
    open: BTreeMap<String, (String, Millis)>,
    used: BTreeMap<String, Millis>,
}

impl Invites {
    pub fn restore(values: &BTreeMap<(Table, String), Vec<u8>>) -> Self {
        let mut out = Self::default();
        for ((_, key), value) in of(values, Table::Setting) {
            if let Some(id) = key.strip_prefix("invite/") {
                if let Ok(row) = serde_json::from_slice(value) {
                    out.open.insert(id.to_owned(), row);
                }
            } else if let Some(id) = key.strip_prefix("accepted/")
                && let Ok(at) = serde_json::from_slice(value)
            {
                out.used.insert(id.to_owned(), at);
            }
        }
        out
    }
}

/// One's own profile, public and private.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Profile {
    public: Map<String, Value>,
    private: Map<String, Value>,
    published: bool,
    /// The card's revision, and what it was made of.
    rev: Millis,
    of: String,
}

impl Profile {
    pub fn restore(values: &BTreeMap<(Table, String), Vec<u8>>, identity: &Identity) -> Self {
        let row = values.get(&(Table::Profile, "own".into()));
        let plain = row.and_then(|v| identity.open_local(v).ok());
        plain
            .and_then(|p| serde_json::from_slice(&p).ok())
            .unwrap_or_default()
    }

    pub fn public(&self) -> Map<String, Value> {
        self.public.clone()
    }

    /// A card that says the same keeps its revision, so that nobody has to take note of it.
    pub fn card_rev(&self, now: Millis, config: &Config) -> u64 {
        if self.of == mark(config.nick.as_str(), &self.public) {
            self.rev
        } else {
            now.max(self.rev + 1)
        }
    }
}

fn mark(nick: &str, public: &Map<String, Value>) -> String {
    json!([nick, public]).to_string()
}

impl Node {
    /// Makes the card anew and keeps what it is made of.
    fn new_card(&mut self, nick: &Nick) {
        let rev = self.cx.now.wall.max(self.cx.card.rev() + 1);
        let address = self.cx.card.address().clone();
        self.cx.card = Card::create(
            &self.cx.id,
            nick,
            &address,
            self.profile.public.clone(),
            rev,
        );
        self.keep_profile();
        if self.profile.published {
            self.publish_profile();
        }
    }

    pub(super) fn keep_profile(&mut self) {
        self.profile.rev = self.cx.card.rev();
        self.profile.of = mark(self.cx.card.nick().as_str(), &self.profile.public);
        let cx = &mut self.cx;
        cx.put_sealed(Table::Profile, "own", &self.profile);
    }

    pub(super) fn nick(&mut self, origin: &Origin, e: &Envelope) {
        let Some(text) = e.params.first() else {
            return self
                .cx
                .numeric(origin, numeric::ERR_NONICKNAMEGIVEN, &[], "");
        };
        let nick = match Nick::parse(text) {
            Ok(nick) => nick,
            Err(why) => {
                return self.cx.numeric(
                    origin,
                    numeric::ERR_ERRONEUSNICKNAME,
                    &[text],
                    &why.to_string(),
                );
            }
        };
        for channel in self.channels.values() {
            let taken = channel
                .replica
                .as_ref()
                .and_then(|r| r.state.by_nick(&nick))
                .map(|(a, _)| *a);
            if taken.is_some_and(|a| a != self.cx.me()) {
                let text = format!("{nick} is in use in {}", channel.name);
                return self.cx.numeric(
                    origin,
                    numeric::ERR_NICKNAMEINUSE,
                    &[nick.as_str()],
                    &text,
                );
            }
        }
        let old = self.cx.nick().as_str().to_owned();
        self.new_card(&nick);
        self.cx.put(Table::Setting, "nick", &nick);
        let said = Envelope::new("NICK")
            .from(old)
            .param(nick.as_str())
            .meta("self", true);
        let said = said.meta("actor", self.cx.me().to_string());
        self.cx.broadcast(&said, Some(origin));
        let kind = ActKind::Card {
            card: Box::new(self.cx.card.clone()),
        };
        for channel in self
            .channels
            .values_mut()
            .filter(|c| c.phase == Phase::Joined)
        {
            channel.submit(
                &mut self.cx,
                kind.to_envelope(),
                None,
                channel::OutKind::Kept,
                None,
            );
        }
        self.cx.status_dirty = true;
    }

    /// Somebody one writes to is a contact from then on.
    pub(super) fn remember_contact(&mut self, card: &Card) {
        if self.cx.contacts.list.contains_key(&card.actor()) {
            return;
        }
        let contact = Contact {
            card: card.clone(),
            trust: Trust::Tofu,
            since: self.cx.now.wall,
        };
        self.keep_contact(contact);
    }

    fn keep_contact(&mut self, contact: Contact) {
        let actor = contact.card.actor();
        self.cx
            .put_sealed(Table::Contact, actor.to_string(), &contact);
        self.cx.contacts.meet(&contact.card);
        self.cx.contacts.list.insert(actor, contact);
    }

    pub(super) fn whois(&mut self, origin: &Origin, e: &Envelope) {
        let nick = e.to.clone().unwrap_or_default();
        let me = self.cx.me();
        let own = Nick::parse(&nick).is_ok_and(|n| n == *self.cx.nick());
        let found = if own {
            Some(me)
        } else {
            self.cx.contacts.find(&nick)
        };
        let card = found.and_then(|a| {
            if own {
                Some(self.cx.card.clone())
            } else {
                self.cx.contacts.card(&a).cloned()
            }
        });
        let Some(card) = card else {
            self.cx
                .numeric(origin, numeric::ERR_NOSUCHNICK, &[&nick], "");
            return self
                .cx
                .numeric(origin, numeric::RPL_ENDOFWHOIS, &[&nick], "");
        };
        let actor = card.actor();
        let name = card.nick().as_str().to_owned();
        let real = card
            .profile()
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or(&name)
            .to_owned();
        let user = [
            name.as_str(),
            &actor.to_string(),
            &card.address().cluster,
            "*",
        ];
        self.cx
            .numeric(origin, numeric::RPL_WHOISUSER, &user, &real);
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
            self.cx.numeric(
                origin,
                numeric::RPL_WHOISCHANNELS,
                &[&name],
                &channels.join(" "),
            );
        }
        if let Some(p) = self
            .cx
            .contacts
            .presence
            .get(&actor)
            .filter(|p| p.status == "away")
            .cloned()
        {
            let text = if p.text.is_empty() {
                "away".to_owned()
            } else {
                p.text
            };
            self.cx.numeric(origin, numeric::RPL_AWAY, &[&name], &text);
        }
        let print = card.keys().fingerprint();
        let trust = if self.cx.contacts.verified(&actor) {
            "verified"
        } else {
            "not verified"
        };
        self.cx.numeric(
            origin,
            numeric::RPL_WHOISACCOUNT,
            &[&name, &print],
            &format!("has this fingerprint ({trust})"),
        );
        self.cx
            .numeric(origin, numeric::RPL_WHOISSECURE, &[&name], "");
        self.cx
            .numeric(origin, numeric::RPL_ENDOFWHOIS, &[&name], "");
    }

    pub(super) fn verify(&mut self, origin: &Origin, e: &Envelope) {
        let nick = e.to.clone().unwrap_or_default();
        let card = self
            .cx
            .contacts
            .find(&nick)
            .and_then(|a| self.cx.contacts.card(&a).cloned());
        let Some(card) = card else {
            return self
                .cx
                .numeric(origin, numeric::ERR_NOSUCHNICK, &[&nick], "");
        };
        let trust = match e.params.first().map(String::as_str) {
            None => None,
            Some("confirm") => Some(Trust::Verified),
            Some("revoke") => Some(Trust::Tofu),
            Some(other) => {
                let text =
                    format!("VERIFY takes no params, \"confirm\" or \"revoke\", not {other:?}");
                return self.cx.error(origin, text);
            }
        };
        if let Some(trust) = trust {
            let contact = Contact {
                card: card.clone(),
                trust,
                since: self.cx.now.wall,
            };
            self.keep_contact(contact);
        }
        let trust = self
            .cx
            .contacts
            .list
            .get(&card.actor())
            .map_or(Trust::Tofu, |c| c.trust);
        let answer = Envelope::new("VERIFY")
            .to(card.nick().as_str())
            .field("nick", card.nick().as_str())
            .field("actor", card.actor().to_string())
            .field("fingerprint", card.keys().fingerprint())
            .field("own_fingerprint", self.cx.id.public().fingerprint())
            .field(
                "safety_number",
                safety_number(self.cx.id.public(), card.keys()),
            )
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
        let found = if what == "accept" || what == "reject" {
            self.held(&nick)
        } else {
            self.listed(&nick)
        };
        let body = match what.as_str() {
            "list" => self
                .cx
                .contacts
                .list
                .values()
                .map(|c| self.contact_value(c))
                .collect(),
            "add" => {
                let card = e
                    .get("card")
                    .and_then(|c| serde_json::from_value::<Envelope>(c.clone()).ok());
                match card.as_ref().map(Card::parse) {
                    Some(Ok(card)) => {
                        let held = self.cx.contacts.rival(&card).is_some();
                        let trust = if held { Trust::Held } else { Trust::Tofu };
                        let contact = Contact {
                            card,
                            trust,
                            since: self.cx.now.wall,
                        };
                        let value = vec![self.contact_value(&contact)];
                        self.keep_contact(contact);
                        value
                    }
                    Some(Err(why)) => {
                        return self.cx.error(origin, format!("That is no card: {why}"));
                    }
                    None => {
                        return self
                            .cx
                            .error(origin, "CONTACT add takes a body {\"card\": …}");
                    }
                }
            }
            _ => {
                let Some(contact) = found.cloned() else {
                    let text = format!("{nick} is not among your contacts");
                    return self
                        .cx
                        .numeric(origin, numeric::ERR_NOSUCHNICK, &[&nick], &text);
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
                        self.cx.store(StoreOp::Delete {
                            table: Table::Contact,
                            key: actor.to_string(),
                        });
                        self.cx.contacts.list.remove(&actor);
                        Vec::new()
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
        self.cx
            .contacts
            .find(nick)
            .and_then(|a| self.cx.contacts.list.get(&a))
    }

    fn held(&self, nick: &str) -> Option<&Contact> {
        let nick = Nick::parse(nick).ok()?;
        self.cx
            .contacts
            .list
            .values()
            .find(|c| c.trust == Trust::Held && *c.card.nick() == nick)
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
            self.cx.store(StoreOp::Delete {
                table: Table::Contact,
                key: gone.to_string(),
            });
            self.cx.contacts.list.remove(&gone);
        }
        self.keep_contact(Contact {
            card: contact.card.clone(),
            trust: Trust::Tofu,
            since: self.cx.now.wall,
        });
        let query = Query::History {
            target: start::direct_target(&actor),
            before: None,
            limit: 500,
        };
        self.cx.query(query, Waiting::Held(actor));
    }

    pub(super) fn invitation(&mut self, origin: &Origin, e: &Envelope) {
        match e.params.first().map(String::as_str) {
            Some("create") => self.create_invite(origin, e),
            Some("accept") => self.accept_invite(origin, e),
            _ => self
                .cx
                .error(origin, "INVITATION takes [\"create\"] or [\"accept\"]"),
        }
    }

    fn create_invite(&mut self, origin: &Origin, e: &Envelope) {
        let card = e.get("card").cloned().unwrap_or(Value::Null);
        let keys = match invitee_keys(&card) {
            Ok(keys) => keys,
            Err(why) => return self.cx.error(origin, why),
        };
        let life = e.get("expires").and_then(Value::as_u64).unwrap_or(INVITE);
        let now = self.cx.now.wall;
        let mut grid = Map::new();
        grid.insert("cluster".into(), json!(self.cx.cfg.home.cluster));
        grid.insert("kind".into(), json!("embedded"));
        let made = Invite::create(
            &self.cx.id,
            &self.cx.card,
            &keys,
            grid,
            now.saturating_add(life),
            now,
            &mut self.cx.rng,
        );
        match made {
            Ok(invite) => {
                let id = invite.id.to_string();
                let row = (invite.secret.expose().to_string(), invite.expires);
                self.cx.put(Table::Setting, format!("invite/{id}"), &row);
                self.invites.open.insert(id, row);
                let answer = Envelope::new("INVITATION")
                    .param("create")
                    .field("text", invite.text);
                self.cx.reply(origin, answer);
            }
            Err(why) => self
                .cx
                .error(origin, format!("No invite could be made: {why}")),
        }
    }

    fn accept_invite(&mut self, origin: &Origin, e: &Envelope) {
        let text = e.get("text").and_then(Value::as_str).unwrap_or_default();
        let opened = match Invite::open(text, &self.cx.id, self.cx.now.wall) {
            Ok(opened) => opened,
            Err(why) => {
                return self
                    .cx
                    .error(origin, format!("The invite was not accepted: {why}"));
            }
        };
        let id = opened.id.to_string();
        if self.invites.used.contains_key(&id) {
            return self.cx.error(
                origin,
                "The invite was not accepted: it was used before, and each works once",
            );
        }
        self.invites.used.insert(id.clone(), self.cx.now.wall);
        let now = self.cx.now.wall;
        self.cx.put(Table::Setting, format!("accepted/{id}"), &now);
        let card = opened.card;
        let held = self.cx.contacts.rival(&card).is_some();
        let trust = if held { Trust::Held } else { Trust::Tofu };
        self.keep_contact(Contact {
            card: card.clone(),
            trust,
            since: self.cx.now.wall,
        });
        let request = self.cx.new_id();
        let inner = Envelope {
            id: Some(request.to_string()),
            ts: Some(self.cx.ts()),
            ..Envelope::new("ACCEPT")
                .from(self.cx.me().to_string())
                .to(card.actor().to_string())
                .field("card", json!(self.cx.card.envelope()))
                .field("invite", id)
                .field("secret", opened.secret.expose().to_string())
        };
        let inner = inner.sign(Domain::Request, &self.cx.id);
        let bytes = self.cx.seal_to(&card, "ACCEPT", request, &inner, &[]);
        self.cx.append_rpc(&card, bytes, Waiting::Nothing);
        let answer = Envelope::new("INVITATION")
            .param("accept")
            .field("nick", card.nick().as_str())
            .field("actor", card.actor().to_string())
            .field("fingerprint", card.keys().fingerprint());
        self.cx.reply(origin, answer);
    }

    /// Somebody accepted an invite of ours: it works once.
    pub(super) fn on_accepted(&mut self, e: &Envelope) {
        let Some((from, _, inner)) = self.cx.open_sealed(e) else {
            return;
        };
        let card = inner
            .get("card")
            .and_then(|c| serde_json::from_value::<Envelope>(c.clone()).ok());
        let Some(card) = card
            .and_then(|c| Card::parse(&c).ok())
            .filter(|c| c.actor() == from)
        else {
            return;
        };
        if inner.verify(Domain::Request, card.keys()).is_err() {
            return;
        }
        let id = inner
            .get("invite")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let Some((secret, expires)) = self.invites.open.get(&id).cloned() else {
            return;
        };
        let right = inner.get("secret").and_then(Value::as_str) == Some(secret.as_str());
        if !right || self.cx.now.wall > expires + self.cx.cfg.clock_skew {
            return;
        }
        self.invites.open.remove(&id);
        self.cx.store(StoreOp::Delete {
            table: Table::Setting,
            key: format!("invite/{id}"),
        });
        let held = self.cx.contacts.rival(&card).is_some();
        let trust = if held { Trust::Held } else { Trust::Tofu };
        let text = format!("{} accepted your invite and is a contact now", card.nick());
        let notice = Envelope::new("NOTICE")
            .from("kirc")
            .to(self.cx.nick().as_str())
            .line(text);
        self.keep_contact(Contact {
            card,
            trust,
            since: self.cx.now.wall,
        });
        self.cx.broadcast(&notice, None);
    }

    pub(super) fn on_profile(&mut self, origin: &Origin, e: &Envelope) {
        match e.params.first().map(String::as_str) {
            None | Some("show") => {}
            Some("set") => {
                let Some(field) = e.params.get(1).cloned() else {
                    return self
                        .cx
                        .numeric(origin, numeric::ERR_NEEDMOREPARAMS, &["PROFILE"], "");
                };
                let private = e
                    .meta
                    .get("private")
                    .and_then(Value::as_bool)
                    .unwrap_or(false);
                let map = if private {
                    &mut self.profile.private
                } else {
                    &mut self.profile.public
                };
                let before = map.clone();
                match e.lines().first().filter(|v| !v.is_empty()) {
                    Some(value) => map.insert(field, json!(value)),
                    None => map.remove(&field),
                };
                if Value::Object(map.clone()).to_string().len() > PROFILE {
                    *map = before;
                    return self.cx.error(
                        origin,
                        format!("A profile has at most {PROFILE} bytes; nothing was changed"),
                    );
                }
                if private {
                    self.keep_profile();
                } else {
                    let nick = self.cx.nick().clone();
                    self.new_card(&nick);
                }
            }
            Some("publish") => {
                self.profile.published = true;
                self.keep_profile();
                self.publish_profile();
            }
            Some("find") => {
                let nick = e.params.get(1).cloned().unwrap_or_default();
                let Ok(nick) = Nick::parse(&nick) else {
                    return self
                        .cx
                        .numeric(origin, numeric::ERR_ERRONEUSNICKNAME, &[&nick], "");
                };
                let key = format!("profile:{}", nick.folded());
                return self.cx.signal(
                    SignalOp::Get { key },
                    Waiting::Profile(origin.clone(), nick.as_str().to_owned()),
                );
            }
            Some(other) => {
                let text = format!("PROFILE knows show, set, publish and find, not {other:?}");
                return self.cx.error(origin, text);
            }
        }
        let answer = profile_answer(&self.cx.card)
            .field("private", Value::Object(self.profile.private.clone()))
            .field("published", self.profile.published);
        self.cx.reply(origin, answer);
    }

    fn publish_profile(&mut self) {
        let value = serde_json::to_string(self.cx.card.envelope()).unwrap_or_default();
        let key = format!("profile:{}", self.cx.nick().folded());
        self.cx.hint(SignalOp::Set {
            key,
            value,
            ttl: Some(PUBLISHED),
        });
    }

    pub(super) fn on_profile_found(
        &mut self,
        origin: &Origin,
        nick: &str,
        result: Result<SignalReply, PortError>,
    ) {
        let text = match result {
            Ok(SignalReply::Value(Some((text, _)))) => text,
            Ok(_) => {
                let text = format!("Nobody has published a profile as {nick}");
                return self
                    .cx
                    .numeric(origin, numeric::ERR_NOSUCHNICK, &[nick], &text);
            }
            Err(why) => {
                return self
                    .cx
                    .error(origin, format!("Profiles can't be looked up now: {why}"));
            }
        };
        let card = serde_json::from_str::<Envelope>(&text)
            .ok()
            .and_then(|e| Card::parse(&e).ok());
        let Some(card) = card.filter(|c| Nick::parse(nick).is_ok_and(|n| n == *c.nick())) else {
            return self.cx.error(
                origin,
                format!("What is published as {nick} is no valid profile"),
            );
        };
        if let Some(text) = self.cx.contacts.conflict(&card) {
            self.cx.alarm(nick, "key-changed", text);
        }
        self.cx.contacts.meet(&card);
        self.cx.reply(origin, profile_answer(&card));
    }
}

fn profile_answer(card: &Card) -> Envelope {
    Envelope::new("PROFILE")
        .field("nick", card.nick().as_str())
        .field("actor", card.actor().to_string())
        .field("fingerprint", card.keys().fingerprint())
        .field("profile", Value::Object(card.profile().clone()))
}

/// The keys of whom an invite is for: a card, or the two keys alone.
fn invitee_keys(value: &Value) -> Result<PublicKeys, String> {
    use base64::Engine;
    if value.get("command").is_some() {
        let e: Envelope =
            serde_json::from_value(value.clone()).map_err(|e| format!("That is no card: {e}"))?;
        return Card::parse(&e)
            .map(|c| c.keys().clone())
            .map_err(|e| format!("That is no card: {e}"));
    }
    let bytes = |name: &str| {
        let text = value
            .get(name)
            .and_then(Value::as_str)
            .ok_or_else(|| format!("{name} is missing"))?;
        base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|e| format!("{name}: {e}"))
    };
    let ed25519: [u8; 32] = bytes("ed25519")?
        .try_into()
        .map_err(|_| "an Ed25519 key has 32 bytes".to_owned())?;
    PublicKeys::from_parts(ed25519, bytes("rsa")?).map_err(|e| e.to_string())
}
