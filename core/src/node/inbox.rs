//! The node's own mailbox: dispatches messages in `data-in` and requests in `rpc-in` to the modules
//! that handle them.

use serde::{Deserialize, Serialize};

use super::channel::JoinRequest;
use super::rpc::Sealed;
use super::tofu::introduce;
use super::*;
use crate::envelope::Domain;
use crate::identity::Card;
use crate::log::RelayRequest;
use crate::names::ChannelName;
use crate::port::Table;

/// The read position in a partition of the own mailbox.
#[derive(Serialize, Deserialize)]
pub(super) struct Position {
    pub next: String,
    pub incarnation: String,
}

/// How long a position that nothing depends on may wait for another transaction to join, ms.
const KEEP: Millis = 1_000;

/// Positions that are not in the store yet.
#[derive(Default)]
pub(super) struct Read {
    ahead: BTreeMap<String, Position>,
    pub keep_by: Option<Millis>,
}

impl Node {
    pub(super) fn is_inbox(&self, topic: &Topic) -> bool {
        let a = self.cx.card.address();
        topic.cluster == a.cluster && (topic.name == a.data_in || topic.name == a.rpc_in)
    }

    /// Reading of the own mailbox starts: checks whether our position belongs to this incarnation
    /// of it.
    pub(super) fn on_inbox_reading(&mut self, topic: &Topic, incarnation: &str, start: Offset, at: Offset) {
        let key = position_key(topic);
        let known = self.positions.insert(key, incarnation.to_owned());
        if known.is_none_or(|k| k == incarnation) {
            return;
        }
        if at != start {
            self.cx.move_reader(topic, ReadFrom::At(start));
        }
        self.mailboxes_lost(&topic.cluster);
    }

    /// Handles the loss of a cluster's records, including those its users had not read yet.
    pub(super) fn mailboxes_lost(&mut self, cluster: &str) {
        for (peer, direct) in self.directs.iter_mut() {
            if self.cx.contacts.card(peer).is_some_and(|card| card.address().cluster == cluster) {
                direct.mailbox_lost(&mut self.cx);
            }
        }
    }

    pub(super) fn on_inbox(&mut self, topic: &Topic, record: &RawRecord) {
        let mut sent = false;
        let taken = match Envelope::from_canonical(&record.value) {
            Ok(e) => {
                sent = e.command == "SEND";
                self.on_mail(&e, record.time)
            }
            Err(_) => Err("not an envelope"),
        };
        if let Err(why) = taken {
            self.cx.refuse(&topic.name, why);
        }
        let key = position_key(topic);
        let incarnation = self.positions.get(&key).cloned().unwrap_or_default();
        let next = (record.offset + 1).to_string();
        self.read.ahead.insert(key, Position { next, incarnation });
        // What a leader relays it may read again after a crash: the log has it, and its author's
        // count refuses it. So no transaction stands between a message and the log. All else is
        // kept with what it brought.
        let by = if sent { self.cx.now.mono + KEEP } else { self.cx.now.mono };
        self.read.keep_by = Some(self.read.keep_by.map_or(by, |old| old.min(by)));
    }

    /// Stores the read positions of the own mailbox, with the current transaction if there is one,
    /// or when they are due.
    pub(super) fn keep_positions(&mut self) {
        let due = self.read.keep_by.is_some_and(|by| self.cx.now.mono >= by) || self.cx.stopping;
        if due || self.cx.out.iter().any(|e| matches!(e, Effect::Store(_))) {
            self.read.keep_by = None;
            for (key, position) in std::mem::take(&mut self.read.ahead) {
                self.cx.put(Table::Position, key, &position);
            }
        }
    }

    /// Dispatches a record to its module, or returns why it is refused.
    fn on_mail(&mut self, e: &Envelope, at: Millis) -> Result<(), &'static str> {
        match e.command.as_str() {
            "SEND" => {
                let send = RelayRequest::parse(e).map_err(|_| "not of their form")?;
                let wire = send.name.folded();
                self.rooms(&wire, |c, cx| c.on_send(cx, send.clone()));
            }
            "WRAP" => self.for_channel(e, |c, cx| c.on_wrap(cx, e)),
            "KEYREQ" => self.for_channel(e, |c, cx| c.on_key_request(cx, e)),
            "FETCH" => {
                let of_it = |c: &Channel| {
                    let id = c.replica.as_ref().map(|r| r.fold.channel.to_string());
                    id.is_some() && id.as_deref() == e.meta_str("ch")
                };
                let name = e.meta_str("channel").and_then(|n| ChannelName::parse(n).ok());
                match name.and_then(|name| self.channels.find(name.as_folded(), of_it)) {
                    Some(key) => self.with_channel(&key, |c, cx| c.on_fetch(cx, e)),
                    None => channel::on_fetch_left(&mut self.cx, e),
                }
            }
            "ANSWER" => self.on_answer(e),
            "OFFER" => self.for_channel(e, |c, cx| c.on_offer(cx, e)),
            "NAK" => self.for_channel(e, |c, cx| c.on_nak(cx, e)),
            "ASK" | "INVITED" | "WAY" | "ACCEPT" => {
                let sealed = self.cx.open_sealed(e).ok_or("not sealed to this node")?;
                match e.command.as_str() {
                    "ASK" => self.on_ask(sealed),
                    "INVITED" => self.on_invited(sealed),
                    "WAY" => self.on_way(sealed),
                    _ => self.on_accepted(sealed),
                }
            }
            "DM" => {
                let (card, trust) = introduce(&mut self.cx, e).ok_or("by nobody who is known")?;
                let direct = self.directs.or_default(card.actor());
                direct.receive(&mut self.cx, &card, e, trust, at)?;
            }
            "RECEIPT" => {
                let from = e.from.as_deref().and_then(|f| ActorId::parse(f).ok());
                let from = from.ok_or("not of their form")?;
                let card = self.cx.contacts.card(&from).cloned();
                if let (Some(direct), Some(card)) = (self.directs.get_mut(&from), card) {
                    direct.on_receipt(&mut self.cx, &card, e);
                }
            }
            _ => return Err("of a kind that is not known"),
        }
        Ok(())
    }

    fn for_channel(&mut self, e: &Envelope, f: impl FnMut(&mut Channel, &mut Ctx)) {
        let name = e.meta_str("channel").and_then(|n| ChannelName::parse(n).ok());
        if let Some(name) = name {
            self.rooms(name.as_folded(), f);
        }
    }

    /// Calls `f` for the channels with this name, on any grid. A record for one of them means
    /// nothing to the others.
    fn rooms(&mut self, wire: &str, mut f: impl FnMut(&mut Channel, &mut Ctx)) {
        for key in self.channels.named(wire) {
            self.with_channel(&key, &mut f);
        }
    }

    /// Handles a request to join a channel.
    fn on_ask(&mut self, sealed: Sealed) {
        if let Some(asking) = JoinRequest::open(&mut self.cx, sealed) {
            self.rooms(asking.room.as_folded(), |c, cx| c.on_ask(cx, &asking, false));
        }
    }

    /// Handles the answer of a node whose own mailbox we can't read.
    fn on_answer(&mut self, e: &Envelope) {
        for channel in self.channels.values_mut() {
            if channel.on_answer(&mut self.cx, e) {
                break;
            }
        }
    }

    /// Handles an invitation to a channel.
    fn on_invited(&mut self, (from, _, inner): Sealed) {
        let card = inner.get("card").and_then(|c| serde_json::from_value::<Envelope>(c.clone()).ok());
        let Some(card) = card.and_then(|c| Card::parse(&c).ok()).filter(|c| c.actor() == from) else {
            return;
        };
        if inner.verify(Domain::Request, card.keys()).is_err() {
            return;
        }
        let name = inner.params.first().and_then(|n| ChannelName::parse(n).ok());
        let Some(name) = name else { return };
        self.cx.meet(&card);
        // On another grid than ours it is called by the contact whose grid it is.
        let grid = inner.get("grid").and_then(Value::as_str).unwrap_or(&self.cx.cfg.home.cluster);
        let owner = self.cx.contacts.list.values().find(|c| c.card.address().cluster == grid);
        let called = match owner.filter(|_| grid != self.cx.cfg.home.cluster) {
            Some(owner) => format!("{name}@{}", owner.card.nick()),
            None if grid == self.cx.cfg.home.cluster => name.as_str().to_owned(),
            None => {
                let nick = card.nick().as_str().to_owned();
                let text = format!(
                    "{nick} invites you to {name} on a grid that is not known here: ask whom it belongs to for an invite"
                );
                return self.cx.alarm(&nick, "unknown-grid", text);
            }
        };
        let mut shown = Envelope::new("INVITE")
            .from(card.nick().as_str())
            .to(self.cx.nick().as_str())
            .param(called)
            .meta("actor", from.to_string());
        shown.id = inner.id.clone();
        shown.ts = inner.ts.clone();
        self.cx.broadcast(&shown, None);
    }
}

pub(super) fn position_key(topic: &Topic) -> String {
    format!("{}/{}", topic.name, topic.partition)
}
