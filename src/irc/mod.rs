//! The IRC listener: any IRC client of the node's owner is a front end of the node.
//!
//! It translates lines to envelopes and back, over a session as every front end has. It decides
//! nothing about channels, keys and names: the rules are in the core. One thread reads and writes
//! all client sockets; passwords are hashed elsewhere.

mod asks;
mod batch;
mod caps;
mod chathistory;
mod client;
mod codec;
mod commands;
mod connection;
mod hello;
mod inbox;
mod io;
mod isupport;
mod listen;
mod login;
mod marks;
mod multiline;
mod notices;
mod people;
mod playback;
mod register;
mod render;
mod sasl;
mod timers;

pub use io::IrcServer;
pub use listen::{ListenError, Listener};

/// What the server calls itself in front of its lines.
const SERVER: &str = "irc.kirc";
