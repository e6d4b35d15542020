//! What is moved: the same three sets of rows in the files of each source, and one directory that a
//! real old server wrote.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::common::python::python;
use crate::milvus1_cases;
use crate::milvus1_writer::{SegmentToWrite, vector, write};

pub const DIM: usize = 8;

/// Vectors by id.
pub type Rows = BTreeMap<i64, Vec<u8>>;

/// Which source is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    H2m,
    F2m,
    M2m,
}

/// A set of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// 400 rows.
    Old,
    /// 1,200 rows with other ids.
    Apart,
    /// 1,200 rows, some of which have ids of `Old` and other vectors.
    Overlap,
    /// A collection with partitions that a real server wrote. M2M only.
    Partitions,
}

/// The directory of [`Set::Partitions`], and its collection.
pub const FIXTURE: (&str, &str) = ("C_binary", "bin_hamming");

static FILES: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/make.py");
    python([script.as_os_str(), OsStr::new(folder.path())]);
    for set in [Set::Old, Set::Apart, Set::Overlap] {
        write_directory(&folder.path().join(set.name()), "source", set);
    }
    folder
});

/// Starts to make the files.
pub fn make() {
    LazyLock::force(&FILES);
}

/// Writes the rows of a set as an old server has them.
pub fn write_directory(folder: &Path, collection: &str, set: Set) {
    write(folder, collection, DIM, &segments(set));
}

/// All rows of [`Set::Old`] in one file: of `h5`, or of `index`.
pub fn joined(ending: &str) -> PathBuf {
    FILES.path().join(format!("old.{ending}"))
}

impl Set {
    fn name(self) -> &'static str {
        match self {
            Set::Old => "old",
            Set::Apart => "apart",
            Set::Overlap => "overlap",
            Set::Partitions => FIXTURE.0,
        }
    }
}

/// The segments of an old server. Those of `Overlap` that have ids of `Old` are not its first one, and
/// so have other vectors.
fn segments(set: Set) -> Vec<SegmentToWrite> {
    let starts: &[i64] = match set {
        Set::Old => &[0],
        Set::Apart => &[10_000, 10_400, 10_800],
        Set::Overlap => &[600, 200, 1000],
        Set::Partitions => unreachable!("a real server wrote it"),
    };
    let segment = |start: &i64| SegmentToWrite {
        ids: (*start..start + 400).collect(),
        deleted: (0..400).filter(|row| row % 7 == 3).collect(),
        file_type: 1,
    };
    starts.iter().map(segment).collect()
}

/// What the configuration says of the source; `collection` is the target's.
pub fn source(task: Task, set: Set, collection: &str) -> String {
    let at = |name: &str| FILES.path().join(name).display().to_string();
    let files = |ending: &str| {
        let names = (0..3).map(|n| format!("{:?}", at(&format!("{}-{n}.{ending}", set.name()))));
        names.collect::<Vec<_>>().join(", ")
    };
    match (task, set) {
        (Task::H2m, _) => format!("hdf5: {{ paths: [{}], ids: ids, metric: L2 }}", files("h5")),
        (Task::F2m, _) => format!("faiss: {{ paths: [{}] }}", files("index")),
        (Task::M2m, Set::Partitions) => {
            let (directory, name) = FIXTURE;
            let path = milvus1_cases::folder(directory).join("data");
            format!(
                "milvus1: {{ path: {path:?}, collections: {{ {name}: }}, rename: {{ {name}: {collection} }} }}"
            )
        }
        (Task::M2m, _) => {
            format!("milvus1: {{ path: {:?}, rename: {{ source: {collection} }} }}", at(set.name()))
        }
    }
}

/// The rows of a set that has no partitions, as whoever wrote the files says.
pub fn rows(task: Task, set: Set) -> Rows {
    if task == Task::M2m {
        let segments = segments(set).into_iter().enumerate();
        let rows = segments.flat_map(|(n, segment)| {
            let rows = segment.ids.clone().into_iter().enumerate();
            rows.filter(move |(row, _)| !segment.deleted.contains(&(*row as u32)))
                .map(move |(row, id)| (id, vector(n, row, DIM)))
        });
        return rows.collect();
    }
    let bytes = std::fs::read(truth(set)).unwrap();
    let count = bytes.len() / (8 + DIM * 4);
    let (ids, vectors) = bytes.split_at(count * 8);
    let ids = ids.as_chunks().0.iter().map(|id| i64::from_le_bytes(*id));
    ids.zip(vectors.chunks_exact(DIM * 4).map(<[u8]>::to_vec)).collect()
}

fn truth(set: Set) -> PathBuf {
    FILES.path().join(format!("{}.truth", set.name()))
}
