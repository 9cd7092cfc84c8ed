//! A registered client: lines become envelopes, envelopes become lines.
//!
//! It is a state machine without I/O. What a command means is in `commands`, how an envelope looks
//! is in `render`; this file owns what both share, and the order of things.

use std::collections::VecDeque;

use kirc_core::Envelope;
use kirc_core::names::casefold;
use kirc_core::numeric::Numeric;

use super::asks::{Asks, What};
use super::batch::Batches;
use super::caps::{Cap, Caps};
use super::codec::{Line, LineError};
use super::marks::Marks;
use super::multiline::Multiline;
use super::notices::Notices;
use super::people::People;
use super::playback::Arrival;
use super::register::{self, Registered};
use super::{SERVER, commands, hello, render};

/// Envelopes that wait for an answer about somebody at the most; beyond, the rest is shown with
/// what is known.
const HELD: usize = 4096;

/// What a line or an envelope leads to.
#[derive(Debug, Default)]
pub struct Turn {
    /// For the client.
    pub say: Vec<Line>,
    /// For the node.
    pub ask: Vec<Envelope>,
    /// The connection ends, with this text.
    pub close: Option<String>,
}

/// A client that is in.
#[derive(Debug)]
pub struct Client {
    /// The nick that the client has been told.
    pub(super) nick: String,
    /// The nick that it asked for: some use it before they read that it is not theirs.
    pub(super) wished: String,
    /// What the client called itself in USER.
    pub(super) user: String,
    /// The owner's actor id.
    pub(super) actor: String,
    pub(super) caps: Caps,
    pub(super) people: People,
    pub(super) batches: Batches,
    pub(super) marks: Marks,
    pub(super) notices: Notices,
    pub(super) multiline: Multiline,
    pub(super) asks: Asks,
    /// The command with a label that is being handled.
    group: Option<u64>,
    arrival: Option<Arrival>,
    /// Channels and what was missed are not shown yet.
    pub(super) arriving: bool,
    /// The question about somebody that the envelopes in `held` wait for.
    hold: Option<u64>,
    held: VecDeque<Envelope>,
}

impl Client {
    /// A client that has just registered, and what its session says first.
    pub fn new(who: Registered) -> (Self, Turn) {
        let mut client = Self {
            wished: who.nick.clone(),
            nick: who.nick,
            user: who.user,
            actor: String::new(),
            caps: who.caps,
            people: People::default(),
            batches: Batches::default(),
            marks: Marks::default(),
            notices: Notices::default(),
            multiline: Multiline::default(),
            asks: Asks::default(),
            group: None,
            arrival: Some(Arrival::default()),
            arriving: true,
            hold: None,
            held: VecDeque::new(),
        };
        let mut turn = Turn::default();
        let caps = ["state", "typing", "presence", "replay", "status"];
        turn.ask.push(Envelope::new("HELLO").meta("caps", caps.to_vec()));
        client.ask(&mut turn, Envelope::new("PING").param("hello"), What::Caught);
        (client, turn)
    }

    /// What a line of the client leads to.
    pub fn line(&mut self, line: &Line) -> Turn {
        let mut turn = Turn::default();
        let label = line.tag_value("label").filter(|l| !l.is_empty() && self.caps.has(Cap::LabeledResponse));
        self.group = label.map(|label| self.asks.begin(label));
        commands::handle(self, &mut turn, line);
        if let Some(group) = self.group.take()
            && let Some((label, lines)) = self.asks.close(group)
        {
            turn.say.extend(self.batches.labeled(self.caps, &label, lines));
        }
        turn
    }

    /// What bytes that are no line lead to.
    pub fn bad_line(&mut self, error: LineError) -> Turn {
        let mut turn = Turn::default();
        let line = match error {
            LineError::Long => register::reply(kirc_core::numeric::ERR_INPUTTOOLONG, &self.nick, &[], ""),
            LineError::Utf8 => {
                self.standard("FAIL", "*", "INVALID_UTF8", &[], "The line is not UTF-8, and was not read")
            }
            LineError::Form => return turn,
        };
        turn.say.push(line);
        turn
    }

    /// What an envelope of the node leads to.
    pub fn envelope(&mut self, envelope: Envelope) -> Turn {
        let mut turn = Turn::default();
        if self.arrival.is_some() {
            self.arriving(&mut turn, envelope);
            return turn;
        }
        self.in_order(&mut turn, envelope);
        turn
    }

    /// Shows an envelope, or holds it back until it is known who it is of.
    fn in_order(&mut self, turn: &mut Turn, envelope: Envelope) {
        let answers = self.asks.of(&envelope).map(|(number, _)| number);
        match self.hold {
            Some(hold) if answers == Some(hold) => {
                self.show(turn, &envelope);
                if !self.asks.is_open(hold) {
                    self.hold = None;
                    while self.hold.is_none()
                        && let Some(next) = self.held.pop_front()
                    {
                        self.show_or_hold(turn, next);
                    }
                }
            }
            Some(_) if self.held.len() < HELD => self.held.push_back(envelope),
            _ => self.show_or_hold(turn, envelope),
        }
    }

    fn show_or_hold(&mut self, turn: &mut Turn, envelope: Envelope) {
        match self.unknown_people(&envelope) {
            Some(question) if self.hold.is_none() => {
                self.held.push_front(envelope);
                self.ask_for_people(turn, question);
                self.hold = Some(self.asks.last());
            }
            _ => self.show(turn, &envelope),
        }
    }

    /// The question about people that has to be answered before an envelope can be shown.
    fn unknown_people(&self, e: &Envelope) -> Option<Envelope> {
        let shown = ["PRIVMSG", "NOTICE", "JOIN", "PART", "KICK", "MODE", "TOPIC", "NICK", "INVITE"];
        let actor = e.meta_str("actor").filter(|_| shown.contains(&e.command.as_str()))?;
        if actor == self.actor {
            // One's own coming: the members of the channel.
            let joined = e.command == "JOIN" && !e.meta.contains_key("replay") && !self.held_for(e);
            return joined.then(|| Envelope::new("WHO").to(e.to.as_deref().unwrap_or_default()));
        }
        (!self.people.knows(actor)).then(|| Envelope::new("WHO").to(actor))
    }

    /// Whether the people that an envelope needs were asked for already: it was held for that.
    fn held_for(&self, e: &Envelope) -> bool {
        self.marks.is_in(e.to.as_deref().unwrap_or_default())
    }

    /// Asks the node something of the listener's own.
    pub(super) fn ask_for_people(&mut self, turn: &mut Turn, question: Envelope) {
        // If nobody knows, it is not asked for again and again.
        match question.to.as_deref() {
            Some(channel) if channel.starts_with('#') => self.marks.enter(channel),
            Some(actor) => {
                let own = self.people.prefix("", "", &self.actor);
                let cluster = own.rsplit('@').next().unwrap_or_default().to_owned();
                self.people.learn(actor, actor, &cluster);
            }
            None => {}
        }
        let group = self.group.take();
        self.ask(turn, question, What::People);
        self.group = group;
    }

    /// Asks the node something; the answer is part of the command that is being handled.
    pub(super) fn ask(&mut self, turn: &mut Turn, envelope: Envelope, what: What) {
        turn.ask.push(self.asks.ask(envelope, what, self.group));
    }

    /// Tells the node something that it does not answer.
    pub(super) fn tell(&mut self, turn: &mut Turn, envelope: Envelope) {
        turn.ask.push(envelope);
    }

    /// Says a line, as part of the answer to the command that is being handled.
    pub(super) fn say(&mut self, turn: &mut Turn, line: Line) {
        let rest = match self.group {
            Some(group) => self.asks.collect(group, line),
            None => Some(line),
        };
        turn.say.extend(rest);
    }

    /// Says a numeric.
    pub(super) fn numeric(&mut self, turn: &mut Turn, numeric: Numeric, params: &[&str], text: &str) {
        let line = register::reply(numeric, &self.nick, params, text);
        self.say(turn, line);
    }

    /// Says that a command failed: by FAIL if the client knows it, by NOTICE if not.
    pub(super) fn fail(&mut self, turn: &mut Turn, command: &str, code: &str, about: &[&str], text: &str) {
        let line = self.standard("FAIL", command, code, about, text);
        self.say(turn, line);
    }

    /// A standard reply, or a NOTICE for clients without the capability.
    pub(super) fn standard(&self, kind: &str, command: &str, code: &str, about: &[&str], text: &str) -> Line {
        if self.caps.has(Cap::StandardReplies) {
            let mut line = Line::new(kind).from(SERVER).param(command).param(code);
            line.params.extend(about.iter().map(|p| (*p).to_owned()));
            return line.text(text);
        }
        match about {
            [first, ..] => self.notice(&format!("{first}: {text}")),
            [] => self.notice(text),
        }
    }

    /// A NOTICE of the server.
    pub(super) fn notice(&self, text: &str) -> Line {
        Line::new("NOTICE").from(SERVER).param(&self.nick).text(text)
    }

    /// The client's own prefix.
    pub(super) fn own_prefix(&self) -> String {
        self.people.prefix(&self.nick, &self.actor, &self.actor)
    }

    /// Whether this is the client's own nick.
    pub(super) fn is_me(&self, nick: &str) -> bool {
        casefold(nick) == casefold(&self.nick)
    }

    /// Shows an envelope, as part of the answer to what it answers.
    pub(super) fn show(&mut self, turn: &mut Turn, envelope: &Envelope) {
        let asked = self.asks.of(envelope).map(|(number, ask)| (number, ask.what.clone(), ask.group));
        let Some((number, what, group)) = asked else {
            return render::show(self, turn, envelope, None);
        };
        self.group = group;
        render::show(self, turn, envelope, Some(&what));
        self.group = None;
        if let Some((label, lines)) = self.asks.answered(number, envelope) {
            turn.say.extend(self.batches.labeled(self.caps, &label, lines));
        }
    }

    /// Handles an envelope before all channels and what was missed are shown.
    fn arriving(&mut self, turn: &mut Turn, envelope: Envelope) {
        if envelope.command == "001" && self.actor.is_empty() {
            self.actor = envelope.meta_str("actor").unwrap_or_default().to_owned();
            let nick = envelope.to.clone().unwrap_or_default();
            hello::greet(self, turn);
            if let Some(arrival) = &mut self.arrival {
                arrival.nick = nick;
            }
            return;
        }
        let Some(mut arrival) = self.arrival.take() else { return };
        if !arrival.hear(self, turn, envelope) {
            self.arrival = Some(arrival);
            return;
        }
        self.arriving = false;
        for envelope in arrival.show(self, turn) {
            self.in_order(turn, envelope);
        }
    }
}
