//! Presence: online, away, offline. The node signs its own and verifies that of others. All
//! presence is a hint that may be lost.

use std::collections::BTreeSet;
use std::ops::Bound;

use serde_json::Value;

use super::contacts::Presence;
use super::ctx::Ctx;
use super::pending::PendingOp;
use crate::envelope::{Domain, Envelope};
use crate::ids::{ActorId, Millis};
use crate::port::{SignalOp, SignalReply};

/// TTL of a presence, ms.
pub(crate) const TTL: Millis = 90_000;
/// How often the node renews its presence and checks that of others, ms.
pub(crate) const EVERY: Millis = 30_000;
/// Up to this number, the node checks all people each time; above it, half of them.
const PEOPLE: usize = 64;

/// The people to check in this round, after the last one of the previous round: everybody is
/// checked in this round or the next.
fn turn(people: &BTreeSet<ActorId>, last: Option<ActorId>) -> Vec<ActorId> {
    let count = people.len().div_ceil(2).max(PEOPLE).min(people.len());
    let behind = last.map_or(Bound::Unbounded, Bound::Excluded);
    let before = last.map(|last| people.range(..=last)).into_iter().flatten();
    people.range((behind, Bound::Unbounded)).chain(before).take(count).copied().collect()
}

impl Ctx {
    fn presence(&mut self, status: &str, away: Option<&str>) -> String {
        self.double.say(self.now.wall);
        let mut e = Envelope {
            ts: Some(self.ts()),
            ..Envelope::new("PRESENCE").from(self.me().to_string()).param(status)
        };
        if let Some(text) = away {
            e = e.line(text);
        }
        String::from_utf8_lossy(&e.sign(Domain::Presence, &self.id).to_canonical()).into_owned()
    }

    /// Publishes the user's presence; with `tell` also to the current listeners.
    pub fn say_presence(&mut self, away: Option<&str>, tell: bool) {
        let status = if away.is_some() { "away" } else { "online" };
        let payload = self.presence(status, away);
        let key = format!("presence:{}", self.me());
        self.hint_all(&SignalOp::Set { key, value: payload.clone(), ttl: Some(TTL) });
        if tell {
            self.hint_all(&SignalOp::Publish { channel: "presence".into(), payload });
        }
    }

    pub fn say_goodbye(&mut self) {
        let payload = self.presence("offline", None);
        self.hint_all(&SignalOp::Delete { key: format!("presence:{}", self.me()) });
        self.hint_all(&SignalOp::Publish { channel: "presence".into(), payload });
    }

    /// Checks the presence of known people, in turns if they are many.
    pub fn look_around(&mut self, people: impl Iterator<Item = ActorId>) {
        let me = self.me();
        let people: BTreeSet<ActorId> = people.filter(|a| *a != me).collect();
        let turn = turn(&people, self.looked_at);
        self.looked_at = turn.last().copied();
        self.look_at_people(turn.into_iter());
    }

    /// Requests the presence of some people.
    pub fn look_at_people(&mut self, people: impl Iterator<Item = ActorId>) {
        let me = self.me();
        for actor in people.filter(|a| *a != me) {
            // Where they live, if its signals are known; otherwise they come to ours, if they know
            // those.
            let grid = self.contacts.card(&actor).map(|c| c.address().cluster.clone());
            let grid = grid.and_then(|c| self.place(&c)).map_or(self.cfg.home.cluster.clone(), |h| h.cluster);
            let op = SignalOp::Get { key: format!("presence:{actor}") };
            self.signal_on(&grid, op, PendingOp::Presence(actor));
        }
    }

    pub fn on_presence_value(&mut self, actor: ActorId, reply: SignalReply) {
        match reply {
            SignalReply::Value(Some((text, _))) => self.on_presence(&text),
            SignalReply::Value(None) => self.set_presence(actor, "offline", ""),
            _ => {}
        }
    }

    /// Handles a person's presence, as published or stored.
    pub fn on_presence(&mut self, text: &str) {
        let Ok(e) = Envelope::from_canonical(text.as_bytes()) else {
            return;
        };
        let Some(actor) = e.from.as_deref().and_then(|f| ActorId::parse(f).ok()) else {
            return;
        };
        let own = actor == self.me();
        let Some(card) = self.contacts.card(&actor).or(own.then_some(&self.card)) else {
            return;
        };
        let ts = e.ts.as_deref().and_then(crate::envelope::parse_ts).unwrap_or(0);
        let fresh = self.now.wall.abs_diff(ts) < TTL + self.cfg.clock_skew;
        if e.command != "PRESENCE" || !fresh || e.verify(Domain::Presence, card.keys()).is_err() {
            return;
        }
        if own {
            if self.double.is_other(ts) {
                self.tell_double();
            }
            return;
        }
        let status = match e.params.first().map(String::as_str) {
            Some("away") => "away",
            Some("offline") => "offline",
            _ => "online",
        };
        let text = e.lines().first().map(|t| (*t).to_owned()).unwrap_or_default();
        self.set_presence(actor, status, &text);
    }

    fn set_presence(&mut self, actor: ActorId, status: &str, text: &str) {
        let new = Presence { status: status.to_owned(), text: text.to_owned() };
        let old = self.contacts.presence.insert(actor, new.clone());
        let unchanged = old.as_ref() == Some(&new) || (old.is_none() && status == "offline");
        if unchanged {
            return;
        }
        let mut e = Envelope::new("PRESENCE")
            .from(self.contacts.nick_of(&actor))
            .param(status)
            .meta("actor", actor.to_string());
        if !text.is_empty() {
            e = e.line(text);
        }
        self.broadcast_cap("presence", &e);
    }

    /// Handles a typing notice from a conversation partner.
    pub fn on_direct_event(&mut self, payload: &str) {
        let Ok(event) = serde_json::from_str::<Value>(payload) else {
            return;
        };
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let Ok(e) = Envelope::from_canonical(text("typing").as_bytes()) else {
            return;
        };
        let Some(actor) = e.from.as_deref().and_then(|f| ActorId::parse(f).ok()) else {
            return;
        };
        let Some(card) = self.contacts.card(&actor) else {
            return;
        };
        if e.to.as_deref() != Some(self.me().to_string().as_str())
            || e.verify(Domain::Presence, card.keys()).is_err()
        {
            return;
        }
        let state = if e.params.first().is_some_and(|p| p == "active") { "active" } else { "done" };
        let nick = card.nick().as_str().to_owned();
        let shown = Envelope::new("TYPING").from(nick).to(self.nick().as_str()).param(state);
        self.broadcast_cap("typing", &shown);
    }

    pub fn send_direct_typing(&mut self, to: ActorId, state: &str) {
        let e = Envelope {
            ts: Some(self.ts()),
            ..Envelope::new("TYPING").from(self.me().to_string()).to(to.to_string()).param(state)
        };
        let e = String::from_utf8_lossy(&e.sign(Domain::Presence, &self.id).to_canonical()).into_owned();
        let payload = serde_json::json!({ "typing": e }).to_string();
        self.hint_all(&SignalOp::Publish { channel: format!("direct:{to}"), payload });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_looked_at_within_two_rounds() {
        for count in [0, 1, 63, 64, 65, 99, 129, 1_000] {
            let actor = |n: u32| ActorId(std::array::from_fn(|i| n.to_be_bytes()[i % 4]));
            let people: BTreeSet<ActorId> = (0..count).map(actor).collect();
            let mut last = None;
            for _ in 0..5 {
                let mut seen = BTreeSet::new();
                for _ in 0..2 {
                    let turn = turn(&people, last);
                    assert_eq!(turn.iter().collect::<BTreeSet<_>>().len(), turn.len(), "each once");
                    last = turn.last().copied();
                    seen.extend(turn);
                }
                assert_eq!(seen.len(), people.len());
            }
        }
    }
}
