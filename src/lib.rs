//! kirc: the program around the core. It carries out effects and delivers inputs; `kirc-core`
//! decides what happens in a channel.
#![deny(unsafe_code)] // src/mailbox/kafka/raw and src/sigbus.rs alone have some, and say so.
#![warn(missing_docs)]

pub mod attach;
pub mod bench;
pub mod cert;
pub mod cli;
pub mod config;
pub mod driver;
pub mod embedded;
pub mod host;
pub mod irc;
pub mod logging;
pub mod mailbox;
pub mod password;
pub mod pipe;
pub mod ports;
pub mod profile;
pub mod remote_grids;
pub mod services;
pub mod session;
pub mod setup;
pub mod sigbus;
pub mod signals;
pub mod store;
pub mod tls;
mod uri;

#[cfg(test)]
mod tests;
