//! Readers, one for each partition that the node reads: started, moved, stopped, and restarted
//! after a failure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{FuturesUnordered, StreamExt};
use kirc_core::ids::Offset;
use kirc_core::port::{Input, ReadFrom, Topic};
use tokio::sync::mpsc::Receiver;

use crate::mailbox::{Delivery, Mailbox};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

struct Reader {
    life: u64,
    mailbox: Arc<dyn Mailbox>,
    stop: AbortHandle,
    /// Where it would go on.
    next: Option<Offset>,
    from: ReadFrom,
}

/// What a reader's future gives: its partition, which life of the reader, and what came.
struct Heard {
    topic: Topic,
    life: u64,
    delivery: Option<Delivery>,
    rest: Receiver<Delivery>,
}

type Step = std::pin::Pin<Box<dyn Future<Output = Option<Heard>> + Send>>;

/// All readers.
#[derive(Default)]
pub(super) struct Readers {
    readers: HashMap<Topic, Reader>,
    steps: FuturesUnordered<Step>,
    lives: u64,
}

impl Readers {
    /// Starts a reader, or moves the one that there is: that is never heard of again.
    pub(super) fn read(&mut self, mailbox: &Arc<dyn Mailbox>, topic: Topic, from: ReadFrom) {
        self.start(mailbox.clone(), topic, from, Duration::ZERO);
    }

    /// Whether anything of a cluster is read.
    pub(super) fn reads(&self, cluster: &str) -> bool {
        self.readers.keys().any(|topic| topic.cluster == cluster)
    }

    /// A cluster is reached in another way: its readers go on there, where they stood.
    pub(super) fn moved(&mut self, cluster: &str, mailbox: &Arc<dyn Mailbox>) {
        let of_this = |t: &&Topic| t.cluster == cluster;
        let topics: Vec<Topic> = self.readers.keys().filter(of_this).cloned().collect();
        for topic in topics {
            if let Some(from) = self.readers.get(&topic).map(|r| r.next.map_or(r.from, ReadFrom::At)) {
                self.start(mailbox.clone(), topic, from, Duration::ZERO);
            }
        }
    }

    /// Stops a reader.
    pub(super) fn stop(&mut self, topic: &Topic) {
        if let Some(reader) = self.readers.remove(topic) {
            reader.stop.abort();
        }
    }

    fn start(&mut self, mailbox: Arc<dyn Mailbox>, topic: Topic, from: ReadFrom, pause: Duration) {
        self.stop(&topic);
        self.lives += 1;
        let life = self.lives;
        let (stop, registration) = AbortHandle::new_pair();
        let opening = open(mailbox.clone(), topic.clone(), life, from, pause);
        let step = Abortable::new(opening, registration);
        self.steps.push(Box::pin(async move { step.await.ok() }));
        let reader = Reader { life, mailbox, stop, next: None, from };
        self.readers.insert(topic, reader);
    }

    /// What the readers bring next is added to `inputs`; never, if nothing is read.
    pub(super) async fn next(&mut self, inputs: &mut Vec<Input>) {
        loop {
            let heard = match self.steps.next().await {
                Some(Some(heard)) => heard,
                Some(None) => continue,
                None => return std::future::pending().await,
            };
            if self.take(heard, inputs) {
                return;
            }
        }
    }

    fn take(&mut self, heard: Heard, inputs: &mut Vec<Input>) -> bool {
        let Heard { topic, life, delivery, rest } = heard;
        let Some(reader) = self.readers.get_mut(&topic).filter(|r| r.life == life) else {
            return false;
        };
        match delivery {
            Some(Delivery::Reading(start)) => {
                reader.next = Some(start.at);
                inputs.push(Input::Reading {
                    topic: topic.clone(),
                    incarnation: start.incarnation,
                    start: start.start,
                    end: start.end,
                    at: start.at,
                });
            }
            Some(Delivery::Records(records)) => {
                if let Some(last) = records.last() {
                    reader.next = Some(last.offset + 1);
                }
                inputs
                    .extend(records.into_iter().map(|record| Input::Record { topic: topic.clone(), record }));
            }
            None => {
                // The service gave this reader up: another one goes on where it stood.
                let from = reader.next.map_or(reader.from, ReadFrom::At);
                let mailbox = reader.mailbox.clone();
                self.start(mailbox, topic, from, FIRST_PAUSE);
                return false;
            }
        }
        let (stop, registration) = AbortHandle::new_pair();
        reader.stop = stop;
        let step = Abortable::new(listen(topic, life, rest), registration);
        self.steps.push(Box::pin(async move { step.await.ok() }));
        true
    }
}

/// Asks for a reader until there is one; gives the first it says.
async fn open(
    mailbox: Arc<dyn Mailbox>,
    topic: Topic,
    life: u64,
    from: ReadFrom,
    mut pause: Duration,
) -> Heard {
    loop {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        match mailbox.read(&topic, from).await {
            Ok(deliveries) => return listen(topic, life, deliveries).await,
            Err(error) => tracing::debug!(topic = topic.name, %error, "a topic can't be read"),
        }
    }
}

async fn listen(topic: Topic, life: u64, mut rest: Receiver<Delivery>) -> Heard {
    let delivery = rest.recv().await;
    Heard { topic, life, delivery, rest }
}
