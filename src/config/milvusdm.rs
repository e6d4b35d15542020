//! MilvusDM's own files, translated into the native form.
//!
//! A file is MilvusDM's when its single top-level key is one of MilvusDM's tasks. Keys, required
//! ones and meanings are those of MilvusDM's README, its example files and `main.py`
//! (github.com/milvus-io/milvus-tools, `pymilvusdm` 2.0):
//!
//! - `data_path` is a list of files, taken literally (here also a single one); `data_dir` is a
//!   folder. Exactly one of the two is given; the other is absent or empty.
//! - `milvus_version` and `milvus-version` both occur, with values that don't match the server
//!   (`1.x` for a 2.x server): noted, not believed.
//! - `mode` is `append`, `skip` or `overwrite`, and applies to the partition where one is named.
//!   (MilvusDM's `skip` looked at the collection alone for HDF5 and left out partitions that did
//!   not exist yet.)
//! - `dest_partition_name` may be empty: no partition.
//! - `collection_parameter.dimension` counts bits for binary vectors, as Milvus does;
//!   `index_file_size` is a setting of Milvus 1.x that 2.x servers don't have.
//! - A new collection has the fields `id` and `embedding`, as MilvusDM makes it. (A column is
//!   renamed rather than the sink told a name: in a collection that exists, MilvusDM took the
//!   fields whatever they were called.)
//!
//! MilvusDM inserted rows without a look at their ids, so a second run doubled every row. Here the
//! native form's defaults hold: ids that the target holds already, or that occur twice in the
//! files, end the run before anything is written. `--set sink.milvus.on_conflict=insert --set
//! sink.milvus.on_duplicate_id=allow` does what MilvusDM did.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::config::de;
use crate::config::diagnostic::Problem;
use crate::config::tree::{Location, Node, Scalar, Value};
use crate::sink::Mode;
use crate::table::Metric;

/// What a MilvusDM file asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    F2m,
    H2m,
    M2m,
    M2h,
}

impl Task {
    /// The task of a file in MilvusDM's form; `None` for a file in another form.
    pub fn of(root: &Node) -> Result<Option<Task>, Problem> {
        let task = |key: &str| {
            Some(match key {
                "F2M" => Task::F2m,
                "H2M" => Task::H2m,
                "M2M" => Task::M2m,
                "M2H" => Task::M2h,
                _ => return None,
            })
        };
        let entries = root.entries();
        let Some((key, found)) = entries.iter().find_map(|(k, _)| Some((k, task(&k.text)?))) else {
            return Ok(None);
        };
        match entries.iter().find(|(other, _)| other.text != key.text) {
            None => Ok(Some(found)),
            Some((other, _)) => Err(Problem::new(
                format!("Key `{}` can't stand beside MilvusDM's `{}`", other.text, key.text),
                other.at,
            )
            .help(format!(
                "a MilvusDM file has the key `{}` alone; other settings are given as flags, like --set run.parallelism=8",
                key.text
            ))),
        }
    }

    pub fn key(self) -> &'static str {
        match self {
            Task::F2m => "F2M",
            Task::H2m => "H2M",
            Task::M2m => "M2M",
            Task::M2h => "M2H",
        }
    }
}

/// A file in MilvusDM's form: HDF5 files into Milvus.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct H2mFile {
    /// HDF5 files into Milvus, as MilvusDM writes it.
    #[serde(rename = "H2M")]
    h2m: H2m,
}

/// HDF5 files into Milvus, as MilvusDM writes it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct H2m {
    /// Noted, not believed: the destination is asked for its version.
    #[serde(default)]
    #[schemars(schema_with = "version_schema")]
    milvus_version: Option<String>,
    /// The other spelling of `milvus_version`.
    #[serde(default, rename = "milvus-version")]
    #[schemars(schema_with = "version_schema")]
    milvus_version_hyphen: Option<String>,
    /// HDF5 files.
    #[serde(default, deserialize_with = "one_or_many")]
    #[schemars(schema_with = "one_or_many_schema")]
    data_path: Vec<String>,
    /// Folder with HDF5 files.
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

fn version_schema(_: &mut SchemaGenerator) -> Schema {
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

/// The native form of the file, and what of it makes no difference. Values keep the places where
/// they were written.
pub(super) fn translate(task: Task, root: &Node) -> Result<(Node, Vec<String>), Problem> {
    let Some(file) = root.get(task.key()) else {
        return Err(Problem::new("The configuration is empty", root.at));
    };
    let missing = match task {
        Task::H2m => return h2m(root, file),
        Task::F2m => "Faiss indexes can't be read yet",
        Task::M2m | Task::M2h => "The data folders of Milvus 1.x can't be read yet",
    };
    Err(Problem::new(format!("{missing}, so {} can't be done", task.key()), root.at)
        .help("of MilvusDM's tasks, this version does H2M"))
}

fn h2m(root: &Node, file: &Node) -> Result<(Node, Vec<String>), Problem> {
    let H2mFile { h2m } = de::from_node(root)?;
    let at = |key: &str| file.place(key);
    let plain = |text: String, at: Location| Node::new(Value::Scalar(Scalar::new(text, true)), at);
    let parameter = h2m.collection_parameter.as_ref();
    let parameter_at =
        |key: &str| file.get("collection_parameter").map_or(file.at, |map| map.place(key));

    let mut hdf5 = vec![source_files(&h2m, &at)?];
    if let Some(metric) = parameter.and_then(|parameter| parameter.metric_type) {
        hdf5.push(("metric", Node::text(metric.name(), parameter_at("metric_type"))));
    }
    if let Some(dim) = parameter.and_then(|parameter| parameter.dimension) {
        hdf5.push(("dim", plain(dim.to_string(), parameter_at("dimension"))));
    }

    let uri = address(&h2m.dest_host, h2m.dest_port.unwrap_or(DEFAULT_PORT)).ok_or_else(|| {
        Problem::new("This is no host name or address", at("dest_host"))
            .path("H2M.dest_host")
            .help("write a host alone, like 127.0.0.1; the port is `dest_port`")
    })?;
    if h2m.dest_collection_name.is_empty() {
        return Err(Problem::new("The collection has no name", at("dest_collection_name"))
            .path("H2M.dest_collection_name"));
    }
    let mut notes = Vec::new();
    if h2m.milvus_version.or(h2m.milvus_version_hyphen).is_some() {
        notes.push(VERSION_NOTE.to_owned());
    }
    if parameter.is_some_and(|parameter| parameter.index_file_size.is_some()) {
        notes.push(INDEX_FILE_SIZE_NOTE.to_owned());
    }
    let mut milvus = vec![
        ("uri", Node::text(uri, at("dest_host"))),
        ("collection", Node::text(h2m.dest_collection_name, at("dest_collection_name"))),
    ];
    if let Some(partition) = h2m.dest_partition_name.filter(|name| !name.is_empty()) {
        milvus.push(("partition", Node::text(partition, at("dest_partition_name"))));
    }
    if let Some(metric) = parameter.and_then(|parameter| parameter.metric_type) {
        let index_type = Node::text(index_type(metric), parameter_at("metric_type"));
        milvus.push(("index", Node::map([("type", index_type)], file.at)));
    }
    if h2m.mode.is_some() {
        milvus.extend(file.get("mode").cloned().map(|mode| ("mode", mode)));
    }

    let one = |kind: &'static str, settings: Vec<(&'static str, Node)>| {
        Node::map([(kind, Node::map(settings, file.at))], file.at)
    };
    let rename = one("rename", vec![("vector", Node::text("embedding", file.at))]);
    let native = Node::map(
        [
            ("version", plain("1".to_owned(), file.at)),
            ("source", one("hdf5", hdf5)),
            ("transforms", Node::new(Value::List(vec![rename]), file.at)),
            ("sink", one("milvus", milvus)),
        ],
        file.at,
    );
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

const VERSION_NOTE: &str =
    "The file's milvus_version makes no difference: the destination is asked for its own";
const INDEX_FILE_SIZE_NOTE: &str =
    "The file's index_file_size makes no difference: Milvus 2.x has no such setting";

/// Milvus' own default, which MilvusDM's client has too.
const DEFAULT_PORT: u16 = 19530;

fn source_files(
    h2m: &H2m,
    at: &impl Fn(&str) -> Location,
) -> Result<(&'static str, Node), Problem> {
    match (h2m.data_path.as_slice(), h2m.data_dir.as_deref().unwrap_or_default()) {
        ([], "") => Err(Problem::new("There are no files to read", at("data_path"))
            .path("H2M")
            .help("give files as `data_path`, or a folder as `data_dir`")),
        ([], dir) => Ok(("dir", Node::text(dir, at("data_dir")))),
        (paths, "") => {
            let at = at("data_path");
            let literal = |path: &String| Node::text(glob::Pattern::escape(path), at);
            Ok(("paths", Node::new(Value::List(paths.iter().map(literal).collect()), at)))
        }
        _ => Err(Problem::new("`data_path` and `data_dir` are both given", at("data_dir"))
            .path("H2M.data_dir")
            .help("keep one of them and leave the other empty")),
    }
}

/// `http://host:port`; `None` where `host` is more than a host.
fn address(host: &str, port: u16) -> Option<String> {
    let host = host.trim();
    if let Ok(v6) = host.trim_matches(['[', ']']).parse::<std::net::Ipv6Addr>() {
        return Some(format!("http://[{v6}]:{port}"));
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (!host.is_empty() && host.chars().all(is_name)).then(|| format!("http://{host}:{port}"))
}
