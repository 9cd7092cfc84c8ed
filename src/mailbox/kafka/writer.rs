//! Appends through one idempotent producer: it numbers its records, so that none is appended twice
//! or out of order.
//!
//! This module owns the producer and the records that wait for one. A producer that cannot continue
//! is discarded once none of its records are in flight, and records that arrived meanwhile go to
//! the next producer. So records keep the order of the calls.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kirc_core::ids::Offset;
use kirc_core::limits;
use kirc_core::port::{PortError, Topic};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::error_text;
use super::health::Pulse;
use super::produce::{Ask, Out, OutContext};
use super::settings::{KafkaSettings, WAITING};
use crate::ports::{Pending, pending, ready};

/// How long a look for a topic may take that an append did not find.
const LOOK: Duration = Duration::from_secs(2);

/// An append with all that belongs to it.
struct Load {
    ask: Box<Ask>,
    key: Vec<u8>,
    value: Vec<u8>,
}

#[derive(Default)]
struct State {
    out: Option<Arc<Out>>,
    opening: bool,
    /// The producer is to be thrown away when nothing of it is on its way.
    renew: bool,
    /// Records that the producer has and has told nothing of.
    in_flight: usize,
    /// Appends that wait for a producer.
    waiting: VecDeque<Load>,
    /// Appends to topics that are looked for again.
    parked: HashMap<String, Vec<Load>>,
    bytes: usize,
    closed: bool,
    used: Option<Instant>,
}

impl State {
    fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.waiting.is_empty() && self.parked.is_empty()
    }
}

/// Who appends.
pub(super) struct Writer {
    settings: Arc<KafkaSettings>,
    pulse: Arc<Pulse>,
    runtime: Handle,
    state: Mutex<State>,
    idle: Notify,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

impl Writer {
    pub(super) fn new(settings: Arc<KafkaSettings>, pulse: Arc<Pulse>, runtime: Handle) -> Arc<Self> {
        Arc::new(Self { settings, pulse, runtime, state: Mutex::default(), idle: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn append(self: &Arc<Self>, topic: &Topic, key: Vec<u8>, value: Vec<u8>) -> Pending<Offset> {
        let bytes = key.len() + value.len();
        if bytes > limits::RECORD {
            return ready(Err(PortError(format!(
                "a record of {bytes} bytes is too large; the limit is {}",
                limits::RECORD
            ))));
        }
        let (reply, answer) = pending(super::GONE);
        let mut state = self.state();
        if state.closed {
            return ready(Err(PortError(super::GONE.to_owned())));
        }
        if state.bytes + bytes > WAITING {
            return ready(Err(PortError(
                "Kafka can't keep up with what is written to it; try again in a moment".to_owned(),
            )));
        }
        state.bytes += bytes;
        state.used = Some(Instant::now());
        let ask = Box::new(Ask { topic: topic.clone(), reply, bytes, looked: false });
        let load = Load { ask, key, value };
        if state.out.is_none() || state.renew || !state.waiting.is_empty() {
            state.waiting.push_back(load);
            self.advance(&mut state);
        } else {
            self.send(&mut state, load);
        }
        answer
    }

    /// Hands an append to the producer, or puts it where it has to wait.
    fn send(self: &Arc<Self>, state: &mut State, load: Load) {
        let Load { ask, key, value } = load;
        if let Some(parked) = state.parked.get_mut(&ask.topic.name) {
            parked.push(Load { ask, key, value });
            return;
        }
        let Some(out) = state.out.clone() else {
            state.waiting.push_back(Load { ask, key, value });
            return;
        };
        let name = ask.topic.name.clone();
        let partition = i32::try_from(ask.topic.partition).unwrap_or(i32::MAX);
        let record = BaseRecord::with_opaque_to(&name, ask).partition(partition).key(&key).payload(&value);
        let Err((error, record)) = out.producer.send(record) else {
            state.in_flight += 1;
            return;
        };
        let mut ask = record.delivery_opaque;
        let code = error_text::code(&error);
        if code.is_some_and(error_text::is_missing) && !ask.looked {
            // That is what the producer knew once. A topic may have been made since.
            ask.looked = true;
            state.parked.insert(name.clone(), vec![Load { ask, key, value }]);
            self.look(out, name);
        } else if matches!(code, Some(Code::Fatal | Code::State | Code::Fenced)) {
            state.renew = true;
            out.give_up();
            state.waiting.push_front(Load { ask, key, value });
        } else {
            state.bytes -= ask.bytes;
            self.fail(*ask, code, &error.to_string());
        }
    }

    fn fail(&self, ask: Ask, code: Option<Code>, text: &str) {
        let late = matches!(code, Some(Code::MessageTimedOut | Code::AllBrokersDown));
        if late {
            self.pulse.doubt.notify_one();
        }
        let text = if late && !self.pulse.is_up() {
            format!("topic {} can't be appended to: {}", ask.topic.name, self.pulse.reason())
        } else {
            error_text::of_topic(&ask.topic.name, "appended to", code, text)
        };
        let _ = ask.reply.send(Err(PortError(text)));
    }

    /// Asks again whether a topic is there, then appends what waited for it.
    fn look(self: &Arc<Self>, out: Arc<Out>, name: String) {
        let me = self.clone();
        self.runtime.spawn_blocking(move || {
            let _ = out.producer.client().fetch_metadata(Some(&name), LOOK);
            let mut state = me.state();
            for mut load in state.parked.remove(&name).unwrap_or_default() {
                load.ask.looked = true;
                me.send(&mut state, load);
            }
            me.advance(&mut state);
        });
    }

    /// Throws away, opens, hands on: whatever is next.
    fn advance(self: &Arc<Self>, state: &mut State) {
        if state.renew && state.in_flight == 0 {
            state.renew = false;
            if let Some(out) = state.out.take() {
                out.stop();
            }
        }
        if state.out.is_none() && !state.opening && !state.waiting.is_empty() {
            self.open(state);
        }
        while state.out.is_some()
            && !state.renew
            && let Some(load) = state.waiting.pop_front()
        {
            self.send(state, load);
        }
        if state.is_idle() {
            self.idle.notify_waiters();
        }
    }

    /// Opens a producer on a thread of its own, which then takes up what the producer tells.
    fn open(self: &Arc<Self>, state: &mut State) {
        state.opening = true;
        let (config, me) = (self.settings.writer(), Arc::downgrade(self));
        let context = OutContext { writer: me.clone(), pulse: self.pulse.clone() };
        let work = move || {
            let opened: Result<BaseProducer<OutContext>, _> = config.create_with_context(context);
            let Some(writer) = me.upgrade() else {
                return;
            };
            if let Some(out) = writer.opened(opened) {
                drop(writer);
                out.run();
            }
        };
        if let Err(error) = std::thread::Builder::new().name("kirc-kafka-w".to_owned()).spawn(work) {
            state.opening = false;
            self.give_up(state, &format!("no thread for Kafka: {error}"));
        }
    }

    fn opened(self: &Arc<Self>, opened: Result<BaseProducer<OutContext>, KafkaError>) -> Option<Arc<Out>> {
        let mut state = self.state();
        state.opening = false;
        match opened {
            Ok(_) if state.closed => None,
            Ok(producer) => {
                let out = Arc::new(Out { producer, stopped: AtomicBool::new(false) });
                state.out = Some(out.clone());
                self.advance(&mut state);
                Some(out)
            }
            Err(error) => {
                self.give_up(&mut state, &super::admin_client::unusable(&error).0);
                None
            }
        }
    }

    /// Answers all that wait that it can't be done.
    fn give_up(&self, state: &mut State, why: &str) {
        let parked: Vec<Load> = state.parked.drain().flat_map(|(_, loads)| loads).collect();
        for load in state.waiting.drain(..).chain(parked) {
            state.bytes -= load.ask.bytes;
            let _ = load.ask.reply.send(Err(PortError(why.to_owned())));
        }
    }

    /// The producer told what became of a record.
    pub(super) fn delivered(self: &Arc<Self>, ask: Ask, result: Result<Offset, (Option<Code>, String)>) {
        let bytes = ask.bytes;
        let lost = match result {
            Ok(offset) => {
                let _ = ask.reply.send(Ok(offset));
                self.pulse.well();
                false
            }
            Err((code, text)) => {
                self.fail(ask, code, &text);
                // One that runs out of time may be waiting for a leader that it can't know any
                // more.
                matches!(
                    code,
                    Some(
                        Code::Fatal
                            | Code::MessageTimedOut
                            | Code::OutOfOrderSequenceNumber
                            | Code::UnknownProducerId
                            | Code::InvalidProducerEpoch
                            | Code::ProducerFenced
                    )
                )
            }
        };
        let mut state = self.state();
        state.bytes -= bytes;
        state.in_flight = state.in_flight.saturating_sub(1);
        state.renew |= lost;
        if state.in_flight == 0 || state.renew {
            self.advance(&mut state);
        }
    }

    /// The producer can't go on, or may be talking to a cluster that has forgotten it.
    pub(super) fn renew(self: &Arc<Self>, fatal: bool) {
        let mut state = self.state();
        if let Some(out) = &state.out {
            if fatal {
                out.give_up();
            }
            state.renew = true;
            self.advance(&mut state);
        }
    }

    /// Closes the producer if nothing was appended for so long.
    pub(super) fn rest(self: &Arc<Self>, idle: Duration) {
        let mut state = self.state();
        if state.is_idle() && state.used.is_none_or(|used| used.elapsed() >= idle) && state.out.is_some() {
            state.renew = true;
            self.advance(&mut state);
        }
    }

    /// Takes nothing more, waits for what is on its way, but not long.
    pub(super) async fn close(self: &Arc<Self>, patience: Duration) {
        let drained = async {
            loop {
                let idle = self.idle.notified();
                tokio::pin!(idle);
                idle.as_mut().enable();
                {
                    let mut state = self.state();
                    state.closed = true;
                    if state.is_idle() {
                        return;
                    }
                }
                idle.await;
            }
        };
        let _ = tokio::time::timeout(patience, drained).await;
        let mut state = self.state();
        self.give_up(&mut state, super::GONE);
        if let Some(out) = state.out.take() {
            out.stop();
        }
    }

    /// Whether there is a producer.
    #[cfg(test)]
    pub(super) fn is_open(&self) -> bool {
        self.state().out.is_some()
    }
}
