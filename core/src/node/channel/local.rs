//! A channel with one member: messages are stored on this node and sent to nobody.
//!
//! Changes of the channel go to its log all the same, where a later joiner finds them. Nobody can
//! join unnoticed, since this node is the leader that admits joiners.

use std::sync::Arc;

use crate::channel::{Act, Change};
use crate::ids::{MsgId, Seq};
use crate::log::{AppliedAct, Opened};
use crate::node::channel::member::sign::complete_act;
use crate::node::channel::{Channel, Phase};
use crate::node::ctx::Ctx;

impl Channel {
    /// Settles what was said, as long as nobody else is there and nothing is on its way into the
    /// log.
    pub(in crate::node::channel) fn settle_alone(&mut self, cx: &mut Ctx) {
        while let Some(id) = self.outbox.front().filter(|out| out.is_message()).map(|out| out.id) {
            if !self.alone(cx, id) {
                return;
            }
            let Some(opened) = self.said_alone(cx, id) else {
                // The leader says why not.
                return;
            };
            let source = self.replica.as_ref().and_then(|r| r.state.prefix(&opened.act.author));
            let change = Change { source, ..Change::default() };
            let seq = self.replica.as_ref().map_or(Seq(0), |r| r.fold.seq);
            self.show(cx, &AppliedAct { opened: Arc::new(opened), change, seq });
        }
    }

    /// Whether what has this id needs to go nowhere.
    fn alone(&self, cx: &Ctx, id: MsgId) -> bool {
        let (Some(replica), Some(lead)) = (&self.replica, &self.lead) else {
            return false;
        };
        let only = [&replica.state, &lead.speculative_state].into_iter().all(|state| {
            let others = state.actors.keys().any(|actor| *actor != cx.me());
            state.members.contains_key(&cx.me().owner())
                && (!others || mutant!(cx.cfg, KeepToOneself))
                // History is in the order of places, then of ids.
                && state.newest() < id
        });
        let still = lead.active() && lead.quiet() && self.awaiting_key.is_empty();
        let whole = !self.lost && !self.anew && self.gap.is_none();
        only && still && whole && self.phase == Phase::Joined && !replica.fold.resigned
    }

    /// The act as the log would have it, but for key and signature, if the channel's rules allow
    /// it.
    fn said_alone(&self, cx: &Ctx, id: MsgId) -> Option<Opened> {
        let stamp = self.lead_stamp(cx)?;
        let out = self.outbox.front()?;
        let mut envelope = complete_act(cx, self.room.as_str(), &out.template, id, &stamp);
        let act = Act::parse(&envelope).ok()?;
        self.lead.as_ref()?.speculative_state.check(&act).ok()?;
        envelope.meta.insert("alone".into(), true.into());
        Some(Opened { act, envelope })
    }
}
