//! Drops a schema with everything in it.
//!
//! Only schemas that were created for measurements are dropped like this: no node does it, and
//! there is no confirmation prompt.

use kirc_core::port::PortError;
use tokio::time::timeout;

use super::error_text::silent;
use super::link::{Failure, Link};
use super::settings::{PATIENCE, Place, PostgresSettings};

impl PostgresSettings {
    /// Drops the schema, if it is there.
    pub async fn forget(&self) -> Result<(), PortError> {
        let place = Place::new(self)?;
        let link = Link::open(&place, "kirc bench").await.map_err(|f| f.port())?;
        // Whoever still holds a row of it, after a failure, ends soon.
        let words =
            format!("SET lock_timeout TO '8s'; DROP SCHEMA IF EXISTS {} CASCADE", place.quoted_schema());
        let dropped = match timeout(PATIENCE, link.client.batch_execute(&words)).await {
            Ok(done) => done.map_err(|e| Failure::of(&place, &e).port()),
            Err(_) => Err(Failure::new(silent(&place)).port()),
        };
        link.close().await;
        dropped
    }
}
