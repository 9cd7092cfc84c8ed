//! The clients that read, and which partitions each of them reads.
//!
//! This module owns the clients: a client is opened when a reader needs one, and closed after it
//! was unused for a while. A client reads a partition only once, so a second reader of the same
//! partition gets another client. This module does not look into records.

use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kirc_core::ids::Offset;
use kirc_core::port::Topic;
use tokio::runtime::Handle;

use super::client::Client;
use super::health::Pulse;
use super::raw::{Place, Tap};
use super::settings::{KafkaSettings, Pace};

/// A client and what it reads.
#[derive(Debug)]
struct Seat {
    client: Arc<Client>,
    busy: HashSet<Place>,
    /// The topics that it has read, and which life of each. librdkafka takes what it hears of a new
    /// life for old news, if its leader has changed less often than that of the life before, and
    /// waits for ever: no client reads two lives of a topic.
    known: HashMap<String, String>,
    /// Since when it reads nothing, or when it last began to.
    since: Instant,
}

/// All clients that read.
#[derive(Debug)]
pub(super) struct Taps {
    settings: Arc<KafkaSettings>,
    pulse: Arc<Pulse>,
    runtime: Handle,
    seats: Mutex<HashMap<Pace, Vec<Seat>>>,
}

/// A partition that is read, until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    tap: Option<Tap>,
    place: Place,
    pace: Pace,
    taps: Arc<Taps>,
}

impl Taps {
    pub(super) fn new(settings: Arc<KafkaSettings>, pulse: Arc<Pulse>, runtime: Handle) -> Arc<Self> {
        Arc::new(Self { settings, pulse, runtime, seats: Mutex::default() })
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<Pace, Vec<Seat>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a partition of this life of its topic from an offset.
    pub(super) async fn hold(
        self: &Arc<Self>,
        pace: Pace,
        topic: &Topic,
        life: &str,
        at: Offset,
    ) -> Result<Held, String> {
        let (me, place) = (self.clone(), (topic.name.clone(), topic.partition));
        let life = life.to_owned();
        // Opening a client reads certificates.
        let work = move || me.hold_now(pace, place, &life, at);
        self.runtime.spawn_blocking(work).await.map_err(|e| e.to_string())?
    }

    fn hold_now(self: Arc<Self>, pace: Pace, place: Place, life: &str, at: Offset) -> Result<Held, String> {
        let client = self.seat(pace, &place, life)?;
        match Tap::start(&client, &place.0, place.1, at) {
            Ok(tap) => Ok(Held { tap: Some(tap), place, pace, taps: self }),
            Err(failure) => {
                self.release(pace, &client, &place);
                Err(failure.text)
            }
        }
    }

    /// A client that does not read this partition yet, and is taken to read it from now on.
    fn seat(&self, pace: Pace, place: &Place, life: &str) -> Result<Arc<Client>, String> {
        let mut seats = self.seats();
        let seats = seats.entry(pace).or_default();
        let fits =
            |s: &Seat| !s.busy.contains(place) && s.known.get(&place.0).is_none_or(|known| known == life);
        if let Some(seat) = seats.iter_mut().find(|s| fits(s)) {
            seat.busy.insert(place.clone());
            seat.known.insert(place.0.clone(), life.to_owned());
            return Ok(seat.client.clone());
        }
        let config = self.settings.reader(pace);
        let client = Client::open(&config, self.pulse.clone(), &self.runtime).map_err(|e| e.to_string())?;
        let busy = HashSet::from([place.clone()]);
        let known = HashMap::from([(place.0.clone(), life.to_owned())]);
        seats.push(Seat { client: client.clone(), busy, known, since: Instant::now() });
        Ok(client)
    }

    fn release(&self, pace: Pace, client: &Arc<Client>, place: &Place) {
        let mut seats = self.seats();
        let mine = seats.entry(pace).or_default().iter_mut().find(|s| Arc::ptr_eq(&s.client, client));
        if let Some(seat) = mine {
            seat.busy.remove(place);
            seat.since = Instant::now();
        }
    }

    /// Nothing more is read with a client; it ends with those who read with it still.
    fn discard(&self, pace: Pace, client: &Arc<Client>) {
        self.seats().entry(pace).or_default().retain(|s| !Arc::ptr_eq(&s.client, client));
    }

    /// Closes the clients that have had nothing to read for so long.
    pub(super) fn rest(&self, idle: Duration) {
        for seats in self.seats().values_mut() {
            seats.retain(|s| !s.busy.is_empty() || s.since.elapsed() < idle);
        }
    }

    /// How many clients are open.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.seats().values().map(Vec::len).sum()
    }

    /// How many partitions are read at a pace.
    #[cfg(test)]
    pub(super) fn reading(&self, pace: Pace) -> usize {
        self.seats().get(&pace).map_or(0, |seats| seats.iter().map(|s| s.busy.len()).sum())
    }
}

impl Held {
    /// Lets go of the partition; its client is not to be used again.
    pub(super) fn spoil(self) {
        if let Some(tap) = &self.tap {
            self.taps.discard(self.pace, tap.client());
        }
    }
}

impl Deref for Held {
    type Target = Option<Tap>;

    fn deref(&self) -> &Option<Tap> {
        &self.tap
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(tap) = self.tap.take() else {
            return;
        };
        let (taps, pace, place) = (self.taps.clone(), self.pace, self.place.clone());
        // Stopping waits for the library's threads.
        self.taps.runtime.spawn_blocking(move || {
            let client = tap.client().clone();
            drop(tap);
            taps.release(pace, &client, &place);
        });
    }
}
