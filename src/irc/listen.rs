//! Where clients connect: addresses of this machine's loopback only, as long as there is no TLS.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// Why nobody can connect there. The text is a sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// It is no address.
    #[error("\"{0}\" is no address for IRC clients to connect to; give one such as 127.0.0.1:6667")]
    Address(String),
    /// It can be reached from elsewhere.
    #[error(
        "{0} can be reached from other machines, and IRC without TLS sends passwords and messages \
         as they are; listen on 127.0.0.1:{port} and reach it through an SSH tunnel", port = .0.port()
    )]
    NotLoopback(SocketAddr),
    /// Somebody else listens there.
    #[error("{0} is in use by another program; choose another port, as in --irc {next}", next = next(*.0))]
    InUse(SocketAddr),
    /// The system refused.
    #[error("IRC clients can't connect to {0}: {1}; choose another address, as in --irc 127.0.0.1:6667")]
    System(SocketAddr, std::io::Error),
}

fn next(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port().checked_add(1).unwrap_or(6667))
}

/// A socket that listens; nobody is served yet.
#[derive(Debug)]
pub struct Listener(pub(super) TcpListener);

impl Listener {
    /// Listens on an address.
    pub fn bind(text: &str) -> Result<Self, ListenError> {
        let address = parse(text)?;
        if !address.ip().is_loopback() {
            return Err(ListenError::NotLoopback(address));
        }
        let bound = TcpListener::bind(address).and_then(|l| l.set_nonblocking(true).map(|()| l));
        bound.map(Self).map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => ListenError::InUse(address),
            _ => ListenError::System(address, error),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()
    }
}

/// An address: numbers, or `localhost`, which is asked of nobody.
fn parse(text: &str) -> Result<SocketAddr, ListenError> {
    let bad = || ListenError::Address(text.to_owned());
    match text.strip_prefix("localhost:") {
        Some(port) => Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.parse().map_err(|_| bad())?)),
        None => text.parse().map_err(|_| bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_listened_on() {
        for text in ["127.0.0.1:0", "localhost:0", "[::1]:0"] {
            match Listener::bind(text) {
                Ok(listener) => assert!(listener.address().is_some_and(|a| a.ip().is_loopback())),
                // A machine without IPv6.
                Err(error) => assert!(matches!(error, ListenError::System(..)), "{error}"),
            }
        }
        for text in ["", "6667", "127.0.0.1", "example.com:6667", "127.0.0.1:x"] {
            assert!(matches!(Listener::bind(text), Err(ListenError::Address(_))), "{text}");
        }
        for text in ["0.0.0.0:0", "192.0.2.1:6667", "[::]:0"] {
            let error = Listener::bind(text).unwrap_err();
            assert!(matches!(error, ListenError::NotLoopback(_)), "{text}");
            assert!(error.to_string().contains("listen on 127.0.0.1:"), "{error}");
        }
    }

    #[test]
    fn a_port_in_use_is_said() {
        let first = Listener::bind("127.0.0.1:0").unwrap();
        let address = first.address().unwrap().to_string();
        let error = Listener::bind(&address).unwrap_err().to_string();
        assert!(error.contains("is in use") && error.contains("choose another port"), "{error}");
    }
}
