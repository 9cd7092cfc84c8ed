//! Elections: challenges, claims and the leader key. The log decides who leads; this only tries.

mod turn;

use serde_json::json;

use crate::channel::Change;
use crate::envelope::Envelope;
use crate::ids::{ActorId, Millis, Term};
use crate::log::{Fold, LogRecord};
use crate::node::channel::{Channel, Phase};
use crate::node::ctx::Ctx;
use crate::node::pending::PendingOp;
use crate::port::{PortError, SignalOp, SignalReply};

/// How much later each group of members challenges and claims than the one before, ms.
const LATER_CHALLENGE: Millis = 200;
const LATER_CLAIM: Millis = 500;
/// How often one member challenges, ms.
const CHALLENGE_EVERY: Millis = 10_000;

/// What a member does about the leadership.
#[derive(Debug, Default)]
pub(crate) struct Election {
    /// When to try to claim.
    pub(in crate::node::channel) claim_at: Option<Millis>,
    /// Others have more of a log that was lost: until then they are given the first say.
    pub(in crate::node::channel) yield_until: Option<Millis>,
    /// The leader key was somebody else's: the next try does without it.
    insist: bool,
    /// When to challenge, unless somebody else has until then.
    challenge_at: Option<Millis>,
    /// When we challenged last.
    challenged: Option<Millis>,
    /// Claims of ours in a row that came to nothing.
    claims: u32,
    /// When to look at the leader key.
    look_at: Option<Millis>,
    /// When we said last, for those outside, that we lead.
    claimed_again: Option<Millis>,
}

impl Election {
    pub fn wake(&self) -> Option<Millis> {
        [self.claim_at, self.look_at, self.challenge_at].into_iter().flatten().min()
    }

    /// There is nothing to try.
    fn rest(&mut self) {
        (self.claim_at, self.look_at, self.challenge_at) = (None, None, None);
    }
}

pub(crate) fn leader_key(channel: &str) -> String {
    format!("channel:{channel}:leader")
}

/// Where the leader tells those outside what the channel is.
pub(crate) fn status_key(channel: &str) -> String {
    format!("channel:{channel}:status")
}

pub(crate) fn events(channel: &str) -> String {
    format!("channel:{channel}:events")
}

/// What a term is told apart by where members take turns. Not the hash of its claim: that depends
/// on random bytes of what was said before, and no simulated run could be repeated.
fn term_of(fold: &Fold) -> Vec<u8> {
    [&fold.channel.0[..], &fold.term.0.to_be_bytes()].concat()
}

impl Channel {
    fn vacant(&self) -> bool {
        self.replica.as_ref().is_some_and(|r| {
            r.fold.resigned || !r.state.actors.contains_key(&r.fold.leader) || r.fold.challenge.is_some()
        })
    }

    /// A claim won.
    pub fn on_claimed(&mut self, cx: &mut Ctx) {
        let Some(replica) = &self.replica else { return };
        let ours = replica.fold.leader == cx.me();
        self.elect.claim_at = None;
        self.elect.challenge_at = None;
        self.elect.claims = 0;
        self.elect.insist = false;
        self.elect.look_at = Some(cx.now.mono + cx.cfg.lease);
        self.lead = None;
        self.requeue();
        cx.status_dirty = true;
        if ours && self.catch_up_end.is_none() && self.phase == Phase::Joined {
            self.begin_lead(cx);
        } else {
            self.pump(cx);
        }
    }

    /// The leader is doubted: it answers, or somebody else claims.
    pub fn on_challenged(&mut self, cx: &mut Ctx, by: ActorId) {
        if self.leading() {
            if by != cx.me() {
                self.answer_challenge(cx);
            }
            return;
        }
        // One challenge is enough.
        self.elect.challenge_at = None;
        let after = cx.cfg.challenge + cx.jitter(150, 450) + self.later_claim(cx);
        self.elect.claim_at.get_or_insert(cx.now.mono + after);
    }

    /// The leader said that it leaves.
    pub fn on_resigned(&mut self, cx: &mut Ctx, _empty: bool) {
        self.lead = None;
        cx.status_dirty = true;
        let ours = self.replica.as_ref().is_some_and(|r| r.fold.leader == cx.me());
        if ours && cx.stopping {
            return;
        }
        let soon = if ours { cx.jitter(1_000, 2_000) } else { cx.jitter(0, 60) };
        self.elect.claim_at = Some(cx.now.mono + soon);
    }

    /// Somebody came or went: was it the leader?
    pub fn elect_changed(&mut self, cx: &mut Ctx, change: &Change) {
        let Some(replica) = &self.replica else { return };
        if change.actor_left == Some(replica.fold.leader) {
            self.lead = None;
            self.elect.claim_at = Some(cx.now.mono + cx.jitter(0, 60));
            cx.status_dirty = true;
        }
    }

    /// Everything that was there has been read.
    pub fn on_caught_up(&mut self, cx: &mut Ctx) {
        if !self.me_in(&cx.me()) {
            self.forget(cx);
            return;
        }
        self.hint(cx, SignalOp::Subscribe { channel: events(&self.wire) });
        let member = cx.me().to_string();
        self.hint(cx, SignalOp::Member { key: format!("channel:{}:members", self.wire), member, add: true });
        self.begin_offers(cx);
        self.watch_key(cx);
        self.renew_card(cx);
        let Some(replica) = &self.replica else { return };
        if self.anew {
            self.await_claim(cx);
        } else if replica.fold.leader == cx.me() && !replica.fold.resigned {
            if self.lead.is_none() {
                self.begin_lead(cx);
            }
            if self.lost {
                self.elect.claimed_again = None;
                self.claim_again(cx);
            }
        } else if replica.fold.resigned || !replica.state.actors.contains_key(&replica.fold.leader) {
            self.elect.claim_at = Some(cx.now.mono + cx.jitter(0, 200));
        } else {
            if replica.fold.challenge.is_some() {
                self.elect.claim_at = Some(cx.now.mono + cx.cfg.challenge);
            }
            self.elect.look_at = Some(cx.now.mono);
        }
        self.pump(cx);
    }

    /// How much later than the first ones to claim: who is first has won by then, if it is there.
    fn later_claim(&self, cx: &Ctx) -> Millis {
        let occasion = self.replica.as_ref().map(|r| term_of(&r.fold)).unwrap_or_default();
        u64::from(self.turn(cx, &occasion)) * LATER_CLAIM
    }

    /// Doubts the leader, unless that was done a moment ago, or somebody else does it first.
    pub fn challenge_now(&mut self, cx: &mut Ctx) {
        let moment = |fold: &Fold| [term_of(fold), fold.seq.0.to_be_bytes().to_vec()].concat();
        let occasion = self.replica.as_ref().map(|r| moment(&r.fold)).unwrap_or_default();
        match self.turn(cx, &occasion) {
            0 => self.challenge(cx),
            later => {
                let at = cx.now.mono + u64::from(later) * LATER_CHALLENGE;
                self.elect.challenge_at.get_or_insert(at);
            }
        }
    }

    fn challenge(&mut self, cx: &mut Ctx) {
        let Some(replica) = &self.replica else { return };
        let lately = self.elect.challenged.is_some_and(|at| cx.now.mono < at + CHALLENGE_EVERY);
        let idle = self.leading() || self.phase != Phase::Joined || self.anew;
        if idle || self.vacant() || lately || cx.stopping {
            return;
        }
        self.elect.challenged = Some(cx.now.mono);
        let (channel, term) = (replica.fold.channel, replica.fold.term);
        let nonce = cx.random();
        let bytes = LogRecord::challenge(&cx.id, &self.room, channel, term, nonce);
        let (log, key) = (self.log.clone(), self.wire.clone());
        cx.append(log, key.as_bytes(), bytes, PendingOp::Challenge(self.key.clone()));
    }

    pub fn on_challenge_appended(&mut self, cx: &mut Ctx, ok: bool) {
        if !ok {
            self.elect.challenged = None;
            self.elect.look_at = Some(cx.now.mono + cx.jitter(1_000, 2_000));
        }
    }

    pub fn tick_elect(&mut self, cx: &mut Ctx) {
        if self.phase != Phase::Joined || cx.stopping {
            self.elect.rest();
            return;
        }
        if self.elect.challenge_at.is_some_and(|at| cx.now.mono >= at) {
            self.elect.challenge_at = None;
            self.challenge(cx);
        }
        if self.elect.look_at.is_some_and(|at| cx.now.mono >= at) {
            self.elect.look_at = None;
            if !self.leading() {
                self.signal(
                    cx,
                    SignalOp::Get { key: leader_key(&self.wire) },
                    PendingOp::LeaderKey(self.key.clone()),
                );
            }
        }
        if self.elect.claim_at.is_some_and(|at| cx.now.mono >= at) {
            self.elect.claim_at = None;
            let open = (self.vacant() || self.anew) && !self.leading() && self.me_in(&cx.me());
            if open && self.catch_up_end.is_none() && self.awaiting_key.is_empty() {
                if self.anew {
                    self.claim_restart(cx);
                } else if self.elect.insist {
                    self.claim(cx);
                } else {
                    self.take_key(cx);
                }
            } else if open {
                self.elect.claim_at = Some(cx.now.mono + 500);
            }
        }
    }

    /// Asks for the leader key: who has it tries first.
    pub fn take_key(&mut self, cx: &mut Ctx) {
        let op =
            SignalOp::Claim { key: leader_key(&self.wire), value: cx.me().to_string(), ttl: cx.cfg.lease };
        self.signal(cx, op, PendingOp::Lease(self.key.clone()));
    }

    pub fn release_key(&mut self, cx: &mut Ctx) {
        self.hint(cx, SignalOp::Release { key: leader_key(&self.wire), value: cx.me().to_string() });
        let payload = json!({"event": "LEAD", "actor": ""}).to_string();
        self.hint(cx, SignalOp::Publish { channel: events(&self.wire), payload });
    }

    /// The answer to [`Self::take_key`].
    pub fn on_lease(&mut self, cx: &mut Ctx, result: Result<SignalReply, PortError>) {
        let ours = !matches!(result, Ok(SignalReply::Claimed(false)));
        if self.phase == Phase::Joining {
            self.on_found_lease(cx, ours);
            return;
        }
        if self.leading() || !self.vacant() {
            return;
        }
        if ours {
            self.claim(cx);
        } else {
            // Who has it tries first, but it may be the one that is gone, whose key lives on.
            self.elect.insist = true;
            let later = cx.jitter(250, 750) + self.later_claim(cx);
            self.elect.claim_at = Some(cx.now.mono + later);
        }
    }

    fn claim(&mut self, cx: &mut Ctx) {
        let Some(replica) = &self.replica else { return };
        let (term, prev, channel) = (replica.fold.term.next(), replica.fold.claim, replica.fold.channel);
        self.append_claim(cx, term, prev, Some(channel));
        // If it does not count (too early by the log's clock, or lost), try again while the place
        // is free.
        self.elect.claims += 1;
        let again = cx.jitter(800, 1_600) << (self.elect.claims - 1).min(3);
        self.elect.claim_at = Some(cx.now.mono + again);
    }

    pub fn append_claim(
        &mut self,
        cx: &mut Ctx,
        term: Term,
        prev: crate::ids::Hash,
        channel: Option<crate::ids::ChannelId>,
    ) -> crate::ids::Hash {
        let nonce = cx.random();
        let bytes = LogRecord::claim(&cx.id, &cx.card, &self.room, term, prev, channel, nonce);
        let hash = crate::node::channel::replica::reader::claim_hash(&bytes);
        let (log, key) = (self.log.clone(), self.wire.clone());
        cx.append(log, key.as_bytes(), bytes, PendingOp::Nothing);
        hash
    }

    /// Says again in the log who leads, for those outside: in a log that was lost or trimmed the
    /// claim is no more. For members it comes too late and does not count.
    pub fn claim_again(&mut self, cx: &mut Ctx) {
        let lately = self.elect.claimed_again.is_some_and(|at| cx.now.mono < at + CHALLENGE_EVERY);
        let Some(replica) = self.replica.as_ref().filter(|_| self.leading() && !lately) else { return };
        let (term, prev, channel) = (replica.fold.term, replica.fold.claim, replica.fold.channel);
        self.elect.claimed_again = Some(cx.now.mono);
        self.append_claim(cx, term, prev, Some(channel));
    }

    /// What the leader key says.
    pub fn on_leader_key(&mut self, cx: &mut Ctx, result: Result<SignalReply, PortError>) {
        if self.leading() || self.phase != Phase::Joined {
            return;
        }
        let wait = match result {
            Ok(SignalReply::Value(Some((_, left)))) => {
                left.unwrap_or(cx.cfg.lease).clamp(200, cx.cfg.lease) + cx.jitter(50, 300)
            }
            Ok(SignalReply::Value(None)) => {
                self.challenge_now(cx);
                cx.cfg.lease / 3
            }
            _ => cx.cfg.lease,
        };
        self.elect.look_at = Some(cx.now.mono + wait);
    }

    pub fn renew_key(&mut self, cx: &mut Ctx) {
        let op =
            SignalOp::Renew { key: leader_key(&self.wire), value: cx.me().to_string(), ttl: cx.cfg.lease };
        self.signal(cx, op, PendingOp::Renewed(self.key.clone()));
    }

    pub fn on_renewed(&mut self, cx: &mut Ctx, result: Result<SignalReply, PortError>) {
        if self.leading() && matches!(result, Ok(SignalReply::Renewed(false))) {
            // The service forgot, or somebody else is trying: the log decides, the key is only a
            // hint.
            let op = SignalOp::Claim {
                key: leader_key(&self.wire),
                value: cx.me().to_string(),
                ttl: cx.cfg.lease,
            };
            self.hint(cx, op);
            self.publish_status(cx);
        }
    }

    /// Hints for those outside: who leads, and what LIST may show.
    pub fn publish_status(&mut self, cx: &mut Ctx) {
        let Some(replica) = &self.replica else { return };
        let state = &replica.state;
        let hidden = state.has('s') || state.has('p');
        let topic = state.topic().filter(|_| !hidden).map(|t| t.0.to_owned()).unwrap_or_default();
        let modes = if hidden { String::new() } else { state.mode_string(false).0 };
        let members = if hidden { String::new() } else { state.members.len().to_string() };
        let fields = [
            ("name", self.room.as_str().to_owned()),
            ("leader", cx.me().to_string()),
            ("channel", replica.fold.channel.to_string()),
            ("topic", topic),
            ("modes", modes),
            ("members", members),
            ("hidden", if hidden { "1".to_owned() } else { String::new() }),
        ];
        let fields = fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        self.hint(cx, SignalOp::HashSet { key: status_key(&self.wire), fields });
    }

    /// Somebody published on the channel's events.
    pub fn on_event(&mut self, cx: &mut Ctx, payload: &str) {
        let Ok(event) = serde_json::from_str::<serde_json::Value>(payload) else {
            return;
        };
        let text = |name: &str| event.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        match text("event") {
            // Somebody waits at the door and hears nothing: is there a leader at all?
            "WAIT" if self.phase == Phase::Joined && !self.leading() => {
                self.challenge_now(cx);
            }
            // Or it can't see who leads: the claim may be gone from the log.
            "WAIT" => self.claim_again(cx),
            "TYPING" => self.on_typing(cx, text("ct")),
            _ => {}
        }
    }

    fn on_typing(&mut self, cx: &mut Ctx, token: &str) {
        let Some(replica) = &self.replica else { return };
        let Some(key) = replica.fold.fresh_key().and_then(|key| self.ring.get(key)) else {
            return;
        };
        let Ok(plain) = key.decrypt(token) else {
            return;
        };
        let Ok(what) = serde_json::from_slice::<(String, String, String)>(&plain) else {
            return;
        };
        let (channel, actor, state) = what;
        let Ok(actor) = ActorId::parse(&actor) else {
            return;
        };
        if channel != self.wire || actor == cx.me() || !replica.state.actors.contains_key(&actor) {
            return;
        }
        let e = Envelope::new("TYPING")
            .from(self.nick_of(cx, &actor.owner()))
            .to(self.name.as_str())
            .param(if state == "active" { "active" } else { "done" });
        cx.broadcast_cap("typing", &e);
    }

    /// Tells the others that one is typing.
    pub fn send_typing(&mut self, cx: &mut Ctx, state: &str) {
        let Some(replica) = self.replica.as_ref().filter(|r| r.state.actors.len() > 1) else { return };
        let Some(key) = replica.fold.fresh_key().and_then(|key| self.ring.get(key)) else {
            return;
        };
        if self.typing_sent.is_some_and(|at| cx.now.mono < at + 2_000) && state == "active" {
            return;
        }
        self.typing_sent = (state == "active").then_some(cx.now.mono);
        let what = (self.wire.as_str(), cx.me().to_string(), state);
        let token = key.encrypt(&serde_json::to_vec(&what).unwrap_or_default());
        let payload = json!({"event": "TYPING", "ct": token}).to_string();
        self.hint(cx, SignalOp::Publish { channel: events(&self.wire), payload });
    }
}
