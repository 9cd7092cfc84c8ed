//! Probes whether the configured services are usable, all at the same time.
//!
//! The probe changes nothing on them. An error is one sentence: what is wrong, and what to do about
//! it.

use std::time::Duration;

use super::{kafka, postgres, valkey};
use crate::config::Config;
use crate::mailbox::{KafkaSettings, try_cluster};
use crate::signals::ValkeyTold;
use crate::store::PostgresTold;

/// How long Kafka is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a visit to a service came to.
pub type Visit<T> = Result<T, String>;

/// What visits to all services came to.
#[derive(Debug)]
pub struct Probe {
    /// Kafka as the owner: the cluster's id.
    pub kafka: Visit<String>,
    /// The same as the user that contacts share, if one is set.
    pub peer: Option<Visit<String>>,
    /// The same as the administrator, if one is set.
    pub admin: Option<Visit<String>>,
    /// Valkey.
    pub valkey: Visit<ValkeyTold>,
    /// PostgreSQL, if one is set.
    pub postgres: Option<Visit<PostgresTold>>,
}

impl Probe {
    /// Everything that is wrong.
    pub fn wrong(&self) -> Vec<String> {
        let kafka = self.kafka.as_ref().err().cloned();
        // If Kafka is not there at all, that is said once.
        let told = |e: &String| Some(e.clone()).filter(|e| kafka.as_ref() != Some(e));
        let as_whom = |visit: &Option<Visit<String>>, who: &str| {
            let error = visit.as_ref().and_then(|v| v.as_ref().err()).and_then(told);
            error.map(|e| format!("{e} ({who})"))
        };
        let peer = as_whom(&self.peer, "as KIRC_KAFKA_PEER_USER");
        let admin = as_whom(&self.admin, "as KIRC_KAFKA_ADMIN_USER");
        let valkey = self.valkey.as_ref().err().cloned();
        let postgres = self.postgres.as_ref().and_then(|v| v.as_ref().err().cloned());
        [kafka.clone(), peer, admin, valkey, postgres].into_iter().flatten().collect()
    }
}

/// Visits them all.
pub async fn all(config: &Config) -> Probe {
    let settings = &config.settings;
    let owner = kafka::owner(config).map_err(|e| e.0);
    let peer = kafka::peer(config).map_err(|e| e.0).transpose();
    let admin = settings.kafka_admin_user.is_some().then(|| kafka::admin(config).map_err(|e| e.0));
    let (kafka, peer, admin, valkey, postgres) = tokio::join!(
        cluster(owner),
        maybe(peer),
        maybe(admin),
        async { valkey(config).map_err(|e| e.0)?.probe().await.map_err(|e| e.0) },
        async {
            match postgres(config) {
                Ok(None) => None,
                Ok(Some(settings)) => Some(settings.probe().await.map_err(|e| e.0)),
                Err(error) => Some(Err(error.0)),
            }
        },
    );
    Probe { kafka, peer, admin, valkey, postgres }
}

async fn maybe(settings: Option<Visit<KafkaSettings>>) -> Option<Visit<String>> {
    match settings {
        Some(settings) => Some(cluster(settings).await),
        None => None,
    }
}

/// The id of a cluster.
pub async fn cluster(settings: Visit<KafkaSettings>) -> Visit<String> {
    let settings = settings?;
    if settings.bootstrap.trim().is_empty() {
        return Err("no address of Kafka is given: set KIRC_KAFKA".to_owned());
    }
    try_cluster(&settings, PATIENCE).await.map_err(|e| e.0)
}
