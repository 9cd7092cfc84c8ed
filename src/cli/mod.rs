//! The command line: one definition from which parsing, help, completions and the man page are
//! generated.
//!
//! This module owns names, flags and exit codes. A subcommand's file contains its flags and its
//! implementation; none of them makes decisions about channels.

mod account;
mod bench;
mod completions;
mod contacts;
mod doctor;
mod files;
mod history;
mod identity;
mod invite;
mod man;
mod node;
mod outcome;
mod pipe;
mod profile;
mod send;
mod setup;
mod show;
mod signals;
mod starter;
mod tail;
mod talk;
mod tui;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::config::{Config, Flags};
use crate::sigbus;
pub use outcome::{Failure, Outcome};

const EXAMPLES: &str = "\
Examples:
  kirc                                    the terminal UI (set up first, if need be)
  kirc --demo                             the terminal UI with made-up data, without a network
  kirc setup --nick alice --embedded --yes
  kirc setup infra                        topics, rights and tables that are missing on real services
  kirc send '#net' hello everybody
  kirc tail '#net' --json | jq -r '.body[]'
  echo '{\"command\":\"JOIN\",\"to\":\"#net\"}' | kirc pipe
  kirc doctor

Settings: a flag wins over the environment (KIRC_…), the environment over the profile's .env, .env over the default.
Exit codes: 0 done, 1 failed, 2 wrong usage or settings.";

/// A chat without a server: every user runs a node, and people meet on a grid
#[derive(Debug, Parser)]
#[command(name = "kirc", version, after_help = EXAMPLES, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// What every subcommand takes
    #[command(flatten)]
    pub global: Global,
    /// Show the terminal UI with made-up data, without a network
    #[arg(long)]
    pub demo: bool,
    /// What to do; without one: the terminal UI
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags of every subcommand.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The profile: its own identity, contacts and channels [env: KIRC_PROFILE] [default: default]
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// The folder of all profiles [env: KIRC_DATA_DIR] [default: ~/.local/share/kirc]
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub data_dir: Option<PathBuf>,
    /// Settings from this file instead of the profile's .env [env: KIRC_ENV_FILE]
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub env_file: Option<PathBuf>,
}

/// What kirc can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The terminal UI
    Tui(tui::TuiArgs),
    /// Set a profile up: nick, grid, keys, and what is missing on services; can be run again
    /// without losing anything
    Setup(setup::SetupArgs),
    /// Run the node without a terminal, for other kirc processes to attach to
    Node(node::NodeArgs),
    /// Envelopes as JSON lines on stdin and stdout, for bots, scripts and tests
    Pipe(pipe::PipeArgs),
    /// Say something and wait until it is settled
    Send(send::SendArgs),
    /// Follow a channel or a conversation
    Tail(tail::TailArgs),
    /// Show what was said
    History(history::HistoryArgs),
    /// One's own identity: keys, fingerprint, card, passphrase
    Identity(identity::IdentityArgs),
    /// Let somebody in: make an invite, or accept one
    Invite(invite::InviteArgs),
    /// Whom one knows, and whose keys one has compared
    Contacts(contacts::ContactsArgs),
    /// The password with which IRC clients log in as the owner of this node
    Account(account::AccountArgs),
    /// What one tells others about oneself
    Profile(profile::ProfileArgs),
    /// Look for what is wrong, and say what to do
    Doctor(doctor::DoctorArgs),
    /// Measure this program on this machine, or on real services
    Bench(bench::BenchArgs),
    /// Make a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Make the man page
    Man(man::ManArgs),
}

impl Global {
    /// The flags as sources of settings.
    fn flags(&self) -> Flags {
        let path = |p: &PathBuf| p.to_string_lossy().into_owned();
        let mut flags = Flags::new();
        if let Some(name) = &self.profile {
            flags.insert("KIRC_PROFILE", name.clone());
        }
        if let Some(dir) = &self.data_dir {
            flags.insert("KIRC_DATA_DIR", path(dir));
        }
        if let Some(file) = &self.env_file {
            flags.insert("KIRC_ENV_FILE", path(file));
        }
        flags
    }

    /// Loads the settings.
    fn load(&self) -> Result<Config, Failure> {
        Ok(Config::load(self.flags())?)
    }
}

/// The definition, for completions, man page and tests.
pub fn definition() -> clap::Command {
    Cli::command()
}

/// Parses the arguments, does what they say, and says how it went.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    // Whatever this process makes is for its owner only, also what libraries make (journals of a
    // database).
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let outcome = dispatch(cli);
    if let Err(failure) = &outcome
        && let Some(text) = failure.text()
    {
        eprintln!("kirc: {text}");
    }
    ExitCode::from(outcome.map_or_else(|f| f.code(), |()| 0))
}

fn dispatch(cli: Cli) -> Outcome {
    let global = &cli.global;
    let command = cli.command.unwrap_or(Command::Tui(tui::TuiArgs::default()));
    match command {
        Command::Tui(args) => tui::run(global, &args, cli.demo),
        _ if cli.demo => Err(Failure::usage("--demo goes with the terminal UI only")),
        Command::Setup(args) => setup::run(global, &args),
        Command::Node(args) => node::run(global, &args),
        Command::Pipe(args) => pipe::run(global, &args),
        Command::Send(args) => send::run(global, &args),
        Command::Tail(args) => tail::run(global, &args),
        Command::History(args) => history::run(global, &args),
        Command::Identity(args) => identity::run(global, &args),
        Command::Invite(args) => invite::run(global, &args),
        Command::Contacts(args) => contacts::run(global, &args),
        Command::Account(args) => account::run(global, &args),
        Command::Profile(args) => profile::run(global, &args),
        Command::Doctor(args) => doctor::run(global, &args),
        Command::Bench(args) => bench::run(global, &args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

/// Runs a future on a runtime of two threads. What still blocks at the end (a read of stdin) is
/// left behind.
fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    sigbus::watch(farewell);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::failed(format!("the runtime can't be started: {e}")))?;
    let result = runtime.block_on(future);
    runtime.shutdown_background();
    result
}

/// Gives the terminal back and says a last sentence on it.
fn farewell(why: &str) {
    // Whoever draws waits from now on, so that nothing is drawn over the sentence.
    std::mem::forget(std::io::stdout().lock());
    kirc_tui::restore();
    eprintln!("kirc: {why}");
}

#[cfg(test)]
mod tests;
