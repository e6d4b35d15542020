//! The connection: address, TLS, credentials, deadlines.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Uri;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::milvus::v2::error::MilvusError;
use crate::milvus::v2::proto::milvus::{GetVersionRequest, ListDatabasesRequest};
use crate::milvus::v2::version::ServerVersion;
use crate::milvus::v2::{Result, retry::Pauses};

/// Largest answer that is taken: the server's own limit for what it sends is 64 MiB by default.
pub(crate) const MAX_ANSWER: usize = 65 << 20;

/// Bytes that the server may send before we acknowledge them; large, so that a query's answer
/// needs no round trip for each 64 KiB.
const WINDOW: u32 = 4 << 20;

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
    fn is_default(&self) -> bool {
        self.ca.is_none() && self.server_name.is_none() && self.identity.is_none()
    }
}

/// A connection to one server and database. Cloning shares it.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    channel: Channel,
    origin: Uri,
    endpoint: String,
    metadata: MetadataMap,
    options: Options,
    version: ServerVersion,
}

impl Client {
    /// Connects, asks for the version, and checks that the database exists. Fails at once when the
    /// server can't be reached.
    ///
    /// # Errors
    /// When the address is wrong, nothing answers in time, what answers is not Milvus 2.x, it
    /// refuses the credentials, or it has no such database.
    pub async fn connect(options: Options) -> Result<Client> {
        let address = Address::parse(&options)?;
        let endpoint = endpoint(&address.origin, &options)?;
        let channel = tokio::time::timeout(options.connect_timeout, endpoint.connect())
            .await
            .map_err(|_| unreachable(&address, "no answer in time".to_owned()))?
            .map_err(|error| unreachable(&address, words_of(&error)))?;
        let mut client = Client::over(channel, address, options)?;
        let version = client.ask_version().await?;
        if let Some(shared) = Arc::get_mut(&mut client.shared) {
            shared.version = version;
        }
        client.check_database().await?;
        Ok(client)
    }

    fn over(channel: Channel, address: Address, options: Options) -> Result<Client> {
        let metadata = metadata(&options, address.credentials.as_deref())?;
        let shared = Shared {
            channel,
            origin: address.origin,
            endpoint: address.shown,
            metadata,
            options,
            version: ServerVersion::unknown(),
        };
        Ok(Client { shared: Arc::new(shared) })
    }

    async fn ask_version(&self) -> Result<ServerVersion> {
        let limit = self.shared.options.connect_timeout;
        let mut pauses = Pauses::new(limit);
        loop {
            let error = match self.call_within(GetVersionRequest {}, limit).await {
                Ok(answer) => return Ok(ServerVersion::parse(&answer.version)),
                Err(error) => error,
            };
            return Err(match error {
                // A server that is just starting refuses for a moment.
                MilvusError::Refused { code: 1 | 2, .. } if pauses.pause(&error).await => continue,
                MilvusError::Refused { reason, .. } => self.not_milvus(format!(
                    "it does not know GetVersion ({reason}); Milvus 1.x has another protocol"
                )),
                MilvusError::Lost { words, .. } => {
                    self.not_milvus(format!("it does not answer like a gRPC server ({words})"))
                }
                MilvusError::Deadline { .. } => MilvusError::Unreachable {
                    endpoint: self.endpoint().to_owned(),
                    words: format!("connected, but no answer within {limit:?}"),
                },
                other => other,
            });
        }
    }

    /// A missing database would otherwise show only as missing collections.
    async fn check_database(&self) -> Result<()> {
        let Some(database) = self.database() else { return Ok(()) };
        let names = self.call(ListDatabasesRequest {}).await?.db_names;
        if names.iter().any(|name| name == database) {
            return Ok(());
        }
        Err(MilvusError::Settings(format!(
            "Milvus has no database `{database}`; it has: {}",
            names.join(", ")
        )))
    }

    fn not_milvus(&self, words: String) -> MilvusError {
        MilvusError::NotMilvus { endpoint: self.endpoint().to_owned(), words }
    }

    /// What the server is.
    pub fn version(&self) -> &ServerVersion {
        &self.shared.version
    }

    /// The address, without credentials.
    pub fn endpoint(&self) -> &str {
        &self.shared.endpoint
    }

    /// The database, where one was named.
    pub fn database(&self) -> Option<&str> {
        self.shared.options.database.as_deref()
    }

    /// The database as requests name it.
    pub(crate) fn db_name(&self) -> String {
        self.shared.options.database.clone().unwrap_or_default()
    }

    pub(crate) fn channel(&self) -> Channel {
        self.shared.channel.clone()
    }

    pub(crate) fn origin(&self) -> Uri {
        self.shared.origin.clone()
    }

    pub(crate) fn metadata(&self) -> &MetadataMap {
        &self.shared.metadata
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.shared.options.request_timeout
    }

    pub(crate) fn retry_for(&self) -> Duration {
        self.shared.options.retry_for
    }

    pub(crate) fn wait_timeout(&self) -> Duration {
        self.shared.options.wait_timeout
    }
}

/// An address taken apart.
#[derive(Debug)]
struct Address {
    origin: Uri,
    /// For messages: no credentials in it.
    shown: String,
    credentials: Option<String>,
}

impl Address {
    fn parse(options: &Options) -> Result<Address> {
        let text = options.uri.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let (credentials, host) = match rest.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials.to_owned()), host),
            None => (None, rest),
        };
        let host = host.trim_end_matches('/');
        let shown = format!("{scheme}://{host}");
        let wrong = |why: &str| {
            MilvusError::Settings(format!(
                "`{shown}` is not an address of a Milvus server ({why}); write http://host:19530, or https://host:19530 for TLS"
            ))
        };
        if !matches!(scheme, "http" | "https") {
            return Err(wrong("the scheme is neither http nor https"));
        }
        if host.contains('/') {
            return Err(wrong("there is a path after the host; the database has a key of its own"));
        }
        let origin: Uri = shown.parse().map_err(|_| wrong("host or port can't be read"))?;
        let Some(port) = origin.port_u16() else {
            return Err(wrong("the port is missing"));
        };
        if origin.host().is_none_or(str::is_empty) || port == 0 {
            return Err(wrong("host or port is empty"));
        }
        if scheme == "http" && !options.tls.is_default() {
            return Err(wrong("TLS settings need https"));
        }
        Ok(Address { origin, shown, credentials })
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
        .initial_connection_window_size(WINDOW * 2);
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
        let value = database.parse().map_err(|_| {
            MilvusError::Settings(format!("`{database}` can't be the name of a database"))
        })?;
        metadata.insert("dbname", value);
    }
    Ok(metadata)
}

fn unreachable(address: &Address, words: String) -> MilvusError {
    MilvusError::Unreachable { endpoint: address.shown.clone(), words }
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

    fn parse(uri: &str) -> Result<Address> {
        Address::parse(&Options::new(uri))
    }

    #[test]
    fn addresses_are_taken_apart() {
        let address = parse("milvus.example:19530").unwrap();
        assert_eq!(address.shown, "http://milvus.example:19530");
        assert_eq!(address.credentials, None);
        let address = parse("https://root:Mil@vus@[::1]:19530/").unwrap();
        assert_eq!(address.shown, "https://[::1]:19530");
        assert_eq!(address.credentials.as_deref(), Some("root:Mil@vus"));
    }

    #[test]
    fn wrong_addresses_are_settings_errors_without_secrets() {
        for uri in
            ["http://h", "ftp://h:1", "http://u:secret@h:19530/db", "http://:19530", "h:x", ""]
        {
            let error = parse(uri).unwrap_err();
            assert!(matches!(error, MilvusError::Settings(_)), "{uri}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let mut options = Options::new("http://h:1");
        options.tls.server_name = Some("x".to_owned());
        assert!(Address::parse(&options).is_err());
    }

    #[test]
    fn credentials_are_the_base64_of_the_token() {
        let mut options = Options::new("h:1");
        options.token = Some("root:Milvus".to_owned());
        let metadata = metadata(&options, Some("other")).unwrap();
        assert_eq!(metadata.get("authorization").unwrap(), "cm9vdDpNaWx2dXM=");
        assert!(!format!("{metadata:?}").contains("cm9v"));
    }
}
