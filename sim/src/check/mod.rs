//! The promises of the design, each with its check. The checks use what was observed and what the
//! stores contain at the end.

use std::collections::{BTreeMap, BTreeSet};

use kirc_core::Envelope;

use crate::world::World;

mod author;
mod blind;
mod claims;
mod founded;
mod kept;
mod live;
mod lives;
mod order;
mod secret;
mod sent;
mod view;

pub use view::{Message, Shown, View};

/// What is promised (the numbers are those of the design), and that it all comes to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// 1: what is shown as sent is in the log, and in the order that everybody sees.
    Sent,
    /// 2: what is shown as sending survives, and is sent or refused.
    Kept,
    /// 3: every member shows every message once, in the same order, or a gap.
    Order,
    /// 4: nobody else can make what bears an author's name.
    Author,
    /// 5: who was removed can't read on, who was not there can't read back.
    Secret,
    /// 6: the services never see what is said.
    Blind,
    /// When nothing fails any more, everybody gets everything soon.
    Live,
    /// A node panicked.
    Panic,
}

impl Promise {
    /// Its number and name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "1 sent is in the log",
            Self::Kept => "2 sending is kept",
            Self::Order => "3 once and in order",
            Self::Author => "4 only the author",
            Self::Secret => "5 members only",
            Self::Blind => "6 the services are blind",
            Self::Live => "it comes to rest",
            Self::Panic => "no node panics",
        }
    }
}

/// A promise that was broken.
#[derive(Debug, Clone)]
pub struct Breach {
    /// Which.
    pub promise: Promise,
    /// When it was seen, virtual ms.
    pub at: u64,
    /// How, in words.
    pub text: String,
    /// What to look for in the story: ids, nicks.
    pub about: Vec<String>,
}

/// What the checks find.
#[derive(Default)]
pub struct Breaches(pub Vec<Breach>);

impl Breaches {
    /// Notes a breach.
    pub fn add(&mut self, promise: Promise, at: u64, about: &[&str], text: String) {
        self.0.push(Breach { promise, at, text, about: about.iter().map(|s| (*s).to_owned()).collect() });
    }
}

/// Checks everything.
pub fn all(world: &World) -> Vec<Breach> {
    let view = View::of(world);
    let mut found = Breaches::default();
    sent::check(world, &view, &mut found);
    kept::check(world, &view, &mut found);
    order::check(world, &view, &mut found);
    author::check(world, &view, &mut found);
    secret::check(world, &view, &mut found);
    blind::check(world, &mut found);
    claims::check(world, &view, &mut found);
    live::check(world, &view, &mut found);
    found.0
}

/// Whether a machine's owner was told last that it leads a channel.
pub fn leads(world: &World, host: usize) -> bool {
    let channels = view::last_status(world, host).and_then(|s| s.get("channels"));
    let all = channels.and_then(serde_json::Value::as_object).into_iter().flatten();
    all.map(|(_, channel)| channel).any(|c| c["leading"] == true)
}

/// Whether a machine's own showing counts: what a hostile node tells its own owner does not.
fn honest(world: &World, host: usize) -> bool {
    world.hostile.as_ref().is_none_or(|h| h.host != host)
}

fn text(envelope: &Envelope) -> String {
    envelope.lines().join("\n")
}

type Spans = BTreeMap<(usize, String), Vec<(u64, u64)>>;
type Names = BTreeMap<String, usize>;
type Ids = BTreeSet<String>;
