//! Whether Kafka is usable, according to all components that work with it.
//!
//! This module owns the reported health and the last reason for trouble. It sends no requests
//! itself.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tokio::sync::{Notify, watch};

use super::error_text;
use crate::ports::{Health, tell};

/// What the clients of a cluster tell of how it is.
#[derive(Debug)]
pub(super) struct Pulse {
    bootstrap: String,
    health: watch::Sender<Health>,
    /// The last thing said about a connection: the word that all brokers are down comes without a
    /// reason.
    last: Mutex<Option<String>>,
    /// Rung when somebody should look whether Kafka is there.
    pub(super) doubt: Notify,
}

impl Pulse {
    pub(super) fn new(bootstrap: &str) -> Arc<Self> {
        let (health, _) = watch::channel(Health::well());
        Arc::new(Self {
            bootstrap: bootstrap.to_owned(),
            health,
            last: Mutex::default(),
            doubt: Notify::new(),
        })
    }

    pub(super) fn listen(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    pub(super) fn is_up(&self) -> bool {
        self.health.borrow().up
    }

    /// Something worked.
    pub(super) fn well(&self) {
        if !self.is_up() {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
            tell(&self.health, Health::well());
        }
    }

    /// Nothing works.
    pub(super) fn ill(&self, reason: String) {
        tell(&self.health, Health { up: false, reason });
    }

    /// A client told of an error. Errors of one broker of several are no reason to be down; the
    /// word that all are down is one to look.
    pub(super) fn heard(&self, error: &KafkaError, reason: &str) {
        let Some(code) = error_text::code(error) else {
            return;
        };
        match code {
            Code::AllBrokersDown => self.doubt.notify_one(),
            Code::Resolve
            | Code::BrokerTransportFailure
            | Code::Authentication
            | Code::SSL
            | Code::BadMessage
            | Code::OperationTimedOut => {
                let said = error_text::of_connection(code, reason, &self.bootstrap);
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
                if matches!(code, Code::Authentication | Code::SSL | Code::Resolve) {
                    self.doubt.notify_one();
                }
            }
            _ => {}
        }
    }

    /// A client logged a line. A broker that hangs up before it has said anything is told of in no
    /// other way.
    pub(super) fn logged(&self, text: &str) {
        if text.contains("Disconnected") && text.contains("APIVERSION_QUERY") {
            let said = error_text::of_connection(Code::BrokerTransportFailure, text, &self.bootstrap);
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
        }
    }

    /// Why Kafka can't be reached, as far as it is known.
    pub(super) fn reason(&self) -> String {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        last.unwrap_or_else(|| error_text::of_connection(Code::AllBrokersDown, "", &self.bootstrap))
    }
}
