//! Addresses of servers, as people write them.

use http::Uri;

use super::Options;
use crate::milvus::{MilvusError, Result};

/// An address taken apart.
#[derive(Debug)]
pub(super) struct Address {
    pub origin: Uri,
    /// For messages: no credentials in it.
    pub shown: String,
    pub credentials: Option<String>,
}

impl Address {
    pub(super) fn parse(options: &Options) -> Result<Address> {
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
        if scheme == "http" && !options.tls.is_empty() {
            return Err(wrong("TLS settings need https"));
        }
        Ok(Address { origin, shown, credentials })
    }
}

/// The server that an address means, as far as the text alone tells: names of this machine's own
/// interface are one, and so are upper and lower case. Nothing is resolved, so it stays the same from run to run.
pub fn canonical(uri: &str) -> String {
    let options = Options::new(uri);
    let Ok(Address { origin, .. }) = Address::parse(&options) else { return uri.to_owned() };
    let host = origin.host().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = bare == "localhost"
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let host = if is_loopback { "localhost" } else { host.as_str() };
    format!("{host}:{}", origin.port_u16().unwrap_or_default())
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
    fn spellings_of_one_server_are_one() {
        let local = [
            "http://127.0.0.1:19530",
            "LOCALHOST:19530",
            "https://[::1]:19530/",
            "127.0.0.2:19530",
        ];
        assert!(local.iter().all(|uri| canonical(uri) == "localhost:19530"));
        assert_eq!(canonical("http://Milvus.Example.:1"), "milvus.example:1");
        assert_ne!(canonical("http://a:1"), canonical("http://a:2"));
        assert_eq!(canonical("no address"), "no address");
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
}
