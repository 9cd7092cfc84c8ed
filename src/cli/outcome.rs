//! How a subcommand ends: success, failure with an error message, or incorrect usage.

use crate::attach::AttachError;
use crate::config::{ConfigError, FileError};
use crate::profile::ProfileError;

/// What a subcommand gives back.
pub type Outcome = Result<(), Failure>;

/// Why a subcommand did not do what it was to do.
#[derive(Debug)]
pub enum Failure {
    /// Exit code 2: arguments or settings are wrong.
    Usage(String),
    /// Exit code 1.
    Failed(String),
    /// Exit code 1, and everything was said already.
    Said,
}

impl Failure {
    /// Exit code 2 and a sentence.
    pub fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }
    /// Exit code 1 and a sentence.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) | Self::Said => 1,
        }
    }
    /// The sentence.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Usage(text) | Self::Failed(text) => Some(text),
            Self::Said => None,
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

macro_rules! failed {
    ($($error:ty),+) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Failed(error.to_string())
            }
        }
    )+};
}
failed!(FileError, ProfileError, AttachError, kirc_core::identity::IdentityError);
