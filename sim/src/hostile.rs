//! A leader that tampers with what it relays. It is a member like any other and has only its own
//! key.

use kirc_core::envelope::{Domain, Envelope};
use kirc_core::log::{Fold, LogRecord, act_plaintext, hash_record};
use kirc_core::names::ChannelName;
use kirc_core::port::Table;
use serde_json::Value;

use crate::host::Host;
use crate::plan::Plan;
use crate::rng::Dice;

/// A way to tamper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trick {
    /// The record is left out.
    Drop,
    /// It stands there twice.
    Repeat,
    /// It comes after the next.
    Reorder,
    /// Its bytes are changed.
    Garble,
    /// Its ciphertext is changed, and it is signed anew.
    Alter,
    /// An old record stands behind it once more, signed anew.
    Replay,
    /// Two different records claim its place.
    Fork,
    /// What its author said is changed, under a signature of one's own.
    Forge,
}

const TRICKS: [Trick; 8] = [
    Trick::Drop,
    Trick::Repeat,
    Trick::Reorder,
    Trick::Garble,
    Trick::Alter,
    Trick::Replay,
    Trick::Fork,
    Trick::Forge,
];

/// The node that tampers.
pub struct Hostile {
    /// Which machine it is.
    pub host: usize,
    /// Of 1,000 records, how many it tampers with.
    rate: u64,
    tricks: Vec<Trick>,
    seen: Vec<Envelope>,
}

/// Records that are appended in place of another, each after so many ms; those that wait are
/// overtaken.
pub type Tampered = Vec<(u64, Vec<u8>)>;

impl Hostile {
    /// Who it is and what it is up to.
    pub fn new(plan: &Plan, dice: &mut Dice) -> Self {
        let mut tricks: Vec<Trick> = TRICKS.into_iter().filter(|_| dice.chance(500)).collect();
        if tricks.is_empty() {
            tricks = TRICKS.to_vec();
        }
        Self { host: dice.index(plan.hosts), rate: dice.range(20, 300), tricks, seen: Vec::new() }
    }

    /// What is appended in place of a record; `None` leaves it as it is.
    pub fn tamper(&mut self, dice: &mut Dice, me: &Host, value: &[u8]) -> Option<Tampered> {
        let seen = Envelope::from_canonical(value).ok();
        let lately = self.seen.len().saturating_sub(6);
        let old = dice.pick(&self.seen[lately..]).cloned();
        self.seen.extend(seen.clone().filter(|e| matches!(e.command.as_str(), "LOG" | "BATCH")));
        if !dice.chance(self.rate) {
            return None;
        }
        let sign = |e: Envelope| e.sign(Domain::Log, &me.identity).to_canonical();
        let only = |value| Some(vec![(0, value)]);
        let whole = value.to_vec();
        match dice.pick(&self.tricks)? {
            Trick::Drop => Some(Vec::new()),
            Trick::Repeat => Some(vec![(0, whole.clone()), (0, whole)]),
            Trick::Reorder => Some(vec![(dice.range(50, 2_000), whole)]),
            Trick::Garble => only(garble(dice, value)),
            Trick::Alter => only(sign(alter(dice, seen?)?)),
            Trick::Replay => Some(vec![(0, whole), (0, sign(graft(&seen?, value, old?)?))]),
            Trick::Forge => only(sign(forge(dice, me, seen?)?)),
            Trick::Fork => {
                let seen = seen?;
                let forged = forge(dice, me, seen.clone()).filter(|_| dice.chance(500));
                let other = sign(forged.or_else(|| alter(dice, seen))?);
                Some(if dice.chance(500) {
                    vec![(0, whole), (0, other)]
                } else {
                    vec![(0, other), (0, whole)]
                })
            }
        }
    }

    /// A claim that nobody waits for: whether it counts is the others' to say.
    pub fn claim(&self, dice: &mut Dice, me: &Host) -> Option<(ChannelName, Vec<u8>)> {
        let heads = me.store.values().iter().filter(|((table, _), _)| *table == Table::Head);
        let heads: Vec<(&String, &Vec<u8>)> = heads.map(|((_, key), value)| (key, value)).collect();
        let (name, head) = dice.pick(&heads)?;
        let head: Value = serde_json::from_slice(head).ok()?;
        let fold: Fold = serde_json::from_value(head["fold"].clone()).ok()?;
        // On another grid it is called by its contact, here and nowhere else.
        let name = ChannelName::parse(ChannelName::parse(name).ok()?.local()).ok()?;
        let (term, nonce) = (fold.term.next(), dice.below(1 << 50));
        let bytes =
            LogRecord::claim(&me.identity, &me.card(), &name, term, fold.claim, Some(fold.channel), nonce);
        Some((name, bytes))
    }
}

fn garble(dice: &mut Dice, value: &[u8]) -> Vec<u8> {
    let mut bytes = value.to_vec();
    let at = dice.index(bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte = b'a' + dice.below(26) as u8;
    }
    bytes
}

/// One of the acts of a batch.
fn one_of<'a>(dice: &mut Dice, batch: &'a mut Envelope) -> Option<&'a mut Vec<Value>> {
    let Some(kirc_core::Body::Object(body)) = &mut batch.body else {
        return None;
    };
    let acts = body.get_mut("acts")?.as_array_mut()?;
    let at = dice.index(acts.len());
    acts.get_mut(at)?.as_array_mut()
}

/// Leaves out an act of a batch, or puts one before the next, or in there twice; or changes a
/// letter of one.
fn alter_batch(dice: &mut Dice, mut batch: Envelope) -> Option<Envelope> {
    let how = dice.below(4);
    if how == 0 {
        let token = one_of(dice, &mut batch)?.get_mut(2)?;
        *token = String::from_utf8(garble(dice, token.as_str()?.as_bytes())).ok()?.into();
        return Some(batch);
    }
    let Some(kirc_core::Body::Object(body)) = &mut batch.body else {
        return None;
    };
    let acts = body.get_mut("acts")?.as_array_mut()?;
    let at = dice.index(acts.len() - 1);
    match how {
        1 if acts.len() > 2 => drop(acts.remove(at)),
        2 => acts.swap(at, at + 1),
        _ => acts.insert(at, acts.get(at)?.clone()),
    }
    Some(batch)
}

/// Changes a letter of the ciphertext.
fn alter(dice: &mut Dice, mut envelope: Envelope) -> Option<Envelope> {
    if envelope.command == "BATCH" {
        return alter_batch(dice, envelope);
    }
    let Some(kirc_core::Body::Object(body)) = &mut envelope.body else {
        return None;
    };
    let value = body.get_mut("ct")?;
    let mut text: Vec<u8> = value.as_str()?.as_bytes().to_vec();
    let at = dice.index(text.len());
    *text.get_mut(at)? = b'a' + dice.below(26) as u8;
    *value = String::from_utf8(text).ok()?.into();
    Some(envelope)
}

/// The content of an old record, once more, at the place behind another.
fn graft(place: &Envelope, value: &[u8], mut old: Envelope) -> Option<Envelope> {
    for (name, value) in &place.meta {
        if name != "sig" {
            old.meta.insert(name.clone(), value.clone());
        }
    }
    let prev = hash_record(value).to_string();
    Some(old.meta("seq", place.meta_u64("seq")? + 1).meta("prev", prev))
}

/// Opens what an author said, says something else in its name, and signs that itself.
fn forge(dice: &mut Dice, me: &Host, mut place: Envelope) -> Option<Envelope> {
    if place.command == "BATCH" {
        let act = one_of(dice, &mut place)?;
        let [Value::String(from), Value::String(id), Value::String(token)] = act.as_slice() else {
            return None;
        };
        let forged = forge_act(dice, me, from, id, token)?;
        *act.get_mut(2)? = forged.into();
        return Some(place);
    }
    let token = place.get("ct")?.as_str()?;
    let forged = forge_act(dice, me, place.from.as_deref()?, place.id.as_deref()?, token)?;
    Some(place.field("ct", forged))
}

fn forge_act(dice: &mut Dice, me: &Host, from: &str, id: &str, token: &str) -> Option<String> {
    let held = me.store.values().iter().filter(|((table, _), _)| *table == Table::Key);
    let keys = me.channel_keys(held.map(|(_, value)| value));
    let (key, plain) = keys.iter().find_map(|k| Some((k, k.decrypt(token).ok()?)))?;
    let mut inner = Envelope::from_canonical(&plain).ok()?;
    (inner.from, inner.id) = (Some(from.to_owned()), Some(id.to_owned()));
    if inner.from.as_deref() == Some(me.identity.actor().to_string().as_str()) {
        return None;
    }
    inner.params.clear();
    inner.body = None;
    let inner = match dice.below(4) {
        0 => {
            inner.command = "PART".to_owned();
            inner
        }
        1 => {
            inner.command = "KICK".to_owned();
            inner.param(me.identity.actor().to_string())
        }
        _ => {
            inner.command = "PRIVMSG".to_owned();
            inner.line("something that nobody said")
        }
    };
    Some(key.encrypt(&act_plaintext(&inner.sign(Domain::Message, &me.identity))))
}
