//! Queries and admin requests: topic information, first and last offsets of partitions, creating
//! topics, deleting records.
//!
//! This module owns the client for these requests. That client consumes nothing, so no request
//! waits behind a fetch.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kirc_core::ids::Offset;
use kirc_core::port::{PortError, Topic};
use rdkafka::admin::{
    AdminClient as RawAdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::topic_partition_list::TopicPartitionList;
use tokio::runtime::Handle;

use super::client::Client;
use super::error_text;
use super::health::Pulse;
use super::raw::{self, Failure, Spec, TopicInfo};
use super::settings::KafkaSettings;

/// How long a question may take.
pub(super) const ASK: Duration = Duration::from_secs(5);
/// How long an order may take.
const ORDER: Duration = Duration::from_secs(15);

/// How soon something is asked again that is about to change.
const MOMENT: Duration = Duration::from_millis(20);

/// A partition as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) life: String,
    pub(super) start: Offset,
    pub(super) end: Offset,
}

/// Why there is no answer about a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoPart {
    /// It is not there, as far as we may know.
    pub(super) missing: bool,
    pub(super) error: PortError,
}

/// Who asks.
#[derive(Debug)]
pub(super) struct AdminClient {
    settings: Arc<KafkaSettings>,
    pulse: Arc<Pulse>,
    runtime: Handle,
    client: Mutex<Option<(Arc<Client>, Instant)>>,
}

impl AdminClient {
    pub(super) fn new(settings: Arc<KafkaSettings>, pulse: Arc<Pulse>, runtime: Handle) -> Arc<Self> {
        Arc::new(Self { settings, pulse, runtime, client: Mutex::default() })
    }

    /// The client that asks.
    pub(super) async fn client(self: &Arc<Self>) -> Result<Arc<Client>, PortError> {
        let me = self.clone();
        let open = move || {
            let mut slot = me.client.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((client, used)) = slot.as_mut() {
                *used = Instant::now();
                return Ok(client.clone());
            }
            let client = Client::open(&me.settings.admin_client(), me.pulse.clone(), &me.runtime)
                .map_err(|e| unusable(&e))?;
            *slot = Some((client.clone(), Instant::now()));
            Ok(client)
        };
        let opened = self.runtime.spawn_blocking(open).await;
        opened.map_err(|_| PortError("Kafka's client did not open".to_owned()))?
    }

    /// Closes the client if nothing was asked for so long.
    pub(super) fn rest(&self, idle: Duration) {
        let mut slot = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        slot.take_if(|(_, used)| used.elapsed() >= idle);
    }

    /// What went wrong about a topic, in words; trouble with the connection makes somebody look.
    fn failed(&self, topic: &str, what: &str, failure: &Failure) -> PortError {
        let away = matches!(
            failure.code,
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::Authentication
                | Code::SSL
                | Code::OperationTimedOut
                | Code::RequestTimedOut
        );
        if away {
            self.pulse.doubt.notify_one();
            if !self.pulse.is_up() {
                return PortError(format!("topic {topic} can't be {what}: {}", self.pulse.reason()));
            }
        }
        PortError(error_text::of_topic(topic, what, Some(failure.code), &failure.text))
    }

    /// The id that the cluster gave itself.
    pub(super) async fn cluster(self: &Arc<Self>, timeout: Duration) -> Result<String, PortError> {
        let client = self.client().await?;
        match raw::describe_cluster(&client, timeout).await {
            Ok(id) if !id.is_empty() => {
                self.pulse.well();
                Ok(id)
            }
            Ok(_) => {
                Err(PortError("this Kafka has no cluster id; it is older than version 0.10.1".to_owned()))
            }
            Err(_) => Err(PortError(self.pulse.reason())),
        }
    }

    /// What topics are.
    pub(super) async fn describe(
        self: &Arc<Self>,
        names: &[String],
    ) -> Result<Vec<(String, Result<TopicInfo, Failure>)>, PortError> {
        let client = self.client().await?;
        let asked = raw::describe_topics(&client, names, ASK).await;
        let answer = asked.map_err(|f| self.failed(&names.join(", "), "looked at", &f))?;
        self.pulse.well();
        Ok(answer)
    }

    /// A partition as it is now.
    pub(super) async fn part(self: &Arc<Self>, topic: &Topic, what: &str) -> Result<Part, NoPart> {
        let elsewhere = |error| NoPart { missing: false, error };
        let told = self.describe(std::slice::from_ref(&topic.name)).await.map_err(elsewhere)?;
        let info = match told.into_iter().next() {
            Some((_, Ok(info))) if topic.partition < info.partitions => info,
            Some((_, Err(failure))) if !error_text::is_missing(failure.code) => {
                return Err(elsewhere(self.failed(&topic.name, what, &failure)));
            }
            _ => {
                let text = error_text::of_topic(&topic.name, what, Some(Code::UnknownTopicOrPartition), "");
                return Err(NoPart { missing: true, error: PortError(text) });
            }
        };
        let (start, end) = tokio::join!(self.offset(topic, Spec::Start), self.offset(topic, Spec::End));
        let wrong = |failure: Failure| NoPart {
            missing: error_text::is_missing(failure.code),
            error: self.failed(&topic.name, what, &failure),
        };
        let (start, end) = (start.map_err(wrong)?, end.map_err(wrong)?);
        Ok(Part { life: info.id, start: start.min(end), end })
    }

    /// Where partitions end; those of which that is not known now are left out. It raises no doubt:
    /// whoever looks because of one would look again at once.
    pub(super) async fn ends(self: &Arc<Self>, places: &[raw::Place]) -> Vec<(raw::Place, Offset)> {
        let Ok(client) = self.client().await else { return Vec::new() };
        let told = raw::list_offsets(&client, places, Spec::End, ASK).await.unwrap_or_default();
        told.into_iter().filter_map(|(place, end)| Some((place, end.ok()?))).collect()
    }

    async fn offset(self: &Arc<Self>, topic: &Topic, spec: Spec) -> Result<Offset, Failure> {
        let none = |text: String| Failure { code: Code::OperationTimedOut, text };
        let places = [(topic.name.clone(), topic.partition)];
        let begin = Instant::now();
        loop {
            let client = self.client().await.map_err(|e| none(e.0))?;
            let answer = raw::list_offsets(&client, &places, spec, ASK).await?;
            match answer.into_iter().next() {
                Some((_, Err(f))) if error_text::is_passing(f.code) && begin.elapsed() < ASK => {
                    tokio::time::sleep(MOMENT).await;
                }
                Some((_, offset)) => return offset,
                None => return Err(none("no answer".to_owned())),
            }
        }
    }

    /// A client for orders. It is opened for a few of them at once, and its end waits for a thread.
    pub(super) async fn orders(self: &Arc<Self>) -> Result<Orders, PortError> {
        let mut config = self.settings.admin_client();
        // Nobody takes up what this one says.
        config.set_log_level(RDKafkaLogLevel::Emerg);
        let open = move || config.create().map_err(|e| unusable(&e));
        let opened = self.runtime.spawn_blocking(open).await;
        let admin = opened.map_err(|_| PortError("Kafka's client did not open".to_owned()))??;
        Ok(Orders { admin: Some(admin), runtime: self.runtime.clone() })
    }

    /// Makes the topics that are not there and the partitions that lack.
    pub(super) async fn create(self: &Arc<Self>, names: &[String], partitions: u32) -> Result<(), PortError> {
        let (mut absent, mut small) = (Vec::new(), Vec::new());
        for (name, info) in self.describe(names).await? {
            match info {
                Ok(info) if info.partitions >= partitions => {}
                Ok(_) => small.push(name),
                // Who may not look may not be told whether it is there: making it tells.
                Err(failure)
                    if error_text::is_missing(failure.code) || error_text::is_refused(failure.code) =>
                {
                    absent.push(name);
                }
                Err(failure) => return Err(self.failed(&name, "looked at", &failure)),
            }
        }
        if absent.is_empty() && small.is_empty() {
            return Ok(());
        }
        let orders = self.orders().await?;
        let admin = orders.client()?;
        let options = AdminOptions::new().operation_timeout(Some(ORDER)).request_timeout(Some(ORDER));
        if !absent.is_empty() {
            let retention = self.settings.retention.as_millis().to_string();
            let new: Vec<_> = absent.iter().map(|name| self.topic(name, partitions, &retention)).collect();
            let made =
                admin.create_topics(&new, &options).await.map_err(|e| self.order(&absent, "made", &e))?;
            answers(made, "made")?;
        }
        if !small.is_empty() {
            let count = usize::try_from(partitions).unwrap_or(usize::MAX);
            let new: Vec<_> = small.iter().map(|name| NewPartitions::new(name, count)).collect();
            let made = admin
                .create_partitions(&new, &options)
                .await
                .map_err(|e| self.order(&small, "widened", &e))?;
            answers(made, "widened")?;
        }
        drop(orders);
        absent.append(&mut small);
        self.until_there(&absent, partitions).await
    }

    fn topic<'a>(&self, name: &'a str, partitions: u32, retention: &'a str) -> NewTopic<'a> {
        let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
        let replication = self.settings.replication.map_or(-1, i32::from);
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replication))
            .set("retention.ms", retention)
            .set("cleanup.policy", "delete");
        if self.settings.is_log(name) { topic.set("message.timestamp.type", "LogAppendTime") } else { topic }
    }

    fn order(&self, names: &[String], what: &str, error: &rdkafka::error::KafkaError) -> PortError {
        let code = error_text::code(error).unwrap_or(Code::Fail);
        self.failed(&names.join(", "), what, &Failure { code, text: error.to_string() })
    }

    /// A topic that was made is not known to each broker, nor led by one, at once.
    async fn until_there(self: &Arc<Self>, names: &[String], partitions: u32) -> Result<(), PortError> {
        let begin = Instant::now();
        loop {
            let told = self.describe(names).await?;
            let there = |info: &Result<TopicInfo, Failure>| match info {
                Ok(info) => info.partitions >= partitions,
                // It was made; we just may not see it.
                Err(failure) => error_text::is_refused(failure.code),
            };
            let lacks = told.iter().find(|(_, info)| !there(info)).map(|(name, _)| name.clone());
            let lacks = match lacks {
                None => self.without_leader(names, partitions).await?,
                some => some,
            };
            match lacks {
                None => return Ok(()),
                Some(name) if begin.elapsed() > ORDER => {
                    return Err(PortError(format!("topic {name} was made, but Kafka does not show it")));
                }
                Some(_) => tokio::time::sleep(MOMENT).await,
            }
        }
    }

    /// A topic with a partition that no broker leads yet.
    async fn without_leader(
        self: &Arc<Self>,
        names: &[String],
        partitions: u32,
    ) -> Result<Option<String>, PortError> {
        let client = self.client().await?;
        let places: Vec<_> =
            names.iter().flat_map(|n| (0..partitions).map(move |p| (n.clone(), p))).collect();
        let asked = raw::list_offsets(&client, &places, Spec::End, ASK).await;
        let answer = asked.map_err(|f| self.failed(&names.join(", "), "looked at", &f))?;
        let waits = |offset: &Result<Offset, Failure>| {
            offset.as_ref().is_err_and(|f| error_text::is_passing(f.code) || error_text::is_missing(f.code))
        };
        Ok(answer.into_iter().find(|(_, offset)| waits(offset)).map(|((name, _), _)| name))
    }

    /// Gives up the records before an offset.
    pub(super) async fn trim(self: &Arc<Self>, topic: &Topic, keep: Offset) -> Result<(), PortError> {
        let part = self.part(topic, "trimmed").await.map_err(|e| e.error)?;
        if keep <= part.start {
            return Ok(());
        }
        let orders = self.orders().await?;
        let mut offsets = TopicPartitionList::new();
        let keep = i64::try_from(keep.min(part.end)).unwrap_or(i64::MAX);
        let partition = i32::try_from(topic.partition).unwrap_or(i32::MAX);
        let names = [topic.name.clone()];
        offsets
            .add_partition_offset(&topic.name, partition, rdkafka::Offset::Offset(keep))
            .map_err(|e| self.order(&names, "trimmed", &e))?;
        let options = AdminOptions::new().operation_timeout(Some(ORDER)).request_timeout(Some(ORDER));
        let done = orders.client()?.delete_records(&offsets, &options).await;
        let done = done.map_err(|e| self.order(&names, "trimmed", &e))?;
        for element in done.elements() {
            element.error().map_err(|e| self.order(&names, "trimmed", &e))?;
        }
        Ok(())
    }

    /// Deletes a topic and waits until it is gone.
    pub(super) async fn delete(self: &Arc<Self>, names: &[String]) -> Result<(), PortError> {
        let orders = self.orders().await?;
        // A name that stands twice would end the process: librdkafka answers with a null for it,
        // which rdkafka reads.
        let names: Vec<String> = std::collections::BTreeSet::from_iter(names).into_iter().cloned().collect();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let options = AdminOptions::new().operation_timeout(Some(ORDER)).request_timeout(Some(ORDER));
        let done = orders.client()?.delete_topics(&all, &options).await;
        done.map_err(|e| self.order(&names, "deleted", &e))?;
        while self.describe(&names).await?.iter().any(|(_, info)| info.is_ok()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

pub(super) fn unusable(error: &rdkafka::error::KafkaError) -> PortError {
    // A wrong setting is named, its value is not: it may be the password.
    let text = match error {
        rdkafka::error::KafkaError::ClientConfig(_, why, key, _) => format!("{key}: {why}"),
        other => other.to_string(),
    };
    PortError(format!("Kafka's settings can't be used: {text}"))
}

fn answers(all: Vec<Result<String, (String, Code)>>, what: &str) -> Result<(), PortError> {
    for answer in all {
        match answer {
            Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
            Err((name, code)) if error_text::is_refused(code) => {
                return Err(PortError(format!(
                    "topic {name} can't be {what}: this Kafka user may not do that; have somebody make it who may \
                     (kirc setup infra)"
                )));
            }
            Err((name, code)) => {
                return Err(PortError(error_text::of_topic(&name, what, Some(code), &code.to_string())));
            }
        }
    }
    Ok(())
}

/// A client for orders, let go of by a thread that may wait.
pub(super) struct Orders {
    admin: Option<RawAdminClient<DefaultClientContext>>,
    runtime: Handle,
}

impl Orders {
    pub(super) fn client(&self) -> Result<&RawAdminClient<DefaultClientContext>, PortError> {
        self.admin.as_ref().ok_or_else(|| PortError("Kafka's client was closed".to_owned()))
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        let admin = self.admin.take();
        self.runtime.spawn_blocking(move || drop(admin));
    }
}
