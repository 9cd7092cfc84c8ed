//! The reported health of a Valkey.
//!
//! This module owns the list of current problems. While there is any, the service is reported as
//! down; it is reported as up again only when there is none.

use kirc_core::port::SignalOp;
use tokio::sync::watch;

use crate::ports::{Health, tell};

/// What can be wrong by itself.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    /// There is no connection, or what was listened to is not listened to yet.
    Link,
    /// It refuses what changes something.
    Writes,
    /// It refuses what asks for something.
    Reads,
    /// It refuses publishing and listening.
    Events,
    /// More was published than there was room for.
    Flood,
}

/// The part that a call belongs to.
pub fn part(op: &SignalOp) -> Part {
    match op {
        SignalOp::Get { .. }
        | SignalOp::Members { .. }
        | SignalOp::HashGet { .. }
        | SignalOp::Keys { .. } => Part::Reads,
        SignalOp::Publish { .. } | SignalOp::Subscribe { .. } | SignalOp::Unsubscribe { .. } => Part::Events,
        _ => Part::Writes,
    }
}

/// What is wrong.
#[derive(Debug)]
pub struct Vital {
    health: watch::Sender<Health>,
    trouble: [Option<String>; 5],
}

impl Vital {
    pub fn new(health: watch::Sender<Health>) -> Self {
        Self { health, trouble: Default::default() }
    }

    /// A part works, or it does not, and why.
    pub fn tell(&mut self, part: Part, now: Result<(), &str>) {
        let known = &mut self.trouble[part as usize];
        if known.as_deref() == now.err() {
            return;
        }
        *known = now.err().map(str::to_owned);
        self.say();
    }

    /// Another connection: what the one before refused is not known of it.
    pub fn begin_anew(&mut self) {
        let link = self.trouble[Part::Link as usize].take();
        self.trouble = Default::default();
        self.trouble[Part::Link as usize] = link;
        self.say();
    }

    /// Why nothing can be asked at the moment.
    pub fn link(&self) -> Option<&str> {
        self.trouble[Part::Link as usize].as_deref()
    }

    fn say(&self) {
        let why = self.trouble.iter().flatten().next();
        tell(&self.health, why.map_or_else(Health::well, |why| Health { up: false, reason: why.clone() }));
    }
}
