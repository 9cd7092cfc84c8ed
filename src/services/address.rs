//! Parses pasted addresses of services into settings.
//!
//! This module owns the formats. An error is a sentence that repeats nothing of the text, which may
//! contain a password.

use crate::uri::Uri;

/// Settings by their names; an empty value means "not set".
pub type Pairs = Vec<(&'static str, String)>;

/// Kafka's usual port.
const KAFKA_PORT: u16 = 9092;

/// A service that kirc stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The mailboxes and logs.
    Kafka,
    /// The signals.
    Valkey,
    /// The store.
    Postgres,
}

impl Kind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kafka => "Kafka",
            Self::Valkey => "Valkey",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// What its address looks like.
    pub fn example(self) -> &'static str {
        match self {
            Self::Kafka => "host:port[,host:port], or kafka+ssl://user:password@host:port",
            Self::Valkey => "valkeys://user:password@host:port, or valkey:// without TLS",
            Self::Postgres => "postgres://user:password@host:port/database?sslmode=verify-full",
        }
    }
}

/// Which service an address is one of; what has no scheme is Kafka's.
pub fn kind(text: &str) -> Option<Kind> {
    let Some((scheme, _)) = text.trim().split_once("://") else {
        return Some(Kind::Kafka);
    };
    match scheme.to_ascii_lowercase().as_str() {
        "kafka" | "kafka+ssl" | "kafkas" => Some(Kind::Kafka),
        "valkey" | "valkeys" | "redis" | "rediss" => Some(Kind::Valkey),
        "postgres" | "postgresql" => Some(Kind::Postgres),
        _ => None,
    }
}

/// Reads the address of a service of a kind.
pub fn parse(wanted: Kind, text: &str) -> Result<Pairs, String> {
    let text = text.trim();
    match kind(text) {
        _ if text.is_empty() => Err(format!("an address is missing: {}", wanted.example())),
        Some(Kind::Kafka) if wanted == Kind::Kafka => kafka(text),
        Some(Kind::Kafka) if !text.contains("://") => {
            Err(format!("the address begins with a scheme: {}", wanted.example()))
        }
        Some(found) if found == wanted => {
            let name = if found == Kind::Valkey { "KIRC_VALKEY" } else { "KIRC_POSTGRES" };
            Uri::parse(text, found.name())?;
            Ok(vec![(name, text.to_owned())])
        }
        Some(found) => Err(format!("this is the address of a {}, not of a {}", found.name(), wanted.name())),
        None => {
            Err(format!("no service of kirc's has an address that begins like this: {}", wanted.example()))
        }
    }
}

fn kafka(text: &str) -> Result<Pairs, String> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
        None => (None, text),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    // A password may have a bare @: the last one counts.
    let (login, places) = match rest.rsplit_once('@') {
        Some((login, places)) => (format!("{login}@"), places),
        None => (String::new(), rest),
    };
    let places = places.strip_suffix('/').unwrap_or(places);
    let (mut servers, mut user, mut password) = (Vec::new(), String::new(), String::new());
    let mut mechanism = String::new();
    for (n, place) in places.split(',').enumerate() {
        let first = n == 0;
        let (login, query) = if first { (login.as_str(), query) } else { ("", "") };
        let uri = Uri::parse(&format!("kafka://{login}{}?{query}", place.trim()), "Kafka")?;
        if !uri.path.is_empty() {
            return Err("Kafka: behind host and port stands nothing more".to_owned());
        }
        let host = if uri.host.contains(':') { format!("[{}]", uri.host) } else { uri.host };
        servers.push(format!("{host}:{}", uri.port.unwrap_or(KAFKA_PORT)));
        if first {
            user = uri.user.unwrap_or_default();
            password = uri.password.map(|p| p.expose().to_owned()).unwrap_or_default();
            for (name, value) in uri.query {
                match name.as_str() {
                    "mechanism" => mechanism = value,
                    _ => return Err("Kafka: of parameters it may have mechanism".to_owned()),
                }
            }
        }
    }
    let tls = scheme.as_deref().map(|s| s != "kafka");
    let security = match (tls, user.is_empty()) {
        // Nothing was said: a user means TLS, as everywhere in the settings.
        (None, _) => "",
        (Some(true), false) => "sasl_ssl",
        (Some(true), true) => "ssl",
        (Some(false), false) => "sasl_plaintext",
        (Some(false), true) => "plaintext",
    };
    let mut pairs = vec![
        ("KIRC_KAFKA", servers.join(",")),
        ("KIRC_KAFKA_SECURITY", security.to_owned()),
        ("KIRC_KAFKA_USER", user),
        ("KIRC_KAFKA_PASSWORD", password),
    ];
    if !mechanism.is_empty() {
        pairs.push(("KIRC_KAFKA_MECHANISM", mechanism));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get<'p>(pairs: &'p Pairs, name: &str) -> &'p str {
        pairs.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value)
    }

    #[test]
    fn kafka_has_several_forms() {
        let cases = [
            // text, servers, security, user, password
            ("h:1", "h:1", "", "", ""),
            (" h:1, i ", "h:1,i:9092", "", "", ""),
            ("[::1]:5", "[::1]:5", "", "", ""),
            ("kafka://h", "h:9092", "plaintext", "", ""),
            ("Kafka+SSL://h:1,i:2/", "h:1,i:2", "ssl", "", ""),
            ("kafka+ssl://ann:p%40s@ss@h:1", "h:1", "sasl_ssl", "ann", "p@s@ss"),
            ("kafka://ann:p@h:1,i:2", "h:1,i:2", "sasl_plaintext", "ann", "p"),
            ("ann:p@h:1", "h:1", "", "ann", "p"),
        ];
        for (text, servers, security, user, password) in cases {
            let pairs = parse(Kind::Kafka, text).unwrap();
            assert_eq!(get(&pairs, "KIRC_KAFKA"), servers, "{text}");
            assert_eq!(get(&pairs, "KIRC_KAFKA_SECURITY"), security, "{text}");
            assert_eq!(get(&pairs, "KIRC_KAFKA_USER"), user, "{text}");
            assert_eq!(get(&pairs, "KIRC_KAFKA_PASSWORD"), password, "{text}");
        }
        let pairs = parse(Kind::Kafka, "kafka+ssl://u:p@h:1?mechanism=SCRAM-SHA-256").unwrap();
        assert_eq!(get(&pairs, "KIRC_KAFKA_MECHANISM"), "SCRAM-SHA-256");
    }

    #[test]
    fn the_others_stay_as_they_are() {
        for (kind, name, text) in [
            (Kind::Valkey, "KIRC_VALKEY", "rediss://u:p@h:1/2"),
            (Kind::Valkey, "KIRC_VALKEY", "valkey://h"),
            (Kind::Postgres, "KIRC_POSTGRES", "postgresql://u:p@h/db?sslmode=require"),
        ] {
            assert_eq!(parse(kind, &format!(" {text} ")).unwrap(), vec![(name, text.to_owned())]);
        }
    }

    #[test]
    fn mistakes_say_what_is_wrong_and_never_what_was_typed() {
        let cases = [
            (Kind::Kafka, "", "missing"),
            (Kind::Kafka, "postgres://u:hidden@h/db", "of a PostgreSQL, not of a Kafka"),
            (Kind::Valkey, "kafka://u:hidden@h", "of a Kafka, not of a Valkey"),
            (Kind::Postgres, "rediss://u:hidden@h", "of a Valkey, not of a PostgreSQL"),
            (Kind::Postgres, "hidden:1", "begins with a scheme"),
            (Kind::Kafka, "http://u:hidden@h", "no service"),
            (Kind::Kafka, "kafka://u:hidden@h:port", "no port"),
            (Kind::Kafka, "kafka://u:hidden@h:1/hidden", "nothing more"),
            (Kind::Kafka, "kafka://u:hidden@h:1?hidden=1", "mechanism"),
            (Kind::Kafka, "h:1,,i:2", "no host"),
            (Kind::Valkey, "valkeys://u:hid%zzden@h", "password"),
        ];
        for (kind, text, expected) in cases {
            let error = parse(kind, text).unwrap_err();
            assert!(error.contains(expected) && !error.contains("hid"), "{text}: {error}");
        }
    }
}
