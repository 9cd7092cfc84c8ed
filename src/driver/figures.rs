//! Tracks how much of the budget and of the store is used, and tells the node when that changes.

use futures_util::stream::{FuturesUnordered, StreamExt};
use kirc_core::port::{Figures, Input};
use tokio::sync::watch;

use super::Ports;

type Step = std::pin::Pin<Box<dyn Future<Output = Option<(Figures, Source)>> + Send>>;

/// Where figures come from.
enum Source {
    Traffic(watch::Receiver<kirc_core::port::Traffic>),
    Room(watch::Receiver<kirc_core::port::Room>),
}

/// The figures of a node's services.
pub(super) struct Gauges(FuturesUnordered<Step>);

impl Gauges {
    /// Those that the services have.
    pub fn new(ports: &Ports) -> Self {
        let mut steps = FuturesUnordered::new();
        for source in [ports.mailbox.traffic().map(Source::Traffic), ports.store.room().map(Source::Room)] {
            steps.extend(source.map(step));
        }
        Self(steps)
    }

    /// The next change; never, if there are no figures.
    pub async fn next(&mut self) -> Input {
        loop {
            match self.0.next().await {
                Some(Some((figures, source))) => {
                    self.0.push(step(source));
                    return Input::Figures(figures);
                }
                Some(None) => {}
                None => return std::future::pending().await,
            }
        }
    }
}

fn step(source: Source) -> Step {
    Box::pin(async move {
        match source {
            Source::Traffic(mut told) => {
                told.changed().await.ok()?;
                let now = *told.borrow_and_update();
                Some((Figures::Traffic(now), Source::Traffic(told)))
            }
            Source::Room(mut told) => {
                told.changed().await.ok()?;
                let now = *told.borrow_and_update();
                Some((Figures::Room(now), Source::Room(told)))
            }
        }
    })
}
