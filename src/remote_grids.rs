//! Access to other grids, and contacts' access to one's own grid.
//!
//! This module owns the trait, and the implementation for a node without other grids. It does not
//! decide who gets access.

use std::sync::Arc;

use kirc_core::port::{Grant, PortError};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::mailbox::Mailbox;
use crate::ports::{Pending, ready};
use crate::signals::{Published, Signals};

/// The services of another grid.
#[derive(Debug)]
pub struct Foreign {
    /// Its mailbox service.
    pub mailbox: Arc<dyn Mailbox>,
    /// Its signals, if one may use them.
    pub signals: Option<(Arc<dyn Signals>, mpsc::Receiver<Published>)>,
}

/// Opens other grids and lets others to one's own.
pub trait Abroad: Send + Sync + std::fmt::Debug {
    /// Opens what a way describes. Nothing is connected before it is used.
    fn open(&self, cluster: &str, way: &Value) -> Result<Foreign, PortError>;

    /// Makes a way to one's own grid: a user of this name where that is possible, the shared one
    /// otherwise.
    fn grant(&self, name: &str) -> Pending<Grant>;

    /// Ends what was granted under this name.
    fn revoke(&self, name: &str) -> Pending<()>;
}

/// The embedded grid: everybody who can reach it is on this machine, and nobody else can.
#[derive(Debug)]
pub struct HereOnly;

impl Abroad for HereOnly {
    fn open(&self, cluster: &str, _: &Value) -> Result<Foreign, PortError> {
        Err(PortError(format!(
            "the grid {cluster} is reached with Kafka, and this profile is on the embedded grid"
        )))
    }

    fn grant(&self, _: &str) -> Pending<Grant> {
        ready(Ok(Grant { way: json!({"kind": "embedded"}), own: false, note: None }))
    }

    fn revoke(&self, _: &str) -> Pending<()> {
        ready(Ok(()))
    }
}
