//! What contacts can do on the broker with the user that they share: what they need, and nothing
//! else. All else is tried.

mod common;

use std::time::{Duration, Instant};

use common::World;
use common::services::Cluster;
use kirc::config::EnvFile;
use kirc::mailbox::{Acl, Operation};
use rdkafka::admin::{
    AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

const SOON: Duration = Duration::from_secs(10);

fn read_env(world: &World, profile: &str, name: &str) -> String {
    let file = EnvFile::read(&world.profile(profile).join(".env")).unwrap().expect("an .env");
    file.get(name).unwrap_or_default().to_owned()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(future)
}

/// Tries to append a record.
async fn append(config: &ClientConfig, topic: &str) -> Result<(), KafkaError> {
    let producer: FutureProducer = config.clone().set("message.timeout.ms", "8000").create()?;
    let record = FutureRecord::to(topic).key("k").payload("not kirc's").partition(0);
    producer.send(record, SOON).await.map(drop).map_err(|(error, _)| error)
}

/// Tries to read a partition from its beginning: whether it comes to a record or to the end.
fn read(config: &ClientConfig, topic: &str) -> Result<(), KafkaError> {
    let mut config = config.clone();
    // The library wants a group's name, though there is no group.
    config.set("group.id", "none").set("enable.partition.eof", "true").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create()?;
    let mut places = TopicPartitionList::new();
    places.add_partition_offset(topic, 0, Offset::Beginning)?;
    consumer.assign(&places)?;
    let begin = Instant::now();
    while begin.elapsed() < SOON {
        match consumer.poll(Duration::from_millis(500)) {
            Some(Ok(_)) | Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            Some(Err(e)) if e.rdkafka_error_code() == Some(Code::GroupAuthorizationFailed) => {}
            Some(Err(error)) => return Err(error),
            None => {}
        }
    }
    panic!("Kafka neither gives nor refuses {topic}")
}

fn refused(what: &str, code: Option<Code>) {
    let refusals =
        [Code::TopicAuthorizationFailed, Code::ClusterAuthorizationFailed, Code::GroupAuthorizationFailed];
    assert!(code.is_some_and(|c| refusals.contains(&c)), "{what}: {code:?}");
}

#[test]
fn contacts_can_do_what_they_need_and_nothing_else() {
    let Some(world) = World::with_admin("contacts_can_do_what_they_need_and_nothing_else") else { return };
    world.set_up("alice");
    world.ok("alice", &["setup", "infra"]);
    let (user, password) = (
        read_env(&world, "alice", "KIRC_KAFKA_PEER_USER"),
        read_env(&world, "alice", "KIRC_KAFKA_PEER_PASSWORD"),
    );
    let (services, log) = (world.services(), read_env(&world, "alice", "KIRC_KAFKA_LOG"));
    let topics = services.topics(Cluster::First);
    let own = |kind: &str| topics.iter().find(|t| t.starts_with(kind) && **t != log).unwrap().as_str();
    let all = ["data-in", "data-out", "rpc-in", "rpc-out"].map(own).into_iter().chain([log.as_str()]);
    let all: Vec<&str> = all.collect();
    let may_append = [own("data-in"), own("rpc-in"), &log];
    let may_read = [own("rpc-out"), &log];
    let peer = services.kafka(Cluster::First, Some((&user, &password)));
    let options = AdminOptions::new().request_timeout(Some(SOON));

    run(async {
        for topic in &all {
            match append(&peer, topic).await {
                Ok(()) => assert!(may_append.contains(topic), "{topic} was appended to"),
                Err(error) if may_append.contains(topic) => panic!("{topic}: {error}"),
                Err(error) => refused(topic, error.rdkafka_error_code()),
            }
        }
        let admin: rdkafka::admin::AdminClient<_> = peer.create().unwrap();
        let new = NewTopic::new("data-in-of-mine", 1, TopicReplication::Fixed(1));
        let made = admin.create_topics([&new], &options).await.unwrap();
        refused("making a topic", made[0].as_ref().err().map(|(_, code)| *code));
        for topic in &all {
            let done = admin.delete_topics(&[topic], &options).await.unwrap();
            refused(&format!("deleting {topic}"), done[0].as_ref().err().map(|(_, code)| *code));
            let more = NewPartitions::new(topic, 7);
            let done = admin.create_partitions([&more], &options).await.unwrap();
            refused(&format!("widening {topic}"), done[0].as_ref().err().map(|(_, code)| *code));
            // Of these two the crate does not tell the refusal.
            let place = ResourceSpecifier::Topic(topic);
            let asked = admin.describe_configs([&place], &options).await.unwrap();
            assert!(
                asked[0].as_ref().is_ok_and(|found| found.entries.is_empty()),
                "settings of {topic} are seen"
            );
            let change = AlterConfig::new(place).set("retention.ms", "1");
            let _ = admin.alter_configs([&change], &options).await;
            let settings = services.hand(Cluster::First).settings(topic).await.unwrap();
            assert_ne!(settings["retention.ms"].0, "1", "settings of {topic} were changed");
            let mut places = TopicPartitionList::new();
            places.add_partition_offset(topic, 0, Offset::End).unwrap();
            let done = admin.delete_records(&places, &options).await;
            let code = match &done {
                Ok(places) => places.elements()[0].error().err().and_then(|e| e.rdkafka_error_code()),
                // It can't even be seen.
                Err(KafkaError::AdminOp(Code::NoEnt)) if *topic == own("data-out") => continue,
                Err(error) => error.rdkafka_error_code(),
            };
            refused(&format!("records of {topic}"), code);
        }
        let hand = services.hand_of(Cluster::First, &user, &password);
        assert_eq!(hand.cluster_rights().await, Ok(Vec::new()));
        let refused = hand.create_acls(&[Acl::allow(&user, Operation::All, &log)]).await.unwrap_err();
        assert!(refused.0.contains("may not"), "{refused}");
        let new = kirc::config::Secret::new("of my own choice");
        let mechanism = kirc::mailbox::Mechanism::ScramSha512;
        let refused = hand.set_scram_user("kirc-owner", &new, mechanism, 4096).await.unwrap_err();
        assert!(refused.0.contains("may not"), "{refused}");
    });
    // The mailbox's own data-out can't even be seen, as the end of this shows; the library waits
    // for such a topic.
    for topic in all.iter().filter(|t| **t != own("data-out")) {
        match read(&peer, topic) {
            Ok(()) => assert!(may_read.contains(topic), "{topic} was read"),
            Err(error) if may_read.contains(topic) => panic!("{topic}: {error}"),
            Err(error) => refused(&format!("{topic} {error:?}"), error.rdkafka_error_code()),
        }
    }
    // A group would be a place to leave something behind.
    let consumer: BaseConsumer = peer.clone().set("group.id", "of-mine").create().unwrap();
    consumer.subscribe(&[&log]).unwrap();
    match consumer.poll(SOON) {
        Some(Err(error)) => refused("a group", error.rdkafka_error_code()),
        other => panic!("a group was joined: {other:?}"),
    }
    // Of all the topics on the cluster it sees its own.
    let consumer: BaseConsumer = peer.create().unwrap();
    let told = consumer.fetch_metadata(None, SOON).unwrap();
    let mut seen: Vec<&str> = told.topics().iter().map(|t| t.name()).collect();
    let mut may: Vec<&str> = all.iter().copied().filter(|t| *t != own("data-out")).collect();
    seen.sort_unstable();
    may.sort_unstable();
    assert_eq!(seen, may);
}
