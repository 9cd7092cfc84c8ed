//! How to connect to Kafka: the values of two settings. It opens no connection.

use std::str::FromStr;

/// How the connection is secured, and whether one logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Security {
    /// Neither.
    #[default]
    Plaintext,
    /// TLS, with a client certificate if there is one.
    Ssl,
    /// User and password without TLS.
    SaslPlaintext,
    /// User and password within TLS.
    SaslSsl,
}

impl Security {
    /// What is meant when nothing is said: user and password mean `sasl_ssl`, a certificate of any
    /// kind means `ssl`.
    pub fn guess(user: &str, ca: &str, cert: &str) -> Self {
        if !user.is_empty() {
            Self::SaslSsl
        } else if !ca.is_empty() || !cert.is_empty() {
            Self::Ssl
        } else {
            Self::Plaintext
        }
    }

    /// Its name in settings, which is librdkafka's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    /// Whether one logs in.
    pub fn logs_in(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    /// Whether there is TLS.
    pub fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }
}

impl FromStr for Security {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Plaintext, Self::Ssl, Self::SaslPlaintext, Self::SaslSsl];
        all.into_iter().find(|s| s.name().eq_ignore_ascii_case(text.trim())).ok_or_else(|| {
            format!("{text:?} is no way to secure Kafka; use plaintext, ssl, sasl_plaintext or sasl_ssl")
        })
    }
}

/// How user and password are shown to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mechanism {
    /// The password never travels; SHA-512.
    #[default]
    ScramSha512,
    /// The password never travels; SHA-256.
    ScramSha256,
    /// The password travels: within TLS only.
    Plain,
}

impl Mechanism {
    /// Its name in settings, which is Kafka's.
    pub fn name(self) -> &'static str {
        match self {
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
        }
    }
}

impl FromStr for Mechanism {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::ScramSha512, Self::ScramSha256, Self::Plain];
        all.into_iter().find(|m| m.name().eq_ignore_ascii_case(text.trim())).ok_or_else(|| {
            format!("{text:?} is no way to log in to Kafka; use SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_settings_are_read() {
        assert_eq!("SASL_SSL".parse(), Ok(Security::SaslSsl));
        assert_eq!("scram-sha-256".parse(), Ok(Mechanism::ScramSha256));
        assert!("tls".parse::<Security>().unwrap_err().contains("sasl_ssl"));
        assert_eq!(Security::guess("", "", ""), Security::Plaintext);
        assert_eq!(Security::guess("", "ca", ""), Security::Ssl);
        assert_eq!(Security::guess("kirc", "ca", ""), Security::SaslSsl);
    }
}
