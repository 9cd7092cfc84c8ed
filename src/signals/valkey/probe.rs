//! Probes a Valkey once: whether the login works, whether kirc has the permissions it needs, and
//! what the server reports about itself.
//!
//! The probe leaves nothing behind. It must not use commands that cloud services forbid (`INFO`,
//! `CONFIG`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use kirc_core::port::{PortError, SignalOp};
use redis::{Value, cmd};
use tokio::sync::{Notify, mpsc};

use super::connect::{Events, connect, words};
use super::settings::Place;
use super::{ValkeySettings, commands};
use crate::tls::{self, Check};

/// How long what the visit writes lives if it can't be taken away again, in milliseconds.
const LIFE: u64 = 10_000;

/// What a Valkey said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValkeyTold {
    /// Host and port.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it was reached by TLS.
    pub tls: bool,
    /// Its name and version; empty if it does not say.
    pub version: String,
    /// By how many milliseconds its clock is ahead of ours; negative: behind.
    pub ahead: Option<i64>,
}

impl ValkeySettings {
    /// Visits it. An error is a sentence.
    pub async fn probe(&self) -> Result<ValkeyTold, PortError> {
        let place = Place::parse(self)?;
        let tls = match place.tls {
            true => Some(Arc::new(tls::client(self.ca.as_ref(), Check::Full)?)),
            false => None,
        };
        let (to, _published) = mpsc::channel(1);
        let events = Events { to, prefix: self.prefix.as_str().into(), lost: Arc::new(Notify::new()) };
        let link = connect(place.clone(), tls, events).await.map_err(PortError)?;
        let mut conn = link.conn.clone();
        let key = format!("probe:{:x}", UNIX_EPOCH.elapsed().map_or(0, |d| d.as_nanos()));
        let channel = format!("{}{key}", self.prefix);
        let ops = [
            SignalOp::Claim { key: key.clone(), value: "1".to_owned(), ttl: LIFE },
            SignalOp::Renew { key: key.clone(), value: "1".to_owned(), ttl: LIFE },
            SignalOp::Get { key: key.clone() },
            SignalOp::Release { key, value: "1".to_owned() },
        ];
        for op in ops {
            let done = commands::call(conn.clone(), &self.prefix, op).await;
            done.map_err(|e| PortError(words(&place, &e)))?;
        }
        for name in ["SUBSCRIBE", "UNSUBSCRIBE"] {
            let done = cmd(name).arg(&channel).query_async::<Value>(&mut conn).await;
            done.map_err(|e| PortError(words(&place, &e)))?;
        }
        let version = match cmd("HELLO").query_async::<BTreeMap<String, Value>>(&mut conn).await {
            Ok(said) => {
                let text = |name| match said.get(name) {
                    Some(Value::BulkString(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
                    Some(Value::SimpleString(text)) => text.clone(),
                    _ => String::new(),
                };
                format!("{} {}", text("server"), text("version")).trim().to_owned()
            }
            Err(_) => String::new(),
        };
        let before = now();
        let ahead = match cmd("TIME").query_async::<(i64, i64)>(&mut conn).await {
            Ok((seconds, micros)) => Some(seconds * 1000 + micros / 1000 - (before + now()) / 2),
            Err(_) => None,
        };
        Ok(ValkeyTold { host: place.host, port: place.port, tls: place.tls, version, ahead })
    }
}

fn now() -> i64 {
    i64::try_from(UNIX_EPOCH.elapsed().map_or(0, |d| d.as_millis())).unwrap_or(i64::MAX)
}
