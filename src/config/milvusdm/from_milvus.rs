//! Data directories of Milvus 0.10 and 1.x into Milvus (M2M).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::into_milvus::{DEFAULT_PORT, address, one, plain, version_schema};
use crate::config::diagnostic::Problem;
use crate::config::tree::{Node, Value};
use crate::sink::Mode;

/// A file in MilvusDM's form: the data directory of an old Milvus into a Milvus.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct M2mFile {
    /// The data directory of an old Milvus into a Milvus, as MilvusDM writes it.
    #[serde(rename = "M2M")]
    m2m: M2m,
}

/// The data directory of an old Milvus into a Milvus, as MilvusDM writes it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct M2m {
    /// Noted, not believed: the destination is asked for its version.
    #[serde(default)]
    #[schemars(schema_with = "version_schema")]
    milvus_version: Option<String>,
    /// The other spelling of `milvus_version`.
    #[serde(default, rename = "milvus-version")]
    #[schemars(schema_with = "version_schema")]
    milvus_version_hyphen: Option<String>,
    /// The folder that the old server's `storage.path` names.
    source_milvus_path: String,
    /// The MySQL that the old server kept its metadata in; empty where it kept them in SQLite.
    #[serde(default)]
    mysql_parameter: Option<MysqlParameter>,
    /// Collections, each with its partitions; none named: all.
    source_collection: BTreeMap<String, Option<Vec<String>>>,
    /// Host of the destination.
    dest_host: String,
    /// Port of the destination (default: 19530).
    #[serde(default)]
    dest_port: Option<u16>,
    /// What happens to a collection, or a partition, that exists already (default: append).
    #[serde(default)]
    mode: Option<Mode>,
}

/// A MySQL database.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "checked here, and translated with the places where they stand")]
struct MysqlParameter {
    /// Host.
    host: String,
    /// User.
    user: String,
    /// Port.
    #[serde(default)]
    port: Option<u16>,
    /// The user's password.
    #[serde(default)]
    password: Option<String>,
    /// Database.
    database: String,
}

/// The native form of an M2M file.
pub(super) fn m2m(config: M2mFile, file: &Node) -> Result<(Node, Vec<String>), Problem> {
    let M2mFile { m2m } = config;
    let at = |key: &str| file.place(key);
    let mut source = vec![("path", Node::text(m2m.source_milvus_path, at("source_milvus_path")))];
    if m2m.mysql_parameter.is_some()
        && let Some(mysql) = file.get("mysql_parameter")
    {
        source.push(("meta", Node::map([("mysql", mysql.clone())], file.at)));
    }
    if m2m.source_collection.is_empty() {
        return Err(Problem::new("No collection is named", at("source_collection"))
            .path("M2M.source_collection")
            .help("name collections and, if not all are wanted, their partitions: source_collection: { test: [p1] }"));
    }
    source.extend(file.get("source_collection").cloned().map(|all| ("collections", all)));
    let uri = address(&m2m.dest_host, m2m.dest_port.unwrap_or(DEFAULT_PORT)).ok_or_else(|| {
        Problem::new("This is no host name or address", at("dest_host"))
            .path("M2M.dest_host")
            .help("write a host alone, like 127.0.0.1; the port is `dest_port`")
    })?;
    let mut milvus = vec![("uri", Node::text(uri, at("dest_host")))];
    if m2m.mode.is_some() {
        milvus.extend(file.get("mode").cloned().map(|mode| ("mode", mode)));
    }
    let mut notes = Vec::new();
    if m2m.milvus_version.or(m2m.milvus_version_hyphen).is_some() {
        notes.push(super::VERSION_NOTE.to_owned());
    }
    let rename = one("rename", vec![("vector", Node::text("embedding", file.at))], file.at);
    let native = Node::map(
        [
            ("version", plain("1".to_owned(), file.at)),
            ("source", one("milvus1", source, file.at)),
            ("transforms", Node::new(Value::List(vec![rename]), file.at)),
            ("sink", one("milvus", milvus, file.at)),
        ],
        file.at,
    );
    Ok((native, notes))
}
