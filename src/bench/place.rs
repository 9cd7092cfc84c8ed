//! The grid of a measurement's three nodes: their own embedded grid, or names of their own on real
//! services.
//!
//! This module owns these names and deletes them afterwards. It measures nothing.

use std::path::{Path, PathBuf};

use anyhow::Context;
use kirc_core::ids::ActorId;
use tokio::sync::Mutex;

use crate::config::Config;
use crate::mailbox::Admin;
use crate::services::{self, Services, kafka};

/// A place to meet.
#[derive(Debug)]
pub enum Place {
    /// A folder.
    Embedded(PathBuf),
    /// Real services.
    Real(Box<Real>),
}

/// Real services, under names that nobody else has.
#[derive(Debug)]
pub struct Real {
    config: Config,
    cluster: String,
    random: String,
    topics: Mutex<Vec<String>>,
    schemas: Mutex<Vec<String>>,
}

impl Place {
    /// The services of these settings.
    pub async fn real(config: &Config) -> anyhow::Result<Self> {
        let mut bytes = [0; 5];
        getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("no random numbers: {e}"))?;
        let random: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let cluster = services::ask_cluster(config).await?;
        let mut config = config.clone();
        let settings = &mut config.settings;
        // What the services can do is measured, not what is allowed.
        settings.budget = 0;
        settings.kafka_topics = format!("{{kind}}-bench{random}-{{user}}");
        settings.kafka_log = format!("data-out-bench{random}");
        settings.valkey_prefix = format!("{}bench{random}:", settings.valkey_prefix);
        Ok(Self::Real(Box::new(Real {
            config,
            cluster,
            random,
            topics: Mutex::default(),
            schemas: Mutex::default(),
        })))
    }

    /// The services of a node, with connections of its own.
    pub async fn services(&self, actor: ActorId, nick: &str) -> anyhow::Result<Services> {
        match self {
            Self::Embedded(dir) => {
                let folder = dir.join(nick);
                crate::config::make_private_dir(&folder)?;
                Ok(services::embedded_at(&dir.join("grid"), &folder, actor)?)
            }
            Self::Real(real) => {
                let mut config = real.config.clone();
                let schema = format!("kirc_bench_{}_{nick}", real.random);
                real.schemas.lock().await.push(schema.clone());
                config.settings.postgres_schema = Some(schema);
                let services = services::real_at(&config, actor, real.cluster.clone())?;
                let a = &services.address;
                let names = [&a.data_in, &a.data_out, &a.rpc_in, &a.rpc_out, &services.home.log];
                let mut topics = real.topics.lock().await;
                topics.extend(names.into_iter().cloned());
                topics.sort();
                topics.dedup();
                Ok(services)
            }
        }
    }

    /// Takes away what was made on real services.
    pub async fn clear(&self) -> anyhow::Result<()> {
        let Self::Real(real) = self else { return Ok(()) };
        // What can't be taken away of the one does not keep the other.
        let (topics, schemas) = tokio::join!(real.clear_topics(), real.clear_schemas());
        schemas.and(topics)
    }

    /// Two topics that nobody reads while three nodes talk.
    pub async fn quiet_topics(&self) -> anyhow::Result<[String; 2]> {
        let Self::Real(real) = self else { anyhow::bail!("there are no real services") };
        let topics = real.topics.lock().await;
        let mut quiet =
            topics.iter().filter(|t| t.starts_with("data-out-") && **t != real.config.settings.kafka_log);
        match (quiet.next(), quiet.next()) {
            (Some(first), Some(second)) => Ok([first.clone(), second.clone()]),
            _ => anyhow::bail!("the nodes have made no topics"),
        }
    }

    /// Takes note of topics that are to go with the measurement.
    pub async fn made(&self, names: impl IntoIterator<Item = String>) {
        if let Self::Real(real) = self {
            real.topics.lock().await.extend(names);
        }
    }

    /// The cluster of the real services.
    pub fn cluster(&self) -> Option<&str> {
        match self {
            Self::Embedded(_) => None,
            Self::Real(real) => Some(&real.cluster),
        }
    }

    /// The settings of the real services.
    pub fn real_config(&self) -> Option<&Config> {
        match self {
            Self::Embedded(_) => None,
            Self::Real(real) => Some(&real.config),
        }
    }
}

impl Real {
    async fn clear_topics(&self) -> anyhow::Result<()> {
        let topics = self.topics.lock().await;
        let hand = Admin::open(kafka::admin(&self.config)?)?;
        hand.delete_topics(&topics).await.context("topics of the measurement were left behind")
    }

    async fn clear_schemas(&self) -> anyhow::Result<()> {
        let schemas: Vec<String> = self.schemas.lock().await.drain(..).collect();
        let cleared = schemas.into_iter().map(|schema| async move {
            let mut config = self.config.clone();
            config.settings.postgres_schema = Some(schema.clone());
            let Some(place) = services::postgres(&config)? else { return Ok(()) };
            let text = format!("{schema} and what is in it was left behind in PostgreSQL");
            place.forget().await.context(text)
        });
        futures_util::future::join_all(cleared).await.into_iter().collect()
    }
}

impl From<&Path> for Place {
    fn from(dir: &Path) -> Self {
        Self::Embedded(dir.to_owned())
    }
}
