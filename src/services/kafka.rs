//! Converts settings into the Kafka adapter's settings. It opens no connection.

use std::time::Duration;

use kirc_core::port::PortError;

use super::{ca, pem};
use crate::config::{Config, Secret};
use crate::mailbox::{KafkaSettings, Security};
use crate::setup::rights;

/// As whom the owner of the mailbox logs in.
pub fn owner(config: &Config) -> Result<KafkaSettings, PortError> {
    let s = &config.settings;
    user(config, s.kafka_user.as_deref(), s.kafka_password.as_ref())
}

/// As whom topics, users and rights are made: an administrator if one is set, the owner otherwise.
pub fn admin(config: &Config) -> Result<KafkaSettings, PortError> {
    let s = &config.settings;
    match &s.kafka_admin_user {
        Some(name) => user(config, Some(name), s.kafka_admin_password.as_ref()),
        None => owner(config),
    }
}

/// As whom contacts come: the shared user.
pub fn peer(config: &Config) -> Result<Option<KafkaSettings>, PortError> {
    let s = &config.settings;
    let named = s.kafka_peer_user.as_deref();
    named.map(|name| user(config, Some(name), s.kafka_peer_password.as_ref())).transpose()
}

fn user(config: &Config, name: Option<&str>, password: Option<&Secret>) -> Result<KafkaSettings, PortError> {
    let s = &config.settings;
    if let Some(kind) = rights::caught(&s.kafka_topics, &s.kafka_log) {
        return Err(PortError(format!(
            "KIRC_KAFKA_LOG={} begins as the topics {kind} of mailboxes do, and contacts could then read them: use another name, such as data-out-{{channel}}",
            s.kafka_log
        )));
    }
    let file = |path: &Option<std::path::PathBuf>, name: &str| {
        path.as_deref().map(|path| pem(path, name)).transpose().map(Option::unwrap_or_default)
    };
    let (cert, key) = (file(&s.kafka_cert, "KIRC_KAFKA_CERT")?, file(&s.kafka_key, "KIRC_KAFKA_KEY")?);
    if cert.is_empty() != key.is_empty() {
        let text = "KIRC_KAFKA_CERT and KIRC_KAFKA_KEY go together: one of them is missing";
        return Err(PortError(text.to_owned()));
    }
    let name = name.unwrap_or_default();
    let ca = ca(config)?.unwrap_or_default();
    let security = match s.kafka_security {
        Some(security) => security,
        None if !name.is_empty() => Security::SaslSsl,
        None if !cert.is_empty() => Security::Ssl,
        None => Security::Plaintext,
    };
    if matches!(security, Security::SaslSsl | Security::SaslPlaintext)
        && (name.is_empty() || password.is_none())
    {
        let text = "Kafka is to be logged in to, and KIRC_KAFKA_USER or KIRC_KAFKA_PASSWORD is not set";
        return Err(PortError(text.to_owned()));
    }
    Ok(KafkaSettings {
        bootstrap: s.kafka.clone().unwrap_or_default(),
        security,
        mechanism: s.kafka_mechanism,
        user: name.to_owned(),
        password: password.cloned().unwrap_or_else(|| Secret::new("")),
        ca,
        cert,
        key: Secret::new(key),
        replication: s.kafka_replication.and_then(|n| u16::try_from(n).ok()),
        retention: Duration::from_millis(s.kafka_retention),
        logs: vec![s.kafka_log.clone()],
        budget: (s.budget > 0).then_some(s.budget),
        ..KafkaSettings::default()
    })
}
