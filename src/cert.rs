//! The certificate that a server presents: who issued it, and how long it is valid.
//!
//! This module reads public fields and trusts nothing; `tls` verifies the chain at each connection.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::tls::{self, Check};

/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// With this a client of PostgreSQL asks for TLS.
const POSTGRES_HELLO: [u8; 8] = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f];

/// A server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Who made it out.
    pub issuer: String,
    /// When it ends.
    pub until: SystemTime,
}

impl Shown {
    /// Whole days until it ends; nothing if it has ended.
    pub fn days_left(&self) -> Option<u64> {
        let left = self.until.duration_since(SystemTime::now()).ok()?;
        Some(left.as_secs() / 86_400)
    }
}

/// How TLS begins at a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// With the first byte.
    AtOnce,
    /// When it was asked for, as PostgreSQL has it.
    Asked,
}

/// Looks at the certificate of a server; nothing if it shows none.
pub async fn look(host: &str, port: u16, begin: Begin) -> Option<Shown> {
    tokio::time::timeout(PATIENCE, visit(host, port, begin)).await.ok()?
}

async fn visit(host: &str, port: u16, begin: Begin) -> Option<Shown> {
    let client = tls::client(None, Check::Nothing).ok()?;
    let mut socket = TcpStream::connect((host, port)).await.ok()?;
    if begin == Begin::Asked {
        socket.write_all(&POSTGRES_HELLO).await.ok()?;
        if socket.read_u8().await.ok()? != b'S' {
            return None;
        }
    }
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let stream = TlsConnector::from(Arc::new(client)).connect(name, socket).await.ok()?;
    read(stream.get_ref().1.peer_certificates()?.first()?)
}

fn read(der: &[u8]) -> Option<Shown> {
    let certificate = Certificate::from_der(der).ok()?;
    let body = certificate.tbs_certificate;
    // RFC 4514, the most particular first: `CN=…,O=…`.
    let issuer = body.issuer.to_string();
    let named = issuer.split(',').find_map(|part| part.strip_prefix("CN="));
    let issuer = named.unwrap_or(&issuer).chars().filter(|c| !c.is_control()).collect();
    Some(Shown { issuer, until: body.validity.not_after.to_system_time() })
}
