//! Data directories of Milvus 0.10 and 1.x into Milvus (M2M) or HDF5 files (M2H).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::into_milvus::{DEFAULT_PORT, address, native, one, plain, version_schema};
use crate::config::diagnostic::Problem;
use crate::config::tree::Node;
use crate::milvus::Generation;
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

/// A file in MilvusDM's form: the data directory of an old Milvus into HDF5 files.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct M2hFile {
    /// The data directory of an old Milvus into HDF5 files, as MilvusDM writes it.
    #[serde(rename = "M2H")]
    m2h: M2h,
}

/// The data directory of an old Milvus into HDF5 files, as MilvusDM writes it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct M2h {
    /// Makes no difference.
    #[serde(default)]
    #[schemars(schema_with = "version_schema")]
    #[expect(dead_code, reason = "taken, and without meaning")]
    milvus_version: Option<String>,
    /// The other spelling of `milvus_version`.
    #[serde(default, rename = "milvus-version")]
    #[schemars(schema_with = "version_schema")]
    #[expect(dead_code, reason = "taken, and without meaning")]
    milvus_version_hyphen: Option<String>,
    /// The folder that the old server's `storage.path` names.
    source_milvus_path: String,
    /// The MySQL that the old server kept its metadata in; empty where it kept them in SQLite.
    #[serde(default)]
    mysql_parameter: Option<MysqlParameter>,
    /// Collections, each with its partitions; none named: all.
    source_collection: BTreeMap<String, Option<Vec<String>>>,
    /// Folder for the files.
    data_dir: String,
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
pub(super) fn m2m(
    config: M2mFile,
    file: &Node,
    destination: Generation,
) -> Result<(Node, Vec<String>), Problem> {
    let M2mFile { m2m } = config;
    let at = |key: &str| file.place(key);
    let has_mysql = m2m.mysql_parameter.is_some();
    let source = source("M2M", m2m.source_milvus_path, has_mysql, &m2m.source_collection, file)?;
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
    let sink = one(destination.config_key(), milvus, file.at);
    let native = native(source, sink, file.at);
    Ok((native, notes))
}

/// The native form of an M2H file.
pub(super) fn m2h(config: M2hFile, file: &Node) -> Result<(Node, Vec<String>), Problem> {
    let M2hFile { m2h } = config;
    let has_mysql = m2h.mysql_parameter.is_some();
    let source = source("M2H", m2h.source_milvus_path, has_mysql, &m2h.source_collection, file)?;
    let hdf5 = vec![("dir", Node::text(m2h.data_dir, file.place("data_dir")))];
    let native = Node::map(
        [
            ("version", plain("1".to_owned(), file.at)),
            ("source", source),
            ("sink", one("hdf5", hdf5, file.at)),
        ],
        file.at,
    );
    Ok((native, Vec::new()))
}

fn source(
    task: &str,
    path: String,
    has_mysql: bool,
    collections: &BTreeMap<String, Option<Vec<String>>>,
    file: &Node,
) -> Result<Node, Problem> {
    let mut source = vec![("path", Node::text(path, file.place("source_milvus_path")))];
    if let Some(mysql) = file.get("mysql_parameter").filter(|_| has_mysql) {
        source.push(("meta", Node::map([("mysql", mysql.clone())], file.at)));
    }
    if collections.is_empty() {
        return Err(Problem::new("No collection is named", file.place("source_collection"))
            .path(format!("{task}.source_collection"))
            .help("name collections and, if not all are wanted, their partitions: source_collection: { test: [p1] }"));
    }
    source.extend(file.get("source_collection").cloned().map(|all| ("collections", all)));
    Ok(one("milvus1", source, file.at))
}
