//! Own acts that cannot be sent any more: nobody could read them, the log already has a later act
//! of this author, or they were made before leaving. Their sessions are told.

use crate::channel::Refusal;
use crate::ids::MsgId;
use crate::node::channel::member::command::fit;
use crate::node::channel::{Channel, Replica};
use crate::node::ctx::Ctx;

impl Channel {
    /// Takes out the first of those that are sent next that nobody could read: a node that knew no
    /// better kept it.
    pub(in crate::node::channel) fn drop_unfit(&mut self, cx: &mut Ctx) -> bool {
        let sent = self.outbox.partition_point(|o| o.sent.is_some());
        let next = self.outbox.iter().take(cx.cfg.window).skip(sent);
        let Some((id, why)) = next.map(|o| (o.id, fit(&o.template))).find_map(|(id, f)| Some((id, f.err()?)))
        else {
            return false;
        };
        let refusal = Refusal::unfit(self.name.as_str(), &why);
        self.refused(cx, id, &refusal);
        true
    }

    /// Who leaves does not wait until somebody has the key under which what it said before could be
    /// sent.
    pub(in crate::node::channel) fn leave_without_key(&mut self, cx: &mut Ctx) {
        // Alone, it is our own key, which nobody else has to have.
        let soon = |r: &Replica| r.fold.fresh_key().is_some() || r.state.actors.len() == 1;
        if self.replica.as_ref().is_some_and(soon) {
            return;
        }
        let sent = self.outbox.partition_point(|out| out.sent.is_some());
        for out in self.outbox.split_off(sent) {
            self.fail(cx, out, "404", "you left before anybody had the key for it");
        }
    }

    /// An own act is in the log that is not known here: it went out, and its node ended before it
    /// was kept. What was stamped since stands in its place, and has to be stamped anew behind it.
    pub fn remember(&mut self, cx: &mut Ctx, id: MsgId) {
        cx.last_id = cx.last_id.max(id);
        if self.catch_up_end.is_none() && cx.double.works(id.millis()) {
            cx.tell_double();
        }
        // These were made since by a clock that had been set back.
        let text = "this machine's clock was set back, and the message came to stand before an older one: say it again";
        self.let_go_before(cx, id, text);
        self.requeue();
    }

    /// Ids only grow: what has a smaller one than what the log has of us can't be put into it any
    /// more.
    pub(in crate::node::channel) fn let_go_before(&mut self, cx: &mut Ctx, id: MsgId, text: &str) {
        while let Some(i) = self.outbox.iter().position(|o| o.id <= id) {
            if let Some(out) = self.outbox.remove(i) {
                self.fail(cx, out, "404", text);
            }
        }
    }
}
