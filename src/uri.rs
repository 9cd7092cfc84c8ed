//! Addresses of services as users paste them: `scheme://user:password@host:port/path?name=value`.
//!
//! This module parses them strictly. An error is a sentence that names the setting and repeats
//! nothing of the text: a misplaced part may be a password.

use std::net::{IpAddr, Ipv6Addr};

use crate::config::Secret;

/// An address, taken apart and decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uri {
    /// What stands before `://`, in small letters.
    pub scheme: String,
    /// The user, if one is named.
    pub user: Option<String>,
    /// The password, if one is given.
    pub password: Option<Secret>,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port, if one is named.
    pub port: Option<u16>,
    /// What stands behind the host, without its slash.
    pub path: String,
    /// The parameters.
    pub query: Vec<(String, String)>,
}

impl Uri {
    /// Takes an address apart. `what` names it: a setting.
    pub fn parse(text: &str, what: &str) -> Result<Self, String> {
        let bad = |why: &str| format!("{what}: {why}");
        let text = text.trim();
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(bad("there is a space or a control character in it"));
        }
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| bad("it must begin with a scheme and ://"))?;
        if rest.contains('#') {
            return Err(bad("a # in it must be written as %23"));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // A password with a bare @ is common, and can only be meant in one way.
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let (user, password) = match login.map(|l| l.split_once(':').map_or((l, None), |(u, p)| (u, Some(p))))
        {
            Some((user, password)) => (Some(user).filter(|u| !u.is_empty()), password),
            None => (None, None),
        };
        let decode = |text: &str, part: &str| {
            decode(text).ok_or_else(|| bad(&format!("a % in the {part} is not followed by two digits")))
        };
        let (host, port) = place_of(place).map_err(bad)?;
        let query = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) =
                    pair.split_once('=').ok_or_else(|| bad("a parameter behind the ? has no ="))?;
                Ok((decode(name, "parameters")?, decode(value, "parameters")?))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            user: user.map(|u| decode(u, "user's name")).transpose()?,
            password: password.map(|p| decode(p, "password")).transpose()?.map(Secret::new),
            host,
            port,
            path: decode(path, "path")?,
            query,
        })
    }
}

/// Host and port of `host:port`.
fn place_of(place: &str) -> Result<(String, Option<u16>), &'static str> {
    const HINT: &str =
        "behind the host stands no port (a /, ? or @ in the password must be written as %2F, %3F, %40)";
    if let Some(rest) = place.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("a [ before the host is never closed")?;
        host.parse::<Ipv6Addr>().map_err(|_| "what stands in [ ] is no IPv6 address")?;
        let port = match rest {
            "" => None,
            rest => Some(rest.strip_prefix(':').and_then(number).ok_or(HINT)?),
        };
        return Ok((host.to_owned(), port));
    }
    let (host, port) = match place.split_once(':') {
        Some((host, port)) => (host, Some(number(port).ok_or(HINT)?)),
        None => (place, None),
    };
    if host.is_empty() {
        return Err("it names no host");
    }
    if !host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
        return Err(
            "the host has a character that no host has (one host only; a / or @ in the password must be written as %2F, %40)",
        );
    }
    Ok((host.to_owned(), port))
}

fn number(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0)
}

/// Undoes `%xx`.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

/// Whether a host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let uri =
            Uri::parse(" Postgres://ann:p%40s%2Fs%3a@db.example:17/a%20b?sslmode=require&x=1 ", "X").unwrap();
        assert_eq!((uri.scheme.as_str(), uri.host.as_str(), uri.port), ("postgres", "db.example", Some(17)));
        assert_eq!((uri.user.as_deref(), uri.path.as_str()), (Some("ann"), "a b"));
        assert_eq!(uri.password.unwrap().expose(), "p@s/s:");
        assert_eq!(
            uri.query,
            [("sslmode".to_owned(), "require".to_owned()), ("x".to_owned(), "1".to_owned())]
        );
        let bare = Uri::parse("valkey://[::1]", "X").unwrap();
        assert_eq!((bare.host.as_str(), bare.port, bare.user, bare.password), ("::1", None, None, None));
        let open = Uri::parse("valkey://:p@ss@h:1/2", "X").unwrap();
        assert_eq!((open.user, open.password.unwrap().expose()), (None, "p@ss"));
    }

    #[test]
    fn mistakes_say_where_and_never_what() {
        let cases = [
            ("host:1", "begin with a scheme"),
            ("x://u:hidden@", "names no host"),
            ("x://u:hid/den@host:1", "%2F"),
            ("x://u:hidden@host:port", "no port"),
            ("x://u:hidden@host:0", "no port"),
            ("x://u:hidden@host:70000", "no port"),
            ("x://u:hid%zzden@host", "the password"),
            ("x://u:hid den@host", "space"),
            ("x://u:hid#den@host", "%23"),
            ("x://u:hidden@[::1", "never closed"),
            ("x://u:hidden@[hidden]:1", "IPv6"),
            ("x://u:hidden@a,b", "one host"),
            ("x://u:hidden@a/b?c", "has no ="),
        ];
        for (text, expected) in cases {
            let error = Uri::parse(text, "KIRC_X").unwrap_err();
            assert!(error.starts_with("KIRC_X: ") && error.contains(expected), "{text}: {error}");
            assert!(!error.contains("hid"), "{error}");
        }
        let shown = format!("{:?}", Uri::parse("x://u:hidden@host", "X").unwrap());
        assert!(!shown.contains("hidden"));
    }
}
