//! Files in which some rows are bad, and what is expected of them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Float32Type, Int64Type, UInt32Type, UInt64Type};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int64Array, ListArray, RecordBatch, StringArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use crate::common::rows::{batch, write_parquet};
use crate::work::{Collection, Folder, Server};

/// Files, each of which is a split, and rows in each.
pub const FILES: u64 = 6;
pub const ROWS: u64 = 1_000;

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// NaN in its vector, which servers mind and files don't.
    NaN,
    /// A text that no server takes.
    Long,
    /// A vector of another length.
    Short,
    NoVector,
    NoId,
    /// Neither an id nor a vector.
    Neither,
}

/// What is wrong with the row of this number.
pub fn bad(n: u64) -> Option<Bad> {
    Some(match n {
        1_234 | 4_321 => Bad::Long,
        2_500 => Bad::NoVector,
        3_003 => Bad::NoId,
        3_500 => Bad::Neither,
        _ if n % 97 == 5 => Bad::NaN,
        _ if n % 89 == 3 => Bad::Short,
        _ => return None,
    })
}

/// What is wrong with it for a target that takes what its columns can hold.
pub fn bad_for_files(n: u64) -> Option<Bad> {
    bad(n).filter(|bad| !matches!(bad, Bad::NaN | Bad::Long))
}

pub fn has_id(n: u64) -> bool {
    !matches!(bad(n), Some(Bad::NoId | Bad::Neither))
}

pub fn vector(n: u64) -> Option<Vec<Option<f32>>> {
    let mut values: Vec<_> = (0..4u8).map(|d| Some(n as f32 + f32::from(d) / 8.0)).collect();
    match bad(n) {
        Some(Bad::NaN) => values[2] = Some(f32::NAN),
        Some(Bad::Short) => drop(values.pop()),
        Some(Bad::NoVector | Bad::Neither) => return None,
        _ => {}
    }
    Some(values)
}

pub fn text(n: u64) -> String {
    if bad(n) == Some(Bad::Long) { "x".repeat(70_000) } else { format!("text {n}") }
}

/// Rows of these numbers, as another program writes them.
pub fn rows(numbers: impl Iterator<Item = u64> + Clone) -> RecordBatch {
    let id = |n| has_id(n).then_some(n as i64);
    let ids: Int64Array = numbers.clone().map(id).collect();
    let vectors = ListArray::from_iter_primitive::<Float32Type, _, _>(numbers.clone().map(vector));
    let texts = StringArray::from_iter_values(numbers.map(text));
    let columns: Vec<(&str, ArrayRef)> =
        vec![("id", Arc::new(ids)), ("v", Arc::new(vectors)), ("t", Arc::new(texts))];
    batch(columns)
}

/// A folder with the files and a configuration.
pub fn folder(sink: Value, transforms: Value, run: Value) -> Folder {
    let folder = Folder::new();
    fs::create_dir(folder.path("in")).unwrap();
    for file in 0..FILES {
        let path = folder.path(&format!("in/{file}.parquet"));
        write_parquet(&path, &rows(file * ROWS..(file + 1) * ROWS), 200);
    }
    configure(&folder, sink, transforms, run);
    folder
}

/// The sink of a collection.
pub fn into(server: &Server, collection: &Collection<'_>) -> Value {
    json!({ "milvus": { "uri": server.uri, "collection": collection.name } })
}

pub fn configure(folder: &Folder, sink: Value, transforms: Value, run: Value) {
    let config = json!({
        "version": 1,
        "source": { "parquet": { "paths": ["in"], "vector": "v", "id": "id" } },
        "transforms": transforms, "sink": sink, "run": run
    });
    folder.write("config.json", &config.to_string());
}

/// A rejected row as its file tells of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reject {
    pub id: Option<i64>,
    /// The bits of its vector: NaN is not equal to itself.
    pub vector: Option<Vec<u32>>,
    pub text: String,
    pub reason: String,
    pub column: String,
}

/// All rejected rows, by their numbers in the source.
#[track_caller]
pub fn rejects(folder: &Folder) -> BTreeMap<u64, Reject> {
    let mut all = BTreeMap::new();
    for path in files(&folder.path("rejects")) {
        assert_eq!(path.extension().unwrap(), "parquet", "{path:?}");
        let file = File::open(&path).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        for rows in reader.map(Result::unwrap) {
            let column = |name: &str| rows.column_by_name(name).unwrap();
            let text = |name: &str, row| column(name).as_string::<i32>().value(row).to_owned();
            let (ids, vectors) = (column("id").as_primitive::<Int64Type>(), column("v"));
            let vectors = vectors.as_fixed_size_list();
            let splits = column("reject_split").as_primitive::<UInt32Type>();
            let numbers = column("reject_row").as_primitive::<UInt64Type>();
            for row in 0..rows.num_rows() {
                let bits = |row| {
                    let values = vectors.value(row);
                    let values = values.as_primitive::<Float32Type>().values().to_vec();
                    values.into_iter().map(f32::to_bits).collect()
                };
                let reject = Reject {
                    id: ids.is_valid(row).then(|| ids.value(row)),
                    vector: vectors.is_valid(row).then(|| bits(row)),
                    text: text("t", row),
                    reason: text("reject_reason", row),
                    column: text("reject_column", row),
                };
                assert_eq!(text("reject_table", row), "in");
                let number = u64::from(splits.value(row)) * ROWS + numbers.value(row);
                assert_eq!(all.insert(number, reject), None, "row {number} came twice");
            }
        }
    }
    all
}

/// Asserts that just the rows that `bad` tells of were rejected, as they are in the source.
#[track_caller]
pub fn assert_rejected(folder: &Folder, bad: impl Fn(u64) -> Option<Bad>) {
    let rejects = rejects(folder);
    let expected: Vec<_> = (0..FILES * ROWS).filter(|n| bad(*n).is_some()).collect();
    assert_eq!(rejects.keys().copied().collect::<Vec<_>>(), expected);
    for (n, reject) in rejects {
        let whole = vector(n).filter(|v| v.len() == 4);
        assert_eq!(reject.id, has_id(n).then_some(n as i64));
        assert_eq!(reject.text, text(n));
        let bits = |v: Vec<Option<f32>>| v.into_iter().flatten().map(f32::to_bits).collect();
        assert_eq!(reject.vector, whole.map(bits));
        let (column, words) = match bad(n).unwrap() {
            Bad::NaN => ("v", "value 2 of v is NaN"),
            Bad::Long => ("t", "the target takes"),
            Bad::Short => ("v", "has 3 values, expected 4: ["),
            Bad::NoVector => ("v", "vector column `v` is null"),
            Bad::NoId | Bad::Neither => ("id", "id column `id` is null"),
        };
        assert_eq!(reject.column, column);
        assert!(reject.reason.contains(words), "{}", reject.reason);
    }
}

/// How many rows `bad` tells of.
pub fn count(bad: impl Fn(u64) -> Option<Bad>) -> u64 {
    (0..FILES * ROWS).filter(|n| bad(*n).is_some()).count() as u64
}

/// All files below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut all: Vec<_> =
        paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    all.sort();
    all
}

/// The ids of the rows of Parquet files, sorted.
pub fn ids_in(folder: &Path) -> Vec<i64> {
    let mut ids = Vec::new();
    for path in files(folder).iter().filter(|path| path.extension().is_some_and(|e| e == "parquet"))
    {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
        for rows in reader.build().unwrap().map(Result::unwrap) {
            ids.extend(rows.column_by_name("id").unwrap().as_primitive::<Int64Type>().values());
        }
    }
    ids.sort_unstable();
    ids
}
