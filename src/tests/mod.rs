//! What the adapters' tests on real services share: the services' addresses, and a connection that
//! can be cut.
//!
//! This module owns no conformance rule. It starts no service: `scripts/services` does, and
//! publishes the addresses as `KIRC_TEST_*`.

mod wire;

use std::sync::atomic::{AtomicU32, Ordering};

pub use wire::Wire;

use crate::config::Secret;

/// Where a service is, by the variable that says so. Without it a test is left out, in one line;
/// where the services are required that is a failure.
pub fn service(name: &str) -> Option<Secret> {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => Some(Secret::new(value)),
        _ => {
            let required = std::env::var("KIRC_TEST_SERVICES").is_ok_and(|v| v == "required");
            assert!(!required, "{name} is not set, and the services are required");
            eprintln!("left out: {name} is not set (see scripts/services)");
            None
        }
    }
}

/// The services' CA.
pub fn ca() -> Option<crate::tls::Ca> {
    let path = std::env::var_os("KIRC_TEST_CA").filter(|path| !path.is_empty());
    path.map(|path| crate::tls::Ca::File(path.into()))
}

/// A name that no other test has, in this process or another.
pub fn own_name() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    format!("t{}_{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed))
}

/// The same address by another way.
pub fn by(url: &Secret, wire: &Wire) -> Secret {
    let url = url.expose();
    let (before, rest) = url.rsplit_once('@').unwrap();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let host = rest[..end].rsplit_once(':').unwrap().0;
    Secret::new(format!("{before}@{host}:{}{}", wire.port(), &rest[end..]))
}

/// Host and port of an address.
pub fn place(url: &Secret) -> String {
    let rest = url.expose().rsplit_once('@').unwrap().1;
    rest[..rest.find(['/', '?']).unwrap_or(rest.len())].to_owned()
}

/// Works on something asynchronous in a `Drop`. For tests on several threads only.
pub fn wait_for<T>(what: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(what))
}
