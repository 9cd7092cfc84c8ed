//! How a subcommand becomes the node of its profile.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Failure;
use crate::attach::{AttachError, Lock, Starter};
use crate::config::{Config, Secret};
use crate::host::NodeHost;
use crate::logging::{self, LogGuard};
use crate::profile::{self, ProfileError};

/// Starts the node of a profile; knows the passphrase once it was given.
pub struct NodeStarter {
    config: Config,
    passphrase: Mutex<Option<Secret>>,
    may_ask: AtomicBool,
}

impl NodeStarter {
    /// For a profile.
    pub fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            passphrase: Mutex::new(config.settings.passphrase.clone()),
            may_ask: AtomicBool::new(true),
        }
    }

    /// From now on somebody else uses the terminal: a passphrase that is not known is not asked
    /// for.
    pub fn ask_no_more(&self) {
        self.may_ask.store(false, Ordering::Relaxed);
    }

    fn identity(&self) -> Result<kirc_core::identity::Identity, ProfileError> {
        let known = self.passphrase.lock().map_or(None, |p| p.clone());
        if known.is_none() && self.may_ask.load(Ordering::Relaxed) {
            let (identity, given) = profile::unlock(&self.config)?;
            if let Ok(mut passphrase) = self.passphrase.lock() {
                *passphrase = given;
            }
            return Ok(identity);
        }
        profile::check(&self.config.paths)?;
        profile::read_identity(&self.config.paths.identity(), known.as_ref())
    }
}

impl Starter for NodeStarter {
    type Host = NodeHost;

    async fn start(&self, lock: Lock) -> Result<NodeHost, AttachError> {
        let identity = self.identity().map_err(|e| AttachError::Start(e.to_string()))?;
        NodeHost::start(&self.config, identity, lock).await.map_err(|e| AttachError::Start(e.to_string()))
    }
}

/// Logs to the profile's file: what is on the terminal or in the pipe is not for log lines.
pub fn log_to_file(config: &Config) -> Result<LogGuard, Failure> {
    profile::check(&config.paths)?;
    Ok(logging::to_file(&config.settings.log, &config.paths.log())?)
}
