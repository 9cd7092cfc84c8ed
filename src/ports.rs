//! What the three ports have in common: a pending reply, and the health of a service.
//!
//! This module owns these two types. It is independent of the services.

use std::future::Future;
use std::pin::Pin;

use kirc_core::port::PortError;
use tokio::sync::{oneshot, watch};

/// The outcome of something that was asked for. The asking has happened when the function that gave
/// it returned: the order of calls is the order of work, whenever (and whether) this is awaited.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, PortError>> + Send>>;

/// Whether a service can be used, and what the user is told about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether the last thing asked of it worked.
    pub up: bool,
    /// Why it does not work, or what happened to it; empty if there is nothing to say.
    pub reason: String,
}

impl Health {
    /// All is well and there is nothing to say.
    pub fn well() -> Self {
        Self { up: true, reason: String::new() }
    }
}

/// The way in which a worker answers.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, PortError>>;

/// A way to answer and what the asker waits for; `gone` is said if the worker ends without an
/// answer.
pub(crate) fn pending<T: Send + 'static>(gone: &'static str) -> (Reply<T>, Pending<T>) {
    let (reply, answer) = oneshot::channel();
    let wait = async move { answer.await.unwrap_or_else(|_| Err(PortError(gone.to_owned()))) };
    (reply, Box::pin(wait))
}

/// An answer that needs no work.
pub(crate) fn ready<T: Send + 'static>(result: Result<T, PortError>) -> Pending<T> {
    Box::pin(std::future::ready(result))
}

/// Tells of a change in health; what is known already is not told again.
pub(crate) fn tell(health: &watch::Sender<Health>, new: Health) {
    health.send_if_modified(|old| {
        let changed = *old != new;
        if changed {
            *old = new;
        }
        changed
    });
}
