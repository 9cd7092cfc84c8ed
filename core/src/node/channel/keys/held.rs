//! Confirming keys: a member says that it holds a new key, and doubts a leader that hands none out.
//!
//! The fold decides which key may be used.

use crate::envelope::Envelope;
use crate::ids::{ActorId, Millis};
use crate::log::LogRecord;
use crate::node::channel::join::discovery::Discovery;
use crate::node::channel::leader::{HANDING, Mode};
use crate::node::channel::{Channel, Phase};
use crate::node::ctx::Ctx;
use crate::node::pending::PendingOp;

/// One word is enough: each group says it this much later than the one before, ms.
const LATER: Millis = 50;
/// How long a channel may be without a key that may be used before its leader is doubted, ms.
const MUTE: Millis = 5_000;

/// What a member does about the last KEY record.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    /// When to say that its key is here.
    say_at: Option<Millis>,
    /// When to doubt the leader.
    doubt_at: Option<Millis>,
}

impl Handed {
    pub fn wake(&self) -> Option<Millis> {
        [self.say_at, self.doubt_at].into_iter().flatten().min()
    }
}

impl Channel {
    /// Somebody has the last key: it may be used.
    pub fn on_held(&mut self, cx: &mut Ctx, by: ActorId) {
        cx.status_dirty = true;
        if let Some(asked) = self.lead.as_mut().and_then(|lead| lead.asks.get_mut(&by)) {
            asked.tries = 0;
        }
        self.come_in(cx);
        if self.lead.is_some() {
            self.go_on_with_key(cx);
            return;
        }
        self.requeue();
        self.pump(cx);
    }

    /// What is to be done about the last KEY record, as the log stands now.
    pub(in crate::node::channel) fn watch_key(&mut self, cx: &Ctx) {
        let Some(replica) = self.replica.as_ref().filter(|_| self.phase != Phase::Left) else {
            self.handed = Handed::default();
            return;
        };
        if self.phase == Phase::Joining {
            // Whoever comes in says it at once, and again.
            self.handed.say_at = self.handed.say_at.filter(|_| replica.fold.use_of.unheld());
            return;
        }
        let fold = &replica.fold;
        let follows = fold.leader != cx.me() && self.catch_up_end.is_none() && !self.anew;
        let here = follows
            && fold.use_of.unheld()
            && fold.last_key().is_some_and(|key| self.ring.get(key).is_some());
        let mute = follows && fold.epoch.0 > 0 && fold.fresh_key().is_none();
        if !here {
            self.handed.say_at = None;
        } else if self.handed.say_at.is_none() {
            let kid = fold.kid.map(|kid| kid.0).unwrap_or_default();
            let after = u64::from(self.turn(cx, &kid)) * LATER;
            self.handed.say_at = Some(cx.now.mono + after);
        }
        if !mute {
            self.handed.doubt_at = None;
        } else if self.handed.doubt_at.is_none() {
            self.handed.doubt_at = Some(cx.now.mono + MUTE + cx.cfg.ack_timeout);
        }
    }

    pub(in crate::node::channel) fn tick_held(&mut self, cx: &mut Ctx) {
        if self.handed.say_at.is_some_and(|at| cx.now.mono >= at) {
            self.say_held(cx);
        }
        if self.handed.doubt_at.is_some_and(|at| cx.now.mono >= at) {
            self.handed.doubt_at = Some(cx.now.mono + MUTE);
            self.challenge_now(cx);
        }
    }

    /// Says in the log that the last key is here. If the record gets lost, again.
    pub(in crate::node::channel) fn say_held(&mut self, cx: &mut Ctx) {
        let Some(replica) = self.replica.as_ref().filter(|r| r.fold.use_of.unheld()) else { return };
        let Some(kid) = replica.fold.kid else { return };
        let fold = &replica.fold;
        let bytes = LogRecord::held(&cx.id, &self.room, fold.channel, fold.term, (fold.epoch, kid));
        let (log, key) = (self.log.clone(), self.wire.clone());
        cx.append(log, key.as_bytes(), bytes, PendingOp::Nothing);
        self.handed.say_at = Some(cx.now.mono + cx.cfg.ack_timeout);
    }

    /// Comes in, if all that takes is here; or says what is missing for it.
    pub(in crate::node::channel) fn come_in(&mut self, cx: &mut Ctx) {
        let Some(replica) = self.replica.as_ref().filter(|_| self.phase == Phase::Joining) else { return };
        let last = replica.fold.last_key();
        if last.is_none_or(|key| self.ring.info(key).is_none() || self.ring.get(key).is_none()) {
            return;
        }
        if replica.fold.use_of.held().is_some() {
            let joined = self.own_join(cx);
            self.entered(cx, joined);
            if self.catch_up_end.is_none() {
                self.on_caught_up(cx);
            }
        } else {
            self.say_held(cx);
        }
    }

    /// The leader uses a key that was there before we came: nobody had said in time that ours is
    /// here. We ask once more.
    fn come_in_behind(&mut self, cx: &mut Ctx) {
        let Some(mut join) = self.join.take() else { return };
        join.scan = Discovery::default();
        self.gap = None;
        self.begin_join(cx, join);
    }

    /// The leader uses the key before the last one on.
    pub fn on_kept(&mut self, cx: &mut Ctx) {
        cx.status_dirty = true;
        match self.phase {
            Phase::Joining => self.come_in_behind(cx),
            _ if self.lead.is_some() => self.go_on_with_key(cx),
            _ => self.pump(cx),
        }
    }

    /// Nobody has said that it has the new key: the one before is used on, once the log says so.
    pub(in crate::node::channel) fn keep_key(&mut self, cx: &mut Ctx) {
        let (Some(replica), Some(lead)) = (&self.replica, self.lead.as_mut()) else { return };
        lead.mode = Mode::Handing(cx.now.mono + HANDING);
        if lead.pending.is_empty() && replica.fold.use_of.is_handing() {
            let (term, seq, head) = (replica.fold.term, lead.seq.next(), lead.head);
            let bytes = LogRecord::leader(Envelope::new("KEEP"), &cx.id, &self.room, term, seq, head);
            self.append_log(cx, bytes, Vec::new());
        }
    }

    /// It is settled which key may be used: goes on with that.
    pub(in crate::node::channel) fn go_on_with_key(&mut self, cx: &mut Ctx) {
        self.append_all_gathered(cx);
        let (Some(replica), Some(lead)) = (&self.replica, self.lead.as_mut()) else { return };
        if replica.fold.epoch != lead.last || replica.fold.use_of.is_handing() {
            return;
        }
        lead.take_key(&replica.fold, &self.ring);
        if matches!(lead.mode, Mode::Handing(_)) {
            lead.mode = Mode::Active;
            self.requeue();
            self.go_on_leading(cx);
        }
    }
}
