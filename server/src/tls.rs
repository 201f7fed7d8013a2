//! TLS on the server's own ports, with a certificate that can be read again while the server runs.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use thiserror::Error;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use crate::config::TlsConfig;

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// One of the two files cannot be read, or is not what it should be.
    #[error("`{}` cannot be used for TLS: {reason}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// They do not belong together, say.
    #[error("the certificate and the key for TLS cannot be used: {0}")]
    Rejected(#[from] rustls::Error),
}

/// A certificate, its key, and what accepts connections with them.
pub(crate) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    acceptors: RwLock<Acceptors>,
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    Http,
    /// gRPC, which is HTTP/2.
    Grpc,
}

struct Acceptors {
    http: TlsAcceptor,
    grpc: TlsAcceptor,
}

impl Tls {
    /// As the configuration says; none where it names no certificate.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(crate) fn open(config: &TlsConfig) -> Result<Option<Self>, TlsError> {
        let (Some(certificate), Some(key)) = (config.certificate.clone(), config.key.clone()) else { return Ok(None) };
        let acceptors = RwLock::new(read(&certificate, &key)?);
        Ok(Some(Self { certificate, key, acceptors }))
    }

    /// Reads the files again, for new connections; those that there are go on.
    ///
    /// # Errors
    /// [`TlsError`]; then what was read before stays.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let new = read(&self.certificate, &self.key)?;
        *self.acceptors.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// What accepts a connection.
    pub(crate) fn acceptor(&self, protocol: Protocol) -> TlsAcceptor {
        let acceptors = self.acceptors.read().unwrap_or_else(PoisonError::into_inner);
        match protocol {
            Protocol::Http => acceptors.http.clone(),
            Protocol::Grpc => acceptors.grpc.clone(),
        }
    }
}

fn read(certificate: &PathBuf, key: &PathBuf) -> Result<Acceptors, TlsError> {
    let wrong = |file: &PathBuf, reason: String| TlsError::File { file: file.clone(), reason };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(certificate, "it has no certificate".to_owned()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error.to_string()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, secret)?;
    let acceptor = |name: &[u8]| {
        let mut config = config.clone();
        config.alpn_protocols = vec![name.to_vec()];
        TlsAcceptor::from(Arc::new(config))
    };
    Ok(Acceptors { http: acceptor(b"http/1.1"), grpc: acceptor(b"h2") })
}
