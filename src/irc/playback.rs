//! The arrival of a client: the channels that the owner is in, and what was missed.
//!
//! First everything is asked for and collected, then it is shown in order. What happens meanwhile
//! comes behind.

use std::collections::HashSet;

use kirc_core::names::casefold;
use kirc_core::{Body, Envelope};

use super::asks::What;
use super::caps::Cap;
use super::client::{Client, Turn};
use super::codec::Line;
use super::render;

/// Messages of a conversation that are played back at the most: the newest.
const MISSED: u64 = 200;

/// What has come so far.
#[derive(Debug, Default)]
pub struct Arrival {
    /// The node's nick.
    pub nick: String,
    replay: Vec<Envelope>,
    marks: Vec<Envelope>,
    missed: Vec<(String, Vec<Envelope>)>,
    live: Vec<Envelope>,
    asked: bool,
    open: usize,
}

impl Arrival {
    /// Takes in an envelope; whether everything is there.
    pub fn hear(&mut self, client: &mut Client, turn: &mut Turn, envelope: Envelope) -> bool {
        let asked = client.asks.of(&envelope).map(|(number, ask)| (number, ask.what.clone()));
        match asked {
            Some((number, What::Caught)) => {
                client.asks.answered(number, &envelope);
                self.ask(client, turn);
            }
            Some((number, What::People | What::MarkTime(_))) => {
                client.show(turn, &envelope);
                self.open -= usize::from(!client.asks.is_open(number));
            }
            Some((number, What::Missed(target))) => {
                client.asks.answered(number, &envelope);
                if !client.asks.is_open(number) {
                    self.open -= 1;
                    self.missed.push((target, said(&envelope)));
                }
            }
            // Of the service's state one wants to hear in any case; all else can wait.
            None if matches!(envelope.command.as_str(), "STATUS" | "ERROR" | "ALARM") => {
                client.show(turn, &envelope);
            }
            None if envelope.meta.contains_key("replay") && !self.asked => match envelope.command.as_str() {
                "MARKREAD" => self.marks.push(envelope),
                _ => self.replay.push(envelope),
            },
            _ => self.live.push(envelope),
        }
        self.asked && self.open == 0
    }

    /// Asks who is in the channels and what was missed.
    fn ask(&mut self, client: &mut Client, turn: &mut Turn) {
        self.asked = true;
        client.ask_for_people(turn, Envelope::new("WHOIS").to(self.nick.as_str()));
        self.open += 1;
        for joined in self.replay.iter().filter(|e| e.command == "JOIN") {
            let channel = joined.to.as_deref().unwrap_or_default();
            client.ask_for_people(turn, Envelope::new("WHO").to(channel));
            self.open += 1;
        }
        for mark in &self.marks {
            let target = mark.to.clone().unwrap_or_default();
            let read = mark.params.first();
            if mark.meta_u64("unread").unwrap_or(0) > 0 {
                let question = Envelope::new("HISTORY").to(target.as_str()).meta("limit", MISSED);
                let since = client.marks.missed_since(&target, read);
                let question = match since {
                    Some(id) => question.param("latest").param(id),
                    None => question,
                };
                client.ask(turn, question, What::Missed(target.clone()));
                self.open += 1;
            }
            if let Some(id) = read.filter(|_| client.caps.has(Cap::ReadMarker)) {
                client.ask_mark_time(turn, &target, id);
                self.open += 1;
            }
        }
    }

    /// Shows everything; gives what happened meanwhile.
    pub fn show(mut self, client: &mut Client, turn: &mut Turn) -> Vec<Envelope> {
        if self.nick != client.nick {
            let line = Line::new("NICK").from(client.own_prefix()).param(&self.nick);
            client.nick.clone_from(&self.nick);
            turn.say.push(line);
        }
        let mut shown = HashSet::new();
        for envelope in std::mem::take(&mut self.replay) {
            client.show(turn, &envelope);
            if envelope.command == "366"
                && let Some(channel) = envelope.params.first()
            {
                self.play(client, turn, &mut shown, Some(channel));
            }
        }
        self.play(client, turn, &mut shown, None);
        self.live.retain(|e| e.id.as_ref().is_none_or(|id| !shown.contains(id)));
        self.live
    }

    /// Plays back one conversation, or all that are left.
    fn play(
        &mut self,
        client: &mut Client,
        turn: &mut Turn,
        shown: &mut HashSet<String>,
        channel: Option<&String>,
    ) {
        let wanted = |target: &str| channel.is_none_or(|c| casefold(c) == casefold(target));
        let (now, later) = std::mem::take(&mut self.missed).into_iter().partition(|(t, _)| wanted(t));
        self.missed = later;
        let now: Vec<(String, Vec<Envelope>)> = now;
        for (target, envelopes) in now {
            shown.extend(envelopes.iter().filter_map(|e| e.id.clone()));
            play(client, turn, &target, &envelopes);
        }
    }
}

/// Everything in an answer to HISTORY.
pub fn envelopes(history: &Envelope) -> Vec<Envelope> {
    let Some(Body::Array(values)) = &history.body else { return Vec::new() };
    values.iter().filter_map(|v| serde_json::from_value::<Envelope>(v.clone()).ok()).collect()
}

/// The messages in an answer to HISTORY; what changed a channel is left out.
pub fn said(history: &Envelope) -> Vec<Envelope> {
    let mut all = envelopes(history);
    all.retain(is_said);
    all
}

/// Whether it is a message of somebody.
pub fn is_said(e: &Envelope) -> bool {
    matches!(e.command.as_str(), "PRIVMSG" | "NOTICE")
}

/// Says messages of the past: in a batch for clients that know batches.
pub fn play(client: &mut Client, turn: &mut Turn, target: &str, envelopes: &[Envelope]) {
    let lines: Vec<Line> = envelopes.iter().flat_map(|e| render::message(client, e, true)).collect();
    for envelope in envelopes {
        client.marks.seen(target, envelope);
    }
    for line in client.batches.wrap(client.caps, "chathistory", &[target], lines) {
        client.say(turn, line);
    }
}
