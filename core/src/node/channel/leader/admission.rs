//! Admission: the leader checks a joiner against the channel's modes, gives the join its place, and
//! answers with state, key and position.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::channel::{Act, ChannelState, Order, Refusal};
use crate::envelope::Envelope;
use crate::ids::{Epoch, Millis, Offset};
use crate::log::{Fold, Opened};
use crate::node::channel::Channel;
use crate::node::channel::leader::sequencer::Taken;
use crate::node::channel::leader::{BACKLOG, Backlog, Joiner, is_due};
use crate::node::channel::member::outbox::CLOCK;
use crate::node::ctx::Ctx;
use crate::numeric;

/// How often a member that has lost its place may begin an epoch, ms; twice as seldom each time
/// that it does not come in.
const ANEW: Millis = 10_000;

impl Channel {
    /// Somebody asks to be let in.
    pub fn on_join_ask(&mut self, cx: &mut Ctx, joiner: Joiner, envelope: Envelope) {
        let (Some(replica), Some(lead)) = (&self.replica, self.lead.as_mut()) else {
            return;
        };
        if !lead.active() {
            if lead.backlog.len() < BACKLOG {
                lead.backlog.push_back(Backlog::Join(Box::new((joiner, envelope))));
            }
            return;
        }
        let Ok(act) = Act::parse(&envelope) else {
            return;
        };
        if crate::log::verify_act(&envelope, &act, replica.fold.channel, &lead.speculative_state, &cx.cfg)
            .is_err()
        {
            return;
        }
        if lead.heard(joiner.card.actor(), joiner.ask) {
            // Played again: answered by nobody.
            return;
        }
        let state = &lead.speculative_state;
        let known = state.actors.get(&act.actor).filter(|_| state.members.contains_key(&act.author));
        if known.is_some_and(|card| card.keys() == joiner.card.keys()) {
            self.readmit(cx, &act, joiner);
            return;
        }
        if lead.speculative_state.order(&act) != Order::Next {
            return;
        }
        let epoch = lead.last.next();
        let author = act.author;
        match self.relay(cx, Arc::new(Opened { act, envelope }), Taken::New(None)) {
            Ok(()) => {
                if let Some(lead) = self.lead.as_mut()
                    && lead.speculative_state.members.contains_key(&author)
                {
                    lead.joiners.push((epoch, joiner));
                }
            }
            Err(refusal) => self.reject_join(cx, &joiner, refusal),
        }
    }

    /// Who asks is in already and has lost its place: it gets a new one, at a new epoch. Not on an
    /// old request: whoever kept one could end epochs with it as they like.
    fn readmit(&mut self, cx: &mut Ctx, act: &Act, joiner: Joiner) {
        let now = cx.now.mono;
        let far = self.far_in_time(cx, act);
        let Some(lead) = self.lead.as_mut() else { return };
        let actor = joiner.card.actor();
        let read = self.replica.as_ref().map_or(Epoch(0), |r| r.fold.epoch);
        let waiting = lead.joiners.iter().position(|(_, j)| j.card.actor() == actor);
        if let Some((_, waiting)) = waiting.and_then(|at| lead.joiners.get_mut(at)).filter(|(e, _)| *e > read)
        {
            // It was let in, and the epoch that it waits for is on its way: the answer goes to what
            // it asked last. A no would be untrue, even if the clocks differ by now: it would give
            // up and be a member without knowing it.
            *waiting = joiner;
            return;
        }
        if let Some(refusal) = far {
            return self.reject_join(cx, &joiner, refusal);
        }
        if let Some(at) = waiting {
            lead.joiners.remove(at);
        }
        let Some(asked) = lead.asks.get_mut(&actor) else { return };
        if asked.anew.is_some_and(|at| now < at + (ANEW << asked.tries.min(5))) {
            return;
        }
        asked.tries += u32::from(asked.anew.replace(now).is_some());
        let epoch = lead.last.next();
        lead.joiners.push((epoch, joiner));
        if !lead.letting_in {
            self.rotate(cx, "join");
        }
    }

    /// Tells somebody why it is not let in.
    fn reject_join(&mut self, cx: &mut Ctx, joiner: &Joiner, refusal: Refusal) {
        let refusal = match refusal.code.as_str() {
            // A message would wait until the clocks agree. Who joins asks again.
            CLOCK => Refusal { code: numeric::ERR_UNAVAILRESOURCE.code.into(), ..refusal },
            _ => refusal,
        };
        let answer = refusal.to_envelope(joiner.card.nick().as_str());
        self.answer(cx, joiner, answer);
    }

    /// Answers those who were let in: the channel as it was before the KEY record that we just
    /// read, and the key.
    pub fn welcome(
        &mut self,
        cx: &mut Ctx,
        (epoch, kid): crate::keys::EpochKey,
        snapshot: Option<(Fold, ChannelState)>,
        at: Offset,
    ) {
        let (Some((fold, state)), Some(lead)) = (snapshot, self.lead.as_mut()) else {
            return;
        };
        let (due, later): (Vec<_>, Vec<_>) =
            lead.joiners.drain(..).partition(|waiting| is_due(waiting, epoch, &state));
        lead.joiners = later;
        let Some(key) = self.ring.get((epoch, kid)) else {
            return;
        };
        let mut keys = vec![json!({"epoch": epoch, "key": key.expose().to_vec()})];
        if mutant!(cx.cfg, HandOutOldKeys) {
            keys.extend(
                self.ring.epochs().map(|((e, _), k)| json!({"epoch": e, "key": k.expose().to_vec()})),
            );
        }
        let mut body = serde_json::Map::new();
        body.insert("fold".into(), json!(fold));
        body.insert("state".into(), json!(state));
        body.insert("keys".into(), Value::Array(keys));
        body.insert("offset".into(), json!(at.to_string()));
        body.insert("incarnation".into(), json!(self.incarnation));
        // Where members live that can't be reached by the channel's own grid.
        let abroad = state.actors.values().map(|card| &card.address().cluster).filter(|c| **c != self.grid);
        let ways: serde_json::Map<String, Value> =
            abroad.filter_map(|c| Some((c.clone(), cx.way_to(c)?))).collect();
        if !ways.is_empty() {
            body.insert("ways".into(), Value::Object(ways));
        }
        for (_, joiner) in due {
            let answer =
                Envelope { body: Some(crate::Body::Object(body.clone())), ..Envelope::new("WELCOME") };
            self.answer(cx, &joiner, answer);
        }
    }
}
