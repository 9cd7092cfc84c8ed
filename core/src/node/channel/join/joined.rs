//! After joining or founding a channel: what is stored, shown and started then.
//!
//! How a node gets there is in `join`.

use crate::channel::ActKind;
use crate::identity::Card;
use crate::ids::MsgId;
use crate::node::channel::election::events;
use crate::node::channel::join::JOIN;
use crate::node::channel::{Channel, OutKind, Phase};
use crate::node::ctx::{Ctx, Origin};
use crate::numeric;
use crate::port::{SignalOp, StoreOp, Table};
use serde_json::Value;

impl Channel {
    /// The id of our JOIN, if that is what we said last in the channel. If it is not, we have been
    /// in all the while and only lost our place: that is no new coming.
    pub(in crate::node::channel) fn own_join(&self, cx: &Ctx) -> Option<MsgId> {
        let me = self.replica.as_ref()?.state.members.get(&cx.me().owner())?;
        (me.n == JOIN).then_some(me.last)
    }

    /// We are in: the log proved it, or we founded it. `joined` is the id under which that is kept,
    /// if it is new.
    pub fn entered(&mut self, cx: &mut Ctx, joined: Option<MsgId>) {
        self.phase = Phase::Joined;
        let (origins, leave, later) =
            self.join.take().map(|j| (j.origins, j.leave, j.later)).unwrap_or_default();
        let Some(replica) = &self.replica else { return };
        let (id, seq) = (replica.fold.channel.to_string(), replica.fold.seq);
        let cards: Vec<Card> = replica.state.actors.values().cloned().collect();
        let me = cx.me();
        for card in cards.iter().filter(|c| c.actor() != me) {
            cx.meet(card);
        }
        let known = cx.contacts.known_channel(&self.key);
        if known.as_ref().is_some_and(|k| *k != id) {
            let text = format!(
                "{} is another channel than the one of this name that you were in before: its history is kept apart",
                self.name
            );
            cx.alarm(self.name.as_str(), "other-channel", text);
        }
        cx.contacts.know_channel(&self.key, &id);
        cx.put(Table::Setting, format!("known/{}", self.key), &id);
        if let Some(replica) = &self.replica {
            replica.store(cx, &self.key);
        }
        self.store_head(cx);
        self.hint(cx, SignalOp::Subscribe { channel: events(&self.wire) });
        if let Some(id) = joined {
            let text = "you had to come in again, and the message is from before: say it again";
            self.let_go_before(cx, id, text);
        }
        let said = self.said_join(cx, joined);
        if let Some(row) = self.row(cx, &cx.me(), &said, seq, "sent") {
            cx.store(StoreOp::Message(row));
        }
        let member = cx.me().to_string();
        self.hint(cx, SignalOp::Member { key: format!("channel:{}:members", self.wire), member, add: true });
        if leave.is_some() {
            let part = ActKind::Part { reason: String::new() };
            self.submit(cx, part.to_envelope(), leave, OutKind::Kept, None);
            return;
        }
        self.show_entered(cx, &origins, said, false);
        self.begin_offers(cx);
        cx.status_dirty = true;
        cx.after_join.extend(later);
        for origin in &origins {
            cx.settled_by(Some(origin));
        }
    }

    /// Shows the members our card as it is now, if they have an older one. If the channel does not
    /// allow that, it goes by the old one here.
    pub(crate) fn renew_card(&mut self, cx: &mut Ctx) {
        let Some(replica) = self.replica.as_ref().filter(|_| self.phase == Phase::Joined) else { return };
        if replica.state.actors.get(&cx.me()).is_none_or(|card| card.rev() >= cx.card.rev()) {
            return;
        }
        let waits = self.outbox.iter().any(|out| {
            let card = out.template.get("card").and_then(|card| card.get("body"));
            out.template.command == "NICK"
                && card.and_then(|c| c.get("rev")).and_then(Value::as_u64) >= Some(cx.card.rev())
        });
        if !waits {
            let kind = ActKind::Card { card: Box::new(cx.card.clone()) };
            self.submit(cx, kind.to_envelope(), None, OutKind::Kept, None);
        }
    }

    /// What a session gets that joins a channel one is in already.
    pub fn rejoin(&mut self, cx: &mut Ctx, origin: &Origin, key: Option<&String>) {
        match (&self.phase, self.join.as_mut()) {
            (Phase::Joined, _) => self.show_replay(cx, origin),
            (Phase::Joining, Some(join)) => {
                // It was to be left as soon as we are in: it has been left, and is wanted again.
                let left = join.leave.take();
                join.key = key.cloned();
                join.origins.push(origin.clone());
                cx.sent_by(Some(origin));
                if left.is_some() {
                    crate::node::channel::join::tell_left(cx, self.name.as_str(), left.as_ref());
                }
            }
            _ => cx.numeric(origin, numeric::ERR_UNAVAILRESOURCE, &[self.name.as_str()], ""),
        }
    }
}
