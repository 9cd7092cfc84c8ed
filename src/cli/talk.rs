//! A session for subcommands that make a few requests and end: `HELLO`, requests with labels,
//! replies.
//!
//! This module prints nothing.

use std::sync::Arc;
use std::time::Duration;

use kirc_core::Envelope;
use serde_json::Value;
use tokio::time::timeout;

use super::Failure;
use super::starter::NodeStarter;
use crate::attach::{Link, Rest};
use crate::config::Config;
use crate::session::Session;

/// How long a node may take to greet.
const GREETING: Duration = Duration::from_secs(15);
/// How long a node that just began may take to read what came while none ran.
const CATCH_UP: Duration = Duration::from_secs(3);
/// How long the node may take to say what is wrong.
const TROUBLE: Duration = Duration::from_secs(1);
/// How long an answer may take that needs the node only.
const ANSWER: Duration = Duration::from_secs(15);

/// A session with labels.
pub struct Talk {
    session: Session,
    rest: Rest,
    labels: u64,
    /// One's own nick, as the node gave it.
    pub nick: String,
}

impl Talk {
    /// Becomes the node or attaches to it, and says `HELLO`.
    pub async fn open(config: &Config, caps: &[&str]) -> Result<Self, Failure> {
        let link = open(config).await?;
        let hosting = link.hosting();
        let (session, rest) = link.split();
        let mut talk = Self { session, rest, labels: 0, nick: String::new() };
        let begun = async {
            if hosting {
                talk.catch_up().await?;
            }
            talk.greet(caps).await
        };
        match begun.await {
            Ok(()) => Ok(talk),
            Err(failure) => {
                talk.close().await;
                Err(failure)
            }
        }
    }

    async fn greet(&mut self, caps: &[&str]) -> Result<(), Failure> {
        let caps: Vec<Value> = caps.iter().map(|c| Value::from(*c)).collect();
        let label = self.say(Envelope::new("HELLO").meta("caps", caps)).await?;
        let mut wait = Wait::of(&Envelope::new("HELLO"));
        let greeted = timeout(GREETING, async {
            loop {
                let heard = self.hear().await?;
                wait.hear(&heard, &label);
                if heard.command == "001" && heard.meta_str("label") == Some(&label) {
                    return Ok(heard);
                }
            }
        });
        let greeted = greeted.await;
        if greeted.is_err() && wait.why.is_none() {
            wait.why = self.trouble().await;
        }
        let greeting: Result<Envelope, Failure> = greeted.unwrap_or_else(|_| {
            Err(Failure::failed(match &wait.why {
                Some(why) => format!("the node of this profile runs, but does not answer: {why}"),
                None => "the node does not answer".to_owned(),
            }))
        });
        self.nick = greeting?.to.unwrap_or_default();
        Ok(())
    }

    /// The node that just began here has read what came while none ran; or that takes too long.
    async fn catch_up(&mut self) -> Result<(), Failure> {
        self.say(Envelope::new("HELLO").meta("caps", vec!["status"])).await?;
        let read = timeout(CATCH_UP, async {
            while self.hear().await?.get("caught_up").and_then(Value::as_bool) != Some(true) {}
            Ok(())
        });
        read.await.unwrap_or(Ok(()))
    }

    /// What is wrong with a service of the node, in its own words.
    async fn trouble(&mut self) -> Option<String> {
        let label = self.say(Envelope::new("STATUS")).await.ok()?;
        let status = timeout(TROUBLE, async {
            loop {
                let heard = self.hear().await.ok()?;
                if heard.meta_str("label") == Some(&label) {
                    return Some(heard);
                }
            }
        });
        let status = status.await.ok()??;
        // The node's own word that it waits comes under the label too.
        let own = (status.command == "NOTICE").then(|| text(&status));
        let services = status.get("services").and_then(Value::as_object).into_iter().flatten();
        let mut down = services.filter(|(_, service)| service["up"] == false);
        own.or_else(|| down.next().map(|(_, s)| super::show::clean(s["reason"].as_str().unwrap_or_default())))
    }

    /// Says something; gives the label that its answers carry.
    pub async fn say(&mut self, envelope: Envelope) -> Result<String, Failure> {
        self.labels += 1;
        let label = format!("cli-{}", self.labels);
        let said = envelope.meta("label", label.clone());
        match self.session.to_node.send(said).await {
            Ok(()) => Ok(label),
            Err(_) => Err(gone()),
        }
    }

    /// The next thing that is heard.
    pub async fn hear(&mut self) -> Result<Envelope, Failure> {
        let heard = self.session.from_node.recv().await.ok_or_else(gone)?;
        // The node's last word to this session says why it is the last.
        if heard.command == "ERROR" && heard.meta.get("closing").is_some_and(|v| *v == true) {
            return Err(Failure::failed(text(&heard)));
        }
        Ok(heard)
    }

    /// Asks, and gives the first answer that `last` accepts; a refusal becomes a failure.
    pub async fn ask_until(
        &mut self,
        question: Envelope,
        patience: Duration,
        mut last: impl FnMut(&Envelope) -> bool,
    ) -> Result<Envelope, Failure> {
        // A node in another process refuses what is no envelope without knowing what it would have
        // been.
        question.check().map_err(|e| Failure::failed(format!("nothing was sent: {e}")))?;
        let mut wait = Wait::of(&question);
        let label = self.say(question).await?;
        let answered = timeout(patience, async {
            loop {
                let heard = self.hear().await?;
                if heard.meta.contains_key("reattached") {
                    return Err(Failure::failed(format!("{} (try again)", text(&heard))));
                }
                wait.hear(&heard, &label);
                if heard.meta_str("label") != Some(&label) {
                    continue;
                }
                if is_refusal(&heard) {
                    return Err(Failure::failed(text(&heard)));
                }
                if last(&heard) {
                    return Ok(heard);
                }
            }
        });
        match answered.await {
            Ok(answered) => answered,
            Err(_) => {
                wait.why = match wait.why.take() {
                    None => self.trouble().await,
                    why => why,
                };
                Err(Failure::failed(wait.given_up(patience)))
            }
        }
    }

    /// Asks for something that is answered by the same command.
    pub async fn ask(&mut self, question: Envelope) -> Result<Envelope, Failure> {
        let command = question.command.clone();
        self.ask_until(question, ANSWER, |heard| heard.command == command).await
    }

    /// Fails unless the channel is joined; with `join` it joins.
    pub async fn in_channel(&mut self, channel: &str, join: bool, key: Option<&str>) -> Result<(), Failure> {
        if join {
            let mut question = Envelope::new("JOIN").to(channel);
            if let Some(key) = key {
                question = question.param(key);
            }
            return self
                .ask_until(question, Duration::from_secs(60), |h| h.command == "366")
                .await
                .map(|_| ());
        }
        let status = self.ask(Envelope::new("STATUS")).await?;
        let folded = kirc_core::names::casefold(channel);
        let joined = status.get("channels").and_then(Value::as_object).is_some_and(|channels| {
            channels
                .iter()
                .any(|(name, state)| kirc_core::names::casefold(name) == folded && state["phase"] != "left")
        });
        if joined {
            return Ok(());
        }
        Err(Failure::failed(format!("you are not in {channel}; join it first, or say --join")))
    }

    /// Ends the session, and the node if it runs here.
    pub async fn close(self) {
        drop(self.session);
        self.rest.close().await;
    }
}

/// What is heard while an answer is waited for: it says why none comes.
struct Wait {
    asked: String,
    to: Option<String>,
    /// The message's id, once the node has taken it in.
    kept: Option<String>,
    why: Option<String>,
}

impl Wait {
    fn of(question: &Envelope) -> Self {
        Self { asked: question.command.clone(), to: question.to.clone(), kept: None, why: None }
    }

    fn hear(&mut self, heard: &Envelope, label: &str) {
        let ours = heard.meta_str("label") == Some(label);
        let same = |a: &str, b: &str| kirc_core::names::casefold(a) == kirc_core::names::casefold(b);
        let here = heard.to.as_deref().zip(self.to.as_deref()).is_some_and(|(a, b)| same(a, b));
        let says = match heard.command.as_str() {
            "ALARM" => here,
            "STATE" => heard.id.is_some() && heard.id == self.kept,
            // The node's own word on a JOIN that nobody answers.
            "NOTICE" => ours && heard.from.as_deref() == Some(kirc_core::names::NODE),
            _ => false,
        };
        if says && !heard.lines().is_empty() {
            self.why = Some(super::show::clean(&heard.lines().join(" ")));
        }
        if ours && heard.id.is_some() && matches!(heard.meta_str("state"), Some("sending" | "waiting")) {
            self.kept.clone_from(&heard.id);
        }
    }

    fn given_up(&self, patience: Duration) -> String {
        let (asked, time) = (&self.asked, crate::config::duration_text(patience.as_millis() as u64));
        let why = self.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        match self.kept {
            Some(_) => format!(
                "the message was not sent within {time}{why}. It is kept, and will be sent as soon as that is possible while a node of this profile runs (kirc tui, kirc node)"
            ),
            None => format!("no answer to {asked} within {time}{why}"),
        }
    }
}

/// Becomes the node or attaches to it.
pub async fn open(config: &Config) -> Result<Link, Failure> {
    crate::profile::check(&config.paths)?;
    let starter = Arc::new(NodeStarter::new(config));
    let link = Link::open(&config.paths, starter.clone()).await?;
    starter.ask_no_more();
    Ok(link)
}

/// Reads whom something is said to: a channel, or somebody by nick or by actor id.
pub fn target(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("say whom you mean: a channel (#net), or a nick".to_owned());
    }
    if is_channel(text) {
        kirc_core::names::ChannelName::parse(text).map_err(|e| e.to_string())?;
    } else if kirc_core::ids::ActorId::parse(text).is_err() {
        kirc_core::names::Nick::parse(text).map_err(|e| e.to_string())?;
    }
    Ok(text.to_owned())
}

/// Whether this is a channel's name.
pub fn is_channel(target: &str) -> bool {
    target.starts_with('#')
}

/// Whether an answer says no: an IRC error numeric, or `ERROR`.
pub fn is_refusal(envelope: &Envelope) -> bool {
    envelope.command == "ERROR" || kirc_core::numeric::refuses(&envelope.command)
}

/// The text of an answer.
pub fn text(envelope: &Envelope) -> String {
    let lines = envelope.lines();
    let about = envelope.params.first().filter(|_| is_refusal(envelope));
    let said = super::show::clean(&lines.join(" "));
    match about.map(|about| super::show::clean(about)) {
        Some(about) if !said.starts_with(&about) => format!("{about}: {said}"),
        _ => said,
    }
}

fn gone() -> Failure {
    Failure::failed("the node has ended")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(state: &str) -> Envelope {
        let e = Envelope::new("PRIVMSG").to("#net").line("hi").meta("state", state).meta("label", "cli-2");
        Envelope { id: Some("one".into()), ..e }
    }

    #[test]
    fn who_gives_up_says_why_and_what_becomes_of_the_message() {
        let patience = Duration::from_secs(30);
        let mut wait = Wait::of(&Envelope::new("PRIVMSG").to("#Net").line("hi"));
        assert_eq!(wait.given_up(patience), "no answer to PRIVMSG within 30s");
        wait.hear(&message("sending"), "cli-2");
        assert!(wait.given_up(patience).contains("within 30s. It is kept"), "{}", wait.given_up(patience));
        let alarm = |to: &str, text: &str| Envelope::new("ALARM").to(to).param("clock").line(text);
        wait.hear(&alarm("#other", "elsewhere"), "cli-2");
        wait.hear(&alarm("#net", "your clock is off"), "cli-2");
        assert!(wait.given_up(patience).contains("(your clock is off). It is kept"));
        let state = |id: &str| Envelope {
            id: Some(id.into()),
            ..Envelope::new("STATE").to("#net").param("waiting").line("no leader")
        };
        wait.hear(&state("two"), "cli-2");
        assert!(wait.given_up(patience).contains("your clock is off"));
        wait.hear(&state("one"), "cli-2");
        assert!(wait.given_up(patience).contains("(no leader)"));
    }

    #[test]
    fn a_join_that_nobody_answers_is_explained() {
        let mut wait = Wait::of(&Envelope::new("JOIN").to("#net"));
        wait.hear(&Envelope::new("NOTICE").from("kirc").to("#net").line("nobody").meta("label", "x"), "x");
        assert_eq!(wait.given_up(Duration::from_secs(60)), "no answer to JOIN within 1m (nobody)");
    }
}
