//! Measures the time from an append to its delivery to a waiting reader, compared with plain
//! rdkafka with the same settings.
//!
//! Run by hand: `cargo test -p kirc --lib kafka::tests::speed -- --ignored --nocapture`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, ThreadedProducer};

use super::rig::{Door, Kafka};
use super::*;
use crate::mailbox::kafka::settings::Pace;

const ROUNDS: usize = 1_000;

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    println!("{what}: p50 {:?}, p99 {:?}", times[times.len() / 2], times[times.len() * 99 / 100]);
}

/// About what a message of 50 characters is as a record: base64 in JSON.
fn record(i: usize) -> Vec<u8> {
    let mut seed = i as u64 + 1;
    let mut value = b"{\"v\":1,\"k\":\"".to_vec();
    while value.len() < 900 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        value
            .push(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(seed >> 58) as usize]);
    }
    value
}

async fn ours(kafka: &Kafka, what: &str) {
    let mailbox = kafka.mailbox();
    let topic = kafka.topic(&mailbox, "speed").await;
    let mut reader = mailbox.read(&topic, ReadFrom::End).await.unwrap();
    reader.recv().await.unwrap();
    for (round, pause) in [("fresh", 0), ("settled", 4)] {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        let mut read = Vec::new();
        for i in 0..ROUNDS {
            let begin = Instant::now();
            let done = mailbox.append(&topic, b"key".to_vec(), record(i));
            reader.recv().await.unwrap();
            read.push(begin.elapsed());
            done.await.unwrap();
        }
        report(&format!("{what}, {round}: append to reader"), read);
    }
    mailbox.close().await.unwrap();
}

fn bare(kafka: &Kafka, topic: &str, what: &str) {
    let mut config = kafka.settings.reader(Pace::Prompt);
    let consumer: BaseConsumer = config.set("group.id", "speed").create().unwrap();
    let producer: ThreadedProducer<DefaultProducerContext> = kafka.settings.writer().create().unwrap();
    let mut all = rdkafka::TopicPartitionList::new();
    all.add_partition_offset(topic, 0, rdkafka::Offset::End).unwrap();
    consumer.assign(&all).unwrap();
    // The first end of the partition: it reads.
    while !matches!(
        consumer.poll(Duration::from_secs(1)),
        Some(Err(rdkafka::error::KafkaError::PartitionEOF(_)))
    ) {}
    let mut times = Vec::new();
    for i in 0..ROUNDS {
        let begin = Instant::now();
        producer.send(BaseRecord::to(topic).partition(0).key("key").payload(&record(i))).unwrap();
        while !matches!(consumer.poll(Duration::from_secs(1)), Some(Ok(_))) {}
        times.push(begin.elapsed());
    }
    report(&format!("{what}, rdkafka alone"), times);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn append_to_reader() {
    for door in [Door::Plain, Door::Sasl] {
        for compression in [Compression::None, Compression::Gzip] {
            let Some(mut kafka) = Kafka::new(door) else {
                return;
            };
            kafka.settings.compression = compression;
            let what = format!("{door:?} {compression:?}");
            ours(&kafka, &what).await;
            let topic = kafka.topic(&kafka.mailbox(), "bare").await;
            tokio::task::block_in_place(|| bare(&kafka, &topic.name, &what));
        }
    }
}

/// What an idle node moves: as many partitions as one with 10 contacts and 3 channels reads. The
/// kernel counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn idle() {
    let Some(kafka) = Kafka::new(Door::Plain) else {
        return;
    };
    let mailbox = kafka.mailbox();
    let mut readers = Vec::new();
    for what in ["data-in", "rpc-in", "rpc-out", "data-out"] {
        let topic = kafka.topic(&mailbox, what).await;
        for partition in 0..2 {
            let topic = Topic { partition, ..topic.clone() };
            let mut reader = mailbox.read(&topic, ReadFrom::End).await.unwrap();
            reader.recv().await.unwrap();
            mailbox.append(&topic, vec![], vec![1]).await.unwrap();
            readers.push(reader);
        }
    }
    tokio::time::sleep(Duration::from_secs(100)).await;
    let moved = || -> BTreeMap<String, u64> {
        let pid = format!("pid={},", std::process::id());
        let out = std::process::Command::new("ss").args(["-tniOp"]).output().unwrap().stdout;
        let text = String::from_utf8_lossy(&out).into_owned();
        let count = |line: &str, word: &str| -> u64 {
            let rest = line.split_once(word).map_or("", |(_, rest)| rest);
            rest.split_whitespace().next().unwrap_or("").parse().unwrap_or(0)
        };
        let mine = text.lines().filter(|l| l.contains(&pid));
        mine.map(|l| {
            let door = l.split_whitespace().nth(3).unwrap_or("").to_owned();
            (door, count(l, "bytes_sent:") + count(l, "bytes_received:"))
        })
        .collect()
    };
    let before = moved();
    tokio::time::sleep(Duration::from_secs(120)).await;
    let mut all = 0;
    for (door, bytes) in moved() {
        let bytes = bytes - before.get(&door).copied().unwrap_or(0);
        println!("{door}: {} bytes a second", bytes / 120);
        all += bytes;
    }
    println!("idle: {} bytes a second, both ways", all / 120);
}
