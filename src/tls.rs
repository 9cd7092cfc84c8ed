//! TLS for the services: one provider (aws-lc-rs), the system's root certificates and the grid's
//! own CA.
//!
//! This module owns the verification of server certificates and the wording of its errors. It is
//! independent of the services.

use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use kirc_core::port::PortError;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// What is asked of a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Its chain leads to a known root, and it is for the host that was asked for.
    Full,
    /// Its chain leads to a known root; the name is not looked at.
    Chain,
    /// Nothing: what goes over the wire is encrypted, for whoever answers.
    Nothing,
}

/// The provider, named so that no choice is left to the process's default.
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// The roots of the system, read once.
static SYSTEM: LazyLock<Vec<CertificateDer<'static>>> =
    LazyLock::new(|| rustls_native_certs::load_native_certs().certs);

/// Makes the provider that of the process, for libraries that ask for it. Calling it again changes
/// nothing.
pub fn install() {
    // An error says that there is one already.
    let _ = aws_lc_rs::default_provider().install_default();
}

/// Certificates that are trusted besides the system's, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ca {
    /// A file, which the user names.
    File(PathBuf),
    /// A text, which came with a way to another grid.
    Text(String),
}

/// How to talk TLS: with the system's roots and those of a PEM file.
pub fn client(ca: Option<&Ca>, check: Check) -> Result<ClientConfig, PortError> {
    install();
    let builder = ClientConfig::builder_with_provider(PROVIDER.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| PortError(format!("TLS can't be set up: {e}")))?;
    if check == Check::Full {
        return Ok(builder.with_root_certificates(roots(ca)?).with_no_client_auth());
    }
    let roots = if check == Check::Chain { Some(roots(ca)?) } else { None };
    let judge = Arc::new(Lenient { roots, provider: PROVIDER.clone() });
    Ok(builder.dangerous().with_custom_certificate_verifier(judge).with_no_client_auth())
}

fn roots(ca: Option<&Ca>) -> Result<RootCertStore, PortError> {
    let mut roots = RootCertStore::empty();
    // What the system holds and can't be read is the system's; what the user names must be right.
    roots.add_parsable_certificates(SYSTEM.iter().cloned());
    if let Some(ca) = ca {
        let (name, pem) = match ca {
            Ca::File(path) => (path.display().to_string(), std::fs::read(path)),
            Ca::Text(text) => ("of the invite".to_owned(), Ok(text.clone().into_bytes())),
        };
        let pem =
            pem.map_err(|e| PortError(format!("the CA file {name} can't be read ({e}): see KIRC_CA")))?;
        let mut any = false;
        for cert in CertificateDer::pem_slice_iter(&pem) {
            let cert =
                cert.map_err(|_| PortError(format!("the CA file {name} is not a PEM file: see KIRC_CA")))?;
            roots.add(cert).map_err(|e| {
                PortError(format!("the CA file {name} holds a certificate that is none ({e}): see KIRC_CA"))
            })?;
            any = true;
        }
        if !any {
            return Err(PortError(format!("the CA file {name} holds no certificate: see KIRC_CA")));
        }
    }
    if roots.is_empty() {
        let text = "no certificate is trusted: this system has none and KIRC_CA names none";
        return Err(PortError(text.to_owned()));
    }
    Ok(roots)
}

/// Asks less than rustls does by itself: the chain alone, or nothing. Signatures of the handshake
/// are checked always.
#[derive(Debug)]
struct Lenient {
    roots: Option<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let cert = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&cert, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What went wrong with TLS, if that is what is behind an error: the rest of a sentence about a
/// server.
pub fn trouble(error: &(dyn Error + 'static)) -> Option<String> {
    let fault = find(error)?;
    Some(match fault {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer => {
                "shows a certificate that nobody known here has signed: put the grid's ca.pem where KIRC_CA says".to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "shows a certificate that has expired: have it renewed (or is this machine's clock wrong?)".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "shows a certificate that is not valid yet: is this machine's clock wrong?".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "shows a certificate for another name: use the name that stands in it".to_owned()
            }
            other => format!("shows a certificate that does not hold ({other:?})"),
        },
        rustls::Error::InvalidMessage(_) => "does not speak TLS on this port".to_owned(),
        rustls::Error::AlertReceived(alert) => format!("refused TLS ({alert:?})"),
        other => format!("could not agree on TLS with kirc ({other})"),
    })
}

/// The TLS error at the bottom of another one.
fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An `io::Error` shows the source of what is in it, not what is in it.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_in_the_ca_file_are_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let error = |check| client(Some(&Ca::File(path.clone())), check).unwrap_err().0;
        assert!(error(Check::Full).contains("can't be read"));
        std::fs::write(&path, "hello").unwrap();
        assert!(error(Check::Chain).contains("holds no certificate"));
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(error(Check::Full).contains("a certificate that is none"));
        assert!(client(Some(&Ca::File(path.clone())), Check::Nothing).is_ok(), "it is not looked at");
    }

    #[test]
    fn the_fault_is_found_below_other_errors() {
        let fault = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let error = std::io::Error::other(std::io::Error::other(fault));
        assert!(trouble(&error).unwrap().contains("ca.pem"));
        assert_eq!(trouble(&std::io::Error::other("else")), None);
    }
}
