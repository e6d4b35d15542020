//! A connection to a server of either generation: address, TLS, credentials, deadlines.
//!
//! | module | holds |
//! |---|---|
//! | `address` | addresses, as people write them |
//! | `call` | one call: deadline, metadata, what went wrong |
//! | [`frames`] | messages in parts that need not lie together |

mod address;
mod call;
pub mod frames;

pub use self::address::canonical;
pub use self::call::Procedure;

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Uri;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use self::address::Address;
use crate::location::ServerAddresses;
use crate::milvus::{MilvusError, Result};

/// Largest answer that is taken: the server's own limit for what it sends is 64 MiB by default.
const MAX_ANSWER: usize = 65 << 20;

/// Bytes of one answer that the server may send before we acknowledge them; a page of rows and more, so
/// that it need not wait for us in the middle of one.
const WINDOW: u32 = 16 << 20;

/// The same of all answers of a connection. What is asked for at once is bounded by the memory budget.
const CONNECTION_WINDOW: u32 = 256 << 20;

/// How to reach a server.
#[derive(Clone)]
pub struct Options {
    /// `http://host:19530`, `https://host:19530` for TLS, or `host:19530`. It may hold
    /// `user:password@` before the host.
    pub uri: String,
    /// Token, or `user:password`.
    pub token: Option<String>,
    /// Database; none for the server's default.
    pub database: Option<String>,
    /// What TLS needs beyond the system's own certificates.
    pub tls: TlsOptions,
    /// Deadline for making a connection.
    pub connect_timeout: Duration,
    /// Deadline for one call.
    pub request_timeout: Duration,
    /// How long calls are tried again while they fail for passing reasons.
    pub retry_for: Duration,
    /// Deadline for the server's background work: loading, flushing.
    pub wait_timeout: Duration,
}

impl Options {
    /// Options for `uri`: no credentials, ten seconds to connect, two minutes a call, ten minutes
    /// of trying again, thirty minutes for background work.
    pub fn new(uri: impl Into<String>) -> Self {
        Options {
            uri: uri.into(),
            token: None,
            database: None,
            tls: TlsOptions::default(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(120),
            retry_for: Duration::from_secs(600),
            wait_timeout: Duration::from_secs(1800),
        }
    }
}

/// What TLS needs beyond the system's own certificates. PEM texts.
#[derive(Clone, Default)]
pub struct TlsOptions {
    /// Certificate authority that signed the server's certificate.
    pub ca: Option<Vec<u8>>,
    /// Name in the server's certificate, where it differs from the host.
    pub server_name: Option<String>,
    /// Our own certificate and key, for servers that ask for one.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl TlsOptions {
    fn is_empty(&self) -> bool {
        self.ca.is_none() && self.server_name.is_none() && self.identity.is_none()
    }
}

/// A connection to one server. Cloning shares it.
#[derive(Clone)]
pub struct Connection {
    channel: Channel,
    origin: Uri,
    endpoint: String,
    metadata: MetadataMap,
    options: Options,
}

impl Connection {
    /// Connects. Fails at once when the server can't be reached.
    ///
    /// # Errors
    /// When the address or the TLS material can't be used, or nothing answers in time.
    pub async fn open(options: Options) -> Result<Connection> {
        let address = Address::parse(&options)?;
        let metadata = metadata(&options, address.credentials.as_deref())?;
        let unreachable =
            |words| MilvusError::Unreachable { endpoint: address.shown.clone(), words };
        let connecting = endpoint(&address.origin, &options)?;
        let channel = tokio::time::timeout(options.connect_timeout, connecting.connect())
            .await
            .map_err(|_| unreachable("no answer in time".to_owned()))?
            .map_err(|error| unreachable(words_of(&error)))?;
        let Address { origin, shown: endpoint, .. } = address;
        Ok(Connection { channel, origin, endpoint, metadata, options })
    }

    /// The address, without credentials.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Resolves the server's name.
    pub async fn addresses(&self) -> ServerAddresses {
        let host = self.origin.host().unwrap_or_default().to_owned();
        let port = self.origin.port_u16().unwrap_or_default();
        let name = (host.clone(), port);
        let resolving = tokio::task::spawn_blocking(move || ServerAddresses::resolve(&host, port));
        resolving.await.unwrap_or_else(|_| ServerAddresses::unresolved(&name.0, name.1))
    }

    /// The same connection, for another database.
    ///
    /// # Errors
    /// When the name can't be sent.
    pub fn within(&self, database: &str) -> Result<Connection> {
        let mut other = self.clone();
        other.metadata.insert(DATABASE, database_value(database)?);
        other.options.database = Some(database.to_owned());
        Ok(other)
    }

    /// How it was made.
    pub fn options(&self) -> &Options {
        &self.options
    }
}

fn endpoint(origin: &Uri, options: &Options) -> Result<Endpoint> {
    let settings = |error: tonic::transport::Error| {
        MilvusError::Settings(format!("TLS settings can't be used: {}", words_of(&error)))
    };
    let endpoint = Endpoint::from(origin.clone())
        .user_agent(concat!("vecpipe/", env!("CARGO_PKG_VERSION")))
        .map_err(settings)?
        .connect_timeout(options.connect_timeout)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(Duration::from_secs(60)))
        // Finds a server that is gone without a word. Milvus allows a ping each five seconds.
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20))
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    if origin.scheme_str() != Some("https") {
        return Ok(endpoint);
    }
    let mut tls = ClientTlsConfig::new();
    tls = match &options.tls.ca {
        Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
        None => tls.with_native_roots(),
    };
    if let Some(name) = &options.tls.server_name {
        tls = tls.domain_name(name);
    }
    if let Some((certificate, key)) = &options.tls.identity {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    endpoint.tls_config(tls).map_err(settings)
}

/// What every request carries: credentials and database.
///
/// The server wants `authorization` to be the base64 of the bare token or of `user:password`; a
/// `Bearer` before it is refused (measured on 2.3.5).
fn metadata(options: &Options, in_address: Option<&str>) -> Result<MetadataMap> {
    let mut metadata = MetadataMap::new();
    if let Some(token) = options.token.as_deref().or(in_address) {
        let mut value: MetadataValue<Ascii> = BASE64_STANDARD
            .encode(token)
            .parse()
            .map_err(|_| MilvusError::Settings("The token can't be sent".to_owned()))?;
        value.set_sensitive(true);
        metadata.insert("authorization", value);
    }
    if let Some(database) = &options.database {
        metadata.insert(DATABASE, database_value(database)?);
    }
    Ok(metadata)
}

/// The metadata key of the database.
const DATABASE: &str = "dbname";

fn database_value(database: &str) -> Result<MetadataValue<Ascii>> {
    database
        .parse()
        .map_err(|_| MilvusError::Settings(format!("`{database}` can't be the name of a database")))
}

/// An error's words and those of its causes, each said once.
fn words_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let more = error.to_string();
        // "transport error" says nothing that its cause does not say better.
        if more != "transport error" && !words.contains(&more) {
            words.push(more);
        }
        next = error.source();
    }
    words.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_the_base64_of_the_token() {
        let mut options = Options::new("h:1");
        options.token = Some("root:Milvus".to_owned());
        let metadata = metadata(&options, Some("other")).unwrap();
        assert_eq!(metadata.get("authorization").unwrap(), "cm9vdDpNaWx2dXM=");
        assert!(!format!("{metadata:?}").contains("cm9v"));
    }
}
