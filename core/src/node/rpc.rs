//! Requests and answers between nodes that may share no key: sealed to the receiver, signed inside,
//! and split into parts if large.
//!
//! This module only transports them; other modules decide what to request and answer.

use serde_json::{Value, json};

use super::ctx::Ctx;
use super::pending::PendingOp;
use crate::crypto::{self, ChannelKey, Rng};
use crate::envelope::{Domain, Envelope};
use crate::identity::{Card, Identity, PublicKeys};
use crate::ids::{ActorId, MsgId};
use crate::limits;
use crate::names::ChannelName;
use crate::port::Topic;

/// Maximum bytes of an answer in one record; larger ones travel in parts.
const PART: usize = 120_000;
/// Maximum number of parts of an answer: base64 in a Fernet token in JSON takes less than twice the
/// size of its content.
const PARTS: u64 = (2 * limits::ANSWER / PART) as u64;

/// The request inside a record that is encrypted under a key which both sides have: addressed to
/// `me`, and signed with the sender's keys.
pub(super) fn open_request(
    key: &ChannelKey,
    e: &Envelope,
    me: &ActorId,
    by: &PublicKeys,
) -> Option<Envelope> {
    let plain = key.decrypt(e.get("ct")?.as_str()?).ok()?;
    let inner = Envelope::from_canonical(&plain).ok()?;
    let ours = inner.to.as_deref() == Some(me.to_string().as_str());
    (ours && inner.verify(Domain::Request, by).is_ok()).then_some(inner)
}

/// The part number of an ANSWER and the number of parts, if they are valid.
pub(super) fn part_of(e: &Envelope) -> Option<(u64, u64)> {
    let (part, parts) = (e.meta_u64("part").unwrap_or(0), e.meta_u64("parts").unwrap_or(1));
    (part < parts && parts <= PARTS).then_some((part, parts))
}

/// The records of an answer: signed, sealed and split. The split text is ASCII JSON (base64
/// inside), so a cut between bytes is a cut between characters.
pub(super) fn parts(id: &Identity, to: &Card, re: MsgId, answer: Envelope, rng: &mut Rng) -> Vec<Envelope> {
    let (from, key) = (id.actor().to_string(), to.actor().to_string());
    let answer = answer.from(from.as_str()).meta("re", re.to_string()).meta("for", key.as_str());
    let answer = answer.sign(Domain::Request, id).to_canonical();
    let text = crypto::seal(&answer, to.keys(), &label("ANSWER", &id.actor(), &to.actor()), rng).to_string();
    let chunks = text.as_bytes().chunks(PART);
    let parts = chunks.len();
    let part = |(i, chunk): (usize, &[u8])| {
        let e = Envelope::new("ANSWER").from(from.as_str()).to(key.as_str()).meta("re", re.to_string());
        e.meta("part", i).meta("parts", parts).line(String::from_utf8_lossy(chunk))
    };
    chunks.enumerate().map(part).collect()
}

/// Opens the complete text of an answer by the owner of a card.
pub(super) fn open_answer(id: &Identity, by: &Card, text: &str) -> Option<Envelope> {
    let sealed: Value = serde_json::from_str(text).ok()?;
    let me = id.actor();
    let plain = crypto::open(&sealed, id, &label("ANSWER", &by.actor(), &me)).ok()?;
    let e = Envelope::canonical_within(&plain, limits::ANSWER).ok()?;
    let ours = e.meta_str("for") == Some(me.to_string().as_str());
    (ours && e.verify(Domain::Request, by.keys()).is_ok()).then_some(e)
}

fn label(command: &str, from: &ActorId, to: &ActorId) -> Vec<u8> {
    format!("kirc.v1.{command} {from} {to}").into_bytes()
}

/// An opened request to us: the claimed sender, the request's id, the signed envelope.
pub(super) type Sealed = (ActorId, MsgId, Envelope);

impl Ctx {
    /// A record for a node's `rpc-in` that only that node can read. `inner` is already signed.
    pub fn seal_to(
        &mut self,
        to: &Card,
        command: &str,
        id: MsgId,
        inner: &Envelope,
        meta: &[(&str, Value)],
    ) -> Vec<u8> {
        let label = label(command, &self.me(), &to.actor());
        let sealed = crypto::seal(&inner.to_canonical(), to.keys(), &label, &mut self.rng);
        let mut e = Envelope::new(command)
            .from(self.me().to_string())
            .to(to.actor().to_string())
            .field("sealed", sealed);
        for (name, value) in meta {
            e.meta.insert((*name).to_owned(), value.clone());
        }
        Envelope { id: Some(id.to_string()), ..e }.to_canonical()
    }

    /// Opens the output of [`Self::seal_to`] for us.
    pub fn open_sealed(&self, e: &Envelope) -> Option<Sealed> {
        let from = ActorId::parse(e.from.as_deref()?).ok()?;
        let id = MsgId::parse(e.id.as_deref()?).ok()?;
        if e.to.as_deref() != Some(self.me().to_string().as_str()) {
            return None;
        }
        let plain = crypto::open(e.get("sealed")?, &self.id, &label(&e.command, &from, &self.me())).ok()?;
        let inner = Envelope::from_canonical(&plain).ok()?;
        (inner.from.as_deref() == e.from.as_deref()).then_some((from, id, inner))
    }

    /// Answers a request in our own `rpc-out`, keyed by the requester and sealed to it.
    pub fn answer(&mut self, to: &Card, re: MsgId, answer: Envelope) {
        let address = self.card.address().clone();
        let topic = self.topic(&address, &address.rpc_out, to.actor().to_string().as_bytes());
        self.answer_in(topic, to, re, answer);
    }

    /// The same in another topic.
    pub fn answer_in(&mut self, topic: Topic, to: &Card, re: MsgId, answer: Envelope) {
        let answer = Envelope { ts: Some(self.ts()), ..answer };
        let key = to.actor().to_string();
        for part in parts(&self.id, to, re, answer, &mut self.rng) {
            self.append(topic.clone(), key.as_bytes(), part.to_canonical(), PendingOp::Nothing);
        }
    }

    /// Opens the complete text of an answer by the owner of a card.
    pub fn open_answer(&self, by: &Card, text: &str) -> Option<Envelope> {
        open_answer(&self.id, by, text)
    }

    /// Tells an actor about an invitation to a channel.
    pub fn tell_invited(&mut self, target: ActorId, name: &ChannelName, grid: &str, channel: &str) {
        let Some(card) = self.contacts.card(&target).cloned() else {
            return;
        };
        let id = self.new_id();
        let inner = Envelope {
            id: Some(id.to_string()),
            ts: Some(self.ts()),
            ..Envelope::new("INVITE")
                .from(self.me().to_string())
                .to(target.to_string())
                .param(name.as_str())
                .meta("ch", channel)
                .field("grid", grid)
                .field("card", json!(self.card.envelope()))
        };
        let inner = inner.sign(Domain::Request, &self.id);
        let bytes = self.seal_to(&card, "INVITED", id, &inner, &[]);
        self.append_rpc(&card, bytes, PendingOp::Nothing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_request_to_us_by_its_sender_is_opened() {
        let files: [&[u8]; 2] =
            [include_bytes!("../../tests/keys/1.json"), include_bytes!("../../tests/keys/2.json")];
        let [alice, mallory] = files.map(|file| Identity::from_key_file(file, None).unwrap());
        let (key, other) = (ChannelKey::from_bytes([1; 32]), ChannelKey::from_bytes([2; 32]));
        let me = mallory.actor();
        let opened = |to: ActorId, by: &Identity, under: &ChannelKey| {
            let inner = Envelope::new("404").to(to.to_string()).sign(Domain::Request, by);
            let outer = Envelope::new("NAK").field("ct", under.encrypt(&inner.to_canonical()));
            open_request(&key, &outer, &me, alice.public())
        };
        assert_eq!(opened(me, &alice, &key).map(|inner| inner.command), Some("404".to_owned()));
        assert_eq!(opened(me, &mallory, &key), None, "signed by somebody else");
        assert_eq!(opened(alice.actor(), &alice, &key), None, "for somebody else");
        assert_eq!(opened(me, &alice, &other), None, "under another key");
        assert_eq!(open_request(&key, &Envelope::new("NAK"), &me, alice.public()), None);
    }
}
