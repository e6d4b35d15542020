//! MilvusDM's own files, translated into the native form.
//!
//! A file is MilvusDM's when its single top-level key is one of MilvusDM's tasks. Keys, required
//! ones and meanings are those of MilvusDM's README, its example files and `main.py`
//! (github.com/milvus-io/milvus-tools, `pymilvusdm` 2.0):
//!
//! - `data_path` is, for H2M, a list of files, for F2M one file, taken literally (here both may be
//!   one or several); `data_dir`, for H2M, is a folder. Exactly one of the two is given; the other
//!   is absent or empty.
//! - `milvus_version` and `milvus-version` both occur, with values that don't match the server
//!   (`1.x` for a 2.x server): noted, not believed. Whoever connects asks the destination which
//!   generation it is; until then it is taken for a Milvus 2.x.
//! - `mode` is `append`, `skip` or `overwrite`, and applies to the partition where one is named.
//!   (MilvusDM's `skip` looked at the collection alone for HDF5 and left out partitions that did
//!   not exist yet.)
//! - `dest_partition_name` may be empty: no partition.
//! - `collection_parameter.dimension` counts bits for binary vectors, as Milvus does;
//!   `index_file_size` is a setting that only Milvus 1.x has.
//! - What `collection_parameter` says must be what the files say. (MilvusDM took its metric, and
//!   never looked at the file's.)
//! - F2M wrote the ids that it inserted into a file of its own; `--set
//!   sink.milvus.ids_file=ids.txt` does.
//! - A new collection has the fields `id` and `embedding`, as MilvusDM makes it. (A column is
//!   renamed rather than the sink told a name: in a collection that exists, MilvusDM took the
//!   fields whatever they were called.)
//!
//! MilvusDM inserted rows without a look at their ids, so a second run doubled every row. Here the
//! native form's defaults hold: ids that the target holds already, or that occur twice in the
//! files, end the run before anything is written. `--set sink.milvus.on_conflict=insert --set
//! sink.milvus.on_duplicate_id=allow` does what MilvusDM did.

mod from_milvus;
mod into_milvus;

pub(super) use self::from_milvus::{M2hFile, M2mFile};
pub(super) use self::into_milvus::{F2mFile, H2mFile};
use crate::config::de;
use crate::config::diagnostic::Problem;
use crate::config::tree::Node;
use crate::milvus::Generation;

/// What a MilvusDM file asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Faiss indexes into Milvus.
    F2m,
    /// HDF5 files into Milvus.
    H2m,
    /// Milvus into Milvus.
    M2m,
    /// Milvus into HDF5 files.
    M2h,
}

impl Task {
    /// The task of a file in MilvusDM's form; `None` for a file in another form.
    pub(super) fn of(root: &Node) -> Result<Option<Task>, Problem> {
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

    /// The key that its file has.
    pub fn key(self) -> &'static str {
        match self {
            Task::F2m => "F2M",
            Task::H2m => "H2M",
            Task::M2m => "M2M",
            Task::M2h => "M2H",
        }
    }
}

const VERSION_NOTE: &str =
    "The file's milvus_version makes no difference: the destination is asked for its own";

/// The native form of the file for this destination, and what of it makes no difference. Values keep the places where
/// they were written.
pub(super) fn translate(
    task: Task,
    root: &Node,
    destination: Generation,
) -> Result<(Node, Vec<String>), Problem> {
    let Some(file) = root.get(task.key()) else {
        return Err(Problem::new("The configuration is empty", root.at));
    };
    match task {
        Task::H2m => into_milvus::h2m(de::from_node(root)?, file, destination),
        Task::F2m => into_milvus::f2m(de::from_node(root)?, file, destination),
        Task::M2m => from_milvus::m2m(de::from_node(root)?, file, destination),
        Task::M2h => from_milvus::m2h(de::from_node(root)?, file),
    }
}
