//! The join request: whom it goes to, and the answer.
//!
//! The answer is taken on trust until the log proves it; that is in `join`.

use serde_json::json;

use crate::channel::ActKind;
use crate::envelope::{Domain, Envelope};
use crate::identity::Card;
use crate::ids::{ActorId, MsgId};
use crate::node::channel::Channel;
use crate::node::channel::join::{JOIN, Join, PATIENCE};
use crate::node::ctx::Ctx;
use crate::node::rpc::part_of;
use crate::port::{ReadFrom, Topic};

/// How often the time doubles for who is asked by the log.
const SELDOM: usize = 3;
/// Requests before the last of which an answer is still taken.
const EARLIER: usize = 8;

impl Join {
    /// Gives up waiting for the answer to what was asked last; it may still come.
    pub(in crate::node::channel) fn give_up(&mut self) -> Option<Topic> {
        let (card, id, topic) = self.asked.take()?;
        self.earlier.push_back((card, id));
        while self.earlier.len() > EARLIER {
            let gone = self.earlier.pop_front().map(|(_, id)| id);
            self.parts.retain(|(id, _), _| Some(*id) != gone);
        }
        Some(topic)
    }

    /// Whom we asked what this answers, and whether that was last.
    fn answered(&self, e: &Envelope) -> Option<(Card, MsgId, bool)> {
        let from = ActorId::parse(e.from.as_deref()?).ok()?;
        let re = MsgId::parse(e.meta_str("re")?).ok()?;
        let last = self.asked.iter().map(|(card, id, _)| (card, *id, true));
        let mut all = last.chain(self.earlier.iter().map(|(card, id)| (card, *id, false)));
        all.find(|(card, id, _)| *id == re && card.actor() == from)
            .map(|(card, id, last)| (card.clone(), id, last))
    }
}

impl Channel {
    pub(in crate::node::channel) fn ask_leader(&mut self, cx: &mut Ctx, card: Card) {
        let me = cx.me().to_string();
        let topic = cx.topic(card.address(), &card.address().rpc_out, me.as_bytes());
        let id = cx.new_id();
        let here = cx.reaches(&card.address().cluster);
        let Some(join) = self.join.as_mut() else {
            return;
        };
        // By the log everybody hears of it: if nobody answers, ever more seldom.
        let ack_timeout = if here { PATIENCE } else { PATIENCE << join.tries.min(SELDOM) };
        join.give_up();
        join.asked = Some((card, id, topic.clone()));
        join.deadline = Some(cx.now.mono + ack_timeout);
        join.ready = !here || cx.readers.get(&topic).is_some_and(|r| !r.moving);
        if join.ready {
            self.send_ask(cx);
        } else if !cx.readers.contains_key(&topic) {
            cx.move_reader(&topic, ReadFrom::End);
        }
    }

    /// The answers of whom we ask are being read from now on.
    pub fn on_answers_read(&mut self, cx: &mut Ctx, topic: &Topic) {
        let Some(join) = self.join.as_mut() else {
            return;
        };
        if !join.ready && join.asked.as_ref().is_some_and(|(_, _, t)| t == topic) {
            join.ready = true;
            self.send_ask(cx);
        }
    }

    fn send_ask(&mut self, cx: &mut Ctx) {
        let Some(join) = self.join.as_ref() else {
            return;
        };
        let Some((card, id, _)) = join.asked.clone() else {
            return;
        };
        let Some(channel) = join.scan.tip().map(|(_, c)| c.channel) else {
            return;
        };
        let kind = ActKind::Join {
            card: Some(Box::new(cx.card.clone())),
            hosted: None,
            key: join.key.clone(),
            registered: true,
            tls: true,
        };
        let mut act = kind.to_envelope();
        act.from = Some(cx.me().to_string());
        act.to = Some(self.room.as_str().to_owned());
        act.id = Some(id.to_string());
        act.ts = Some(cx.ts());
        if let Some(way) = self.own_way(cx) {
            act = act.field("way", way);
        }
        let act = act.meta("ch", channel.to_string()).meta("n", JOIN.0).sign(Domain::Message, &cx.id);
        let bytes = cx.seal_to(&card, "ASK", id, &act, &[("channel", json!(self.room.as_str()))]);
        self.send_join_request(cx, &card, bytes);
    }

    /// A part of an answer arrived, at the asked one's `rpc-out` or in our own mailbox. True if it
    /// was ours.
    pub fn on_answer(&mut self, cx: &mut Ctx, e: &Envelope) -> bool {
        let Some(join) = self.join.as_mut() else {
            return false;
        };
        let Some((asked, id, last)) = join.answered(e) else {
            return false;
        };
        let Some((part, parts)) = part_of(e) else {
            return true;
        };
        join.parts.insert((id, part), e.lines().concat());
        let of_it = |(key, text): (&(MsgId, u64), &String)| (key.0 == id).then(|| text.clone());
        let here: Vec<String> = join.parts.iter().filter_map(of_it).collect();
        if (here.len() as u64) < parts {
            return true;
        }
        join.parts.retain(|(key, _), _| *key != id);
        let text = here.concat();
        let Some(answer) = cx.open_answer(&asked, &text) else {
            return true;
        };
        match answer.command.as_str() {
            "WELCOME" if last || self.replica.is_none() => self.on_welcome(cx, &answer),
            // Who was asked since knows better.
            _ if !last => {}
            "REDIRECT" => {
                let card =
                    answer.get("card").and_then(|c| serde_json::from_value::<Envelope>(c.clone()).ok());
                let next = card.and_then(|c| Card::parse(&c).ok());
                if let Some(card) = next.filter(|c| c.actor() != cx.me()) {
                    if let Some(way) = answer.get("way") {
                        cx.learn(&card.address().cluster, asked.actor(), false, way);
                    }
                    if let Some(join) = self.join.as_mut() {
                        join.tries += 1;
                    }
                    self.ask_leader(cx, card);
                }
            }
            _ => self.on_refused(cx, &answer),
        }
        true
    }
}
