//! Resends messages that are in the peer's mailbox but unconfirmed, because that mailbox may be
//! lost before the peer reads it. The node stores them and resends them, with their own ids and
//! positions, until the peer reports *delivered*.
//!
//! A message that is certainly lost is resent at once. Otherwise the node resends only the first
//! one as a probe, at growing intervals.

use super::*;

/// How long to wait for the peer's confirmation: first and maximum interval, ms.
const FIRST: Millis = 30_000;
const LONGEST: Millis = 24 * 3_600_000;
/// How long to wait before the next resend after a confirmation from the peer, ms.
const SOON: Millis = 10_000;
/// The range of the delay before lost messages are resent, ms: peers rediscover their mailboxes in
/// that time.
const LOST: (Millis, Millis) = (1_000, 3_000);

/// A sent message that the peer has not confirmed.
pub(super) struct Sent {
    id: MsgId,
    /// Its position in the stream.
    n: u64,
    template: Envelope,
}

/// All unconfirmed messages, and when they are resent.
#[derive(Default)]
pub(super) struct Unconfirmed {
    list: VecDeque<Sent>,
    pub(super) at: Option<Millis>,
    /// Whether to resend as many as fit in the window, not only the first.
    all: bool,
    tries: u32,
}

/// The stored form of an unconfirmed message.
#[derive(Serialize, Deserialize)]
struct SentRow {
    id: MsgId,
    template: Envelope,
}

fn prefix(peer: &ActorId) -> String {
    format!("direct-sent/{peer}/")
}

fn row_of(peer: &ActorId, n: u64) -> String {
    format!("{}{n:016}", prefix(peer))
}

impl Direct {
    /// Restores the unconfirmed messages from the store.
    pub fn restore_sent(
        &mut self,
        cx: &Ctx,
        peer: &ActorId,
        values: &BTreeMap<(Table, String), Vec<u8>>,
    ) -> Result<(), String> {
        let prefix = prefix(peer);
        let all = values.range((Table::Setting, prefix.clone())..);
        let all = all.map_while(|((table, key), value)| {
            let n = key.strip_prefix(&prefix).filter(|_| *table == Table::Setting)?;
            Some((n, value))
        });
        for (n, value) in all {
            let broken = |e: String| format!("a message to {peer}: {e}");
            let n = n.parse().map_err(|_| broken("its place".into()))?;
            let plain = cx.id.open_local(value).map_err(|e| broken(e.to_string()))?;
            let row: SentRow = serde_json::from_slice(&plain).map_err(|e| broken(e.to_string()))?;
            self.sent.list.push_back(Sent { id: row.id, n, template: row.template });
        }
        if !self.sent.list.is_empty() {
            self.sent.at = Some(cx.now.mono + FIRST);
        }
        Ok(())
    }

    /// Tracks a message that is now in the peer's mailbox until the peer confirms it.
    pub(super) fn await_word(&mut self, cx: &mut Ctx, peer: &ActorId, id: MsgId, n: u64, template: Envelope) {
        let row = SentRow { id, template };
        cx.put_sealed(Table::Setting, row_of(peer, n), &row);
        self.sent.list.push_back(Sent { id, n, template: row.template });
        self.row.kept_from.get_or_insert(id);
        self.sent.at.get_or_insert(cx.now.mono + FIRST);
    }

    /// Handles the peer's confirmation of a message. Returns false if the peer had confirmed it
    /// before.
    pub(super) fn confirmed(&mut self, cx: &mut Ctx, peer: &ActorId, id: MsgId) -> bool {
        let Some(i) = self.sent.list.iter().position(|sent| sent.id == id) else {
            return self.row.kept_from.is_none_or(|from| id < from) || self.out.iter().any(|o| o.id == id);
        };
        if let Some(sent) = self.sent.list.remove(i) {
            cx.store(StoreOp::Delete { table: Table::Setting, key: row_of(peer, sent.n) });
        }
        // It is there: what is left it has in a moment, or has lost.
        let left = !self.sent.list.is_empty();
        (self.sent.tries, self.sent.all) = (0, left);
        self.sent.at = left.then_some(cx.now.mono + SOON);
        true
    }

    /// Handles the loss of the mailboxes of the peer's cluster: messages that the peer had not read
    /// are gone.
    pub fn mailbox_lost(&mut self, cx: &mut Ctx) {
        if !self.sent.list.is_empty() {
            (self.sent.tries, self.sent.all) = (0, true);
            self.sent.at = Some(cx.now.mono + cx.jitter(LOST.0, LOST.1));
        }
    }

    /// Resends if it is time.
    pub(super) fn tick_sent(&mut self, cx: &mut Ctx, card: &Card) {
        if self.sent.at.is_none_or(|at| cx.now.mono < at) {
            return;
        }
        if self.sent.tries > 0 && self.row.wrap.is_none() {
            // It may not have our key any more, or we took ours back from an older copy: the next
            // one goes along.
            self.key = None;
        }
        let count = if std::mem::take(&mut self.sent.all) { cx.cfg.window } else { 1 };
        for i in 0..count.min(self.sent.list.len()) {
            let Some(Sent { id, n, template }) = self.sent.list.get(i) else { break };
            let (id, n, template) = (*id, *n, template.clone());
            self.append(cx, card, id, n, template);
        }
        self.save(cx, &card.actor());
        self.sent.tries += 1;
        let wait = FIRST.saturating_mul(1 << self.sent.tries.min(16)).min(LONGEST);
        self.sent.at = Some(cx.now.mono + wait + cx.jitter(0, wait / 8));
    }
}
