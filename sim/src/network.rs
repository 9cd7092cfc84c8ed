//! The network to the mailbox service and back: appends that are slow, get lost, arrive late or
//! twice, and readers that lag.

use kirc_core::port::{Input, PortError, ReadFrom, RequestId, Topic};

use crate::faults::Fault;
use crate::host::{EPOCH, cluster_of, is_log};
use crate::mailbox::ids;
use crate::world::{Event, Landing, World};

/// After so many ms an append has failed for its producer.
const APPEND_TIMEOUT: u64 = 3_000;
/// What a claim to lead has in it.
const CLAIM: &[u8] = b"\"command\":\"CLAIM\"";
/// What a record has in it that holds several acts.
const BATCH: &[u8] = b"\"command\":\"BATCH\"";

impl World {
    /// A node appends; a hostile one may append something else.
    pub fn append(
        &mut self,
        index: usize,
        request_id: RequestId,
        topic: Topic,
        key: Vec<u8>,
        value: Vec<u8>,
    ) {
        let tampers =
            is_log(&topic.name) && !self.quiet && self.hostile.as_ref().is_some_and(|h| h.host == index);
        if tampers && let Some(mut hostile) = self.hostile.take() {
            let many = hostile.tamper(&mut self.dice, &self.hosts[index], &value);
            self.hostile = Some(hostile);
            if let Some(many) = many {
                self.note(|w| format!("{} tampers: {} records", w.hosts[index].nick, many.len()));
                if many.is_empty() {
                    // It keeps quiet about what it was to relay; its own node believes that it did.
                    let result = Ok(self.mailbox.partition(&topic).end());
                    let life = self.hosts[index].life;
                    let told = Input::Appended { request_id, result };
                    self.after(10, Event::Input(index, life, told));
                }
                let mut request_id = Some(request_id);
                for (wait, value) in many {
                    self.send(index, request_id.take(), topic.clone(), key.clone(), value, wait);
                }
                return;
            }
        }
        self.send(index, Some(request_id), topic, key, value, 0);
    }

    /// Sends a record on its way. One that waits is overtaken by those behind it.
    pub fn send(
        &mut self,
        host: usize,
        request_id: Option<RequestId>,
        topic: Topic,
        key: Vec<u8>,
        value: Vec<u8>,
        wait: u64,
    ) {
        let rates = self.plan.rates;
        let dice = &mut self.dice;
        let delay = self.plan.append.draw(dice);
        let back = self.plan.append.draw(dice);
        let cut = self.hosts[host].cut_topic(&topic);
        let lost = !self.quiet && dice.chance(rates.lost) || cut && dice.chance(600);
        let stale = !self.quiet && dice.chance(rates.stale) || cut;
        let unacked = !self.quiet && dice.chance(rates.unacked);
        let twice = !self.quiet && dice.chance(rates.twice);
        let again = dice.range(1, 4_000);
        let latest = if dice.chance(300) { 60_000 } else { 8_000 };
        let late = dice.range(APPEND_TIMEOUT, latest);
        let mut landing = Landing {
            host,
            life: self.hosts[host].life,
            request_id,
            asked: self.now,
            back,
            topic,
            key,
            value,
        };
        if lost || stale {
            if let Some(request_id) = landing.request_id.take() {
                self.fail_append(host, request_id, APPEND_TIMEOUT);
            }
            if !lost {
                self.after(late, Event::Land(landing));
            }
            return;
        }
        let before = self.hosts[host].landing.get(&landing.topic).copied();
        let mut at = (self.now + delay).max(before.unwrap_or(0));
        if wait > 0 {
            at += wait;
        } else {
            self.hosts[host].landing.insert(landing.topic.clone(), at);
        }
        if (unacked || at > self.now + APPEND_TIMEOUT)
            && let Some(request_id) = landing.request_id.take()
        {
            self.fail_append(host, request_id, APPEND_TIMEOUT);
        }
        if twice {
            let copy = Landing { request_id: None, ..landing.clone() };
            self.at(at + again, Event::Land(copy));
        }
        self.at(at, Event::Land(landing));
    }

    /// The worst moment to wake up for somebody who believes to lead: the very moment at which it
    /// is replaced.
    fn wake_zombies(&mut self) {
        for index in 0..self.hosts.len() {
            if let Some(until) = self.hosts[index].paused
                && self.plan.faults.zombies > 0
                && self.dice.chance(700)
            {
                let soon = self.dice.range(0, 30);
                self.after(soon, Event::Fault(Fault::Resume(index, until)));
            }
        }
    }

    fn fail_append(&mut self, host: usize, request_id: RequestId, delay: u64) {
        let life = self.hosts[host].life;
        let result = Err(PortError("the mailbox service did not answer".to_owned()));
        self.after(delay, Event::Input(host, life, Input::Appended { request_id, result }));
    }

    /// An append reaches the log, unless its producer died or was cut off on the way.
    pub fn land(&mut self, landing: Landing) {
        let host = &self.hosts[landing.host];
        let (same, cut) = (host.life == landing.life, host.cut_topic(&landing.topic));
        let gone = !same || cut;
        if gone
            && let Some(request_id) = landing.request_id
            && self.dice.chance(500)
        {
            if same {
                let wait = (landing.asked + APPEND_TIMEOUT).saturating_sub(self.now);
                self.fail_append(landing.host, request_id, wait);
            }
            return;
        }
        let Landing { host, life, request_id, asked, back, topic, key, value } = landing;
        if self.needles.found(&value) || self.needles.found(&key) {
            self.witness.leaks.push((self.now, format!("a record of {}", topic.name)));
        }
        for id in ids(&value) {
            let place = (self.now, topic.clone());
            self.witness.landed.entry(id).or_default().push(place);
        }
        if is_log(&topic.name) {
            self.witness.appended += 1;
            self.witness.batches += u64::from(value.windows(BATCH.len()).any(|w| w == BATCH));
            if value.windows(CLAIM.len()).any(|w| w == CLAIM) {
                self.wake_zombies();
            }
        }
        let clock = EPOCH + self.now + self.service_clock[cluster_of(&topic.cluster)];
        let offset = self.mailbox.land(&topic, key, value, clock);
        self.note(|w| format!("{}/{} has {offset} (of {})", topic.name, topic.partition, w.hosts[host].nick));
        if let Some(request_id) = request_id {
            if cut || self.now + back > asked + APPEND_TIMEOUT {
                let wait = (asked + APPEND_TIMEOUT).saturating_sub(self.now);
                self.fail_append(host, request_id, wait);
            } else {
                let result = Ok(offset);
                let input = Input::Appended { request_id, result };
                // One producer hears of its successes in the order in which it asked.
                let before = self.hosts[host].acked.get(&topic).copied();
                let at = (self.now + back).max(before.unwrap_or(0));
                self.hosts[host].acked.insert(topic.clone(), at);
                self.at(at, Event::Input(host, life, input));
            }
        }
        self.attract(&topic);
    }

    /// Whoever reads a topic learns, a little later, that there is something to read.
    fn attract(&mut self, topic: &Topic) {
        for index in 0..self.hosts.len() {
            self.schedule_look(index, topic);
        }
    }

    fn schedule_look(&mut self, index: usize, topic: &Topic) {
        let host = &mut self.hosts[index];
        let life = host.life;
        let Some(reader) = host.readers.get_mut(topic) else {
            return;
        };
        if reader.looking || !reader.placed {
            return;
        }
        reader.looking = true;
        let id = reader.id;
        let delay = self.plan.read.draw(&mut self.dice);
        self.after(delay, Event::Look(index, life, topic.clone(), id));
    }

    /// After a spell of silence all readers of a machine look again.
    pub fn look_again(&mut self, index: usize) {
        let topics: Vec<Topic> = self.hosts[index].readers.keys().cloned().collect();
        for topic in topics {
            self.schedule_look(index, &topic);
        }
    }

    /// A reader finds its place.
    pub fn place(&mut self, index: usize, life: u64, topic: Topic, reader: u64, from: ReadFrom) {
        let host = &self.hosts[index];
        if host.life != life || host.readers.get(&topic).is_none_or(|r| r.id != reader) {
            return;
        }
        if host.cut_topic(&topic) {
            return self.after(500, Event::Place(index, life, topic, reader, from));
        }
        let partition = self.mailbox.partition(&topic);
        let (start, end) = (partition.start, partition.end());
        let at = match from {
            ReadFrom::At(offset) => offset.clamp(start, end),
            ReadFrom::End => end,
        };
        let incarnation = partition.incarnation.clone();
        if let Some(reader) = self.hosts[index].readers.get_mut(&topic) {
            reader.next = at;
            reader.placed = true;
        }
        let reading = Input::Reading { topic: topic.clone(), incarnation, start, end, at };
        self.arrive(index, life, reading);
        if self.hosts[index].life == life {
            self.schedule_look(index, &topic);
        }
    }

    /// A reader looks: it gets some records, and looks again if there are more.
    pub fn look(&mut self, index: usize, life: u64, topic: Topic, reader: u64) {
        let host = &mut self.hosts[index];
        if host.life != life {
            return;
        }
        let cut = host.cut_topic(&topic);
        let Some(place) = host.readers.get_mut(&topic).filter(|r| r.id == reader) else {
            return;
        };
        place.looking = false;
        if cut || !place.placed {
            return;
        }
        let partition = self.mailbox.partition(&topic);
        let many = self.dice.range(1, 8);
        let end = partition.end().min(place.next + many);
        let records: Vec<Input> = (place.next..end)
            .filter_map(|o| partition.get(o).cloned())
            .map(|record| Input::Record { topic: topic.clone(), record })
            .collect();
        place.next = end;
        let more = end < partition.end();
        if records.len() > 1 && self.dice.chance(300) && self.hosts[index].awake() {
            self.feed(index, records);
        } else {
            for record in records {
                // What one record makes a node do can move its reader: what was already read still
                // comes.
                self.arrive(index, life, record);
            }
        }
        if more && self.hosts[index].life == life {
            self.schedule_look(index, &topic);
        }
    }

    /// A question for the end reaches the log.
    pub fn answer_end(&mut self, index: usize, life: u64, request_id: RequestId, topic: &Topic) {
        let (result, delay) = if self.hosts[index].cut_topic(topic) {
            (Err(PortError("the mailbox service did not answer".to_owned())), APPEND_TIMEOUT)
        } else {
            let delay = self.plan.read.draw(&mut self.dice);
            (Ok(self.mailbox.partition(topic).end()), delay)
        };
        self.after(delay, Event::Input(index, life, Input::End { request_id, result }));
    }
}
