//! Invites: made for one person, sealed to that person, used once. Accepting one creates contacts.
//!
//! Only the user changes trust.

use super::contacts::{Contact, Trust};
use super::ctx::{Origin, notice};
use super::rpc::Sealed;
use super::start::of;
use super::*;
use crate::envelope::Domain;
use crate::identity::{Card, Invite, OpenedInvite, PublicKeys};
use crate::port::{Grant, StoreOp, Table};
use serde_json::json;

/// An invite's default lifetime, ms.
const INVITE: Millis = 7 * 24 * 3600 * 1000;
/// The longest lifetime, ms. A timestamp passed as a lifetime by mistake is far beyond it.
const LONGEST: Millis = 365 * 24 * 3600 * 1000;

/// Created invites that are unused, and accepted ones.
#[derive(Default)]
pub(super) struct Invites {
    /// By id: the secret, the expiry, and the user that was created for it.
    open: BTreeMap<String, (String, Millis, Option<String>)>,
    used: BTreeMap<String, Millis>,
    /// The users that were created for contacts.
    granted: BTreeMap<ActorId, String>,
    /// The hash of the route to our own mailbox that contacts know.
    way_told: Option<String>,
}

/// An operation that waits for a route for a new contact.
#[derive(Debug, Clone)]
pub(crate) struct PendingGrant {
    pub(super) origin: Origin,
    name: String,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Invite { keys: Box<PublicKeys>, life: Millis },
    Accept(Box<OpenedInvite>),
}

impl Invites {
    pub fn restore(values: &BTreeMap<(Table, String), Vec<u8>>, identity: &Identity) -> Self {
        let mut out = Self::default();
        let told = values.get(&(Table::Setting, "way-told".into()));
        out.way_told = told.and_then(|v| serde_json::from_slice(v).ok());
        for ((_, key), value) in of(values, Table::Setting) {
            if let Some(id) = key.strip_prefix("invite/") {
                let plain = identity.open_local(value).ok();
                if let Some(row) = plain.and_then(|p| serde_json::from_slice(&p).ok()) {
                    out.open.insert(id.to_owned(), row);
                }
            } else if let Some(actor) = key.strip_prefix("granted/").and_then(|a| ActorId::parse(a).ok()) {
                if let Ok(name) = serde_json::from_slice(value) {
                    out.granted.insert(actor, name);
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

impl Node {
    pub(super) fn invitation(&mut self, origin: &Origin, e: &Envelope) {
        match e.params.first().map(String::as_str) {
            Some("create") => self.create_invite(origin, e),
            Some("accept") => self.accept_invite(origin, e),
            _ => self.cx.error(origin, "INVITATION takes [\"create\"] or [\"accept\"]"),
        }
    }

    fn create_invite(&mut self, origin: &Origin, e: &Envelope) {
        let card = e.get("card").cloned().unwrap_or(Value::Null);
        let keys = match invitee_keys(&card) {
            Ok(keys) => keys,
            Err(why) => return self.cx.error(origin, why),
        };
        let life = match e.get("expires") {
            None => INVITE,
            Some(life) => match life.as_u64().filter(|life| (1..=LONGEST).contains(life)) {
                Some(life) => life,
                None => {
                    let text =
                        "No invite was made: it can be accepted for at least 1 ms and at most 365 days";
                    return self.cx.error(origin, text);
                }
            },
        };
        let name = self.grant_name();
        let wish = PendingGrant {
            origin: origin.clone(),
            name: name.clone(),
            what: What::Invite { keys: Box::new(keys), life },
        };
        self.cx.grant(name, PendingOp::Grant(Box::new(wish)));
    }

    /// A name for a new user with access to our mailbox. It does not reveal who that is.
    fn grant_name(&mut self) -> String {
        format!("kirc-{:016x}", self.cx.random())
    }

    /// Handles the outcome of a request for a route for a new contact.
    pub(super) fn on_granted(&mut self, wish: PendingGrant, result: Result<Grant, PortError>) {
        match wish.what {
            What::Invite { keys, life } => match result {
                Ok(grant) => {
                    let name = grant.own.then_some(wish.name);
                    self.make_invite(&wish.origin, &keys, life, &grant, name);
                }
                Err(why) => {
                    let text = format!("No invite was made, since nobody new can be let to this grid: {why}");
                    self.cx.error(&wish.origin, text);
                }
            },
            What::Accept(opened) => {
                let grant = match result {
                    Ok(grant) => Some(grant),
                    Err(why) => {
                        let text = format!(
                            "{} is a contact now, but was not told how to reach your grid: {why}",
                            opened.card.nick()
                        );
                        self.cx.error(&wish.origin, text);
                        None
                    }
                };
                if grant.as_ref().is_some_and(|g| g.own) {
                    self.granted(opened.card.actor(), wish.name);
                }
                self.send_accepted(&wish.origin, *opened, grant);
            }
        }
    }

    fn make_invite(
        &mut self,
        origin: &Origin,
        keys: &PublicKeys,
        life: Millis,
        grant: &Grant,
        name: Option<String>,
    ) {
        let now = self.cx.now.wall;
        let mut grid = grant.way.as_object().cloned().unwrap_or_default();
        grid.insert("cluster".into(), json!(self.cx.cfg.home.cluster));
        let expires = now.saturating_add(life);
        let made = Invite::create(&self.cx.id, &self.cx.card, keys, grid, expires, now, &mut self.cx.rng);
        match made {
            Ok(invite) => {
                let id = invite.id.to_string();
                let row = (invite.secret.expose().to_string(), invite.expires, name);
                self.cx.put_sealed(Table::Setting, format!("invite/{id}"), &row);
                self.invites.open.insert(id, row);
                let answer = Envelope::new("INVITATION").param("create").field("text", invite.text);
                self.cx.reply(origin, noted(answer, grant.note.clone()));
            }
            Err(why) => self.cx.error(origin, format!("No invite could be made: {why}")),
        }
    }

    fn accept_invite(&mut self, origin: &Origin, e: &Envelope) {
        let text = e.get("text").and_then(Value::as_str).unwrap_or_default();
        let opened = match Invite::open(text, &self.cx.id, self.cx.now.wall) {
            Ok(opened) => opened,
            Err(why) => {
                return self.cx.error(origin, format!("The invite was not accepted: {why}"));
            }
        };
        let id = opened.id.to_string();
        if self.invites.used.contains_key(&id) {
            return self
                .cx
                .error(origin, "The invite was not accepted: it was used before, and each works once");
        }
        self.invites.used.insert(id.clone(), self.cx.now.wall);
        let now = self.cx.now.wall;
        self.cx.put(Table::Setting, format!("accepted/{id}"), &now);
        let card = &opened.card;
        let held = self.cx.contacts.rival(card).is_some();
        let trust = if held { Trust::Held } else { Trust::Tofu };
        self.keep_contact(Contact { card: card.clone(), trust, since: now });
        let cluster = opened.card.address().cluster.clone();
        if cluster == self.cx.cfg.home.cluster {
            return self.send_accepted(origin, opened, None);
        }
        let way = Value::Object(opened.grid.clone());
        self.cx.learn(&cluster, opened.card.actor(), true, &way);
        if self.cx.place(&cluster).is_some() {
            self.subscribe(&cluster);
        }
        let name = self.grant_name();
        let wish =
            PendingGrant { origin: origin.clone(), name: name.clone(), what: What::Accept(Box::new(opened)) };
        self.cx.grant(name, PendingOp::Grant(Box::new(wish)));
    }

    /// Sends the invite's secret and our own card to the inviter.
    fn send_accepted(&mut self, origin: &Origin, opened: OpenedInvite, grant: Option<Grant>) {
        let (way, note) = grant.map(|g| (g.way, g.note)).unzip();
        let card = opened.card;
        let request = self.cx.new_id();
        let mut inner = Envelope {
            id: Some(request.to_string()),
            ts: Some(self.cx.ts()),
            ..Envelope::new("ACCEPT")
                .from(self.cx.me().to_string())
                .to(card.actor().to_string())
                .field("card", json!(self.cx.card.envelope()))
                .field("invite", opened.id.to_string())
                .field("secret", opened.secret.expose().to_string())
        };
        if let Some(way) = way {
            inner = inner.field("way", way);
        }
        let inner = inner.sign(Domain::Request, &self.cx.id);
        let bytes = self.cx.seal_to(&card, "ACCEPT", request, &inner, &[]);
        self.cx.append_rpc(&card, bytes, PendingOp::Nothing);
        let answer = Envelope::new("INVITATION")
            .param("accept")
            .field("nick", card.nick().as_str())
            .field("actor", card.actor().to_string())
            .field("fingerprint", card.keys().fingerprint());
        self.cx.reply(origin, noted(answer, note.flatten()));
    }

    /// Records the user that was created for a contact, and removes its previous one.
    fn granted(&mut self, actor: ActorId, name: String) {
        self.cx.put(Table::Setting, format!("granted/{actor}"), &name);
        if let Some(old) = self.invites.granted.insert(actor, name) {
            let nick = self.cx.contacts.nick_of(&actor);
            self.end(old, nick, None);
        }
    }

    /// Takes the user that was created for a contact out of the list.
    pub(super) fn granted_to(&mut self, actor: &ActorId) -> Option<String> {
        let name = self.invites.granted.remove(actor)?;
        self.cx.store(StoreOp::Delete { table: Table::Setting, key: format!("granted/{actor}") });
        Some(name)
    }

    /// Tells contacts and channels about a new password that all contacts share.
    pub(super) fn tell_way(&mut self) {
        let Some(way) = self.cx.cfg.peer_way.clone() else { return };
        let mark = crate::ids::Hash::of("kirc.v1.way", &[way.to_string().as_bytes()]).to_string();
        if self.invites.way_told.as_deref().is_none_or(|told| told == mark) {
            // The first one goes out with each invite and each JOIN.
            self.invites.way_told = Some(mark.clone());
            self.cx.put(Table::Setting, "way-told", &mark);
            return;
        }
        self.invites.way_told = Some(mark.clone());
        self.cx.put(Table::Setting, "way-told", &mark);
        for channel in self.channels.values_mut().filter(|c| c.phase == Phase::Joined) {
            channel.tell_way(&mut self.cx);
        }
        let home = self.cx.cfg.home.cluster.clone();
        let contacts: Vec<Card> = self.cx.contacts.list.values().map(|c| c.card.clone()).collect();
        // Who has a user of its own keeps it.
        let shares = |c: &Card| c.address().cluster != home && !self.invites.granted.contains_key(&c.actor());
        let contacts: Vec<Card> = contacts.into_iter().filter(shares).collect();
        for card in contacts {
            let id = self.cx.new_id();
            let inner = Envelope {
                id: Some(id.to_string()),
                ts: Some(self.cx.ts()),
                ..Envelope::new("WAY")
                    .from(self.cx.me().to_string())
                    .to(card.actor().to_string())
                    .field("way", way.clone())
            };
            let inner = inner.sign(Domain::Request, &self.cx.id);
            let bytes = self.cx.seal_to(&card, "WAY", id, &inner, &[]);
            self.cx.append_rpc(&card, bytes, PendingOp::Nothing);
        }
    }

    /// Handles a new route to a contact's grid.
    pub(super) fn on_way(&mut self, (from, _, inner): Sealed) {
        let Some(card) = self.cx.contacts.list.get(&from).map(|c| c.card.clone()) else {
            return;
        };
        if inner.verify(Domain::Request, card.keys()).is_ok()
            && let Some(way) = inner.get("way")
        {
            self.cx.learn(&card.address().cluster, from, true, way);
        }
    }

    /// Handles the acceptance of an invite of ours. Each works once.
    pub(super) fn on_accepted(&mut self, (from, _, inner): Sealed) {
        let card = inner.get("card").and_then(|c| serde_json::from_value::<Envelope>(c.clone()).ok());
        let Some(card) = card.and_then(|c| Card::parse(&c).ok()).filter(|c| c.actor() == from) else {
            return;
        };
        if inner.verify(Domain::Request, card.keys()).is_err() {
            return;
        }
        let id = inner.get("invite").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some((secret, expires, name)) = self.invites.open.get(&id).cloned() else {
            return;
        };
        let right = inner.get("secret").and_then(Value::as_str) == Some(secret.as_str());
        if !right || self.cx.now.wall > expires + self.cx.cfg.clock_skew {
            return;
        }
        self.invites.open.remove(&id);
        self.cx.store(StoreOp::Delete { table: Table::Setting, key: format!("invite/{id}") });
        let held = self.cx.contacts.rival(&card).is_some();
        let trust = if held { Trust::Held } else { Trust::Tofu };
        let text = format!("{} accepted your invite and is a contact now", card.nick());
        let notice = notice(self.cx.nick().as_str(), text);
        if let Some(way) = inner.get("way") {
            self.cx.learn(&card.address().cluster, from, true, way);
        }
        if let Some(name) = name {
            self.granted(from, name);
        }
        self.keep_contact(Contact { card, trust, since: self.cx.now.wall });
        self.cx.broadcast(&notice, None);
    }
}

/// An answer with a note for the user about the route.
fn noted(answer: Envelope, note: Option<String>) -> Envelope {
    match note {
        Some(note) => answer.field("note", note),
        None => answer,
    }
}

/// The keys of the invitee: from a card, or the two keys alone.
fn invitee_keys(value: &Value) -> Result<PublicKeys, String> {
    use base64::Engine;
    if value.get("command").is_some() {
        let e: Envelope =
            serde_json::from_value(value.clone()).map_err(|e| format!("That is no card: {e}"))?;
        return Card::parse(&e).map(|c| c.keys().clone()).map_err(|e| format!("That is no card: {e}"));
    }
    let bytes = |name: &str| {
        let text = value.get(name).and_then(Value::as_str).ok_or_else(|| format!("{name} is missing"))?;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).map_err(|e| format!("{name}: {e}"))
    };
    let ed25519: [u8; 32] =
        bytes("ed25519")?.try_into().map_err(|_| "an Ed25519 key has 32 bytes".to_owned())?;
    PublicKeys::from_parts(ed25519, bytes("rsa")?).map_err(|e| e.to_string())
}
