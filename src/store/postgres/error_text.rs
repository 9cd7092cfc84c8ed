//! Turns PostgreSQL's errors into sentences.
//!
//! This module owns the wording. It repeats no data that was to be written, and no password.

use std::error::Error as _;
use std::io;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

use super::settings::{PATIENCE, Place};
use crate::tls;

/// An error as a sentence that says what to do.
pub fn words(place: &Place, error: &Error) -> String {
    let at = &place.at;
    if let Some(db) = error.as_db_error() {
        return refusal(place, db);
    }
    if let Some(what) = tls::trouble(error) {
        return format!("PostgreSQL at {at} {what}");
    }
    if error.is_closed() {
        return cut(place);
    }
    if let Some(io) = io_error(error) {
        return match io.kind() {
            io::ErrorKind::ConnectionRefused => {
                format!(
                    "nobody listens at {at}: is PostgreSQL running, and is the port in KIRC_POSTGRES right?"
                )
            }
            io::ErrorKind::TimedOut => silent(place),
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::UnexpectedEof => cut(place),
            _ => format!("PostgreSQL at {at} can't be reached: {io}"),
        };
    }
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    if cause.contains("does not support TLS") {
        return format!(
            "PostgreSQL at {at} speaks no TLS: turn it on there, or write sslmode=disable where nobody listens in"
        );
    }
    let text = error.to_string();
    if text.contains("authentication") || text.contains("configuration") {
        return format!(
            "PostgreSQL at {at} and kirc can't agree on a way to log in ({cause}): check KIRC_POSTGRES"
        );
    }
    format!("PostgreSQL at {at} gave an answer that kirc does not understand ({text})")
}

/// The connection was there and is not any more.
pub fn cut(place: &Place) -> String {
    format!("the connection to PostgreSQL at {} was cut: kirc connects again", place.at)
}

/// No answer in time.
pub fn silent(place: &Place) -> String {
    let seconds = PATIENCE.as_secs();
    format!(
        "PostgreSQL at {} does not answer ({seconds} s): is it on, and does a firewall let kirc through?",
        place.at
    )
}

/// What the server says no to.
fn refusal(place: &Place, error: &DbError) -> String {
    let Place { at, user, database, .. } = place;
    let schema = place.quoted_schema();
    match error.code() {
        &SqlState::INVALID_PASSWORD => {
            format!(
                "PostgreSQL at {at} does not let the user {user} in: check user and password in KIRC_POSTGRES"
            )
        }
        &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => format!(
            "PostgreSQL at {at} does not let the user {user} in from here: check the user in KIRC_POSTGRES, its TLS \
             (sslmode), and who may come in (pg_hba.conf or the cloud's allow list)"
        ),
        &SqlState::INVALID_CATALOG_NAME => {
            format!(
                "PostgreSQL at {at} has no database {database}: make it (CREATE DATABASE), or name another in KIRC_POSTGRES"
            )
        }
        &SqlState::TOO_MANY_CONNECTIONS => format!(
            "PostgreSQL at {at} has no connection left: end other programs that use it, or let it have more \
             (max_connections, or the user's limit); kirc takes 3 at the most"
        ),
        &SqlState::DISK_FULL => {
            format!(
                "the disk of PostgreSQL at {at} is full: make room there; what waits here is kept and written then"
            )
        }
        &SqlState::READ_ONLY_SQL_TRANSACTION => format!(
            "PostgreSQL at {at} takes no writes: it is a replica, or the cloud has stopped it because its disk is nearly full"
        ),
        &SqlState::OUT_OF_MEMORY => format!("PostgreSQL at {at} has no memory left: see its log"),
        &SqlState::ADMIN_SHUTDOWN | &SqlState::CRASH_SHUTDOWN => {
            format!(
                "PostgreSQL at {at} has ended the connection (it shuts down, or an administrator did it): kirc connects again"
            )
        }
        &SqlState::CANNOT_CONNECT_NOW => {
            format!("PostgreSQL at {at} is starting up or shutting down: kirc tries again")
        }
        &SqlState::INSUFFICIENT_PRIVILEGE => format!(
            "the user {user} lacks rights in the database {database} at {at}: as its administrator say \
             CREATE SCHEMA {schema} AUTHORIZATION \"{user}\", or GRANT CONNECT, CREATE ON DATABASE \"{database}\" TO \"{user}\""
        ),
        &SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME => gone(place),
        &SqlState::DUPLICATE_TABLE => format!(
            "the schema {schema} at {at} has tables that are not kirc's: name another in KIRC_POSTGRES_SCHEMA"
        ),
        code => {
            // Of errors in data the message may quote it.
            let quotes = code.code().starts_with("22") || code.code().starts_with("23");
            let message = if quotes { "" } else { error.message() };
            format!("PostgreSQL at {at} refused what kirc asked for ({} {message})", code.code())
        }
    }
}

/// The tables were there and are not any more.
pub fn gone(place: &Place) -> String {
    format!(
        "the tables in the schema {} at {} are gone while kirc used them: restore them, or start kirc anew to begin with empty ones",
        place.quoted_schema(),
        place.at
    )
}

fn io_error(error: &Error) -> Option<&io::Error> {
    let mut next = error.source();
    while let Some(source) = next {
        if let Some(io) = source.downcast_ref::<io::Error>() {
            return Some(io);
        }
        next = source.source();
    }
    None
}
