//! Join requests as members receive them: who asks, by which route, and where the answer goes.
//!
//! A joiner sends its request to the leader's `rpc-in`, and the leader answers in its own
//! `rpc-out`. If the joiner has no route to the leader (which may be on a cluster that only members
//! can reach), it appends the request, encrypted, to the channel's log, and the leader answers to
//! the joiner's `rpc-in`.

use crate::channel::{Act, ActKind};
use crate::envelope::{Domain, Envelope};
use crate::identity::Card;
use crate::ids::MsgId;
use crate::names::ChannelName;
use crate::node::channel::leader::Joiner;
use crate::node::channel::{Channel, Phase};
use crate::node::ctx::Ctx;
use crate::node::pending::PendingOp;
use crate::node::rpc::Sealed;

/// Somebody who asks to be let in: the JOIN that it signed, and where to.
pub(crate) struct JoinRequest {
    /// The channel's name on its own grid.
    pub room: ChannelName,
    /// Which channel of that name.
    channel: String,
    id: MsgId,
    act: Envelope,
    card: Card,
}

impl JoinRequest {
    /// What was sealed to us, if it is a JOIN of who sealed it. From here on we know that one, and
    /// how it is reached.
    pub fn open(cx: &mut Ctx, (from, id, act): Sealed) -> Option<Self> {
        let ActKind::Join { card: Some(card), .. } = Act::parse(&act).ok().filter(|a| a.actor == from)?.kind
        else {
            return None;
        };
        let card = *card;
        if card.actor() != from || act.verify(Domain::Message, card.keys()).is_err() {
            return None;
        }
        let room = ChannelName::parse(act.to.as_deref()?).ok()?;
        cx.meet(&card);
        if let Some(way) = act.get("way") {
            cx.learn(&card.address().cluster, from, false, way);
        }
        let channel = act.meta_str("ch").unwrap_or_default().to_owned();
        Some(Self { room, channel, id, act, card })
    }
}

impl Channel {
    /// Sends a request to be let in, by the channel's own log if nobody has said how the one who is
    /// asked is reached.
    pub(in crate::node::channel) fn send_join_request(&self, cx: &mut Ctx, card: &Card, request: Vec<u8>) {
        if cx.reaches(&card.address().cluster) {
            cx.append_rpc(card, request, PendingOp::Nothing);
        } else {
            let log = self.log.clone();
            cx.append(log, self.wire.as_bytes(), request, PendingOp::Nothing);
        }
    }

    /// Whether what stands in the log is a request to be let in. It is no record of the log: who is
    /// asked answers it, and everybody else passes it by.
    pub(in crate::node::channel) fn asked_in_log(&mut self, cx: &mut Ctx, value: &[u8]) -> bool {
        let Ok(e) = Envelope::from_canonical(value) else { return false };
        if e.command != "ASK" {
            return false;
        }
        if let Some(sealed) = cx.open_sealed(&e)
            && let Some(asking) = JoinRequest::open(cx, sealed)
            && asking.room.as_folded() == self.wire
        {
            self.on_ask(cx, &asking, true);
        }
        true
    }

    /// Somebody asks us to let them in. `by_log` says that they can't read what we answer at home.
    pub fn on_ask(&mut self, cx: &mut Ctx, asking: &JoinRequest, by_log: bool) {
        if self.replica.as_ref().is_none_or(|r| r.fold.channel.to_string() != asking.channel) {
            return;
        }
        let joiner = Joiner { ask: asking.id, card: asking.card.clone(), by_log };
        if self.lead.is_some() {
            self.on_join_ask(cx, joiner, asking.act.clone());
            return;
        }
        let Some(replica) = &self.replica else { return };
        if self.phase != Phase::Joined || replica.fold.leader == cx.me() {
            return;
        }
        if let Some(leader) = replica.state.actors.get(&replica.fold.leader) {
            let card = serde_json::to_value(leader.envelope()).unwrap_or_default();
            let mut answer = Envelope::new("REDIRECT").field("card", card);
            // Only to whom we know: a way carries a credential of the leader's.
            if cx.contacts.list.contains_key(&joiner.card.actor())
                && self.grid != leader.address().cluster
                && let Some(way) = cx.way_to(&leader.address().cluster)
            {
                answer = answer.field("way", way);
            }
            self.answer(cx, &joiner, answer);
        }
    }

    /// Answers a request, sealed to who asked.
    pub fn answer(&mut self, cx: &mut Ctx, joiner: &Joiner, answer: Envelope) {
        let address = if joiner.by_log { joiner.card.address() } else { cx.card.address() }.clone();
        let name = if joiner.by_log { &address.rpc_in } else { &address.rpc_out };
        let topic = cx.topic(&address, name, joiner.card.actor().to_string().as_bytes());
        cx.answer_in(topic, &joiner.card, joiner.ask, answer);
    }
}
