//! The actual state of topics: partitions, replicas, settings, and what a user may do with them.
//!
//! This module owns these queries, and changes one setting of a topic on request. Its callers
//! decide what topics should look like.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kirc_core::port::PortError;
use rdkafka::admin::{AdminOptions, AlterConfig, ConfigSource, ResourceSpecifier};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode as Code;

use super::admin::{Admin, ORDER, Operation, said};
use super::error_text;
use super::raw::{self, Failure};

/// How long a change may take to be seen.
const SEEN: Duration = Duration::from_secs(3);

/// A topic, as the one who asks sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicTold {
    /// How many partitions it has.
    pub partitions: u32,
    /// How many copies of each partition there are.
    pub copies: u32,
    /// What who asks may do with it.
    pub may: Vec<Operation>,
}

impl Admin {
    /// Topics, one answer for each: nothing where there is none, or where one may not even know
    /// that.
    pub async fn topics(&self, names: &[String]) -> Result<Vec<(String, Option<TopicTold>)>, PortError> {
        let client = self.0.client().await?;
        let asked = raw::shapes(&client, names, ORDER).await;
        let mut all = Vec::new();
        for (name, shape) in asked.map_err(|f| said("topics can't be looked at", &f))? {
            let told = match shape {
                Ok(raw::Shape { partitions, copies, may }) => Some(TopicTold { partitions, copies, may }),
                Err(f) if error_text::is_missing(f.code) || error_text::is_refused(f.code) => None,
                Err(f) => return Err(said(&format!("topic {name} can't be looked at"), &f)),
            };
            all.push((name, told));
        }
        Ok(all)
    }

    /// The names of all topics that one may see.
    pub async fn names(&self) -> Result<Vec<String>, PortError> {
        let client = self.0.client().await?;
        let what = "topics can't be listed";
        let asked = tokio::task::spawn_blocking(move || {
            let consumer = client.consumer()?;
            Some(
                consumer
                    .fetch_metadata(None, ORDER)
                    .map(|told| told.topics().iter().map(|t| t.name().to_owned()).collect::<Vec<_>>()),
            )
        });
        match asked.await {
            Ok(Some(told)) => told.map_err(|e| said(what, &failure(&e))),
            Ok(None) | Err(_) => Err(PortError(format!("{what}: the client was closed"))),
        }
    }

    /// The settings of a topic by Kafka's names; those that were set for it alone are marked.
    pub async fn settings(&self, topic: &str) -> Result<BTreeMap<String, (String, bool)>, PortError> {
        let orders = self.0.orders().await?;
        let options = AdminOptions::new().request_timeout(Some(ORDER));
        let what = format!("the settings of topic {topic} can't be looked at");
        let asked = [ResourceSpecifier::Topic(topic)];
        let answers = orders.client()?.describe_configs(&asked, &options).await;
        let answers = answers.map_err(|e| said(&what, &failure(&e)))?;
        let mut all = BTreeMap::new();
        for answer in answers {
            let found = answer.map_err(|code| said(&what, &Failure { code, text: code.to_string() }))?;
            let entries = found.entries.into_iter().filter(|e| !e.is_sensitive);
            all.extend(entries.filter_map(|entry| {
                Some((entry.name, (entry.value?, entry.source == ConfigSource::DynamicTopic)))
            }));
        }
        // The crate does not tell that one may not look; there are always some.
        if all.is_empty() {
            let code = Code::TopicAuthorizationFailed;
            return Err(said(&what, &Failure { code, text: code.to_string() }));
        }
        Ok(all)
    }

    /// Changes one setting of a topic; all others stay.
    pub async fn change_setting(&self, topic: &str, name: &str, value: &str) -> Result<(), PortError> {
        // The call replaces all that was set for the topic.
        let mut all: BTreeMap<String, String> = self
            .settings(topic)
            .await?
            .into_iter()
            .filter_map(|(name, (value, own))| own.then_some((name, value)))
            .collect();
        all.insert(name.to_owned(), value.to_owned());
        let mut change = AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (name, value) in &all {
            change = change.set(name, value);
        }
        let orders = self.0.orders().await?;
        let options = AdminOptions::new().request_timeout(Some(ORDER));
        let what = format!("{name} of topic {topic} can't be changed");
        let done = orders.client()?.alter_configs(&[change], &options).await;
        for answer in done.map_err(|e| said(&what, &failure(&e)))? {
            answer.map_err(|(_, code)| said(&what, &Failure { code, text: code.to_string() }))?;
        }
        // A refusal is not told here either.
        let begin = Instant::now();
        loop {
            match self.settings(topic).await?.get(name) {
                Some((now, _)) if now == value => return Ok(()),
                _ if begin.elapsed() > SEEN => {
                    let code = Code::PolicyViolation;
                    let text = "Kafka did not take it: this user may not do that, or the service fixes it"
                        .to_owned();
                    return Err(said(&what, &Failure { code, text }));
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

fn failure(error: &rdkafka::error::KafkaError) -> Failure {
    let code = error_text::code(error).unwrap_or(Code::Fail);
    Failure { code, text: error.to_string() }
}
