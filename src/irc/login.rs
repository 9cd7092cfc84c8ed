//! The check of a login: which password belongs to it, and who may try how often.
//!
//! The hash is computed on the pool for blocking work, a few at a time. A failure is told late, so
//! that guessing is slow; nobody else waits for that.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kirc_core::Envelope;
use kirc_core::names::casefold;
use tokio::sync::Semaphore;

use super::register::Verdict;
use crate::config::Secret;
use crate::password::{self, PasswordError};
use crate::session::Attach;

/// Hashes that are computed at once.
const AT_ONCE: usize = 2;
/// How late a failure is told.
const DELAY: Duration = Duration::from_secs(1);
/// What the owner may be called besides the nick.
const OWNER: &str = "owner";

/// A name and a password, as a client gave them.
#[derive(Debug, Clone)]
pub enum Login {
    /// By PASS: the password, or `nick:password`.
    Pass(Secret),
    /// By SASL.
    Named(String, Secret),
}

impl Login {
    /// By PASS.
    pub fn from_pass(text: &str) -> Self {
        Self::Pass(Secret::new(text))
    }

    /// By SASL.
    pub fn named(name: &str, password: &str) -> Self {
        Self::Named(name.to_owned(), Secret::new(password))
    }

    /// The password, if the login is for the owner of a node with this nick.
    fn password(&self, nick: &str) -> Option<&str> {
        let owner = |name: &str| [casefold(nick), OWNER.to_owned()].contains(&casefold(name));
        match self {
            Self::Pass(text) => {
                let whole = text.expose();
                let named = whole.split_once(':').filter(|(name, _)| owner(name));
                Some(named.map_or(whole, |(_, password)| password))
            }
            Self::Named(name, password) => owner(name).then(|| password.expose()),
        }
    }
}

/// Checks logins at a node.
#[derive(Debug, Clone)]
pub struct Checker<N> {
    node: N,
    file: PathBuf,
    permits: Arc<Semaphore>,
}

impl<N: Attach> Checker<N> {
    /// With the password in a file.
    pub fn new(node: N, file: PathBuf) -> Self {
        Self { node, file, permits: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Whether it is the owner.
    pub async fn check(self, login: Login) -> Verdict {
        let Some(nick) = nick(&self.node).await else {
            return Verdict::Unable("The node is ending".into());
        };
        let Ok(permit) = self.permits.acquire().await else {
            return Verdict::Unable("The node is ending".into());
        };
        let file = self.file.clone();
        let checked = tokio::task::spawn_blocking(move || match login.password(&nick) {
            Some(password) => password::verify(&file, password),
            // As long as a wrong password takes.
            None => password::verify(&file, "").map(|_| false),
        })
        .await;
        drop(permit);
        let verdict = match checked {
            Ok(Ok(true)) => return Verdict::Owner,
            Ok(Ok(false)) => Verdict::Wrong,
            Ok(Err(error @ PasswordError::Missing)) => return Verdict::Unable(sentence(&error)),
            Ok(Err(error)) => Verdict::Unable(sentence(&error)),
            Err(_) => Verdict::Unable("The password can't be checked".into()),
        };
        tokio::time::sleep(DELAY).await;
        verdict
    }
}

fn sentence(error: &PasswordError) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

/// The node's nick now: it may have changed since the start.
async fn nick(node: &impl Attach) -> Option<String> {
    let mut session = node.attach().await?;
    session.to_node.send(Envelope::new("HELLO")).await.ok()?;
    while let Some(envelope) = session.from_node.recv().await {
        if envelope.command == "001" {
            return envelope.to;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_goes_by_the_nick_or_as_owner_or_without_a_name() {
        for (text, password) in [
            ("secret", "secret"),
            ("alice:secret", "secret"),
            ("ALICE:secret", "secret"),
            ("owner:se:cret", "se:cret"),
            ("bob:secret", "bob:secret"),
        ] {
            assert_eq!(Login::from_pass(text).password("alice"), Some(password));
        }
        assert_eq!(Login::named("Alice", "x").password("alice"), Some("x"));
        assert_eq!(Login::named("owner", "x").password("alice"), Some("x"));
        assert_eq!(Login::named("bob", "x").password("alice"), None);
        assert!(!format!("{:?}", Login::named("alice", "secret")).contains("secret"));
    }
}
