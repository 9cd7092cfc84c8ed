//! The IRC numerics that kirc uses, in one table: code, name, default text.

/// A numeric reply (RFC 2812 §5 and modern.ircdocs.horse).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Numeric {
    /// Three digits.
    pub code: &'static str,
    /// Its name, as `RPL_TOPIC`.
    pub name: &'static str,
    /// Its usual text.
    pub text: &'static str,
}
