//! The keys of a conversation: each side encrypts its messages under a key of its own, and attaches
//! the wrapped key until the peer has it.

use super::*;
use crate::crypto;
use crate::ids::{ChannelId, Epoch};

/// Maximum messages under one key, and its maximum age.
const KEY_MESSAGES: u64 = 1_000;
const KEY_AGE: Millis = 7 * 24 * 3600 * 1000;
/// Keys of a conversation that the node keeps for late messages and receipts.
const KEYS: usize = 8;

fn no_channel() -> ChannelId {
    ChannelId([0; 24])
}

impl Direct {
    pub(super) fn remember(&mut self, kid: KeyId, key: ChannelKey) -> Option<KeyId> {
        if self.keys.insert(kid, key).is_none() {
            self.order.push_back(kid);
        }
        if self.order.len() <= KEYS {
            return None;
        }
        let old = self.order.pop_front()?;
        if Some(old) == self.row.kid {
            self.order.push_back(old);
            return None;
        }
        self.keys.remove(&old);
        Some(old)
    }

    pub(super) fn keep_key(&mut self, cx: &mut Ctx, peer: &ActorId, kid: KeyId, key: ChannelKey) {
        let value = cx.id.seal_local(key.expose());
        cx.store(StoreOp::Put { table: Table::Key, key: format!("@{peer}/{kid}"), value });
        if let Some(old) = self.remember(kid, key) {
            cx.store(StoreOp::Delete { table: Table::Key, key: format!("@{peer}/{old}") });
        }
    }

    /// The key for the next message; a new one after a number of messages or an age.
    pub(super) fn current_key(&mut self, cx: &mut Ctx, card: &Card) -> (KeyId, ChannelKey) {
        let fresh = self.row.used < KEY_MESSAGES && cx.now.wall < self.row.since + KEY_AGE;
        if let (Some(kid), Some(key), true) = (self.row.kid, &self.key, fresh) {
            return (kid, key.duplicate());
        }
        let peer = card.actor();
        let key = ChannelKey::generate(&mut cx.rng);
        let kid = key.id(&peer.0, Epoch(0));
        let label = crypto::wrap_label(&no_channel(), Epoch(0), &kid, &cx.me(), &peer);
        let ct = crypto::wrap(&key, card.keys(), &label, &mut cx.rng);
        let wrap = Envelope::new("WRAP")
            .from(cx.me().to_string())
            .to(peer.to_string())
            .meta("kid", kid.to_string())
            .field("alg", "rsa-oaep-sha256")
            .field("ct", ct)
            .sign(Domain::Wrap, &cx.id);
        self.row.kid = Some(kid);
        self.row.used = 0;
        self.row.since = cx.now.wall;
        self.row.wrap = serde_json::to_string(&wrap).ok();
        self.key = Some(key.duplicate());
        self.keep_key(cx, &peer, kid, key.duplicate());
        (kid, key)
    }
}

pub(super) fn unwrap_direct(cx: &Ctx, card: &Card, e: &Envelope, kid: KeyId) -> Option<ChannelKey> {
    let wrap: Envelope = serde_json::from_value(e.get("wrap")?.clone()).ok()?;
    let names = wrap.from == e.from && wrap.to == e.to && wrap.meta_str("kid") == e.meta_str("kid");
    // The signature is checked before the RSA key is touched.
    if !names || wrap.command != "WRAP" || wrap.verify(Domain::Wrap, card.keys()).is_err() {
        return None;
    }
    if wrap.get("alg").and_then(Value::as_str) != Some("rsa-oaep-sha256") {
        return None;
    }
    let label = crypto::wrap_label(&no_channel(), Epoch(0), &kid, &card.actor(), &cx.me());
    let key = crypto::unwrap(wrap.get("ct")?.as_str()?, &cx.id, &label).ok()?;
    (key.id(&cx.me().0, Epoch(0)) == kid).then_some(key)
}
