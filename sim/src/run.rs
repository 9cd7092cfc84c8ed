//! One run: takes a seed and returns the findings.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kirc_core::node::Mutant;

use crate::check::{self, Breach, Promise};
use crate::plan::{Kind, Plan};
use crate::rng::Dice;
use crate::world::World;

/// What is chosen about a run besides its seed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice {
    /// The kind of run, if not the seed's own.
    pub kind: Option<Kind>,
    /// A deliberately broken rule.
    pub mutant: Option<Mutant>,
    /// Whether the story is to be told.
    pub tell: bool,
}

/// What came of a run.
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What was broken.
    pub breaches: Vec<Breach>,
    /// The kind of run.
    pub kind: Kind,
    /// Whether it had two clusters.
    pub two_clusters: bool,
    /// The story, if it was asked for.
    pub story: Vec<String>,
    /// Messages that were settled.
    pub settled: u64,
    /// Inputs that nodes have handled.
    pub handled: u64,
    /// Records that landed in logs.
    pub appended: u64,
    /// Those of them that hold several acts.
    pub batches: u64,
}

/// Runs a seed.
pub fn run(seed: u64, choice: Choice) -> Outcome {
    let mut dice = Dice::new(seed);
    let plan = Plan::draw(&mut dice, choice.kind);
    let (kind, two_clusters) = (plan.kind, plan.two_clusters());
    let mut world: Option<World> = None;
    let result = catch_unwind(AssertUnwindSafe(|| {
        let made = World::new(seed, plan, &mut dice, choice.mutant, choice.tell);
        let world = world.insert(made);
        world.run();
        check::all(world)
    }));
    let at = world.as_ref().map_or(0, |w| w.now);
    let breaches = result.unwrap_or_else(|panic| {
        let why = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("unknown");
        vec![Breach {
            promise: Promise::Panic,
            at,
            text: format!("a node panicked: {why}"),
            about: Vec::new(),
        }]
    });
    let settled = world.as_ref().map_or(0, |w| {
        let is_sent = |h: &&crate::witness::Heard| {
            h.main && h.envelope.meta_str("state") == Some("sent") && h.envelope.command == "PRIVMSG"
        };
        w.witness.heard.iter().filter(is_sent).count() as u64
    });
    let count = world.as_ref().map(|w| (w.witness.handled, w.witness.appended, w.witness.batches));
    let (handled, appended, batches) = count.unwrap_or_default();
    Outcome {
        seed,
        breaches,
        kind,
        two_clusters,
        story: world.and_then(|w| w.trace).unwrap_or_default(),
        settled,
        handled,
        appended,
        batches,
    }
}

/// The part of a story that a breach is about: the last lines that name it.
pub fn excerpt(story: &[String], breach: &Breach, lines: usize) -> Vec<String> {
    let named: Vec<&String> = story
        .iter()
        .filter(|line| breach.about.is_empty() || breach.about.iter().any(|a| line.contains(a)))
        .collect();
    let skip = named.len().saturating_sub(lines);
    named.into_iter().skip(skip).cloned().collect()
}
