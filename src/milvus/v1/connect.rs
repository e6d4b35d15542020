//! Connecting: which server it is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::proto::{Command, StringReply};
use super::rpc;
use crate::milvus::connection::{Connection, Options};
use crate::milvus::{Generation, MilvusError, Result, generation};

/// A connection to one server. Cloning shares it.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    connection: Connection,
    version: Version,
}

/// A server's version, as it says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    text: String,
    number: (u32, u32),
}

impl Version {
    pub(in crate::milvus) fn parse(text: &str) -> Version {
        let mut numbers = text.trim().trim_start_matches('v').split('.').map(str::parse::<u32>);
        let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0);
        Version { text: text.trim().to_owned(), number: (next(), next()) }
    }

    /// True when rows of one partition can be asked for, and removed, by their ids. Before 1.1, an
    /// id means the rows of all partitions.
    pub fn scopes_ids_by_partition(&self) -> bool {
        self.number >= (1, 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Milvus {}", self.text)
    }
}

/// The version, as a server of this generation says it.
pub(in crate::milvus) async fn ask_version(connection: &Connection) -> Result<String> {
    let request = Command { cmd: "version".to_owned() };
    let limit = connection.options().connect_timeout;
    Ok(rpc::call_once::<StringReply>(connection, "Cmd", request, limit).await?.string_reply)
}

impl Client {
    /// Connects and asks for the version. Fails at once when the server can't be reached.
    ///
    /// # Errors
    /// When the address is wrong, nothing answers in time, or what answers is not Milvus 0.10 or
    /// 1.x.
    pub async fn connect(options: Options) -> Result<Client> {
        let connection = Connection::open(options).await?;
        let version = match ask_version(&connection).await {
            Ok(text) => Version::parse(&text),
            Err(error) => {
                return Err(generation::explain(&connection, Generation::One, error).await);
            }
        };
        if version.number < (0, 10) {
            return Err(MilvusError::NotMilvus {
                endpoint: connection.endpoint().to_owned(),
                words: format!("it says that its version is `{}`", version.text),
            });
        }
        Ok(Client { shared: Arc::new(Shared { connection, version }) })
    }

    /// What the server is.
    pub fn version(&self) -> &Version {
        &self.shared.version
    }

    /// The address, without credentials.
    pub fn endpoint(&self) -> &str {
        self.connection().endpoint()
    }

    /// How long calls are tried again while they fail for passing reasons.
    pub fn retry_for(&self) -> Duration {
        self.connection().options().retry_for
    }

    /// How long the answer to one request is waited for.
    pub(crate) fn request_timeout(&self) -> Duration {
        self.connection().options().request_timeout
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.shared.connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_servers_say_them() {
        for (text, scopes) in [("0.10.0", false), ("1.0.1", false), ("1.1.1", true), ("", false)] {
            assert_eq!(Version::parse(text).scopes_ids_by_partition(), scopes, "{text}");
        }
        assert_eq!(Version::parse("v0.10.6\n").to_string(), "Milvus v0.10.6");
    }
}
