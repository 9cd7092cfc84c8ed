//! The event loop: one task that owns the node.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use kirc_core::port::{Effect, Input, Service};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::appends::Appends;
use super::clock::{Alarm, now};
use super::commit::take_store;
use super::figures::Gauges;
use super::grids::Grids;
use super::hub::{Event, Hub};
use super::outgoing::{Batch, Outgoing};
use super::readers::Readers;
use super::sessions::Sessions;
use super::{BATCH, EVENTS, Machine, Ports, trace};
use crate::ports::{Health, Pending};
use crate::signals::Published;
use crate::store::Store;

/// How long a node may take to end in order.
const GOODBYE: Duration = Duration::from_millis(1500);
/// How often it is looked whether another grid is still used.
const IDLE_LOOK: Duration = Duration::from_secs(60);
/// How long the services may take to finish what was asked for.
const CLOSE: Duration = Duration::from_millis(300);

/// A node at work.
#[derive(Debug)]
pub struct Driver {
    hub: Hub,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Driver {
    /// Where doors attach.
    pub fn hub(&self) -> Hub {
        self.hub.clone()
    }

    /// Ends the node in order: leadership is handed over, what waits is stored. Takes less than 2
    /// s, whatever happens.
    pub async fn stop(self) {
        self.stop.cancel();
        let abort = self.task.abort_handle();
        if timeout(GOODBYE + CLOSE + Duration::from_millis(50), self.task).await.is_err() {
            tracing::warn!("the node did not end in time");
            abort.abort();
        }
    }
}

/// Starts to drive a machine on its services.
pub fn start(machine: impl Machine, ports: Ports) -> io::Result<Driver> {
    let (events, inbox) = mpsc::channel(EVENTS);
    let stop = CancellationToken::new();
    let (grids, abroad) = Grids::new(ports.mailbox.clone(), ports.signals.clone(), ports.abroad.clone());
    let engine = Engine {
        machine,
        healths: healths(&ports),
        gauges: Gauges::new(&ports),
        heard: None,
        store: ports.store,
        published: ports.published,
        grids,
        abroad,
        inbox,
        stop: stop.clone(),
        sessions: Sessions::default(),
        readers: Readers::default(),
        appends: Appends::default(),
        outgoing: Outgoing::default(),
        outcomes: FuturesUnordered::new(),
        told: BTreeMap::new(),
        effects: Vec::new(),
        stopped: false,
    };
    let alarm = Alarm::new()?;
    Ok(Driver { hub: Hub::new(events), stop, task: tokio::spawn(engine.run(alarm)) })
}

type Outcome = std::pin::Pin<Box<dyn Future<Output = Input> + Send>>;
type HealthStep = std::pin::Pin<Box<dyn Future<Output = Option<(Service, watch::Receiver<Health>)>> + Send>>;

/// The node and all that is around it.
pub(super) struct Engine<M> {
    pub(super) machine: M,
    pub(super) store: Arc<dyn Store>,
    pub(super) grids: Grids,
    published: mpsc::Receiver<Published>,
    /// What is published on other grids.
    abroad: mpsc::Receiver<(String, Published)>,
    pub(super) inbox: mpsc::Receiver<Event>,
    pub(super) stop: CancellationToken,
    pub(super) sessions: Sessions,
    pub(super) readers: Readers,
    pub(super) appends: Appends,
    pub(super) outgoing: Outgoing,
    pub(super) outcomes: FuturesUnordered<Outcome>,
    pub(super) healths: FuturesUnordered<HealthStep>,
    gauges: Gauges,
    heard: Option<(String, Published)>,
    pub(super) told: BTreeMap<Service, Health>,
    pub(super) effects: Vec<Effect>,
    pub(super) stopped: bool,
}

impl<M: Machine> Engine<M> {
    async fn run(mut self, mut alarm: Alarm) {
        let mut inputs = vec![Input::Start];
        let mut ending: Option<Instant> = None;
        let mut doors = true;
        let mut idle = tokio::time::interval(IDLE_LOOK);
        while !self.stopped {
            self.turn(&mut inputs).await;
            if self.stopped {
                break;
            }
            if let Err(error) = alarm.set(self.machine.next_wake()) {
                tracing::error!(%error, "the clock can't be set");
            }
            let (deadline, kept) = (ending, self.outgoing.wake());
            let room = !self.outgoing.is_full();
            tokio::select! {
                event = self.inbox.recv(), if doors && room => match event {
                    Some(event) => self.event(event, &mut inputs),
                    None => {
                        doors = false;
                        self.stop.cancel();
                    }
                },
                input = self.appends.next() => inputs.push(input),
                () = self.readers.next(&mut inputs), if room => {}
                Some(input) = self.outcomes.next() => inputs.push(input),
                Some(step) = self.healths.next() => self.health(step, &mut inputs).await,
                input = self.gauges.next() => inputs.push(input),
                Some(published) = self.published.recv() => {
                    self.heard = Some((self.grids.home().to_owned(), published));
                }
                Some(heard) = self.abroad.recv() => self.heard = Some(heard),
                ended = self.outgoing.ended() => self.committed(ended, &mut inputs).await,
                () = until(kept) => {}
                _ = idle.tick() => self.grids.close_idle(|cluster| self.readers.reads(cluster)),
                () = alarm.rings() => inputs.push(Input::Tick),
                () = self.stop.cancelled(), if ending.is_none() => {
                    ending = Some(Instant::now() + GOODBYE);
                    // What doors have said already is heard before the end.
                    while let Ok(event) = self.inbox.try_recv() {
                        self.event(event, &mut inputs);
                    }
                    inputs.push(Input::Shutdown);
                }
                () = until(deadline) => {
                    tracing::warn!("the node did not say that it has stopped");
                    break;
                }
            }
            if !self.outgoing.is_full() {
                self.drain(&mut inputs);
            }
        }
        self.sessions.clear();
        self.inbox.close();
        let mut closing: Vec<Pending<()>> = self.grids.close();
        closing.push(self.store.close());
        let _ = timeout(CLOSE, futures_util::future::join_all(closing)).await;
    }

    /// Takes what else is there already, so that one transaction serves it all.
    fn drain(&mut self, inputs: &mut Vec<Input>) {
        if let Some((grid, published)) = self.heard.take() {
            inputs.push(published_input(grid, published));
        }
        while inputs.len() < BATCH {
            let before = inputs.len();
            if let Ok(event) = self.inbox.try_recv() {
                self.event(event, inputs);
            }
            if let Some(input) = self.appends.next().now_or_never() {
                inputs.push(input);
            }
            self.readers.next(inputs).now_or_never();
            if let Some(Some(input)) = self.outcomes.next().now_or_never() {
                inputs.push(input);
            }
            if let Ok(published) = self.published.try_recv() {
                inputs.push(published_input(self.grids.home().to_owned(), published));
            }
            if let Ok((grid, published)) = self.abroad.try_recv() {
                inputs.push(published_input(grid, published));
            }
            if inputs.len() == before {
                return;
            }
        }
    }

    pub(super) fn event(&mut self, event: Event, inputs: &mut Vec<Input>) {
        match event {
            Event::Attach { session, out, ended } => {
                self.sessions.add(session, out, ended);
                inputs.push(Input::Attach { session });
            }
            Event::Say(session, envelope) if self.sessions.knows(session) => {
                let quit = envelope.command == "QUIT";
                inputs.push(Input::Command { session, envelope });
                if quit {
                    inputs.push(Input::Detach { session });
                }
            }
            Event::Detach(session) if self.sessions.knows(session) => {
                inputs.push(Input::Detach { session });
            }
            Event::Say(..) | Event::Detach(_) => {}
        }
    }

    async fn health(&mut self, step: Option<(Service, watch::Receiver<Health>)>, inputs: &mut Vec<Input>) {
        let Some((service, mut receiver)) = step else {
            return;
        };
        let health = receiver.borrow_and_update().clone();
        self.healths.push(health_step(service, receiver));
        if service == Service::Mailbox && health.up {
            // Whatever changed: that it was away for a moment may never have been seen.
            self.grids.create_again();
        }
        match self.tell(service, health) {
            // What sessions are to hear of it is not to stand behind what may be waiting for that
            // very service.
            Some(input) if !self.outgoing.is_clear() => {
                let ops = self.say_at_once(input).await;
                if !ops.is_empty() {
                    self.outgoing.add(Batch { ops, ..Batch::default() });
                }
            }
            Some(input) => inputs.push(input),
            None => {}
        }
    }

    /// What the node is told about a service, if that is news to it.
    pub(super) fn tell(&mut self, service: Service, health: Health) -> Option<Input> {
        let known = self.told.insert(service, health.clone());
        if known.unwrap_or_else(Health::well) == health {
            return None;
        }
        tracing::info!(?service, up = health.up, reason = health.reason, "a service changed");
        Some(Input::Service { service, up: health.up, reason: health.reason })
    }

    /// Handles inputs in a row. What needs no store is carried out, and what comes of that; the
    /// rest stands behind its changes.
    async fn turn(&mut self, inputs: &mut Vec<Input>) {
        loop {
            let mut gone = Vec::new();
            for input in inputs.drain(..) {
                if let Input::Detach { session } = input {
                    gone.push(session);
                }
                self.handle(input);
            }
            let ops = take_store(&mut self.effects);
            if !ops.is_empty() || !self.outgoing.is_clear() {
                self.append_early();
            }
            let effects = std::mem::take(&mut self.effects);
            if !ops.is_empty() || !effects.is_empty() || !gone.is_empty() {
                self.outgoing.add(Batch { ops, effects, gone });
            }
            self.commit_due(inputs).await;
            if inputs.is_empty() || self.stopped {
                return;
            }
        }
    }

    fn handle(&mut self, input: Input) {
        tracing::trace!(target: "kirc::driver::io", "<- {}", trace::input(&input));
        let before = self.effects.len();
        self.machine.handle(now(), input, &mut self.effects);
        for effect in &self.effects[before..] {
            tracing::trace!(target: "kirc::driver::io", "-> {}", trace::effect(effect));
        }
    }
}

fn published_input(grid: String, published: Published) -> Input {
    Input::Published { grid, channel: published.channel, payload: published.payload }
}

fn healths(ports: &Ports) -> FuturesUnordered<HealthStep> {
    let steps = FuturesUnordered::new();
    let add = |service, mut health: watch::Receiver<Health>| {
        // What is so at the start is news.
        health.mark_changed();
        steps.push(health_step(service, health));
    };
    add(Service::Mailbox, ports.mailbox.health());
    add(Service::Signals, ports.signals.health());
    add(Service::Store, ports.store.health());
    steps
}

fn health_step(service: Service, mut health: watch::Receiver<Health>) -> HealthStep {
    Box::pin(async move {
        health.changed().await.ok()?;
        Some((service, health))
    })
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
