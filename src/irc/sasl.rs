//! SASL PLAIN (RFC 4616) over AUTHENTICATE: pieces of 400 bytes of Base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as B64;
use zeroize::Zeroizing;

use super::login::Login;

/// Bytes of one piece; a piece of this length is followed by another.
const PIECE: usize = 400;
/// Bytes of Base64 in all.
const MOST: usize = 8 * PIECE;

/// What an AUTHENTICATE was.
#[derive(Debug)]
pub enum Heard {
    /// The mechanism: the client shall go on.
    More,
    /// A piece with more to come.
    Part,
    /// A login to check.
    Login(Login),
    /// The client gave up.
    Aborted,
    /// It is longer than allowed.
    TooLong,
    /// Another mechanism.
    Unknown,
    /// It is not of the mechanism's form.
    Malformed,
}

/// An exchange: nothing yet, or the Base64 so far.
#[derive(Default)]
pub struct Sasl(Option<Zeroizing<String>>);

impl std::fmt::Debug for Sasl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sasl(…)")
    }
}

impl Sasl {
    /// Takes in the parameter of an AUTHENTICATE.
    pub fn hear(&mut self, param: &str) -> Heard {
        if param == "*" {
            self.0 = None;
            return Heard::Aborted;
        }
        let Some(text) = &mut self.0 else {
            if !param.eq_ignore_ascii_case("PLAIN") {
                return Heard::Unknown;
            }
            self.0 = Some(Zeroizing::default());
            return Heard::More;
        };
        if param.len() > PIECE || text.len() + param.len() > MOST {
            self.0 = None;
            return Heard::TooLong;
        }
        if param != "+" {
            text.push_str(param);
        }
        if param.len() == PIECE {
            return Heard::Part;
        }
        let text = self.0.take().unwrap_or_default();
        plain(&text).map_or(Heard::Malformed, Heard::Login)
    }
}

fn plain(text: &str) -> Option<Login> {
    let bytes = Zeroizing::new(B64.decode(text).ok()?);
    let text = std::str::from_utf8(&bytes).ok()?;
    let mut parts = text.splitn(3, '\0');
    let (authzid, authcid, password) = (parts.next()?, parts.next()?, parts.next()?);
    // To act for somebody else is not possible.
    let same = authzid.is_empty() || authzid == authcid;
    same.then(|| Login::named(authcid, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ones_come_in_pieces() {
        let mut sasl = Sasl::default();
        assert!(matches!(sasl.hear("plain"), Heard::More));
        let text = B64.encode(format!("\0alice\0{}", "x".repeat(500)));
        let (first, rest) = text.split_at(PIECE);
        assert!(matches!(sasl.hear(first), Heard::Part));
        assert!(matches!(sasl.hear(rest), Heard::Login(_)));
    }

    #[test]
    fn what_is_wrong_starts_again() {
        let mut sasl = Sasl::default();
        assert!(matches!(sasl.hear("EXTERNAL"), Heard::Unknown));
        for (text, fits) in
            [("\0a\0b", true), ("a\0a\0b", true), ("c\0a\0b", false), ("ab", false), ("", false)]
        {
            assert!(matches!(sasl.hear("PLAIN"), Heard::More));
            assert_eq!(matches!(sasl.hear(&B64.encode(text)), Heard::Login(_)), fits, "{text:?}");
        }
        sasl.hear("PLAIN");
        assert!(matches!(sasl.hear("*"), Heard::Aborted));
        sasl.hear("PLAIN");
        for _ in 0..8 {
            assert!(matches!(sasl.hear(&"A".repeat(PIECE)), Heard::Part));
        }
        assert!(matches!(sasl.hear("A"), Heard::TooLong));
        assert!(matches!(sasl.hear("PLAIN"), Heard::More));
    }
}
