//! Identifies the sender of a message. A stranger becomes a contact on first use; a known nick with
//! another key waits.

use super::contacts::{Contact, Trust};
use super::ctx::Ctx;
use crate::envelope::Envelope;
use crate::identity::Card;
use crate::ids::ActorId;
use crate::port::Table;

impl Ctx {
    /// Records a card from any source, and remembers a contact's new nick. If that is the nick of
    /// another contact with other keys, it tells the user.
    pub(crate) fn meet(&mut self, card: &Card) {
        if let Some(contact) = self.contacts.meet(card) {
            self.put_sealed(Table::Contact, card.actor().to_string(), &contact);
        }
        if let Some(text) = self.contacts.conflict(card) {
            self.alarm(card.nick().as_str(), "key-changed", text);
        }
    }
}

/// Identifies the sender and its trust. A stranger becomes a contact on first use.
pub(crate) fn introduce(cx: &mut Ctx, e: &Envelope) -> Option<(Card, Trust)> {
    let from = ActorId::parse(e.from.as_deref()?).ok()?;
    let given = e.get("card").and_then(|c| serde_json::from_value::<Envelope>(c.clone()).ok());
    let given = given.and_then(|c| Card::parse(&c).ok()).filter(|c| c.actor() == from);
    if let Some(card) = &given {
        let newer = cx.contacts.card(&from).is_none_or(|known| card.rev() > known.rev());
        if newer {
            cx.meet(card);
        }
    }
    let card = cx.contacts.card(&from).cloned()?;
    if let Some(contact) = cx.contacts.list.get(&from) {
        return Some((card, contact.trust));
    }
    let rival = cx.contacts.rival(&card).is_some();
    let trust = if rival { Trust::Held } else { Trust::Tofu };
    let contact = Contact { card: card.clone(), trust, since: cx.now.wall };
    cx.put_sealed(Table::Contact, from.to_string(), &contact);
    if let Some(text) = cx.contacts.conflict(&card) {
        cx.alarm(card.nick().as_str(), "key-changed", text);
    }
    cx.contacts.keep(contact);
    Some((card, trust))
}
