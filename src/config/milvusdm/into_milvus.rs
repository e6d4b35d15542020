//! Files into Milvus: H2M (HDF5) and F2M (Faiss).

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::VERSION_NOTE;
use crate::config::diagnostic::Problem;
use crate::config::tree::{Location, Node, Scalar, Value};
use crate::milvus::Generation;
use crate::sink::Mode;
use crate::table::Metric;

/// A file in MilvusDM's form: HDF5 files into Milvus.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct H2mFile {
    /// HDF5 files into Milvus, as MilvusDM writes it.
    #[serde(rename = "H2M")]
    h2m: FilesIntoMilvus,
}

/// A file in MilvusDM's form: Faiss indexes into Milvus.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct F2mFile {
    /// Faiss indexes into Milvus, as MilvusDM writes it.
    #[serde(rename = "F2M")]
    f2m: FilesIntoMilvus,
}

/// Files into Milvus, as MilvusDM writes it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FilesIntoMilvus {
    /// Noted, not believed: the destination is asked for its version.
    #[serde(default)]
    #[schemars(schema_with = "version_schema")]
    milvus_version: Option<String>,
    /// The other spelling of `milvus_version`.
    #[serde(default, rename = "milvus-version")]
    #[schemars(schema_with = "version_schema")]
    milvus_version_hyphen: Option<String>,
    /// HDF5 files, or a Faiss index.
    #[serde(default, deserialize_with = "one_or_many")]
    #[schemars(schema_with = "one_or_many_schema")]
    data_path: Vec<String>,
    /// Folder with HDF5 files (H2M only).
    #[serde(default)]
    data_dir: Option<String>,
    /// Host of the destination.
    dest_host: String,
    /// Port of the destination (default: 19530).
    #[serde(default)]
    dest_port: Option<u16>,
    /// What happens to a collection, or a partition where one is named, that exists already
    /// (default: append).
    #[serde(default)]
    mode: Option<Mode>,
    /// Collection to write to.
    dest_collection_name: String,
    /// Partition to write to.
    #[serde(default)]
    dest_partition_name: Option<String>,
    /// How a new collection is made.
    #[serde(default)]
    collection_parameter: Option<CollectionParameter>,
}

/// How a new collection is made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CollectionParameter {
    /// Dimension of the vectors; bits for binary ones.
    #[serde(default)]
    dimension: Option<usize>,
    /// A setting of Milvus 1.x; no meaning for Milvus 2.x.
    #[serde(default)]
    index_file_size: Option<u64>,
    /// Metric of the vectors.
    #[serde(default)]
    metric_type: Option<Metric>,
}

pub(super) fn version_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "number", "null"] })
}

fn one_or_many_schema(_: &mut SchemaGenerator) -> Schema {
    let text = json_schema!({ "type": "string" });
    json_schema!({ "type": ["array", "string", "null"], "items": text })
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Texts;

    impl<'de> serde::de::Visitor<'de> for Texts {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list")
        }

        fn visit_unit<E: serde::de::Error>(self) -> Result<Vec<String>, E> {
            Ok(Vec::new())
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(if text.is_empty() { Vec::new() } else { vec![text.to_owned()] })
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(
            self,
            items: A,
        ) -> Result<Vec<String>, A::Error> {
            Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(items))
        }
    }
    deserializer.deserialize_any(Texts)
}

/// The native form of an H2M file.
pub(super) fn h2m(
    config: H2mFile,
    file: &Node,
    destination: Generation,
) -> Result<(Node, Vec<String>), Problem> {
    translate("H2M", "hdf5", config.h2m, file, destination)
}

/// The native form of an F2M file.
pub(super) fn f2m(
    config: F2mFile,
    file: &Node,
    destination: Generation,
) -> Result<(Node, Vec<String>), Problem> {
    if config.f2m.data_dir.as_ref().is_some_and(|dir| !dir.is_empty()) {
        return Err(Problem::new("F2M reads files, not folders", file.place("data_dir"))
            .path("F2M.data_dir")
            .help("name the index files as `data_path`"));
    }
    translate("F2M", "faiss", config.f2m, file, destination)
}

fn translate(
    task: &str,
    kind: &'static str,
    config: FilesIntoMilvus,
    file: &Node,
    destination: Generation,
) -> Result<(Node, Vec<String>), Problem> {
    let at = |key: &str| file.place(key);
    let parameter = config.collection_parameter.as_ref();
    let parameter_at =
        |key: &str| file.get("collection_parameter").map_or(file.at, |map| map.place(key));

    let mut source = vec![source_files(task, &config, &at)?];
    if let Some(metric) = parameter.and_then(|parameter| parameter.metric_type) {
        source.push(("metric", Node::text(metric.name(), parameter_at("metric_type"))));
    }
    if let Some(dim) = parameter.and_then(|parameter| parameter.dimension) {
        source.push(("dim", plain(dim.to_string(), parameter_at("dimension"))));
    }

    let uri =
        address(&config.dest_host, config.dest_port.unwrap_or(DEFAULT_PORT)).ok_or_else(|| {
            Problem::new("This is no host name or address", at("dest_host"))
                .path(format!("{task}.dest_host"))
                .help("write a host alone, like 127.0.0.1; the port is `dest_port`")
        })?;
    if config.dest_collection_name.is_empty() {
        return Err(Problem::new("The collection has no name", at("dest_collection_name"))
            .path(format!("{task}.dest_collection_name")));
    }
    let mut notes = Vec::new();
    if config.milvus_version.or(config.milvus_version_hyphen).is_some() {
        notes.push(VERSION_NOTE.to_owned());
    }
    let mut milvus = vec![
        ("uri", Node::text(uri, at("dest_host"))),
        ("collection", Node::text(config.dest_collection_name, at("dest_collection_name"))),
    ];
    if let Some(partition) = config.dest_partition_name.filter(|name| !name.is_empty()) {
        milvus.push(("partition", Node::text(partition, at("dest_partition_name"))));
    }
    match destination {
        Generation::One => {
            let keys = [("metric_type", "metric"), ("index_file_size", "index_file_size")];
            let given = keys.iter().filter_map(|(key, name)| {
                let value = file.get("collection_parameter")?.get(key)?;
                (!value.is_null()).then(|| (*name, value.clone()))
            });
            milvus.push(("schema", Node::map(given, file.at)));
        }
        Generation::Two => {
            if let Some(metric) = parameter.and_then(|parameter| parameter.metric_type) {
                let index_type = Node::text(index_type(metric), parameter_at("metric_type"));
                milvus.push(("index", Node::map([("type", index_type)], file.at)));
            }
            if parameter.is_some_and(|parameter| parameter.index_file_size.is_some()) {
                notes.push(INDEX_FILE_SIZE_NOTE.to_owned());
            }
        }
    }
    if config.mode.is_some() {
        milvus.extend(file.get("mode").cloned().map(|mode| ("mode", mode)));
    }

    let source = one(kind, source, file.at);
    let native = native(source, one(destination.config_key(), milvus, file.at), file.at);
    Ok((native, notes))
}

/// MilvusDM made no index, so the collections that it left have none and can't be asked for ids.
/// A type that is given makes one there, too.
fn index_type(metric: Metric) -> &'static str {
    match metric {
        Metric::Substructure | Metric::Superstructure => "BIN_FLAT",
        _ => "AUTOINDEX",
    }
}

/// The native form of a move into a Milvus. A new collection has the fields `id` and `embedding`.
pub(super) fn native(source: Node, sink: Node, at: Location) -> Node {
    let rename = one("rename", vec![("vector", Node::text("embedding", at))], at);
    Node::map(
        [
            ("version", plain("1".to_owned(), at)),
            ("source", source),
            ("transforms", Node::new(Value::List(vec![rename]), at)),
            ("sink", sink),
        ],
        at,
    )
}

/// A number or a word, not in quotes.
pub(super) fn plain(text: String, at: Location) -> Node {
    Node::new(Value::Scalar(Scalar::new(text, true)), at)
}

/// `{ kind: { settings } }`.
pub(super) fn one(kind: &'static str, settings: Vec<(&'static str, Node)>, at: Location) -> Node {
    Node::map([(kind, Node::map(settings, at))], at)
}

const INDEX_FILE_SIZE_NOTE: &str =
    "The file's index_file_size makes no difference: Milvus 2.x has no such setting";

/// Milvus' own default, which MilvusDM's client has too.
pub(super) const DEFAULT_PORT: u16 = 19530;

fn source_files(
    task: &str,
    config: &FilesIntoMilvus,
    at: &impl Fn(&str) -> Location,
) -> Result<(&'static str, Node), Problem> {
    match (config.data_path.as_slice(), config.data_dir.as_deref().unwrap_or_default()) {
        ([], "") => Err(Problem::new("There are no files to read", at("data_path"))
            .path(task)
            .help(match task {
                "F2M" => "give the index file as `data_path`",
                _ => "give files as `data_path`, or a folder as `data_dir`",
            })),
        ([], dir) => Ok(("dir", Node::text(dir, at("data_dir")))),
        (paths, "") => {
            let at = at("data_path");
            let literal = |path: &String| Node::text(glob::Pattern::escape(path), at);
            Ok(("paths", Node::new(Value::List(paths.iter().map(literal).collect()), at)))
        }
        _ => Err(Problem::new("`data_path` and `data_dir` are both given", at("data_dir"))
            .path(format!("{task}.data_dir"))
            .help("keep one of them and leave the other empty")),
    }
}

/// `http://host:port`; `None` where `host` is more than a host.
pub(super) fn address(host: &str, port: u16) -> Option<String> {
    let host = host.trim();
    if let Ok(v6) = host.trim_matches(['[', ']']).parse::<std::net::Ipv6Addr>() {
        return Some(format!("http://[{v6}]:{port}"));
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (!host.is_empty() && host.chars().all(is_name)).then(|| format!("http://{host}:{port}"))
}
