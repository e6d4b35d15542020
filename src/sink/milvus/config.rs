//! What the user writes.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::config::Secret;
use crate::error::{Error, Result};
use crate::milvus::Options;
use crate::milvus::settings::{Access, Timeouts, TlsConfig, Wait};
use crate::sink::Mode;
use crate::sink::server::{OnConflict, OnDuplicateId};
use crate::table::Metric;

/// A live Milvus 2.x server.
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
    /// Database (default: the one that a table brings along, from a source that reads several, and
    /// which is made if it is missing; else the server's default).
    #[serde(default)]
    pub database: Option<String>,
    /// Collection to write to (default: the name of the source's table).
    #[serde(default)]
    pub collection: Option<String>,
    /// Partition to write to (default: the server's default partition).
    #[serde(default)]
    pub partition: Option<String>,
    /// Description of a collection that is created (default: where its rows came from).
    #[serde(default)]
    pub description: Option<String>,
    /// What happens to a collection, or a partition where one is named, that exists already.
    #[serde(default)]
    pub mode: Mode,
    /// What happens to a row whose id the target holds already.
    #[serde(default)]
    pub on_conflict: OnConflict,
    /// What happens when an id occurs more than once in the source.
    #[serde(default)]
    pub on_duplicate_id: OnDuplicateId,
    /// The schema of a collection that is created.
    #[serde(default)]
    pub schema: SchemaConfig,
    /// The index of the vector field: `auto`, `none`, or a type with its parameters. In Milvus 2.x
    /// the metric is part of the index.
    #[serde(default)]
    pub index: IndexConfig,
    /// True to wait until the indexes are built.
    #[serde(default)]
    pub wait_for_index: bool,
    /// True to load the target when its rows are there, so that it can be searched.
    #[serde(default)]
    pub load: bool,
    /// True to give a collection that is created the aliases of the one that its rows come from.
    #[serde(default)]
    pub aliases: bool,
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
    /// A text file to which the ids of all rows that the server took are added, one on each line,
    /// in the order in which it took them (default: none).
    #[serde(default)]
    pub ids_file: Option<PathBuf>,
}

/// The schema of a collection that is created.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SchemaConfig {
    /// Metric of the index (default: the source's, else L2, or HAMMING for binary vectors).
    pub metric: Option<Metric>,
    /// Name of the primary key field (default: the name of the source's id column).
    pub id: Option<String>,
    /// Name of the vector field (default: the name of the source's vector column).
    pub vector: Option<String>,
}

/// The index of the vector field.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum IndexConfig {
    /// One of the two words.
    Choice(IndexChoice),
    /// A type with its parameters.
    Given(IndexSpec),
}

impl Default for IndexConfig {
    fn default() -> Self {
        IndexConfig::Choice(IndexChoice::Auto)
    }
}

/// What happens when no index type is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IndexChoice {
    /// A collection that is created gets the index that the server thinks best (AUTOINDEX); one
    /// that exists keeps what it has.
    Auto,
    /// No index is made. The collection can't be searched until one is, and nothing records the
    /// metric.
    None,
}

/// An index type with its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IndexSpec {
    /// Type, as Milvus names it: `HNSW`, `IVF_FLAT`, `DISKANN`, `BIN_FLAT`, …
    #[serde(rename = "type")]
    pub index_type: String,
    /// Metric (default: as `schema.metric`).
    #[serde(default)]
    pub metric: Option<Metric>,
    /// Parameters of the type, for example `{ M: 16, efConstruction: 200 }`.
    #[serde(default)]
    pub params: Map<String, Value>,
}

impl<'de> Deserialize<'de> for IndexConfig {
    // By hand, so that an error within the parameters keeps its place in the file.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Index;
        impl<'de> Visitor<'de> for Index {
            type Value = IndexConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("auto, none, or an index with its type: { type: HNSW, params: { … } }")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<IndexConfig, E> {
                match word {
                    "auto" => Ok(IndexConfig::Choice(IndexChoice::Auto)),
                    "none" => Ok(IndexConfig::Choice(IndexChoice::None)),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<IndexConfig, A::Error> {
                IndexSpec::deserialize(MapAccessDeserializer::new(map)).map(IndexConfig::Given)
            }
        }
        deserializer.deserialize_any(Index)
    }
}

impl Config {
    /// Settings that contradict each other.
    pub(super) fn check(&self) -> Result<()> {
        self.access().check()?;
        if let IndexConfig::Given(spec) = &self.index
            && spec.metric.is_some()
            && self.schema.metric.is_some()
            && spec.metric != self.schema.metric
        {
            return Err(Error::config(
                "sink.milvus.index.metric and sink.milvus.schema.metric differ",
            )
            .help("give one of them"));
        }
        self.on_conflict.check_with(self.on_duplicate_id)
    }

    /// The client's options; reads the files of TLS and of secrets.
    pub(crate) fn options(&self) -> Result<Options> {
        self.access().options()
    }

    fn access(&self) -> Access<'_> {
        Access {
            key: "sink.milvus",
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
}
