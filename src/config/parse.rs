//! Parses values: one small function for each type. Each error says which values are accepted.

use std::path::PathBuf;

use kirc_core::ids::Millis;
use kirc_core::names::Nick;

use super::{LogFormat, Mechanism, ProfileName, Secret, Security};

/// How a kind of value is read. An empty text is "not set" for what is optional.
pub(super) trait FromText: Sized {
    fn from_text(text: &str) -> Result<Self, String>;
}

impl<T: FromText> FromText for Option<T> {
    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::from_text(text).map(Some) }
    }
}

impl FromText for String {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl FromText for PathBuf {
    fn from_text(text: &str) -> Result<Self, String> {
        match text.strip_prefix("~/") {
            Some(rest) => std::env::home_dir()
                .map(|home| home.join(rest))
                .ok_or_else(|| "there is no home folder to put in the place of ~".into()),
            None => Ok(PathBuf::from(text)),
        }
    }
}

impl FromText for Secret {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Secret::new(text))
    }
}

impl FromText for Nick {
    fn from_text(text: &str) -> Result<Self, String> {
        Nick::parse(text).map_err(|e| e.to_string())
    }
}

impl FromText for ProfileName {
    fn from_text(text: &str) -> Result<Self, String> {
        ProfileName::parse(text)
    }
}

impl FromText for bool {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(format!("\"{text}\" is neither true nor false")),
        }
    }
}

impl FromText for u64 {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("\"{text}\" is not a whole number"))
    }
}

/// Bits of the RSA key.
impl FromText for usize {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("\"{text}\" is not a whole number"))
    }
}

impl FromText for LogFormat {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(format!("\"{text}\" is neither text nor json")),
        }
    }
}

impl FromText for Security {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

impl FromText for Mechanism {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

/// A number of bytes: `125KiB`, `1MiB`, `500`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bytes(pub u64);

impl FromText for Bytes {
    fn from_text(text: &str) -> Result<Self, String> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let factor = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1_000,
            "kib" | "k" => 1_024,
            "mb" => 1_000_000,
            "mib" | "m" => 1 << 20,
            "gb" => 1_000_000_000,
            "gib" | "g" => 1 << 30,
            _ => 0,
        };
        let bytes = number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).filter(|_| factor > 0);
        bytes.map(Bytes).ok_or_else(|| format!("\"{text}\" is no number of bytes such as 125KiB, 1MiB or 0"))
    }
}

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(pub Millis);

impl FromText for Span {
    fn from_text(text: &str) -> Result<Self, String> {
        parse_duration(text).map(Span)
    }
}

/// Reads a length of time: `500ms`, `30s`, `5m`, `24h`, `7d`; a bare number is seconds.
pub fn parse_duration(text: &str) -> Result<Millis, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" | "min" => 60 * 1000,
        "h" => 3600 * 1000,
        "d" => 24 * 3600 * 1000,
        _ => 0,
    };
    let value: Option<u64> = number.parse().ok();
    match value.and_then(|v| v.checked_mul(factor)) {
        Some(millis) if factor > 0 => Ok(millis),
        _ => Err(format!("\"{text}\" is not a length of time such as 500ms, 30s, 5m, 24h or 7d")),
    }
}

/// Writes a length of time the way a person would.
pub fn duration_text(millis: Millis) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    for (size, name) in units {
        if millis >= size && millis.is_multiple_of(size) {
            return format!("{}{name}", millis / size);
        }
    }
    format!("{millis}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("30", 30_000),
            ("5m", 300_000),
            ("24h", 86_400_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(parse_duration(text), Ok(millis));
            assert_eq!(parse_duration(&duration_text(millis)), Ok(millis));
        }
        for text in ["", "s", "-1s", "1 s", "1w", "99999999999999999999d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
