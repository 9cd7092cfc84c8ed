//! The loop: one task that owns the node.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use kirc_core::port::{Effect, Input, PortError, Service, StoreOp};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::appends::Appends;
use super::clock::{Alarm, now};
use super::commit::take_store;
use super::hub::{Event, Hub};
use super::readers::Readers;
use super::sessions::Sessions;
use super::{BATCH, EVENTS, Machine, Ports, trace};
use crate::ports::{Health, Pending};

/// How long a node may take to end in order.
const GOODBYE: Duration = Duration::from_millis(1500);
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

    /// Ends the node in order: leadership is handed over, what waits is stored. Takes less than 2 s, whatever happens.
    pub async fn stop(self) {
        self.stop.cancel();
        let abort = self.task.abort_handle();
        if timeout(GOODBYE + CLOSE + Duration::from_millis(50), self.task)
            .await
            .is_err()
        {
            tracing::warn!("the node did not end in time");
            abort.abort();
        }
    }
}

/// Starts to drive a machine on its services.
pub fn start(machine: impl Machine, ports: Ports) -> io::Result<Driver> {
    let (events, inbox) = mpsc::channel(EVENTS);
    let stop = CancellationToken::new();
    let engine = Engine {
        machine,
        healths: healths(&ports),
        published: None,
        ports,
        inbox,
        stop: stop.clone(),
        sessions: Sessions::default(),
        readers: Readers::default(),
        appends: Appends::default(),
        outcomes: FuturesUnordered::new(),
        told: BTreeMap::new(),
        effects: Vec::new(),
        stopped: false,
    };
    let alarm = Alarm::new()?;
    Ok(Driver {
        hub: Hub::new(events),
        stop,
        task: tokio::spawn(engine.run(alarm)),
    })
}

type Outcome = std::pin::Pin<Box<dyn Future<Output = Input> + Send>>;
type HealthStep =
    std::pin::Pin<Box<dyn Future<Output = Option<(Service, watch::Receiver<Health>)>> + Send>>;

struct Engine<M> {
    machine: M,
    ports: Ports,
    inbox: mpsc::Receiver<Event>,
    stop: CancellationToken,
    sessions: Sessions,
    readers: Readers,
    appends: Appends,
    outcomes: FuturesUnordered<Outcome>,
    healths: FuturesUnordered<HealthStep>,
    published: Option<crate::signals::Published>,
    told: BTreeMap<Service, Health>,
    effects: Vec<Effect>,
    stopped: bool,
}

impl<M: Machine> Engine<M> {
    async fn run(mut self, mut alarm: Alarm) {
        let mut inputs = vec![Input::Start];
        let mut ending: Option<Instant> = None;
        let mut doors = true;
        while !self.stopped {
            self.turn(&mut inputs).await;
            if self.stopped {
                break;
            }
            if let Err(error) = alarm.set(self.machine.next_wake()) {
                tracing::error!(%error, "the clock can't be set");
            }
            let deadline = ending;
            tokio::select! {
                event = self.inbox.recv(), if doors => match event {
                    Some(event) => self.event(event, &mut inputs),
                    None => {
                        doors = false;
                        self.stop.cancel();
                    }
                },
                input = self.appends.next() => inputs.push(input),
                () = self.readers.next(&mut inputs) => {}
                Some(input) = self.outcomes.next() => inputs.push(input),
                Some(step) = self.healths.next() => self.health(step, &mut inputs),
                Some(published) = self.ports.published.recv() => self.published = Some(published),
                () = alarm.rings() => inputs.push(Input::Tick),
                () = self.stop.cancelled(), if ending.is_none() => {
                    ending = Some(Instant::now() + GOODBYE);
                    inputs.push(Input::Shutdown);
                }
                () = until(deadline) => {
                    tracing::warn!("the node did not say that it has stopped");
                    break;
                }
            }
            self.drain(&mut inputs);
        }
        self.sessions.clear();
        self.inbox.close();
        let mut closing: Vec<Pending<()>> = vec![self.ports.signals.close()];
        closing.extend(self.ports.mailboxes.iter().map(|m| m.close()));
        closing.push(self.ports.store.close());
        let _ = timeout(CLOSE, futures_util::future::join_all(closing)).await;
    }

    /// Takes what else is there already, so that one transaction serves it all.
    fn drain(&mut self, inputs: &mut Vec<Input>) {
        if let Some(published) = self.published.take() {
            inputs.push(published_input(published));
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
            if let Ok(published) = self.ports.published.try_recv() {
                inputs.push(published_input(published));
            }
            if inputs.len() == before {
                return;
            }
        }
    }

    fn event(&mut self, event: Event, inputs: &mut Vec<Input>) {
        match event {
            Event::Attach {
                session,
                kind,
                out,
                ended,
            } => {
                self.sessions.add(session, kind, out, ended);
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

    fn health(
        &mut self,
        step: Option<(Service, watch::Receiver<Health>)>,
        inputs: &mut Vec<Input>,
    ) {
        let Some((service, mut receiver)) = step else {
            return;
        };
        let health = receiver.borrow_and_update().clone();
        self.healths.push(health_step(service, receiver));
        if let Some(input) = self.tell(service, health) {
            inputs.push(input);
        }
    }

    /// What the node is told about a service, if that is news to it.
    fn tell(&mut self, service: Service, health: Health) -> Option<Input> {
        let known = self.told.insert(service, health.clone());
        if known.unwrap_or_else(Health::well) == health {
            return None;
        }
        tracing::info!(
            ?service,
            up = health.up,
            reason = health.reason,
            "a service changed"
        );
        Some(Input::Service {
            service,
            up: health.up,
            reason: health.reason,
        })
    }

    /// Handles inputs in a row and carries their effects out, and those of what comes of that.
    async fn turn(&mut self, inputs: &mut Vec<Input>) {
        while !inputs.is_empty() {
            let mut gone = Vec::new();
            for input in inputs.drain(..) {
                if let Input::Detach { session } = input {
                    gone.push(session);
                }
                self.handle(input);
            }
            let ops = take_store(&mut self.effects);
            if !ops.is_empty() && !self.commit(ops).await {
                self.stopped = true;
                return;
            }
            let effects = std::mem::take(&mut self.effects);
            for effect in effects {
                self.carry_out(effect, inputs).await;
            }
            for session in gone {
                self.sessions.remove(session);
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

    /// Commits, and tries until it works. `false` only if the node is to end and the store still fails.
    async fn commit(&mut self, mut ops: Vec<StoreOp>) -> bool {
        let mut pause = Duration::from_millis(20);
        let mut failed = false;
        loop {
            let Err(error) = self.ports.store.commit(ops.clone()).await else {
                if failed {
                    let well = self.tell(Service::Store, Health::well());
                    // Its effects are carried out with the others, behind them.
                    let mut later = Vec::new();
                    if let Some(input) = well {
                        self.machine.handle(now(), input, &mut later);
                    }
                    let more = take_store(&mut later);
                    self.effects.append(&mut later);
                    if !more.is_empty() {
                        ops = more;
                        failed = false;
                        continue;
                    }
                }
                return true;
            };
            failed = true;
            let down = Health {
                up: false,
                reason: error.to_string(),
            };
            if let Some(input) = self.tell(Service::Store, down) {
                ops.extend(self.while_down(input).await);
            }
            let stopping = self.stop.is_cancelled();
            tokio::select! {
                () = sleep(pause) => {}
                () = self.stop.cancelled(), if !stopping => {}
            }
            if stopping && pause >= Duration::from_millis(320) {
                tracing::error!(%error, "the store fails, and the node is to end");
                return false;
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// Lets the node know that its store fails. What it says to sessions is delivered; all else waits.
    async fn while_down(&mut self, input: Input) -> Vec<StoreOp> {
        let mut effects = Vec::new();
        self.machine.handle(now(), input, &mut effects);
        let ops = take_store(&mut effects);
        for effect in effects {
            match effect {
                Effect::Deliver { session, envelope } => {
                    self.sessions.deliver(session, envelope).await;
                }
                other => self.effects.push(other),
            }
        }
        ops
    }

    async fn carry_out(&mut self, effect: Effect, inputs: &mut Vec<Input>) {
        match effect {
            Effect::Store(_) => {}
            Effect::Deliver { session, envelope } => {
                if !self.sessions.deliver(session, envelope).await {
                    inputs.push(Input::Detach { session });
                }
            }
            Effect::Append {
                ticket,
                topic,
                key,
                value,
            } => {
                let pending = match self.ports.mailbox(&topic.cluster) {
                    Some(mailbox) => mailbox.append(&topic, key, value),
                    None => unknown(&topic.cluster),
                };
                self.appends.push(topic, ticket, pending);
            }
            Effect::Read { topic, from } => match self.ports.mailbox(&topic.cluster) {
                Some(mailbox) => {
                    let mailbox: Arc<_> = mailbox.clone();
                    self.readers.read(&mailbox, topic, from);
                }
                None => tracing::warn!(cluster = topic.cluster, "no such cluster is known"),
            },
            Effect::StopRead { topic } => self.readers.stop(&topic),
            Effect::End { ticket, topic } => {
                let pending = match self.ports.mailbox(&topic.cluster) {
                    Some(mailbox) => mailbox.end(&topic),
                    None => unknown(&topic.cluster),
                };
                self.later(async move {
                    let result = pending.await;
                    Input::End { ticket, result }
                });
            }
            Effect::Signal { ticket, op } => {
                let pending = self.ports.signals.call(op);
                self.later(async move {
                    let result = pending.await;
                    Input::Signalled { ticket, result }
                });
            }
            Effect::Query { ticket, query } => {
                let pending = self.ports.store.query(query);
                self.later(async move {
                    let result = pending.await;
                    Input::Queried { ticket, result }
                });
            }
            Effect::Stopped => self.stopped = true,
        }
    }

    fn later(&self, outcome: impl Future<Output = Input> + Send + 'static) {
        self.outcomes.push(Box::pin(outcome));
    }
}

fn unknown<T: Send + 'static>(cluster: &str) -> Pending<T> {
    let error = PortError(format!("no way to the cluster {cluster} is known"));
    Box::pin(std::future::ready(Err(error)))
}

fn published_input(published: crate::signals::Published) -> Input {
    Input::Published {
        channel: published.channel,
        payload: published.payload,
    }
}

fn healths(ports: &Ports) -> FuturesUnordered<HealthStep> {
    let steps = FuturesUnordered::new();
    let add = |service, mut health: watch::Receiver<Health>| {
        // What is so at the start is news.
        health.mark_changed();
        steps.push(health_step(service, health));
    };
    if let Some(mailbox) = ports.mailboxes.first() {
        add(Service::Mailbox, mailbox.health());
    }
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
