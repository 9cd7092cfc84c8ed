//! The address of a PostgreSQL, and how its TLS certificate is verified.
//!
//! This module parses the address. It opens no connection.

use std::time::Duration;

use kirc_core::port::PortError;
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::Secret;
use crate::tls::{self, Ca, Check};
use crate::uri::{Uri, is_loopback};

/// How long making a connection may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);
/// A name in PostgreSQL is cut behind so many bytes, without a word.
const NAME: usize = 63;

/// What leads to a profile's tables in a PostgreSQL.
///
/// `sslmode` means what it means to libpq: `disable` is plain, `require` encrypts for whoever
/// answers, `verify-ca` checks the chain, `verify-full` the name too. As with libpq, a CA that is
/// given is used: `require` then checks, and here it checks all (nothing would be won by checking
/// less). Without `sslmode`, a CA means `verify-full`, this machine means "TLS if it is offered",
/// anything else means `require`.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:port/database?sslmode=…`.
    pub uri: Secret,
    /// The schema that holds the tables; one for each profile. Made when it is missing.
    pub schema: String,
    /// A PEM file with the grid's CA, trusted besides the system's.
    pub ca: Option<Ca>,
}

impl PostgresSettings {
    /// Says what is wrong with the address, without connecting.
    pub fn check(&self) -> Result<(), PortError> {
        Place::new(self).map(drop)
    }
}

/// An address, understood, and all that making a connection needs. Its `Debug` shows where, not
/// how.
#[derive(Clone)]
pub(super) struct Place {
    /// `host:port`.
    pub at: String,
    pub host: String,
    pub port: u16,
    pub user: String,
    pub database: String,
    pub schema: String,
    pub config: Config,
    pub tls: MakeRustlsConnect,
}

impl Place {
    pub fn new(settings: &PostgresSettings) -> Result<Self, PortError> {
        let bad = |why: &str| PortError(format!("KIRC_POSTGRES: {why}"));
        let uri = Uri::parse(settings.uri.expose(), "KIRC_POSTGRES").map_err(PortError)?;
        if !matches!(uri.scheme.as_str(), "postgres" | "postgresql") {
            return Err(bad("it must begin with postgres://"));
        }
        let user = uri.user.ok_or_else(|| bad("it names no user: write user:password@ before the host"))?;
        let schema = settings.schema.clone();
        if schema.is_empty() || schema.len() > NAME || schema.contains('\0') || schema.starts_with("pg_") {
            let why = "a schema's name has 1 to 63 bytes and does not begin with pg_";
            return Err(PortError(format!("KIRC_POSTGRES_SCHEMA: {why}")));
        }
        if uri.path.contains('/') {
            return Err(bad("behind the host and a / stands the name of the database alone"));
        }
        let database = if uri.path.is_empty() { user.clone() } else { uri.path };
        let mut config = Config::new();
        let mut mode = None;
        for (name, value) in &uri.query {
            match (name.as_str(), value.as_str()) {
                ("sslmode", value) => mode = Some(value.to_owned()),
                ("channel_binding", "prefer") => {}
                ("channel_binding", "require") => {
                    config.channel_binding(ChannelBinding::Require);
                }
                ("channel_binding", "disable") => {
                    config.channel_binding(ChannelBinding::Disable);
                }
                _ => return Err(bad("of parameters it may have sslmode and channel_binding")),
            }
        }
        let (ssl, check) =
            judge(mode.as_deref(), settings.ca.is_some(), is_loopback(&uri.host)).map_err(bad)?;
        // Where nothing is checked no CA is read.
        let client = tls::client(settings.ca.as_ref(), check)?;
        let port = uri.port.unwrap_or(5432);
        config
            .host(&uri.host)
            .port(port)
            .user(&user)
            .dbname(&database)
            .ssl_mode(ssl)
            .connect_timeout(PATIENCE)
            .keepalives_idle(Duration::from_secs(30))
            .keepalives_interval(Duration::from_secs(10))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(30));
        if let Some(password) = &uri.password {
            config.password(password.expose());
        }
        let at = if uri.host.contains(':') {
            format!("[{}]:{port}", uri.host)
        } else {
            format!("{}:{port}", uri.host)
        };
        Ok(Self {
            at,
            host: uri.host,
            port,
            user,
            database,
            schema,
            config,
            tls: MakeRustlsConnect::new(client),
        })
    }

    /// The schema as a quoted name.
    pub fn quoted_schema(&self) -> String {
        format!("\"{}\"", self.schema.replace('"', "\"\""))
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").field("at", &self.at).field("schema", &self.schema).finish_non_exhaustive()
    }
}

fn judge(mode: Option<&str>, ca: bool, near: bool) -> Result<(SslMode, Check), &'static str> {
    Ok(match mode {
        Some("disable") => (SslMode::Disable, Check::Nothing),
        Some("require") => (SslMode::Require, if ca { Check::Full } else { Check::Nothing }),
        Some("verify-ca") => (SslMode::Require, Check::Chain),
        Some("verify-full") => (SslMode::Require, Check::Full),
        Some(_) => return Err("sslmode is one of disable, require, verify-ca, verify-full"),
        None if ca => (SslMode::Require, Check::Full),
        None if near => (SslMode::Prefer, Check::Nothing),
        None => (SslMode::Require, Check::Nothing),
    })
}
