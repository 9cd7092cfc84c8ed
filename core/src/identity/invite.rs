//! Invites: how to reach a grid, signed by the inviter and sealed to one invitee.
//!
//! They travel out of band as text. This file makes and opens them. The node ensures that each
//! works only once: the invitee remembers the id, the inviter the secret.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use rsa::rand_core::RngCore;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{Card, Identity, IdentityError, PublicKeys, armour, form};
use crate::crypto::{Rng, open, seal};
use crate::envelope::{Domain, Envelope, canonical_json, format_ts, parse_ts, safe_numbers};
use crate::ids::{ActorId, Millis, MsgId};
use crate::limits;

/// An invite on the inviter's side. The text goes to the invitee; the inviter remembers id and
/// secret until the invite is used or expires.
#[derive(Debug)]
pub struct Invite {
    /// Its id.
    pub id: MsgId,
    /// The invitee.
    pub to: ActorId,
    /// What the invitee must present when it accepts.
    pub secret: InviteSecret,
    /// When it expires.
    pub expires: Millis,
    /// What the invitee receives: text between `BEGIN KIRC INVITE` and `END KIRC INVITE`.
    pub text: String,
}

/// An opened invite: all its signatures are valid and it has not expired.
#[derive(Debug, Clone)]
pub struct OpenedInvite {
    /// The inviter's card.
    pub card: Card,
    /// How to reach its grid.
    pub grid: Map<String, Value>,
    /// What to present to the inviter, once.
    pub secret: InviteSecret,
    /// When it expires.
    pub expires: Millis,
    /// Its id: the node accepts each id only once.
    pub id: MsgId,
}

/// The one-time secret of an invite: wiped on drop, never shown by `Debug`, compared in constant
/// time.
#[derive(Clone)]
pub struct InviteSecret(Zeroizing<[u8; 32]>);

impl InviteSecret {
    /// Its text, to send to the inviter (sealed) or to keep in the sealed store.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(B64.encode(self.0.as_ref()))
    }
    /// Reads the output of [`Self::expose`].
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(B64.decode(text).ok()?);
        let bytes: [u8; 32] = bytes.as_slice().try_into().ok()?;
        Some(Self(Zeroizing::new(bytes)))
    }
}

impl PartialEq for InviteSecret {
    fn eq(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.0.as_ref(), other.0.as_ref()).is_ok()
    }
}
impl Eq for InviteSecret {}

impl fmt::Debug for InviteSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteSecret(…)")
    }
}

/// The body of the signed envelope inside.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    card: Envelope,
    grid: Map<String, Value>,
    secret: String,
    expires: String,
}

impl Invite {
    /// Makes an invite for one invitee. `grid` says how to reach the grid. It is opaque here, but
    /// it is signed, so its numbers must be integers of at most 2^53-1.
    pub fn create(
        me: &Identity,
        card: &Card,
        invitee: &PublicKeys,
        grid: Map<String, Value>,
        expires_at: Millis,
        now: Millis,
        rng: &mut Rng,
    ) -> Result<Self, IdentityError> {
        if card.keys() != me.public() {
            return form("the card in an invite is the inviter's own");
        }
        if expires_at <= now {
            return form("an invite expires later than now");
        }
        let to = invitee.actor();
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut());
        let secret = InviteSecret(bytes);
        let random = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
        let id = MsgId::generate(now, random, MsgId::default());
        let grid = Value::Object(grid);
        safe_numbers(&grid)?;
        let mut inner = Envelope::new("INVITE")
            .from(me.actor().to_string())
            .to(to.to_string())
            .field("card", json!(card))
            .field("grid", grid)
            .field("secret", secret.expose().as_str())
            .field("expires", format_ts(expires_at));
        inner.id = Some(id.to_string());
        inner.ts = Some(format_ts(now));
        let inner = Zeroizing::new(inner.sign(Domain::Invite, me).to_canonical());
        let outer = canonical_json(&json!({
            "kirc": "invite",
            "v": 1,
            "to": to,
            "sealed": seal(&inner, invitee, &label(&to), rng),
        }));
        if outer.len() > limits::INVITE {
            return form(format!(
                "the invite is {} bytes long; the limit is {}",
                outer.len(),
                limits::INVITE
            ));
        }
        Ok(Self { id, to, secret, expires: expires_at, text: armour::wrap("INVITE", &outer) })
    }

    /// Opens an invite. It checks that the invite is for `me`, is complete, is signed by the
    /// identity of the card in it, and has not expired.
    pub fn open(text: &str, me: &Identity, now: Millis) -> Result<OpenedInvite, IdentityError> {
        let outer = armour::unwrap("INVITE", text, limits::INVITE)?;
        let outer: Value = serde_json::from_slice(&outer)
            .map_err(|_| IdentityError::Form("the invite is not of its form".to_owned()))?;
        if outer.get("kirc").and_then(Value::as_str) != Some("invite")
            || outer.get("v").and_then(Value::as_u64) != Some(1)
        {
            return form("the invite is of a version that this program does not read");
        }
        let to = outer.get("to").and_then(Value::as_str).unwrap_or_default();
        let to = ActorId::parse(to)
            .map_err(|_| IdentityError::Form("the invite does not say whom it is for".into()))?;
        if to != me.actor() {
            return Err(IdentityError::NotForMe { to, me: me.actor() });
        }
        let sealed = outer.get("sealed").unwrap_or(&Value::Null);
        let inner = open(sealed, me, &label(&to)).map(Zeroizing::new).map_err(|_| {
            IdentityError::Form("the invite can't be opened with this identity's key".to_owned())
        })?;
        Self::check(&Envelope::from_canonical(&inner)?, to, now)
    }

    fn check(inner: &Envelope, to: ActorId, now: Millis) -> Result<OpenedInvite, IdentityError> {
        let wrong = |what: &str| IdentityError::Form(format!("the invite has no good {what}"));
        let Some(crate::Body::Object(body)) = &inner.body else {
            return form("the invite has no body");
        };
        let body = Body::deserialize(body).map_err(|_| wrong("body"))?;
        let card = Card::parse(&body.card)?;
        // Whose card it is, is who must have signed; and it was signed for nobody else.
        inner.verify(Domain::Invite, card.keys())?;
        if inner.command != "INVITE"
            || inner.from.as_deref() != Some(card.actor().to_string().as_str())
            || inner.to.as_deref() != Some(to.to_string().as_str())
        {
            return form("the invite was signed for another purpose or for somebody else");
        }
        let id = inner.id.as_deref().unwrap_or_default();
        let id = MsgId::parse(id).map_err(|_| wrong("id"))?;
        let secret = InviteSecret::parse(&body.secret).ok_or_else(|| wrong("secret"))?;
        let expires = parse_ts(&body.expires).ok_or_else(|| wrong("end"))?;
        if now >= expires {
            return Err(IdentityError::Expired(body.expires));
        }
        Ok(OpenedInvite { card, grid: body.grid, secret, expires, id })
    }
}

/// The OAEP label of an invite's key.
fn label(to: &ActorId) -> Vec<u8> {
    canonical_json(&json!({"kirc": "invite.v1", "to": to}))
}
