//! Profiles: the user's own, public and private, and the public ones of others.
//!
//! The public profile is part of the card; the private profile never leaves the store.

use super::ctx::Origin;
use super::*;
use crate::identity::{Address, Card};
use crate::names::Nick;
use crate::numeric;
use crate::port::{SignalOp, Table};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Maximum bytes of a public profile.
const PROFILE: usize = 4_096;
/// TTL of a published profile, ms.
const PUBLISHED: Millis = 7 * 24 * 3600 * 1000;

/// The user's own profile, public and private.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Profile {
    public: Map<String, Value>,
    private: Map<String, Value>,
    published: bool,
    /// The card's revision, and a mark of the card's content.
    rev: Millis,
    of: String,
}

impl Profile {
    pub fn restore(values: &BTreeMap<(Table, String), Vec<u8>>, identity: &Identity) -> Self {
        let row = values.get(&(Table::Profile, "own".into()));
        let plain = row.and_then(|v| identity.open_local(v).ok());
        plain.and_then(|p| serde_json::from_slice(&p).ok()).unwrap_or_default()
    }

    pub fn public(&self) -> Map<String, Value> {
        self.public.clone()
    }

    /// The revision for a card. A card with unchanged content keeps its revision, so that nobody
    /// has to process it.
    pub fn card_rev(&self, now: Millis, nick: &Nick, address: &Address) -> u64 {
        if self.of == mark(nick.as_str(), &self.public, address) { self.rev } else { now.max(self.rev + 1) }
    }
}

/// A nick that the user chose instead of the configured one.
#[derive(Serialize, Deserialize)]
pub(super) struct Chosen {
    pub nick: Nick,
    pub instead_of: Nick,
}

impl Chosen {
    /// The nick to use: the chosen one, until the configuration sets another one.
    pub fn restore(values: &BTreeMap<(Table, String), Vec<u8>>, set: &Nick) -> Nick {
        let kept = values.get(&(Table::Setting, "nick".into()));
        let chosen = kept.and_then(|v| serde_json::from_slice::<Self>(v).ok());
        chosen.filter(|c| c.instead_of == *set).map_or_else(|| set.clone(), |c| c.nick)
    }
}

impl Node {
    /// The card with this nick and the current profile.
    pub(super) fn card_as(&self, nick: &Nick) -> Card {
        let rev = self.cx.now.wall.max(self.cx.card.rev() + 1);
        let address = self.cx.card.address().clone();
        Card::create(&self.cx.id, nick, &address, self.profile.public.clone(), rev)
    }

    /// Uses this card from now on, everywhere.
    pub(super) fn take_card(&mut self, card: Card) {
        self.cx.card = card;
        self.keep_profile();
        if self.profile.published {
            self.publish_profile();
        }
        for channel in self.channels.values_mut() {
            channel.renew_card(&mut self.cx);
        }
    }

    /// Stores the card's content, so that the card keeps its revision while the content is the
    /// same.
    pub(super) fn keep_card(&mut self) {
        if self.profile.rev != self.cx.card.rev() {
            self.keep_profile();
        }
    }

    pub(super) fn keep_profile(&mut self) {
        self.profile.rev = self.cx.card.rev();
        self.profile.of = mark(self.cx.card.nick().as_str(), &self.profile.public, self.cx.card.address());
        let cx = &mut self.cx;
        cx.put_sealed(Table::Profile, "own", &self.profile);
    }

    pub(super) fn on_profile(&mut self, origin: &Origin, e: &Envelope) {
        match e.params.first().map(String::as_str) {
            None | Some("show") => {}
            Some("set") => {
                let Some(field) = e.params.get(1).cloned() else {
                    return self.cx.numeric(origin, numeric::ERR_NEEDMOREPARAMS, &["PROFILE"], "");
                };
                let private = e.meta.get("private").and_then(Value::as_bool).unwrap_or(false);
                let map = if private { &mut self.profile.private } else { &mut self.profile.public };
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
                    let card = self.card_as(&nick);
                    self.take_card(card);
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
                    return self.cx.numeric(origin, numeric::ERR_ERRONEUSNICKNAME, &[&nick], "");
                };
                let key = format!("profile:{}", nick.folded());
                return self.cx.signal(
                    SignalOp::Get { key },
                    PendingOp::Profile(origin.clone(), nick.as_str().to_owned()),
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
        self.cx.hint(SignalOp::Set { key, value, ttl: Some(PUBLISHED) });
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
                return self.cx.numeric(origin, numeric::ERR_NOSUCHNICK, &[nick], &text);
            }
            Err(why) => {
                return self.cx.error(origin, format!("Profiles can't be looked up now: {why}"));
            }
        };
        let card = serde_json::from_str::<Envelope>(&text).ok().and_then(|e| Card::parse(&e).ok());
        let Some(card) = card.filter(|c| Nick::parse(nick).is_ok_and(|n| n == *c.nick())) else {
            return self.cx.error(origin, format!("What is published as {nick} is no valid profile"));
        };
        self.cx.meet(&card);
        self.cx.reply(origin, profile_answer(&card));
    }
}

fn mark(nick: &str, public: &Map<String, Value>, address: &Address) -> String {
    json!([nick, public, address]).to_string()
}

fn profile_answer(card: &Card) -> Envelope {
    Envelope::new("PROFILE")
        .field("nick", card.nick().as_str())
        .field("actor", card.actor().to_string())
        .field("fingerprint", card.keys().fingerprint())
        .field("profile", Value::Object(card.profile().clone()))
}
