//! What the user writes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Secret;
use crate::error::{Error, Result};
use crate::milvus::settings::{Access, Timeouts, TlsConfig, Wait};
use crate::source::choice::{Choice, Collections};

/// A live Milvus 2.x server. Each partition of each collection is a table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address: `http://host:19530`, or `https://…` for TLS.
    pub uri: String,
    /// Token, or `user:password`.
    #[serde(default)]
    pub token: Option<Secret>,
    /// A file that holds the token, instead.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// User, instead of a token.
    #[serde(default)]
    pub user: Option<String>,
    /// The user's password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// A file that holds the password, instead.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Database (default: the server's default).
    #[serde(default)]
    pub database: Option<String>,
    /// Collections to read, each with its partitions (none named: all); left out: all collections
    /// of the database.
    #[serde(default)]
    pub collections: Option<Collections>,
    /// Which rows are read: a condition in Milvus's own language, such as `color in ["red"]`
    /// (default: all). The server decides.
    #[serde(default)]
    pub filter: Option<String>,
    /// Fields to read (default: all). The primary key comes along.
    #[serde(default)]
    pub output_fields: Option<Vec<String>>,
    /// Other names at the target: of a collection (`old: new`), or of a partition
    /// (`collection/old: new`, the default one being `collection/_default`).
    #[serde(default)]
    pub rename: BTreeMap<String, String>,
    /// A collection without an index can't be loaded, and so not be read. `true` makes an index for
    /// the time it takes.
    #[serde(default)]
    pub prepare: bool,
    /// What TLS needs beyond the system's own certificates.
    #[serde(default)]
    pub tls: TlsConfig,
    /// How long to wait for answers.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How long a request is tried again while it fails for a passing reason, such as a rate
    /// limit or a server that restarts.
    #[serde(default = "Wait::ten_minutes")]
    pub retry_for: Wait,
}

impl Config {
    /// Settings that contradict each other.
    pub(super) fn check(&self) -> Result<()> {
        self.access().check()?;
        if self.filter.as_deref().is_some_and(|filter| filter.trim().is_empty()) {
            return Err(Error::config("source.milvus.filter is empty")
                .help("write a condition, or leave it out"));
        }
        if self.output_fields.as_ref().is_some_and(Vec::is_empty) {
            return Err(Error::config("source.milvus.output_fields is empty")
                .help("name fields, or leave it out"));
        }
        Ok(())
    }

    pub(super) fn access(&self) -> Access<'_> {
        Access {
            key: "source.milvus",
            uri: &self.uri,
            token: self.token.as_ref(),
            token_file: self.token_file.as_deref(),
            user: self.user.as_deref(),
            password: self.password.as_ref(),
            password_file: self.password_file.as_deref(),
            database: self.database.as_deref(),
            tls: &self.tls,
            timeouts: &self.timeouts,
            retry_for: self.retry_for,
        }
    }

    pub(super) fn choice(&self) -> Choice<'_> {
        Choice {
            collections_key: "source.milvus.collections",
            collections: self.collections.as_ref(),
            rename_key: "source.milvus.rename",
            rename: &self.rename,
        }
    }
}
