//! Where a channel's log is: its topic, if it has its own, and the routes between its members.

use crate::envelope::Envelope;
use crate::ids::Millis;
use crate::node::channel::{Channel, OutKind};
use crate::node::ctx::{Ctx, Reader};
use crate::node::pending::PendingOp;
use crate::numeric;
use crate::port::{PortError, ReadFrom, Service};

/// How often it is tried again, and after how long, ms.
const TRIES: u32 = 1;
const AGAIN: Millis = 1_000;

/// How far that is.
#[derive(Debug, Default)]
pub(in crate::node::channel) struct Making {
    /// When to try again.
    pub(in crate::node::channel) at: Option<Millis>,
    /// How often it failed though the service was there.
    failed: u32,
}

impl Making {
    /// Whether it is to be tried again now.
    pub(in crate::node::channel) fn due(&mut self, now: Millis) -> bool {
        self.at.take_if(|at| now >= *at).is_some()
    }
}

impl Channel {
    /// On the way in: reads the channel's log from its beginning, as soon as there is one.
    pub(in crate::node::channel) fn reach_log(&mut self, cx: &mut Ctx) {
        if self.own_topic {
            // Until it is there nothing of it is wanted: a record that is on its way from an
            // earlier place would pass for the beginning.
            cx.stop_reading(&self.log);
            cx.create_topic(&self.log, PendingOp::Topic(self.key.clone()));
        } else {
            // Others who read here are not to miss what is still before them.
            let first = |r: &Reader| r.coverage.first(self.wire.as_bytes(), r.start).min(r.next);
            let from = cx.readers.get(&self.log).map_or(0, first);
            cx.move_reader(&self.log, ReadFrom::At(from));
        }
    }

    /// The topic is there, or can't be made.
    pub fn on_topic(&mut self, cx: &mut Ctx, result: Result<(), PortError>) {
        let Some(join) = self.join.as_mut() else { return };
        let Err(error) = result else {
            return cx.move_reader(&self.log, ReadFrom::At(0));
        };
        // A service that is away is waited for. That it is may be told a moment later than this.
        let away = self.grid == cx.cfg.home.cluster && !cx.service_up(Service::Mailbox);
        if away || join.topic.failed < TRIES {
            join.topic.failed += u32::from(!away);
            join.topic.at = Some(cx.now.mono + AGAIN);
            return;
        }
        let text = format!(
            "{} needs a topic of its own on its grid, which is not there and can't be made: {error}. Whoever may make topics there has to join first",
            self.name
        );
        let nick = cx.nick().as_str().to_owned();
        let refusal = numeric::reply(numeric::ERR_UNAVAILRESOURCE, &nick, &[self.name.as_str()], &text);
        self.on_refused(cx, &refusal);
    }

    /// Tells the members how our mailbox is reached, if it is on another grid: a JOIN has said it,
    /// a founding claim stands in the clear and has not; and it may change.
    pub fn tell_way(&mut self, cx: &mut Ctx) {
        if let Some(way) = self.own_way(cx) {
            let act = Envelope::new("WAY").field("way", way);
            self.submit(cx, act, None, OutKind::Kept, None);
        }
    }

    /// How members reach our mailbox, if they could not do so by the channel's own grid.
    pub fn own_way(&self, cx: &Ctx) -> Option<serde_json::Value> {
        cx.cfg.peer_way.clone().filter(|_| self.grid != cx.cfg.home.cluster)
    }
}
