//! Messages that are in the peer's mailbox and that it has not said it has: that mailbox may be
//! lost before it is read. They are kept and sent again, under their own ids and in their own
//! places, until the peer says *delivered*.
//!
//! What is certain to be lost is sent again at once; otherwise one message asks for all, and ever
//! more seldom.

use super::*;

/// How long to wait for the peer's word, and how long at the most, ms.
const FIRST: Millis = 30_000;
const LONGEST: Millis = 24 * 3_600_000;
/// How long to wait with the next when the peer has said something, ms.
const SOON: Millis = 10_000;
/// When to send again what was lost: others find their mailboxes anew in these moments, ms.
const LOST: (Millis, Millis) = (1_000, 3_000);

/// A message that was sent and of which the peer has not said that it has it.
pub(super) struct Sent {
    id: MsgId,
    /// Its place in the stream.
    n: u64,
    template: Envelope,
}

/// All of these, and when they are sent again.
#[derive(Default)]
pub(super) struct Unconfirmed {
    list: VecDeque<Sent>,
    pub(super) at: Option<Millis>,
    /// All that there is room for, not only the first.
    all: bool,
    tries: u32,
}

/// What the store keeps of one.
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
    /// Takes back what the store kept.
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

    /// A message is in the peer's mailbox.
    pub(super) fn await_word(&mut self, cx: &mut Ctx, peer: &ActorId, id: MsgId, n: u64, template: Envelope) {
        let row = SentRow { id, template };
        cx.put_sealed(Table::Setting, row_of(peer, n), &row);
        self.sent.list.push_back(Sent { id, n, template: row.template });
        self.row.kept_from.get_or_insert(id);
        self.sent.at.get_or_insert(cx.now.mono + FIRST);
    }

    /// The peer has said that it has a message. False if it had said so before.
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

    /// The mailboxes of the peer's cluster have been lost: what it had not read is gone.
    pub fn mailbox_lost(&mut self, cx: &mut Ctx) {
        if !self.sent.list.is_empty() {
            (self.sent.tries, self.sent.all) = (0, true);
            self.sent.at = Some(cx.now.mono + cx.jitter(LOST.0, LOST.1));
        }
    }

    /// Sends again, if it is time.
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
