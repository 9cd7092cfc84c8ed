//! Administrator operations on a cluster: ACLs, and users with passwords.
//!
//! This module owns the types for these. Its callers decide which ACLs and users kirc needs.

use std::sync::Arc;
use std::time::Duration;

use kirc_core::port::PortError;
use rdkafka::error::RDKafkaErrorCode as Code;
use tokio::runtime::Handle;

use super::admin_client::AdminClient;
use super::error_text;
use super::health::Pulse;
use super::raw::{self, Alteration, Failure};
use super::settings::{KafkaSettings, Mechanism};
use crate::config::Secret;

/// How long an order may take.
pub(super) const ORDER: Duration = Duration::from_secs(15);

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A topic.
    Topic,
    /// A consumer group.
    Group,
    /// The cluster; its name in rules is `kafka-cluster`.
    Cluster,
    /// A transactional id.
    TransactionalId,
}

/// How a rule's name is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// As it stands; `*` stands for all.
    Literal,
    /// As the beginning of names.
    Prefixed,
}

/// What a rule allows or forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Kafka's words.
pub enum Operation {
    All,
    Read,
    Write,
    Create,
    Delete,
    Alter,
    Describe,
    ClusterAction,
    DescribeConfigs,
    AlterConfigs,
    IdempotentWrite,
}

/// Whether a rule allows or forbids. What is forbidden can't be allowed by another rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// It allows.
    Allow,
    /// It forbids.
    Deny,
}

/// A rule of who may do what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Acl {
    /// What it is about.
    pub resource: Resource,
    /// Its name.
    pub name: String,
    /// How the name is meant.
    pub pattern: Pattern,
    /// Who: `User:name`, or `User:*`.
    pub principal: String,
    /// From where: an address, or `*`.
    pub host: String,
    /// What.
    pub operation: Operation,
    /// Yes or no.
    pub permission: Permission,
}

impl Acl {
    /// Allows a user something on a topic, from anywhere.
    pub fn allow(user: &str, operation: Operation, topic: &str) -> Self {
        Self {
            resource: Resource::Topic,
            name: topic.to_owned(),
            pattern: Pattern::Literal,
            principal: format!("User:{user}"),
            host: "*".to_owned(),
            operation,
            permission: Permission::Allow,
        }
    }
}

/// An administrator's hand on a cluster.
#[derive(Debug)]
pub struct Admin(pub(super) Arc<AdminClient>);

impl Admin {
    /// An administrator, as whom the settings log in. Called within a runtime; it connects when it
    /// is used.
    pub fn open(settings: KafkaSettings) -> Result<Self, PortError> {
        let runtime = Handle::try_current()
            .map_err(|_| PortError("Kafka's administration is opened within a runtime".to_owned()))?;
        let pulse = Pulse::new(&settings.bootstrap);
        Ok(Self(AdminClient::new(Arc::new(settings), pulse, runtime)))
    }

    /// Deletes topics, with all that is in them.
    pub async fn delete_topics(&self, names: &[String]) -> Result<(), PortError> {
        self.0.delete(names).await
    }

    /// Makes rules. Brokers apply them a moment later.
    pub async fn create_acls(&self, acls: &[Acl]) -> Result<(), PortError> {
        if acls.is_empty() {
            return Ok(());
        }
        let client = self.0.client().await?;
        raw::create_acls(&client, acls, ORDER).await.map_err(|f| said("rules can't be made", &f))
    }

    /// Takes away just these rules; says how many of them there were.
    pub async fn delete_acls(&self, acls: &[Acl]) -> Result<usize, PortError> {
        if acls.is_empty() {
            return Ok(0);
        }
        let client = self.0.client().await?;
        raw::delete_acls(&client, acls, ORDER).await.map_err(|f| said("rules can't be taken away", &f))
    }

    /// The rules about a principal (`User:name`), or all rules. Who may not look is shown none:
    /// librdkafka drops the broker's refusal.
    pub async fn describe_acls(&self, principal: Option<&str>) -> Result<Vec<Acl>, PortError> {
        let what = "rules can't be looked at";
        // librdkafka 2.12 takes a refusal for an answer without rules.
        self.needs(Operation::Describe, what).await?;
        let client = self.0.client().await?;
        let found = raw::describe_acls(&client, principal, ORDER).await;
        found.map_err(|f| said(what, &f))
    }

    /// Gives a user a password, and makes the user if there is none. `iterations`: at least 4096.
    pub async fn set_scram_user(
        &self,
        user: &str,
        password: &Secret,
        mechanism: Mechanism,
        iterations: i32,
    ) -> Result<(), PortError> {
        self.alter(user, mechanism, Alteration::Set { user, password, mechanism, iterations }).await
    }

    /// Takes a user's password away; says whether there was one. Connections that stand are not
    /// cut.
    pub async fn delete_scram_user(&self, user: &str, mechanism: Mechanism) -> Result<bool, PortError> {
        let client = self.0.client().await?;
        let changes = [Alteration::Delete { user, mechanism }];
        match raw::alter_users(&client, &changes, ORDER).await {
            Ok(()) => Ok(true),
            Err(failure) if failure.code == Code::ResourceNotFound => Ok(false),
            Err(failure) => Err(said(&format!("user {user} can't be taken away"), &failure)),
        }
    }

    /// Users with passwords and how each can log in; all of them if none is named.
    pub async fn scram_users(&self, users: &[String]) -> Result<Vec<(String, Vec<Mechanism>)>, PortError> {
        let what = "users can't be looked at";
        // librdkafka 2.12 frees what is not its own when this is refused.
        self.needs(Operation::Describe, what).await?;
        let client = self.0.client().await?;
        let found = raw::describe_users(&client, users, ORDER).await;
        found.map_err(|f| said(what, &f))
    }

    /// What one may do with the cluster itself.
    pub async fn cluster_rights(&self) -> Result<Vec<Operation>, PortError> {
        let client = self.0.client().await?;
        let asked = raw::cluster_rights(&client, ORDER).await;
        asked.map_err(|f| said("rights on the cluster can't be asked for", &f))
    }

    /// Refuses what the broker would refuse.
    async fn needs(&self, operation: Operation, what: &str) -> Result<(), PortError> {
        if self.cluster_rights().await?.contains(&operation) {
            return Ok(());
        }
        let code = Code::ClusterAuthorizationFailed;
        Err(said(what, &Failure { code, text: code.to_string() }))
    }

    async fn alter(&self, user: &str, mechanism: Mechanism, change: Alteration<'_>) -> Result<(), PortError> {
        if mechanism == Mechanism::Plain {
            return Err(PortError("Kafka keeps no users for PLAIN; use a SCRAM mechanism".to_owned()));
        }
        let client = self.0.client().await?;
        let changes = [change];
        let done = raw::alter_users(&client, &changes, ORDER).await;
        done.map_err(|f| said(&format!("user {user} can't be changed"), &f))
    }
}

pub(super) fn said(what: &str, failure: &Failure) -> PortError {
    let why = match failure.code {
        code if error_text::is_refused(code) => {
            "this Kafka user may not do that; use an administrator's (KIRC_KAFKA_ADMIN_USER)"
        }
        Code::SecurityDisabled => "this Kafka has no authorizer: everybody may do everything on it",
        Code::OperationTimedOut | Code::RequestTimedOut | Code::BrokerTransportFailure => {
            "Kafka did not answer; check its address and the login"
        }
        _ => &failure.text,
    };
    PortError(format!("{what}: {why}"))
}
