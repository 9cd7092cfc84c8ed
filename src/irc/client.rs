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

#[cfg(test)]
mod tests {
    use kirc_core::numeric::{self, reply};

    use super::*;

    /// What the node answers to a question.
    fn answer(question: &Envelope, answer: Envelope) -> Envelope {
        answer.meta("label", question.meta["label"].clone())
    }

    /// A client that has arrived at a node without channels.
    fn arrived(caps: &str) -> Client {
        let caps = Caps::default().requested(caps).unwrap();
        let (mut client, turn) = Client::new(Registered { nick: "me".into(), user: "me".into(), caps });
        client.envelope(Envelope::new("001").to("alice").meta("actor", "a1"));
        let asked = client.envelope(answer(&turn.ask[1], Envelope::new("PONG"))).ask;
        let who = reply(numeric::RPL_WHOISUSER, "alice", &["alice", "a1", "grid", "*"], "alice");
        client.envelope(answer(&asked[0], who));
        let turn = client.envelope(answer(&asked[0], Envelope::new("318")));
        assert_eq!(text(&turn), [":me!a1@grid NICK alice"]);
        client
    }

    fn text(turn: &Turn) -> Vec<String> {
        turn.say.iter().map(Line::to_text).collect()
    }

    #[test]
    fn what_somebody_unknown_does_waits_until_it_is_known_who_it_is() {
        let mut client = arrived("");
        let joined = client.envelope(Envelope::new("JOIN").from("bob").to("#net").meta("actor", "b1"));
        assert!(joined.say.is_empty());
        assert_eq!((joined.ask[0].command.as_str(), joined.ask[0].to.as_deref()), ("WHO", Some("b1")));
        let said = Envelope::new("PRIVMSG").from("bob").to("#net").line("hello").meta("actor", "b1");
        assert!(client.envelope(said).say.is_empty(), "it comes behind");
        let row = reply(numeric::RPL_WHOREPLY, "alice", &["*", "b1", "other", "kirc", "bob", "H"], "0 bob");
        assert!(client.envelope(answer(&joined.ask[0], row)).say.is_empty());
        let turn = client.envelope(answer(&joined.ask[0], Envelope::new("315")));
        assert_eq!(text(&turn), [":bob!b1@other JOIN #net", ":bob!b1@other PRIVMSG #net :hello"]);
    }

    #[test]
    fn a_message_that_waits_is_told_once_and_one_that_failed_is_told() {
        let mut client = arrived("standard-replies");
        let waits = || Envelope::new("STATE").to("#net").param("waiting").line("no key");
        let told = client.envelope(waits());
        assert!(text(&told)[0].contains(" NOTE PRIVMSG MESSAGE_WAITS #net :"), "{told:?}");
        assert!(client.envelope(waits()).say.is_empty());
        let failed = |id: &str| Envelope {
            id: Some(id.to_owned()),
            ..Envelope::new("STATE").to("#net").param("failed").line("you are banned")
        };
        let refused = reply(numeric::ERR_CANNOTSENDTOCHAN, "alice", &["#net"], "").meta("id", "i1");
        assert!(text(&client.envelope(refused))[0].contains(" 404 alice #net :"));
        assert!(client.envelope(failed("i1")).say.is_empty(), "it was told by 404");
        assert!(text(&client.envelope(failed("i2")))[0].contains(" FAIL PRIVMSG MESSAGE_REFUSED #net :"));
        let mut plain = arrived("");
        assert!(text(&plain.envelope(failed("i2")))[0].starts_with(":irc.kirc NOTICE alice :#net: "));
    }

    #[test]
    fn the_end_of_a_session_ends_the_connection() {
        let mut client = arrived("");
        let word = Envelope::new("ERROR").line("too slow").meta("closing", true);
        assert_eq!(client.envelope(word).close.as_deref(), Some("Closing link: too slow"));
        let turn = client.line(&Line::new("QUIT").text("bye"));
        assert!(turn.close.is_some() && turn.ask[0].command == "QUIT");
    }

    #[test]
    fn alarms_are_notices_and_others_nicks_change_once() {
        let mut client = arrived("");
        let alarm = Envelope::new("ALARM").to("#net").param("fork").line("two stories");
        assert_eq!(text(&client.envelope(alarm)), [":irc.kirc NOTICE #net :Warning: two stories"]);
        client.people.learn("b1", "bob", "grid");
        let nick =
            |channel: &str| Envelope::new("NICK").from("bob").to(channel).param("bobby").meta("actor", "b1");
        assert_eq!(text(&client.envelope(nick("#a"))), [":bob!b1@grid NICK bobby"]);
        assert!(client.envelope(nick("#b")).say.is_empty());
    }
}
