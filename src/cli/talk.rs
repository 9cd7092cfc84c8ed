//! A session for subcommands that ask a few questions and end: `HELLO`, questions with labels, answers.
//!
//! It may not print anything.

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
        let (session, rest) = open(config).await?.split();
        let mut talk = Self { session, rest, labels: 0, nick: String::new() };
        match talk.greet(caps).await {
            Ok(()) => Ok(talk),
            Err(failure) => {
                talk.close().await;
                Err(failure)
            }
        }
    }

    async fn greet(&mut self, caps: &[&str]) -> Result<(), Failure> {
        let caps: Vec<Value> = caps.iter().map(|c| Value::from(*c)).collect();
        self.say(Envelope::new("HELLO").meta("caps", caps)).await?;
        let greeted = timeout(GREETING, async {
            loop {
                let heard = self.hear().await?;
                if heard.command == "001" {
                    return Ok(heard);
                }
            }
        });
        let greeting: Result<Envelope, Failure> =
            greeted.await.unwrap_or_else(|_| Err(Failure::failed("the node does not answer")));
        self.nick = greeting?.to.unwrap_or_default();
        Ok(())
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
        self.session.from_node.recv().await.ok_or_else(gone)
    }

    /// Asks, and gives the first answer that `last` accepts; a refusal becomes a failure.
    pub async fn ask_until(
        &mut self,
        question: Envelope,
        patience: Duration,
        mut last: impl FnMut(&Envelope) -> bool,
    ) -> Result<Envelope, Failure> {
        let asked = question.command.clone();
        let label = self.say(question).await?;
        let answered = timeout(patience, async {
            loop {
                let heard = self.hear().await?;
                if heard.meta.contains_key("reattached") {
                    return Err(Failure::failed(format!("{} (try again)", text(&heard))));
                }
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
        answered.await.unwrap_or_else(|_| {
            Err(Failure::failed(format!("no answer to {asked} within {} s", patience.as_secs())))
        })
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

/// Becomes the node or attaches to it.
pub async fn open(config: &Config) -> Result<Link, Failure> {
    crate::profile::check(&config.paths)?;
    let starter = Arc::new(NodeStarter::new(config));
    let link = Link::open(&config.paths, starter.clone()).await?;
    starter.ask_no_more();
    Ok(link)
}

/// Whether this is a channel's name.
pub fn is_channel(target: &str) -> bool {
    target.starts_with('#')
}

/// Whether an answer says no: an IRC error numeric, or `ERROR`.
pub fn is_refusal(envelope: &Envelope) -> bool {
    let command = envelope.command.as_bytes();
    envelope.command == "ERROR" || (command.len() == 3 && matches!(command[0], b'4' | b'5'))
}

/// The text of an answer.
pub fn text(envelope: &Envelope) -> String {
    let lines = envelope.lines();
    let about = envelope.params.first().filter(|_| is_refusal(envelope));
    let said = super::show::clean(&lines.join(" "));
    match about {
        Some(about) => format!("{}: {said}", super::show::clean(about)),
        None => said,
    }
}

fn gone() -> Failure {
    Failure::failed("the node has ended")
}
