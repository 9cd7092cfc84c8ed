//! Probes a PostgreSQL once: whether the login works, whether the profile's schema exists or may be
//! created, and what the server reports about itself.
//!
//! The probe changes nothing.

use std::time::UNIX_EPOCH;

use kirc_core::port::PortError;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::Type;

use super::link::{Failure, Link};
use super::settings::{Place, PostgresSettings};

/// What a PostgreSQL said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresTold {
    /// Where it is: a name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is reached by TLS.
    pub tls: bool,
    /// The database.
    pub database: String,
    /// The profile's schema.
    pub schema: String,
    /// Whether kirc's tables are in it.
    pub has_tables: bool,
    /// `server_version`.
    pub version: String,
    /// By how many milliseconds its clock is ahead of ours; negative: behind.
    pub ahead: i64,
    /// Connections that it allows at the most.
    pub connections: i32,
}

/// All that is asked, in one statement: version, time, connections, may make schemas, schema is
/// there, may use it, tables.
const ASK: &str = "SELECT current_setting('server_version'), \
    (extract(epoch FROM clock_timestamp()) * 1000)::int8, \
    current_setting('max_connections')::int4, \
    has_database_privilege(current_database(), 'CREATE'), \
    EXISTS (SELECT FROM pg_namespace WHERE nspname = $1), \
    coalesce((SELECT has_schema_privilege(oid, 'USAGE, CREATE') FROM pg_namespace WHERE nspname = $1), false), \
    EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
            WHERE n.nspname = $1 AND c.relname = 'schema_version')";

impl PostgresSettings {
    /// Visits it. An error is a sentence.
    pub async fn probe(&self) -> Result<PostgresTold, PortError> {
        let place = Place::new(self)?;
        let link = Link::open(&place, "kirc setup").await.map_err(|f| f.port())?;
        let told = look(&place, &link).await;
        link.close().await;
        told.map_err(|f| f.port())
    }
}

async fn look(place: &Place, link: &Link) -> Result<PostgresTold, Failure> {
    let told = |e: tokio_postgres::Error| Failure::of(place, &e);
    let before = now();
    let row = link.client.query_typed_one(ASK, &[(&place.schema, Type::TEXT)]).await.map_err(told)?;
    let ours = (before + now()) / 2;
    let (may_make, is_there, may_use): (bool, bool, bool) =
        (row.try_get(3).map_err(told)?, row.try_get(4).map_err(told)?, row.try_get(5).map_err(told)?);
    let (user, database, schema) = (&place.user, &place.database, place.quoted_schema());
    if is_there && !may_use {
        return Err(Failure::new(format!(
            "the user {user} may not use the schema {schema} at {}: as its owner say GRANT USAGE, CREATE ON SCHEMA {schema} TO \
             \"{user}\", or name another in KIRC_POSTGRES_SCHEMA",
            place.at
        )));
    }
    if !is_there && !may_make {
        return Err(Failure::new(format!(
            "the user {user} may make no schema in the database {database} at {}: as its administrator say CREATE SCHEMA \
             {schema} AUTHORIZATION \"{user}\", or GRANT CREATE ON DATABASE \"{database}\" TO \"{user}\"",
            place.at
        )));
    }
    let version: String = row.try_get(0).map_err(told)?;
    Ok(PostgresTold {
        host: place.host.clone(),
        port: place.port,
        tls: place.config.get_ssl_mode() == SslMode::Require,
        database: place.database.clone(),
        schema: place.schema.clone(),
        has_tables: row.try_get(6).map_err(told)?,
        version: version.split(' ').next().unwrap_or_default().to_owned(),
        ahead: row.try_get::<_, i64>(1).map_err(told)? - ours,
        connections: row.try_get(2).map_err(told)?,
    })
}

fn now() -> i64 {
    i64::try_from(UNIX_EPOCH.elapsed().map_or(0, |d| d.as_millis())).unwrap_or(i64::MAX)
}
