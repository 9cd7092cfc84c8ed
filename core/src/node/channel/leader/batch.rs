//! Batches: messages that arrive while the leader's records are in flight go into one record, which
//! is signed and checked once.

use std::sync::Arc;

use crate::ids::Term;
use crate::limits;
use crate::log::{LogRecord, Opened, SealedAct};
use crate::node::channel::Channel;
use crate::node::channel::leader::Leader;
use crate::node::ctx::Ctx;

/// Acts that have their place among all others, and no record yet.
#[derive(Default)]
pub(in crate::node::channel) struct Batch {
    sealed: Vec<SealedAct>,
    opened: Vec<Arc<Opened>>,
    bytes: usize,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.sealed.is_empty()
    }

    fn push(&mut self, sealed: SealedAct, opened: Arc<Opened>) {
        self.bytes += sealed.token.len();
        self.sealed.push(sealed);
        self.opened.push(opened);
    }

    /// Whether one more belongs into the next record.
    fn is_full(&self, next: &SealedAct) -> bool {
        self.sealed.len() >= limits::BATCH || self.bytes + next.token.len() > limits::BATCH_BYTES
    }

    pub fn take(&mut self) -> (Vec<SealedAct>, Vec<Arc<Opened>>) {
        self.bytes = 0;
        (std::mem::take(&mut self.sealed), std::mem::take(&mut self.opened))
    }
}

impl Channel {
    /// An act has its place: it goes into the log, behind all that was gathered.
    pub(in crate::node::channel) fn gather(&mut self, cx: &mut Ctx, sealed: SealedAct, opened: Arc<Opened>) {
        // What changes the channel changes what others may do, and stands alone.
        let alone = !opened.act.kind.is_said();
        if alone || self.lead.as_ref().is_some_and(|lead| lead.gathered.is_full(&sealed)) {
            self.append_all_gathered(cx);
        }
        let Some(lead) = self.lead.as_mut() else { return };
        lead.gathered.push(sealed, opened);
        if alone {
            self.append_all_gathered(cx);
        } else {
            self.append_gathered(cx);
        }
    }

    /// Appends what was gathered, if the way is free.
    pub(in crate::node::channel) fn append_gathered(&mut self, cx: &mut Ctx) {
        // After a failed append what was gathered is given its place anew.
        let free = |lead: &Leader| lead.active() && lead.inflight.len() < cx.cfg.max_in_flight;
        if self.lead.as_ref().is_some_and(free) {
            self.append_all_gathered(cx);
        }
    }

    /// Appends what was gathered: what comes next stands behind it.
    pub(in crate::node::channel) fn append_all_gathered(&mut self, cx: &mut Ctx) {
        let Some(lead) = self.lead.as_mut().filter(|lead| !lead.gathered.is_empty()) else { return };
        let (sealed, opened) = lead.gathered.take();
        let term = self.replica.as_ref().map_or(Term(0), |r| r.fold.term);
        let bytes = LogRecord::acts(&cx.id, &self.room, term, lead.seq.next(), lead.head, &sealed);
        self.append_log(cx, bytes, opened);
    }
}
