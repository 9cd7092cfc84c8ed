//! `kirc pipe`: envelopes as JSON lines on stdin and stdout.
//!
//! This module owns the shutdown: no sent message may be lost without a report. The node interprets
//! the envelopes.

use std::time::Duration;

use clap::Args;
use kirc_core::Envelope;
use serde_json::Value;
use tokio::io::BufReader;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{Failure, Global, Outcome, block_on, signals, talk};
use crate::config::parse_duration;
use crate::pipe::{Lines, Pending, Writer};

const EXAMPLES: &str = "\
Examples:
  echo '{\"command\":\"JOIN\",\"to\":\"#net\"}' | kirc pipe
  (echo '{\"command\":\"JOIN\",\"to\":\"#net\"}'; cat) | kirc pipe --caps state,presence
  jq -nc '{command:\"PRIVMSG\",to:\"bob\",body:[\"hello\"]}' | kirc pipe --settle-timeout 10s

At the end of input it waits until all that was sent is settled, and exits 0; or 1 if that makes no
progress for too long. A line that is no envelope is answered by an ERROR envelope and otherwise
ignored. docs/session.md says what can be said.";

/// Flags of `kirc pipe`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PipeArgs {
    /// At the end of input: how long to wait while nothing more is settled [default:
    /// KIRC_SETTLE_TIMEOUT, 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    settle_timeout: Option<u64>,
    /// What is wanted beyond answers and messages: state, typing, presence, replay, status
    #[arg(long, value_name = "CAP", value_delimiter = ',', hide_possible_values = true,
        value_parser = ["state", "typing", "presence", "replay", "status"])]
    caps: Vec<String>,
}

/// Runs it.
pub fn run(global: &Global, args: &PipeArgs) -> Outcome {
    let config = global.load()?;
    let _log = super::starter::log_to_file(&config)?;
    let patience = Duration::from_millis(args.settle_timeout.unwrap_or(config.settings.settle_timeout));
    block_on(async {
        let ended = signals::ended()?;
        let (session, rest) = talk::open(&config).await?.split();
        let caps: Vec<Value> = args.caps.iter().cloned().map(Value::from).collect();
        let hello = Envelope::new("HELLO").meta("caps", caps);
        let _ = session.to_node.send(hello).await;
        let pipe = Pipe {
            to_node: session.to_node,
            from_node: session.from_node,
            pending: Pending::default(),
            patience,
        };
        let result = tokio::select! {
            result = pipe.run() => result,
            () = ended => Err(Failure::failed("ended by a signal; what was sent last may not be settled")),
        };
        rest.close().await;
        result
    })
}

struct Pipe {
    to_node: mpsc::Sender<Envelope>,
    from_node: mpsc::Receiver<Envelope>,
    pending: Pending,
    patience: Duration,
}

impl Pipe {
    async fn run(mut self) -> Outcome {
        let mut input = Some(Lines::start(BufReader::new(tokio::io::stdin())));
        let mut output = Writer::start(tokio::io::stdout());
        let mut deadline: Option<Instant> = None;
        let mut quit = false;
        // What is on its way to the node. While the node takes its time, its answers are still
        // read: it may wait for that.
        let mut outgoing: Option<Envelope> = None;
        loop {
            let waiting = deadline;
            tokio::select! {
                permit = self.to_node.reserve(), if outgoing.is_some() => match (permit, outgoing.take()) {
                    (Ok(permit), Some(envelope)) => permit.send(envelope),
                    // The end that was asked for is read below, with what the node said before it.
                    _ if quit => {}
                    _ => return Err(self.unsettled("the node ended this session")),
                },
                said = read(&mut input), if outgoing.is_none() => match said {
                    Some(Ok(envelope)) => {
                        quit |= envelope.command == "QUIT";
                        outgoing = Some(self.pending.sent(envelope));
                    }
                    Some(Err(refusal)) => {
                        if !output.write(refusal).await {
                            return Err(self.unsettled("nobody reads stdout any more"));
                        }
                    }
                    None => {
                        input = None;
                        deadline = Some(Instant::now() + self.patience);
                        outgoing = Some(self.pending.flush());
                    }
                },
                heard = self.from_node.recv() => {
                    let Some(envelope) = heard else {
                        let read = output.close().await;
                        // As it was asked to: an error only if something before it was not settled.
                        if quit && read && self.pending.open().is_empty() {
                            return Ok(());
                        }
                        return Err(self.unsettled("the node ended this session"));
                    };
                    if envelope.meta.contains_key("reattached") {
                        eprintln!("kirc: {}", talk::text(&envelope));
                        self.pending.doubtful();
                        if deadline.is_some() {
                            outgoing = Some(self.pending.flush());
                        }
                    }
                    let left = self.pending.count();
                    let shown = self.pending.heard(envelope);
                    if self.pending.count() < left && deadline.is_some() {
                        // It goes on: however much there is, it is waited for.
                        deadline = Some(Instant::now() + self.patience);
                    }
                    if let Some(envelope) = shown
                        && !output.write(envelope).await
                    {
                        return Err(self.unsettled("nobody reads stdout any more"));
                    }
                    if self.pending.flushed() {
                        if !output.close().await {
                            return Err(self.unsettled("nobody reads stdout any more"));
                        }
                        return match self.pending.lost() {
                            0 => Ok(()),
                            _ => Err(self.unsettled("the node's process ended in between")),
                        };
                    }
                }
                () = until(waiting) => {
                    let _ = output.close().await;
                    let seconds = self.patience.as_secs_f64();
                    return Err(self.unsettled(&format!("nothing more was within {seconds} s")));
                }
                () = output.closed() => {
                    return Err(self.unsettled("nobody reads stdout any more"));
                }
            }
        }
    }

    /// Says on stderr what is not settled.
    fn unsettled(&self, why: &str) -> Failure {
        let open = self.pending.open();
        if open.is_empty() {
            return Failure::failed(why);
        }
        let shown: Vec<String> = open.iter().take(20).map(|what| format!("\n  {what}")).collect();
        let more = match open.len().saturating_sub(shown.len()) {
            0 => String::new(),
            n => format!("\n  and {n} more"),
        };
        Failure::failed(format!("not settled ({why}):{}{more}", shown.concat()))
    }
}

async fn read(input: &mut Option<Lines>) -> Option<Result<Envelope, Envelope>> {
    match input {
        Some(lines) => lines.next().await,
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
