//! The address of a Valkey, and how to connect to it.
//!
//! This module parses the address. It opens no connection.

use kirc_core::port::PortError;

use crate::config::Secret;
use crate::tls::Ca;
use crate::uri::Uri;

/// What leads to a Valkey.
#[derive(Debug, Clone)]
pub struct ValkeySettings {
    /// `valkey(s)://user:password@host:port[/db]`; `redis://` and `rediss://` mean the same.
    pub url: Secret,
    /// Stands before every key and every pub/sub channel.
    pub prefix: String,
    /// A PEM file with the grid's CA, trusted besides the system's.
    pub ca: Option<Ca>,
}

impl ValkeySettings {
    /// Says what is wrong with the address, without connecting.
    pub fn check(&self) -> Result<(), PortError> {
        Place::parse(self).map(drop)
    }
}

/// An address, understood.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub tls: bool,
    pub host: String,
    pub port: u16,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub db: i64,
}

impl Place {
    pub fn parse(settings: &ValkeySettings) -> Result<Self, PortError> {
        let bad = |why: &str| PortError(format!("KIRC_VALKEY: {why}"));
        let uri = Uri::parse(settings.url.expose(), "KIRC_VALKEY").map_err(PortError)?;
        let tls = match uri.scheme.as_str() {
            "valkeys" | "rediss" => true,
            "valkey" | "redis" => false,
            _ => return Err(bad("it must begin with valkeys:// (TLS) or valkey:// (plain)")),
        };
        if !uri.query.is_empty() {
            return Err(bad("parameters behind a ? are not understood: leave them out"));
        }
        if uri.user.is_some() && uri.password.is_none() {
            return Err(bad("it names a user and no password: write user:password@"));
        }
        let path = uri.path.trim_end_matches('/');
        let db = match path {
            "" => 0,
            number => number
                .parse::<u16>()
                .map_err(|_| bad("behind the host and a / stands the number of the database or nothing"))?,
        };
        Ok(Self {
            tls,
            host: uri.host,
            port: uri.port.unwrap_or(6379),
            user: uri.user,
            password: uri.password,
            db: db.into(),
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
