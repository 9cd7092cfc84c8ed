//! Queries about the cluster: its id, topics with their ids, and offsets of partitions.
//!
//! This module owns these three calls. It is independent of how the answers are used.

use std::ffi::CString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::bindings as rd;
use rdkafka::bindings::rd_kafka_admin_op_t as Op;
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;

use super::super::client::Client;
use super::call::{Failure, call};
use super::topics::ask_for_rights;
use super::{c_text, copied, lent, outcome};

/// What a topic is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct TopicInfo {
    /// Kafka's id of this life of the topic.
    pub(in super::super) id: String,
    pub(in super::super) partitions: u32,
}

/// What is slow for an answer about brokers.
const SLOW: Duration = Duration::from_millis(500);
/// How long a broker that comes back may forget that it is there: longer than between two of its
/// heartbeats (2 s).
const SETTLED: Duration = Duration::from_millis(2_500);

/// An offset that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Spec {
    Start,
    End,
}

/// A partition, and what was asked of it.
pub(in super::super) type Place = (String, u32);

/// Waits until a broker knows brokers. One that has just started may answer without any, and
/// librdkafka 2.12 ends the process when such an answer comes to DescribeCluster or DescribeTopics
/// (`rd_kafka_admin_response_parse` finds neither a result nor an error). The plain question for
/// metadata takes the same answer as an error.
///
/// An answer that took long came from a broker that stood still or just came back. It may say next
/// that it knows nobody, until its heartbeats are heard again: so it is asked anew a while later,
/// until it answers at once.
///
/// `topic` is one that should be there: a name that is not is asked for again and again by
/// librdkafka on its own.
pub(super) async fn brokers_known(
    client: &Arc<Client>,
    topic: Option<&String>,
    timeout: Duration,
) -> Result<(), Failure> {
    let topic = topic.map_or("__kirc_none", String::as_str);
    loop {
        let begin = Instant::now();
        knows_brokers(client, topic, timeout).await?;
        if begin.elapsed() < SLOW {
            return Ok(());
        }
        tokio::time::sleep(SETTLED).await;
    }
}

async fn knows_brokers(client: &Arc<Client>, topic: &str, timeout: Duration) -> Result<(), Failure> {
    let (asks, topic) = (client.clone(), topic.to_owned());
    let asked = tokio::task::spawn_blocking(move || {
        let consumer = asks.consumer()?;
        Some(consumer.fetch_metadata(Some(&topic), timeout).map(|told| told.brokers().is_empty()))
    });
    let failed = |code, text: String| Err(Failure { code, text });
    match asked.await {
        Ok(Some(Ok(false))) => Ok(()),
        Ok(Some(Ok(true))) => failed(RDKafkaErrorCode::Partial, "the broker knows no brokers yet".to_owned()),
        Ok(Some(Err(error))) => {
            let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
            failed(code, error.to_string())
        }
        Ok(None) | Err(_) => failed(RDKafkaErrorCode::Fail, "the client is gone".to_owned()),
    }
}

/// The id that a cluster gave itself.
pub(in super::super) async fn describe_cluster(
    client: &Arc<Client>,
    timeout: Duration,
) -> Result<String, Failure> {
    brokers_known(client, None, timeout).await?;
    let event = call(client, Op::RD_KAFKA_ADMIN_OP_DESCRIBECLUSTER, timeout, |rk, options, queue| {
        // SAFETY: all three live during the call.
        unsafe { rd::rd_kafka_DescribeCluster(rk, options, queue) }
    })
    .answer()
    .await?;
    // SAFETY: the event lives until the end of this function; an event of another type gives null,
    // which is looked for. The text is copied.
    unsafe {
        let result = rd::rd_kafka_event_DescribeCluster_result(event.ptr());
        if result.is_null() {
            return Ok(String::new());
        }
        Ok(copied(rd::rd_kafka_DescribeCluster_result_cluster_id(result)))
    }
}

/// What topics are, one answer for each.
pub(in super::super) async fn describe_topics(
    client: &Arc<Client>,
    names: &[String],
    timeout: Duration,
) -> Result<Vec<(String, Result<TopicInfo, Failure>)>, Failure> {
    described(client, names, timeout, false, |topic| {
        let mut partitions = 0;
        // SAFETY: the description lives during this call, and so does what it lends.
        unsafe {
            rd::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
            let id = rd::rd_kafka_TopicDescription_topic_id(topic);
            TopicInfo { id: uuid(id), partitions: u32::try_from(partitions).unwrap_or(u32::MAX) }
        }
    })
    .await
}

/// Asks DescribeTopics, with the asker's rights if they are wanted, and hands each description that
/// there is to `read`, for which alone it lives.
pub(super) async fn described<T>(
    client: &Arc<Client>,
    names: &[String],
    timeout: Duration,
    rights: bool,
    read: impl Fn(*const rd::rd_kafka_TopicDescription_t) -> T,
) -> Result<Vec<(String, Result<T, Failure>)>, Failure> {
    let texts = names.iter().map(|n| c_text(n)).collect::<Result<Vec<CString>, _>>()?;
    brokers_known(client, names.first(), timeout).await?;
    let ask = call(client, Op::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, timeout, |rk, options, queue| {
        let mut pointers: Vec<_> = texts.iter().map(|t| t.as_ptr()).collect();
        // SAFETY: the options are alive and the call's own. The collection copies the names, which
        // live in `texts` during this call; it is destroyed once, after librdkafka copied it in
        // turn.
        unsafe {
            if rights {
                ask_for_rights(options);
            }
            let topics = rd::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
            rd::rd_kafka_DescribeTopics(rk, topics, options, queue);
            rd::rd_kafka_TopicCollection_destroy(topics);
        }
    });
    let event = ask.answer().await?;
    let mut all = Vec::new();
    // SAFETY: the event lives until the end of this function and everything read belongs to it: the
    // array has as many descriptions as is told, and texts are copied. An event of another type
    // gives null, which is looked for.
    unsafe {
        let result = rd::rd_kafka_event_DescribeTopics_result(event.ptr());
        if result.is_null() {
            return Ok(all);
        }
        let mut count = 0;
        let topics = rd::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        for &topic in lent(topics.cast_const(), count) {
            let name = copied(rd::rd_kafka_TopicDescription_name(topic));
            all.push((name, outcome(rd::rd_kafka_TopicDescription_error(topic)).map(|()| read(topic))));
        }
    }
    Ok(all)
}

/// A UUID in Kafka's way of writing.
///
/// # Safety
/// `id` is null or a UUID that lives during the call.
unsafe fn uuid(id: *const rd::rd_kafka_Uuid_t) -> String {
    if id.is_null() {
        return String::new();
    }
    // SAFETY: not null and alive, as the caller promises; both calls only read two numbers.
    let (most, least) = unsafe {
        (rd::rd_kafka_Uuid_most_significant_bits(id), rd::rd_kafka_Uuid_least_significant_bits(id))
    };
    format!("{most:016x}{least:016x}")
}

/// The first or the last offsets of partitions, one answer for each.
pub(in super::super) async fn list_offsets(
    client: &Arc<Client>,
    places: &[Place],
    spec: Spec,
    timeout: Duration,
) -> Result<Vec<(Place, Result<u64, Failure>)>, Failure> {
    let mut texts = Vec::new();
    for (topic, partition) in places {
        texts.push((c_text(topic)?, i32::try_from(*partition).unwrap_or(i32::MAX)));
    }
    let spec = match spec {
        Spec::Start => rd::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_EARLIEST,
        Spec::End => rd::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_LATEST,
    };
    let ask = call(client, Op::RD_KAFKA_ADMIN_OP_LISTOFFSETS, timeout, |rk, options, queue| {
        // SAFETY: the list is made, filled and destroyed here; adding copies the name and gives an
        // element of the list, which is written before anything else is added. librdkafka copies
        // the list.
        unsafe {
            let list = rd::rd_kafka_topic_partition_list_new(i32::try_from(texts.len()).unwrap_or(0));
            for (topic, partition) in &texts {
                let item = rd::rd_kafka_topic_partition_list_add(list, topic.as_ptr(), *partition);
                (*item).offset = spec as i64;
            }
            rd::rd_kafka_ListOffsets(rk, list, options, queue);
            rd::rd_kafka_topic_partition_list_destroy(list);
        }
    });
    let event = ask.answer().await?;
    let mut all = Vec::new();
    // SAFETY: the event lives until the end of this function and everything read belongs to it; an
    // event of another type gives null, which is looked for, as is a result without a partition.
    unsafe {
        let result = rd::rd_kafka_event_ListOffsets_result(event.ptr());
        if result.is_null() {
            return Ok(all);
        }
        let mut count = 0;
        let infos = rd::rd_kafka_ListOffsets_result_infos(result, &raw mut count);
        for &info in lent(infos.cast_const(), count) {
            let Some(place) = rd::rd_kafka_ListOffsetsResultInfo_topic_partition(info).as_ref() else {
                continue;
            };
            let name = (copied(place.topic), u32::try_from(place.partition).unwrap_or(u32::MAX));
            let offset = if place.err == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                Ok(u64::try_from(place.offset).unwrap_or(0))
            } else {
                let text = copied(rd::rd_kafka_err2str(place.err));
                Err(Failure { code: place.err.into(), text })
            };
            all.push((name, offset));
        }
    }
    Ok(all)
}
