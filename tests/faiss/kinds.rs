//! Every kind of index gives exactly its rows.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type, UInt8Type};
use serde_json::json;
use vecpipe::Kind;
use vecpipe::table::VectorType;

use crate::common::read::{Way, read_table};
use crate::support::{Case, Row, all, new, source};

/// Rows as (id, bytes), in order.
pub fn rows_of(batch: &RecordBatch) -> Vec<Row> {
    let ids = batch.column(0).as_primitive::<Int64Type>();
    let lists = batch.column(1).as_fixed_size_list();
    let values = lists.values();
    let bytes: Vec<u8> = match values.as_primitive_opt::<UInt8Type>() {
        Some(bytes) => bytes.values().to_vec(),
        None => {
            let floats = values.as_primitive::<Float32Type>().values();
            floats.iter().flat_map(|value| value.to_le_bytes()).collect()
        }
    };
    let row = bytes.len() / batch.num_rows().max(1);
    ids.values().iter().copied().zip(bytes.chunks_exact(row.max(1)).map(<[u8]>::to_vec)).collect()
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value))
}

/// Within 1e-5 of what Faiss says, relative to the vector's largest value.
fn near(a: &[u8], b: &[u8]) -> bool {
    let scale = floats(b).map(f32::abs).fold(0.0, f32::max).max(1e-20);
    a.len() == b.len() && floats(a).zip(floats(b)).all(|(a, b)| (a - b).abs() <= 1e-5 * scale)
}

fn assert_rows(case: &Case, mut found: Vec<Row>) {
    let mut truth = case.truth();
    assert_eq!(found.len(), truth.len(), "{case:?}");
    if case.order == "any" {
        found.sort();
        truth.sort();
    }
    for (row, ((id, vector), (true_id, true_vector))) in found.iter().zip(&truth).enumerate() {
        assert_eq!(id, true_id, "id of row {row} of {case:?}");
        let same = if case.exact { vector == true_vector } else { near(vector, true_vector) };
        assert!(
            same,
            "vector of row {row}, id {id}, of {case:?}: {:?}, true is {:?}",
            floats(vector).collect::<Vec<_>>(),
            floats(true_vector).collect::<Vec<_>>()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_index_that_holds_vectors_gives_them_in_the_file_s_order() {
    let mut read = 0;
    for case in all().filter(|case| case.refused.is_none()) {
        let source = case.source(json!({ "lossy": "allow" }));
        let tables = source.tables().await.unwrap_or_else(|error| panic!("{case:?}: {error}"));
        let [table] = tables.as_slice() else { panic!("one table, not {}", tables.len()) };
        let column = table.schema.column();
        assert_eq!((table.rows as usize, column.dim), (case.rows, case.dim), "{case:?}");
        let binary = column.vector_type == VectorType::Binary;
        assert_eq!(binary, case.kind == "binary", "{case:?}");
        let small = Way { batch_rows: 37, ..Way::PLAIN };
        let mut first: Option<RecordBatch> = None;
        for (parallelism, way) in [(1, Way::PLAIN), (8, Way::PLAIN), (8, small)] {
            let rows = read_table(&*source, table, parallelism, &way.context()).await;
            let rows = rows.unwrap_or_else(|error| panic!("{case:?}: {error}"));
            match &first {
                Some(first) => assert_eq!(&rows, first, "{case:?}"),
                None => {
                    assert_rows(case, rows_of(&rows));
                    first = Some(rows);
                }
            }
        }
        read += 1;
    }
    assert!(read > 80, "only {read} files were read");
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_moved_only_when_that_is_allowed() {
    let mut refused = 0;
    for case in all().filter(|case| case.refused.is_none()) {
        let tables = case.source(json!({})).tables().await;
        match tables {
            Ok(_) => assert!(case.exact, "{case:?}"),
            Err(error) => {
                let words = error.to_string();
                assert!(words.contains("does not hold the vectors that it was given"), "{words}");
                assert!(words.contains("source.faiss.lossy: allow"), "{words}");
                refused += 1;
            }
        }
    }
    assert!(refused > 20, "only {refused} files hold codes");
}

#[tokio::test]
async fn what_can_t_be_read_is_refused_by_name() {
    let mut refused = 0;
    for case in all().filter(|case| case.refused.is_some()) {
        let source = case.source(json!({ "lossy": "allow" }));
        let error = match source.tables().await {
            Ok(_) => panic!("{case:?} was read"),
            Err(error) => error,
        };
        assert_eq!(error.kind(), Kind::Source, "{case:?}: {error}");
        let words = error.to_string();
        assert!(words.contains("help:"), "{case:?}: {words}");
        assert!(words.contains(&case.file), "{case:?}: {words}");
        refused += 1;
    }
    assert!(refused > 15, "only {refused} files were refused");
}

#[tokio::test]
async fn metric_and_nesting_come_from_the_file() {
    for case in all().filter(|case| case.refused.is_none()) {
        let source = case.source(json!({ "lossy": "allow" }));
        let table = source.tables().await.unwrap().remove(0);
        let metric = table.metric.map_or("none".to_owned(), |metric| metric.to_string());
        let stated = match case.metric.to_uppercase().as_str() {
            "JACCARD" => "REALJACCARD".to_owned(),
            other => other.to_owned(),
        };
        assert_eq!(metric, stated, "{case:?}");
        assert!(table.notes.iter().any(|note| note.starts_with("index: ")), "{:?}", table.notes);
        let foreign = table.notes.iter().any(|note| note.contains("which Milvus does not have"));
        assert_eq!(foreign, !["L2", "IP", "HAMMING"].contains(&&*stated), "{:?}", table.notes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_files_are_one_table_and_their_numbers_collide() {
    let (a, b) = (new("flat_l2.index"), new("flat_l1.index"));
    let error = source(&[&a.path(), &b.path()], json!({})).tables().await.unwrap_err();
    assert!(error.to_string().contains("L2") && error.to_string().contains("L1"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.index");
    std::fs::copy(a.path(), &copy).unwrap();
    let source = source(&[&a.path(), &copy], json!({}));
    let table = source.tables().await.unwrap().remove(0);
    assert!(table.notes.iter().any(|note| note.contains("their ids collide")), "{:?}", table.notes);
    let rows = read_table(&*source, &table, 2, &Way::PLAIN.context()).await.unwrap();
    let twice: Vec<Row> = a.truth().into_iter().chain(a.truth()).collect();
    assert!(rows_of(&rows) == twice);
}
