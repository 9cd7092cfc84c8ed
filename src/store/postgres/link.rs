//! A connection to PostgreSQL: opened, locked for one node only, and migrated to this program's
//! schema version.
//!
//! This module owns the start of a connection. It is independent of the queries on it.
//!
//! The writing connection holds a session lock that is named after the schema. Two nodes of one
//! profile at once would mix up the order of what they store; the lock admits only one. It also
//! makes a node that was cut off wait until the server has ended the old session: nothing that was
//! still in flight can arrive after what is written now.

use std::sync::Arc;
use std::time::Duration;

use kirc_core::port::PortError;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::error_text::{gone, silent, words};
use super::settings::{PATIENCE, Place};
use super::tables::{Changes, MIGRATIONS};

/// How long a lock that another session holds is waited for: one that ends needs a moment.
const LOCK: &str = "3s";
/// How long the end of a session is waited for.
const GOODBYE: Duration = Duration::from_millis(250);

/// A task that does not outlive what it belongs to.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An open connection; its task ends with it.
#[derive(Debug)]
pub struct Link {
    pub client: Arc<Client>,
    task: Task,
}

/// Why a connection could not be made, or a statement failed: a sentence, and the server's code if
/// it gave one.
#[derive(Debug, Clone)]
pub struct Failure {
    pub text: String,
    pub code: Option<SqlState>,
}

impl Failure {
    pub fn new(text: String) -> Self {
        Self { text, code: None }
    }

    pub fn of(place: &Place, error: &Error) -> Self {
        Self { text: words(place, error), code: error.code().cloned() }
    }

    pub fn port(&self) -> PortError {
        PortError(self.text.clone())
    }
}

impl Link {
    /// Connects, and sees to it that names are those of the schema. `name` is what the server's
    /// lists show.
    pub async fn open(place: &Place, name: &str) -> Result<Self, Failure> {
        let told = |e: Error| Failure::of(place, &e);
        let open = async {
            let mut config = place.config.clone();
            config.application_name(name);
            let (client, connection) = config.connect(place.tls.clone()).await.map_err(told)?;
            let task = Task(tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(code = ?error.code(), "a connection to PostgreSQL ended");
                }
            }));
            // A session whose client is gone without a word ends in about a minute, and its lock
            // with it.
            let begin = format!(
                "SET search_path TO {}; SET client_min_messages TO warning; \
                 SET default_transaction_isolation TO 'read committed'; SET idle_in_transaction_session_timeout TO 60000; \
                 SET tcp_keepalives_idle TO 30; SET tcp_keepalives_interval TO 10; SET tcp_keepalives_count TO 3",
                place.quoted_schema()
            );
            client.batch_execute(&begin).await.map_err(told)?;
            Ok(Self { client: Arc::new(client), task })
        };
        timeout(PATIENCE, open).await.unwrap_or_else(|_| Err(Failure::new(silent(place))))
    }

    /// Ends when the connection is lost.
    pub async fn lost(&mut self) {
        let _ = (&mut self.task.0).await;
    }

    /// Ends in order: the server is told, and frees what the session held.
    pub async fn close(self) {
        let Self { client, mut task } = self;
        drop(client);
        let _ = timeout(GOODBYE, &mut task.0).await;
    }
}

/// The connection that writes.
#[derive(Debug)]
pub struct Writer {
    pub link: Link,
    pub changes: Changes,
}

impl Writer {
    /// Connects, takes the lock and brings the tables up to date. `used` says that this node has
    /// seen them before: then they are not made anew.
    pub async fn open(place: &Place, name: &str, used: bool) -> Result<Self, Failure> {
        let link = Link::open(place, name).await?;
        let ready = async {
            lock(place, &link.client, name).await?;
            migrate(place, &link.client, MIGRATIONS, used).await?;
            Changes::prepare(&link.client).await.map_err(|e| Failure::of(place, &e))
        };
        let changes = timeout(2 * PATIENCE, ready).await.unwrap_or_else(|_| Err(Failure::new(silent(place))));
        match changes {
            Ok(changes) => Ok(Self { link, changes }),
            Err(failure) => {
                link.close().await;
                Err(failure)
            }
        }
    }
}

/// The lock's number: FNV-1a of the schema's name, the same in all versions of kirc.
pub(super) fn number(schema: &str) -> i64 {
    let hash = format!("kirc {schema}").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    i64::from_ne_bytes(hash.to_ne_bytes())
}

async fn lock(place: &Place, client: &Client, name: &str) -> Result<(), Failure> {
    let number = number(&place.schema);
    let told = |e: &Error| Failure::of(place, e);
    client.batch_execute(&format!("SET lock_timeout TO '{LOCK}'")).await.map_err(|e| told(&e))?;
    let take = "SELECT pg_advisory_lock($1)";
    for again in [true, false] {
        match client.execute_typed(take, &[(&number, Type::INT8)]).await {
            Ok(_) => break,
            Err(e) if e.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                let (holder, own) = holder(client, number, name).await.map_err(|e| told(&e))?;
                if !(own && again) {
                    let (schema, at) = (place.quoted_schema(), &place.at);
                    return Err(Failure::new(format!(
                        "another kirc uses the schema {schema} at {at}{holder}: end it there, or give this profile a schema \
                         of its own (KIRC_POSTGRES_SCHEMA)"
                    )));
                }
            }
            Err(e) => return Err(told(&e)),
        }
    }
    client.batch_execute("SET lock_timeout TO 0").await.map_err(|e| told(&e))
}

/// Who holds the lock, in words. A session of this very node that the server has not yet found dead
/// is ended.
async fn holder(client: &Client, number: i64, name: &str) -> Result<(String, bool), Error> {
    let who = "SELECT a.pid, coalesce(a.application_name, ''), coalesce(host(a.client_addr), ''), \
               coalesce(to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), '') \
               FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
               WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
               AND ((l.classid::bigint << 32) | l.objid::bigint) = $1";
    let rows = client.query_typed(who, &[(&number, Type::INT8)]).await?;
    let Some(row) = rows.first() else {
        return Ok((String::new(), true));
    };
    let (pid, holder, from, since): (i32, String, String, String) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    if holder == name {
        // Its end is waited for with the lock.
        client.execute_typed("SELECT pg_terminate_backend($1)", &[(&pid, Type::INT4)]).await?;
        return Ok((String::new(), true));
    }
    let mut words = String::new();
    if !since.is_empty() {
        words.push_str(&format!(" since {since} UTC"));
    }
    if !from.is_empty() {
        words.push_str(&format!(" from {from}"));
    }
    if let Some(process) = holder.strip_prefix("kirc ").and_then(|rest| rest.split(' ').next()) {
        words.push_str(&format!(" (process {process})"));
    }
    Ok((words, false))
}

/// Brings the tables to the layout of this program. What a newer one made is left as it is.
pub async fn migrate(place: &Place, client: &Client, steps: &[&str], used: bool) -> Result<(), Failure> {
    let told = |e: Error| Failure::of(place, &e);
    let schema = place.quoted_schema();
    let there = client
        .query_typed_one(
            "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1), \
             EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                     WHERE n.nspname = $1 AND c.relname = 'schema_version')",
            &[(&place.schema, Type::TEXT)],
        )
        .await
        .map_err(told)?;
    let (has_schema, has_version): (bool, bool) =
        (there.try_get(0).map_err(told)?, there.try_get(1).map_err(told)?);
    if used && !has_version {
        return Err(Failure::new(gone(place)));
    }
    let mut known = 0;
    if has_version {
        let rows = client.query_typed("SELECT version FROM schema_version", &[]).await.map_err(told)?;
        let versions: Result<Vec<i32>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        known = match versions.map_err(told)?.as_slice() {
            [version] => usize::try_from(*version).unwrap_or_default(),
            _ => 0,
        };
        if known == 0 {
            return Err(Failure::new(format!(
                "the table {schema}.schema_version at {} is not as kirc left it: restore the schema from a backup",
                place.at
            )));
        }
    }
    if known > steps.len() {
        return Err(Failure::new(format!(
            "the schema {schema} at {} is of version {known}, made by a newer kirc; this one knows {}: use the newer kirc \
             (nothing was changed)",
            place.at,
            steps.len()
        )));
    }
    if known == steps.len() {
        return Ok(());
    }
    let mut all = String::from("BEGIN;");
    if !has_schema {
        // Asked for only when it is missing: who may use it need not be allowed to make it.
        all.push_str(&format!("CREATE SCHEMA {schema};"));
    }
    if known == 0 {
        all.push_str(
            "CREATE TABLE schema_version (version integer NOT NULL); INSERT INTO schema_version VALUES (0);",
        );
    }
    for step in &steps[known..] {
        all.push_str(step);
    }
    all.push_str(&format!(
        "UPDATE schema_version SET version = {} WHERE version = {known}; COMMIT",
        steps.len()
    ));
    let done = client.batch_execute(&all).await;
    if done.is_err() {
        let _ = client.batch_execute("ROLLBACK").await;
    }
    done.map_err(told)
}
