//! Receipts of direct messages: the node confirms messages to their sender and reports the receipts
//! for its own messages to the sessions.

use super::*;
use crate::node::rpc::open_request;

impl Direct {
    /// Tells the peer that its messages arrived or were read.
    pub fn receipt(&mut self, cx: &mut Ctx, card: &Card, what: &str, ids: &[String]) {
        let Some(kid) = self.order.iter().rev().find(|k| self.keys.contains_key(k)).copied() else {
            return;
        };
        let Some(key) = self.keys.get(&kid) else {
            return;
        };
        let inner = Envelope {
            body: Some(crate::Body::Array(ids.iter().map(|i| json!(i)).collect())),
            ts: Some(cx.ts()),
            ..Envelope::new("RECEIPT").from(cx.me().to_string()).to(card.actor().to_string()).param(what)
        };
        let token = key.encrypt(&inner.sign(Domain::Request, &cx.id).to_canonical());
        let e = Envelope::new("RECEIPT")
            .from(cx.me().to_string())
            .to(card.actor().to_string())
            .meta("kid", kid.to_string())
            .field("ct", token);
        cx.append_rpc(card, e.to_canonical(), PendingOp::Nothing);
    }

    /// Handles a receipt.
    pub fn on_receipt(&mut self, cx: &mut Ctx, card: &Card, e: &Envelope) {
        let Some(kid) = e.meta_str("kid").and_then(|k| KeyId::parse(k).ok()) else {
            return;
        };
        let Some(key) = self.keys.get(&kid) else {
            return;
        };
        let Some(inner) = open_request(key, e, &cx.me(), card.keys()).filter(|i| i.from == e.from) else {
            return;
        };
        let what = match inner.params.first().map(String::as_str) {
            Some("delivered") => "delivered",
            Some("read") => "read",
            _ => return,
        };
        let peer = card.actor();
        if self.row.wrap.is_some() && self.row.kid == Some(kid) {
            // It has our key: from now on it goes without the wrap.
            self.row.wrap = None;
            self.save(cx, &peer);
        }
        let mut read_to = self.row.read_to;
        for id in inner.lines().into_iter().take(100) {
            let Ok(parsed) = MsgId::parse(id) else { continue };
            // What was sent twice is confirmed twice; meanwhile it may have been read.
            if !self.confirmed(cx, &peer, parsed) && what == "delivered" {
                continue;
            }
            // What is not said yet nobody has read.
            if what == "read" && parsed <= cx.last_id {
                read_to = read_to.max(Some(parsed));
            }
            cx.store(StoreOp::MessageState {
                target: target(&peer),
                id: id.to_owned(),
                state: what.to_owned(),
            });
            let e = Envelope::new("STATE").to(card.nick().as_str()).param(what);
            cx.broadcast_cap("state", &Envelope { id: Some(id.to_owned()), ..e });
        }
        if read_to > self.row.read_to {
            self.row.read_to = read_to;
            self.save(cx, &peer);
        }
    }
}
