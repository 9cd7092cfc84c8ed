//! `kirc tail`: follows a channel or a conversation.

use clap::Args;
use kirc_core::Envelope;
use kirc_core::names::casefold;

use super::talk::{self, Talk};
use super::{Failure, Global, Outcome, block_on, history, show, signals};

const EXAMPLES: &str = "\
Examples:
  kirc tail '#net'
  kirc tail --join '#ops' --lines 0
  kirc tail bob
  kirc tail '#net' --json | jq -r 'select(.command==\"PRIVMSG\") | .body[]'";

/// Flags of `kirc tail`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TailArgs {
    /// A channel, or a nick
    #[arg(value_parser = super::talk::target)]
    target: String,
    /// How much of what was said before is shown first
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=500))]
    lines: u32,
    /// Join the channel first, if need be
    #[arg(long)]
    join: bool,
    /// The key of the channel to join
    #[arg(long, value_name = "KEY", requires = "join")]
    key: Option<String>,
    /// One envelope a line
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(global: &Global, args: &TailArgs) -> Outcome {
    let config = global.load()?;
    let _log = super::starter::log_to_file(&config)?;
    block_on(async {
        let ended = signals::ended()?;
        let mut talk = Talk::open(&config, &[]).await?;
        let result = tokio::select! {
            result = follow(&mut talk, args) => result,
            () = ended => Ok(()),
        };
        talk.close().await;
        result
    })
}

async fn follow(talk: &mut Talk, args: &TailArgs) -> Outcome {
    let failed = |e: std::io::Error| Failure::failed(format!("stdout can't be written: {e}"));
    let mut subject = Subject::new(&args.target, &talk.nick);
    if talk::is_channel(&args.target) {
        talk.in_channel(&args.target, args.join, args.key.as_deref()).await?;
    } else if let Ok(answer) = talk.ask(Envelope::new("CONTACT").param("show").param(&args.target)).await {
        subject.is(&answer);
    }
    if args.lines > 0 {
        let before = history::fetch(talk, &args.target, &[], args.lines).await?.messages;
        for message in &before {
            if !show::envelope(message, args.json, false).map_err(failed)? {
                return Ok(());
            }
        }
    }
    loop {
        let heard = talk.hear().await?;
        if heard.meta.contains_key("reattached") {
            eprintln!("kirc: {}", talk::text(&heard));
        } else if subject.concerns(&heard) && !show::envelope(&heard, args.json, false).map_err(failed)? {
            return Ok(());
        }
    }
}

/// What is followed: a channel, or a person, whatever it and oneself are called meanwhile.
struct Subject {
    /// The channel's name, or the nick, folded.
    name: String,
    /// One's own nick, folded.
    own: String,
    /// The person's actor id, once it is known.
    actor: Option<String>,
}

impl Subject {
    fn new(target: &str, own: &str) -> Self {
        Self { name: casefold(target), own: casefold(own), actor: None }
    }

    /// The contact of this name is who is followed.
    fn is(&mut self, contact: &Envelope) {
        if let Some(kirc_core::Body::Array(list)) = &contact.body {
            self.actor = list.first().and_then(|c| c["actor"].as_str()).map(str::to_owned);
        }
    }

    /// Whether an envelope belongs to this conversation. Who changes its nick is followed.
    fn concerns(&mut self, heard: &Envelope) -> bool {
        if heard.command.as_bytes().iter().all(u8::is_ascii_digit) || heard.command == "HISTORY" {
            return false;
        }
        let is = |name: &Option<String>, want: &str| name.as_deref().map(casefold).as_deref() == Some(want);
        if talk::is_channel(&self.name) {
            return is(&heard.to, &self.name);
        }
        let by = heard.meta_str("actor");
        let mine = heard.meta.get("self").is_some_and(|v| v == true);
        let theirs = !mine && (by.is_some() && by == self.actor.as_deref() || is(&heard.from, &self.name));
        if heard.command == "NICK" {
            if let Some(nick) = heard.params.first() {
                match (mine, theirs) {
                    (true, _) => self.own = casefold(nick),
                    (_, true) => self.name = casefold(nick),
                    _ => {}
                }
            }
            return false;
        }
        let to_own = is(&heard.to, &self.own);
        if theirs && to_own && by.is_some() && self.actor.is_none() {
            self.actor = by.map(str::to_owned);
        }
        if theirs && to_own {
            self.name = heard.from.as_deref().map_or_else(|| self.name.clone(), casefold);
        }
        // What is said to the person, or by it to oneself.
        is(&heard.to, &self.name) || (theirs && to_own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(from: &str, to: &str, actor: &str) -> Envelope {
        Envelope::new("PRIVMSG").from(from).to(to).line("hi").meta("actor", actor)
    }

    #[test]
    fn a_person_is_followed_through_changes_of_nicks() {
        let mut bob = Subject::new("bob", "alice");
        assert!(bob.concerns(&said("bob", "alice", "b")));
        assert!(!bob.concerns(&said("bob", "#net", "b")));
        assert!(!bob.concerns(&said("carol", "alice", "c")));
        assert!(bob.concerns(&said("alice", "bob", "a").meta("self", true)));
        assert!(!bob.concerns(&Envelope::new("NICK").from("alice").param("al").meta("self", true)));
        assert!(bob.concerns(&said("bob", "al", "b")));
        assert!(bob.concerns(&said("robert", "al", "b")), "it is the same one");
        assert!(bob.concerns(&said("al", "robert", "a").meta("self", true)));
        assert!(!bob.concerns(&said("carol", "al", "c")));
        let mut net = Subject::new("#Net", "alice");
        assert!(net.concerns(&said("bob", "#net", "b")));
    }
}
