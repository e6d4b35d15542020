//! What the sink writes, and when it becomes visible.

use std::fs::{self, File};
use std::path::Path;
use std::slice;
use std::sync::Arc;

use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Schema};
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, Float32Array, Int8Array, Int64Array, ListArray,
    RecordBatch, StringArray, StructArray, UInt8Array, UInt16Array, UInt32Array,
};
use parquet::basic::Compression;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::json;
use vecpipe::sink::{Completion, Decision};
use vecpipe::table::{Metric, Part, TableSchema, VectorColumn, VectorType, id_field, vector_field};

use crate::common::rows::{in_flight, write_parquet};
use crate::common::runs::{part, without_run};
use crate::support::{read, read_only_table, sink, source, split, tables_error, to_write, write};

pub fn rows_of(vector_type: VectorType, first: i64, rows: usize) -> (TableSchema, RecordBatch) {
    let column = VectorColumn { vector_type, dim: 16 };
    let schema = TableSchema::new(Arc::new(Schema::new(vec![
        id_field("id", DataType::Int64),
        vector_field("vector", column),
        Field::new("text", DataType::Utf8, true),
    ])))
    .unwrap();
    let len = vector_type.list_len(16);
    let seed = |n: usize| (first as usize * 31 + n * 7) % 251;
    let values: ArrayRef = match vector_type {
        VectorType::Float32 => Arc::new(Float32Array::from_iter_values(
            (0..rows * len).map(|n| seed(n) as f32 / 3.0 - 20.0),
        )),
        VectorType::Float16 => Arc::new(arrow_array::Float16Array::from_iter_values(
            (0..rows * len).map(|n| half::f16::from_f32(seed(n) as f32 / 3.0)),
        )),
        VectorType::BFloat16 => {
            Arc::new(UInt16Array::from_iter_values((0..rows * len).map(|n| 16000 + seed(n) as u16)))
        }
        VectorType::Int8 => {
            Arc::new(Int8Array::from_iter_values((0..rows * len).map(|n| (seed(n) as u8) as i8)))
        }
        VectorType::Binary => {
            Arc::new(UInt8Array::from_iter_values((0..rows * len).map(|n| seed(n) as u8)))
        }
        // Pairs, of which row n has n modulo 3.
        VectorType::Sparse => {
            let pairs: usize = (0..rows).map(|n| n % 3).sum();
            let DataType::Struct(fields) = vector_type.element() else { unreachable!() };
            let numbers = UInt32Array::from_iter_values((0..pairs).map(|n| n as u32 * 5));
            let weights = Float32Array::from_iter_values((0..pairs).map(|n| seed(n) as f32 / 3.0));
            let columns: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(weights)];
            Arc::new(StructArray::new(fields, columns, None))
        }
    };
    let element = Arc::new(Field::new("item", vector_type.element(), false));
    let vectors: ArrayRef = match vector_type {
        VectorType::Sparse => {
            let ends = OffsetBuffer::from_lengths((0..rows).map(|n| n % 3));
            Arc::new(ListArray::new(element, ends, values, None))
        }
        _ => Arc::new(FixedSizeListArray::new(element, len as i32, values, None)),
    };
    let texts: StringArray = (0..rows).map(|n| (n % 3 > 0).then(|| format!("t{n}"))).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(first..first + rows as i64)),
        vectors,
        Arc::new(texts),
    ];
    let rows = RecordBatch::try_new(schema.arrow().clone(), columns).unwrap();
    (schema, rows)
}

fn floats(first: i64, rows: usize) -> (TableSchema, RecordBatch) {
    rows_of(VectorType::Float32, first, rows)
}

/// Names in a folder, hidden ones too.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The same without the ids of runs.
fn plain_names(folder: &Path) -> Vec<String> {
    names(folder).iter().map(|name| without_run(name)).collect()
}

fn manifest(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_vector_type_comes_back_bit_by_bit() {
    for vector_type in [
        VectorType::Float32,
        VectorType::Float16,
        VectorType::BFloat16,
        VectorType::Int8,
        VectorType::Binary,
        VectorType::Sparse,
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (schema, rows) = rows_of(vector_type, 5, 300);
        let table = to_write(&schema, "test", Some("p1"));
        let parts = [rows.slice(0, 100), rows.slice(100, 50), rows.slice(150, 150)];
        let sink = sink(json!({ "dir": dir.path() }));
        let (_, completion) = write(&*sink, &table, &[&parts[..2], &parts[2..]]).await;
        assert_eq!(completion, Completion { rows_before: 0, rows_after: 300 });

        let (read, back) = read_only_table(json!({ "paths": [dir.path()] })).await;
        assert_eq!(read.schema, schema);
        assert_eq!(back, rows);
        assert_eq!((read.name.as_str(), read.collection.as_str()), ("test/p1", "test"));
        assert_eq!((read.part.partition(), read.metric), (Some("p1"), table.metric));
        assert!(read.notes.is_empty(), "{:?}", read.notes);

        // Without the manifest, the files still say what they are.
        fs::remove_file(dir.path().join("test/manifest.json")).unwrap();
        let (read, back) = read_only_table(json!({ "paths": [dir.path()] })).await;
        assert_eq!((read.schema, back, read.metric), (schema, rows, table.metric));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_laid_out_for_random_access() {
    let dir = tempfile::tempdir().unwrap();
    let (schema, rows) = floats(0, 100);
    let table = to_write(&schema, "test", None);
    write(&*sink(json!({ "dir": dir.path() })), &table, &[&[rows.clone(), rows], &[]]).await;
    let folder = dir.path().join("test/_default");
    assert_eq!(plain_names(&folder), ["part-00000-RUN.parquet"]);
    let file = SerializedFileReader::new(File::open(part(&folder, 0)).unwrap());
    let file = file.unwrap();
    let meta = file.metadata();
    assert_eq!(meta.num_row_groups(), 2, "one for each batch");
    let group = meta.row_group(0);
    let [id, vector] = [group.column(0), group.column(1)];
    assert!(matches!(vector.compression(), Compression::ZSTD(_)));
    assert!(vector.statistics().is_none() && vector.dictionary_page_offset().is_none());
    assert_eq!(id.statistics().unwrap().max_bytes_opt().unwrap(), 99i64.to_le_bytes());
    let notes = meta.file_metadata().key_value_metadata().unwrap();
    let note = |key: &str| notes.iter().find(|n| n.key == key).and_then(|n| n.value.clone());
    assert_eq!(note("vecpipe.metric").unwrap(), "IP");
    assert_eq!(note("vecpipe.source").unwrap(), table.name);

    let manifest = manifest(&dir.path().join("test"));
    let partition = &manifest["partitions"][0];
    assert_eq!((&manifest["format"], &manifest["table"]), (&json!(1), &json!("test")));
    assert_eq!((&partition["rows"], &partition["name"]), (&json!(200), &json!(null)));
    let name = partition["files"][0]["name"].as_str().unwrap();
    assert_eq!(without_run(name), "part-00000-RUN.parquet");
    assert_eq!(partition["schema"][1]["vector"], "float32");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_visible_before_the_table_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("test/_default");
    let (schema, old) = floats(0, 20);
    let table = to_write(&schema, "test", None);
    let settings = json!({ "dir": dir.path() });
    write(&*sink(settings.clone()), &table, &[slice::from_ref(&old); 2]).await;

    let sink = sink(settings.clone());
    let plan = sink.plan(&table).await.unwrap();
    assert_eq!((plan.decision, plan.rows_before), (Decision::Overwrite, Some(40)));
    let writer =
        sink.prepare(&table, &plan, &vecpipe::sink::Start::Fresh, Arc::default()).await.unwrap();
    let mut one = writer.open_split(&split(0)).await.unwrap();
    let mut two = writer.open_split(&split(1)).await.unwrap();
    let (_, new) = floats(1000, 30);
    one.write(in_flight(&new)).await.unwrap();
    two.write(in_flight(&new)).await.unwrap();
    one.finish().await.unwrap();
    assert_eq!(
        plain_names(&folder),
        [
            ".part-00002-RUN.parquet",
            ".part-00003-RUN.parquet.tmp",
            "part-00000-RUN.parquet",
            "part-00001-RUN.parquet"
        ]
    );
    let (_, rows) = read_only_table(json!({ "paths": [dir.path()] })).await;
    assert_eq!(rows.num_rows(), 40, "the old table is still there, whole");
    two.finish().await.unwrap();
    let completion = writer.complete().await.unwrap();
    assert_eq!(completion, Completion { rows_before: 0, rows_after: 60 });
    assert_eq!(plain_names(&folder), ["part-00002-RUN.parquet", "part-00003-RUN.parquet"]);
    let (_, rows) = read_only_table(json!({ "paths": [dir.path()] })).await;
    assert_eq!(rows.num_rows(), 60);
}

/// A run that is killed while it makes its parts visible leaves some that no manifest lists.
#[tokio::test(flavor = "multi_thread")]
async fn parts_that_became_visible_before_a_kill_are_not_the_table() {
    for complete_before in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("test/_default");
        let (schema, old) = floats(0, 20);
        let table = to_write(&schema, "test", None);
        let settings = |mode: &str| json!({ "dir": dir.path(), "mode": mode });
        if complete_before {
            write(&*sink(settings("overwrite")), &table, &[slice::from_ref(&old)]).await;
        }
        let killed = sink(settings("overwrite"));
        let plan = killed.plan(&table).await.unwrap();
        let writer = killed
            .prepare(&table, &plan, &vecpipe::sink::Start::Fresh, Arc::default())
            .await
            .unwrap();
        for index in 0..2 {
            let mut split = writer.open_split(&split(index)).await.unwrap();
            split.write(in_flight(&old)).await.unwrap();
            split.finish().await.unwrap();
        }
        drop(writer);
        let hidden = names(&folder).into_iter().find(|name| name.starts_with('.')).unwrap();
        fs::rename(folder.join(&hidden), folder.join(hidden.trim_start_matches('.'))).unwrap();

        if complete_before {
            let (_, rows) = read_only_table(json!({ "paths": [dir.path()] })).await;
            assert_eq!(rows.num_rows(), 20, "the manifest is what counts");
        } else {
            let error = tables_error(json!({ "paths": [dir.path()] })).await;
            assert!(error.starts_with("There are no Parquet files here"), "{error}");
        }
        let error = sink(settings("append")).plan(&table).await.unwrap_err().to_string();
        assert!(
            error.contains("no manifest lists") && error.contains("mode: overwrite"),
            "{error}"
        );
        let (_, completion) = write(&*sink(settings("overwrite")), &table, &[&[old]]).await;
        assert_eq!(completion.rows_after, 20);
        let visible = names(&folder).into_iter().filter(|name| !name.starts_with('.'));
        assert_eq!(visible.count(), 1, "{:?}", names(&folder));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_part_is_removed_and_a_finished_one_is_its_runs() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("test/_default");
    let (schema, rows) = floats(0, 20);
    let table = to_write(&schema, "test", None);
    let settings = json!({ "dir": dir.path(), "mode": "append" });
    let first = sink(settings.clone());
    let run = "0123456789abcdef".to_owned();
    first.set_run(&run, &[]);
    let plan = first.plan(&table).await.unwrap();
    let writer =
        first.prepare(&table, &plan, &vecpipe::sink::Start::Fresh, Arc::default()).await.unwrap();
    let mut finished = writer.open_split(&split(0)).await.unwrap();
    finished.write(in_flight(&rows)).await.unwrap();
    finished.finish().await.unwrap();
    let mut dropped = writer.open_split(&split(1)).await.unwrap();
    dropped.write(in_flight(&rows)).await.unwrap();
    drop(dropped);
    assert_eq!(plain_names(&folder), [".part-00000-RUN.parquet"]);
    drop(writer);

    fs::write(folder.join(format!(".part-00009-{run}.parquet.tmp")), "a killed run's").unwrap();
    fs::write(folder.join("notes.txt"), "the user's").unwrap();
    write(&*sink(settings.clone()), &table, &[slice::from_ref(&rows)]).await;
    let hidden = [".part-00000-RUN.parquet", ".part-00009-RUN.parquet.tmp"];
    let visible = ["notes.txt", "part-00000-RUN.parquet"];
    assert_eq!(
        plain_names(&folder),
        [hidden, visible].concat(),
        "another run may come back for them"
    );
    let next = sink(settings);
    next.set_run("0123456789abcdee", &[run]);
    write(&*next, &table, &[&[rows]]).await;
    assert_eq!(
        plain_names(&folder),
        ["notes.txt", "part-00000-RUN.parquet", "part-00001-RUN.parquet"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn appending_goes_on_after_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let settings = json!({ "dir": dir.path(), "mode": "append" });
    let (schema, rows) = floats(0, 20);
    let table = to_write(&schema, "test", None);
    write(&*sink(settings.clone()), &table, &[slice::from_ref(&rows); 2]).await;
    let (plan, completion) = write(&*sink(settings.clone()), &table, &[&[rows.slice(0, 5)]]).await;
    assert_eq!((plan.decision, plan.rows_before), (Decision::Append, Some(40)));
    assert_eq!(completion, Completion { rows_before: 40, rows_after: 45 });
    let folder = dir.path().join("test/_default");
    assert_eq!(plain_names(&folder), [0, 1, 2].map(|n| format!("part-0000{n}-RUN.parquet")));

    let (other, _) = rows_of(VectorType::Int8, 0, 1);
    let error = sink(settings.clone()).plan(&to_write(&other, "test", None)).await.unwrap_err();
    assert!(error.to_string().contains("The table there has the columns (id Int64"), "{error}");
    assert!(error.to_string().contains("mode: overwrite"), "{error}");

    // Visible, but of no complete table.
    fs::copy(part(&folder, 0), folder.join("part-00007.parquet")).unwrap();
    let error = sink(settings).plan(&table).await.unwrap_err();
    assert!(error.to_string().contains("part-00007.parquet for one"), "{error}");
    let (listed, _) = read_only_table(json!({ "paths": [dir.path()] })).await;
    assert_eq!(listed.rows, 45);
    assert!(listed.notes[0].contains("are not listed in its manifest"), "{:?}", listed.notes);
    let settings = json!({ "dir": dir.path(), "mode": "overwrite" });
    write(&*sink(settings), &table, &[&[rows]]).await;
    assert_eq!(plain_names(&folder), ["part-00008-RUN.parquet"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_share_a_manifest_and_odd_names_stay_inside() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let (schema, rows) = floats(0, 20);
    let sink = sink(json!({ "dir": out }));
    let (one, two) =
        (to_write(&schema, "../a", Some("p/1")), to_write(&schema, "../a", Some("..")));
    let batches = [rows.clone()];
    let splits: [&[RecordBatch]; 1] = [&batches];
    tokio::join!(write(&*sink, &one, &splits), write(&*sink, &two, &splits));
    assert_eq!(names(dir.path()), ["out"]);
    assert_eq!(names(&out), ["%2E.%2Fa"]);
    assert_eq!(names(&out.join("%2E.%2Fa")), ["%2E%2E", "manifest.json", "p%2F1"]);
    let source = source(json!({ "paths": [out] }));
    let tables = source.tables().await.unwrap();
    let found: Vec<_> =
        tables.iter().map(|t| (t.collection.as_str(), t.part.partition(), t.rows)).collect();
    assert_eq!(found, [("../a", Some(".."), 20), ("../a", Some("p/1"), 20)]);
}

/// What was staged tells whether somebody had named partitions.
#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_a_whole_collection_when_the_default_one_is_among_them() {
    let (schema, rows) = floats(0, 20);
    let of_whole = |name: &str| Part::OfWhole(name.to_owned());
    for (names, expected) in [
        (&["_default", "p1"][..], vec![of_whole("_default"), of_whole("p1")]),
        (&["p1"], vec![Part::Named("p1".to_owned())]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let sink = sink(json!({ "dir": dir.path() }));
        for name in names {
            write(&*sink, &to_write(&schema, "a", Some(name)), &[slice::from_ref(&rows)]).await;
        }
        let tables = source(json!({ "paths": [dir.path()] })).tables().await.unwrap();
        let parts: Vec<_> = tables.into_iter().map(|table| table.part).collect();
        assert_eq!(parts, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_table_keeps_its_schema() {
    let dir = tempfile::tempdir().unwrap();
    let (schema, _) = floats(0, 1);
    let mut table = to_write(&schema, "nothing", None);
    table.metric = Some(Metric::Cosine);
    write(&*sink(json!({ "dir": dir.path(), "compression": "none" })), &table, &[]).await;
    let (read, rows) = read_only_table(json!({ "paths": [dir.path()] })).await;
    assert_eq!((rows.num_rows(), read.schema, read.metric), (0, schema, Some(Metric::Cosine)));
    assert!(read.splits.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_what_the_manifest_says_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (schema, rows) = floats(0, 20);
    let table = to_write(&schema, "test", None);
    let batches = [rows];
    write(&*sink(json!({ "dir": dir.path() })), &table, &[&batches, &batches]).await;
    let folder = dir.path().join("test/_default");
    let second = part(&folder, 1);
    let (_, fewer) = floats(0, 3);
    write_parquet(&second, &fewer, 10);
    let error = source(json!({ "paths": [dir.path()] })).tables().await.unwrap_err().to_string();
    assert!(error.contains("The file has 3 rows, its manifest says 20"), "{error}");
    fs::remove_file(&second).unwrap();
    let error = source(json!({ "paths": [dir.path()] })).tables().await.unwrap_err().to_string();
    assert!(error.contains("Cannot open the file: No such file"), "{error}");
    let append = sink(json!({ "dir": dir.path(), "mode": "append" }));
    let error = append.plan(&table).await.unwrap_err().to_string();
    assert!(error.contains("Cannot open the file: No such file"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unwritable_folder_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("out"), "a file").unwrap();
    let (schema, _) = floats(0, 1);
    let table = to_write(&schema, "test", None);
    let sink = sink(json!({ "dir": dir.path().join("out/below") }));
    let error = sink.plan(&table).await.unwrap_err();
    assert!(error.to_string().contains("Not a directory"), "{error}");
    assert_eq!(error.exit_code(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn scalars_and_string_ids_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let (_, rows) = floats(0, 50);
    let schema = TableSchema::new(Arc::new(Schema::new(vec![
        id_field("key", DataType::Utf8),
        rows.schema().field(1).clone(),
        Field::new("age", DataType::Int8, true),
    ])))
    .unwrap();
    let keys = StringArray::from_iter_values((0..50).map(|n| format!("key {n}")));
    let ages: Int8Array = (0..50).map(|n| (n % 7 > 0).then_some(n)).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(keys), rows.column(1).clone(), Arc::new(ages)];
    let rows = RecordBatch::try_new(schema.arrow().clone(), columns).unwrap();
    let batches = [rows.clone()];
    write(&*sink(json!({ "dir": dir.path() })), &to_write(&schema, "t", None), &[&batches]).await;
    let source = source(json!({ "paths": [dir.path()] }));
    let table = source.tables().await.unwrap().remove(0);
    assert_eq!(table.schema, schema);
    assert_eq!(read(&*source, &table).await.unwrap(), rows);
    assert_eq!(rows.column(2).null_count(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_with_a_failed_write_is_never_finished() {
    let dir = tempfile::tempdir().unwrap();
    let (schema, rows) = floats(0, 20);
    let (_, other) = rows_of(VectorType::Int8, 0, 20);
    let table = to_write(&schema, "test", None);
    let sink = sink(json!({ "dir": dir.path() }));
    let plan = sink.plan(&table).await.unwrap();
    let writer =
        sink.prepare(&table, &plan, &vecpipe::sink::Start::Fresh, Arc::default()).await.unwrap();
    let mut part = writer.open_split(&split(0)).await.unwrap();
    part.write(in_flight(&rows)).await.unwrap();
    assert!(part.write(in_flight(&other)).await.is_err());
    assert!(part.write(in_flight(&rows)).await.is_err());
    assert!(part.finish().await.is_err());
    assert!(names(&dir.path().join("test/_default")).is_empty());
}
