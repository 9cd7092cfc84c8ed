//! How a grid is reached, in the form used in invites and channels: JSON, validated on input.
//!
//! This module owns the format. It contains credentials: its text may only go where it is
//! encrypted.

use kirc_core::port::PortError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::Secret;
use crate::mailbox::{KafkaSettings, Mechanism, Security};
use crate::signals::ValkeySettings;
use crate::tls::Ca;

/// A way to a grid.
#[derive(Serialize, Deserialize)]
pub struct Way {
    kafka: Kafka,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valkey: Option<Valkey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Kafka {
    servers: String,
    security: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    mechanism: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    user: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    password: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    ca: String,
}

#[derive(Serialize, Deserialize)]
struct Valkey {
    url: String,
    prefix: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    ca: String,
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Way({} as {})", self.kafka.servers, self.kafka.user)
    }
}

impl Way {
    /// The way to a mailbox alone.
    pub fn mailbox(settings: &KafkaSettings) -> Self {
        let logs_in = matches!(settings.security, Security::SaslSsl | Security::SaslPlaintext);
        let kafka = Kafka {
            servers: settings.bootstrap.clone(),
            security: settings.security.name().to_owned(),
            mechanism: if logs_in { settings.mechanism.name().to_owned() } else { String::new() },
            user: settings.user.clone(),
            password: settings.password.expose().to_owned(),
            ca: settings.ca.clone(),
        };
        Self { kafka, valkey: None, log: None }
    }

    /// The same with the grid's signals and its log: whoever has it can be in the grid's channels.
    pub fn grid(settings: &KafkaSettings, valkey: &ValkeySettings, log: &str) -> Self {
        let valkey = Valkey {
            url: valkey.url.expose().to_owned(),
            prefix: valkey.prefix.clone(),
            ca: settings.ca.clone(),
        };
        Self { valkey: Some(valkey), log: Some(log.to_owned()), ..Self::mailbox(settings) }
    }

    /// As it travels.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Reads what somebody sent.
    pub fn parse(value: &Value) -> Result<Self, PortError> {
        Self::deserialize(value).map_err(|_| PortError("the way to the grid is not of its form".to_owned()))
    }

    /// What leads to its Kafka.
    pub fn kafka(&self) -> Result<KafkaSettings, PortError> {
        let k = &self.kafka;
        let bad = |why: String| PortError(format!("the way to {}: {why}", k.servers));
        let mechanism = match k.mechanism.as_str() {
            "" => Mechanism::default(),
            name => name.parse().map_err(bad)?,
        };
        Ok(KafkaSettings {
            bootstrap: k.servers.clone(),
            security: k.security.parse().map_err(bad)?,
            mechanism,
            user: k.user.clone(),
            password: Secret::new(k.password.clone()),
            ca: k.ca.clone(),
            logs: self.log.iter().cloned().collect(),
            ..KafkaSettings::default()
        })
    }

    /// What leads to its signals, if one may use them.
    pub fn valkey(&self) -> Option<ValkeySettings> {
        let v = self.valkey.as_ref()?;
        let ca = Some(v.ca.clone()).filter(|ca| !ca.is_empty());
        Some(ValkeySettings {
            url: Secret::new(v.url.clone()),
            prefix: v.prefix.clone(),
            ca: ca.map(Ca::Text),
        })
    }
}
