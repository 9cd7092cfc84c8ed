//! Making an act of a command: numbered within its author's acts, signed, encrypted.

use serde_json::json;

use crate::channel::after;
use crate::crypto::ChannelKey;
use crate::envelope::{Domain, Envelope};
use crate::ids::{ChannelId, Count, Epoch, Hash, KeyId, MsgId, Seq};
use crate::log::act_plaintext;
use crate::node::ctx::Ctx;

/// What an act is stamped with.
pub(crate) struct Stamp {
    pub channel: ChannelId,
    pub epoch: Epoch,
    pub kid: KeyId,
    pub n: Count,
    /// The act before it.
    pub after: MsgId,
    pub seen: (Seq, Hash),
}

/// Completes and signs an act.
pub(crate) fn sign_act(cx: &Ctx, name: &str, template: &Envelope, id: MsgId, stamp: &Stamp) -> Envelope {
    complete_act(cx, name, template, id, stamp).sign(Domain::Message, &cx.id)
}

/// Completes an act: author, place, time, and what it was stamped with.
pub(crate) fn complete_act(cx: &Ctx, name: &str, template: &Envelope, id: MsgId, stamp: &Stamp) -> Envelope {
    let mut e = template.clone();
    e.from = Some(cx.me().to_string());
    e.to = Some(name.to_owned());
    e.id = Some(id.to_string());
    e.ts = Some(cx.ts());
    e.meta.insert("ch".into(), json!(stamp.channel));
    e.meta.insert("n".into(), json!(stamp.n));
    e.meta.insert("after".into(), json!(after(stamp.after)));
    e.meta.insert("epoch".into(), json!(stamp.epoch));
    e.meta.insert("kid".into(), json!(stamp.kid));
    e.meta.insert("seen".into(), json!([stamp.seen.0, Ctx::short(&stamp.seen.1)]));
    e
}

/// Encrypts a signed act.
pub(crate) fn seal_act(cx: &Ctx, signed: &Envelope, key: &ChannelKey) -> String {
    if mutant!(cx.cfg, PlainBodies) {
        return String::from_utf8_lossy(&signed.to_canonical()).into_owned();
    }
    key.encrypt(&act_plaintext(signed))
}
