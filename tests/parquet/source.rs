//! What the source reads, and what it says about what it can't.

use std::fs;
use std::sync::Arc;

use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, UInt8Type};
use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, FixedSizeListArray, Float64Array, Int16Array,
    Int64Array, LargeStringArray, ListArray, StringArray, StringViewArray, UInt32Array,
    UInt64Array,
};
use serde_json::json;
use vecpipe::Kind;
use vecpipe::source::Columns;
use vecpipe::table::{VectorColumn, VectorType};

use crate::common::rows::{batch, write_parquet};
use crate::support::{context, read, read_only_table, source, tables_error};

fn fixed(rows: usize, dim: i32) -> ArrayRef {
    Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
        (0..rows)
            .map(|n| Some((0..dim).map(|d| Some(n as f32 + d as f32 / 10.0)).collect::<Vec<_>>())),
        dim,
    ))
}

fn lists(lengths: &[usize]) -> ArrayRef {
    Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(
        lengths.iter().map(|len| Some(vec![Some(1.0); *len])),
    ))
}

fn ids(rows: usize) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(0..rows as i64))
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_are_widened_and_strings_become_plain() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let words = ["ü", "", "c"];
    let dictionary: DictionaryArray<Int32Type> = words.into_iter().collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("large", Arc::new(LargeStringArray::from(words.to_vec()))),
        ("view", Arc::new(StringViewArray::from(words.to_vec()))),
        ("dictionary", Arc::new(dictionary)),
        ("pk", Arc::new(UInt32Array::from(vec![4_000_000_000, 1, 2]))),
        ("score", Arc::new(Float64Array::from(vec![0.1, 0.2, f64::NAN]))),
        ("emb", fixed(3, 4)),
    ];
    write_parquet(&path, &batch(columns), 2);
    let (table, rows) = read_only_table(json!({ "paths": [path] })).await;
    assert_eq!((table.name.as_str(), table.notes.len()), ("a", 0));
    assert_eq!(table.schema.id().name(), "pk");
    assert_eq!(rows["pk"].as_primitive::<arrow::datatypes::Int64Type>().values()[0], 4_000_000_000);
    for column in ["large", "view", "dictionary"] {
        assert_eq!(rows[column].as_string::<i32>(), &StringArray::from(words.to_vec()), "{column}");
    }
    assert!(rows["flag"].is_null(1));
    assert_eq!(rows["score"].data_type(), &DataType::Float64);

    let named = json!({ "paths": [path], "id": "view", "vector": "emb" });
    let (table, _) = read_only_table(named).await;
    assert_eq!(table.schema.id().data_type(), &DataType::Utf8);
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_of_every_element_type() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let wide = FixedSizeListArray::from_iter_primitive::<Float64Type, _, _>(
        [Some(vec![Some(0.1), Some(-2.5)])],
        2,
    );
    write_parquet(&path, &batch(vec![("emb", Arc::new(wide))]), 10);
    let (table, rows) = read_only_table(json!({ "paths": [path] })).await;
    assert_eq!(
        table.notes,
        [
            "the float64 values of `emb` become float32",
            "there is no id column, so the rows are numbered from 0"
        ]
    );
    let values = rows["emb"].as_fixed_size_list().values();
    assert_eq!(values.as_primitive::<Float32Type>().values(), &[0.1f32, -2.5]);

    let bytes = ListArray::from_iter_primitive::<UInt8Type, _, _>([Some(vec![Some(1), Some(255)])]);
    write_parquet(&path, &batch(vec![("id", ids(1)), ("bits", Arc::new(bytes))]), 10);
    let (table, _) = read_only_table(json!({ "paths": [path] })).await;
    let column = VectorColumn { vector_type: VectorType::Binary, dim: 16 };
    assert_eq!(table.schema.column(), column);
    assert!(table.notes[0].contains("packed bits"), "{:?}", table.notes);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_folders_and_patterns() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("x/y");
    fs::create_dir_all(&deep).unwrap();
    for path in [deep.join("b.parquet"), dir.path().join("a.parquet")] {
        write_parquet(&path, &batch(vec![("emb", fixed(3, 2))]), 10);
    }
    fs::write(dir.path().join(".hidden.parquet"), "no").unwrap();
    fs::write(dir.path().join("readme.txt"), "no").unwrap();
    let (table, rows) = read_only_table(json!({ "paths": [dir.path()] })).await;
    assert_eq!(rows.num_rows(), 6);
    assert_eq!(table.name, dir.path().file_name().unwrap().to_str().unwrap());
    let ids = rows["id"].as_primitive::<arrow::datatypes::Int64Type>();
    assert_eq!(ids.values(), &[0, 1, 2, 3, 4, 5], "numbered over all files");

    let pattern = dir.path().join("*.parquet");
    let (_, rows) = read_only_table(json!({ "paths": [pattern] })).await;
    assert_eq!(rows.num_rows(), 3);

    let none = tables_error(json!({ "paths": [dir.path().join("*.pq")] })).await;
    assert!(none.starts_with("No file matches the pattern `"), "{none}");
    let missing = tables_error(json!({ "paths": ["/nowhere/a.parquet"] })).await;
    assert_eq!(missing, "There is no file or folder `/nowhere/a.parquet`");
    let empty = tempfile::tempdir().unwrap();
    let empty = tables_error(json!({ "paths": [empty.path()] })).await;
    assert!(empty.starts_with("There are no Parquet files here\n  where: /"), "{empty}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_row_group_is_cut_where_pages_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    // 80 MB of vectors, in one row group; zeros, so the file is small.
    let (rows, dim) = (2500, 8192);
    let values = arrow_array::Float32Array::from(vec![0.0f32; rows * dim]);
    let item = Arc::new(arrow::datatypes::Field::new("item", DataType::Float32, false));
    let vectors = FixedSizeListArray::new(item, dim as i32, Arc::new(values), None);
    write_parquet(&path, &batch(vec![("id", ids(rows)), ("emb", Arc::new(vectors))]), rows);
    let source = source(json!({ "paths": [path] }));
    let table = source.tables().await.unwrap().remove(0);
    assert_eq!(table.splits.len(), 3);
    let cx = context();
    let mut next = 0;
    for split in &table.splits {
        assert_eq!(split.first_row, next);
        let ids = source.open(&table, split, 0, Columns::Ids, &cx).unwrap();
        let ids: Vec<_> = futures::StreamExt::collect(ids).await;
        for batch in ids {
            for id in
                batch.unwrap().rows.column(0).as_primitive::<arrow::datatypes::Int64Type>().values()
            {
                assert_eq!(*id, next as i64);
                next += 1;
            }
        }
    }
    assert_eq!(next, rows as u64);
    let last = table.splits.last().unwrap();
    let tail: Vec<_> = futures::StreamExt::collect(
        source.open(&table, last, last.rows - 1, Columns::All, &cx).unwrap(),
    )
    .await;
    assert_eq!(tail.len(), 1);
    let tail = tail[0].as_ref().unwrap();
    assert_eq!(tail.rows["id"].as_primitive::<arrow::datatypes::Int64Type>().values(), &[2499]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_parquet_file_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let at = path.display().to_string();
    let say = async |content: &[u8]| {
        fs::write(&path, content).unwrap();
        tables_error(json!({ "paths": [path] })).await.replace(&at, "a.parquet")
    };
    assert_eq!(say(b"hello, world").await, "This is not a Parquet file\n  where: a.parquet");
    assert_eq!(say(b"").await, "This is not a Parquet file\n  where: a.parquet");
    assert_eq!(
        say(b"PARE........PARE").await,
        "The file is encrypted, which is not supported\n  where: a.parquet"
    );
    write_parquet(&path, &batch(vec![("id", ids(50)), ("emb", fixed(50, 3))]), 10);
    let whole = fs::read(&path).unwrap();
    assert_eq!(
        say(&whole[..whole.len() - 1]).await,
        "The file is cut short: its footer is missing\n  where: a.parquet\n  help: whoever wrote it did not finish; write or copy it again"
    );
    let mut damaged = whole.clone();
    let footer = damaged.len() - 8 - 200;
    damaged[footer..footer + 100].fill(0xff);
    let words = say(&damaged).await;
    assert!(words.starts_with("The file is damaged, or uses a feature"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_missing_or_of_the_wrong_type_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let say = async |columns: Vec<(&str, ArrayRef)>, mut settings: serde_json::Value| {
        write_parquet(&path, &batch(columns), 10);
        settings["paths"] = json!([path]);
        let words = tables_error(settings).await;
        words.replace(&path.display().to_string(), "a.parquet")
    };
    assert_eq!(
        say(vec![("id", ids(1)), ("text", Arc::new(StringArray::from(vec!["a"])))], json!({}))
            .await,
        "There is no list column that could hold vectors; the columns are `id` (Int64), `text` (Utf8)\n  where: a.parquet\n  help: vectors are lists, of a fixed size or all of one length, of floats or bytes"
    );
    let two = || vec![("id", ids(1)), ("a", fixed(1, 2)), ("b", lists(&[2]))];
    assert_eq!(
        say(two(), json!({})).await,
        "Several list columns could hold the vectors: `a`, `b`\n  where: a.parquet\n  help: say which by `vector: <column>`"
    );
    let words = say(two(), json!({ "vector": "c" })).await;
    assert!(words.starts_with("There is no column `c` to be the vector"), "{words}");
    let words = say(two(), json!({ "vector": "a", "id": "key" })).await;
    assert!(words.starts_with("There is no column `key` to be the id"), "{words}");
    let words = say(two(), json!({ "vector": "id" })).await;
    assert!(words.starts_with("Column `id` has the type Int64, which is not a list"), "{words}");
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
    let words = say(vec![("id", floats), ("a", fixed(1, 2))], json!({})).await;
    assert!(
        words.starts_with("Id column `id` has the type Float64, ids are integers or strings"),
        "{words}"
    );
    let words = say(vec![("id", ids(0)), ("a", lists(&[]))], json!({})).await;
    assert!(words.starts_with("There are no rows, so the vectors' dimension"), "{words}");
    let words = say(vec![("id", ids(1)), ("a", lists(&[0]))], json!({})).await;
    assert!(words.starts_with("The first vectors are null or have no values"), "{words}");
    let doubles = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])], 1);
    let words = say(vec![("id", ids(1)), ("a", Arc::new(doubles))], json!({})).await;
    assert!(words.contains("whose elements are of no vector type"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_of_several_lengths_and_nulls_are_found_before_anything_moves() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let mut lengths = vec![3; 40];
    lengths[27] = 2;
    write_parquet(&path, &batch(vec![("id", ids(40)), ("emb", lists(&lengths))]), 10);
    let say = async || {
        let source = source(json!({ "paths": [path] }));
        let table = source.tables().await.unwrap().remove(0);
        // The engine reads these when it plans.
        assert_eq!(source.suspects(&table), [0]);
        read(&*source, &table).await.unwrap_err().to_string()
    };
    let words = say().await;
    assert!(words.contains("vector column `emb` has 2 values, expected 3: [1.0, 1.0]"), "{words}");
    assert!(words.contains("a.parquet, row 27"), "{words}");

    let missing = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
        [Some([Some(1.0); 2]), None],
        2,
    );
    write_parquet(&path, &batch(vec![("id", ids(2)), ("emb", Arc::new(missing))]), 10);
    let words = say().await;
    assert!(words.starts_with("Row with id 1: vector column `emb` is null\n"), "{words}");
    assert!(words.contains("a.parquet, row 1"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_rows_tell_names_file_and_row() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let say = async |columns: Vec<(&str, ArrayRef)>| {
        write_parquet(&path, &batch(columns), 200);
        let source = source(json!({ "paths": [path] }));
        let table = source.tables().await.unwrap().remove(0);
        let error = read(&*source, &table).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Source);
        error.to_string()
    };
    // One too short and one too long: the sum is right.
    let mut lengths = vec![3; 250];
    (lengths[237], lengths[240]) = (2, 4);
    let words = say(vec![("id", ids(250)), ("emb", lists(&lengths))]).await;
    assert!(words.contains("has 2 values, expected 3"), "{words}");
    assert!(words.contains("a.parquet, row 237"), "{words}");

    let holes: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let words = say(vec![("id", holes), ("emb", fixed(3, 2))]).await;
    assert!(words.contains("A row can't be moved: id column `id` is null\n  where: "), "{words}");
    assert!(words.contains("a.parquet, row 1"), "{words}");

    let mut values = ListBuilder::new(Float32Builder::new());
    values.append_value([Some(1.0), Some(2.0)]);
    values.append_value([Some(1.0), None]);
    let words = say(vec![("id", ids(2)), ("emb", Arc::new(values.finish()))]).await;
    assert!(words.contains("has a null at position 1"), "{words}");

    let huge: ArrayRef = Arc::new(UInt64Array::from(vec![1, u64::MAX]));
    let words = say(vec![("id", huge), ("emb", fixed(2, 2))]).await;
    assert!(
        words.contains("does not fit Int64") && words.contains("18446744073709551615"),
        "{words}"
    );

    let wide = FixedSizeListArray::from_iter_primitive::<Float64Type, _, _>(
        [Some([Some(0.5)]), Some([Some(1e39)])],
        1,
    );
    let words = say(vec![("id", ids(2)), ("emb", Arc::new(wide))]).await;
    assert!(words.contains("beyond the range of float32"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_one_table_have_one_schema() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a.parquet"), dir.path().join("b.parquet"));
    write_parquet(&a, &batch(vec![("id", ids(1)), ("emb", fixed(1, 2))]), 10);
    write_parquet(&b, &batch(vec![("id", ids(1)), ("emb", fixed(1, 3))]), 10);
    let words = tables_error(json!({ "paths": [a, b] })).await;
    assert!(
        words.starts_with("The file has the columns (id Int64, emb FixedSizeList(3 x"),
        "{words}"
    );
    assert!(words.contains("b.parquet\n  help: the first file is "), "{words}");

    // Other integer types make the same Int64 ids.
    let small: ArrayRef = Arc::new(Int16Array::from(vec![7]));
    write_parquet(&b, &batch(vec![("id", small), ("emb", lists(&[2]))]), 10);
    let (_, rows) = read_only_table(json!({ "paths": [a, b] })).await;
    assert_eq!(rows.num_rows(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_after_the_plan_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    write_parquet(&path, &batch(vec![("id", ids(5)), ("emb", fixed(5, 2))]), 10);
    let source = source(json!({ "paths": [path] }));
    let table = source.tables().await.unwrap().remove(0);
    write_parquet(&path, &batch(vec![("id", ids(500)), ("emb", fixed(500, 2))]), 10);
    let error = read(&*source, &table).await.unwrap_err().to_string();
    assert!(error.contains("The source changed after the run was planned"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn inspection_shows_columns_and_rows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    write_parquet(&path, &batch(vec![("id", ids(9)), ("emb", fixed(9, 2))]), 4);
    let found = vecpipe::source::inspect::inspect(path.to_str().unwrap()).await.unwrap();
    assert!(found.title.starts_with("Parquet file "));
    assert!(found.facts.contains(&("row groups".to_owned(), "3".to_owned())));
    assert_eq!(found.sections[0].rows[0], ["id", "Int64", "id"]);
    assert_eq!(found.first_rows.unwrap().num_rows(), 5);
    let found = vecpipe::source::inspect::inspect(dir.path().to_str().unwrap()).await.unwrap();
    assert!(found.title.starts_with("Parquet folder "));
    assert_eq!(found.sections[0].rows[0][2..4], ["9", "float32 × 2"]);
    assert!(vecpipe::source::inspect::inspect("/nowhere").await.is_err());
}
