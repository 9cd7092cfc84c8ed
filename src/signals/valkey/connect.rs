//! A connection to Valkey, from the socket to its first reply, and the meaning of its errors.
//!
//! This module makes connections. It is independent of the requests on them.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ErrorKind, ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo, RedisError,
    Value,
};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::super::Published;
use super::settings::Place;
use super::{QUEUE, commands};
use crate::tls;

/// How long making a connection may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer may take. Behind it the connection counts as lost.
pub const ANSWER: Duration = Duration::from_secs(5);
/// Commands that have room in the connection: more than there ever are. A command that had to wait
/// for room would be put in when its future is polled next, so not in the order of calls.
const PIPELINE: usize = 2 * QUEUE;

/// Who hears what is published.
#[derive(Debug, Clone)]
pub struct Events {
    pub to: mpsc::Sender<Published>,
    pub prefix: Arc<str>,
    /// Rung when something had no room.
    pub lost: Arc<Notify>,
}

impl Events {
    fn push(&self, info: &PushInfo) {
        let (PushKind::Message, [channel, payload]) = (&info.kind, info.data.as_slice()) else {
            return;
        };
        let (Some(channel), Some(payload)) = (text(channel), text(payload)) else {
            return;
        };
        let Some(channel) = channel.strip_prefix(&*self.prefix).map(str::to_owned) else {
            return;
        };
        if let Err(TrySendError::Full(_)) = self.to.try_send(Published { channel, payload }) {
            self.lost.notify_one();
        }
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}

/// A connection; its task ends with it.
#[derive(Debug)]
pub struct Link {
    pub conn: MultiplexedConnection,
    /// Ends when the connection is lost.
    pub task: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects, logs in and looks whether it answers. An error is a sentence.
pub async fn connect(place: Place, tls: Option<Arc<ClientConfig>>, events: Events) -> Result<Link, String> {
    let made = tokio::time::timeout(PATIENCE, async {
        let socket =
            TcpStream::connect((place.host.as_str(), place.port)).await.map_err(|e| io_words(&place, &e))?;
        let _ = socket.set_nodelay(true);
        match tls {
            None => log_in(&place, socket, events).await,
            Some(config) => {
                let name = ServerName::try_from(place.host.clone()).map_err(|_| {
                    format!("{} can't be the name in a certificate: see KIRC_VALKEY", place.host)
                })?;
                let stream = TlsConnector::from(config)
                    .connect(name, socket)
                    .await
                    .map_err(|e| io_words(&place, &e))?;
                log_in(&place, stream, events).await
            }
        }
    });
    match made.await {
        Ok(result) => result,
        Err(_) => Err(format!(
            "Valkey at {place} does not answer ({} s): is it on, and does a firewall let kirc through?",
            PATIENCE.as_secs()
        )),
    }
}

async fn log_in<S>(place: &Place, stream: S, events: Events) -> Result<Link, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut info = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_db(place.db)
        .set_skip_set_lib_name();
    if let Some(user) = &place.user {
        info = info.set_username(user);
    }
    if let Some(password) = &place.password {
        info = info.set_password(password.expose());
    }
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(Some(ANSWER))
        .set_pipeline_buffer_size(PIPELINE)
        .set_push_sender(move |info: PushInfo| {
            events.push(&info);
            Ok::<(), ()>(())
        });
    let (mut conn, driver) = MultiplexedConnection::new_with_config(&info, stream, config)
        .await
        .map_err(|e| login_words(place, &e))?;
    let task = tokio::spawn(driver);
    match commands::prepare(&mut conn).await {
        Ok(()) => Ok(Link { conn, task }),
        Err(error) => {
            task.abort();
            Err(login_words(place, &error))
        }
    }
}

fn io_words(place: &Place, error: &std::io::Error) -> String {
    if let Some(what) = tls::trouble(error) {
        return format!("Valkey at {place} {what}");
    }
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => {
            format!("nobody listens at {place}: is Valkey running, and is the port in KIRC_VALKEY right?")
        }
        std::io::ErrorKind::ConnectionReset
        | std::io::ErrorKind::UnexpectedEof
        | std::io::ErrorKind::BrokenPipe => hung_up(place),
        _ => format!("Valkey at {place} can't be reached: {error}"),
    }
}

/// The connection was there and ended before anything was said.
fn hung_up(place: &Place) -> String {
    let hint = if place.tls { "does it speak TLS on this port?" } else { "does it want TLS (valkeys://)?" };
    format!("Valkey at {place} hung up at once: {hint}")
}

/// An error while logging in.
fn login_words(place: &Place, error: &RedisError) -> String {
    if !error.is_timeout() && (error.is_connection_dropped() || error.is_io_error()) {
        return hung_up(place);
    }
    words(place, error)
}

/// An error of Valkey as a sentence. What the server says is not repeated: it repeats what it was
/// sent.
pub fn words(place: &Place, error: &RedisError) -> String {
    let who = match &place.user {
        Some(user) => format!("the user {user}"),
        None => "the default user".to_owned(),
    };
    match error.code().unwrap_or_default() {
        "WRONGPASS" => return refused(place, &who),
        "NOAUTH" => return format!("Valkey at {place} wants a user and a password: add them to KIRC_VALKEY"),
        "NOPERM" => {
            return format!(
                "Valkey at {place} does not let {who} do this: the user needs the keys and channels that begin with kirc's \
                 prefix, and the commands of +@all -@dangerous"
            );
        }
        "LOADING" => return format!("Valkey at {place} is still loading its data: kirc tries again"),
        "OOM" => {
            return format!("Valkey at {place} has no memory left: give it more, or let it evict old keys");
        }
        "READONLY" => {
            return format!("Valkey at {place} is a replica and takes no writes: use the primary's address");
        }
        "MISCONF" => return format!("Valkey at {place} takes no writes because it can't save to its disk"),
        _ => {}
    }
    if error.kind() == ErrorKind::AuthenticationFailed {
        return refused(place, &who);
    }
    if error.is_timeout() {
        return format!("Valkey at {place} did not answer for {} s", ANSWER.as_secs());
    }
    if error.is_connection_dropped() || error.is_io_error() || error.is_unrecoverable_error() {
        return format!("the connection to Valkey at {place} was cut: kirc connects again");
    }
    let code = error.code().unwrap_or("an answer that kirc does not understand");
    format!("Valkey at {place} refused what kirc asked for ({code}): is it Valkey 7.2, Redis 6.2 or newer?")
}

fn refused(place: &Place, who: &str) -> String {
    format!("Valkey at {place} does not let {who} in: check user and password in KIRC_VALKEY")
}

/// Whether the connection is of no more use after an error.
pub fn is_lost(error: &RedisError) -> bool {
    error.is_timeout()
        || error.is_connection_dropped()
        || error.is_io_error()
        || error.is_unrecoverable_error()
}
