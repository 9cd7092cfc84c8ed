//! Plain rdkafka with the adapter's settings: two hops in sequence, and a producer and a consumer
//! at full speed. The baseline for a message and for a relayed stream.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};

use super::bare::nanos;
use crate::mailbox::{KafkaSettings, Pace};

/// How long a record may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A producer, and a consumer that waits at the end of one partition.
struct Pair {
    topic: String,
    producer: ThreadedProducer<DefaultProducerContext>,
    consumer: BaseConsumer,
}

impl Pair {
    fn open(settings: &KafkaSettings, topic: &str) -> anyhow::Result<Self> {
        let producer = settings.writer().create()?;
        let consumer: BaseConsumer = settings.reader(Pace::Prompt).set("group.id", "bench").create()?;
        let mut all = TopicPartitionList::new();
        all.add_partition_offset(topic, 0, Offset::End)?;
        consumer.assign(&all)?;
        let begin = Instant::now();
        // The end of the partition is told when it reads.
        while !matches!(consumer.poll(PATIENCE), Some(Err(KafkaError::PartitionEOF(_)))) {
            if begin.elapsed() > PATIENCE * 2 {
                bail!("{topic} could not be read");
            }
        }
        Ok(Self { topic: topic.to_owned(), producer, consumer })
    }

    fn send(&self, value: &[u8]) -> anyhow::Result<()> {
        let record = BaseRecord::to(&self.topic).partition(0).key("bench").payload(value);
        self.producer.send(record).map_err(|(error, _)| error.into())
    }

    fn receive(&self) -> anyhow::Result<usize> {
        loop {
            match self.consumer.poll(PATIENCE).context("a record did not come")? {
                Ok(record) => return Ok(record.payload_len()),
                Err(KafkaError::PartitionEOF(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Two hops.
pub struct RawHops {
    first: Pair,
    second: Pair,
    value: Vec<u8>,
}

impl RawHops {
    /// On two topics that are there.
    pub fn open(settings: &KafkaSettings, topics: [&str; 2], size: usize) -> anyhow::Result<Self> {
        let [first, second] = topics;
        let value = incompressible(size);
        Ok(Self { first: Pair::open(settings, first)?, second: Pair::open(settings, second)?, value })
    }

    /// Produce, consume, produce, consume: nanoseconds.
    pub fn hop(&mut self) -> anyhow::Result<u64> {
        let since = Instant::now();
        for pair in [&self.first, &self.second] {
            pair.send(&self.value)?;
            pair.receive()?;
        }
        Ok(nanos(since))
    }

    /// Records a second through one producer and one consumer, as fast as they go.
    pub fn stream(&mut self, count: usize) -> anyhow::Result<f64> {
        let pair = &self.first;
        let since = Instant::now();
        let (mut sent, mut received) = (0, 0);
        while received < count {
            // So much is on its way as one author's window allows, and no more.
            while sent < count && sent - received < 512 {
                pair.send(&self.value)?;
                sent += 1;
            }
            pair.receive()?;
            received += 1;
        }
        pair.producer.flush(PATIENCE)?;
        Ok(count as f64 / since.elapsed().as_secs_f64())
    }
}

/// Letters as base64 has them: what a record mostly is.
fn incompressible(size: usize) -> Vec<u8> {
    let mut seed = 1_u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[(seed >> 58) as usize]
    };
    (0..size).map(|_| next()).collect()
}
