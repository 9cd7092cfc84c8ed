//! Options that the program may set, and the UI's clock.
//!
//! Owns: options and the source of time. Must not: read settings from files.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;

use crate::when::Millis;

/// How the UI is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// No colours: the theme is made of modifiers only (`NO_COLOR`).
    pub mono: bool,
    /// It runs in a terminal of another program (tmux, screen). Such a one says that it has the
    /// focus when somebody attaches to it, and nothing when it shows another window, unless it is
    /// told to.
    pub inside: bool,
    /// The name of the user's profile; shown in the terminal's title unless it is `default`.
    pub profile: String,
    /// The zone in which times are shown.
    pub zone: TimeZone,
    /// Where the time comes from.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mono: false,
            inside: false,
            profile: "default".to_owned(),
            zone: TimeZone::UTC,
            clock: Clock::System,
        }
    }
}

impl Options {
    /// Options as the environment has them: `NO_COLOR` (if set and not empty) and the system's time
    /// zone.
    pub fn from_env() -> Self {
        Self {
            mono: std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()),
            inside: ["TMUX", "STY"].iter().any(|name| std::env::var_os(name).is_some()),
            zone: TimeZone::system(),
            ..Self::default()
        }
    }
}

/// A source of time.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's.
    System,
    /// One that stands still unless it is moved; for tests and the demonstration.
    Fixed(Arc<AtomicU64>),
}

impl Clock {
    /// A clock that stands at `at`.
    pub fn fixed(at: Millis) -> Self {
        Self::Fixed(Arc::new(AtomicU64::new(at)))
    }

    /// Milliseconds since 1970.
    pub fn now(&self) -> Millis {
        match self {
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .ok()
                .and_then(|d| u64::try_from(d.as_millis()).ok())
                .unwrap_or(0),
            Self::Fixed(at) => at.load(Ordering::Relaxed),
        }
    }

    /// Moves a fixed clock; the machine's stays as it is.
    pub fn advance(&self, by: Millis) {
        if let Self::Fixed(at) = self {
            at.fetch_add(by, Ordering::Relaxed);
        }
    }
}
