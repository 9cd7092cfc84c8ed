//! Invites: made for one person, sealed to it, used once; what comes of them are contacts.
//!
//! Trust changes by the user's word only.

use super::contacts::{Contact, Trust};
use super::ctx::Origin;
use super::start::of;
use super::*;
use crate::envelope::Domain;
use crate::identity::{Card, Invite, PublicKeys};
use crate::port::{StoreOp, Table};
use serde_json::json;

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
                let answer = Envelope::new("INVITATION").param("create").field("text", invite.text);
                self.cx.reply(origin, answer);
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
        let card = opened.card;
        let held = self.cx.contacts.rival(&card).is_some();
        let trust = if held { Trust::Held } else { Trust::Tofu };
        self.keep_contact(Contact { card: card.clone(), trust, since: self.cx.now.wall });
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
        let card = inner.get("card").and_then(|c| serde_json::from_value::<Envelope>(c.clone()).ok());
        let Some(card) = card.and_then(|c| Card::parse(&c).ok()).filter(|c| c.actor() == from) else {
            return;
        };
        if inner.verify(Domain::Request, card.keys()).is_err() {
            return;
        }
        let id = inner.get("invite").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some((secret, expires)) = self.invites.open.get(&id).cloned() else {
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
        let notice = Envelope::new("NOTICE").from("kirc").to(self.cx.nick().as_str()).line(text);
        self.keep_contact(Contact { card, trust, since: self.cx.now.wall });
        self.cx.broadcast(&notice, None);
    }
}

/// The keys of whom an invite is for: a card, or the two keys alone.
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
