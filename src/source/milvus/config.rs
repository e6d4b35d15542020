//! What the user writes.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::{self, SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};

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
    /// Several databases: `all`, or a list of names. Each table then goes to the database of the
    /// same name, unless the sink names one. Collections are written `database/collection` in
    /// `collections` and `rename`.
    #[serde(default)]
    pub databases: Option<Databases>,
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
    /// Most rows of a split, for tests: nobody needs to set it.
    #[doc(hidden)]
    #[serde(skip)]
    pub split_rows: Option<u64>,
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

/// Databases of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Databases {
    /// All of them.
    All(All),
    /// Those of these names.
    Named(Vec<String>),
}

/// The word for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum All {
    /// All of them.
    All,
}

impl<'de> Deserialize<'de> for Databases {
    // By hand, so that errors say what may stand here.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Databases;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("all, or a list of names")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> std::result::Result<Databases, E> {
                match word {
                    "all" => Ok(Databases::All(All::All)),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                names: A,
            ) -> std::result::Result<Databases, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(names)).map(Databases::Named)
            }
        }
        deserializer.deserialize_any(Words)
    }
}

impl Config {
    /// Settings that contradict each other.
    pub(super) fn check(&self) -> Result<()> {
        self.access().check()?;
        if self.database.is_some() && self.databases.is_some() {
            return Err(Error::config("source.milvus has both database and databases")
                .help("give one of them"));
        }
        if matches!(&self.databases, Some(Databases::Named(names)) if names.is_empty()) {
            return Err(Error::config("source.milvus.databases is empty")
                .help("name databases, or write all"));
        }
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
