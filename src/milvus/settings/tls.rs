//! What TLS needs.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::milvus::TlsOptions;

/// What TLS needs beyond the system's own certificates. Paths of PEM files.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// Certificate authority that signed the server's certificate.
    pub ca: Option<PathBuf>,
    /// Name in the server's certificate, where it differs from the host.
    pub server_name: Option<String>,
    /// Our own certificate, for servers that ask for one.
    pub cert: Option<PathBuf>,
    /// The key of our own certificate.
    pub key: Option<PathBuf>,
}

impl TlsConfig {
    /// Settings that contradict each other; `key` is where they stand.
    pub(super) fn check(&self, key: &str) -> Result<()> {
        match self.cert.is_some() == self.key.is_some() {
            true => Ok(()),
            false => {
                Err(Error::config(format!("{key}.tls has only one of cert and key"))
                    .help("give both"))
            }
        }
    }

    /// Reads the files.
    pub(super) fn options(&self, key: &str) -> Result<TlsOptions> {
        let read = |path: &Path| read_pem(path, key);
        Ok(TlsOptions {
            ca: self.ca.as_deref().map(read).transpose()?,
            server_name: self.server_name.clone(),
            identity: match (&self.cert, &self.key) {
                (Some(cert), Some(key)) => Some((read(cert)?, read(key)?)),
                _ => None,
            },
        })
    }
}

fn read_pem(path: &Path, key: &str) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        Error::config(format!("Cannot read {}", path.display()))
            .because(error)
            .at(format!("{key}.tls"))
    })
}
